//! What the C program recorded, against what it printed of it.

use std::net::Ipv4Addr;

use ctrecorder_format::legacy::{File, Writer};
use ctrecorder_format::{Kind, Record, Tuple, V4};

use super::{COMBINED, EVENT, TCP, TCP_COMBINED, UDP, UDP_COMBINED, read_whole};

const TCP_LIST: &str = include_str!("../../../tests/data/v2/tcp.list.utc.txt");
const TCP_LIST_8022: &str = include_str!("../../../tests/data/v2/tcp.list.i-10.10.0.2.p-8022.utc.txt");
const TCP_COMBINED_LIST: &str = include_str!("../../../tests/data/v2/tcp.combined.list.utc.txt");
const UDP_LIST_29: &str = include_str!("../../../tests/data/v2/udp.list.i-203.0.113.0_29.utc.txt");
const UDP_LIST_WARSAW: &str = include_str!("../../../tests/data/v2/udp.list.warsaw.txt");

/// A time as the list has it, `offset` seconds east of UTC. The calendar is counted out, year by year.
fn date(ns: u64, offset: u64) -> String {
    let seconds = ns / 1_000_000_000 + offset;
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let micros = ns / 1_000 % 1_000_000;
    format!(
        "{year:04}.{month:02}.{:02} {hour:02}:{minute:02}:{second:02}.{micros:06}",
        days + 1
    )
}

fn tuples(record: &Record<V4>) -> String {
    let tuple = |tuple: &Tuple<V4>| {
        let [src, dst] = [tuple.src, tuple.dst].map(Ipv4Addr::from);
        format!("src={src}:{} dst={dst}:{}", tuple.sport, tuple.dport)
    };
    format!("{} {}", tuple(&record.original), tuple(&record.reply))
}

fn event_line(record: &Record<V4>, offset: u64) -> String {
    let (letter, time) = match record.kind() {
        Some(Kind::Start) => ('S', record.start),
        Some(Kind::End) => ('E', record.end),
        other => panic!("the C program's recorder writes no {other:?}"),
    };
    assert!(record.start == 0 || record.end == 0);
    let reply = if record.reply_seen() { '+' } else { ' ' };
    format!(
        "{} {letter}{reply} {}\n",
        date(time.get(), offset),
        tuples(record)
    )
}

fn combined_line(record: &Record<V4>) -> String {
    assert_eq!(record.kind(), Some(Kind::Flow));
    let side = |ns: u64| match ns {
        0 => "-          -              ".to_owned(),
        ns => date(ns, 0),
    };
    format!(
        "{} {} {}\n",
        side(record.start.get()),
        side(record.end.get()),
        tuples(record)
    )
}

fn list(bytes: &[u8], offset: u64) -> String {
    read_whole(bytes, EVENT)
        .iter()
        .map(|record| event_line(record, offset))
        .collect()
}

#[test]
fn events_are_what_the_c_program_listed() {
    let tcp = list(TCP, 0);
    assert_eq!(tcp, TCP_LIST);
    let with_8022 = tcp.lines().filter(|line| line.contains(":8022 "));
    assert_eq!(
        with_8022.collect::<Vec<_>>(),
        TCP_LIST_8022.lines().collect::<Vec<_>>()
    );
    assert_eq!(list(UDP, 0), UDP_LIST_29);
}

#[test]
fn the_header_knows_the_local_time() {
    let offset = File::open(UDP).unwrap().header().utc_offset_seconds;
    assert_eq!(list(UDP, u64::try_from(offset).unwrap()), UDP_LIST_WARSAW);
}

#[test]
fn combined_records_are_what_the_c_program_listed() {
    let lines: String = read_whole(TCP_COMBINED, COMBINED)
        .iter()
        .map(combined_line)
        .collect();
    assert_eq!(lines, TCP_COMBINED_LIST);
}

#[test]
fn combined_udp_records_are_the_events_of_the_udp_file() {
    let events = read_whole(UDP, EVENT);
    let flows = read_whole(UDP_COMBINED, COMBINED);
    assert!(flows.len() >= 40);
    for flow in flows {
        let with = |kind, at| {
            events.iter().any(|event| {
                (event.kind(), event.event_time()) == (Some(kind), at) && event.original == flow.original
            })
        };
        assert!(flow.start == 0 || with(Kind::Start, flow.start.get()));
        assert!(flow.end == 0 || with(Kind::End, flow.end.get()));
    }
}

#[test]
fn records_have_the_protocol_of_the_header_and_nothing_unknown() {
    for (bytes, size, protocol) in [(TCP, EVENT, 6), (UDP_COMBINED, COMBINED, 17)] {
        for record in read_whole(bytes, size) {
            assert_eq!(record.protocol, protocol);
            assert!(record.id == 0 && record.mark == 0 && record.zone == 0);
            assert!(record.status == 0 && record.tcp_state == 0);
        }
    }
}

#[test]
fn every_file_is_written_again_byte_for_byte() {
    for (bytes, size) in [
        (TCP, EVENT),
        (UDP, EVENT),
        (TCP_COMBINED, COMBINED),
        (UDP_COMBINED, COMBINED),
    ] {
        let header = File::open(bytes).unwrap().header().clone();
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        for record in read_whole(bytes, size) {
            writer.push(&record).unwrap();
        }
        assert!(writer.finish().unwrap() == bytes);
    }
}
