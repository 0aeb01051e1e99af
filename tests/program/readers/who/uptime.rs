//! A clock that was set back while nobody recorded: for how long the machine had been up tells of the times that nobody recorded.

use ctrecorder_format::{Closing, Digest, Header, Note, Uptime};

use super::answers::is;
use super::journal::{directory, every_protocol};
use super::turned::{NOBODY, PUBLIC, at, not_running, reading, who};
use crate::readers::sample::{NS, Segment, run};

/// For so long the machine has been up when the clock shows the begin of the first file, in seconds.
const UP: u64 = 5000;

/// That it had been up for so long, after so many starts.
fn up(second: u64, up: u64, starts: u64) -> Note {
    Uptime { moment: at(second), up: up * NS, boot: 1 + starts }.note()
}

/// A file of a run that was started at one time, begun at another, when the machine had been up for so long.
fn begun(started: u64, number: u64, created: u64, seconds: u64, starts: u64) -> Segment {
    begun_behind(None, started, number, created, seconds, starts)
}

/// The same of one that goes on with another one.
fn begun_behind(
    previous: Option<Digest>,
    started: u64,
    number: u64,
    created: u64,
    seconds: u64,
    starts: u64,
) -> Segment {
    let header =
        Header { machine: [5; 16], recorder_started: at(started), created: at(created), ..every_protocol(number) };
    let header = Header { boot_id: [starts as u8; 16], previous, ..header };
    Segment::new(&header).note(&up(created, seconds, starts)).note(&reading(created))
}

/// Its bytes, closed at a time by the clock as it was set when it was begun.
fn closed(segment: Segment, closing: Closing, second: u64, seconds: u64, starts: u64) -> Vec<u8> {
    segment.note(&up(second, seconds, starts)).closed_at(closing, second).0
}

