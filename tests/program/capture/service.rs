//! What a service manager hears of a recorder (sd_notify(3)), and the journal of its messages (sd-daemon(3)).

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::capture::recorder::{Recorder, make_flows};
use crate::lab::{Namespace, Process, wait_for, wait_until};
use crate::program;
use crate::small_disk::SmallDisk;

/// So long a service manager would wait for the next sign of life.
const WATCHDOG: Duration = Duration::from_secs(5);

/// The end of the socket that systemd would have, and a recorder at the other one.
struct Service {
    manager: UnixDatagram,
    recorder: Recorder,
    namespace: Namespace,
    _directory: TempDir,
}

impl Service {
    /// Starts a recorder that is to give signs of life.
    fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), &[])
    }

    /// The same with its segments in this directory, and these further arguments.
    fn start_in(segments: TempDir, arguments: &[&str]) -> Self {
        let (namespace, directory) = (Namespace::new("service"), TempDir::new().unwrap());
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(WATCHDOG)).unwrap();
        let mut command = Command::new(program::PATH);
        command.args(["capture", "-F", "-f"]).arg(segments.path().join("ct.%s")).args(arguments);
        command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        let process = Process::start(&namespace, &mut command);
        Self { manager, recorder: Recorder::of(process, segments), namespace, _directory: directory }
    }

    /// The next thing that it says; `None` if it is silent for longer than it may.
    fn hear(&self) -> Option<String> {
        hear(&self.manager)
    }

    /// Waits until it says something that begins like this; returns that.
    fn await_word(&self, word: &str) -> String {
        wait_for(word, || self.hear().filter(|message| message.starts_with(word)))
    }

    /// Has this system call of its thread of this name last for ever, until what is returned is dropped.
    fn hang(&self, thread: &str, call: &str) -> Process {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.recorder.id())).unwrap();
        let mut tasks = tasks.map(|task| task.unwrap().path());
        let comm = |task: &std::path::Path| fs::read_to_string(task.join("comm")).unwrap();
        let task = tasks.find(|task| comm(task).trim() == thread).expect(thread);
        let mut command = Command::new("strace");
        command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:delay_enter=3600000000"), "-p"]);
        Process::start(&self.namespace, command.arg(task.file_name().unwrap()))
    }
}

