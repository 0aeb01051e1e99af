//! `ctrecorder coverage`: what a journal says of its own completeness.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use ctrecorder_format::{Cause, Closing, Digest, Header, Kind, Note};
use tempfile::TempDir;

use super::sample::{BEGIN, NS, Segment, blocks, golden, header, run, v4, v6};
use crate::program::{Answer, answer, ctrecorder};

/// What is said of a last segment without a footer.
pub(super) const NOT_CLOSED: &str =
    "ctrecorder: the last segment was not closed, as where a recorder was killed: it tells up to ";

/// Files in a directory.
pub fn journal(files: &[(&str, &[u8])]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, bytes) in files {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

/// The coverage of a path, with these options.
pub fn coverage(path: &Path, options: &[&str]) -> Answer {
    let words = [OsString::from("coverage")].into_iter().chain(options.iter().map(OsString::from));
    run(words.chain([path.into()]))
}

/// The lines of an answer without the date that all times have, and its status.
pub(super) fn told(answer: &Answer) -> (i32, Vec<String>) {
    let lines = answer.stdout.lines().map(|line| line.replace("2027.01.15 ", "").replace(".000000", ""));
    (answer.status, lines.collect())
}

/// What the coverage of these files is told as: status and lines.
fn covered(files: &[&[u8]]) -> (i32, Vec<String>) {
    let names: Vec<_> = (0..files.len()).map(|place| place.to_string()).collect();
    let named: Vec<_> = names.iter().map(String::as_str).zip(files.iter().copied()).collect();
    let directory = journal(&named);
    let answer = coverage(directory.path(), &[]);
    let is_known = |line: &str| line.ends_with(" passed over: a copy of it is there") || line.starts_with(NOT_CLOSED);
    assert!(answer.stderr.lines().all(is_known), "{}", answer.stderr);
    told(&answer)
}

pub(super) fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| line.to_string()).collect()
}

/// The header of a segment of the run that began `started` seconds after [`BEGIN`].
fn header_at(started: u64, number: u64, created: u64, previous: Option<Digest>) -> Header {
    let mut header = header(number, previous);
    (header.recorder_started, header.created) = (BEGIN + started * NS, BEGIN + created * NS);
    header
}

pub(super) fn begun(started: u64, number: u64, created: u64) -> Segment {
    Segment::new(&header_at(started, number, created, None))
}

fn gap(from: u64, to: u64, lost: u64, cause: Cause) -> Note {
    Note::gap(BEGIN + from * NS, BEGIN + to * NS, lost, cause)
}

const UNKNOWN: u64 = Note::LOST_UNKNOWN;

#[test]
fn a_whole_journal_is_one_span() {
    let started = Note::at(BEGIN + 5 * NS, Cause::Started);
    let (first, digest) = begun(0, 0, 0).note(&started).push(&v4(Kind::Start, 1, 10)).closed_at(Closing::WentOn, 600);
    let second = Segment::new(&header(1, Some(digest))).note(&Note::at(BEGIN + 1200 * NS, Cause::Stopped));
    let second = second.closed_at(Closing::Stopped, 1200).0;
    let directory = journal(&[("a", &first), ("b", &second)]);
    let text = coverage(directory.path(), &[]);
    let expected = "recorded from 2027.01.15 08:00:05.000000 to 2027.01.15 08:20:00.000000\n\
                    recorded 19 min 55 s, no gap\n";
    assert_eq!((text.status, text.stdout.as_str(), text.stderr.as_str()), (0, expected, ""));

    let json = coverage(directory.path(), &["-o", "json"]);
    let expected = "{\"spans\":[{\"from\":\"2027-01-15T08:00:05.000000000Z\",\"to\":\"2027-01-15T08:20:00.000000000Z\"}],\
                    \"gaps\":[],\"filters\":[]}\n";
    assert_eq!((json.status, json.stdout.as_str(), json.stderr.as_str()), (0, expected, ""));
}

