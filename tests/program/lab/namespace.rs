//! A named network namespace.

use std::fs::{self, File};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sched::{CloneFlags, setns};

/// A network namespace with only a loopback device in it, removed when dropped.
pub struct Namespace {
    name: String,
    handle: File,
}

impl Namespace {
    /// Makes a namespace whose name is unique and tells its `role` to whoever runs `ip netns list`.
    pub fn new(role: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("ctrecorder-{}-{number}-{role}", process::id());
        succeed(Command::new("ip").args(["netns", "add", &name]));
        let handle = File::open(format!("/run/netns/{name}")).expect("ip has just made it");
        let namespace = Self { name, handle };
        namespace.ip("link set lo up");
        namespace
    }

    /// The name that `ip -n` and `ip netns exec` know it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives another namespace this id (nsid) in this one.
    pub fn name_netns(&self, other: &Self, id: u32) {
        self.ip(&format!("netns set {} {id}", other.name));
    }

    /// Does `work` inside. A socket made there stays there wherever it is used, and so does a program started there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        // A namespace is a property of the thread: that of a test goes back to nobody but the test harness.
        let inside = || {
            setns(&self.handle, CloneFlags::CLONE_NEWNET).expect("only root may enter a network namespace");
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs `ip` on this namespace; `arguments` are separated by spaces.
    pub fn ip(&self, arguments: &str) {
        succeed(Command::new("ip").args(["-n", &self.name]).args(arguments.split(' ')));
    }

    /// Runs a program inside to its end and returns its standard output. Panics if it fails.
    pub fn run(&self, command: &mut Command) -> String {
        self.enter(|| succeed(command))
    }

    /// Sets `/proc/sys/net/PATH`.
    pub fn sysctl(&self, path: &str, value: impl ToString) {
        let (path, value) = (format!("/proc/sys/net/{path}"), value.to_string());
        self.enter(|| fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}")));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Not `succeed`: a panic while another one unwinds would abort all tests.
        if let Err(error) = Command::new("ip").args(["netns", "delete", &self.name]).status() {
            eprintln!("{}: left behind: {error}", self.name);
        }
    }
}

/// Runs `command` and returns its standard output. Panics with its standard error unless it succeeds.
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {stderr}", output.status);
    String::from_utf8(output.stdout).expect("what these programs print is UTF-8")
}
