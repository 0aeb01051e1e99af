//! Flows that a run finds when it first reads the kernel's table, and that the run before would have heard begin: they began behind that,
//! or in a gap of it. The journal and all that is made of it say the same.

use std::fs;
use std::path::{Path, PathBuf};

use ctrecorder_format::record::flags::START_FROM_KERNEL;
use ctrecorder_format::{Cause, Closing, Header, Kind, Note, Record, V4};
use serde_json::Value;
use tempfile::TempDir;

use super::journal::{TCP, directory, event, every_protocol};
use crate::program::ctrecorder;
use crate::readers::sample::{BEGIN, NS, Segment, run};

const FLOW: [&str; 4] = ["10.0.0.1:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];
const OTHER: [&str; 4] = ["10.0.0.3:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1001"];

/// When it is asked who had the public endpoint of [`FLOW`], seconds behind [`BEGIN`].
const ASKED: [u64; 11] = [0, 5, 29, 30, 49, 50, 300, 700, 701, 800, 801];

fn at(second: u64) -> u64 {
    BEGIN + second * NS
}

fn note(from: u64, to: u64, cause: Cause) -> Note {
    Note::gap(at(from), at(to), 0, cause)
}

fn own(id: u32, record: Record<V4>) -> Record<V4> {
    Record { id: id.into(), ..record }
}

/// The run before, up to 50.
fn before(header: &Header) -> Segment {
    Segment::new(header)
        .note(&Note::at(at(0), Cause::Started))
        .push(&own(8, event(Kind::Start, TCP, 10, OTHER)))
        .note(&note(0, 11, Cause::TableRead))
}

/// The run that finds the flow at 701, which ends at 800.
fn behind(more: &[Note]) -> Vec<u8> {
    behind_one_that_ended(50, more)
}

/// The same, which says when the one before it ended.
fn behind_one_that_ended(second: u64, more: &[Note]) -> Vec<u8> {
    let header = Header { recorder_started: at(700), created: at(700), ..every_protocol(0) };
    let open = |id, endpoints| own(id, Record { start: 0.into(), ..event(Kind::Open, TCP, 701, endpoints) });
    let begun = Segment::new(&header).note(&Note::at(at(700), Cause::Started));
    let begun = more.iter().fold(begun.note(&note(second, 700, Cause::NotRunning)), Segment::note);
    let read = begun.told(&open(7, FLOW), 701).told(&open(8, OTHER), 701).note(&note(700, 701, Cause::TableRead));
    read.push(&own(7, event(Kind::End, TCP, 800, FLOW))).closed_at(Closing::Stopped, 900).0
}

/// What is said of the flow: at which of the seconds it is named, and between which it is said to have begun.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    named_at: Vec<u64>,
    began: Vec<[Option<u64>; 2]>,
}

fn said(path: &Path) -> Said {
    let lines: String = ASKED.iter().map(|second| format!("203.0.113.6:1000 @{}\n", at(*second) / NS)).collect();
    let output = ctrecorder().args(["who", "-", "--slack", "0s"]).arg(path).write_stdin(lines).output().unwrap();
    let answers: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), ASKED.len(), "{}", String::from_utf8_lossy(&output.stderr));
    let named: Vec<_> = ASKED.iter().zip(&answers).filter(|(_, answer)| answer["inside"][0] == "10.0.0.1").collect();
    let second = |value: &Value| {
        let moment = chrono::DateTime::parse_from_rfc3339(value.as_str()?).unwrap();
        Some(moment.timestamp().cast_unsigned() - BEGIN / NS)
    };
    let mut began: Vec<_> = named
        .iter()
        .map(|(_, answer)| ["began_after", "began_by"].map(|name| second(&answer["flows"][0][name])))
        .collect();
    began.dedup();
    Said { named_at: named.into_iter().map(|(second, _)| *second).collect(), began }
}

/// What is made of a journal: its paths are in the order in which the files were written.
fn made(around: &Path, files: &[PathBuf]) -> Vec<PathBuf> {
    let [file, squeezed, archive, grown, growing] =
        ["squeezed.ct", "squeezed", "archive", "grown", "growing"].map(|name| around.join(name));
    let into = format!("{}/", squeezed.display());
    let paths = files.iter().map(|file| file.display().to_string());
    let make = |words: &[&str], path: &str| {
        let answer =
            run(words.iter().map(|word| (*word).to_owned()).chain(["-o".into(), path.into()]).chain(paths.clone()));
        assert!([0, 5].contains(&answer.status), "{}", answer.stderr);
    };
    make(&["squeeze"], &file.display().to_string());
    make(&["squeeze"], &into);
    make(&["export"], &archive.display().to_string());
    fs::create_dir(&growing).unwrap();
    for file in files {
        fs::copy(file, growing.join(file.file_name().unwrap())).unwrap();
        let [grown, growing] = [&grown, &growing].map(|path| path.display().to_string());
        run(["export", "--add", "-o", &grown, &growing]);
    }
    vec![file, squeezed, archive, grown]
}

