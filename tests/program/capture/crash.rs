//! kill -9 in the middle.

use nix::sys::signal::Signal;

use crate::capture::recorder::{Recorder, make_flows, text};
use crate::lab::Namespace;

#[test]
fn what_was_older_than_a_second_survives_and_the_cut_is_told() {
    let namespace = Namespace::new("crash");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    make_flows(&namespace, 0..1000, true);
    recorder.wait_for_records(2000);
    make_flows(&namespace, 1000..3000, false);
    recorder.end(Signal::SIGKILL);

    let listed = recorder.list();
    assert!(listed.len() >= 2000, "{} records", listed.len());
    let starts: Vec<_> = listed.iter().filter(|line| &line[27..28] == "S").map(|line| line[30..].to_owned()).collect();
    let expected: Vec<_> = (0..3000).map(text).take(starts.len()).collect();
    assert_eq!(starts, expected);

    let tested = recorder.test();
    assert_eq!(tested.status, 1);
    assert!(tested.stdout.contains("cut off"), "{}", tested.stdout);
}

#[test]
fn a_segment_that_is_being_written_is_listed_and_told_from_one_that_was_cut_off() {
    let namespace = Namespace::new("live");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    make_flows(&namespace, 0..50, true);
    recorder.wait_for_records(100);
    let tested = recorder.test();
    assert_eq!(tested.status, 0, "{}", tested.stdout);
    assert!(tested.stdout.contains("being written"), "{}", tested.stdout);
    recorder.stop();
    assert!(!recorder.test().stdout.contains("being written"));
}
