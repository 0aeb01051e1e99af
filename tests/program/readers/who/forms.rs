//! What was squeezed, into a file or a directory, or exported answers as the journal does.

use std::path::Path;

use ctrecorder_format::record::flags::RECOVERED;
use ctrecorder_format::{Cause, Closing, Header, Kind, Note, Record, V4};
use serde_json::Value;

use super::journal::{TCP, UDP, directory, event, every_protocol};
use crate::readers::sample::{BEGIN, NS, Segment, run};

const PUBLIC: &str = "203.0.113.6:1000";
const FLOW: [&str; 4] = ["10.0.0.1:1000", "198.51.100.7:443", "198.51.100.7:443", PUBLIC];
const OTHER: [&str; 4] = ["10.0.0.2:1000", "198.51.100.7:443", "198.51.100.7:443", PUBLIC];

fn at(second: u64) -> u64 {
    BEGIN + second * NS
}

fn begun(started: u64, number: u64, created: u64) -> Segment {
    let header = Header { recorder_started: at(started), created: at(created), ..every_protocol(number) };
    Segment::new(&header).note(&Note::at(at(created), Cause::Started)).note(&Note::at(at(created), Cause::TableRead))
}

fn flow(kind: Kind, second: u64, endpoints: [&str; 4], id: u32) -> Record<V4> {
    Record { id: id.into(), ..event(kind, TCP, second, endpoints) }
}

/// Verdict and inside addresses of some questions, each for a moment.
fn answers(path: &Path, endpoint: &str, seconds: &[u64], more: &[&str]) -> Vec<String> {
    let ask = |second: &u64| {
        let at = format!("@{}", at(*second) / NS);
        let path = path.to_str().unwrap();
        let told = run([&["who", endpoint, "--at", &at, "--slack", "0s", "-o", "json"], more, &[path]].concat()).stdout;
        let told: Value = serde_json::from_str(&told).unwrap();
        format!("{second}: {} {}", told["verdict"].as_str().unwrap(), told["inside"])
    };
    seconds.iter().map(ask).collect()
}

/// Holds what a journal answers against what is expected, and each of its other forms against that.
fn check(files: &[(&str, Vec<u8>)], endpoint: &str, more: &[&str], expected: &[(u64, &str)]) {
    let journal = directory(files);
    let seconds: Vec<_> = expected.iter().map(|(second, _)| *second).collect();
    let expected: Vec<_> = expected.iter().map(|(second, answer)| format!("{second}: {answer}")).collect();
    assert_eq!(answers(journal.path(), endpoint, &seconds, more), expected);
    let mut forms = vec![("squeeze", "squeezed.ct"), ("squeeze", "squeezed/")];
    if cfg!(feature = "archive") {
        forms.push(("export", "archive"));
    }
    let elsewhere = directory(&[]);
    for (command, name) in forms {
        let output = format!("{}/{name}", elsewhere.path().display());
        let made = run([command, "-o", &output, journal.path().to_str().unwrap()]);
        assert_eq!(made.status, 0, "{}", made.stderr);
        assert_eq!(answers(Path::new(&output), endpoint, &seconds, more), expected, "{name}");
    }
}

