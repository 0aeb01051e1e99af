//! The way into another network namespace, for as long as something is asked there.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirEntry, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};

use crate::netlink::socket::{OpenError, RequestSocket, netns_cookie};

/// Where namespaces stand that `ip netns` and others gave a name.
const NAMED: &str = "/run/netns";

/// Where the doors of the namespaces are that have an id here. Clones know the same: where one looked for all of them, the
/// others need not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doors(Arc<Mutex<Paths>>);

/// What led into the namespaces when that was last looked at.
#[derive(Debug, Default)]
struct Paths {
    by_id: HashMap<u32, PathBuf>,
    looked: Option<Instant>,
}

/// The door of the namespace that has a certain id in the recorder's own.
///
/// It is shut at once: a file or a socket that stayed open would keep the namespace alive, with all its devices, when everything else in
/// it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// `None`: nobody knows which namespace it is.
    id: Option<u32>,
    doors: Doors,
    /// The inode number of the namespace that was found first, and its cookie, once it was entered: both, and the id, may be given to
    /// another one later, but for the cookie.
    inode: Option<u64>,
    cookie: Option<u64>,
}

impl Doors {
    /// The door of the namespace with this id, whichever that is.
    pub(crate) fn of(&self, id: u32) -> Door {
        Door { id: Some(id), doors: self.clone(), inode: None, cookie: None }
    }

    /// No door.
    pub(crate) fn none(&self) -> Door {
        Door { id: None, doors: self.clone(), inode: None, cookie: None }
    }

    /// The namespace that has this id here.
    fn find(&self, id: u32) -> io::Result<File> {
        let asked = Instant::now();
        let mut ids = RequestSocket::open_for_netns_ids().map_err(OpenError::into_io)?;
        // Who panicked meanwhile left paths that are all held against the ids.
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(namespace) = paths.open(id, &mut ids)? {
            return Ok(namespace);
        }
        // One of the others may have looked just now.
        if paths.looked.is_none_or(|looked| looked < asked) {
            *paths = Paths::look(&mut ids)?;
        }
        let none = || io::Error::new(io::ErrorKind::NotFound, "neither a name in /run/netns nor a process leads there");
        paths.open(id, &mut ids)?.ok_or_else(none)
    }
}

impl Paths {
    /// Looks for all that leads into a namespace which has an id.
    fn look(ids: &mut RequestSocket) -> io::Result<Self> {
        let (mut by_id, mut seen, looked) = (HashMap::new(), HashSet::new(), Some(Instant::now()));
        for path in candidates()? {
            let Ok(namespace) = fs::metadata(&path) else { continue };
            if seen.insert((namespace.dev(), namespace.ino()))
                && let Some((_, id)) = ask(&path, ids)?
            {
                by_id.entry(id).or_insert(path);
            }
        }
        Ok(Self { by_id, looked })
    }

    /// The namespace with this id, if that path is known and still leads there.
    fn open(&self, id: u32, ids: &mut RequestSocket) -> io::Result<Option<File>> {
        let Some(path) = self.by_id.get(&id) else { return Ok(None) };
        Ok(ask(path, ids)?.filter(|(_, found)| *found == id).map(|(namespace, _)| namespace))
    }
}

/// The namespace that a path leads to, and its id, if it has one. What else stands there is no namespace, and has none.
///
/// # Errors
/// Only those that say nothing of the path.
fn ask(path: &Path, ids: &mut RequestSocket) -> io::Result<Option<(File, u32)>> {
    match File::open(path) {
        Ok(namespace) => Ok(ids.netns_id(namespace.as_fd()).ok().flatten().map(|id| (namespace, id))),
        Err(error) if is_shortage(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether something failed for want of memory or file descriptors: later it may be different.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
    matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS)
}

/// What may lead into some namespace: names first, for there are fewer.
fn candidates() -> io::Result<Vec<PathBuf>> {
    let mut candidates: Vec<_> = entries(NAMED)?.iter().map(DirEntry::path).collect();
    let is_process = |entry: &&DirEntry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
    candidates.extend(entries("/proc")?.iter().filter(is_process).map(|entry| entry.path().join("ns/net")));
    Ok(candidates)
}

/// What is in a directory that may not be there.
fn entries(directory: &str) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(directory) {
        Ok(entries) => Ok(entries.filter_map(Result::ok).collect()),
        Err(error) if is_shortage(&error) => Err(error),
        Err(_) => Ok(Vec::new()),
    }
}

impl Door {
    /// The inode number of the namespace, once it was found.
    pub(crate) const fn inode(&self) -> Option<u64> {
        self.inode
    }

    /// Does `work` within, on this thread, which is back when this returns.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN; if neither a name nor a process that may be looked at leads there; or if another one has the id now.
    pub(crate) fn within<T>(&mut self, work: impl FnOnce() -> T) -> io::Result<T> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "which one it is is not known");
        let namespace = self.doors.find(self.id.ok_or_else(unknown)?)?;
        let inode = namespace.metadata()?.ino();
        if *self.inode.get_or_insert(inode) != inode {
            return Err(another());
        }
        let own = File::open("/proc/thread-self/ns/net")?;
        setns(&namespace, CloneFlags::CLONE_NEWNET)?;
        let result = self.recognise().map(|()| work());
        setns(&own, CloneFlags::CLONE_NEWNET)?;
        result
    }

    /// Makes sure that this thread is in the namespace that was entered first.
    fn recognise(&mut self) -> io::Result<()> {
        // Before Linux 5.14 there are no cookies.
        let cookie = netns_cookie(&UnixDatagram::unbound()?).unwrap_or(0);
        if *self.cookie.get_or_insert(cookie) == cookie { Ok(()) } else { Err(another()) }
    }
}

fn another() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "another namespace has its id now")
}
