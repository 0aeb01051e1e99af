//! The file, or its whole directory, is removed while a recorder writes it.

use std::fs;

use nix::sys::signal::Signal;

use crate::capture::recorder::{Recorder, make_flows};
use crate::lab::{Namespace, wait_until};
use crate::program::{answer, ctrecorder};

/// How many events the gaps of this cause lost, as a list of the directory says.
fn listed_and_lost(recorder: &Recorder) -> (u64, u64) {
    let listed = answer(ctrecorder().args(["list", "-H"]).arg(recorder.directory()));
    let lost = listed.stderr.lines().map(|line| {
        let line = line.strip_suffix(" events lost").unwrap_or_else(|| panic!("{line}"));
        assert!(line.contains("file removed while being written"), "{line}");
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    });
    (listed.stdout.lines().filter(|line| !line.contains(" O ")).count() as u64, lost.sum())
}

fn wait_for_statistics(recorder: &Recorder, starts: u32) {
    wait_until("events to be received", || {
        recorder.signal(Signal::SIGUSR1);
        recorder.log().contains(&format!("received {starts} starts"))
    });
}

#[test]
fn a_removed_directory_costs_what_was_in_the_file_and_that_is_counted() {
    let namespace = Namespace::new("removed");
    // A sandboxed one could not go on in a directory that was made anew.
    let mut recorder = Recorder::start(&namespace, "ct.%s", &["--no-sandbox"]);
    make_flows(&namespace, 0..100, true);
    recorder.wait_for_records(200);
    fs::remove_dir_all(recorder.directory()).unwrap();
    wait_until("the loss to be noticed", || recorder.log().contains("removed while being written"));
    make_flows(&namespace, 100..300, true);
    wait_for_statistics(&recorder, 300);
    assert_eq!(recorder.log().matches("cannot be created").count(), 1, "said once: {}", recorder.log());
    assert_eq!(recorder.log().matches("removed while being written").count(), 1, "{}", recorder.log());

    fs::create_dir(recorder.directory()).unwrap();
    wait_until("a new segment", || recorder.log().contains("new segment"));
    make_flows(&namespace, 300..600, true);
    recorder.stop();
    let (listed, lost) = listed_and_lost(&recorder);
    assert_eq!(listed + lost, 1200);
    assert!(listed >= 600 && lost >= 400, "{listed} listed, {lost} lost");
    assert_eq!(recorder.segments().len(), 1);
    assert_eq!(recorder.test().status, 0, "{}", recorder.test().stdout);
}

/// Nothing may be lost in silence because the recorder ends, or rotates, before it looks again.
#[test]
fn what_happens_right_behind_the_removal_makes_no_difference() {
    for signal in [None, Some(Signal::SIGHUP)] {
        let namespace = Namespace::new("removed-late");
        let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
        make_flows(&namespace, 0..100, true);
        recorder.wait_for_records(200);
        fs::remove_file(&recorder.segments()[0]).unwrap();
        if let Some(signal) = signal {
            recorder.signal(signal);
            wait_until("a new segment", || recorder.log().contains("new segment"));
        }
        recorder.stop();
        assert_eq!(listed_and_lost(&recorder), (0, 200), "{signal:?}: {}", recorder.log());
    }
}

#[test]
fn without_a_place_to_go_the_end_is_an_error_that_counts() {
    let namespace = Namespace::new("removed-end");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    make_flows(&namespace, 0..100, true);
    recorder.wait_for_records(200);
    fs::remove_dir_all(recorder.directory()).unwrap();
    assert_eq!(recorder.end(Signal::SIGTERM).code(), Some(5));
    assert!(recorder.log().contains("200 events could not be written at the end"), "{}", recorder.log());
}

#[test]
fn a_file_that_was_renamed_is_gone_on_with() {
    let namespace = Namespace::new("renamed");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    let moved = recorder.directory().join("moved");
    fs::rename(&recorder.segments()[0], &moved).unwrap();
    make_flows(&namespace, 0..100, true);
    recorder.wait_for_records(200);
    // A tick after these records there was time to notice something.
    make_flows(&namespace, 100..200, true);
    recorder.wait_for_records(400);
    recorder.stop();
    assert_eq!(recorder.segments(), [moved]);
    assert!(!recorder.log().contains("removed while being written"), "{}", recorder.log());
}