#[test]
fn gaps_are_told_with_cause_and_loss() {
    let segment = begun(0, 0, 0)
        .note(&gap(60, 70, 12, Cause::QueueFull))
        .note(&gap(70, 80, 8, Cause::QueueFull))
        .note(&gap(75, 90, UNKNOWN, Cause::DiskFull))
        .note(&gap(100, 100, 1, Cause::Malformed))
        // None of these is a gap.
        .note(&gap(200, 300, 0, Cause::Quiet))
        .note(&gap(200, 300, 0, Cause::TableRead).with_value(7))
        .note(&Note::at(BEGIN + 300 * NS, Cause::LossyDelivery))
        .closed_at(Closing::Stopped, 600)
        .0;
    let directory = journal(&[("a", &segment)]);
    let text = "recorded from 08:00:00 to 08:01:00\n\
                gap from 08:01:00 to 08:01:20: queue full, 20 events lost\n\
                gap from 08:01:15 to 08:01:30: disk full, number of events lost not known\n\
                recorded from 08:01:30 to 08:01:40\n\
                gap from 08:01:40 to 08:01:40: messages not understood, 1 event lost\n\
                recorded from 08:01:40 to 08:10:00\n\
                recorded 9 min 30 s, 3 gaps, at least 21 events lost";
    let expected: Vec<_> = text.lines().map(str::to_owned).collect();
    assert_eq!(told(&coverage(directory.path(), &[])), (1, expected));

    let range = ["--output", "json", "--since", "2027-01-15T08:01:18Z", "--until", "@1800000095.5"];
    let json = coverage(directory.path(), &range);
    let at = |second: &str| format!("\"2027-01-15T08:01:{second}00000000Z\"");
    let expected = format!(
        "{{\"spans\":[{{\"from\":{0},\"to\":{1}}}],\"gaps\":[{{\"from\":{2},\"to\":{3},\"cause\":\"queue full\",\"lost\":20}},\
         {{\"from\":{2},\"to\":{0},\"cause\":\"disk full\",\"lost\":null}}],\"filters\":[]}}\n",
        at("30.0"),
        at("35.5"),
        at("18.0"),
        at("20.0")
    );
    assert_eq!((json.status, json.stdout, json.stderr.as_str()), (1, expected, ""));
}

/// An account corrects the gaps before it, those of the segment before as well.
#[test]
fn accounts_correct_gaps() {
    let overrun = |from, to| gap(from, to, UNKNOWN, Cause::KernelOverrun);
    let account = |from, to, lost, back| gap(from, to, lost, Cause::Account).with_value(back);
    let segments = |account: Note| {
        let (first, digest) = begun(0, 0, 0)
            .note(&overrun(100, 110))
            .note(&gap(200, 210, 30, Cause::QueueFull))
            .note(&overrun(300, 310))
            .closed_at(Closing::WentOn, 600);
        let second = Segment::new(&header(1, Some(digest))).note(&account).closed_at(Closing::Stopped, 700).0;
        covered(&[&first, &second])
    };
    let (status, told) = segments(account(100, 300, 50, 60));
    // Of what the kernel lost only the sum is known: its overruns are one gap.
    assert_eq!((status, told[4].as_str()), (1, "recorded 8 min 10 s, 2 gaps, 20 events lost"));
    assert_eq!(told[1], "gap from 08:01:40 to 08:05:10: socket buffer full, 0 events lost");
    assert_eq!(told[2], "gap from 08:03:20 to 08:03:30: queue full, 20 events lost");
    let (status, told) = segments(account(100, 300, 0, 0));
    assert_eq!((status, told.len(), told[3].as_str()), (1, 4, "recorded 11 min 30 s, 1 gap, 30 events lost"));

    // Nothing was lost at all: no gap.
    let whole = begun(0, 0, 0).note(&overrun(100, 110)).note(&account(100, 110, 0, 0));
    let whole = whole.closed_at(Closing::Stopped, 600).0;
    assert_eq!(covered(&[&whole]), (0, lines(&["recorded from 08:00:00 to 08:10:00", "recorded 10 min, no gap"])));
    // It is not that of another run.
    let other = begun(600, 0, 600).note(&account(0, 800, 0, 0)).closed_at(Closing::Stopped, 700).0;
    let first = begun(0, 0, 0).note(&overrun(100, 110)).closed_at(Closing::Stopped, 600).0;
    assert_eq!(covered(&[&first, &other]).0, 1);
}

