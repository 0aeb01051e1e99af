//! kill -9: at random moments, many times in a row, and while flows are open.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Timelike, Utc};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::capture::recorder::{Recorder, end_flows, make_flows, text};
use crate::lab::{Namespace, wait_until};
use crate::program::{answer, ctrecorder};

const KILLS: u32 = 50;

/// What had reached the file is there, the cut is told, and so is the time until the next start.
#[test]
fn after_each_of_fifty_kills_what_was_written_is_there_and_the_rest_is_a_gap() {
    let namespace = Namespace::new("kills");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    let mut deaths = Vec::new();
    for kill in 0..KILLS {
        deaths.push(kill_at_random(&namespace, &mut recorder, kill * 2000));
        let newest = recorder.segments().pop().unwrap();
        // Two segments cannot begin in the same second.
        wait_until("the next second", || newest.extension().unwrap() < Utc::now().timestamp().to_string().as_str());
        recorder = recorder.start_again(&namespace, "ct.%s", &[]);
    }
    recorder.stop();

    let gaps = gaps(recorder.directory());
    assert_eq!(gaps.len(), deaths.len(), "{gaps:?}");
    for (Death { last_record, killed }, [from, to, cause]) in deaths.iter().zip(&gaps) {
        assert_eq!(cause, "recorder not running");
        assert!(
            last_record.as_str() <= &from[..26] && &from[..26] <= killed.as_str(),
            "{last_record} <= {from} <= {killed}"
        );
        assert!(killed.as_str() <= &to[..26], "{killed} <= {to}");
    }
}

/// No recorder heard the ends, nor knows the flows: that they are not in the kernel's table any more tells that they ended.
#[test]
fn flows_that_ended_while_no_recorder_was_there_are_told_to_have_ended() {
    let namespace = Namespace::new("unheard");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    let (ended, alive) = (0..5, 5..10);
    make_flows(&namespace, 0..10, false);
    recorder.wait_for_records(10);
    let first = recorder.segments().pop().unwrap();
    recorder.end(Signal::SIGKILL);
    end_flows(&namespace, ended.clone());
    wait_until("the next second", || first.extension().unwrap() < Utc::now().timestamp().to_string().as_str());
    let mut recorder = recorder.start_again(&namespace, "ct.%s", &[]);
    recorder.stop();

    let [[since, _, cause]] = &gaps(recorder.directory())[..] else { panic!("not one gap") };
    assert_eq!(cause, "recorder not running");
    let since = since[..26].replace('-', ".").replace('T', " ");
    let listed = flows(recorder.directory());
    assert_eq!(listed.len(), 10, "{listed:?}");
    let line = |number| listed.iter().find(|line| line.contains(&text(number))).unwrap();
    for number in ended {
        let line = line(number);
        assert!(line.ends_with(&format!(" [ended after {since}]")), "{line}");
        let [start, end] = [&line[..26], &line[27..53]];
        assert!(start <= since.as_str() && since.as_str() < end, "{line}");
    }
    for number in alive {
        assert_eq!(&line(number)[26..], format!(" -          -               {}", text(number)));
    }

    let directory = TempDir::new().unwrap();
    let squeezed = directory.path().join("squeezed");
    let done = answer(ctrecorder().args(["squeeze", "-o"]).arg(&squeezed).arg(recorder.directory()));
    assert_eq!(done.status, 0, "{}", done.stderr);
    assert_eq!(flows(&squeezed), listed);
}

/// The lines of all flows, sorted.
fn flows(path: &Path) -> Vec<String> {
    let listed = answer(ctrecorder().args(["list", "-sH"]).arg(path));
    assert_eq!(listed.status, 0, "{}", listed.stderr);
    let mut lines: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// How a recorder ended. Times are as in `2026-11-20T14:13:20.123456`, UTC.
struct Death {
    /// Time of the last record in its file.
    last_record: String,
    /// When it was surely dead.
    killed: String,
}

/// Kills the recorder within a few hundred events, and looks at what it left behind.
fn kill_at_random(namespace: &Namespace, recorder: &mut Recorder, first: u32) -> Death {
    let segment = recorder.segments().pop().unwrap();
    let sure = first..first + 50;
    make_flows(namespace, sure.clone(), true);
    wait_until("records to reach the file", || list(&segment).len() == 100);
    let random = Utc::now().nanosecond() / 1000;
    let mut number = sure.end;
    for _ in 0..random % 4 {
        make_flows(namespace, number..number + 300, true);
        number += 300;
        std::thread::sleep(Duration::from_micros((random % 7919 * 60).into()));
    }
    recorder.end(Signal::SIGKILL);
    let killed = Utc::now().format("%Y-%m-%dT%H:%M:%S%.6f").to_string();

    let listed = list(&segment);
    let told: HashSet<_> = listed.iter().map(|line| &line[27..]).collect();
    assert_eq!(told.len(), listed.len(), "something is there twice");
    for flow in sure.map(text) {
        let is_there = |letter: &str| told.contains(format!("{letter}  {flow}").as_str());
        assert!(is_there("S") && is_there("E"), "{flow}");
    }
    let tested = answer(ctrecorder().arg("test").arg(&segment));
    assert!(tested.status == 1 && tested.stdout.contains("cut off"), "{}", tested.stdout);
    let times = listed.iter().map(|line| line[..26].replacen('.', "-", 2).replace(' ', "T"));
    Death { last_record: times.max().unwrap(), killed }
}

/// The lines of a segment that can be read, whatever is behind them.
fn list(segment: &Path) -> Vec<String> {
    let listed = answer(ctrecorder().args(["list", "-H"]).arg(segment));
    listed.stdout.lines().map(str::to_owned).collect()
}

/// Begin, end and cause of each gap.
fn gaps(directory: &Path) -> Vec<[String; 3]> {
    let covered = answer(ctrecorder().args(["coverage", "-o", "json"]).arg(directory));
    assert_eq!(covered.status, 1, "{covered:?}");
    let json: Value = serde_json::from_str(&covered.stdout).unwrap();
    let text = |gap: &Value, key| gap[key].as_str().unwrap().to_owned();
    let gaps = json["gaps"].as_array().unwrap().iter();
    let gaps: Vec<_> = gaps.map(|gap| ["from", "to", "cause"].map(|key| text(gap, key))).collect();
    for [from, to, _] in &gaps {
        let [from, to] = [from, to].map(|time| DateTime::parse_from_rfc3339(time).unwrap());
        assert!(from <= to);
    }
    gaps
}
