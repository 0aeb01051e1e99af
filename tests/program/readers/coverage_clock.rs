//! `ctrecorder coverage` where the clock was set: what it was set over it never showed, and what it showed twice counts as both.

use std::path::Path;

use ctrecorder_format::{Cause, Closing, Kind, Note, V4};
use tempfile::TempDir;

use super::coverage::{coverage, journal};
use super::sample::{BEGIN, NS, Segment, header, run, v4};
use crate::program::Answer;

const DAY: u64 = 86_400;
const YEAR: u64 = 365 * DAY;

/// So many seconds after [`BEGIN`].
fn at(second: u64) -> u64 {
    BEGIN + second * NS
}

/// The clock was set by so many seconds, and showed `after` then.
fn set(after: u64, by: i64) -> Note {
    Note::clock_step(at(after), by * NS as i64)
}

/// The first segment of a run, begun so many seconds after [`BEGIN`].
fn begun(second: u64) -> Segment {
    segment(0, second)
}

fn segment(number: u64, second: u64) -> Segment {
    let mut header = header(number, None);
    header.created = at(second);
    Segment::new(&header)
}

/// The status of coverage, and its lines but the last one.
fn told(path: &Path, options: &[&str]) -> (i32, Vec<String>) {
    let Answer { status, stdout, .. } = coverage(path, options);
    let mut lines: Vec<_> = stdout.lines().map(|line| line.replace(".000000", "")).collect();
    lines.pop();
    (status, lines)
}

fn covered(files: &[&[u8]]) -> (i32, Vec<String>) {
    told(of(files).path(), &[])
}

fn of(files: &[&[u8]]) -> TempDir {
    let names: Vec<_> = (0..files.len()).map(|number| format!("{number}.ct")).collect();
    journal(&names.iter().map(String::as_str).zip(files.iter().copied()).collect::<Vec<_>>())
}

/// A run whose clock was ahead by a year from 08:10 to 08:20.
fn ahead_for_a_while() -> Vec<u8> {
    begun(0)
        .push::<V4>(&v4(Kind::Start, 1, 300))
        .note(&set(600 + YEAR, YEAR as i64))
        .push::<V4>(&v4(Kind::Start, 2, 900 + YEAR))
        .note(&set(1200, -(YEAR as i64)))
        .push::<V4>(&v4(Kind::Start, 3, 1500))
        .closed_at(Closing::Stopped, 1800)
        .0
}

const AHEAD: [&str; 4] = [
    "recorded from 2027.01.15 08:00:00 to 2027.01.15 08:10:00",
    "gap from 2027.01.15 08:10:00 to 2027.01.15 08:20:00: clock set forward, 0 events lost",
    "recorded from 2027.01.15 08:20:00 to 2027.01.15 08:30:00",
    "recorded from 2028.01.15 08:10:00 to 2028.01.15 08:20:00",
];

#[test]
fn a_clock_that_was_ahead_for_a_while_covers_what_it_showed() {
    let gap = "gap from 2027.01.15 08:30:00 to 2028.01.15 08:10:00: clock set forward, 0 events lost";
    let expected = [AHEAD[0], AHEAD[1], AHEAD[2], gap, AHEAD[3]].map(str::to_owned);
    let file = ahead_for_a_while();
    assert_eq!(covered(&[&file]), (1, expected.to_vec()));
    // What was asked for is all that counts.
    let directory = of(&[&file]);
    let of_range = |since: &str, until: &str| told(directory.path(), &["--since", since, "--until", until]);
    assert_eq!(of_range("2027-01-15T08:25:00Z", "2027-01-15T08:30:00Z").0, 0);
    let (status, lines) = of_range("2027-03-01T00:00:00Z", "2027-04-01T00:00:00Z");
    let month = "gap from 2027.03.01 00:00:00 to 2027.04.01 00:00:00: clock set forward, 0 events lost";
    assert_eq!((status, lines), (1, vec![month.to_owned()]));
}

