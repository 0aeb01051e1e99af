//! A scan hands on what the plain walk does, whatever the files are and however many threads read them.

pub(in super::super) mod made;
mod merged;
mod plain;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use ctrecorder_format::{
    Address, BlockKind, Cause, Closing, Content, Counters, Damage, DirectoryEntry, Head, Header, Key, Kind, Note,
    Record, Segment, V4, V6, Writer,
};
use proptest::prelude::*;

use super::{Everything, Scan, Search, Select, Sink};
use crate::journal::{Error, Journal, OpenRecords, Version};
use crate::sample::record;

/// Notes down what it is handed, and wants no more at some point.
pub(in super::super) struct Heard {
    pub(in super::super) told: Vec<String>,
    passed: u64,
    most: usize,
}

impl Heard {
    /// One that hears everything.
    pub(in super::super) const fn all() -> Self {
        Self { told: Vec::new(), passed: 0, most: usize::MAX }
    }

    fn tell(&mut self, what: String) -> ControlFlow<()> {
        self.told.push(what);
        if self.told.len() < self.most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl Sink for Heard {
    type Stop = ();

    fn begin(&mut self, path: &Path, file: &Version<'_>) -> ControlFlow<()> {
        self.tell(format!("begin {path:?} {:?}", file.content()))
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<()> {
        self.tell(format!("{record:?} {counters:?}"))
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<()> {
        self.tell(format!("{record:?} {counters:?}"))
    }

    fn note(&mut self, path: &Path, note: &Note) -> ControlFlow<()> {
        self.tell(format!("{path:?} {note:?}"))
    }

    fn damage(&mut self, path: &Path, _file: &Version<'_>, damage: &Damage) -> ControlFlow<()> {
        self.tell(format!("damage {path:?} {damage:?}"))
    }

    fn error(&mut self, error: Error) -> ControlFlow<()> {
        self.tell(format!("error {error}"))
    }

    fn passed(&mut self, bytes: u64) {
        self.passed += bytes;
    }
}

/// Asks for the flows of an IPv4 host.
#[derive(Clone, Copy, Debug)]
struct Host(V4);

impl Select for Host {
    fn rules_out(&self, head: &Head<'_>) -> bool {
        let lacks = |head: &Head<'_>| head.filter().is_some_and(|filter| !filter.may_hold(Key::address(self.0)));
        match head.header.kind() {
            Some(BlockKind::Ipv4) => lacks(head),
            Some(BlockKind::Ipv6) => true,
            _ => false,
        }
    }

    fn rules_out_entry(&self, entry: &DirectoryEntry) -> bool {
        entry.kinds == 1 << BlockKind::Ipv6 as u8
    }

    fn by_endpoints<S: Search>(&self, search: S) -> S::Found {
        search.of(|endpoints| endpoints.addresses().contains(&self.0))
    }

    fn matches<A: Address>(&self, record: &Record<A>) -> bool {
        record.endpoints().iter().any(|(address, _)| address.as_ref() == self.0)
    }
}

const SCANS: [usize; 3] = [1, 2, 5];

fn scanned(journal: &Journal, select: impl Select, open: OpenRecords, threads: usize, most: usize) -> Heard {
    let mut heard = Heard { told: Vec::new(), passed: 0, most };
    let threads = NonZeroUsize::new(threads).unwrap();
    let _ = Scan::new(select, open).with_threads(threads).run(journal, &mut heard);
    heard
}

fn plain(journal: &Journal, select: &impl Select, open: OpenRecords, most: usize) -> Heard {
    let mut heard = Heard { told: Vec::new(), passed: 0, most };
    let _ = plain::walk(journal, select, open, &mut heard);
    heard
}

fn open_records() -> impl Strategy<Value = OpenRecords> {
    prop_oneof![Just(OpenRecords::New), Just(OpenRecords::All)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Records, notes, damage and errors are those of the plain walk, in its order, to the end or as far as they are wanted.
    #[test]
    fn everything_is_handed_on_as_it_stands(files in made::files(), open in open_records(), most in 1..400_usize) {
        let directory = tempfile::tempdir().unwrap();
        let journal = made::journal(&files, directory.path());
        for most in [usize::MAX, most] {
            let expected = plain(&journal, &Everything, open, most);
            for threads in SCANS {
                let heard = scanned(&journal, Everything, open, threads, most);
                prop_assert_eq!(&heard.told, &expected.told, "{} threads", threads);
                prop_assert!(most < usize::MAX || heard.passed == expected.passed);
            }
        }
    }

    /// Of a question, what is handed on does not depend on the number of threads. It is what the plain walk finds, but that
    /// damage in what is ruled out may not be found.
    #[test]
    fn a_question_has_one_answer(files in made::files(), open in open_records(), host in 0..5_u8) {
        let directory = tempfile::tempdir().unwrap();
        let journal = made::journal(&files, directory.path());
        let question = Host([10, 0, 0, host]);
        let expected = plain(&journal, &question, open, usize::MAX);
        let heard = SCANS.map(|threads| scanned(&journal, question, open, threads, usize::MAX));
        for other in &heard {
            prop_assert_eq!(&other.told, &heard[0].told);
            prop_assert_eq!(other.passed, expected.passed);
        }
        if files.iter().all(made::File::is_whole) {
            prop_assert_eq!(&heard[0].told, &expected.told);
        }
        let found = |told: &[String]| told.iter().filter(|what| what.starts_with("damage")).cloned().collect::<Vec<_>>();
        let all = found(&expected.told);
        prop_assert!(found(&heard[0].told).iter().all(|damage| all.contains(damage)));
    }
}

/// Also one of which no multiple is a number any more.
#[test]
fn threads_without_number_read_what_one_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0");
    let mut writer = Writer::new(Vec::new(), &Header::blank(Content::Events)).unwrap();
    (1..99).for_each(|number| {
        writer.note(&Note::at(number, Cause::Quiet));
        writer.seal();
    });
    writer.write_out().unwrap();
    std::fs::write(&path, writer.output()).unwrap();
    let journal = Journal::find(&[path], |error| panic!("{error}"));
    let told = |threads| scanned(&journal, Everything, OpenRecords::All, threads, usize::MAX).told;
    let expected = told(1);
    assert_eq!(expected.len(), 99);
    assert_eq!(told(usize::MAX), expected);
    assert_eq!(told(usize::MAX / 4 + 1), expected);
}

/// Of a long segment, each entry of the directory tells of several blocks.
#[test]
fn entries_of_several_blocks_are_divided_as_well() {
    let header = Header { counters: false, ..Header::blank(Content::Events) };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    for number in 1..35_000_u64 {
        let [a, b] = [[10, 0, 0, (number % 251) as u8], [192, 0, 2, 1]];
        writer.push(&record::<V4>(Kind::Start, number, 0, [(a, 1), (b, 2), (b, 2), (a, 1)]), None, number);
        if number % 3 == 0 {
            writer.push(&record::<V6>(Kind::Start, number, 0, [([1; 16], 1); 4]), None, number);
        }
        writer.seal();
        if number % 7 < 4 {
            writer.note(&Note::at(number, Cause::Quiet));
        }
    }
    writer.finish(Closing::WentOn, 1).unwrap();
    writer.write_out().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("long.ct");
    let mut bytes = writer.output().clone();
    let joined = |bytes: &[u8]| Segment::open(bytes).unwrap().footer().unwrap().directory[0].blocks.get();
    assert_eq!(joined(&bytes), 2);
    // Whole, then with a block that is none any more, in the middle.
    for flipped in [false, true] {
        if flipped {
            let middle = bytes.len() / 2 / 64 * 64;
            bytes[middle..middle + 640].fill(0);
        }
        std::fs::write(&path, &bytes).unwrap();
        let journal = Journal::find(std::slice::from_ref(&path), |error| panic!("{error}"));
        let expected = plain(&journal, &Everything, OpenRecords::New, usize::MAX);
        let heard = scanned(&journal, Everything, OpenRecords::New, 3, usize::MAX);
        assert!(heard.told == expected.told && expected.told.len() > 50_000, "{flipped}");
        let damages = expected.told.iter().filter(|what| what.starts_with("damage")).count();
        assert_eq!(damages > 0, flipped);
    }
}
