//! What was found in the kernel's table, and not heard: how it is listed, and that squeezing keeps it.

use std::fs;

use ctrecorder_format::record::flags::{END_AT_LATEST, RECOVERED};
use ctrecorder_format::{Cause, Closing, Kind, Note, Record, V4};

use super::coverage::{coverage, journal};
use super::sample::{BEGIN, NS, Segment, header, line4, run, v4};

/// A note of a span of seconds since the begin.
pub fn note(from: u64, to: u64, lost: u64, cause: Cause) -> Note {
    Note::gap(BEGIN + from * NS, BEGIN + to * NS, lost, cause)
}

/// A record with these flags.
pub fn flagged(mut record: Record<V4>, flags: u8) -> Record<V4> {
    record.flags = flags;
    record
}

/// A segment with a gap, behind which a start and an end were found; it went on in another one.
pub fn overrun() -> Vec<[Vec<u8>; 2]> {
    let first = Segment::new(&header(0, None))
        .note(&Note::at(BEGIN, Cause::Started))
        .push(&v4(Kind::Start, 1, 10))
        .note(&note(0, 12, 0, Cause::TableRead).with_value(1))
        .note(&note(20, 25, Note::LOST_UNKNOWN, Cause::KernelOverrun))
        .push(&flagged(v4(Kind::Start, 2, 28), RECOVERED))
        .note(&note(26, 30, 0, Cause::TableRead).with_value(1))
        .push(&flagged(v4(Kind::End, 1, 30), END_AT_LATEST))
        .note(&note(20, 25, 9, Cause::Account).with_value(2))
        .note(&note(30, 500, 0, Cause::Quiet))
        .push(&flagged(v4(Kind::End, 7, 501), END_AT_LATEST));
    let (first, digest) = first.closed_at(Closing::WentOn, 600);
    let second = Segment::new(&header(1, Some(digest))).push(&v4(Kind::Open, 2, 28));
    let second = second.note(&note(600, 601, 0, Cause::TableRead)).push(&v4(Kind::End, 2, 700));
    vec![[first, second.closed_at(Closing::Stopped, 1200).0]]
}

#[test]
fn what_was_found_is_marked_in_lists() {
    let [first, second] = &overrun()[0];
    let directory = journal(&[("0", first), ("1", second)]);
    let marked = |line: String, mark: &str| line.replace('\n', &format!("{mark}\n"));
    let listed = run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    // The flow that was found is in the next keyframe, and not listed again: the reading of the table told of all flows.
    let expected = [
        line4("08:00:10", "S ", 1),
        marked(line4("08:00:28", "S ", 2), " [recovered]"),
        marked(line4("08:00:30", "E ", 1), " [ended after 2027.01.15 08:00:26.000000]"),
        marked(line4("08:08:21", "E ", 7), " [ended earlier]"),
        line4("08:11:40", "E ", 2),
    ];
    assert_eq!((listed.status, listed.stdout), (0, expected.concat()));
    let [gap, account] = listed.stderr.lines().collect::<Vec<_>>()[..] else { panic!("{}", listed.stderr) };
    assert!(gap.ends_with("socket buffer full, number of events lost not known"), "{gap}");
    assert!(account.ends_with("in sum: 9 events lost in the kernel, 2 of all that was lost found again"), "{account}");

    let squeezed = run(["list".as_ref(), "-sH".as_ref(), directory.path().as_os_str()]).stdout;
    let ends: Vec<_> = squeezed.lines().map(|line| line.split_once(" [").map_or("", |(_, mark)| mark)).collect();
    assert_eq!(ends, ["ended after 2027.01.15 08:00:26.000000]", "ended earlier]", "recovered]"]);
}

