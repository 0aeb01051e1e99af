//! What a recorder removed as it was told to: removed, and not missing; and whether anything is older than it may be.

use std::path::Path;

use ctrecorder_format::{Closing, Content, Digest, Header, Kind, Retirement};
use tempfile::TempDir;

use super::coverage::{coverage, journal};
use super::sample::{BEGIN, NS, Segment, golden, header, run, v4};
use crate::program::Answer;

/// What a recorder says of the segment with this number, removed with all since `from` (a number, too): each is 600 s long.
fn removal(from: u64, number: u32) -> Retirement {
    let (from, to) = (BEGIN + from * 600 * NS, BEGIN + (u64::from(number) + 1) * 600 * NS);
    Retirement { from, to, segment: number, netns: None }
}

/// Six segments of a run that follow each other. The last one but one tells of these removals, and the last one takes these back.
fn chain(removed: &[Retirement], kept: &[Retirement]) -> Vec<Vec<u8>> {
    let mut previous: Option<Digest> = None;
    let segment = |number: u16| {
        let now = BEGIN + u64::from(number) * 600 * NS + 1;
        let mut segment = Segment::new(&header(number.into(), previous));
        segment = segment.push(&v4(Kind::Start, number, u64::from(number) * 600));
        if number == 4 {
            segment = removed.iter().fold(segment, |segment, told| segment.note(&told.note(now)));
        }
        if number == 5 {
            segment = kept.iter().fold(segment, |segment, told| segment.note(&told.kept(now)));
        }
        let closing = if number == 5 { Closing::Stopped } else { Closing::WentOn };
        let (bytes, digest) = segment.closed_at(closing, (u64::from(number) + 1) * 600);
        previous = Some(digest);
        bytes
    };
    (0..6).map(segment).collect()
}

/// A directory with those of the segments that have these numbers.
fn left(chain: &[Vec<u8>], numbers: &[usize]) -> TempDir {
    let names: Vec<_> = numbers.iter().map(usize::to_string).collect();
    let files = names.iter().zip(numbers).map(|(name, number)| (name.as_str(), chain[*number].as_slice()));
    journal(&files.collect::<Vec<_>>())
}

/// What is said of the whole time that the six told of: the lines but the last, without the date.
fn covered(directory: &Path) -> Vec<String> {
    let answer = coverage(directory, &["--since", "2027-01-15T07:50:00Z", "--until", "2027-01-15T09:00:00Z"]);
    let mut lines: Vec<_> =
        answer.stdout.lines().map(|line| line.replace("2027.01.15 ", "").replace(".000000", "")).collect();
    lines.pop();
    lines
}

/// The lines of `test` about the journal as a whole, and the status.
fn tested(directory: &Path) -> (i32, Vec<String>) {
    let Answer { status, stdout, .. } = run(["test".as_ref(), directory.as_os_str()]);
    let lines = stdout.lines().filter(|line| !line.contains(": ok, version") && !line.contains(" tested: "));
    let path = format!("{}/", directory.display());
    (status, lines.map(|line| line.replace(&path, "")).collect())
}

const UNKNOWN: &str = "number of events lost not known";

#[test]
fn what_was_removed_is_not_missing() {
    let all = chain(&[removal(0, 0), removal(1, 1), removal(2, 2)], &[]);
    let directory = left(&all, &[3, 4, 5]);
    let expected = [
        "gap from 07:50:00 to 08:00:00: no file given".to_owned(),
        format!("gap from 08:00:00 to 08:30:00: removed by retention, {UNKNOWN}"),
        "recorded from 08:30:00 to 09:00:00".to_owned(),
    ];
    assert_eq!(covered(directory.path()), expected);
    let without = coverage(directory.path(), &[]);
    assert_eq!((without.status, without.stdout.lines().count()), (0, 2), "what is left has no gap: {}", without.stdout);
    let line = "3: the recorder wrote 3 segments before it that are not among those given: removed by retention";
    assert_eq!(tested(directory.path()), (0, vec![line.to_owned()]));
    let who = run([
        "who".as_ref(),
        "203.0.113.1:1".as_ref(),
        "--at".as_ref(),
        "2027-01-15T08:10:01Z".as_ref(),
        directory.path().as_os_str(),
    ]);
    assert_eq!(who.status, 4, "{}", who.stdout);
    assert!(who.stdout.contains("removed by retention"), "{}", who.stdout);
}

#[test]
fn a_removal_that_goes_back_far_tells_of_all_before_it() {
    let all = chain(&[removal(0, 2)], &[]);
    let directory = left(&all, &[3, 4, 5]);
    assert_eq!(covered(directory.path())[1], format!("gap from 08:00:00 to 08:30:00: removed by retention, {UNKNOWN}"));
    assert!(tested(directory.path()).1[0].ends_with("not among those given: removed by retention"));
}

#[test]
fn what_somebody_else_took_is_missing_all_the_same() {
    let all = chain(&[removal(1, 1), removal(2, 2)], &[]);
    let directory = left(&all, &[4, 5]);
    let expected = [
        format!("gap from 07:50:00 to 08:10:00: segment missing, {UNKNOWN}"),
        format!("gap from 08:10:00 to 08:30:00: removed by retention, {UNKNOWN}"),
        format!("gap from 08:30:00 to 08:40:00: segment missing, {UNKNOWN}"),
    ];
    assert_eq!(covered(directory.path())[..3], expected);
    let line =
        "4: the recorder wrote 4 segments before it that are not among those given; 2 of them: removed by retention";
    assert_eq!(tested(directory.path()), (0, vec![line.to_owned()]));
}

