//! The pid file: says which process records, and keeps a second one from starting.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::error::StartError;

/// A locked pid file; removed when dropped.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Creates the file, or takes over one that no running process holds, and writes this process' id into it.
    pub(super) fn lock(path: &Path) -> Result<Self, StartError> {
        let failed = |what| move |error| StartError::File { path: path.to_path_buf(), what, error };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)
            .map_err(failed("cannot open the pid file"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(StartError::Running { path: path.to_path_buf(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed("cannot lock the pid file")(error)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(failed("cannot write the pid file"))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// Gives the file to the user that the recorder becomes, who may then at least empty it.
    pub(super) fn give_to(&self, user: Option<u32>, group: Option<u32>) -> Result<(), StartError> {
        let failed = |error| StartError::File { path: self.path.clone(), what: "cannot change its owner", error };
        fchown(&self.file, user, group).map_err(failed)
    }
}

impl Drop for PidFile {
    /// Removes the file. A recorder that gave up root may not be allowed to: then it is left empty, so that it names
    /// no process.
    fn drop(&mut self) {
        if std::fs::remove_file(&self.path).is_err()
            && let Err(error) = self.file.set_len(0)
        {
            tracing::warn!("{}: cannot remove or empty the pid file: {error}", self.path.display());
        }
    }
}
