//! The way into another network namespace, for as long as something is asked there.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::sched::{CloneFlags, setns};

use crate::netlink::socket::RequestSocket;

/// Where namespaces stand that `ip netns` and others gave a name.
const NAMED: &str = "/run/netns";

/// The door of the namespace that has a certain id in the recorder's own.
///
/// It is looked for anew each time, and shut at once: a file or a socket that stayed open would keep the namespace alive, with all
/// its devices, when everything else in it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    id: u32,
    /// The inode number of the namespace that was found first: the id may be given to another one later.
    inode: Option<u64>,
}

impl Door {
    /// The door of the namespace with this id, whichever that is.
    pub(crate) const fn of(id: u32) -> Self {
        Self { id, inode: None }
    }

    /// The inode number of the namespace, once it was entered.
    pub(crate) const fn inode(&self) -> Option<u64> {
        self.inode
    }

    /// Does `work` within, on this thread, which is back when this returns.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN; if neither a name nor a process that may be looked at leads there; or if another one has the id now.
    pub(crate) fn within<T>(&mut self, work: impl FnOnce() -> T) -> io::Result<T> {
        let own = File::open("/proc/thread-self/ns/net")?;
        let namespace = find(self.id)?;
        let inode = namespace.metadata()?.ino();
        if *self.inode.get_or_insert(inode) != inode {
            return Err(io::Error::new(io::ErrorKind::NotFound, "another namespace has its id now"));
        }
        setns(&namespace, CloneFlags::CLONE_NEWNET)?;
        let result = work();
        setns(&own, CloneFlags::CLONE_NEWNET)?;
        Ok(result)
    }
}

/// The namespace that has this id here.
fn find(id: u32) -> io::Result<File> {
    let mut ids = RequestSocket::open_for_netns_ids().map_err(io::Error::other)?;
    let mut seen = HashSet::new();
    for path in candidates() {
        let Ok(namespace) = fs::metadata(&path) else { continue };
        if !seen.insert((namespace.dev(), namespace.ino())) {
            continue;
        }
        // What else stands there is no namespace, and has no id.
        if let Ok(file) = File::open(&path)
            && ids.netns_id(file.as_fd()).is_ok_and(|found| found == Some(id))
        {
            return Ok(file);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "neither a name in /run/netns nor a process leads there"))
}

/// What may lead into some namespace: names first, for there are fewer.
fn candidates() -> impl Iterator<Item = PathBuf> {
    let entries = |directory| fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let named = entries(NAMED).map(|entry| entry.path());
    let is_process = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
    named.chain(entries("/proc").filter(is_process).map(|entry| entry.path().join("ns/net")))
}
