//! Journals made by chance, and what may befall them.

use std::fs;
use std::path::Path;

use ctrecorder_format::legacy;
use ctrecorder_format::{Cause, Closing, Content, Counters, Digest, Header, Kind, Note, Segment, V4, V6, Writer};
use proptest::prelude::*;

use crate::journal::Journal;
use crate::sample::record;

/// When the first file was begun: 2026-11-20T12:00:00Z.
const BEGIN: u64 = 1_795_176_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// How long a recorder is at a file at most: then the next one is begun.
const FILE: u64 = 20_000_000 * SECOND;

/// A file of a journal.
#[derive(Clone, Debug)]
pub(in super::super::super) struct File {
    form: Form,
    entries: Vec<Entry>,
    mishaps: Vec<Mishap>,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Segment { follows: bool, counters: bool, closed: bool },
    Events,
    Combined,
}

/// Something that a recorder writes. Times are seconds since the one before.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Record { kind: Kind, ipv6: bool, host: u8, later: u64 },
    Seal,
    Note { cause: Cause, later: u64 },
}

/// Something that befalls a file, at a place that is so many 65536ths of its length.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Flip {
        at: u16,
        mask: u8,
    },
    Cut {
        at: u16,
    },
    Lose {
        at: u16,
        bytes: usize,
    },
    Insert {
        at: u16,
        bytes: usize,
        value: u8,
    },
    /// So many bytes lie behind those that followed them: the footer is where it was.
    Move {
        at: u16,
        bytes: usize,
        over: usize,
    },
}

pub(in super::super::super) fn files() -> impl Strategy<Value = Vec<File>> {
    prop::collection::vec(file(), 1..4)
}

fn file() -> impl Strategy<Value = File> {
    let segment = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.8));
    let form = prop_oneof![
        4 => segment.prop_map(|(follows, counters, closed)| Form::Segment { follows, counters, closed }),
        1 => Just(Form::Events),
        1 => Just(Form::Combined),
    ];
    let mishaps = prop_oneof![Just(Vec::new()), prop::collection::vec(mishap(), 1..4)];
    (form, prop::collection::vec(entry(), 0..120), mishaps).prop_map(|(form, entries, mishaps)| File {
        form,
        entries,
        mishaps,
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let kind = prop::sample::select(vec![Kind::Start, Kind::End, Kind::Flow, Kind::Open]);
    // Now and then a clock is set.
    let later = prop_oneof![20 => 0..30_u64, 1 => Just(90_000_u64)];
    let record = (kind, any::<bool>(), 0..4_u8, later.clone());
    let cause = prop::sample::select(vec![Cause::Started, Cause::KernelOverrun, Cause::TableRead, Cause::Quiet]);
    prop_oneof![
        12 => record.prop_map(|(kind, ipv6, host, later)| Entry::Record { kind, ipv6, host, later }),
        3 => Just(Entry::Seal),
        1 => (cause, later).prop_map(|(cause, later)| Entry::Note { cause, later }),
    ]
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        3 => (any::<u16>(), 1..=255_u8).prop_map(|(at, mask)| Mishap::Flip { at, mask }),
        1 => any::<u16>().prop_map(|at| Mishap::Cut { at }),
        3 => (any::<u16>(), 1..300_usize, 1..2000_usize).prop_map(|(at, bytes, over)| Mishap::Move { at, bytes, over }),
        1 => (any::<u16>(), 1..300_usize).prop_map(|(at, bytes)| Mishap::Lose { at, bytes }),
        1 => (any::<u16>(), 1..300_usize, any::<u8>()).prop_map(|(at, bytes, value)| Mishap::Insert { at, bytes, value }),
    ]
}

/// Writes the files into a directory, and finds them there, in this order.
pub(in super::super::super) fn journal(files: &[File], directory: &Path) -> Journal {
    let mut previous = None;
    let paths: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(number, file)| {
            let path = directory.join(number.to_string());
            fs::write(&path, file.bytes(number as u64, &mut previous)).unwrap();
            path
        })
        .collect();
    Journal::find(&paths, |error| panic!("{error}"))
}

impl File {
    pub(in super::super::super) fn is_whole(&self) -> bool {
        self.mishaps.is_empty()
    }

