//! The pid file: says which process records, and keeps a second one from starting.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::error::StartError;
use super::files::is_at;

/// Everyone may read which process it is.
const MODE: u32 = 0o644;

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
        loop {
            let mut file = open(path).map_err(failed("cannot open the pid file"))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                    return Err(StartError::Running { path: path.to_path_buf(), pid });
                }
                Err(TryLockError::Error(error)) => return Err(failed("cannot lock the pid file")(error)),
            }
            // Between opening and locking, the recorder that held it may have removed it.
            if is_at(&file, path) {
                write_id(&mut file).map_err(failed("cannot write the pid file"))?;
                return Ok(Self { path: path.to_path_buf(), file });
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE);
    options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)
}

fn write_id(file: &mut File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

impl Drop for PidFile {
    /// Removes the file. A recorder that gave up root may not be allowed to: then it is left empty, so that it names
    /// no process.
    fn drop(&mut self) {
        // Someone may have removed it meanwhile, and another recorder have made its own.
        let removed = is_at(&self.file, &self.path) && std::fs::remove_file(&self.path).is_ok();
        if !removed && let Err(error) = self.file.set_len(0) {
            tracing::warn!("{}: cannot remove or empty the pid file: {error}", self.path.display());
        }
    }
}
