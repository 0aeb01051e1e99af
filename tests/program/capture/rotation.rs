//! New files by the clock, and what happens when one cannot be had.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::capture::recorder::{Recorder, make_flows, text};
use crate::lab::{Namespace, Process, wait_until};
use crate::program;

/// A recorder whose clock a test can set is not to be had; one whose minute is over soon is. The wait is at most 61 s.
#[test]
fn a_new_file_begins_with_the_minute_and_without_an_event() {
    let namespace = Namespace::new("rotation");
    let mut recorder = Recorder::start(&namespace, "ct.%Y%m%d-%H%M%S", &["-t", "1"]);
    make_flows(&namespace, 0..10, false);
    let segments = wait_minutes(|| recorder.segments().len() == 2).then(|| recorder.segments()).unwrap();
    let name = segments[1].file_name().unwrap().to_str().unwrap();
    assert!(name.ends_with("00"), "{name} is not a multiple of a minute");
    make_flows(&namespace, 10..20, false);
    recorder.stop();
    let starts: Vec<_> = recorder.list().iter().map(|line| line[30..].to_owned()).collect();
    assert_eq!(starts, (0..20).map(text).collect::<Vec<_>>());
    let tested = recorder.test();
    assert_eq!(tested.status, 0, "{}", tested.stdout);
}

/// Whether the condition comes within a minute and a half.
pub fn wait_minutes(condition: impl Fn() -> bool) -> bool {
    (0..900).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        condition()
    })
}

#[test]
fn files_are_0640_whatever_the_umask() {
    for umask in ["000", "077"] {
        let (namespace, directory) = (Namespace::new("umask"), TempDir::new().unwrap());
        let pattern = directory.path().join("ct");
        let command = format!("umask {umask}; exec {} capture -F -f {}", program::PATH, pattern.display());
        let mut process = Process::start(&namespace, Command::new("sh").args(["-c", &command]));
        process.wait_until_listening();
        wait_until("the recorder to record", || process.stderr().contains("recording"));
        assert_eq!(fs::metadata(&pattern).unwrap().permissions().mode() & 0o7777, 0o640, "umask {umask}");
    }
}

#[test]
fn an_existing_file_is_never_overwritten_and_the_old_one_goes_on() {
    let namespace = Namespace::new("exists");
    // Without conversions, the next name is always that of the present file.
    let mut recorder = Recorder::start(&namespace, "ct", &[]);
    make_flows(&namespace, 0..10, false);
    recorder.outlive_first_second();
    recorder.signal(Signal::SIGHUP);
    wait_until("a warning", || recorder.log().contains("exists, and is never overwritten; going on in"));
    make_flows(&namespace, 10..20, false);
    recorder.wait_for_records(20);
    // Once the file is out of the way, the next try succeeds.
    let (old, moved) = (recorder.directory().join("ct"), recorder.directory().join("ct.moved"));
    fs::rename(&old, &moved).unwrap();
    recorder.wait_for_segments(2);
    make_flows(&namespace, 20..30, false);
    recorder.stop();
    let starts: Vec<_> = recorder.list().iter().map(|line| line[30..].to_owned()).collect();
    assert_eq!(starts, (0..30).map(text).collect::<Vec<_>>());
    assert_eq!(recorder.test().status, 0);
}

/// As log rotation does: move the file away, then ask for a new one; within the file's first second, too.
#[test]
fn a_file_that_was_moved_away_is_followed_by_a_new_one_of_its_name() {
    let namespace = Namespace::new("moved");
    let mut recorder = Recorder::start(&namespace, "ct", &[]);
    fs::rename(recorder.directory().join("ct"), recorder.directory().join("ct.1")).unwrap();
    recorder.signal(Signal::SIGHUP);
    recorder.wait_for_segments(2);
    make_flows(&namespace, 0..5, true);
    recorder.stop();
    assert_eq!(recorder.list().len(), 10);
    assert_eq!(recorder.test().status, 0);
}
