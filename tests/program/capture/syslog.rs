//! Messages of a recorder in the background: to whoever listens at /dev/log, a syslog or the journal, whenever that comes.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use tempfile::TempDir;

use crate::capture::background::Daemon;
use crate::lab::{Namespace, wait_until};
use crate::program::{Answer, answer, ctrecorder};

/// A machine whose /dev is a directory of the test's own, so that it may have a syslog of the test's own.
struct Machine {
    namespace: Namespace,
    devices: TempDir,
    directory: TempDir,
}

impl Machine {
    fn new() -> Self {
        let devices = TempDir::new().unwrap();
        let null = devices.path().join("null");
        mknod(&null, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)).unwrap();
        Self { namespace: Namespace::new("syslog"), devices, directory: TempDir::new().unwrap() }
    }

    /// Where its syslog listens.
    fn socket(&self) -> PathBuf {
        self.devices.path().join("log")
    }

    /// Runs the program there.
    fn run<A: AsRef<OsStr> + Sync>(&self, arguments: &[A]) -> Answer {
        self.namespace.enter(|| {
            // A mount namespace is one of the thread's, as the network's is.
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let none = None::<&Path>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            mount(Some(self.devices.path()), "/dev", none, MsFlags::MS_BIND, none).unwrap();
            answer(ctrecorder().args(arguments))
        })
    }

    /// Starts a recorder in the background.
    fn record(&self) -> (Answer, Daemon) {
        let [file, pid_file] = ["ct", "pid"].map(|name| self.directory.path().join(name));
        let arguments = ["capture".as_ref(), "-f".as_ref(), file.as_os_str(), "-P".as_ref(), pid_file.as_os_str()];
        let started = self.run(&arguments);
        assert_eq!(started.status, 0, "{started:?}");
        (started, Daemon::of(&pid_file))
    }
}

/// Whoever listens for datagrams at a path, and what it has heard.
struct Syslog(UnixDatagram);

impl Syslog {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(socket)
    }

    /// The next message with these words.
    fn wait_for(&self, words: &str) -> String {
        let mut message = [0; 4096];
        loop {
            let length = self.0.recv(&mut message).unwrap_or_else(|error| panic!("{words}: {error}"));
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            if text.contains(words) {
                return text;
            }
        }
    }
}

fn end(daemon: &Daemon) {
    kill(daemon.pid, Signal::SIGTERM).unwrap();
    wait_until("the recorder to end", || !daemon.is_alive());
}

#[test]
fn a_syslog_hears_each_message_with_its_priority_and_who_sent_it() {
    let machine = Machine::new();
    let syslog = Syslog::listen(&machine.socket());
    let (started, daemon) = machine.record();
    assert!(!started.stderr.contains("syslog"), "{}", started.stderr);
    let by = format!(" ctrecorder[{}]: ", daemon.pid);
    // Facility daemon (3), times 8, and 4 for a warning, 6 for what is none (RFC 3164).
    for (words, priority) in [("tracking: ", "<28>"), ("/ct: recording", "<30>")] {
        let message = syslog.wait_for(words);
        let (time, text) = message.strip_prefix(priority).and_then(|rest| rest.split_once(&by)).expect(&message);
        assert!(time.len() == 15 && text.trim_end().len() > words.len(), "{message}");
    }
    end(&daemon);
    syslog.wait_for("received 0 starts, 0 ends");
}

#[test]
fn a_syslog_that_comes_later_or_comes_again_hears_what_is_said_from_then_on() {
    let machine = Machine::new();
    let (started, daemon) = machine.record();
    assert!(started.stderr.contains("no syslog takes messages at /dev/log"), "{}", started.stderr);
    for _ in 0..2 {
        let syslog = Syslog::listen(&machine.socket());
        kill(daemon.pid, Signal::SIGUSR1).unwrap();
        syslog.wait_for("received 0 starts");
        fs::remove_file(machine.socket()).unwrap();
    }
    // Without any, the recorder goes on.
    kill(daemon.pid, Signal::SIGUSR1).unwrap();
    end(&daemon);
}

#[test]
fn doctor_says_of_a_recorder_in_the_background_whether_anybody_hears_it() {
    let machine = Machine::new();
    let [pattern, config] = ["ct.%s", "config"].map(|name| machine.directory.path().join(name));
    let [pattern, config] = [&pattern, &config].map(|path| path.to_str().unwrap());
    fs::write(config, format!("[capture]\nfile = {pattern:?}\nforeground = true\n")).unwrap();
    let said = |arguments: &[&str]| {
        let said = machine.run(&[&["doctor"], arguments].concat()).stdout;
        said.lines().find(|line| line.contains(" messages ")).map(str::to_owned)
    };
    let unheard = said(&["-f", pattern]).unwrap();
    assert!(unheard.starts_with("warning  messages    no syslog takes messages at /dev/log"), "{unheard}");
    for arguments in [&["-f", pattern, "-F"][..], &["--config", config], &[]] {
        assert_eq!(said(arguments), None, "{arguments:?}");
    }
    let _syslog = Syslog::listen(&machine.socket());
    assert_eq!(said(&["-f", pattern]).as_deref(), Some("ok       messages    a syslog takes them"));
}

#[test]
fn a_syslog_that_takes_a_stream_hears_it_too() {
    let machine = Machine::new();
    let listener = UnixListener::bind(machine.socket()).unwrap();
    let heard = thread::spawn(move || {
        let (mut stream, mut heard) = (listener.accept().unwrap().0, Vec::new());
        stream.read_to_end(&mut heard).unwrap();
        String::from_utf8(heard).unwrap()
    });
    let (started, daemon) = machine.record();
    assert!(!started.stderr.contains("syslog"), "{}", started.stderr);
    end(&daemon);
    let heard = heard.join().unwrap();
    let of_end = |message: &str| message.starts_with("<30>") && message.contains("received 0 starts");
    assert!(heard.split_terminator('\0').any(of_end), "{heard:?}");
}

/// A syslog that has stopped reading must not stop the recorder.
#[test]
fn nobody_waits_for_a_syslog_that_hears_nothing_any_more() {
    let machine = Machine::new();
    let syslog = Syslog::listen(&machine.socket());
    let (_, daemon) = machine.record();
    syslog.wait_for(" alive");
    let path = machine.directory.path().join("ct");
    // More than anybody's queue holds.
    for _ in 0..64 {
        kill(daemon.pid, Signal::SIGUSR1).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    crate::capture::recorder::make_flows(&machine.namespace, 0..10, true);
    wait_until("events to be written", || {
        answer(ctrecorder().args(["list", "-H"]).arg(&path)).stdout.lines().count() == 20
    });
    // As soon as there is room, it is told how much there was not.
    syslog.0.set_nonblocking(true).unwrap();
    while syslog.0.recv(&mut [0]).is_ok() {}
    syslog.0.set_nonblocking(false).unwrap();
    end(&daemon);
    let missed = syslog.wait_for(" messages before this found no room");
    assert!(missed.starts_with("<28>"), "{missed}");
    syslog.wait_for("received 10 starts, 10 ends");
}