/// It ended while it was ahead, or began so; or the next file began, and only then told that it had been set over the hour.
#[test]
fn a_clock_that_was_ahead_at_an_end_covers_what_it_showed() {
    let forward = begun(0).note(&set(600 + YEAR, YEAR as i64)).closed_at(Closing::Stopped, 1200 + YEAR).0;
    let gap = "gap from 2027.01.15 08:10:00 to 2028.01.15 08:10:00: clock set forward, 0 events lost";
    assert_eq!(covered(&[&forward]), (1, [AHEAD[0], gap, AHEAD[3]].map(str::to_owned).to_vec()));

    let back = begun(YEAR).note(&set(600, -(YEAR as i64))).closed_at(Closing::Stopped, 1200).0;
    let expected = [
        "recorded from 2027.01.15 08:10:00 to 2027.01.15 08:20:00",
        "gap from 2027.01.15 08:20:00 to 2028.01.15 08:00:00: no file given",
        "recorded from 2028.01.15 08:00:00 to 2028.01.15 08:10:00",
    ];
    assert_eq!(covered(&[&back]), (1, expected.map(str::to_owned).to_vec()));

    let first = begun(0).push::<V4>(&v4(Kind::Start, 1, 300)).closed_at(Closing::WentOn, 600 + YEAR).0;
    let next = segment(1, 600 + YEAR).note(&set(601 + YEAR, YEAR as i64)).closed_at(Closing::Stopped, 1200 + YEAR).0;
    let late = [
        "recorded from 2027.01.15 08:00:00 to 2027.01.15 08:10:01",
        "gap from 2027.01.15 08:10:01 to 2028.01.15 08:10:00: clock set forward, 0 events lost",
        AHEAD[3],
    ];
    assert_eq!(covered(&[&first, &next]), (1, late.map(str::to_owned).to_vec()));
}

/// What was made of the files says what they do, made of each by itself, or of some of them.
#[test]
fn a_clock_that_was_set_over_the_end_of_what_was_squeezed_covers_what_it_showed() {
    let (first, digest) = begun(0).push::<V4>(&v4(Kind::Start, 1, 300)).closed_at(Closing::WentOn, 600 + YEAR);
    let mut next = header(1, Some(digest));
    next.created = at(600 + YEAR);
    let next = Segment::new(&next).note(&set(601 + YEAR, YEAR as i64)).push::<V4>(&v4(Kind::Start, 2, 900 + YEAR));
    let directory = of(&[&first, &next.closed_at(Closing::Stopped, 1200 + YEAR).0]);
    let path = |name: &str| directory.path().join(name);
    let commands: &[&str] = if cfg!(feature = "archive") { &["squeeze", "export"] } else { &["squeeze"] };
    let mut pairs = vec![[path("0.ct"), path("1.ct")]];
    for command in commands {
        let made = ["0.ct", "1.ct"].map(|name| (path(name), path(&format!("{command}-of-{name}"))));
        for (file, made) in &made {
            let words = [command.as_ref(), "-o".as_ref(), made.as_os_str(), file.as_os_str()];
            assert_eq!(run(words).status, 0, "{command}");
        }
        let [(first, of_first), (next, of_next)] = made;
        pairs.extend([[of_first.clone(), next], [first, of_next.clone()], [of_first, of_next]]);
    }
    for pair in pairs {
        let answer =
            run([std::ffi::OsStr::new("coverage")].into_iter().chain(pair.iter().map(|path| path.as_os_str())));
        // What came before the note is by the clock as it was set, but what was made of it does not know that.
        let recorded = answer.stdout.lines().last().unwrap().to_owned();
        let either = ["recorded 20 min 1 s, 1 gap, 0 events lost", "recorded 20 min, 1 gap, 0 events lost"];
        assert!(either.contains(&recorded.as_str()), "{pair:?}: {}", answer.stdout);
    }
}

/// A reading of the table tells of the time since the one before, which may have been by a clock that was ahead.
#[test]
fn a_killed_recorder_covers_nothing_of_the_year_that_its_clock_was_set_back_by() {
    let read = |from, to| Note::gap(at(from), at(to), 0, Cause::TableRead);
    let segment = begun(YEAR).note(&read(YEAR, YEAR)).note(&set(600, -(YEAR as i64))).note(&read(YEAR, 700));
    let (_, lines) = covered(&[&segment.push::<V4>(&v4(Kind::Start, 1, 900)).cut_off()]);
    assert_eq!((lines.len(), lines[0].as_str()), (3, "recorded from 2027.01.15 08:10:00 to 2027.01.15 08:15:00"));
}