#[test]
fn a_segment_that_is_missing_or_cut_off_is_a_gap() {
    let first = begun(0, 0, 0).closed_at(Closing::WentOn, 600).0;
    let third = begun(0, 2, 1200).closed_at(Closing::WentOn, 1800).0;
    let missing = "gap from 08:10:00 to 08:20:00: segment missing, number of events lost not known";
    let expected = [
        "recorded from 08:00:00 to 08:10:00",
        missing,
        "recorded from 08:20:00 to 08:30:00",
        "recorded 20 min, 1 gap, number of events lost not known",
    ];
    assert_eq!(covered(&[&first, &third]), (1, lines(&expected)));

    // Cut off, and the recorder went on; the note that nothing happened counts as written.
    let cut = || begun(0, 0, 0).push(&v4(Kind::Start, 1, 100)).note(&gap(101, 400, 0, Cause::Quiet)).cut_off();
    let second = begun(0, 1, 600).closed_at(Closing::Stopped, 1200).0;
    let (status, told) = covered(&[&cut(), &second]);
    assert_eq!(
        (status, told[1].as_str()),
        (1, "gap from 08:06:40 to 08:10:00: cut off, number of events lost not known")
    );
    // What was lost with one that was given up is told by the next.
    let second = begun(0, 1, 600).note(&gap(550, 605, 9, Cause::DiskError)).closed_at(Closing::Stopped, 1200).0;
    let (_, told) = covered(&[&cut(), &second]);
    assert_eq!(told[1], "gap from 08:09:10 to 08:10:05: disk error, 9 events lost");
    assert_eq!(told.len(), 4);
    // One that was removed is missing, and told: that is one gap.
    let removed = begun(0, 2, 1200).note(&gap(600, 1200, 77, Cause::Removed)).closed_at(Closing::Stopped, 1800).0;
    let (_, told) = covered(&[&first, &removed]);
    assert_eq!(told[1], "gap from 08:10:00 to 08:20:00: file removed while being written, 77 events lost");
    assert_eq!(told.len(), 4);

    // Alone it just ends there, and a partial block behind does no harm.
    let mut alone = cut();
    let expected = (0, lines(&["recorded from 08:00:00 to 08:06:40", "recorded 6 min 40 s, no gap"]));
    assert_eq!(covered(&[&alone]), expected);
    alone.extend_from_slice(b"CTBK");
    assert_eq!(covered(&[&alone]), expected);
}

#[test]
fn between_runs_there_is_one_gap() {
    let stopped = begun(0, 0, 0).closed_at(Closing::Stopped, 600).0;
    let killed = begun(0, 0, 0).push(&v4(Kind::Start, 1, 600)).cut_off();
    let went_on = begun(0, 0, 0).closed_at(Closing::WentOn, 600).0;
    let started = Note::at(BEGIN + 1201 * NS, Cause::Started);
    let silent = begun(1200, 0, 1200).note(&started).closed_at(Closing::Stopped, 1800).0;
    let noted = begun(1200, 0, 1200)
        .note(&started)
        .note(&gap(600, 1201, UNKNOWN, Cause::NotRunning))
        .closed_at(Closing::Stopped, 1800)
        .0;
    let expected = (
        1,
        lines(&[
            "recorded from 08:00:00 to 08:10:00",
            "gap from 08:10:00 to 08:20:01: recorder not running, number of events lost not known",
            "recorded from 08:20:01 to 08:30:00",
            "recorded 19 min 59 s, 1 gap, number of events lost not known",
        ]),
    );
    for before in [&stopped, &killed] {
        for after in [&silent, &noted] {
            assert_eq!(covered(&[before, after]), expected);
        }
    }
    // It went on, and where is not known.
    let missing = covered(&[&went_on, &silent]);
    assert_eq!(missing.1[1], "gap from 08:10:00 to 08:20:01: segment missing, number of events lost not known");
}

