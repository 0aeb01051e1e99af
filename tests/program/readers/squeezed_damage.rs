//! What is squeezed of a damaged journal does not deny what the journal leaves open.

use std::fs;
use std::path::Path;

use ctrecorder_format::record::flags;
use ctrecorder_format::{Cause, Closing, Kind, Note, V4};
use tempfile::TempDir;

use super::sample::{BEGIN, NS, Segment, blocks, header, run, v4, v6};
use crate::program::{answer, ctrecorder};

fn at(second: u64) -> u64 {
    BEGIN + second * NS
}

fn table_read(second: u64) -> Note {
    Note::gap(at(second), at(second) + NS / 2, 0, Cause::TableRead)
}

/// Three segments, of which the middle one has batches of both families, whose blocks overlap in time; each names the flows
/// that are alive at its begin.
fn segments() -> [Vec<u8>; 3] {
    let mut ended = v4(Kind::End, 5, 890);
    (ended.start, ended.flags) = (at(480).into(), flags::START_FROM_KERNEL);
    let (first, digest) = Segment::new(&header(0, None))
        .note(&table_read(0))
        .push(&v4(Kind::Start, 1, 100))
        .push(&v4(Kind::Start, 5, 480))
        .closed_at(Closing::WentOn, 600);
    let (second, digest) = Segment::new(&header(1, Some(digest)))
        .push(&v4(Kind::Open, 1, 100))
        .note(&table_read(600))
        .push(&v4(Kind::Start, 2, 610))
        .push(&v6(Kind::Start, 2, 612))
        .push(&v6(Kind::Start, 3, 618))
        .push(&v4(Kind::Start, 3, 620))
        .seal()
        .push(&v6(Kind::End, 2, 700))
        .push(&v4(Kind::End, 1, 702))
        .push(&v6(Kind::End, 3, 704))
        .seal()
        .push::<V4>(&ended)
        .seal()
        .push(&v4(Kind::Start, 4, 900))
        .closed_at(Closing::WentOn, 1200);
    let third = Segment::new(&header(2, Some(digest))).push(&v4(Kind::Open, 4, 900)).note(&table_read(1200)).push(&v4(
        Kind::End,
        4,
        1300,
    ));
    [first, second, third.closed_at(Closing::Stopped, 1800).0]
}

/// Damages the block whose last event arrived at this second.
fn damage_block(segment: &mut [u8], second: u64) {
    let is_it = |place: &usize| {
        let read = ctrecorder_format::Segment::open(segment).unwrap();
        read.head_at(*place as u64).is_some_and(|head| head.header.last_event.get() == at(second))
    };
    let place = blocks(segment).into_iter().find(is_it).unwrap();
    segment[place + 64] ^= 1;
}

