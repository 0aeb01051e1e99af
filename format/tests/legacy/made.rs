//! Files made up at random, whose records are known.

use ctrecorder_format::legacy::{Content, File, Header, Writer};
use ctrecorder_format::{Kind, Record, Tuple, V4, record::flags};
use proptest::prelude::*;

use super::{COMBINED, EVENT, UDP};

pub const SECOND: u64 = 1_000_000_000;

/// A file and what is in it.
#[derive(Clone, Debug)]
pub struct Made {
    pub bytes: Vec<u8>,
    pub size: usize,
    pub records: Vec<Record<V4>>,
}

impl Made {
    /// Where record `index` begins.
    pub fn offset(&self, index: usize) -> usize {
        Header::LENGTH + index * self.size
    }

    /// The file with only the first `left` bytes left of record `index`.
    pub fn cut(&self, index: usize, left: usize) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.drain(self.offset(index) + left..self.offset(index + 1));
        bytes
    }

    /// All records but those at `missing`.
    pub fn records_without(&self, missing: &[usize]) -> Vec<Record<V4>> {
        let all = self.records.iter().enumerate();
        all.filter(|(index, _)| !missing.contains(index)).map(|(_, record)| *record).collect()
    }
}

/// A made-up file of `records`.
pub fn file(content: Content, records: Vec<Record<V4>>) -> Made {
    let header = Header { content, ..File::open(UDP).unwrap().header().clone() };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    for record in &records {
        writer.push(record).unwrap();
    }
    let size = if content == Content::Events { EVENT } else { COMBINED };
    Made { bytes: writer.finish().unwrap(), size, records }
}

/// Whether the clock of a made-up recorder is set while it records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    Steady,
    SetOnce,
}

/// Files of events or flows: a router's, with long silences.
pub fn files(count: impl Into<prop::collection::SizeRange>, clock: Clock) -> impl Strategy<Value = Made> {
    let events = any::<bool>();
    let flows = prop::collection::vec((pauses(), tuples(), kinds(), 1..100_000_000u64), count);
    let clock_set = (any::<prop::sample::Index>(), 1..4_000_000_000u64);
    (events, flows, clock_set).prop_map(move |(events, flows, (set_at, set_to))| {
        let set_at = set_at.index(flows.len());
        let mut now = u64::from(File::open(UDP).unwrap().header().started.0) * SECOND;
        let mut records = Vec::new();
        for (index, (pause, tuples, kind, micros)) in flows.into_iter().enumerate() {
            if clock == Clock::SetOnce && index == set_at {
                now = set_to * SECOND;
            }
            now += pause;
            // What the format does not keep would not come back.
            let now = now / 1_000 * 1_000;
            records.push(if events { event(kind, now, tuples) } else { flow(kind, now, micros, tuples) });
        }
        file(if events { Content::Events } else { Content::Combined }, records)
    })
}

fn pauses() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0..SECOND / 10,
        4 => 0..30 * SECOND,
        1 => 0..40 * 3_600 * SECOND,
    ]
}

/// A kind of event; combined records take theirs for which sides are known.
fn kinds() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(1), 1 => Just(2), 4 => Just(3), 4 => Just(5), 1 => Just(6), 4 => Just(7)]
}

/// What stands in the tuples of real files, and what could be mistaken for types and times.
fn tuples() -> impl Strategy<Value = [Tuple<V4>; 2]> {
    let anything = (any::<[V4; 4]>(), any::<[u16; 4]>());
    let inside = (0..4u8, 1..120u8).prop_map(|(net, host)| [10, 0, net, host]);
    let outside = prop::sample::select(vec![[8, 8, 8, 8], [107, 90, 1, 2], [1, 0, 0, 1], [203, 0, 113, 10]]);
    let public = prop::sample::select(vec![[203, 0, 0, 1], [198, 51, 100, 7]]);
    let ports = (1..=u16::MAX, prop::sample::select(vec![0, 1, 53, 256, 443, 27015]));
    let translated = (inside, outside, public, ports).prop_map(|(inside, outside, public, (sport, dport))| {
        ([inside, outside, outside, public], [sport, dport, dport, sport])
    });
    prop_oneof![1 => anything, 3 => translated].prop_map(|(addresses, ports)| {
        let [src, dst, reply_src, reply_dst] = addresses;
        let [sport, dport, reply_sport, reply_dport] = ports.map(Into::into);
        let original = Tuple { src, dst, sport, dport };
        [original, Tuple { src: reply_src, dst: reply_dst, sport: reply_sport, dport: reply_dport }]
    })
}

/// An event of the type `kind` as it stands in the file.
pub fn event(kind: u8, now: u64, [original, reply]: [Tuple<V4>; 2]) -> Record<V4> {
    let is_end = kind & 3 == Kind::End as u8;
    Record {
        start: if is_end { 0 } else { now }.into(),
        end: if is_end { now } else { 0 }.into(),
        original,
        reply,
        id: 0.into(),
        mark: 0.into(),
        zone: 0.into(),
        kind: kind & 3,
        protocol: 17,
        status: 0.into(),
        tcp_state: 0,
        flags: if kind & 4 != 0 { flags::REPLY_SEEN } else { 0 },
    }
}

/// A flow that lasted for `micros` up to `end`; `kind` 1 and 2: with only its start, and only its end.
pub fn flow(kind: u8, end: u64, micros: u64, tuples: [Tuple<V4>; 2]) -> Record<V4> {
    let start = end.saturating_sub(micros * 1_000).max(SECOND);
    let (start, end) = match kind {
        1 => (start, 0),
        2 => (0, end),
        _ => (start, end),
    };
    Record { start: start.into(), end: end.into(), kind: Kind::Flow as u8, ..event(1, 0, tuples) }
}
