//! What readers and the recorder ask of a file on disk: its bytes in place, and whether it is being written; and what those who
//! write one do with its mode and its directory.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use memmap2::Mmap;

/// Maps a whole file.
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the bytes of a map must not change while they are borrowed. A recorder appends to its segments and never
    // changes or shortens what it has written, and nothing here writes to an input. Someone else may: then blocks fail
    // their checksums, and if the file shrinks, touching a page that is gone ends the process (SIGBUS). That is the price
    // of not copying every file, the same that grep-like programs pay; who cannot have it may read through a pipe.
    unsafe { Mmap::map(file) }
}

/// Whether someone else has locked the file, as a recorder does with the segment that it writes.
pub fn is_locked(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            // Nothing to be done if this fails; closing the file gives the lock back, too.
            let _ = file.unlock();
            false
        }
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(_)) => false,
    }
}

/// What tells a file from others that have its name, before it or after it. Where a system has no numbers of files, names
/// and times do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Device and number there. Once the file is gone, another one may have them.
    number: (u64, u64),
    /// When it was created, where the file system tells.
    created: Option<SystemTime>,
}

/// The identity of the file that this was said of.
pub fn identity(metadata: &Metadata) -> Identity {
    #[cfg(unix)]
    let number = {
        use std::os::unix::fs::MetadataExt;
        (metadata.dev(), metadata.ino())
    };
    #[cfg(not(unix))]
    let number = (0, 0);
    Identity { number, created: metadata.created().ok() }
}

/// A file as it was at some moment: which one, of what length, and when it was last written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    identity: Identity,
    length: u64,
    modified: Option<SystemTime>,
}

impl State {
    /// Of the file that this was said of.
    pub fn of(metadata: &Metadata) -> Self {
        Self { identity: identity(metadata), length: metadata.len(), modified: metadata.modified().ok() }
    }

    /// Whether this was said of the same file later, whatever became of its bytes.
    pub fn is_of(self, later: Self) -> bool {
        self.identity == later.identity
    }

    /// Whether the file has its length later, too.
    pub fn is_as_long_as(self, later: Self) -> bool {
        self.is_of(later) && self.length == later.length
    }

    /// Whether the file may have later what it had: its content tells, unless [`State::is_kept_by`] does.
    pub fn may_be_kept_by(self, later: Self) -> bool {
        self.is_of(later) && self.length <= later.length
    }

    /// Whether the file has later what it had, as far as that tells: nobody wrote to it, or more was appended.
    pub fn is_kept_by(self, later: Self) -> bool {
        self == later || (self.is_of(later) && self.length < later.length)
    }
}

/// The directory that a path is in.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Has the medium keep which names are in a directory.
#[cfg(unix)]
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Where directories cannot be opened, the system keeps them by itself.
#[cfg(not(unix))]
pub fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// Files are for their owner, and for the group to read.
#[cfg(unix)]
pub fn set_mode(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o640))
}

/// Where files have no mode they have what their directory gives them.
#[cfg(not(unix))]
pub fn set_mode(_file: &File) -> io::Result<()> {
    Ok(())
}