/// The verdicts on two endpoints that no flow of these is known to have had, every five seconds.
fn verdicts(path: &Path) -> Vec<String> {
    let question = |second| format!("203.0.113.1:77 @{0}\n[2001::1]:77 @{0}\n", 1_800_000_000 + second);
    let questions: String = (0..=1800).step_by(5).map(question).collect();
    let mut who = ctrecorder();
    who.args(["who", "-", "--slack", "1s", "--proto", "tcp"]).arg(path).write_stdin(questions);
    let verdict = |line: &str| {
        let (_, rest) = line.split_once("\"verdict\":\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    answer(&mut who).stdout.lines().map(verdict).collect()
}

/// Whatever block of the middle segment is damaged, in its head or in its payload.
#[test]
fn who_says_unknown_of_a_squeezed_journal_wherever_it_does_of_the_journal() {
    let [first, second, third] = segments();
    let mut unknown = 0;
    let places = blocks(&second);
    for place in &places[..places.len() - 1] {
        // The magic of its head, and the first byte of its payload.
        for offset in [0, 64] {
            let directory = TempDir::new().unwrap();
            let journal = directory.path().join("journal");
            fs::create_dir(&journal).unwrap();
            let mut damaged = second.clone();
            damaged[place + offset] ^= 1;
            for (name, bytes) in [("0.ct", &first), ("1.ct", &damaged), ("2.ct", &third)] {
                fs::write(journal.join(name), bytes).unwrap();
            }
            let output = directory.path().join("sq.ct");
            run(["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), journal.as_os_str()]);
            let [of_journal, of_squeezed] = [&journal, &output].map(|path| verdicts(path));
            assert_eq!((of_journal.len(), of_squeezed.len()), (722, 722));
            for (question, (before, after)) in of_journal.iter().zip(&of_squeezed).enumerate() {
                let second = question / 2 * 5;
                assert!(before != "UNKNOWN" || after == before, "block at {place}+{offset}, {second} s: {after}");
            }
            unknown += of_journal.iter().filter(|verdict| *verdict == "UNKNOWN").count();
            // A whole reading of the table ends what was lost.
            let told = |second: usize| (of_squeezed[second / 5 * 2].as_str(), of_squeezed[second / 5 * 2 + 1].as_str());
            assert_eq!((told(1500), told(1700)), (("NONE", "NONE"), ("NONE", "NONE")), "block at {place}+{offset}");
        }
    }
    assert!(unknown > 1000, "{unknown}");
}

/// A block of ends whose starts are known tells when the flows that were lost were alive: not only when the ends arrived.
#[test]
fn the_gap_of_a_damaged_block_is_as_long_as_its_flows_lived() {
    let [first, mut second, _] = segments();
    let directory = TempDir::new().unwrap();
    let [a, b, output] = ["a", "b", "out"].map(|name| directory.path().join(name));
    // The block of one end, before the last one of records.
    damage_block(&mut second, 890);
    fs::write(&a, first).unwrap();
    fs::write(&b, second).unwrap();
    let words = ["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), a.as_os_str(), b.as_os_str()];
    assert_eq!(run(words).status, 5);
    let listed = run(["list".as_ref(), "-H".as_ref(), output.as_os_str()]);
    let gap = "gap from 2027.01.15 08:08:00.000000 to 2027.01.15 08:14:50.000000: source damaged or incomplete, 1 event lost\n";
    assert!(listed.stderr.ends_with(gap), "{}", listed.stderr);
}

/// The rest of a damaged input is squeezed; the flow whose start was lost is in the next keyframe.
#[test]
fn a_damaged_input_is_squeezed_as_far_as_it_goes() {
    let directory = TempDir::new().unwrap();
    let (mut first, digest) = Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 1)).closed(Closing::WentOn);
    let block = blocks(&first)[0];
    first[block + 70] ^= 1;
    let mut open = v4(Kind::Open, 1, 1);
    open.flags = flags::REPLY_SEEN;
    let second = Segment::new(&header(1, Some(digest)))
        .push(&open)
        .note(&Note::gap(BEGIN + 600 * NS, BEGIN + 601 * NS, 0, Cause::TableRead))
        .push(&v4(Kind::End, 1, 700))
        .stopped();
    let [a, b] = ["a", "b"].map(|name| directory.path().join(name));
    fs::write(&a, first).unwrap();
    fs::write(&b, second).unwrap();
    let output = directory.path().join("out");
    let words = ["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), a.as_os_str(), b.as_os_str()];
    let squeezed = run(words);
    assert_eq!(squeezed.status, 5);
    assert!(squeezed.stderr.contains("block 0 does not match its checksum"), "{}", squeezed.stderr);
    let listed = run(["list".as_ref(), "-H".as_ref(), output.as_os_str()]);
    let flow = "2027.01.15 08:00:01.000000 2027.01.15 08:11:40.000000 src=10.0.0.1:1 ";
    assert!(listed.stdout.starts_with(flow), "{}", listed.stdout);
    assert_eq!((listed.status, listed.stdout.lines().count()), (0, 1));
    // What was lost with the damage is not forgotten: up to when all flows alive are told of.
    let gap = "gap from 2027.01.15 08:00:01.000000 to 2027.01.15 08:10:01.000000: source damaged or incomplete, 1 event lost\n";
    assert!(listed.stderr.ends_with(gap), "{}", listed.stderr);
}

/// A flow that was alive before a segment that names all is told of there, or was over: of those no lost record tells anew.
#[test]
fn what_is_lost_reaches_back_no_further_than_the_last_segment_that_names_all_flows() {
    let [first, second, mut third] = segments();
    let directory = TempDir::new().unwrap();
    let journal = directory.path().join("journal");
    fs::create_dir(&journal).unwrap();
    // The block of the end at 1300 s, whose start is not known.
    damage_block(&mut third, 1300);
    for (name, bytes) in [("0.ct", first), ("1.ct", second), ("2.ct", third)] {
        fs::write(journal.join(name), bytes).unwrap();
    }
    let output = directory.path().join("out");
    let squeezed = run(["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), journal.as_os_str()]);
    assert_eq!(squeezed.status, 5);
    for path in [&journal, &output] {
        let verdicts = verdicts(path);
        let told = [500, 700, 1250].map(|second| verdicts[second / 5 * 2].as_str());
        assert_eq!(told, ["NONE", "UNKNOWN", "UNKNOWN"], "{}", path.display());
    }
}