#[test]
fn damage_is_a_gap_from_block_to_block() {
    let whole = begun(0, 0, 0)
        .push(&v4(Kind::Start, 1, 10))
        .seal()
        .push(&v4(Kind::Start, 2, 20))
        .push(&v4(Kind::Start, 3, 30))
        .seal()
        .push(&v4(Kind::Start, 4, 40))
        .push(&v6(Kind::Start, 4, 45))
        .note(&gap(100, 110, 3, Cause::QueueFull))
        .push(&v4(Kind::Start, 5, 500))
        .closed_at(Closing::Stopped, 600)
        .0;
    let places = blocks(&whole);
    let damaged = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let directory = journal(&[("a", &bytes)]);
        let answer = coverage(directory.path(), &[]);
        let gaps: Vec<_> = told(&answer).1.into_iter().filter(|line| line.starts_with("gap")).collect();
        (answer.status, answer.stderr.contains(": offset "), gaps)
    };
    let queue = "gap from 08:01:40 to 08:01:50: queue full, 3 events lost";
    let between =
        |from: &str, to: &str, lost: &str| format!("gap from 08:00:{from} to 08:00:{to}: damaged, {lost} lost");
    assert_eq!(damaged(places[1]), (1, true, vec![between("10", "40", "2 events"), queue.into()]));
    // What the one block of a batch told may be later than what the other one tells, but not than the next batch.
    let half = "gap from 08:00:30 to 08:01:40: damaged, 1 event lost";
    assert_eq!(damaged(places[2]), (1, true, vec![half.into(), queue.into()]));
    let (_, _, gaps) = damaged(places[3]);
    assert_eq!(gaps[0], "gap from 08:00:30 to 08:01:40: damaged, 1 event lost");
    // At the end, up to the footer.
    let last = "gap from 08:01:50 to 08:10:00: damaged, 1 event lost";
    assert_eq!(damaged(places[5]), (1, true, vec![queue.into(), last.into()]));
    // A note may have told of any loss in its span.
    let note = "gap from 08:01:40 to 08:01:50: damaged, number of events lost not known";
    assert_eq!(damaged(places[4] + 64), (1, true, vec![note.into()]));
    // Of records the heads are enough; a header that is damaged hides nothing of an only segment but its begin, and is no gap.
    assert_eq!(damaged(places[1] + 64), (1, false, vec![queue.into()]));
    assert_eq!(damaged(100), (5, true, vec![queue.into()]));
}

/// Nothing stands behind it that would make a gap of it; but a recorder that is at work is no killed one.
#[test]
fn a_last_segment_that_was_not_closed_is_told_with_up_to_when_it_tells() {
    let (first, _) = begun(0, 0, 0).closed_at(Closing::WentOn, 600);
    let cut = || begun(0, 1, 600).push(&v4(Kind::Start, 1, 700)).cut_off();
    let mut torn = cut();
    torn.extend_from_slice(b"CTBK");
    let until = |time| ["--until", time];
    for bytes in [cut(), torn] {
        let directory = journal(&[("0", &first), ("1", &bytes)]);
        let said = |options: &[&str]| {
            let answer = coverage(directory.path(), options);
            (answer.status, answer.stderr)
        };
        let not_closed = format!("{NOT_CLOSED}2027.01.15 08:11:40.000000, and no further\n");
        assert_eq!(said(&[]), (0, not_closed.clone()));
        assert_eq!(said(&["-o", "json"]), (0, not_closed));
        assert_eq!(said(&until("2027-01-15 08:11:00 UTC")), (0, String::new()), "of an earlier time");
        assert_eq!(said(&until("2027-01-15 08:12:00 UTC")), (1, String::new()), "a gap tells it");
        let recorder = fs::File::options().append(true).open(directory.path().join("1")).unwrap();
        recorder.lock().unwrap();
        assert_eq!(said(&[]), (0, String::new()), "being written");
    }
    assert_eq!(coverage(journal(&[("0", &first)]).path(), &[]).stderr, "");
}

