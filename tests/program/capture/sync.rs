//! When what was written is handed to the medium: `--sync`, as strace sees it.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::capture::recorder::{Recorder, make_flows};
use crate::lab::{Namespace, Process, wait_until};
use crate::program::{answer, ctrecorder};

/// A recorder under strace.
struct Traced {
    /// Killed first: a recorder that it holds would not end.
    strace: Process,
    recorder: Recorder,
    namespace: Namespace,
}

impl Traced {
    /// Follows the recorder's system calls of these kinds from now on; `further` arguments are strace's.
    fn start(sync: &str, calls: &str, further: &[&str]) -> Self {
        let namespace = Namespace::new("sync");
        let recorder = Recorder::start(&namespace, "ct.%s", &["--sync", sync]);
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-s", "8", "-e", &format!("trace={calls}"), "-p", &recorder.id().to_string()]);
        let strace = Process::start(&namespace, command.args(further));
        wait_until("strace to follow every thread", || {
            let tasks = fs::read_dir(format!("/proc/{}/task", recorder.id())).unwrap();
            tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default()).all(
                |status| {
                    let tracer = status.lines().find(|line| line.starts_with("TracerPid:"));
                    tracer.is_some_and(|line| !line.ends_with("\t0"))
                },
            )
        });
        Self { strace, recorder, namespace }
    }

    /// The calls of its writing or its syncing thread up to now that have this in them.
    fn calls(&self, of: &str) -> Vec<String> {
        let text = self.strace.stderr();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().filter(|line| line.contains(of)).map(str::to_owned).collect()
    }

    /// The id of its thread of this name.
    fn thread(&self, name: &str) -> Option<String> {
        let mut tasks = fs::read_dir(format!("/proc/{}/task", self.recorder.id())).unwrap().map(Result::unwrap);
        let task =
            tasks.find(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name));
        Some(task?.file_name().into_string().unwrap())
    }

    fn begin_new_segment(&self) {
        // The name tells seconds: the next one has another.
        let before = self.recorder.segments().len();
        wait_until("a new segment", || {
            self.recorder.signal(Signal::SIGHUP);
            self.recorder.segments().len() > before
        });
    }
}

#[test]
fn none_syncs_at_the_end_alone() {
    let mut traced = Traced::start("none", "fsync,fdatasync", &[]);
    make_flows(&traced.namespace, 0..100, true);
    traced.recorder.wait_for_records(200);
    traced.begin_new_segment();
    make_flows(&traced.namespace, 100..200, true);
    traced.recorder.wait_for_records(400);
    assert_eq!(traced.calls("sync("), [""; 0]);
    traced.recorder.stop();
    traced.strace.wait();
    assert_eq!(traced.calls("sync(").len(), 1, "{:?}", traced.calls(""));
}

#[test]
fn interval_syncs_what_is_closed_and_now_and_then_in_a_thread_of_its_own() {
    let traced = Traced::start("interval", "fsync,fdatasync", &[]);
    make_flows(&traced.namespace, 0..100, true);
    let [old] = traced.recorder.segments().try_into().unwrap();
    wait_until("an interval to be over", || !traced.calls("fdatasync(").is_empty());
    assert!(traced.calls("fdatasync(")[0].contains(old.to_str().unwrap()), "{:?}", traced.calls(""));

    traced.begin_new_segment();
    let directory = format!("<{}>)", traced.recorder.directory().display());
    wait_until("the directory to be synced", || traced.calls("fsync(").iter().any(|call| call.contains(&directory)));
    wait_until("the closed file to be synced", || {
        traced.calls("fdatasync(").iter().filter(|call| call.contains(old.to_str().unwrap())).count() >= 2
    });
    let sync = traced.thread("sync").unwrap();
    for call in traced.calls("sync(") {
        // [pid  1234] fdatasync(5</path>) = 0
        let id = call.strip_prefix("[pid").and_then(|rest| rest.split(']').next()).map(str::trim);
        assert_eq!(id, Some(sync.as_str()), "{call}");
    }
}

