//! What was squeezed or exported with a filter of times: `coverage` and `who` tell of the same gaps, and of each time once.

use ctrecorder_format::{Cause, Closing, Header, Kind, Note};
use serde_json::Value;
use tempfile::TempDir;

use super::coverage::journal;
use super::sample::{BEGIN, NS, Segment, header, run, v4};

/// Two runs of 600 s with 100 s between, made into one file of the flows from 300 s to 900 s.
fn filtered(command: &str) -> TempDir {
    let at = |second: u64| BEGIN + second * NS;
    let begun = |second| {
        let header = Header { recorder_started: at(second), created: at(second), ..header(0, None) };
        Segment::new(&header).note(&Note::at(at(second), Cause::Started))
    };
    let read = |second| Note::gap(at(second), at(second + 1), 0, Cause::TableRead);
    let first = begun(0).note(&read(0)).push(&v4(Kind::Start, 1, 400)).push(&v4(Kind::End, 1, 410));
    let first = first.closed_at(Closing::Stopped, 600).0;
    let second = begun(700).note(&Note::gap(at(600), at(700), Note::LOST_UNKNOWN, Cause::NotRunning)).note(&read(700));
    let second = second.note(&Note::gap(at(1000), at(1010), 7, Cause::KernelOverrun)).note(&read(1011));
    let second = second.closed_at(Closing::Stopped, 1300).0;
    let directory = journal(&[("1", &first), ("2", &second)]);
    let path = |name: &str| directory.path().join(name).display().to_string();
    let span = ["--since", "@1800000300", "--until", "@1800000900"];
    let made = run([&[command, "-o", &path("made"), &path("1"), &path("2")][..], &span].concat());
    assert_eq!(made.status, 0, "{}", made.stderr);
    directory
}

/// Causes and spans of gaps, in seconds since the begin.
fn gaps(told: &Value) -> Vec<(String, i64, i64)> {
    let second = |value: &Value| {
        let moment = chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
        moment.timestamp() - (BEGIN / NS).cast_signed()
    };
    let gaps = told["gaps"].as_array().unwrap().iter();
    gaps.map(|gap| (gap["cause"].as_str().unwrap().to_owned(), second(&gap["from"]), second(&gap["to"]))).collect()
}

fn same_gaps(command: &str) {
    let directory = filtered(command);
    let made = directory.path().join("made").display().to_string();
    let covered: Value = serde_json::from_str(&run(["coverage", "-o", "json", &made]).stdout).unwrap();
    let left_out = |from, to| ("left out by a filter".to_owned(), from, to);
    let expected = [
        left_out(0, 300),
        ("recorder not running".to_owned(), 600, 700),
        left_out(900, 1000),
        ("socket buffer full".to_owned(), 1000, 1010),
        left_out(1010, 1300),
    ];
    assert_eq!(gaps(&covered), expected, "{command}");

    let asked = run(["who", "203.0.113.1:2", "--at", "@1800001200", "-o", "json", &made]);
    let told: Value = serde_json::from_str(&asked.stdout).unwrap();
    let of_one = &told["coverage"]["recorders"][0];
    let within: Vec<_> = gaps(of_one).into_iter().filter(|(cause, ..)| cause != "no file given").collect();
    assert_eq!(within, expected, "{command}");
    assert_eq!((&told["verdict"], &of_one["recorded"]), (&"UNKNOWN".into(), &Value::Null));
    let doubts = told["doubts"].as_array().unwrap();
    assert!(doubts.contains(&"left out by a filter".into()), "{doubts:?}");
}

#[test]
fn a_squeezed_file_tells_coverage_and_who_of_the_same_gaps() {
    same_gaps("squeeze");
}

#[cfg(feature = "archive")]
#[test]
fn an_archive_tells_coverage_and_who_of_the_same_gaps() {
    same_gaps("export");
}
