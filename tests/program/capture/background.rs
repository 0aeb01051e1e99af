//! The daemon: pid file, second instance, and errors that reach the caller.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::capture::recorder::make_flows;
use crate::lab::{Namespace, wait_until};
use crate::program::{Answer, answer, ctrecorder};

/// A daemon by its pid file, killed when dropped.
pub(super) struct Daemon {
    pid_file: std::path::PathBuf,
    pub(super) pid: Pid,
}

impl Daemon {
    pub(super) fn of(pid_file: &Path) -> Self {
        let text = fs::read_to_string(pid_file).unwrap();
        Self { pid_file: pid_file.to_path_buf(), pid: Pid::from_raw(text.trim().parse().unwrap()) }
    }

    /// Whether it runs: a process that ended stays in the table until its parent looks.
    pub(super) fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It is the daemon's own number as long as its pid file is there.
        if self.pid_file.exists() {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }
}

fn capture(namespace: &Namespace, arguments: &[&str], segment: &Path, pid_file: &Path) -> Answer {
    namespace.enter(|| answer(ctrecorder().args(["-C", "-f"]).arg(segment).arg("-P").arg(pid_file).args(arguments)))
}

#[test]
fn it_records_in_the_background_until_told_to_end_and_removes_its_pid_file() {
    let (namespace, directory) = (Namespace::new("daemon"), TempDir::new().unwrap());
    let (segment, pid_file) = (directory.path().join("ct"), directory.path().join("pid"));
    // Nothing is to be told: flows are tracked here.
    namespace
        .run(Command::new("nft").arg("table inet t { chain c { type filter hook input priority 0; ct state new; }; }"));
    let started = capture(&namespace, &[], &segment, &pid_file);
    assert_eq!((started.status, started.stdout.as_str()), (0, ""));
    // But that its messages go nowhere, where that is so.
    let unheard = "ctrecorder: no syslog takes messages at /dev/log (No such file or directory (os error 2)): they go nowhere; \
                   --foreground writes them to standard error\n";
    assert_eq!(started.stderr, if Path::new("/dev/log").exists() { "" } else { unheard });
    let daemon = Daemon::of(&pid_file);
    assert!(daemon.is_alive());
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", daemon.pid)).unwrap(), Path::new("/"));
    make_flows(&namespace, 0..20, true);
    kill(daemon.pid, Signal::SIGTERM).unwrap();
    wait_until("the daemon to end", || !daemon.is_alive());
    assert!(!pid_file.exists());
    assert_eq!(answer(ctrecorder().args(["-L", "-f"]).arg(&segment)).stdout.lines().count(), 40);
    assert_eq!(answer(ctrecorder().arg("test").arg(&segment)).status, 0);
}

#[test]
fn a_second_one_with_the_same_pid_file_does_not_start() {
    let (namespace, directory) = (Namespace::new("second"), TempDir::new().unwrap());
    let (segment, pid_file) = (directory.path().join("ct"), directory.path().join("pid"));
    assert_eq!(capture(&namespace, &[], &segment, &pid_file).status, 0);
    let daemon = Daemon::of(&pid_file);
    for arguments in [&[][..], &["-F"]] {
        let second = capture(&namespace, arguments, &directory.path().join("other"), &pid_file);
        assert_eq!(second.status, 5);
        let expected = format!("a recorder is running already (process {})", daemon.pid);
        assert!(second.stderr.contains(&expected), "{}", second.stderr);
        assert!(!directory.path().join("other").exists());
    }
    kill(daemon.pid, Signal::SIGTERM).unwrap();
    wait_until("the daemon to end", || !daemon.is_alive());
}