/// What is said of these files, and of all that is made of them, which has to be the same.
fn all_say(files: &[(&str, Vec<u8>)]) -> Said {
    let (journal, around) = (directory(files), TempDir::new().unwrap());
    let told = said(journal.path());
    let paths: Vec<_> = files.iter().map(|(name, _)| journal.path().join(name)).collect();
    if cfg!(feature = "archive") {
        for path in made(around.path(), &paths) {
            assert_eq!(said(&path), told, "{}", path.display());
        }
    }
    told
}

fn named_from(second: u64, after: Option<u64>) -> Said {
    let named_at = ASKED.into_iter().filter(|asked| (second..=800).contains(asked)).collect();
    Said { named_at, began: vec![[after, after.map(|_| 701)]] }
}

#[test]
fn a_flow_that_the_run_before_did_not_hear_begin_began_behind_it() {
    let first = every_protocol(0);
    let closed = before(&first).closed_at(Closing::Stopped, 50).0;
    assert_eq!(all_say(&[("a.ct", closed), ("b.ct", behind(&[]))]), named_from(50, Some(50)));
    // Of one that was killed, behind the last that it told.
    let (went_on, digest) = before(&first).closed_at(Closing::WentOn, 20);
    let header = Header { created: at(20), previous: Some(digest), ..every_protocol(1) };
    let open = own(8, event(Kind::Open, TCP, 10, OTHER));
    let killed =
        Segment::new(&header).told(&open, 20).note(&note(20, 21, Cause::TableRead)).note(&note(21, 30, Cause::Quiet));
    let files = [("a.ct", went_on), ("b.ct", killed.cut_off()), ("c.ct", behind(&[]))];
    assert_eq!(all_say(&files), named_from(30, Some(30)));
}

#[test]
fn it_may_have_begun_in_a_gap_of_the_run_before_that_no_reading_followed() {
    let gap = Note::gap(at(30), at(35), 1, Cause::KernelOverrun);
    let first = before(&every_protocol(0)).note(&gap).closed_at(Closing::Stopped, 50).0;
    assert_eq!(all_say(&[("a.ct", first), ("b.ct", behind(&[]))]), named_from(30, Some(30)));
    // After a reading nothing of that gap is unknown; and of one of its own the second run does not speak.
    let first = before(&every_protocol(0)).note(&gap).note(&note(11, 40, Cause::TableRead));
    let own = Note::gap(at(700), at(700), 1, Cause::KernelOverrun);
    let files = [("a.ct", first.closed_at(Closing::Stopped, 50).0), ("b.ct", behind(&[own]))];
    assert_eq!(all_say(&files), named_from(50, Some(50)));
}

#[test]
fn where_the_run_before_did_not_know_all_flows_it_may_have_begun_at_any_time() {
    let first = every_protocol(0);
    let unread =
        Segment::new(&first).note(&Note::at(at(0), Cause::Started)).push(&own(8, event(Kind::Start, TCP, 10, OTHER)));
    let unread = unread.closed_at(Closing::Stopped, 50).0;
    assert_eq!(all_say(&[("a.ct", unread), ("b.ct", behind(&[]))]), named_from(0, None));
    let udp = before(&Header { protocols: vec![17], ..first }).closed_at(Closing::Stopped, 50).0;
    let (journal, about) = (directory(&[("a.ct", udp), ("b.ct", behind(&[]))]), "UDP alone");
    assert_eq!(said(journal.path()), named_from(0, None), "{about}");
}

/// What a recorder makes of a clock that it never saw: the second run begins at 700, and the first one told up to 1000.
#[test]
fn where_the_clock_was_set_back_between_it_may_have_begun_at_any_time() {
    let first = before(&every_protocol(0)).closed_at(Closing::Stopped, 1000).0;
    let journal = directory(&[("a", first), ("b", behind_one_that_ended(700, &[]))]);
    let [a, b] = ["a", "b"].map(|name| journal.path().join(name).display().to_string());
    for second in [5, 500, 650, 750] {
        let at = format!("@{}", at(second) / NS);
        let answer = run(["who", "203.0.113.6:1000", "--at", &at, "--slack", "0s", &a, &b]);
        assert!(answer.stdout.starts_with("UNIQUE: 10.0.0.1"), "{}", answer.stdout);
    }
}

/// A list has the moment at which it was found in the place of its start.
#[test]
fn a_list_of_flows_tells_when_it_was_found() {
    let first = before(&every_protocol(0)).closed_at(Closing::Stopped, 50).0;
    let journal = directory(&[("a.ct", first), ("b.ct", behind(&[]))]);
    let listed = run(["list", "-sH", &journal.path().display().to_string()]).stdout;
    let line = listed.lines().find(|line| line.contains("src=10.0.0.1:1000")).unwrap();
    assert!(line.starts_with("2027.01.15 08:11:41.000000 2027.01.15 08:13:20.000000 "), "{line}");
    assert!(line.ends_with(" [recovered]"), "{line}");
}

