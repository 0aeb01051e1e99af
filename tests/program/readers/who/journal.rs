//! The journal that the examples of docs/who.md are asked of.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Cause, Closing, Header, Kind, Note, Record, Tuple, V4, V6};
use tempfile::TempDir;

use crate::readers::sample::{BEGIN, NS, Segment, header};

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

/// A record of a flow: the source and destination of its original tuple, then of its reply tuple. Its start or end is so many
/// seconds after [`BEGIN`].
pub fn event<A: Address>(kind: Kind, protocol: u8, second: u64, endpoints: [&str; 4]) -> Record<A> {
    let time = BEGIN + second * NS;
    let [inside, server, answering, public] = endpoints.map(|text| text.parse::<SocketAddr>().unwrap());
    let tuple = |src: SocketAddr, dst: SocketAddr| Tuple {
        src: A::from_ip(src.ip()).unwrap(),
        dst: A::from_ip(dst.ip()).unwrap(),
        sport: src.port().into(),
        dport: dst.port().into(),
    };
    Record {
        start: if kind == Kind::End { 0 } else { time }.into(),
        end: if kind == Kind::End { time } else { 0 }.into(),
        original: tuple(inside, server),
        reply: tuple(answering, public),
        id: 0.into(),
        mark: 0.into(),
        zone: 0.into(),
        kind: kind as u8,
        protocol,
        status: 0.into(),
        tcp_state: 0,
        flags: 0,
    }
}

/// The same with these flags.
pub fn flagged<A: Address>(record: Record<A>, flags: u8) -> Record<A> {
    Record { flags, ..record }
}

fn at(second: u64) -> u64 {
    BEGIN + second * NS
}

/// A header of every protocol.
pub fn every_protocol(number: u64) -> Header {
    Header { protocols: Vec::new(), recorder_started: BEGIN, ..header(number, None) }
}

const ONE: [&str; 4] = ["10.64.3.7:51322", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:36782"];
const OTHER: [&str; 4] = ["10.64.9.1:40000", "198.51.100.8:25", "198.51.100.8:25", "203.0.113.6:36782"];
const FORWARDED: [&str; 4] = ["192.0.2.9:50000", "203.0.113.6:8080", "10.64.0.80:80", "192.0.2.9:50000"];
const STRAIGHT: [&str; 4] =
    ["[2001:db8:1::7]:5353", "[2001:db8:2::53]:53", "[2001:db8:2::53]:53", "[2001:db8:1::7]:5353"];
const FOUND: [&str; 4] = ["10.64.5.5:1500", "198.51.100.9:80", "198.51.100.9:80", "203.0.113.7:1500"];
const UNHEARD: [&str; 4] = ["10.64.5.6:1600", "198.51.100.9:80", "198.51.100.9:80", "203.0.113.7:1600"];

/// An hour from [`BEGIN`] on: flows of all kinds, and a gap after a quarter of an hour.
pub fn segment() -> Vec<u8> {
    let kernel = flags::START_FROM_KERNEL | flags::END_FROM_KERNEL;
    let mut ended: Record<V4> = flagged(event(Kind::End, TCP, 240, FORWARDED), kernel);
    ended.start = at(120).into();
    let segment = Segment::new(&every_protocol(0))
        .note(&Note::at(BEGIN, Cause::Started))
        .note(&Note::gap(BEGIN, BEGIN + NS / 10, 0, Cause::TableRead))
        .push::<V4>(&event(Kind::Start, TCP, 60, ONE))
        .push::<V4>(&event(Kind::Start, TCP, 100, OTHER))
        .push::<V4>(&flagged(event(Kind::Start, TCP, 120, FORWARDED), flags::START_FROM_KERNEL))
        .push::<V4>(&event(Kind::End, TCP, 200, OTHER))
        .push::<V4>(&ended)
        .push::<V4>(&event(Kind::End, TCP, 300, ONE))
        .push::<V4>(&event(Kind::Start, TCP, 400, UNHEARD))
        .seal()
        .push::<V6>(&event(Kind::Start, UDP, 410, STRAIGHT))
        .note(&Note::gap(at(900), at(910), 5, Cause::KernelOverrun))
        .push::<V4>(&flagged(event(Kind::Start, TCP, 911, FOUND), flags::RECOVERED))
        .note(&Note::gap(at(890), at(911), 0, Cause::TableRead))
        .push::<V4>(&flagged(event(Kind::End, TCP, 911, UNHEARD), flags::END_AT_LATEST))
        .push::<V4>(&event(Kind::End, TCP, 950, FOUND));
    segment.closed(Closing::Stopped).0
}

/// What another router kept of the same time and half an hour before, in which it was passive: nothing but a gap.
pub fn passive() -> Vec<u8> {
    let began = BEGIN - 1800 * NS;
    let header = Header { host: "nat2".into(), recorder_started: began, created: began, ..every_protocol(0) };
    let segment = Segment::new(&header)
        .note(&Note::at(began, Cause::Started))
        .note(&Note::gap(began, began + NS, 0, Cause::TableRead))
        .note(&Note::gap(at(260), at(280), 7, Cause::KernelOverrun))
        .note(&Note::gap(at(281), at(282), 0, Cause::TableRead));
    segment.closed(Closing::Stopped).0
}

/// A directory with files of these names and contents.
pub fn directory(files: &[(&str, Vec<u8>)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, bytes) in files {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

/// The manual's page.
pub fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
