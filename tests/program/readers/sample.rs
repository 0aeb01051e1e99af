//! Files for the tests of the readers.

use std::path::{Path, PathBuf};

use ctrecorder_format::{
    Address, Closing, Content, Counters, Digest, Header, Kind, Note, Record, Tuple, V4, V6, Writer,
};

use crate::program::{Answer, answer, ctrecorder};

pub const NS: u64 = 1_000_000_000;

/// When the segments here were made: 2027-01-15 08:00:00 UTC.
pub const BEGIN: u64 = 1_800_000_000 * NS;

/// A file that the C program recorded, or what it listed of one.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v2").join(name)
}

/// Runs the program in UTC.
pub fn run<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Answer {
    answer(ctrecorder().args(arguments))
}

/// The header of the segment with this number, which follows the one with this digest.
pub fn header(number: u64, previous: Option<Digest>) -> Header {
    Header {
        tag: 0xfeed_0000 + number as u32,
        software: "ctrecorder 0.1.0".into(),
        host: "nat1".into(),
        boot_id: [7; 16],
        recorder_started: BEGIN,
        segment_number: number,
        created: BEGIN + number * 600 * NS,
        time_zone: "UTC".into(),
        protocols: vec![6],
        namespace: 4_026_531_840,
        previous,
        ..Header::blank(Content::Events)
    }
}

/// A record of the TCP flow `number`, `second` seconds after [`BEGIN`].
fn record<A: Address>(kind: Kind, number: u16, second: u64, [inside, server, public]: [A; 3]) -> Record<A> {
    let time = BEGIN + second * NS;
    let tuple = |src, dst, sport: u16, dport: u16| Tuple { src, dst, sport: sport.into(), dport: dport.into() };
    Record {
        start: if kind == Kind::End { 0 } else { time }.into(),
        end: if kind == Kind::End { time } else { 0 }.into(),
        original: tuple(inside, server, number, 443),
        reply: tuple(server, public, 443, number),
        id: u32::from(number).into(),
        mark: 0.into(),
        zone: 0.into(),
        kind: kind as u8,
        protocol: 6,
        status: 0.into(),
        tcp_state: 0,
        flags: 0,
    }
}

/// A record of an IPv4 flow from 10.0.0.1 by way of 203.0.113.1.
pub fn v4(kind: Kind, number: u16, second: u64) -> Record<V4> {
    record(kind, number, second, [[10, 0, 0, 1], [198, 51, 100, 7], [203, 0, 113, 1]])
}

/// A record of an IPv6 flow from fd00::1 by way of 2001:db8::1.
pub fn v6(kind: Kind, number: u16, second: u64) -> Record<V6> {
    let address = |first: u16, last: u16| (u128::from(first) << 112 | u128::from(last)).to_be_bytes();
    record(kind, number, second, [address(0xfd00, 1), address(0x2a00, 7), address(0x2001, 1)])
}

/// The line of an IPv4 record of [`v4`], as listed: `when` is the time of day, `kind` letter and reply mark.
pub fn line4(when: &str, kind: &str, number: u16) -> String {
    format!(
        "2027.01.15 {when}.000000 {kind} src=10.0.0.1:{number} dst=198.51.100.7:443 src=198.51.100.7:443 \
         dst=203.0.113.1:{number}\n"
    )
}

/// The line of an IPv6 record of [`v6`], likewise.
pub fn line6(when: &str, kind: &str, number: u16) -> String {
    format!(
        "2027.01.15 {when}.000000 {kind} src=[fd00::1]:{number} dst=[2a00::7]:443 src=[2a00::7]:443 \
         dst=[2001::1]:{number}\n"
    )
}

/// A segment as it grows.
pub struct Segment(Writer<Vec<u8>>);

impl Segment {
    pub fn new(header: &Header) -> Self {
        Self(Writer::new(Vec::new(), header).unwrap())
    }

    pub fn push<A: Address>(mut self, record: &Record<A>) -> Self {
        self.0.push(record, None, record.event_time());
        self
    }

    /// A record that came so many seconds after [`BEGIN`], whatever times it tells of.
    pub fn told<A: Address>(mut self, record: &Record<A>, second: u64) -> Self {
        self.0.push(record, None, BEGIN + second * NS);
        self
    }

    pub fn counted<A: Address>(mut self, record: &Record<A>, counters: &Counters) -> Self {
        self.0.push(record, Some(counters), record.event_time());
        self
    }

    /// Ends the block.
    pub fn seal(mut self) -> Self {
        self.0.seal();
        self
    }

    pub fn note(mut self, note: &Note) -> Self {
        self.0.note(note);
        self
    }

    /// The bytes without a footer, as of a recorder that was killed.
    pub fn cut_off(self) -> Vec<u8> {
        let mut writer = self.seal().0;
        writer.write_out().unwrap();
        writer.output().clone()
    }

    /// The bytes with a footer, and the digest.
    pub fn closed(self, closing: Closing) -> (Vec<u8>, Digest) {
        self.closed_at(closing, 3600)
    }

    /// The same, closed so many seconds after [`BEGIN`].
    pub fn closed_at(mut self, closing: Closing, second: u64) -> (Vec<u8>, Digest) {
        let digest = self.0.finish(closing, BEGIN + second * NS).unwrap();
        (self.cut_off(), digest)
    }

    /// The bytes with a footer, closed at this moment.
    pub fn closed_until(mut self, closing: Closing, moment: u64) -> Vec<u8> {
        self.0.finish(closing, moment).unwrap();
        self.cut_off()
    }

    /// The bytes of a segment after which the recorder stopped.
    pub fn stopped(self) -> Vec<u8> {
        self.closed(Closing::Stopped).0
    }
}

/// Where each block begins in a segment's bytes, and the file's length at the end.
pub fn blocks(bytes: &[u8]) -> Vec<usize> {
    let segment = ctrecorder_format::Segment::open(bytes).unwrap();
    segment.blocks().map(|block| block.unwrap().offset as usize).chain([bytes.len()]).collect()
}
