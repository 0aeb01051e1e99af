//! The program on a made-up journal in which everything went wrong.

use std::fs::File;

use ctrecorder_format::NS_PER_SECOND;
use ctrecorder_synth::{Flows, Incident, Plan, Recorded, Shape, record};
use serde_json::Value;
use tempfile::TempDir;

use super::sample::run;

const BEGIN_S: u64 = 1_795_183_200;

fn at(second: u64) -> u64 {
    (BEGIN_S + second) * NS_PER_SECOND
}

/// A journal of some minutes: rotated, overrun, stopped, killed, its clock set.
fn journal() -> (TempDir, Recorded) {
    let directory = TempDir::new().unwrap();
    let plan = Plan {
        rotate: Some(60 * NS_PER_SECOND),
        incidents: vec![
            Incident::Overrun { from: at(50), to: at(70) },
            Incident::Stop { at: at(130), back: at(140) },
            Incident::Crash { at: at(200), back: at(205) },
            Incident::ClockStep { at: at(250), by: 3_600 * NS_PER_SECOND.cast_signed() },
        ],
        ..Plan::default()
    };
    let shape = Shape { begin: at(0), starts_per_second: 20.0, ports: 40_000..=40_200, ..Shape::crowded(6_000, 1) };
    let create = |number| Ok(File::create_new(directory.path().join(format!("{number}.ct")))?);
    let recorded = record(Flows::new(shape), &plan, create, |_| Ok(())).unwrap();
    (directory, recorded)
}

#[test]
fn a_synthetic_journal_is_whole_but_for_its_crash() {
    let (directory, recorded) = journal();
    let tested = run(["test".as_ref(), directory.path().as_os_str()]);
    let failed: Vec<_> = tested.stdout.lines().filter(|line| line.contains(": FAILED: ")).collect();
    assert_eq!((tested.status, failed.len()), (1, 1), "{}", tested.stdout);
    assert!(failed[0].contains("4.ct: FAILED: offset ") && failed[0].contains("cut off"), "{}", failed[0]);
    assert_eq!(tested.stdout.lines().count() as u64, recorded.files + 1);
    let ok = recorded.files - 1;
    let summary = format!("{} files tested: {ok} ok, 1 FAILED; between files nothing is missing", recorded.files);
    assert!(tested.stdout.lines().last().is_some_and(|last| last.starts_with(&summary)), "{}", tested.stdout);
}

#[test]
fn its_coverage_is_what_befell_it() {
    let (directory, _) = journal();
    let covered = run(["coverage".as_ref(), "-o".as_ref(), "json".as_ref(), directory.path().as_os_str()]);
    let told: Value = serde_json::from_str(&covered.stdout).unwrap();
    let gaps: Vec<_> = told["gaps"].as_array().unwrap().iter().collect();
    let spans: Vec<_> = gaps.iter().map(|gap| (&gap["from"], &gap["to"])).collect();
    let time = |second: u64| format!("2026-11-20T14:{:02}:{:02}.000000000Z", second / 60, second % 60);
    assert_eq!(gaps.len(), 4, "{}", covered.stdout);
    assert_eq!(spans[0], (&time(50).into(), &time(70).into()));
    assert_eq!(spans[1], (&time(130).into(), &time(140).into()));
    // What was gathered when it was killed is gone, too: at most a second.
    let from = spans[2].0.as_str().unwrap();
    assert!(time(198).as_str() < from && from < time(200).as_str(), "{from}");
    assert_eq!(spans[2].1, &time(205));
    assert_eq!((&gaps[0]["cause"], &gaps[1]["cause"]), (&"socket buffer full".into(), &"recorder not running".into()));
    let hour_later = Value::from(time(250).replace("T14:", "T15:"));
    assert_eq!((spans[3], &gaps[3]["cause"]), ((&time(250).into(), &hour_later), &"clock set forward".into()));
    assert_eq!(gaps[3]["lost"], 0);
}

#[test]
fn its_events_are_listed_each_once() {
    let (directory, recorded) = journal();
    let listed = run(["list".as_ref(), "-H".as_ref(), directory.path().as_os_str()]);
    // A start that was found was not heard; the end of such a flow may have been.
    let heard = |line: &&str| match line.as_bytes()[27] {
        b'S' => !line.ends_with(']'),
        b'E' => !line.contains(" [ended "),
        _ => false,
    };
    let heard = listed.stdout.lines().filter(heard).count() as u64;
    // The last second before the crash is lost.
    assert!(recorded.events - 60 < heard && heard < recorded.events, "{heard} of {}", recorded.events);
    assert!(listed.stdout.contains(" [recovered]\n") && listed.stdout.contains(" [ended after "));
}