    fn bytes(&self, number: u64, previous: &mut Option<Digest>) -> Vec<u8> {
        let begun = BEGIN + number * FILE;
        let mut bytes = match self.form {
            Form::Segment { follows, counters, closed } => {
                let header = Header {
                    counters,
                    created: begun,
                    segment_number: number,
                    previous: previous.filter(|_| follows),
                    ..Header::blank(Content::Events)
                };
                segment(&header, &self.entries, closed)
            }
            Form::Events => version2(legacy::Content::Events, begun, &self.entries),
            Form::Combined => version2(legacy::Content::Combined, begun, &self.entries),
        };
        if matches!(self.form, Form::Segment { .. }) {
            *previous = Segment::open(&bytes).unwrap().footer().map(|footer| footer.digest);
        }
        self.mishaps.iter().for_each(|mishap| mishap.befall(&mut bytes));
        bytes
    }
}

fn segment(header: &Header, entries: &[Entry], closed: bool) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    let mut now = header.created;
    for entry in entries {
        match *entry {
            Entry::Record { kind, ipv6, host, later } => {
                now += later * SECOND;
                let (start, end) = times(kind, now);
                let counters = Counters { original_packets: now.into(), ..Counters::default() };
                if ipv6 {
                    let [a, b] = [[host; 16], [9; 16]];
                    writer.push(
                        &record::<V6>(kind, start, end, [(a, 1), (b, 2), (b, 2), (a, 1)]),
                        Some(&counters),
                        now,
                    );
                } else {
                    writer.push(&record::<V4>(kind, start, end, endpoints(host)), Some(&counters), now);
                }
            }
            Entry::Seal => writer.seal(),
            Entry::Note { cause, later } => {
                now += later * SECOND;
                writer.note(&Note::at(now, cause));
            }
        }
    }
    if closed {
        writer.finish(Closing::WentOn, now).unwrap();
    } else {
        writer.seal();
    }
    writer.write_out().unwrap();
    writer.output().clone()
}

/// A header of version 2, of a file that was begun so many seconds after the epoch.
pub(in super::super::super) fn header_of_version2(content: legacy::Content, started: u32) -> legacy::Header {
    legacy::Header {
        content,
        protocol: 6,
        host: "nat1".into(),
        flags: 0,
        started: (started, 0),
        ended: (0, 0),
        tz_minutes_west: 0,
        tz_dst: 0,
        utc_offset_seconds: 0,
        local_start: legacy::LocalTime {
            year_since_1900: 126,
            month_from_0: 10,
            day: 20,
            hour: 12,
            minute: 0,
            second: 0,
        },
    }
}

fn version2(content: legacy::Content, begun: u64, entries: &[Entry]) -> Vec<u8> {
    let header = header_of_version2(content, (begun / SECOND) as u32);
    let mut bytes = Vec::new();
    let mut writer = legacy::Writer::new(&mut bytes, &header).unwrap();
    let mut now = begun;
    for entry in entries {
        if let Entry::Record { kind, host, later, .. } = *entry {
            now += later * SECOND;
            let kind = match (content, kind) {
                (legacy::Content::Combined, _) => Kind::Flow,
                (legacy::Content::Events, Kind::End) => Kind::End,
                (legacy::Content::Events, _) => Kind::Start,
            };
            let (start, end) = times(kind, now);
            writer.push(&record::<V4>(kind, start, end, endpoints(host))).unwrap();
        }
    }
    bytes
}

fn endpoints(host: u8) -> [(V4, u16); 4] {
    [([10, 0, 0, host], 1), ([192, 0, 2, 1], 2), ([192, 0, 2, 1], 2), ([203, 0, 113, 1], 1)]
}

fn times(kind: Kind, now: u64) -> (u64, u64) {
    match kind {
        Kind::End => (0, now),
        Kind::Flow => (now, now + SECOND),
        Kind::Start | Kind::Update | Kind::Open => (now, 0),
    }
}

impl Mishap {
    fn befall(self, bytes: &mut Vec<u8>) {
        let place = |at: u16, bytes: &[u8]| bytes.len() * usize::from(at) / (usize::from(u16::MAX) + 1);
        match self {
            Self::Flip { at, mask } => {
                let at = place(at, bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= mask;
                }
            }
            Self::Cut { at } => bytes.truncate(place(at, bytes)),
            Self::Lose { at, bytes: lost } => {
                let at = place(at, bytes);
                let end = bytes.len().min(at + lost);
                bytes.drain(at..end);
            }
            Self::Move { at, bytes: moved, over } => {
                let at = place(at, bytes);
                let end = bytes.len().min(at + moved + over);
                if let Some(region) = bytes.get_mut(at..end).filter(|region| region.len() > moved) {
                    region.rotate_left(moved);
                }
            }
            Self::Insert { at, bytes: more, value } => {
                let at = place(at, bytes);
                bytes.splice(at..at, std::iter::repeat_n(value, more));
            }
        }
    }
}
