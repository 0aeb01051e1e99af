//! Whatever is read between two writes, a follower comes to what a scan of the whole does.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use ctrecorder_format::{Cause, Closing, Content, Header, Kind, Note, Segment, V4, V6, Writer, legacy};
use proptest::prelude::*;

use super::Follow;
use super::tail::LOOKS;
use crate::journal::scan::tests::{Heard, made};
use crate::journal::{Everything, Journal, OpenRecords, Scan};
use crate::sample::record;

/// A file that is being written.
struct Written(File);

impl Written {
    fn create(path: &Path) -> Self {
        let file = File::create_new(path).unwrap();
        file.lock().unwrap();
        Self(file)
    }

    fn append(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }
}

/// A follower of some paths, and what it handed on.
struct Following {
    follow: Follow<Everything>,
    heard: Heard,
}

impl Following {
    fn begin(paths: &[PathBuf]) -> Self {
        let journal = Journal::find(paths, |_| ());
        let follow = Follow::new(Scan::new(Everything, OpenRecords::New), paths, &journal);
        let mut following = Self { follow, heard: Heard::all() };
        following.turn();
        following
    }

    fn turn(&mut self) {
        assert!(self.follow.turn(&mut self.heard).is_continue());
    }

    fn turns(&mut self, count: u32) {
        (0..count).for_each(|_| self.turn());
    }

    /// Until nothing can come any more: the last look at a file that is quiet ends it, and what waited for that comes.
    fn finish(self) -> Vec<String> {
        self.told_within(LOOKS + 2)
    }

    fn told_within(mut self, turns: u32) -> Vec<String> {
        self.turns(turns);
        self.heard.told
    }

    fn damage(&self) -> usize {
        self.heard.told.iter().filter(|what| what.starts_with("damage")).count()
    }
}

fn scanned(paths: &[PathBuf]) -> Vec<String> {
    let mut heard = Heard::all();
    let journal = Journal::find(paths, |error| panic!("{error}"));
    assert!(Scan::new(Everything, OpenRecords::New).run(&journal, &mut heard).is_continue());
    heard.told
}

/// How many records were lost a footer tells, which is not there yet when damage is met.
fn without_losses(told: Vec<String>) -> Vec<String> {
    let is_damage = |what: &String| what.starts_with("damage");
    let cut = |what: String| what.split("records_lost").next().map(str::to_owned).unwrap_or_default();
    told.into_iter().map(|what| if is_damage(&what) { cut(what) } else { what }).collect()
}

/// Segments, each with the digest of the one before, of so many batches: of both families, with notes between them.
fn segments(count: u64, batches: u64) -> Vec<Vec<u8>> {
    let mut previous = None;
    let mut segment = |number| {
        let header = Header { segment_number: number, previous, ..Header::blank(Content::Events) };
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        for batch in 0..batches {
            let now = number * 1000 + batch + 1;
            let kind = if batch == 0 { Kind::Open } else { Kind::Start };
            let v4: [(V4, u16); 4] = [([10; 4], 1), ([192; 4], 2), ([192; 4], 2), ([3; 4], 1)];
            let v6: [(V6, u16); 4] = v4.map(|(address, port)| ([address[0]; 16], port));
            writer.push(&record(kind, now, 0, v6), None, now);
            writer.push(&record(kind, now, 0, v4), None, now + 1);
            writer.seal();
            writer.note(&Note::at(now, Cause::Quiet));
        }
        previous = Some(writer.finish(Closing::WentOn, number * 1000 + 999).unwrap());
        writer.write_out().unwrap();
        writer.output().clone()
    };
    (0..count).map(&mut segment).collect()
}

#[test]
fn a_segment_revealed_byte_by_byte_is_told_as_a_whole_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0");
    let bytes = segments(1, 3).remove(0);
    let mut file = Written::create(&path);
    let mut following = Following::begin(std::slice::from_ref(&path));
    for byte in &bytes {
        file.append(&[*byte]);
        following.turn();
    }
    drop(file);
    let told = following.finish();
    assert_eq!(told, scanned(&[path]));
    assert_eq!(told.len(), 1 + 3 * 3);
}

