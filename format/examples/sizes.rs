//! Measures what docs/format.md says of sizes: bytes a record, the index, and how often it answers wrongly.

#![allow(clippy::expect_used, reason = "for developers only")]

use std::net::Ipv4Addr;

use ctrecorder_format::{Address, Closing, Content, Header, Key, Kind, Record, Segment, Tuple, V4, V6, Writer};

/// One of 8,192 subscribers, one of 16 public addresses, one of many servers: the shape of a busy NAT.
fn record<A: Address>(number: u64, make: impl Fn(u8, u32) -> A) -> Record<A> {
    // A multiplicative generator is enough: the same figures every time.
    let random =
        |salt: u64| (number.wrapping_mul(6_364_136_223_846_793_005) ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let inside = make(100, (random(1) % 8192) as u32);
    let server = make(198, (random(2) % 1_000_000) as u32);
    let public = make(203, (random(3) % 16) as u32);
    let ports = (1024 + random(4) % 60_000, 1024 + random(5) % 60_000);
    Record {
        start: (1_795_183_200_000_000_000 + number).into(),
        end: 0.into(),
        original: Tuple { src: inside, dst: server, sport: (ports.0 as u16).into(), dport: 443.into() },
        reply: Tuple { src: server, dst: public, sport: 443.into(), dport: (ports.1 as u16).into() },
        id: (number as u32).into(),
        mark: 0.into(),
        zone: 0.into(),
        kind: Kind::Start as u8,
        protocol: 6,
        status: 0x18e.into(),
        tcp_state: 3,
        flags: 0,
    }
}

fn v4(number: u64) -> Record<V4> {
    record(number, |first, rest| (u32::from(first) << 24 | rest).to_be_bytes())
}

fn v6(number: u64) -> Record<V6> {
    record(number, |first, rest| (0x2001_0db8 << 96 | u128::from(first) << 64 | u128::from(rest)).to_be_bytes())
}

/// A segment of `batches` batches with so many records of each family.
fn segment(batches: u64, ipv4: u64, ipv6: u64, counters: bool) -> Vec<u8> {
    let header = Header { tag: 1, counters, ..Header::blank(Content::Events) };
    let mut writer = Writer::new(Vec::new(), &header).expect("a header");
    for batch in 0..batches {
        (0..ipv4).for_each(|number| writer.push(&v4(batch * ipv4 + number), None, batch));
        (0..ipv6).for_each(|number| writer.push(&v6(batch * ipv6 + number), None, batch));
        writer.seal();
    }
    writer.finish(Closing::Complete, 0).expect("a footer");
    writer.write_out().expect("memory takes all");
    writer.output().clone()
}

/// Percent of the answers "this column may hold it" about keys that no record has, over all columns of a segment.
fn wrong_percent(bytes: &[u8], keys: impl Fn(u32) -> Key) -> f64 {
    let segment = Segment::open(bytes).expect("a segment");
    let indexes: Vec<_> = segment.indexes().filter_map(|head| head.index()).collect();
    let passed: usize =
        indexes.iter().map(|index| (0..10_000).map(|n| index.may_hold(keys(n)).len()).sum::<usize>()).sum();
    let columns: usize = indexes.iter().map(|index| index.columns().len()).sum();
    100.0 * passed as f64 / (columns * 10_000) as f64
}

fn main() {
    println!("records a batch                 bytes a record      of the index    columns of the first");
    for (ipv4, ipv6, counters) in [
        (586, 0, false),
        (373, 0, true),
        (0, 316, false),
        (1000, 100, false),
        (100, 0, false),
        (100, 10, false),
        (10, 0, false),
        (1, 0, false),
        (0, 1, false),
    ] {
        let batches = 100_000 / (ipv4 + ipv6) + 1;
        let bytes = segment(batches, ipv4, ipv6, counters);
        let parsed = Segment::open(&bytes).expect("a segment");
        let records = (batches * (ipv4 + ipv6)) as f64;
        let each = bytes.len() as f64 / records;
        let of_index = parsed.indexes().map(|head| head.header.length()).sum::<u64>() as f64 / records;
        let columns = parsed.indexes().find_map(|head| Some(head.index()?.columns().len())).unwrap_or(0);
        let counted = if counters { ", counters" } else { "" };
        println!("{ipv4:5} IPv4, {ipv6:4} IPv6{counted:10} {each:17.1} {of_index:17.1} {columns:23}");
    }
    let full = segment(248, 586, 0, false);
    let address = |n: u32| Key::address(Ipv4Addr::from(0x0a00_0000 + n).octets());
    let endpoint = |n: u32| Key::endpoint([203, 0, 0, 200], n as u16);
    println!(
        "full IPv4 blocks: {:.2} % of absent addresses pass, {:.2} % of absent endpoints",
        wrong_percent(&full, address),
        wrong_percent(&full, endpoint)
    );
}