/// The first flow was gone 20 s after its start, the second was found, of the third only an end is known.
#[test]
fn what_may_have_lasted_so_long_is_kept() {
    let [first, second] = &overrun()[0];
    let directory = journal(&[("0", first), ("1", second)]);
    let listed = |options: &[&str]| {
        let path = directory.path().to_str().unwrap();
        let answer = run([&["list", "-sH"], options, &[path]].concat());
        let port = |line: &str| line.split("src=10.0.0.1:").nth(1)?.split(' ').next().map(str::to_owned);
        let mut ports: Vec<_> = answer.stdout.lines().filter_map(port).collect();
        ports.sort_unstable();
        ports.concat()
    };
    assert_eq!(listed(&[]), "127");
    assert_eq!(listed(&["--min-duration", "20s"]), "12");
    assert_eq!(listed(&["--min-duration", "20001ms"]), "2");
    assert_eq!(listed(&["--min-duration", "30d"]), "2", "it was found: nobody knows when it began");
    assert_eq!(listed(&["--where", "not lasts 0s"]), "7");
    assert_eq!(listed(&["--where", "lasts 30d or not lasts 0s"]), "27");
}

#[test]
fn without_a_reading_behind_a_gap_the_next_keyframe_is_listed() {
    let (first, digest) = Segment::new(&header(0, None))
        .note(&note(0, 1, 0, Cause::TableRead))
        .note(&note(20, 25, 3, Cause::KernelOverrun))
        .closed_at(Closing::WentOn, 600);
    let second = Segment::new(&header(1, Some(digest))).push(&v4(Kind::Open, 2, 28)).stopped();
    let directory = journal(&[("0", &first), ("1", &second)]);
    let listed = run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    assert_eq!(listed.stdout, line4("08:00:28", "O ", 2));
}

/// A reading told of flows in records that are damaged: the next keyframe tells of them again.
#[test]
fn damage_is_not_healed_by_a_reading_of_the_table() {
    let (mut first, digest) = Segment::new(&header(0, None))
        .push(&v4(Kind::Start, 1, 1))
        .note(&note(0, 5, 0, Cause::TableRead).with_value(1))
        .closed_at(Closing::WentOn, 600);
    let block = super::sample::blocks(&first)[0];
    first[block + 70] ^= 1;
    let second = Segment::new(&header(1, Some(digest))).push(&v4(Kind::Open, 1, 1)).stopped();
    let directory = journal(&[("0", &first), ("1", &second)]);
    let listed = run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    assert_eq!((listed.status, listed.stdout), (5, line4("08:00:01", "O ", 1)));
}

#[test]
fn squeezing_changes_neither_the_coverage_nor_what_is_marked() {
    let [first, second] = &overrun()[0];
    let mut later = header(0, None);
    (later.recorder_started, later.created) = (BEGIN + 1500 * NS, BEGIN + 1500 * NS);
    // Another run, without a note of the time between, that was killed; and a third one.
    let third = Segment::new(&later)
        .note(&Note::at(BEGIN + 1501 * NS, Cause::Started))
        .push(&v4(Kind::Start, 4, 1510))
        .note(&note(1510, 1600, 0, Cause::Quiet))
        .cut_off();
    (later.recorder_started, later.created) = (BEGIN + 2000 * NS, BEGIN + 2000 * NS);
    let fourth = Segment::new(&later).note(&note(1600, 2000, Note::LOST_UNKNOWN, Cause::NotRunning));
    let fourth = fourth.push(&v4(Kind::Start, 5, 2010)).note(&note(2010, 2100, 0, Cause::Quiet)).cut_off();
    let directory = journal(&[("0", first), ("1", second), ("2", &third), ("3", &fourth)]);
    let output = directory.path().join("out.sq");
    let words = ["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), directory.path().as_os_str()];
    assert_eq!(run(words).status, 0);
    let squeezed = journal(&[("all", &fs::read(&output).unwrap())]);
    fs::remove_file(&output).unwrap();

    let [source, result] = [&directory, &squeezed].map(|journal| coverage(journal.path(), &["-o", "json"]));
    assert_eq!((source.status, &source.stdout), (result.status, &result.stdout));
    assert!(source.stdout.contains("\"cause\":\"socket buffer full\",\"lost\":7}"), "{}", source.stdout);
    assert_eq!(source.stdout.matches("\"recorder not running\"").count(), 2, "{}", source.stdout);

    let [source, result] = [&directory, &squeezed].map(|journal| {
        let mut lines: Vec<_> = run(["list".as_ref(), "-sH".as_ref(), journal.path().as_os_str()])
            .stdout
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    });
    assert_eq!(source, result);
    let tested = run(["test".as_ref(), squeezed.path().as_os_str()]);
    assert_eq!((tested.status, tested.stderr.as_str()), (0, ""));
}
