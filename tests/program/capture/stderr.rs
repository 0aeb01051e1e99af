//! Standard error that nobody reads: a full pipe, a terminal after Ctrl-S. It stops nothing of a recorder.

use std::fs::{self, File};
use std::io::{PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::capture::recorder::make_flows;
use crate::lab::{Namespace, listens_to_events, wait_for, wait_until};
use crate::program::{answer, ctrecorder};

/// A recorder in the foreground whose standard error is the test's to read.
struct Unheard {
    namespace: Namespace,
    directory: TempDir,
    child: Child,
}

impl Unheard {
    fn start(role: &str, stderr: OwnedFd) -> Self {
        Self::start_in(role, stderr, &[])
    }

    /// The same with these variables in its environment.
    fn start_in(role: &str, stderr: OwnedFd, environment: &[(&str, &str)]) -> Self {
        let (namespace, directory) = (Namespace::new(role), TempDir::new().unwrap());
        let mut command = Command::new(crate::program::PATH);
        command.args(["capture", "-F", "-f"]).arg(directory.path().join("ct.%s")).stderr(Stdio::from(stderr));
        command.envs(environment.iter().copied());
        let child = namespace.enter(|| command.spawn().unwrap());
        // This process has no end of it open any more that it could be written by.
        drop(command);
        wait_until("it to listen", || listens_to_events(child.id()));
        Self { namespace, directory, child }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Has it log its figures once more.
    fn ask_for_figures(&self) {
        self.signal(Signal::SIGUSR1);
        let is_pending = |status: &str| {
            let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:\t")).unwrap();
            u64::from_str_radix(pending, 16).unwrap() != 0
        };
        let path = format!("/proc/{}/status", self.child.id());
        wait_until("the signal to be taken", || !is_pending(&fs::read_to_string(&path).unwrap()));
    }

    fn segments(&self) -> Vec<PathBuf> {
        fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// Sees to it that it records, and begins segments, though nobody hears what it says.
    fn works(&self) {
        make_flows(&self.namespace, 0..10, true);
        let records = || answer(ctrecorder().args(["list", "-H"]).arg(self.directory.path())).stdout.lines().count();
        wait_until("events to be written", || records() == 20);
        let before = self.segments().len();
        // Within the second in which the last one was begun there is none yet.
        wait_until("a new segment", || {
            self.signal(Signal::SIGHUP);
            self.segments().len() > before
        });
    }

    /// Ends it in order.
    fn end(mut self) -> (ExitStatus, TempDir) {
        self.signal(Signal::SIGTERM);
        let status = wait_for("it to end", || self.child.try_wait().unwrap());
        (status, std::mem::replace(&mut self.directory, TempDir::new().unwrap()))
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All of its segments have their footers.
fn is_whole(directory: &Path) {
    let tested = answer(ctrecorder().arg("test").arg(directory));
    assert_eq!(tested.status, 0, "{}", tested.stdout);
}

/// So often the figures are asked for: of several at once a recorder that is busy logs some alone, and even so they are more than its own
/// queue holds.
const OFTEN: usize = 4000;

#[test]
fn a_pipe_that_nobody_reads_stops_neither_the_recording_nor_its_end() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    fill(&mut writer);
    let recorder = Unheard::start("pipe", writer.into());
    (0..OFTEN).for_each(|_| recorder.ask_for_figures());
    recorder.works();
    let (status, directory) = recorder.end();
    assert!(status.success(), "{status}");
    is_whole(directory.path());
    drop(reader);
}

#[test]
fn who_reads_again_is_told_how_much_was_not_said() {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    fill(&mut writer);
    let recorder = Unheard::start("pipe-again", writer.into());
    (0..OFTEN).for_each(|_| recorder.ask_for_figures());
    let reading = std::thread::spawn(move || {
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        said
    });
    assert!(recorder.end().0.success());
    let said = reading.join().unwrap();
    let (before, after) = said.split_once(" messages before this found no room\n").expect(&said);
    let (line, count) = before.rsplit_once(' ').unwrap();
    assert!(line.ends_with(" WARN") && count.parse::<u64>().unwrap() > 0, "{line} {count}");
    // The figures at the end may be the last of what found no room, if the reader was slow.
    let has_figures = |said: &str| said.contains("received 0 starts");
    assert!(before.contains("recording") && (after.is_empty() || has_figures(after)), "{after}");
}

#[test]
fn a_terminal_after_ctrl_s_stops_neither_the_recording_nor_its_end() {
    let pair = openpty(None, None).unwrap();
    let mut terminal = File::from(pair.master);
    let recorder = Unheard::start("terminal", pair.slave);
    terminal.write_all(b"\x13").unwrap();
    recorder.works();
    let (status, directory) = recorder.end();
    assert!(status.success(), "{status}");
    is_whole(directory.path());
}

/// What is not this command's is told before the recorder is started.
#[test]
fn a_variable_of_the_environment_that_is_passed_over_stops_no_start() {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let written = fill(&mut writer);
    let recorder = Unheard::start_in("variable", writer.into(), &[("CTRECORDER_ELSEWHERE", "1")]);
    recorder.works();
    let reading = std::thread::spawn(move || {
        let mut said = Vec::new();
        reader.read_to_end(&mut said).unwrap();
        said
    });
    assert!(recorder.end().0.success());
    let said = reading.join().unwrap();
    let said = String::from_utf8_lossy(&said[written..]);
    let told = said.find("CTRECORDER_ELSEWHERE").unwrap_or_else(|| panic!("{said}"));
    assert!(said.find("recording").is_some_and(|recording| told < recording), "{said}");
}

/// Has a pipe take as much as it does; returns how much that was.
fn fill(writer: &mut PipeWriter) -> usize {
    fcntl(&*writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let written = std::iter::from_fn(|| writer.write(&[b'x'; 4096]).ok()).sum();
    fcntl(&*writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    written
}

#[test]
fn nobody_waits_to_say_why_a_recorder_has_ended() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // As full as it gets: what somebody else wrote.
    let writing = std::thread::spawn({
        let mut writer = writer.try_clone().unwrap();
        move || writer.write_all(&vec![b'x'; 1 << 20])
    });
    let (namespace, directory) = (Namespace::new("full-pipe"), TempDir::new().unwrap());
    let mut command = Command::new(crate::program::PATH);
    command.args(["capture", "-F", "-f"]).arg(directory.path().join("nowhere/ct"));
    command.stderr(writer.try_clone().unwrap());
    let mut child = namespace.enter(|| command.spawn().unwrap());
    let status = wait_for("it to end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(5));
    drop((reader, command));
    assert!(writer.write_all(b"x").is_err() && writing.join().unwrap().is_err(), "nobody read it");
}
