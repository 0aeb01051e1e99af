//! A running recorder, and flows made for it.

use std::fs;
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use ctrecorder::netlink::request::{self, NewFlow};
use ctrecorder::netlink::socket::RequestSocket;
use ctrecorder_format::{Body, Note, Segment};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::lab::{Namespace, Process, wait_for, wait_until};
use crate::program::{self, Answer, answer, ctrecorder};

/// The recorder in the foreground, with a directory of its own for its segments.
pub struct Recorder {
    process: Process,
    directory: TempDir,
}

impl Recorder {
    /// Starts it in `namespace` with segments of this name in a new directory, and these further arguments; returns
    /// when no later event can escape it.
    pub fn start(namespace: &Namespace, pattern: &str, arguments: &[&str]) -> Self {
        Self::start_in(TempDir::new().unwrap(), namespace, pattern, arguments)
    }

    /// The same in a directory that is there already.
    pub fn start_in(directory: TempDir, namespace: &Namespace, pattern: &str, arguments: &[&str]) -> Self {
        Self { process: launch(directory.path(), namespace, pattern, arguments), directory }
    }

    /// The same in the directory of one that has ended.
    pub fn start_again(self, namespace: &Namespace, pattern: &str, arguments: &[&str]) -> Self {
        Self::start_in(self.directory, namespace, pattern, arguments)
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }

    /// Ends it with this signal.
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.process.wait()
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        let status = self.end(Signal::SIGTERM);
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// One that was started otherwise, with its segments in this directory and nothing else.
    pub const fn of(process: Process, directory: TempDir) -> Self {
        Self { process, directory }
    }

    /// Its segments in order of their names.
    pub fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> =
            fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// The lines of a list of all that is in the files by now.
    pub fn list(&self) -> Vec<String> {
        let listed = answer(ctrecorder().args(["list", "-H"]).arg(self.directory.path()));
        assert_eq!(listed.status, 0, "{}", listed.stderr);
        listed.stdout.lines().map(str::to_owned).collect()
    }

    /// What `ctrecorder test` says of all segments.
    pub fn test(&self) -> Answer {
        answer(ctrecorder().arg("test").arg(self.directory.path()))
    }

    /// Waits until so many records are in the files.
    pub fn wait_for_records(&self, count: usize) {
        wait_until("records to reach the file", || self.list().len() >= count);
    }

    /// Lets the second pass in which its segment was begun: a wish for a new one within that would be met by it.
    pub fn outlive_first_second(&self) {
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }

    /// Waits until there are so many segments.
    pub fn wait_for_segments(&self, count: usize) -> Vec<PathBuf> {
        wait_for("segments", || Some(self.segments()).filter(|segments| segments.len() >= count))
    }
}

/// Starts a recorder, and waits until it turns signals into commands, and knows which flows were there before.
fn launch(directory: &Path, namespace: &Namespace, pattern: &str, arguments: &[&str]) -> Process {
    let mut command = Command::new(program::PATH);
    command.env("TZ", "UTC").args(["capture", "--foreground", "--file"]).arg(directory.join(pattern));
    let mut process = Process::start(namespace, command.args(arguments));
    process.wait_until_listening();
    wait_until("the recorder to read the kernel's table", || process.stderr().contains(" alive"));
    process
}

/// Puts TCP flows with these numbers into the namespace's table and, if told to, takes them out again: two events each.
pub fn make_flows(namespace: &Namespace, numbers: Range<u32>, end: bool) {
    let mut creations = Vec::new();
    numbers.clone().for_each(|number| request::create(&mut creations, &flow(number)));
    namespace.enter(RequestSocket::open).unwrap().execute_all(&creations).unwrap();
    if end {
        end_flows(namespace, numbers);
    }
}

/// Takes the flows with these numbers out of the table.
pub fn end_flows(namespace: &Namespace, numbers: Range<u32>) {
    let mut deletions = Vec::new();
    for flow in numbers.map(flow) {
        request::delete(&mut deletions, &flow.original, flow.protocol, flow.zone);
    }
    namespace.enter(RequestSocket::open).unwrap().execute_all(&deletions).unwrap();
}

/// The notes of a segment, as far as it can be read.
pub fn notes(path: &Path) -> Vec<Note> {
    let bytes = fs::read(path).unwrap();
    if bytes.is_empty() {
        // It was created just now.
        return Vec::new();
    }
    let segment = Segment::open(&bytes).unwrap();
    let blocks = segment.blocks().filter_map(Result::ok);
    blocks.flat_map(|block| if let Body::Notes(notes) = block.body { notes.to_vec() } else { Vec::new() }).collect()
}

/// The text by which a list names the flow of this number.
pub fn text(number: u32) -> String {
    let flow = flow(number);
    let tuple = |tuple: &ctrecorder::netlink::Tuple| {
        format!("src={}:{} dst={}:{}", tuple.src, tuple.sport, tuple.dst, tuple.dport)
    };
    format!("{} {}", tuple(&flow.original), tuple(&flow.reply))
}

fn flow(number: u32) -> NewFlow {
    let (inside, peer) = (IpAddr::from((0x0a00_0000 + number / 1000).to_be_bytes()), IpAddr::from([198, 51, 100, 7]));
    let public = IpAddr::from((0xcb00_7100 + number / 60_000).to_be_bytes());
    let (port, public_port) = (1024 + (number % 1000) as u16, 1024 + (number % 60_000) as u16);
    let tuple = |src, dst, sport, dport| ctrecorder::netlink::Tuple { src, dst, sport, dport };
    NewFlow {
        original: tuple(inside, peer, port, 443),
        reply: tuple(peer, public, 443, public_port),
        protocol: 6,
        timeout_s: 600,
        status: 0,
        mark: 0,
        zone: 0,
        tcp_state: 3,
    }
}