#[test]
fn a_range_is_clipped_and_what_lies_outside_is_a_gap() {
    let segment = begun(0, 0, 0).note(&gap(60, 120, 5, Cause::DiskFull)).closed_at(Closing::Stopped, 600).0;
    let directory = journal(&[("a", &segment)]);
    let within = |since: &str, until: &str| {
        let answer = coverage(directory.path(), &["--tz", "UTC", "--since", since, "--until", until]);
        assert_eq!(answer.stderr, "");
        let (status, mut lines) = told(&answer);
        lines.pop();
        (status, lines.join("; "))
    };
    let time = |time: &str| format!("2027-01-15 08:{time}");
    let at = |since: &str, until: &str| within(&time(since), &time(until));
    assert_eq!(at("02:00", "10:00"), (0, "recorded from 08:02:00 to 08:10:00".into()));
    let part = "gap from 08:01:30 to 08:02:00: disk full, 5 events lost; recorded from 08:02:00 to 08:05:00";
    assert_eq!(at("01:30", "05:00"), (1, part.into()));
    // Whether the recorder was running there nobody can say.
    let unknown = "no file given";
    let ends = format!("gap from 08:09:00 to 08:10:00: {unknown}");
    assert_eq!(at("10:00", "10:00"), (0, String::new()));
    assert_eq!(at("11:00", "12:00"), (1, ends.replace(":10:00", ":12:00").replace(":09:00", ":11:00")));
    let (status, all) = within("2027-01-15 07:00", "2027-01-15 09:00");
    assert_eq!(status, 1);
    assert!(all.starts_with(&format!("gap from 07:00:00 to 08:00:00: {unknown}; recorded ")), "{all}");
    assert!(all.ends_with(&format!("; gap from 08:10:00 to 09:00:00: {unknown}")), "{all}");

    // Times are local where they do not say otherwise.
    let words = ["coverage", "--since", "2027-01-15 13:47", "--until", "2027.01.15 13:55:00.000000"];
    let local = answer(ctrecorder().env("TZ", "Asia/Kathmandu").args(words).arg(directory.path()));
    let expected = "recorded from 2027.01.15 13:47:00.000000 to 2027.01.15 13:55:00.000000\nrecorded 8 min, no gap\n";
    assert_eq!((local.status, local.stdout.as_str()), (0, expected));
    let said = "ctrecorder: --since 2027-01-15 13:47 is taken as local time: 2027-01-15T08:02:00Z\n\
                ctrecorder: --until 2027.01.15 13:55:00.000000 is taken as local time: 2027-01-15T08:10:00Z\n";
    assert_eq!(local.stderr, said);
    // With a zone that is said, nothing is assumed; what is said of damage and gaps is in that zone, too.
    let zoned = answer(ctrecorder().args(words).args(["--tz", "Asia/Kathmandu"]).arg(directory.path()));
    assert_eq!((zoned.status, zoned.stdout.as_str(), zoned.stderr.as_str()), (0, expected, ""));
    let json = answer(ctrecorder().args(words).args(["--tz", "Asia/Kathmandu", "-o", "json"]).arg(directory.path()));
    assert!(json.stdout.contains("\"from\":\"2027-01-15T08:02:00"), "{}", json.stdout);
}

#[test]
fn what_a_filter_left_out_is_not_called_recorded() {
    let segment = begun(0, 0, 0).push(&v4(Kind::Start, 1, 10)).closed_at(Closing::Stopped, 600).0;
    let directory = journal(&[("a", &segment)]);
    let squeezed = |options: &[&str]| {
        let output = directory.path().join("b");
        let words = ["squeeze".as_ref(), "-o".as_ref(), output.as_os_str(), directory.path().join("a").as_os_str()]
            .map(OsString::from);
        assert_eq!(run(words.into_iter().chain(options.iter().map(OsString::from))).status, 0);
        let text = told(&coverage(&output, &[]));
        let json: serde_json::Value = serde_json::from_str(&coverage(&output, &["-o", "json"]).stdout).unwrap();
        fs::remove_file(output).unwrap();
        (text, json["filters"].clone())
    };
    let port = squeezed(&["-p", "1"]);
    let expected = ["recorded from 08:00:00 to 08:10:00", "only what a filter kept: port 1", "recorded 10 min, no gap"];
    assert_eq!(port, ((1, lines(&expected)), serde_json::json!(["port 1"])));
    let (text, filters) = squeezed(&["--since", "@1800000060", "--until", "@1800000120"]);
    let filter = "after 2027-01-15T08:01:00Z and before 2027-01-15T08:02:00Z";
    let expected = [
        "gap from 08:00:00 to 08:01:00: left out by a filter, number of events lost not known",
        "recorded from 08:01:00 to 08:02:00",
        "gap from 08:02:00 to 08:10:00: left out by a filter, number of events lost not known",
        &format!("only what a filter kept: {filter}"),
        "recorded 1 min, 2 gaps, number of events lost not known",
    ];
    assert_eq!((text, filters), ((1, lines(&expected)), serde_json::json!([filter])));
}