/// The clock showed 1000 to 1010 twice: one flow began before it was set back and ended after that, the other one began after that.
#[test]
fn a_flow_was_alive_at_one_of_two_times_that_the_clock_showed() {
    let segment = begun(900, 0, 900)
        .push(&flow(Kind::Start, 1009, FLOW, 7))
        .note(&Note::clock_step(at(1000), -10 * NS as i64))
        .push(&flow(Kind::End, 1001, FLOW, 7))
        .push(&flow(Kind::Start, 1003, OTHER, 8))
        .push(&flow(Kind::End, 1005, OTHER, 8));
    let one = "UNIQUE [\"10.0.0.1\"]";
    let two = "UNIQUE [\"10.0.0.2\"]";
    let none = "NONE []";
    // It lived from 1009 to 1010, and from 1000 to 1001.
    let expected =
        [(997, none), (999, one), (1000, one), (1002, none), (1004, two), (1008, none), (1010, one), (1011, none)];
    check(&[("1", segment.closed_at(Closing::Stopped, 1200).0)], PUBLIC, &[], &expected);
    let segment = begun(900, 0, 900)
        .note(&Note::clock_step(at(1000), -10 * NS as i64))
        .push(&flow(Kind::Start, 1003, OTHER, 8))
        .push(&flow(Kind::End, 1005, OTHER, 8));
    let expected = [(1001, "NONE []"), (1004, two), (1006, "NONE []"), (1010, "NONE []")];
    check(&[("1", segment.closed_at(Closing::Stopped, 1200).0)], PUBLIC, &[], &expected);
}

/// It ended when the clock had been set back, and before that was noticed.
#[test]
fn a_flow_was_alive_until_a_time_before_it_began_though_nobody_had_noticed_that_yet() {
    let segment = begun(900, 0, 900)
        .push(&flow(Kind::Start, 1100, FLOW, 7))
        .push(&flow(Kind::End, 901, FLOW, 7))
        .note(&Note::clock_step(at(902), -200 * NS as i64));
    let one = "UNIQUE [\"10.0.0.1\"]";
    let none = "NONE []";
    let expected = [(901, one), (950, none), (1050, none), (1101, one), (1150, none), (1190, none)];
    check(&[("1", segment.closed_at(Closing::Stopped, 1200).0)], PUBLIC, &[], &expected);
}

/// Nobody heard either of them end, and the kernel holds one at a time: the one that began first by its time began last.
#[test]
fn a_flow_that_began_at_the_other_of_two_times_that_the_clock_showed_ended_none() {
    let segment = begun(900, 0, 900)
        .push(&flow(Kind::Start, 1005, OTHER, 8))
        .note(&Note::clock_step(at(1000), -10 * NS as i64))
        .push(&flow(Kind::Start, 1003, FLOW, 7));
    let both = "AMBIGUOUS [\"10.0.0.1\",\"10.0.0.2\"]";
    check(&[("1", segment.closed_at(Closing::Stopped, 1200).0)], PUBLIC, &[], &[(1004, both), (1007, both)]);
    // Of times that it showed once it is known which came first, however far it was set back later.
    let segment = begun(900, 0, 900)
        .push(&flow(Kind::Start, 1003, FLOW, 7))
        .push(&flow(Kind::Start, 1005, OTHER, 8))
        .push(&flow(Kind::End, 1006, OTHER, 8))
        .note(&Note::clock_step(at(910), -150 * NS as i64));
    let expected = [(930, "NONE []"), (1004, "UNIQUE [\"10.0.0.1\"]"), (1050, "UNKNOWN []")];
    check(&[("1", segment.closed_at(Closing::Stopped, 950).0)], PUBLIC, &[], &expected);
}

/// By a reading behind the one that was made when the clock had been set back already.
#[test]
fn a_flow_that_was_found_began_behind_the_reading_before_whichever_time_that_showed() {
    let reading = |from, to| Note::gap(at(from), at(to), 0, Cause::TableRead);
    let found = Record { flags: RECOVERED, ..flow(Kind::Start, 1008, FLOW, 7) };
    let segment = begun(900, 0, 900)
        .note(&Note::clock_step(at(1000), -10 * NS as i64))
        .note(&reading(900, 1005))
        .note(&Note::gap(at(1006), at(1008), 1, Cause::KernelOverrun))
        .push(&found)
        .note(&reading(1005, 1008));
    let one = "UNIQUE [\"10.0.0.1\"]";
    let expected = [(950, "NONE []"), (1003, "NONE []"), (1007, one), (1100, one)];
    check(&[("1", segment.closed_at(Closing::Stopped, 1200).0)], PUBLIC, &[], &expected);
}

