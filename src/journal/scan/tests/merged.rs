//! What several recorders wrote at the same time, as one stream.

use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ctrecorder_format::{Closing, Content, Counters, Damage, Header, Kind, Note, Record, V4, V6, Writer, legacy};
use proptest::prelude::*;

use super::made::header_of_version2;
use super::{Everything, SCANS, Scan, Sink};
use crate::journal::{Error, Journal, OpenRecords, Version};
use crate::sample::record;

const SECOND: u64 = 1_000_000_000;
const BEGIN: u64 = 1_795_176_000;

/// What one recorder heard of, by the seconds since what it heard of before. It begins another file behind each of these.
type Heard = Vec<Vec<(u64, bool)>>;

fn recorders() -> impl Strategy<Value = Vec<Heard>> {
    let file = prop::collection::vec((0..5_u64, any::<bool>()), 0..60);
    prop::collection::vec(prop::collection::vec(file, 1..4), 1..5)
}

/// Writes the files of a recorder, in version 2 or 3. Its number stands in each address, and in the names of the files.
fn write(directory: &Path, number: u8, heard: &Heard, is_version2: bool) -> Vec<PathBuf> {
    let mut now = BEGIN;
    let mut files = Vec::new();
    for (place, events) in heard.iter().enumerate() {
        let mut moments = Vec::new();
        let begun = now;
        for (later, ipv6) in events {
            now += later;
            moments.push((now, *ipv6 && !is_version2));
        }
        let path = directory.join(format!("{number}.{place}"));
        let bytes =
            if is_version2 { version2(number, begun, &moments) } else { segment(number, place, begun, &moments) };
        fs::write(&path, bytes).unwrap();
        files.push(path);
    }
    files
}

fn segment(number: u8, place: usize, begun: u64, moments: &[(u64, bool)]) -> Vec<u8> {
    let (host, created) = (number.to_string(), begun * SECOND);
    let header = Header { host, created, segment_number: place as u64, ..Header::blank(Content::Events) };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    for (count, (moment, ipv6)) in moments.iter().enumerate() {
        let ns = moment * SECOND;
        if *ipv6 {
            writer.push(&record::<V6>(Kind::Start, ns, 0, [([number; 16], 1); 4]), Some(&Counters::default()), ns);
        } else {
            writer.push(&record::<V4>(Kind::Start, ns, 0, [([number; 4], 1); 4]), Some(&Counters::default()), ns);
        }
        if count % 7 == 6 {
            writer.seal();
        }
    }
    writer.finish(Closing::WentOn, moments.last().map_or(created, |(moment, _)| moment * SECOND)).unwrap();
    writer.write_out().unwrap();
    writer.output().clone()
}

fn version2(number: u8, begun: u64, moments: &[(u64, bool)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = header_of_version2(legacy::Content::Events, begun as u32);
    let mut writer = legacy::Writer::new(&mut bytes, &header).unwrap();
    for (moment, _) in moments {
        writer.push(&record::<V4>(Kind::Start, moment * SECOND, 0, [([number; 4], 1); 4])).unwrap();
    }
    bytes
}

/// The recorder and the moment of each record, and the recorder that the sink was told of last.
#[derive(Default)]
struct Told {
    records: Vec<(u8, u64)>,
    present: Option<u8>,
    passed: u64,
}

impl Told {
    fn file(&mut self, path: &Path) -> ControlFlow<()> {
        let name = path.file_name().unwrap().to_str().unwrap();
        self.present = name.split_once('.').map(|(number, _)| number.parse().unwrap());
        ControlFlow::Continue(())
    }

    fn record(&mut self, number: u8, moment: u64) -> ControlFlow<()> {
        assert_eq!(self.present, Some(number));
        self.records.push((number, moment / SECOND));
        ControlFlow::Continue(())
    }
}

impl Sink for Told {
    type Stop = ();

    fn begin(&mut self, path: &Path, _file: &Version<'_>) -> ControlFlow<()> {
        self.file(path)
    }

    fn resume(&mut self, path: &Path, _file: &Version<'_>) -> ControlFlow<()> {
        self.file(path)
    }

    fn ipv4(&mut self, record: &Record<V4>, _counters: Option<&Counters>) -> ControlFlow<()> {
        self.record(record.original.src[0], record.start.get())
    }

    fn ipv6(&mut self, record: &Record<V6>, _counters: Option<&Counters>) -> ControlFlow<()> {
        self.record(record.original.src[0], record.start.get())
    }

    fn note(&mut self, _path: &Path, _note: &Note) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn damage(&mut self, path: &Path, _file: &Version<'_>, damage: &Damage) -> ControlFlow<()> {
        panic!("{path:?}: {damage:?}")
    }

    fn error(&mut self, error: Error) -> ControlFlow<()> {
        panic!("{error}")
    }

    fn passed(&mut self, bytes: u64) {
        self.passed += bytes;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever the number of threads, records come by their time, those of each recorder in its order, and it is said whose they are.
    #[test]
    fn what_was_written_at_the_same_time_comes_by_its_time(recorders in recorders(), version2 in any::<u8>()) {
        let directory = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        let mut expected = Vec::new();
        for (number, heard) in recorders.iter().enumerate() {
            let number = number as u8;
            paths.extend(write(directory.path(), number, heard, version2 >> number & 1 == 1));
            let mut now = BEGIN;
            expected.extend(heard.iter().flatten().map(|(later, _)| {
                now += later;
                (number, now)
            }));
        }
        paths.reverse();
        let journal = Journal::find(&paths, |error| panic!("{error}")).by_time(|error| panic!("{error}"));
        let scanned = SCANS.map(|threads| {
            let mut told = Told::default();
            let threads = NonZeroUsize::new(threads).unwrap();
            let done = Scan::new(Everything, OpenRecords::New).with_threads(threads).run_merged(&journal, &mut told);
            assert!(done.is_continue());
            told
        });
        for told in &scanned {
            prop_assert_eq!(told.passed, journal.length());
            prop_assert!(told.records.is_sorted_by_key(|(_, moment)| *moment));
            prop_assert_eq!(&told.records, &scanned[0].records);
        }
        let mut records = scanned[0].records.clone();
        records.sort_by_key(|(number, _)| *number);
        prop_assert_eq!(records, expected);
    }
}