/// What was not asked for is not there yet, where a recorder is at work.
#[test]
fn a_segment_that_is_being_written_covers_what_is_written() {
    let first = begun(0, 0, 0).closed_at(Closing::WentOn, 600).0;
    let now = begun(0, 1, 600).push(&v4(Kind::Start, 1, 700)).cut_off();
    let directory = journal(&[("a", &first), ("b", &now)]);
    let recorder = fs::File::open(directory.path().join("b")).unwrap();
    recorder.lock().unwrap();
    let whole = coverage(directory.path(), &[]);
    assert_eq!(told(&whole), (0, lines(&["recorded from 08:00:00 to 08:11:40", "recorded 11 min 40 s, no gap"])));
    let later = coverage(directory.path(), &["--until", "2027-01-15 08:12"]);
    let expected = "gap from 08:11:40 to 08:12:00: not written yet";
    assert_eq!((later.status, told(&later).1[1].as_str()), (1, expected));
}

#[test]
fn what_a_clock_showed_before_it_was_set_back_is_covered() {
    let (first, digest) = begun(0, 0, 7200).closed_at(Closing::WentOn, 10800);
    let second = Segment::new(&header_at(0, 1, 3600, Some(digest))).closed_at(Closing::WentOn, 5400).0;
    // Of what lies behind the last one, and before the first, nothing tells.
    let expected = [
        "recorded from 09:00:00 to 09:30:00",
        "gap from 09:30:00 to 10:00:00: segment missing, number of events lost not known",
        "recorded from 10:00:00 to 11:00:00",
        "recorded 1 h 30 min, 1 gap, number of events lost not known",
    ];
    assert_eq!(covered(&[&first, &second]), (1, lines(&expected)));
    let again = Segment::new(&header_at(0, 1, 3600, Some(digest))).closed_at(Closing::Stopped, 9000).0;
    assert_eq!(covered(&[&first, &again]), (0, lines(&["recorded from 09:00:00 to 11:00:00", "recorded 2 h, no gap"])));
    // Within a segment, whose end lies before its begin.
    let back = Note::clock_step(BEGIN + 3600 * NS, -(7200 * NS as i64));
    let alone =
        begun(0, 0, 7200).push(&v4(Kind::Start, 1, 10800)).note(&back).push(&v4(Kind::Start, 2, 7300)).cut_off();
    assert_eq!(covered(&[&alone]).0, 0);
    // A segment that is missing there is a gap wherever it was.
    let third = begun(0, 2, 3600).closed_at(Closing::Stopped, 5400).0;
    assert_eq!(covered(&[&first, &third]).0, 1);
}

#[test]
fn the_same_segment_twice_is_one() {
    let segment = begun(0, 0, 0).note(&gap(60, 120, 5, Cause::DiskFull)).closed_at(Closing::Stopped, 600).0;
    let copy = segment[..segment.len() - 100].to_vec();
    assert_eq!(covered(&[&segment, &segment, &copy]), covered(&[&segment]));
}

#[test]
fn version_2_tells_nothing_of_losses_and_that_is_said() {
    let answer = run(["coverage".as_ref(), golden("tcp.ct").as_os_str(), golden("udp.ct").as_os_str()]);
    let said = "ctrecorder: files of version 2 do not tell what was lost: what they cover may have gaps\n";
    assert_eq!((answer.status, answer.stderr.as_str()), (0, said));
    assert_eq!(answer.stdout.lines().count(), 2);
    let begin = "recorded from 2026.11.20 21:12:04.600618 to 2026.11.20 21:13:50.";
    assert!(answer.stdout.starts_with(begin), "{}", answer.stdout);
}

