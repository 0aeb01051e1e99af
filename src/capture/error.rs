//! Why a recorder does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::counted::counted;
use crate::netlink::socket::OpenError;

/// Why a recorder does not start, or ends itself: each message is one line that says what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No events can be had.
    #[error(transparent)]
    Socket(#[from] OpenError),
    /// The first segment's file is there already.
    #[error("{}: exists, and is never overwritten; remove or rename it, or choose another pattern, as one with %S", .0.display())]
    Exists(PathBuf),
    /// Another recorder is writing a segment of the same pattern.
    #[error(
        "{}: another recorder is writing this file, whose name the pattern could give; stop that one, or choose another pattern",
        .0.display()
    )]
    Occupied(PathBuf),
    /// The first segment's directory is not there.
    #[error("{}: no such directory; create it first", .0.display())]
    NoDirectory(PathBuf),
    /// A file could not be created or written.
    #[error("{}: {what}: {error}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What was to be done with it.
        what: &'static str,
        /// What came of it.
        error: io::Error,
    },
    /// Another recorder holds the pid file.
    #[error("{}: a recorder is running already{}; stop it, or name another pid file", path.display(), process(*pid))]
    Running {
        /// The pid file.
        path: PathBuf,
        /// The process that it names.
        pid: Option<u32>,
    },
    /// There is no such user.
    #[error("{0}: no such user")]
    NoUser(String),
    /// There is no such group.
    #[error("{0}: no such group")]
    NoGroup(String),
    /// Privileges could not be given up.
    #[error("cannot become user {user}: {error}; only root can")]
    Privileges {
        /// The user or group to be.
        user: String,
        /// Why not.
        error: String,
    },
    /// The user that the recorder becomes could not create the segments to come.
    #[error("{}: user {user} may not create files there, and rotation needs to; chown or chgrp the directory", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The user.
        user: String,
    },
    /// Nobody could ask for metrics there.
    #[error("--metrics {address}: {error}{}", about_address(error))]
    Metrics {
        /// Where to listen.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// Without root's power over other users' directories, which it gives up, the recorder could not create the segments to come.
    #[error(
        "{}: belongs to another user, and root's power over that is given up; name that user by --user, chown the directory, or \
         keep all of root's powers by --no-sandbox",
        .0.display()
    )]
    Powerless(PathBuf),
    /// The kernel has what the sandbox is made of, and refuses it.
    #[error("cannot enter the sandbox: {0}; --no-sandbox goes without")]
    Sandbox(String),
    /// The recorder is shut out of a directory that took the place of its own.
    #[error(
        "{}: is another directory than at the start, and out of the sandbox's reach; all that was received is written: start again",
        .0.display()
    )]
    LeftBehind(PathBuf),
    /// Something of the system's failed.
    #[error("{what}: {error}")]
    System {
        /// What was to be done.
        what: &'static str,
        /// What came of it.
        error: io::Error,
    },
    /// The start failed in the background process; this is what it said.
    #[error("{0}")]
    Background(String),
    /// At the end, not everything could be written.
    #[error("{}: {} could not be written at the end: {error}", path.display(), some(*events))]
    Unwritten {
        /// The segment.
        path: PathBuf,
        /// How many events were received and are not in it, where that is known.
        events: Option<u64>,
        /// Why.
        error: io::Error,
    },
}

impl StartError {
    /// Makes a `map_err` argument for a failed system call.
    pub(super) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::System { what, error: error.into() }
    }
}

/// What to do about an address that cannot be had.
fn about_address(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EADDRINUSE) => "; choose another port, or stop what listens there",
        // What the filter of a unit says, and a kernel without IPv6.
        Some(Errno::EAFNOSUPPORT) => {
            "; under systemd, RestrictAddressFamilies= of the unit leaves it out: install the drop-in metrics.conf (docs/operations.md)"
        }
        _ => "",
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

pub(super) fn some(events: Option<u64>) -> String {
    events.map_or_else(|| "an unknown number of events".into(), |events| counted(events, "event"))
}