/// The next message; `None` if there is none for as long as the socket waits.
fn hear(manager: &UnixDatagram) -> Option<String> {
    let mut message = [0; 4096];
    loop {
        match manager.recv(&mut message) {
            Ok(length) => return Some(String::from_utf8(message[..length].to_vec()).unwrap()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn the_service_manager_is_told_of_the_start_of_reloads_and_of_the_end() {
    let mut service = Service::start();
    service.await_word("READY=1");
    // What was recorded when that was said is there, and what was logged is on its way.
    wait_until("that to be logged", || service.recorder.log().contains(" alive"));
    let [first] = service.recorder.segments().try_into().unwrap();

    make_flows(&service.namespace, 0..7, false);
    service.recorder.wait_for_records(7);
    let figures =
        format!("STATUS=recording into {}: 7 flows alive; 7 starts, 0 ends received, 0 events lost", first.display());
    wait_until("figures", || service.await_word("STATUS=") == figures);

    service.recorder.outlive_first_second();
    service.recorder.signal(Signal::SIGHUP);
    let reloading = service.await_word("RELOADING=1\nMONOTONIC_USEC=");
    assert!(reloading.rsplit('=').next().unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
    service.await_word("READY=1");
    assert_eq!(service.recorder.segments().len(), 2);

    service.recorder.stop();
    service.await_word("STOPPING=1");
}

/// Of the other network namespaces it hears only if what writes there hangs.
#[test]
fn with_several_network_namespaces_it_is_told_once_of_each_and_nothing_if_the_writing_side_of_any_hangs() {
    let service = Service::start_in(TempDir::new().unwrap(), &["--all-netns"]);
    let other = Namespace::new("other");
    service.namespace.name_netns(&other, 3);
    make_flows(&other, 0..1, true);
    let record = |count| wait_until("tables to be read", || service.recorder.log().matches(" alive").count() == count);
    record(2);
    service.recorder.outlive_first_second();
    service.recorder.signal(Signal::SIGHUP);
    service.recorder.wait_for_segments(4);
    let mut heard: Vec<String> = Vec::new();
    wait_until("the reload and a second more", || {
        heard.extend(service.hear());
        let reload = heard.iter().position(|message| message.starts_with("RELOADING=1"));
        reload.is_some_and(|at| heard[at..].iter().filter(|message| *message == "WATCHDOG=1").count() > 1)
    });
    let status = heard.iter().rfind(|message| message.starts_with("STATUS=")).unwrap();
    assert!(status.starts_with("STATUS=recording 2 network namespaces into "), "{status}");
    let count = |word: &str| heard.iter().filter(|message| message.starts_with(word)).count();
    assert_eq!((count("READY=1"), count("RELOADING=1")), (2, 1), "{heard:#?}");
    let hanging = service.hang("netns 3", "write");
    wait_until("silence", || {
        make_flows(&other, 0..1, true);
        service.hear().is_none()
    });
    drop(hanging);
    service.await_word("WATCHDOG=1");
}

#[test]
fn that_the_disk_takes_nothing_is_in_the_status() {
    let (disk, inside) = SmallDisk::mount();
    fs::write(inside.path().join("ballast"), vec![0; 900 * 1024]).unwrap();
    let service = Service::start_in(inside, &["-B", "3000"]);
    for first in (0..8000).step_by(500) {
        make_flows(&service.namespace, first..first + 500, true);
    }
    let word = "STATUS=NOTHING IS WRITTEN, the disk refuses, and events wait in memory: recording into ";
    service.await_word(word);
    service.await_word("WATCHDOG=1");
    drop(service);
    drop(disk);
}

/// Of a thread that hangs, the service manager hears by hearing nothing, as long as that lasts.
#[test]
fn a_recorder_of_which_either_side_hangs_gives_no_sign_of_life() {
    let service = Service::start();
    for (thread, call) in [("write", "write"), ("ctrecorder", "recvmmsg")] {
        service.await_word("WATCHDOG=1");
        let hanging = service.hang(thread, call);
        wait_until(&format!("{thread} to be silent"), || {
            // Something to write, or to receive.
            make_flows(&service.namespace, 0..1, true);
            service.hear().is_none()
        });
        drop(hanging);
    }
    service.await_word("WATCHDOG=1");
}

#[test]
fn a_service_manager_that_reads_nothing_does_not_stop_the_recorder() {
    let mut service = Service::start();
    service.await_word("READY=1");
    // The socket takes so many messages that nobody reads (net.unix.max_dgram_qlen), and no more.
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    let address = service.manager.local_addr().unwrap();
    while filler.send_to_addr(b"STATUS=filler", &address).is_ok() {}
    make_flows(&service.namespace, 0..10, true);
    service.recorder.wait_for_records(20);
    service.recorder.outlive_first_second();
    service.recorder.signal(Signal::SIGHUP);
    service.recorder.wait_for_segments(2);
    // Once it reads again it hears what it has to: that the reload is over.
    service.await_word("READY=1");
    service.recorder.stop();
}

#[test]
fn another_process_that_is_to_be_watched_is_not_this_one() {
    let (namespace, directory) = (Namespace::new("another"), TempDir::new().unwrap());
    let manager = UnixDatagram::bind(directory.path().join("notify")).unwrap();
    let mut command = Command::new(program::PATH);
    command.args(["capture", "-F", "-f"]).arg(directory.path().join("ct"));
    command.env("NOTIFY_SOCKET", directory.path().join("notify"));
    command.env("WATCHDOG_USEC", "5000000").env("WATCHDOG_PID", "1");
    let mut process = Process::start(&namespace, &mut command);
    let mut heard = Vec::new();
    // The figures are told a second after the start, with the first sign of life if there were one, and behind it.
    while !heard.iter().any(|message: &String| message.starts_with("STATUS=")) {
        heard.extend(hear(&manager));
    }
    assert!(!heard.iter().any(|message| message.starts_with("WATCHDOG")), "{heard:?}");
    process.signal(Signal::SIGTERM);
    assert!(process.wait().success());
}

/// The journal makes a field of the number in front; a terminal, or a file, gets time and level in words.
#[test]
fn messages_to_the_journal_have_their_priorities_in_front_and_no_times() {
    let (namespace, directory) = (Namespace::new("journal"), TempDir::new().unwrap());
    namespace.sysctl("netfilter/nf_conntrack_events", 0);
    let run = |name: &str, stream: &str| {
        let script = format!("export JOURNAL_STREAM={stream}; exec {} capture -F -f \"$0\"", program::PATH);
        let mut command = Command::new("sh");
        let mut process = Process::start(&namespace, command.args(["-c", &script]).arg(directory.path().join(name)));
        wait_until("the recorder to run", || process.stderr().contains(" alive"));
        process.signal(Signal::SIGTERM);
        assert!(process.wait().success());
        process.stderr()
    };
    let journal = run("journal", "$(stat -L -c %d:%i /proc/self/fd/2)");
    assert!(journal.lines().all(|line| line.starts_with("<4>") || line.starts_with("<6>")), "{journal}");
    assert!(journal.contains("\n<6>0 flows are alive"), "{journal}");
    assert!(journal.contains("<4>events: nf_conntrack_events is 0"), "{journal}");
    // A shell that sends it elsewhere hands the variable on.
    let file = run("file", "1:1");
    assert!(file.contains(" INFO 0 flows are alive"), "{file}");
}