#[test]
fn a_stale_pid_file_is_taken_over() {
    let (namespace, directory) = (Namespace::new("stale"), TempDir::new().unwrap());
    let (segment, pid_file) = (directory.path().join("ct"), directory.path().join("pid"));
    fs::write(&pid_file, "4194304000 left by a crash, and longer than a pid\n").unwrap();
    assert_eq!(capture(&namespace, &[], &segment, &pid_file).status, 0);
    let daemon = Daemon::of(&pid_file);
    assert!(daemon.is_alive());
    kill(daemon.pid, Signal::SIGTERM).unwrap();
    wait_until("the daemon to end", || !daemon.is_alive());
}

#[test]
fn errors_of_the_start_reach_the_caller() {
    let (namespace, directory) = (Namespace::new("errors"), TempDir::new().unwrap());
    let segment = directory.path().join("ct");
    fs::write(&segment, "mine").unwrap();
    let exists = capture(&namespace, &[], &segment, &directory.path().join("pid"));
    assert_eq!(exists.status, 5);
    assert!(exists.stderr.contains("exists, and is never overwritten"), "{}", exists.stderr);
    assert_eq!(fs::read_to_string(&segment).unwrap(), "mine");
    assert!(!directory.path().join("pid").exists(), "no pid file is left behind");

    let lost = capture(&namespace, &[], &directory.path().join("no/such/ct"), &directory.path().join("pid"));
    assert_eq!(lost.status, 5);
    assert!(lost.stderr.contains("no such directory"), "{}", lost.stderr);
}

#[test]
fn warnings_of_the_start_reach_the_caller() {
    let (namespace, directory) = (Namespace::new("warning"), TempDir::new().unwrap());
    namespace.sysctl("netfilter/nf_conntrack_events", 0);
    let pid_file = directory.path().join("pid");
    let started = capture(&namespace, &[], &directory.path().join("ct"), &pid_file);
    let daemon = Daemon::of(&pid_file);
    kill(daemon.pid, Signal::SIGTERM).unwrap();
    wait_until("the daemon to end", || !daemon.is_alive());
    let advice = "ctrecorder: events: nf_conntrack_events is 0: the kernel reports no events; mend it by: sysctl -w \
                  net.netfilter.nf_conntrack_events=1";
    assert_eq!(started.status, 0);
    assert!(started.stderr.lines().any(|line| line == advice), "{}", started.stderr);
    assert!(!started.stderr.contains("timestamp"), "what costs no records is for the log: {}", started.stderr);
}

#[test]
fn a_pid_file_that_was_replaced_is_not_removed() {
    let (namespace, directory) = (Namespace::new("replaced"), TempDir::new().unwrap());
    let (segment, pid_file) = (directory.path().join("ct"), directory.path().join("pid"));
    assert_eq!(capture(&namespace, &[], &segment, &pid_file).status, 0);
    let daemon = Daemon::of(&pid_file);
    fs::remove_file(&pid_file).unwrap();
    fs::write(&pid_file, "another's").unwrap();
    kill(daemon.pid, Signal::SIGTERM).unwrap();
    wait_until("the daemon to end", || !daemon.is_alive());
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), "another's");
}

#[test]
fn it_holds_nothing_of_the_callers_open_and_a_relative_pid_file_is_the_callers() {
    let (namespace, directory) = (Namespace::new("inherits"), TempDir::new().unwrap());
    // A shell that gives its child one more descriptor, as scripts do.
    let script = format!("exec 9>callers; {} -C -f ct -P pid", crate::program::PATH);
    let mut command = Command::new("sh");
    let started = namespace.enter(|| command.args(["-c", &script]).current_dir(directory.path()).status().unwrap());
    assert!(started.success());
    let daemon = Daemon::of(&directory.path().join("pid"));
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.pid)).unwrap();
    let targets: Vec<_> = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok()).collect();
    assert!(targets.iter().any(|target| target.ends_with("ct")), "{targets:?}");
    assert!(!targets.iter().any(|target| target.ends_with("callers")), "{targets:?}");
    kill(daemon.pid, Signal::SIGTERM).unwrap();
    wait_until("the daemon to end", || !daemon.is_alive());
}