#[test]
fn between_two_that_are_there_it_is_no_broken_chain() {
    let all = chain(&[removal(0, 1), removal(2, 2)], &[]);
    let directory = left(&all, &[0, 3, 4, 5]);
    let expected = format!("gap from 08:10:00 to 08:30:00: removed by retention, {UNKNOWN}");
    assert_eq!(covered(directory.path())[2], expected, "and the first one, which is there, is covered");
    let first = directory.path().join("0");
    let line = format!("3: segments 1 to 2 are between {} and this one: removed by retention", first.display());
    let (status, lines) = tested(directory.path());
    assert_eq!((status, lines), (0, vec![line.replace(&format!("{}/", directory.path().display()), "")]));

    let directory = left(&all, &[0, 4, 5]);
    let (status, lines) = tested(directory.path());
    assert_eq!(status, 1, "segment 3 was not removed by the recorder");
    assert!(lines[0].contains("segments 1 to 3 are missing"), "{lines:?}");
}

#[test]
fn what_is_there_is_covered_and_what_was_kept_is_missing_when_it_is_gone() {
    let all = chain(&[removal(0, 0), removal(1, 1)], &[removal(1, 1)]);
    let whole = left(&all, &[0, 1, 2, 3, 4, 5]);
    assert_eq!(covered(whole.path())[1..], ["recorded from 08:00:00 to 09:00:00"]);
    assert_eq!(tested(whole.path()), (0, vec![]));
    let directory = left(&all, &[2, 3, 4, 5]);
    let lines = covered(directory.path());
    assert_eq!(lines[1], format!("gap from 08:00:00 to 08:10:00: removed by retention, {UNKNOWN}"));
    assert_eq!(lines[2], format!("gap from 08:10:00 to 08:20:00: segment missing, {UNKNOWN}"));
}

#[test]
fn a_squeezed_segment_tells_nothing_of_removals() {
    let all = chain(&[removal(0, 0)], &[]);
    let directory = left(&all, &[1, 2, 3, 4, 5]);
    let output = directory.path().join("all.ct");
    let words = ["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), directory.path().as_os_str()];
    assert_eq!(run(words).status, 0);
    let text = run(["header".as_ref(), output.as_os_str()]).stdout;
    let listed = coverage(&output, &["--since", "2027-01-15T08:00:00Z"]);
    assert!(!listed.stdout.contains("removed"), "{text}{}", listed.stdout);
}

/// An empty segment of the recorder begun so many seconds ago.
fn begun_ago(seconds: u64) -> Vec<u8> {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let header = Header {
        created: now - seconds * NS,
        recorder_started: 1,
        host: "nat1".into(),
        ..Header::blank(Content::Events)
    };
    let mut writer = ctrecorder_format::Writer::new(Vec::new(), &header).unwrap();
    writer.finish(Closing::WentOn, now - seconds * NS + 1).unwrap();
    writer.write_out().unwrap();
    writer.output().clone()
}

#[test]
fn retention_names_what_is_older_and_says_so_by_its_status() {
    let (old, young) = (begun_ago(3 * 86_400 + 60), begun_ago(3600));
    let directory = journal(&[("old", &old), ("young", &young)]);
    let answer = coverage(directory.path(), &["--retention", "3d"]);
    assert_eq!((answer.status, answer.stdout.lines().count()), (1, 2), "{}", answer.stdout);
    assert!(answer.stdout.contains("/old: tells of what was since "), "{}", answer.stdout);
    assert!(answer.stdout.contains("\n1 of 2 files tells of what was before "), "{}", answer.stdout);
    let json = coverage(directory.path(), &["--retention", "3d", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.status, value["older"].as_array().unwrap().len()), (1, 1), "{value}");
    assert!(value["older"][0]["path"].as_str().unwrap().ends_with("/old"), "{value}");

    let answer = coverage(directory.path(), &["--retention", "4d"]);
    assert_eq!(answer.status, 0, "{}", answer.stdout);
    assert!(answer.stdout.starts_with("nothing in 2 files is from before "), "{}", answer.stdout);
    // What the C program recorded years ago, and what cannot be read.
    assert_eq!(coverage(&golden("tcp.ct"), &["--retention", "180d"]).status, 0, "recorded after today, as it says");
    assert_eq!(
        coverage(&golden("udp.combined.ct"), &["--retention", "180d"]).status,
        0,
        "and so are its flows without a start"
    );
    assert_eq!(coverage(&directory.path().join("none"), &["--retention", "180d"]).status, 5);
    assert_eq!(coverage(directory.path(), &["--retention", "180"]).status, 2, "of what?");
}

/// A flow that nobody saw begin is in the squeezed file with a time that is not known: that makes nothing older than its begin.
#[test]
fn what_was_squeezed_is_as_old_as_what_it_was_made_from() {
    let segment = Segment::new(&header(0, None)).push(&v4(Kind::End, 1, 10)).push(&v4(Kind::Start, 2, 20));
    let directory = journal(&[("0", &segment.stopped())]);
    let squeezed = directory.path().join("squeezed");
    assert_eq!(run(["squeeze".as_ref(), "-o".as_ref(), squeezed.as_os_str(), directory.path().as_os_str()]).status, 0);
    let answer = coverage(&squeezed, &["--retention", "180d"]);
    assert_eq!(answer.status, 0, "{}", answer.stdout);
}

/// What holds a journal's segments back is none of its files, and not told of.
#[test]
fn a_hold_is_no_part_of_the_journal() {
    let directory = left(&chain(&[], &[]), &[0, 1]);
    std::fs::write(directory.path().join("HOLD"), "").unwrap();
    let listed = run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    assert_eq!((listed.status, listed.stderr.as_str()), (0, ""));
}