/// One whose writer was killed anywhere is cut off when nobody has it locked any more, and not before.
#[test]
fn a_block_half_written_is_damage_once_its_writer_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = segments(1, 2).remove(0);
    for length in (Segment::open(&bytes).unwrap().place(0, 0).offset() as usize + 1..bytes.len()).step_by(7) {
        let path = directory.path().join(length.to_string());
        let mut file = Written::create(&path);
        file.append(&bytes[..length]);
        let mut following = Following::begin(std::slice::from_ref(&path));
        (0..3).for_each(|_| following.turn());
        assert!(!following.heard.told.iter().any(|what| what.starts_with("damage")), "{length}");
        drop(file);
        // Of what was locked it is known that it is over.
        let mut told = following.told_within(3);
        let mut expected = scanned(&[path]);
        // Of what is no more than a part of the header nothing is said.
        if Segment::open(&bytes[..length]).unwrap().header().is_err() {
            expected.clear();
            told.retain(|what| !what.starts_with("error"));
        }
        assert_eq!(told, expected, "{length}");
    }
}

/// A recorder creates a segment before it has closed the last one.
#[test]
fn a_segment_waits_for_the_end_of_the_one_before_it() {
    for is_named in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = |number: usize| directory.path().join(number.to_string());
        let bytes = segments(3, 2);
        let mut first = Written::create(&path(0));
        let half = bytes[0].len() / 2;
        first.append(&bytes[0][..half]);
        let mut following = Following::begin(&[if is_named { path(0) } else { directory.path().to_path_buf() }]);
        let mut second = Written::create(&path(1));
        second.append(&bytes[1]);
        fs::write(path(2), &bytes[2]).unwrap();
        following.turn();
        assert!(following.heard.told.iter().all(|what| !what.starts_with("begin") || what.contains("/0\"")));
        first.append(&bytes[0][half..]);
        drop((first, second));
        // Another recorder's, beside a file: none of ours.
        let other = Header { host: "other".into(), ..Header::blank(Content::Events) };
        let mut writer = Writer::new(Vec::new(), &other).unwrap();
        writer.write_out().unwrap();
        if is_named {
            fs::write(path(9), writer.output()).unwrap();
        }
        let told = following.finish();
        assert_eq!(told, scanned(&[path(0), path(1), path(2)]), "{is_named}");
        assert_eq!(told.iter().filter(|what| what.contains("kind: 5")).count(), 2, "{told:#?}");
    }
}

#[test]
fn what_is_renamed_is_not_told_twice_and_what_takes_its_name_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("ct"), directory.path().join("ct.1"));
    let bytes = segments(2, 2);
    let mut first = Written::create(&path);
    let half = bytes[0].len() / 2;
    first.append(&bytes[0][..half]);
    let mut following = Following::begin(std::slice::from_ref(&path));
    fs::rename(&path, &moved).unwrap();
    following.turn();
    first.append(&bytes[0][half..]);
    following.turn();
    drop(first);
    Written::create(&path).append(&bytes[1]);
    let told: Vec<_> = following.finish().into_iter().filter(|what| !what.starts_with("begin")).collect();
    let strip = |told: Vec<String>| -> Vec<String> {
        let told = told.into_iter().filter(|what| !what.starts_with("begin"));
        told.map(|what| what.replace("ct.1", "ct")).collect()
    };
    assert_eq!(told, strip(scanned(&[moved, path])));
}

/// What is copied is locked by nobody: its end is told as damage when it comes to a halt, and if it goes on, so do we.
#[test]
fn a_file_that_is_copied_goes_on_where_it_was_thought_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0");
    let bytes = segments(1, 4).remove(0);
    let (begin, rest) = bytes.split_at(bytes.len() / 2);
    fs::write(&path, begin).unwrap();
    let mut following = Following::begin(std::slice::from_ref(&path));
    (0..3).for_each(|_| following.turn());
    let is_damage = |what: &&String| what.starts_with("damage");
    assert_eq!(following.heard.told.iter().filter(is_damage).count(), 1);
    File::options().append(true).open(&path).unwrap().write_all(rest).unwrap();
    let told: Vec<_> = following.finish().into_iter().filter(|what| !is_damage(&what)).collect();
    assert_eq!(told, scanned(&[path]));
}

/// The segment behind another one, of open records alone, each in a block of its own.
fn of_open_records_behind(first: &[u8]) -> Vec<u8> {
    let previous = Segment::open(first).unwrap().footer().map(|footer| footer.digest);
    let header = Header { segment_number: 1, previous, ..Header::blank(Content::Events) };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    for number in 1..9 {
        let endpoints: [(V4, u16); 4] = [([10; 4], 1), ([192; 4], 2), ([192; 4], 2), ([3; 4], 1)];
        writer.push(&record(Kind::Open, number, 0, endpoints), None, number);
        writer.seal();
    }
    writer.finish(Closing::Stopped, 9).unwrap();
    writer.write_out().unwrap();
    writer.output().clone()
}

