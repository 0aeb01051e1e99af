//! Files that are not whole yet, under a name that readers pass over, and what is left of them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail};
use tempfile::TempPath;

use crate::file::{directory_of, set_mode, sync_directory};
use crate::journal::Shown;

/// Who makes a file.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Maker {
    /// Somebody who has locked the directory.
    Segment,
    /// Anybody, for a file of flows.
    Squeeze,
    /// Anybody, for one of an export.
    Export,
}

impl Maker {
    /// What the names begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Segment => ".ctrecorder-segment-",
            Self::Squeeze => ".ctrecorder-squeeze-",
            Self::Export => ".ctrecorder-export-",
        }
    }
}

/// Between its creation and its lock, a file is empty. None that is older than this is still there.
const LOCKED_AFTER: Duration = Duration::from_secs(600);

/// A file on its way to this path: in the same directory, readable for the group whatever the umask says. It is locked as long as
/// somebody writes it, and is gone when that does not come to an end.
pub(in crate::cli) fn create(path: &Path, maker: Maker) -> anyhow::Result<(File, TempPath)> {
    if path.symlink_metadata().is_ok() {
        bail!("it exists already, and nothing is overwritten");
    }
    let directory = directory_of(path);
    // The error names a temporary file that nobody asked for.
    let file = tempfile::Builder::new().prefix(maker.prefix()).tempfile_in(directory).map_err(|error| {
        // Of a directory that is not there the system says more.
        let why = fs::metadata(directory).map_or_else(|missing| missing.to_string(), |_| error.kind().to_string());
        anyhow!("no file can be created in {}: {why}", Shown(directory))
    })?;
    // Where there are no locks, nobody else can be told; who cleans up then finds that it cannot lock either.
    let _ = file.as_file().try_lock();
    set_mode(file.as_file())?;
    Ok(file.into_parts())
}

/// Gives a file that is whole its name, unless something has it, and has the medium keep that.
pub(in crate::cli) fn persist(temporary: TempPath, path: &Path) -> anyhow::Result<()> {
    temporary.persist_noclobber(path).map_err(|error| error.error).context("cannot give it its name")?;
    sync_directory(directory_of(path)).context("cannot give it its name for good")
}

/// Removes what processes of these makers that were killed have left in a directory; where [`Maker::Segment`] is one of them,
/// this one has locked that. Files of those that are at work are locked.
pub(in crate::cli) fn remove_leftovers(directory: &Path, makers: &[Maker]) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let maker = makers.iter().find(|maker| is_of(**maker, &entry.file_name()));
        if let Some(maker) = maker
            && is_left_over(&entry.path(), *maker)?
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_of(maker: Maker, name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(maker.prefix().as_bytes())
}

/// Whether nobody writes this file any more.
fn is_left_over(path: &Path, maker: Maker) -> io::Result<bool> {
    // Whoever opened a pipe of such a name would wait for somebody at its other end.
    let opened = path.symlink_metadata().and_then(|metadata| metadata.is_file().then(|| File::open(path)).transpose());
    let file = match opened {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(false),
        // It came to its end meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    // Without locks, nobody knows.
    if file.try_lock().is_err() {
        return Ok(false);
    }
    let age = || metadata.modified().map(|modified| SystemTime::now().duration_since(modified).unwrap_or_default());
    Ok(match maker {
        // Of an export that has just begun, it would be told that the file cannot have its name, and nothing were lost.
        Maker::Segment | Maker::Export => true,
        Maker::Squeeze => metadata.len() > 0 || age().is_ok_and(|age| age > LOCKED_AFTER),
    })
}

/// Sees to it that one process alone is at work in a directory, for as long as what is returned is there. `who` is at work there,
/// as far as one of these can tell.
#[cfg(unix)]
pub(in crate::cli) fn lock(directory: &Path, who: &str) -> anyhow::Result<Option<File>> {
    let file = File::open(directory)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => bail!("another {who} is at work in this directory"),
        // Where there are no locks, nobody can be told; nothing is overwritten anyway.
        Err(fs::TryLockError::Error(_)) => Ok(None),
    }
}

/// Where directories cannot be opened, nobody is told: nothing is overwritten anyway.
#[cfg(not(unix))]
pub(in crate::cli) fn lock(_directory: &Path, _who: &str) -> anyhow::Result<Option<File>> {
    Ok(None)
}
