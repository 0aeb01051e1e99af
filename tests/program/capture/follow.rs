//! `list --follow` beside a recorder at work.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::Utc;
use nix::sys::signal::Signal;

use crate::capture::recorder::{Recorder, make_flows, text};
use crate::lab::{Namespace, Process, wait_for, wait_until};
use crate::program::{self, answer, ctrecorder};

/// A follower of this path.
fn follow(namespace: &Namespace, path: &Path) -> Process {
    let mut command = Command::new(program::PATH);
    Process::start(namespace, command.env("TZ", "UTC").args(["list", "-H", "--follow"]).arg(path))
}

fn lines(follower: &Process) -> Vec<String> {
    follower.stdout().lines().map(str::to_owned).collect()
}

/// Waits until it has written what a list of all now says, and holds the two against each other.
fn catches_up(follower: &Process, recorder: &Recorder) -> Vec<String> {
    let listed = recorder.list();
    wait_until("a follower to catch up", || lines(follower).len() >= listed.len());
    assert_eq!(lines(follower), listed, "{}", follower.stderr());
    listed
}

#[test]
fn a_directory_and_a_file_are_followed_over_rotations_and_a_crash() {
    let namespace = Namespace::new("follow");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    make_flows(&namespace, 0..10, false);
    recorder.wait_for_records(10);
    let first = recorder.segments().remove(0);
    let followers = [follow(&namespace, recorder.directory()), follow(&namespace, &first)];
    followers.iter().for_each(|follower| drop(catches_up(follower, &recorder)));

    for rotation in 1..=2 {
        make_flows(&namespace, rotation * 10..rotation * 10 + 5, true);
        recorder.outlive_first_second();
        recorder.signal(Signal::SIGHUP);
        recorder.wait_for_segments(rotation as usize + 1);
        make_flows(&namespace, rotation * 10 + 5..rotation * 10 + 10, true);
    }
    recorder.wait_for_records(10 + 2 * 20);
    recorder.end(Signal::SIGKILL);
    let newest = recorder.segments().pop().unwrap();
    wait_until("the next second", || newest.extension().unwrap() < Utc::now().timestamp().to_string().as_str());
    let mut recorder = recorder.start_again(&namespace, "ct.%s", &[]);
    make_flows(&namespace, 30..40, true);
    recorder.stop();

    for follower in followers {
        let told = catches_up(&follower, &recorder);
        for flow in (0..40).map(text) {
            assert_eq!(told.iter().filter(|line| line.ends_with(&format!(" S  {flow}"))).count(), 1, "{flow}");
        }
        assert!(follower.stderr().contains("recorder not running"), "{}", follower.stderr());
        follower.signal(Signal::SIGTERM);
        let mut follower = follower;
        assert!(!follower.wait().success());
    }
    assert_eq!(recorder.segments().len(), 4);
}

/// As log rotation does it: the file is moved away, and the next one has its name.
#[test]
fn a_name_is_followed_from_file_to_file() {
    let namespace = Namespace::new("follow");
    let mut recorder = Recorder::start(&namespace, "ct", &[]);
    let path = recorder.directory().join("ct");
    let follower = follow(&namespace, &path);
    make_flows(&namespace, 0..5, true);
    recorder.wait_for_records(10);
    fs::rename(&path, recorder.directory().join("ct.1")).unwrap();
    make_flows(&namespace, 5..10, true);
    recorder.wait_for_records(20);
    recorder.outlive_first_second();
    recorder.signal(Signal::SIGHUP);
    recorder.wait_for_segments(2);
    make_flows(&namespace, 10..15, true);
    recorder.stop();
    assert_eq!(catches_up(&follower, &recorder).len(), 30);
}

#[test]
fn a_follower_whose_output_is_closed_ends() {
    let namespace = Namespace::new("follow");
    let recorder = Recorder::start(&namespace, "ct.%s", &[]);
    make_flows(&namespace, 0..1, false);
    let mut command = Command::new(program::PATH);
    command.args(["list", "-H", "--follow", "-p", "443"]).arg(recorder.directory());
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(follower.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.trim_end().ends_with(&text(0)), "{line}");
    make_flows(&namespace, 1..2, false);
    let ended = wait_for("the follower to end", || follower.try_wait().unwrap());
    assert!(ended.success(), "{ended}");
}

#[test]
fn flows_are_not_followed() {
    let refused = answer(ctrecorder().args(["list", "--follow", "--squeezed", "."]));
    assert_eq!(refused.status, 2);
    assert!(refused.stderr.contains("--squeezed"), "{}", refused.stderr);
}
