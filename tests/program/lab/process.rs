//! A program that runs beside the test.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{Namespace, wait_for, wait_until};

/// A running program, its output kept in files; killed when dropped.
pub struct Process {
    child: Child,
    output: TempDir,
}

impl Process {
    /// Starts `command` in `namespace`.
    pub fn start(namespace: &Namespace, command: &mut Command) -> Self {
        let output = TempDir::new().unwrap();
        let file = |name: &str| fs::File::create(output.path().join(name)).unwrap();
        command.stdout(file("stdout")).stderr(file("stderr"));
        let child = namespace.enter(|| command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
        Self { child, output }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has written to standard output so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.output.path().join("stdout")).unwrap()
    }

    /// All that it has written to standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.output.path().join("stderr")).unwrap()
    }

    /// Waits until it listens to conntrack events. Panics, with its standard error, if it ends instead.
    pub fn wait_until_listening(&mut self) {
        wait_until("a program to listen to conntrack events", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended ({status}) instead of listening: {}", self.stderr());
            }
            listens_to_events(self.id())
        });
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).expect("a process id is positive");
        signal::kill(Pid::from_raw(id), signal).unwrap();
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("a program to end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether process `id` holds a netfilter netlink socket that is a member of a multicast group.
///
/// Every process of the namespace stands in its `/proc/ID/net/netlink`; the inode tells which socket is its own.
pub fn listens_to_events(id: u32) -> bool {
    const NETLINK_NETFILTER: &str = "12";
    let table = fs::read_to_string(format!("/proc/{id}/net/netlink")).unwrap_or_default();
    let own = inodes_of_sockets(id);
    table.lines().skip(1).any(|line| {
        // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
        let columns: Vec<_> = line.split_whitespace().collect();
        matches!(columns[..], [_, NETLINK_NETFILTER, _, groups, .., inode]
            if groups.bytes().any(|digit| digit != b'0') && own.iter().any(|own| own == inode))
    })
}

fn inodes_of_sockets(id: u32) -> Vec<String> {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{id}/fd")) else {
        return Vec::new();
    };
    let targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok());
    targets.filter_map(|target| inode_of_socket(&target)).collect()
}

fn inode_of_socket(target: &Path) -> Option<String> {
    Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
}
