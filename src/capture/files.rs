//! Creates the file of a segment.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Owner may read and write, group may read.
const MODE: u32 = 0o640;

/// Creates a file that did not exist, with mode 0640 whatever the umask, and holds a lock on it, by which a reader
/// can tell a segment that is being written from one that was cut off.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.try_lock()?;
    Ok(file)
}
