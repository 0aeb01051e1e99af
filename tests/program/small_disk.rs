//! A small disk of a test's own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

/// A tmpfs of 1 MiB over a temporary directory, unmounted when dropped.
pub struct SmallDisk(Option<TempDir>);

impl SmallDisk {
    /// The disk, and the directory that it is.
    pub fn mount() -> (Self, TempDir) {
        let around = TempDir::new().unwrap();
        let inside = tempfile::Builder::new().tempdir_in(around.path()).unwrap();
        mount(Some("none"), inside.path(), Some("tmpfs"), MsFlags::empty(), Some("size=1m")).unwrap();
        (Self(Some(around)), inside)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let around = self.0.take().unwrap();
        for entry in fs::read_dir(around.path()).unwrap() {
            let _ = umount2(&entry.unwrap().path(), MntFlags::MNT_DETACH);
        }
    }
}