#[test]
fn several_recorders_are_refused_and_named() {
    let mut other = header_at(0, 0, 0, None);
    other.host = "nat2".into();
    let segments = [begun(0, 0, 0).stopped(), Segment::new(&other).stopped()];
    let directory = journal(&[("a", &segments[0]), ("b", &segments[1])]);
    let refused = coverage(directory.path(), &[]);
    let said = "ctrecorder: segments of several recorders: nat1, nat2; ask each by itself\n";
    assert_eq!((refused.status, refused.stdout.as_str(), refused.stderr.as_str()), (2, "", said));

    // Of two namespaces at the same time nothing can be said together; one after the other they are one router's.
    let namespace = |started, created| {
        let mut header = header_at(started, 0, created, None);
        header.namespace = 4_026_532_001;
        Segment::new(&header).closed_at(Closing::Stopped, created + 600).0
    };
    let first = begun(0, 0, 0).closed_at(Closing::Stopped, 600).0;
    let directory = journal(&[("a", &first), ("b", &namespace(1, 300))]);
    let refused = coverage(directory.path(), &[]);
    assert_eq!((refused.status, refused.stderr.contains("network namespace 4026532001")), (2, true));
    assert_eq!(covered(&[&first, &namespace(600, 600)]).0, 0);
}

#[test]
fn a_file_that_cannot_be_read_is_a_failure_and_the_rest_is_answered() {
    let good = begun(0, 0, 0).closed_at(Closing::Stopped, 600).0;
    let directory = journal(&[("a", &good), ("c", &good[..6])]);
    let paths = ["a", "b", "c"].map(|name| directory.path().join(name).into_os_string());
    let answer = run([OsString::from("coverage")].into_iter().chain(paths));
    let expected = lines(&["recorded from 08:00:00 to 08:10:00", "recorded 10 min, no gap"]);
    assert_eq!(told(&answer), (5, expected));
    for said in ["b: No such file", "c: neither its header nor a block is whole\n"] {
        assert!(answer.stderr.contains(said), "{}", answer.stderr);
    }
}

#[test]
fn bad_input_is_said_in_a_line() {
    let good = begun(0, 0, 0).closed_at(Closing::Stopped, 600).0;
    let directory = journal(&[("a", &good)]);
    let path = directory.path();
    for (options, said) in [
        (&["--since", "yesterday"][..], "yesterday is no time"),
        (&["--until", "2027-02-30"], "2027-02-30: February 2027 has no day 30"),
        (&["--since", "1969-01-01T00:00:00Z"], "1969-01-01T00:00:00Z lies before 1970"),
        (&["--since", "@5", "--until", "@4"], "--since is later than --until"),
        (&["--since", "2500-01-01"], "--since lies in the future"),
        (&["--until", "2026-01-01"], "--until is before the begin of what is given: say --since"),
        (&["--tz", "Nowhere"], "Nowhere"),
        (&["-o", "xml"], "xml"),
    ] {
        let refused = coverage(path, options);
        assert_eq!((refused.status, refused.stdout.as_str()), (2, ""), "{options:?}");
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    let words = ["coverage", "--since", "2026-10-25 02:30"];
    let twice = answer(ctrecorder().env("TZ", "Europe/Warsaw").args(words).arg(path));
    assert_eq!(twice.status, 2);
    assert!(twice.stderr.contains("say 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"), "{}", twice.stderr);

    let none = coverage(&path.join("none"), &[]);
    assert_eq!((none.status, none.stdout.as_str()), (5, ""));
    let empty = coverage(TempDir::new().unwrap().path(), &["-o", "json"]);
    assert_eq!((empty.status, empty.stdout.as_str()), (5, ""));
    assert!(empty.stderr.ends_with(": no segments in this directory\n"), "{}", empty.stderr);
    assert_eq!(run(["coverage"]).status, 2);
}
