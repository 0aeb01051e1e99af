//! The kernel's settings: recommended, or set.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::capture::recorder::{Recorder, make_flows};
use crate::lab::{Namespace, Process, wait_until};
use crate::program::{self, answer, ctrecorder};

const SETTINGS: [&str; 3] = ["events", "timestamp", "acct"];

fn values(namespace: &Namespace) -> [String; 3] {
    let path = |name| format!("/proc/sys/net/netfilter/nf_conntrack_{name}");
    namespace.enter(|| SETTINGS.map(|name| fs::read_to_string(path(name)).unwrap().trim().to_owned()))
}

fn set(namespace: &Namespace, values: [u32; 3]) {
    for (name, value) in SETTINGS.iter().zip(values) {
        namespace.sysctl(&format!("netfilter/nf_conntrack_{name}"), value);
    }
}

#[test]
fn they_are_set_where_wanted_before_the_first_header_and_that_is_told() {
    let namespace = Namespace::new("set");
    set(&namespace, [2, 0, 0]);
    let mut recorder = Recorder::start(&namespace, "ct.%s", &["--set-sysctls", "--accounting", "-U", "root"]);
    assert_eq!(values(&namespace), ["1", "1", "1"]);
    for (name, before) in SETTINGS.iter().zip([2, 0, 0]) {
        let expected = format!("net.netfilter.nf_conntrack_{name}: set from {before} to 1");
        assert!(recorder.log().contains(&expected), "{}", recorder.log());
    }
    assert!(!recorder.log().contains("sysctl -w"), "{}", recorder.log());
    make_flows(&namespace, 0..1, true);
    recorder.stop();
    let header = answer(ctrecorder().arg("header").arg(&recorder.segments()[0])).stdout;
    assert!(header.contains(".clock: kernel") && header.contains(".accounting: yes"), "{header}");
}

#[test]
fn counters_are_left_alone_unless_they_are_asked_for() {
    let namespace = Namespace::new("set-two");
    set(&namespace, [0, 0, 0]);
    let recorder = Recorder::start(&namespace, "ct.%s", &["--set-sysctls"]);
    assert_eq!(values(&namespace), ["1", "1", "0"]);
    assert!(!recorder.log().contains("sysctl"), "{}", recorder.log());
}

#[test]
fn they_are_recommended_otherwise_and_only_those_that_differ() {
    for (values_before, arguments, recommended) in [
        ([2, 0, 0], &[][..], &["events", "timestamp"][..]),
        ([1, 1, 0], &["--accounting"], &["acct"]),
        ([1, 1, 0], &[], &[]),
        ([1, 1, 1], &["--accounting"], &[]),
    ] {
        let namespace = Namespace::new("recommend");
        set(&namespace, values_before);
        let recorder = Recorder::start(&namespace, "ct.%s", arguments);
        assert_eq!(values(&namespace), values_before.map(|value| value.to_string()));
        let log = recorder.log();
        let commands: Vec<_> = log.lines().filter_map(|line| Some(line.split_once("sysctl -w ")?.1)).collect();
        let expected: Vec<_> = recommended.iter().map(|name| format!("net.netfilter.nf_conntrack_{name}=1")).collect();
        assert_eq!(commands, expected, "{log}");
    }
}

/// As in a container whose /proc/sys is not to be written to.
#[test]
fn where_they_may_not_be_set_it_warns_and_records() {
    let (namespace, directory) = (Namespace::new("read-only"), TempDir::new().unwrap());
    set(&namespace, [2, 1, 0]);
    let script = format!(
        "mount -o bind,ro /proc/sys /proc/sys && exec {} capture -F --set-sysctls -f {}",
        program::PATH,
        directory.path().join("ct").display()
    );
    let mut process = Process::start(&namespace, Command::new("unshare").args(["-m", "sh", "-c", &script]));
    wait_until("the recorder to record", || process.stderr().contains(": recording tcp alone\n"));
    process.wait_until_listening();
    assert_eq!(values(&namespace), ["2", "1", "0"]);
    let log = process.stderr();
    let expected = "WARN net.netfilter.nf_conntrack_events: cannot be set to 1: Read-only file system";
    assert_eq!(log.lines().filter(|line| line.contains(expected)).count(), 1, "{log}");
    assert_eq!(log.matches("cannot be set").count(), 1, "{log}");
}