#[test]
fn a_flow_with_the_id_of_one_that_was_over_is_another_one() {
    let first = Segment::new(&every_protocol(0)).note(&Note::at(at(0), Cause::Started));
    let first = first.push(&own(7, event(Kind::Start, TCP, 5, FLOW))).note(&note(0, 11, Cause::TableRead));
    let first = first.closed_at(Closing::Stopped, 50).0;
    let header = Header { recorder_started: at(700), created: at(700), ..every_protocol(0) };
    let stamped = |record| own(7, Record { flags: START_FROM_KERNEL, start: at(300).into(), ..record });
    let second = Segment::new(&header).note(&Note::at(at(700), Cause::Started)).note(&note(50, 700, Cause::NotRunning));
    let open = stamped(event(Kind::Open, TCP, 701, FLOW));
    let second = second.told(&open, 701).note(&note(700, 701, Cause::TableRead));
    let second = second.push(&stamped(event(Kind::End, TCP, 800, FLOW))).closed_at(Closing::Stopped, 900).0;
    let said = all_say(&[("a.ct", first), ("b.ct", second)]);
    // Nobody knows when the first one ended.
    assert_eq!(said.named_at, [5, 29, 30, 49, 50, 300, 700, 701, 800]);
}

#[test]
fn who_finds_a_flow_that_was_told_of_before_does_not_tell_when_it_began() {
    // The second run recorded TCP alone: squeezed, the third one goes on with the first.
    let run_of = |second: u64, protocols: Vec<u8>| {
        let header = Header { recorder_started: at(second), created: at(second), protocols, ..every_protocol(0) };
        Segment::new(&header).note(&Note::at(at(second), Cause::Started))
    };
    let found = |begun: Segment, before: u64, second: u64| {
        let open = own(7, Record { start: 0.into(), ..event(Kind::Open, TCP, second, FLOW) });
        let begun = begun.note(&note(before, second, Cause::NotRunning)).told(&open, second);
        begun.note(&note(second, second, Cause::TableRead))
    };
    let first = run_of(0, Vec::new()).note(&note(0, 0, Cause::TableRead)).closed_at(Closing::Stopped, 10).0;
    let second = found(run_of(20, vec![TCP]), 10, 20).closed_at(Closing::Stopped, 40).0;
    let third = found(run_of(300, Vec::new()), 40, 300).closed_at(Closing::Stopped, 900).0;
    let journal = directory(&[("a.ct", first), ("b.ct", second), ("c.ct", third)]);
    let squeezed = TempDir::new().unwrap();
    let into = format!("{}/", squeezed.path().display());
    let paths = ["a.ct", "b.ct", "c.ct"].map(|name| journal.path().join(name).display().to_string());
    assert_eq!(run(["squeeze".into(), "-o".into(), into].into_iter().chain(paths)).status, 0);
    for path in [journal.path(), squeezed.path()] {
        let named_at = said(path).named_at;
        assert!([29, 30, 300, 700].iter().all(|second| named_at.contains(second)), "{}: {named_at:?}", path.display());
    }
}

#[test]
fn of_parts_that_do_not_follow_each_other_one_tells_when_a_flow_of_the_other_was_gone() {
    let started = |second: u64| Header { recorder_started: at(second), created: at(second), ..every_protocol(0) };
    let begun = |second: u64| Segment::new(&started(second)).note(&Note::at(at(second), Cause::Started));
    let first = begun(0).push(&own(7, event(Kind::Start, TCP, 5, FLOW))).note(&note(0, 11, Cause::TableRead));
    let open = own(7, Record { start: 0.into(), ..event(Kind::Open, TCP, 60, FLOW) });
    let second = begun(60).note(&note(50, 60, Cause::NotRunning)).told(&open, 60).note(&note(60, 60, Cause::TableRead));
    let second = second.push(&own(7, event(Kind::End, TCP, 70, FLOW))).closed_at(Closing::Stopped, 90).0;
    let third = begun(301).note(&note(90, 301, Cause::NotRunning)).note(&note(301, 301, Cause::TableRead));
    let third = third.closed_at(Closing::Stopped, 900).0;
    let files = [("a.ct", first.closed_at(Closing::Stopped, 50).0), ("b.ct", second), ("c.ct", third)];
    let journal = directory(&files);
    assert!(!said(journal.path()).named_at.contains(&300));
    let path = |name: &str| journal.path().join(name).display().to_string();
    for (output, inputs) in [("parts/outer.ct", ["a.ct", "c.ct"].as_slice()), ("parts/inner.ct", &["b.ct"])] {
        fs::create_dir_all(journal.path().join("parts")).unwrap();
        let words = ["squeeze".to_owned(), "-o".to_owned(), path(output)];
        assert_eq!(run(words.into_iter().chain(inputs.iter().map(|input| path(input)))).status, 0);
    }
    let named_at = said(&journal.path().join("parts")).named_at;
    assert!(named_at.contains(&49) && !named_at.contains(&300), "{named_at:?}");
}