/// Only the begin of the second run tells it.
#[test]
fn a_clock_that_was_set_back_while_no_recorder_ran_was_set_back() {
    let first = begun(900, 0, 900).push(&flow(Kind::Start, 1150, FLOW, 7));
    let second = Header { recorder_started: at(1000), created: at(1000), ..every_protocol(0) };
    let not_running = Note::gap(at(1200), at(1200), Note::LOST_UNKNOWN, Cause::NotRunning);
    let second = Segment::new(&second).note(&not_running).push(&flow(Kind::Open, 1150, FLOW, 7));
    let second = second.note(&Note::at(at(1001), Cause::TableRead)).push(&flow(Kind::End, 1010, FLOW, 7));
    let files = [("1", first.closed_at(Closing::Stopped, 1200).0), ("2", second.closed_at(Closing::Stopped, 1100).0)];
    let one = "UNIQUE [\"10.0.0.1\"]";
    check(&files, PUBLIC, &[], &[(950, "NONE []"), (1005, one), (1050, "NONE []"), (1190, one)]);
}

#[test]
fn what_one_file_did_not_record_is_not_denied_and_what_the_other_did_is() {
    let tcp = Header { protocols: vec![TCP], created: at(0), recorder_started: at(0), ..every_protocol(0) };
    let reading = |second| Note::at(at(second), Cause::TableRead);
    let tcp = Segment::new(&tcp).note(&Note::at(at(0), Cause::Started)).note(&reading(0));
    let all = begun(100, 0, 100);
    let files = [("1", tcp.closed_at(Closing::Stopped, 100).0), ("2", all.closed_at(Closing::Stopped, 200).0)];
    let protocol = |number: u8| if number == UDP { ["--proto", "udp"] } else { ["--proto", "tcp"] };
    check(&files, PUBLIC, &protocol(UDP), &[(50, "UNKNOWN []"), (150, "NONE []")]);
    check(&files, PUBLIC, &protocol(TCP), &[(50, "NONE []"), (150, "NONE []")]);
    check(&files, PUBLIC, &[], &[(50, "UNKNOWN []"), (150, "NONE []")]);
}

/// Nobody knows how long before the recorder it began: the kernel does not stamp.
#[test]
fn a_flow_that_was_open_at_first_is_shown_and_no_answer_earlier() {
    let header = Header { recorder_started: at(100), created: at(100), ..every_protocol(0) };
    let segment = Segment::new(&header).note(&Note::at(at(100), Cause::Started));
    let known = Record { start: 0.into(), ..flow(Kind::Open, 0, FLOW, 7) };
    let segment = segment.push(&known).note(&Note::at(at(100), Cause::TableRead)).push(&flow(Kind::End, 150, FLOW, 7));
    let files = [("1", segment.closed_at(Closing::Stopped, 200).0)];
    let one = "UNIQUE [\"10.0.0.1\"]";
    check(&files, PUBLIC, &[], &[(50, "UNKNOWN []"), (99, "UNKNOWN []"), (100, one), (149, one), (151, "NONE []")]);
    let journal = directory(&files);
    let early = ["who", PUBLIC, "--at", "2020-01-01T00:00:00Z", journal.path().to_str().unwrap()];
    let told = run(early);
    assert_eq!(told.status, 4, "{}", told.stdout);
    assert!(
        told.stdout.starts_with("UNKNOWN: the journal begins after that time; a flow that had "),
        "{}",
        told.stdout
    );
    assert!(told.stdout.contains("\nno answer: tcp 10.0.0.1:1000 as 203.0.113.6:1000"), "{}", told.stdout);
    let answers = |at: &str| {
        let told = run(["who", PUBLIC, "--at", at, "-o", "json", journal.path().to_str().unwrap()]);
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        told["flows"].as_array().unwrap().iter().map(|flow| flow["answer"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(answers("2020-01-01T00:00:00Z"), [false]);
    assert_eq!(answers(&format!("@{}", at(120) / NS)), [true]);
}
