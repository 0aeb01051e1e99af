//! The files of segments: created, removed, and told from others of their name.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::sys::statvfs::Statvfs;

/// Owner may read and write, group may read.
const MODE: u32 = 0o640;

/// Creates a file that did not exist, with mode 0640 whatever the umask, and holds a lock on it, by which a reader
/// can tell a segment that is being written from one that was cut off. Where there are no locks it goes without.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(MODE)).inspect_err(|_| remove(path))?;
    if let Err(error) = file.try_lock() {
        tracing::warn!(
            "{}: cannot be locked ({error}): test will take it for cut off until it is closed",
            path.display()
        );
    }
    Ok(file)
}

/// Removes a file that was created for nothing, and would be in the way of the next try.
pub(super) fn remove(path: &Path) {
    // Whoever comes here has a better error to tell than this one.
    let _ = std::fs::remove_file(path);
}

/// Whether this open file is the one that the path names.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let named = path.symlink_metadata().map(identity);
    named.is_ok_and(|named| file.metadata().is_ok_and(|metadata| identity(metadata) == named))
}

/// The bytes that a file system has free for others than root.
pub(crate) fn free_bytes(found: &Statvfs) -> u64 {
    #[allow(clippy::unnecessary_cast, reason = "of 32 bits on some targets")]
    (found.blocks_available() as u64).saturating_mul(found.fragment_size() as u64)
}

/// The bytes that a file system has in all.
pub(super) fn all_bytes(found: &Statvfs) -> u64 {
    #[allow(clippy::unnecessary_cast, reason = "of 32 bits on some targets")]
    (found.blocks() as u64).saturating_mul(found.fragment_size() as u64)
}