/// What begins while it is followed is given time, and what was taken for its end is none once it goes on: of open records, those
/// that repeat what was said stay untold.
#[test]
fn a_copy_that_halts_is_told_once_and_as_damaged_only_if_it_halts_for_long() {
    let first = segments(1, 1).remove(0);
    let second = of_open_records_behind(&first);
    for (halt, damages) in [(LOOKS - 1, 0), (LOOKS + 1, 1)] {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("0"), &first).unwrap();
        let mut following = Following::begin(&[directory.path().to_path_buf()]);
        let (begin, rest) = second.split_at(second.len() / 2);
        fs::write(path("1"), begin).unwrap();
        following.turn();
        following.turns(halt);
        assert_eq!(following.damage(), damages, "{halt}");
        File::options().append(true).open(path("1")).unwrap().write_all(rest).unwrap();
        let told = following.finish().into_iter().filter(|what| !what.starts_with("damage"));
        assert_eq!(told.collect::<Vec<_>>(), scanned(&[path("0"), path("1")]), "{halt}");
    }
}

/// A file of version 2, begun so many seconds after the epoch, with so many records.
fn version2(content: legacy::Content, started: u32, records: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = legacy::Writer::new(&mut bytes, &made::header_of_version2(content, started)).unwrap();
    let kind = if content == legacy::Content::Events { Kind::Start } else { Kind::Flow };
    let end = if kind == Kind::Flow { 99_000_000_000 } else { 0 };
    for number in 1..=records {
        let endpoints: [(V4, u16); 4] = [([10; 4], 1), ([192; 4], 2), ([192; 4], 2), ([3; 4], 1)];
        writer.push(&record(kind, number * 1_000_000_000, end, endpoints)).unwrap();
    }
    bytes
}

/// As `cat other > file` does it: the file is the same one, and longer than it was.
#[test]
fn a_file_that_is_written_anew_in_its_place_is_read_from_its_begin() {
    let writes = |number: u64| {
        let header = Header { segment_number: number, ..Header::blank(Content::Events) };
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        (1..9 * (number + 1)).for_each(|time| writer.note(&Note::at(time, Cause::Quiet)));
        writer.write_out().unwrap();
        writer.output().clone()
    };
    let of_version2 = |started| version2(legacy::Content::Events, started, 5 * u64::from(started));
    for [one, other] in [[of_version2(1), of_version2(2)], [writes(0), writes(1)]] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0");
        fs::write(&path, &one).unwrap();
        let mut expected = scanned(std::slice::from_ref(&path));
        let mut following = Following::begin(std::slice::from_ref(&path));
        following.turn();
        fs::write(&path, &other).unwrap();
        expected.extend(scanned(std::slice::from_ref(&path)));
        assert!(other.len() > one.len());
        assert_eq!(following.finish(), expected);
    }
}

/// There may be more of them than files can be open.
#[test]
fn files_that_nobody_writes_to_are_not_kept_open_and_are_read_on_should_they_grow() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let cut = |mut bytes: Vec<u8>, rest: usize| bytes.split_off(bytes.len() - rest);
    let headless = || {
        let mut bytes = segments(1, 3).remove(0);
        bytes[100] ^= 1;
        bytes
    };
    let squeezed = |started| version2(legacy::Content::Combined, started, 4);
    // Some are there, and some come.
    let contents = [squeezed(1), headless(), squeezed(2), headless()];
    let mut following = None;
    for (number, bytes) in contents.iter().enumerate() {
        fs::write(path(&number.to_string()), &bytes[..bytes.len() * 2 / 3]).unwrap();
        if number > 0 {
            following.get_or_insert_with(|| Following::begin(&[directory.path().to_path_buf()])).turns(1);
        }
    }
    let mut following = following.unwrap();
    following.turns(LOOKS + 2);
    assert_eq!(following.follow.followed.tails.open(), 0);
    for (number, bytes) in contents.into_iter().enumerate() {
        let rest = bytes.len() - bytes.len() * 2 / 3;
        let mut file = File::options().append(true).open(path(&number.to_string())).unwrap();
        file.write_all(&cut(bytes, rest)).unwrap();
    }
    let told = following.finish().into_iter().filter(|what| !what.starts_with("damage"));
    let mut told: Vec<_> = told.collect();
    let paths: Vec<_> = (0..4).map(|number| path(&number.to_string())).collect();
    let mut expected: Vec<_> = scanned(&paths).into_iter().filter(|what| !what.starts_with("damage")).collect();
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