#[test]
fn block_syncs_after_each_write_in_the_thread_that_writes() {
    let mut traced = Traced::start("block", "write,fsync,fdatasync", &[]);
    for round in 1..5 {
        make_flows(&traced.namespace, 0..50, true);
        traced.recorder.wait_for_records(100 * round);
    }
    traced.begin_new_segment();
    traced.recorder.stop();
    traced.strace.wait();
    let calls: Vec<_> = traced.calls("/ct.");
    let is_write = |call: &String| call.contains("write(");
    assert!(calls.iter().filter(|call| is_write(call)).count() >= 6, "{calls:#?}");
    for pair in calls.windows(2) {
        if is_write(&pair[0]) {
            assert!(pair[1].contains("sync("), "{pair:#?}");
            assert_eq!(path_in(&pair[0]), path_in(&pair[1]));
        }
    }
    let directory = format!("<{}>)", traced.recorder.directory().display());
    assert!(traced.calls(" fsync(").iter().any(|call| call.contains(&directory)), "{:?}", traced.calls("fsync("));
}

fn path_in(call: &str) -> &str {
    call.split(['<', '>']).nth(1).expect("strace -y names the file")
}

/// The medium said that it may have dropped something, and not what.
#[test]
fn a_sync_that_fails_is_a_gap_and_said_once() {
    let mut traced = Traced::start("interval", "fdatasync", &["-e", "inject=fdatasync:error=EIO"]);
    for round in 1..3 {
        make_flows(&traced.namespace, 0..100, true);
        traced.recorder.wait_for_records(200 * round);
        traced.begin_new_segment();
        wait_until("a failure", || traced.calls("(INJECTED)").len() >= round);
    }
    let gaps = || {
        let listed = answer(ctrecorder().args(["list", "-H"]).arg(traced.recorder.directory()));
        listed.stderr.lines().filter(|line| line.contains("disk error, number of events lost not known")).count()
    };
    wait_until("gaps", || gaps() >= 2);
    let log = traced.recorder.log();
    assert_eq!(log.matches("cannot be synced: Input/output error").count(), 1, "{log}");
    traced.recorder.stop();
    assert_eq!(traced.recorder.list().len(), 400);
}

#[test]
fn a_sync_that_fails_at_the_end_is_an_error_of_the_end() {
    for mode in ["block", "interval"] {
        let mut traced = Traced::start(mode, "fdatasync,fsync", &["-e", "inject=fdatasync,fsync:error=EIO"]);
        make_flows(&traced.namespace, 0..100, true);
        traced.recorder.wait_for_records(200);
        assert_eq!(traced.recorder.end(Signal::SIGTERM).code(), Some(5), "{mode}: {}", traced.recorder.log());
        assert!(traced.recorder.log().contains("Input/output error"), "{mode}: {}", traced.recorder.log());
    }
}

/// Once the disk has told of a failure, it does not tell of it again.
#[test]
fn a_failure_that_could_not_be_noted_any_more_is_an_error_of_the_end() {
    let mut traced = Traced::start("block", "fdatasync", &["-e", "inject=fdatasync:error=EIO"]);
    make_flows(&traced.namespace, 0..100, true);
    traced.recorder.wait_for_records(200);
    assert_eq!(traced.recorder.end(Signal::SIGTERM).code(), Some(5), "{}", traced.recorder.log());
    let expected = "an unknown number of events could not be written at the end: the disk did not take all of it";
    assert!(traced.recorder.log().contains(expected), "{}", traced.recorder.log());
}

/// strace holds each sync for longer than the test lasts.
#[test]
fn a_disk_that_does_not_answer_holds_nothing_up() {
    let traced = Traced::start("interval", "fdatasync", &["-e", "inject=fdatasync:delay_enter=600000000"]);
    for round in 1..4 {
        make_flows(&traced.namespace, 0..100, true);
        traced.recorder.wait_for_records(200 * round);
        traced.begin_new_segment();
    }
    make_flows(&traced.namespace, 0..100, true);
    traced.recorder.wait_for_records(800);
    assert!(traced.thread("sync").is_some(), "something was to be synced");
    assert_eq!(traced.calls(") = 0").len(), 0, "{:?}", traced.calls(""));
}
