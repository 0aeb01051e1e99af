//! In which words a person is answered.

use std::fs;

use ctrecorder_format::{Cause, Closing, Kind, Note, V4};

use super::answers::ask;
use super::journal::{TCP, directory, event, every_protocol, segment};
use crate::program::{answer, ctrecorder};
use crate::readers::sample::{BEGIN, Segment, run};

const PUBLIC: &str = "203.0.113.6:36782";

/// A year too late, or the afternoon for the morning: an answer of what is still to come would be one about nothing.
#[test]
fn a_time_that_is_still_to_come_is_warned_of_where_no_file_tells_of_it() {
    let files = [("a.ct", segment())];
    let warned = |at: &str, more: &[&str]| {
        let answer = ask(&files, &[&[PUBLIC, "--at", at], more].concat());
        let lines = answer.stderr.lines().filter(|line| line.contains("still to come")).count();
        assert_eq!(answer.stderr.lines().count(), lines, "{}", answer.stderr);
        lines
    };
    assert_eq!(warned("2200-01-15T08:04:30Z", &[]), 1);
    assert_eq!(warned("2200-01-15T08:04:30Z", &["-o", "json"]), 1);
    assert_eq!(warned("2000-01-15T08:04:30Z", &[]), 0);
    // This may be the future, by the clock of the machine that reads: the recorder's was there.
    assert_eq!(warned("2027-01-15T08:04:30Z", &[]), 0);
    let of_2200 = [("a.ct", Segment::new(&every_protocol(0)).closed_at(Closing::Stopped, 200 * 31_557_600).0)];
    assert!(!ask(&of_2200, &[PUBLIC, "--at", "2200-01-15T08:04:30Z"]).stderr.contains("still to come"));
}

#[test]
fn a_slack_is_told_as_it_is_typed() {
    let files = [("a.ct", segment())];
    for (slack, told) in [
        ("2d", "2d"),
        ("60 days", "60d"),
        ("36h", "1d 12h"),
        ("90s", "1m 30s"),
        ("1500ms", "1s 500ms"),
        ("1us 1ns", "1us 1ns"),
        ("0s", "0s"),
    ] {
        let text = ask(&files, &[PUBLIC, "--at", "2027-01-15T08:04:30Z", "--slack", slack]).stdout;
        assert!(text.contains(&format!("Z, {told} before and after\n")), "{slack}: {text}");
    }
}

/// That a flow ended at all is more than such files tell.
#[test]
fn a_flow_without_an_end_is_not_said_to_have_ended() {
    let inside = ["10.64.3.7:51322", "198.51.100.7:443", "198.51.100.7:443", PUBLIC];
    let open = Segment::new(&every_protocol(0)).push::<V4>(&event(Kind::Start, TCP, 60, inside));
    let files = [("a.ct", open.closed_at(Closing::Stopped, 3600).0)];
    let text = ask(&files, &[PUBLIC, "--at", "2027-01-15T08:04:30Z", "--slack", "1s"]).stdout;
    let told = "  began 2027-01-15T08:01:00Z (recorder's clock)\n  no end is recorded: it may have gone on\n";
    assert!(text.starts_with("UNIQUE: 10.64.3.7; ") && text.contains(told), "{text}");
}

/// A year behind the end of the files nobody knows of it.
#[test]
fn a_flow_that_was_open_at_last_is_said_to_have_been_open_there() {
    let inside = ["10.64.3.7:51322", "198.51.100.7:443", "198.51.100.7:443", PUBLIC];
    let open = Segment::new(&every_protocol(0)).push::<V4>(&event(Kind::Start, TCP, 60, inside));
    let files = [("a.ct", open.closed_at(Closing::Stopped, 3600).0)];
    let text = ask(&files, &[PUBLIC, "--at", "2028-01-15T08:04:30Z"]).stdout;
    let said = "UNKNOWN: the journal ends before that time; a flow that had 203.0.113.6:36782 was open where it ends\n";
    assert!(text.starts_with(said), "{text}");
}

/// A slack reaches beyond the first and the last file of a journal sooner than the time itself.
#[test]
fn a_time_that_was_recorded_is_told_from_a_slack_that_was_not() {
    let read = Note::gap(BEGIN, BEGIN, 0, Cause::TableRead);
    let segment = Segment::new(&every_protocol(0)).note(&Note::at(BEGIN, Cause::Started)).note(&read);
    let files = [("a.ct", segment.closed_at(Closing::Stopped, 3600).0)];
    let doubts = |at: &str, slack: &str| {
        let text = ask(&files, &["203.0.113.6:1", "--at", at, "--slack", slack, "-o", "json"]).stdout;
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["doubts"].take()
    };
    let edge = serde_json::json!(["no file given covers the whole slack, though the time itself was recorded"]);
    let whole = serde_json::json!(["no file given covers that time"]);
    for (inside, outside) in
        [("2027-01-15T08:00:30Z", "2027-01-15T07:59:45Z"), ("2027-01-15T08:59:30Z", "2027-01-15T09:00:15Z")]
    {
        assert_eq!(doubts(inside, "10s"), serde_json::json!([]), "{inside}");
        assert_eq!(doubts(inside, "1m"), edge, "{inside}");
        assert_eq!(doubts(outside, "1m"), whole, "{outside}");
    }
}

/// The hour behind the time may be still to come.
#[test]
fn behind_what_is_written_there_is_no_gap_yet() {
    let segment = Segment::new(&every_protocol(0)).note(&Note::at(BEGIN, Cause::Started));
    let inside = ["10.64.3.7:51322", "198.51.100.7:443", "198.51.100.7:443", PUBLIC];
    let files = directory(&[("a.ct", segment.push::<V4>(&event(Kind::Start, TCP, 60, inside)).cut_off())]);
    let path = files.path().join("a.ct");
    let recorder = fs::File::open(&path).unwrap();
    recorder.lock().unwrap();
    let said = |at: &str| {
        let text = run(["who", PUBLIC, "--at", at, "--slack", "0s", &path.display().to_string()]).stdout;
        text.lines().filter(|line| line.contains("written")).map(str::to_owned).collect::<Vec<_>>()
    };
    let line = "nothing is written yet behind 2027-01-15T08:01:00Z";
    assert_eq!(said("2027-01-15T08:00:30Z"), [line]);
    assert_eq!(said("2027-01-15T08:01:30Z"), [format!("{line}; the time asked for touches it")]);
    // Further behind than what is told of gaps.
    assert_eq!(said("2027-01-15T11:30:00Z"), [format!("{line}; the time asked for touches it")]);
}

/// A space is typed sooner than a colon.
#[test]
fn a_port_that_stands_apart_from_its_address_is_no_file() {
    let files = directory(&[("a.ct", segment())]);
    let ask = |peer: &str, more: &[&str]| {
        let asked = ["who", "203.0.113.6:36782", "--at", "2027-01-15T08:02:00Z", "--peer", peer];
        let mut command = ctrecorder();
        answer(command.current_dir(files.path()).args(asked).args(more).arg("a.ct"))
    };
    let refused = ask("198.51.100.7", &["443"]);
    let said = "ctrecorder: 443: there is no such file; a port stands behind its address: --peer 198.51.100.7:443\n";
    assert_eq!((refused.status, refused.stdout.as_str(), refused.stderr.as_str()), (2, "", said));
    // That one has its port, and this is a file.
    assert_eq!(ask("198.51.100.7:443", &["443"]).status, 5);
    fs::write(files.path().join("443"), segment()).unwrap();
    assert_eq!(ask("198.51.100.7", &["443"]).status, 0);
}