/// Recorders of two hosts, in one directory and at the same time: each segment is told in its own order.
#[test]
fn what_several_recorders_write_at_the_same_time_is_told_as_it_comes() {
    let directory = tempfile::tempdir().unwrap();
    let one_of = |host: &str| {
        let header = Header { host: host.into(), ..Header::blank(Content::Events) };
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        (1..9).for_each(|number| writer.note(&Note::at(number, Cause::Quiet)));
        writer.write_out().unwrap();
        writer.output().clone()
    };
    let paths = ["a", "b"].map(|host| directory.path().join(host));
    let contents = ["a", "b"].map(one_of);
    let mut following = Following::begin(&[directory.path().to_path_buf()]);
    let mut files = [Written::create(&paths[0]), Written::create(&paths[1])];
    let pieces = contents[0].chunks(100).zip(contents[1].chunks(100));
    for (a, b) in pieces {
        files[0].append(a);
        files[1].append(b);
        following.turn();
    }
    drop(files);
    let told = following.finish();
    let of = |path: &Path, all: &[String]| -> Vec<String> {
        all.iter().filter(|what| what.contains(&format!("{path:?}"))).cloned().collect()
    };
    let expected = scanned(&paths);
    paths.iter().for_each(|path| assert_eq!(of(path, &told), of(path, &expected)));
    assert_eq!(told.len(), expected.len());
    assert_ne!(told, expected, "one was told behind the other");
}

/// Those of a keyframe repeat what was said before, also where the segment of another recorder begins in their middle.
#[test]
fn whether_open_records_are_news_is_known_of_each_segment_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let first = segments(1, 1).remove(0);
    let second = of_open_records_behind(&first);
    let (begin, rest) = second.split_at(second.len() / 2);
    fs::write(path("a0"), &first).unwrap();
    let mut second = Written::create(&path("a1"));
    second.append(begin);
    let mut following = Following::begin(&[directory.path().to_path_buf()]);
    let other = Header { host: "other".into(), ..Header::blank(Content::Events) };
    let mut writer = Writer::new(Vec::new(), &other).unwrap();
    writer.write_out().unwrap();
    fs::write(path("b"), writer.output()).unwrap();
    following.turn();
    second.append(rest);
    drop(second);
    let told = following.finish();
    assert_eq!(told.iter().filter(|what| what.starts_with("begin")).count(), 3);
    assert_eq!(told.iter().filter(|what| what.contains("kind: 5")).count(), 2, "{told:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Records, notes and damage are those that a scan of the whole comes to, wherever the writer was when they were read.
    #[test]
    fn a_journal_revealed_piece_by_piece_is_told_as_a_whole_one(
        files in made::files(),
        pieces in prop::collection::vec(1..3000_usize, 1..40),
        late in 0..30_usize,
    ) {
        let (whole, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let journal = made::journal(&files, whole.path());
        let contents: Vec<_> = journal.files().iter().map(|file| fs::read(file.path()).unwrap()).collect();
        // What a header says must be known before anything else; and in what step version 2 goes on behind damage is judged
        // by what follows.
        let is_clear = |(file, bytes): (&made::File, &Vec<u8>)| match Segment::open(bytes) {
            Ok(segment) => segment.header().is_ok(),
            Err(_) => file.is_whole(),
        };
        prop_assume!(files.iter().zip(&contents).all(is_clear));
        let paths = [directory.path().to_path_buf()];
        let mut pieces = pieces.iter().cycle();
        // So many pieces of the first file are there when it begins.
        let (mut following, mut missed) = (None, 0);
        let mut turn = |turns: u32, is_end: bool| {
            missed += 1;
            if missed > late || is_end {
                let following = following.get_or_insert_with(|| Following::begin(&paths));
                following.turns(turns);
            }
        };
        for (number, bytes) in contents.iter().enumerate() {
            let mut file = Written::create(&directory.path().join(number.to_string()));
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(*pieces.next().unwrap()));
                file.append(piece);
                rest = behind;
                turn(1, number > 0);
            }
            drop(file);
            // Those of another version do not go on with this one, and do not wait for its end.
            let next = contents.get(number + 1);
            if next.is_some_and(|next| Segment::open(next).is_ok() != Segment::open(bytes).is_ok()) {
                turn(LOOKS + 2, true);
            }
        }
        turn(LOOKS + 2, true);
        let told = following.unwrap().heard.told;
        let paths: Vec<_> = (0..files.len()).map(|number| directory.path().join(number.to_string())).collect();
        prop_assert_eq!(without_losses(told), without_losses(scanned(&paths)));
    }
}