/// What time daemons correct as they go makes no gap; what a recorder tells of is one, however short.
#[test]
fn a_small_step_makes_no_gap() {
    let whole = begun(0).note(&Note::clock_step(at(600), (NS / 2) as i64)).closed_at(Closing::Stopped, 1200).0;
    let expected = "recorded from 2027.01.15 08:00:00 to 2027.01.15 08:20:00";
    assert_eq!(covered(&[&whole]), (0, vec![expected.to_owned()]));
    assert_eq!(covered(&[&begun(0).note(&set(600, 2)).closed_at(Closing::Stopped, 1200).0]).0, 1);
}

/// Nobody recorded what the clock was set over, and so nobody denies that there was a flow.
#[test]
fn who_denies_nothing_of_a_time_that_the_clock_was_set_over() {
    let read = Note::gap(at(0), at(0), 0, Cause::TableRead);
    let segment = begun(0).note(&read).note(&set(7800, 7200)).push::<V4>(&v4(Kind::Start, 1, 7900));
    let file = segment.closed_at(Closing::Stopped, 9000).0;
    let directory = of(&[&file]);
    let squeezed = directory.path().join("squeezed");
    assert_eq!(run(["squeeze".as_ref(), "-o".as_ref(), squeezed.as_os_str(), directory.path().as_os_str()]).status, 0);
    let asked = |path: &Path, when: &str| {
        let words = ["who", "203.0.113.9:9", "--proto", "tcp", "--slack", "5s", "--at", when].map(std::ffi::OsStr::new);
        let answer = run(words.into_iter().chain([path.as_os_str()]));
        answer.stdout.lines().next().unwrap().to_owned()
    };
    for path in [directory.path().join("0.ct"), squeezed] {
        assert!(asked(&path, "2027-01-15T08:05:00Z").starts_with("NONE"), "{}", path.display());
        assert!(asked(&path, "2027-01-15T10:20:00Z").starts_with("NONE"), "{}", path.display());
        let over = asked(&path, "2027-01-15T09:30:00Z");
        assert!(over.starts_with("UNKNOWN") && over.ends_with("missing: clock set forward"), "{over}");
    }
}

/// What was made of a journal says of it what the journal does.
#[test]
fn what_was_squeezed_or_exported_covers_what_the_clock_showed() {
    let directory = of(&[&ahead_for_a_while()]);
    let whole = told(directory.path(), &[]);
    let commands: &[&str] = if cfg!(feature = "archive") { &["squeeze", "export"] } else { &["squeeze"] };
    for command in commands {
        let made = directory.path().join(format!(".{command}"));
        let words = [command.as_ref(), "-o".as_ref(), made.as_os_str(), directory.path().as_os_str()];
        assert_eq!(run(words).status, 0, "{command}");
        assert_eq!(told(&made, &[]), whole, "{command}");
    }
}

/// A machine comes up in 1970, and is set right; or a year ahead. What it recorded then is as old as what it recorded next.
#[test]
fn a_wrong_clock_makes_nothing_old_and_hides_nothing_that_is() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let retention = |created: u64, right: u64| {
        let mut first = header(0, None);
        (first.recorder_started, first.created) = (created * NS, created * NS);
        let by = (right as i64 - created as i64) * NS as i64;
        let mut second = first.clone();
        (second.segment_number, second.created, second.tag) = (1, (created + 60) * NS, 7);
        let step = Note::clock_step((right + 90) * NS, by);
        let first = Segment::new(&first).closed_until(Closing::WentOn, (created + 60) * NS);
        let second = Segment::new(&second).note(&step).closed_until(Closing::Stopped, (right + 120) * NS);
        let directory = of(&[&first, &second]);
        let squeezed = directory.path().join(".squeezed");
        let words = ["squeeze".as_ref(), "-o".as_ref(), squeezed.as_os_str(), directory.path().as_os_str()];
        assert_eq!(run(words).status, 0);
        [directory.path(), &squeezed].map(|path| coverage(path, &["--retention", "30d"]).status)
    };
    assert_eq!(retention(5, now - 3600), [0, 0], "from 1970");
    assert_eq!(retention(now - 3600 - YEAR, now - 3600), [0, 0], "a year behind");
    assert_eq!(retention(now + YEAR - 90 * DAY, now - 90 * DAY), [1, 1], "a year ahead, and 90 days old");
    assert_eq!(retention(now - 90 * DAY, now + YEAR), [1, 1], "right, and then ahead of today");
}