/// A run from 100 to 1000; then nobody for a minute, in which the clock was set back by 500 seconds: so the next run begins at 560.
fn set_back() -> [(&'static str, Vec<u8>); 2] {
    let first = closed(begun(100, 0, 100, UP, 0), Closing::Stopped, 1000, UP + 900, 0);
    let second = begun(560, 0, 560, UP + 960, 0).note(&not_running(560, 560));
    [("1", first), ("2", closed(second, Closing::Stopped, 3000, UP + 3400, 0))]
}

/// What is said within a second of these times.
fn verdicts(files: &[(&str, Vec<u8>)], seconds: impl IntoIterator<Item = u64>) -> String {
    let letter = |second| {
        let told = who(files, second);
        let is_none = told == is("NONE", &NOBODY, 1);
        assert!(is_none || told == is("UNKNOWN", &NOBODY, 4), "at {second}: {told:?}");
        if is_none { '-' } else { '?' }
    };
    seconds.into_iter().map(letter).collect()
}

/// The same of what is squeezed of them into one file, and into one each.
fn squeezed(files: &[(&str, Vec<u8>)], seconds: impl IntoIterator<Item = u64> + Clone) -> [String; 2] {
    let directory = directory(files);
    let inputs = directory.path().to_str().unwrap();
    let output = tempfile::tempdir().unwrap();
    let paths = [output.path().join("one"), output.path().join("each/")];
    paths.map(|path| {
        let made = run(["squeeze", "-o", path.to_str().unwrap(), inputs]);
        assert_eq!(made.status, 0, "{made:?}");
        let path = if path.is_dir() { path } else { output.path().join("one") };
        let letter = |second| {
            let time = format!("@{}", at(second) / NS);
            let told = run(["who", PUBLIC, "--at", &time, "--slack", "1s", path.to_str().unwrap()]);
            assert!([1, 4].contains(&told.status), "{told:?}");
            if told.status == 1 { '-' } else { '?' }
        };
        seconds.clone().into_iter().map(letter).collect()
    })
}

#[test]
fn what_the_clock_may_have_shown_while_nobody_recorded_is_not_denied() {
    // For a minute before the second run's begin, and behind the first one's end.
    let seconds = [490, 498, 510, 550, 570, 990, 1010, 1050, 1070];
    let expected = "--??--".to_owned() + "??-";
    assert_eq!(verdicts(&set_back(), seconds), expected);
    assert_eq!(squeezed(&set_back(), seconds), [expected.clone(), expected]);
}

#[test]
fn the_gap_is_told_with_its_cause() {
    let files = directory(&set_back());
    let told = run(["coverage", files.path().to_str().unwrap()]).stdout;
    let gaps: Vec<_> = told.lines().filter(|line| line.contains("clock set back while nobody recorded")).collect();
    assert_eq!(gaps.len(), 2, "{told}");
    assert!(gaps[0].contains("08:08:20") && gaps[0].contains("08:09:20"), "{told}");
    assert!(gaps[1].contains("08:16:40") && gaps[1].contains("08:17:40"), "{told}");
}

#[test]
fn a_clock_that_was_set_back_by_less_than_nobody_recorded_is_seen() {
    // It shows 1100 when the second run begins, and 200 seconds have passed since 1000: it may have shown 1150.
    let first = closed(begun(100, 0, 100, UP, 0), Closing::Stopped, 1000, UP + 900, 0);
    let second = begun(1100, 0, 1100, UP + 1100, 0).note(&not_running(1000, 1100));
    let files = [("1", first), ("2", closed(second, Closing::Stopped, 3000, UP + 3000, 0))];
    assert_eq!(verdicts(&files, [850, 950, 1050, 1150, 1250]), "-???-");
}

#[test]
fn what_a_missing_segment_told_of_is_not_denied() {
    // The first run went on in a second file until 1300; the clock was set back by 500 seconds, and the second run begins at 820, whose
    // first file is missing, too.
    let first = || closed(begun(100, 0, 100, UP, 0), Closing::WentOn, 1000, UP + 900, 0);
    let second = || closed(begun(100, 1, 1000, UP + 900, 0), Closing::Stopped, 1300, UP + 1200, 0);
    let third = || {
        let third = begun(820, 0, 820, UP + 1220, 0).note(&not_running(820, 820));
        closed(third, Closing::WentOn, 900, UP + 1300, 0)
    };
    let fourth = || closed(begun(820, 1, 900, UP + 1300, 0), Closing::Stopped, 3000, UP + 3400, 0);
    let seconds = [480, 550, 750, 810, 850, 950, 1050, 1250, 1310, 1350, 1450];
    // In what is missing it may have been set back more than once.
    assert_eq!(verdicts(&[("1", first()), ("2", second()), ("3", third()), ("4", fourth())], seconds), "---?----?--");
    assert_eq!(verdicts(&[("1", first()), ("3", third()), ("4", fourth())], seconds), "-????????--");
    assert_eq!(verdicts(&[("1", first()), ("2", second()), ("4", fourth())], seconds), "---???????-");
    assert_eq!(verdicts(&[("1", first()), ("4", fourth())], seconds), "-?????????-");
}

#[test]
fn another_start_of_the_machine_says_nothing_of_this_one() {
    // A container that is started again has another boot id, though its machine has been up all the time.
    let first = closed(begun(100, 0, 100, UP, 0), Closing::Stopped, 1000, UP + 900, 0);
    let second = begun(1010, 0, 1010, UP + 910, 1).note(&not_running(1000, 1010));
    let files = [("1", first), ("2", closed(second, Closing::Stopped, 3000, UP + 2900, 1))];
    assert_eq!(verdicts(&files, [150, 500, 990, 1005, 1020]), "---?-");
}

/// A run that recorded from 1000 to 2000; and one since the next start of the machine, with the clock behind: three segments from 500 on,
/// of which that with this number may be missing.
fn behind_a_start(missing: Option<usize>) -> Vec<(&'static str, Vec<u8>)> {
    let first = closed(begun(1000, 0, 1000, UP, 1), Closing::Stopped, 2000, UP + 1000, 1);
    let ends = [(500, 1100), (1100, 3000), (3000, 4000)];
    let mut previous = None;
    let later = ["2", "3", "4"].into_iter().zip(ends).enumerate().map(|(number, (name, (from, to)))| {
        let segment = begun_behind(previous.take(), 500, number as u64, from, from, 2);
        let segment = if number == 0 { segment.note(&not_running(500, 500)) } else { segment };
        let closing = if number == 2 { Closing::Stopped } else { Closing::WentOn };
        let (bytes, digest) = segment.note(&up(to, to, 2)).closed_at(closing, to);
        previous = Some(digest);
        (name, bytes)
    });
    let later: Vec<_> =
        later.enumerate().filter(|(number, _)| Some(*number) != missing).map(|(_, file)| file).collect();
    [("1", first)].into_iter().chain(later).collect()
}

#[test]
fn what_an_earlier_start_of_the_machine_told_says_nothing_of_a_segment_that_is_missing() {
    let seconds = [1050, 1150, 2500, 3100];
    for (missing, expected) in [(None, "----"), (Some(1), "-??-")] {
        let files = behind_a_start(missing);
        let told = (verdicts(&files, seconds), squeezed(&files, seconds));
        assert_eq!(told, (expected.into(), [expected, expected].map(str::to_owned)), "{missing:?}");
    }
}

#[test]
fn what_was_recorded_before_the_clock_was_set_back_says_nothing_of_a_segment_that_is_missing() {
    // A run from 1000 to 2000; the clock was set back by 1600 seconds, and another one went on in a second file from 1100 to 2100.
    let first = || closed(begun(1000, 0, 1000, UP, 0), Closing::Stopped, 2000, UP + 1000, 0);
    let second = || {
        let second = begun(500, 0, 500, UP + 1100, 0).note(&not_running(500, 500));
        closed(second, Closing::WentOn, 1100, UP + 1700, 0)
    };
    let third = || closed(begun(500, 1, 1100, UP + 1700, 0), Closing::WentOn, 2100, UP + 2700, 0);
    let fourth = || closed(begun(500, 2, 2100, UP + 2700, 0), Closing::Stopped, 2500, UP + 3100, 0);
    let seconds = [1050, 1150, 1500, 1900, 2200];
    let whole = [("1", first()), ("2", second()), ("3", third()), ("4", fourth())];
    assert_eq!(verdicts(&whole, seconds), "-----");
    let files = [("1", first()), ("2", second()), ("4", fourth())];
    let expected = "-???-";
    assert_eq!(verdicts(&files, seconds), expected);
    assert_eq!(squeezed(&files, seconds), [expected, expected].map(str::to_owned));
}
