//! The file that stops every removal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::file::directory_of;

/// A file of this name in a recorder's directory stops every removal. It is no part of the journal.
pub const HOLD: &str = "HOLD";

/// Why nothing may be removed.
#[derive(Debug, thiserror::Error)]
pub enum Held {
    /// The file is there, whatever it is.
    #[error("{}: nothing is removed while this file is there", .0.display())]
    File(PathBuf),
    /// Whether it is there cannot be told.
    #[error("{}: cannot be read, so there may be a file {HOLD} in it: nothing is removed: {error}", directory.display())]
    Unreadable {
        /// The directory.
        directory: PathBuf,
        /// Why it cannot be told.
        error: io::Error,
    },
}

/// Says what keeps a recorder's segments from being removed, if anything does: of the directories from `base` down to these, which its
/// segments are in. Nothing above is asked: a recorder in its sandbox cannot.
#[cfg(all(target_os = "linux", feature = "capture"))]
pub fn look<'p>(base: &Path, directories: impl IntoIterator<Item = &'p Path>) -> Result<(), Held> {
    let mut all = BTreeSet::from([base]);
    for directory in directories {
        all.extend(directory.ancestors().take_while(|directory| directory.starts_with(base)));
    }
    all.into_iter().try_for_each(look_in)
}

/// Says what keeps a file from being removed whose recorder nobody knows: of its directory and all that this one is in, by the
/// names that they were called by and by their own.
pub fn look_above(file: &Path) -> Result<(), Held> {
    let directory = directory_of(file);
    let unreadable = |error| Held::Unreadable { directory: directory.to_path_buf(), error };
    let called = std::path::absolute(directory).map_err(unreadable)?;
    let own = fs::canonicalize(directory).map_err(unreadable)?;
    let directories: BTreeSet<_> = called.ancestors().chain(own.ancestors()).collect();
    directories.into_iter().try_for_each(look_at)
}

#[cfg(all(target_os = "linux", feature = "capture"))]
fn look_in(directory: &Path) -> Result<(), Held> {
    match fs::read_dir(directory) {
        Ok(_) => look_at(directory),
        // What is not there holds nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Held::Unreadable { directory: directory.to_path_buf(), error }),
    }
}

/// Whoever may search a directory can tell, also where they may not list it.
fn look_at(directory: &Path) -> Result<(), Held> {
    let path = directory.join(HOLD);
    match path.symlink_metadata() {
        Ok(_) => Err(Held::File(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Held::Unreadable { directory: directory.to_path_buf(), error }),
    }
}

#[cfg(all(test, target_os = "linux", feature = "capture"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_that_name_holds_wherever_it_is_and_whatever_it_is() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("2026/11/ct.20");
        let month = file.parent().unwrap();
        fs::create_dir_all(month).unwrap();
        let look = || look(base.path(), [month]);
        assert!(look().is_ok() && look_above(&file).is_ok());
        for directory in [base.path(), &base.path().join("2026"), month] {
            let hold = directory.join("HOLD");
            std::os::unix::fs::symlink("nowhere", &hold).unwrap();
            assert!(matches!(look(), Err(Held::File(path)) if path == hold));
            assert!(matches!(look_above(&file), Err(Held::File(path)) if path == hold));
            fs::remove_file(&hold).unwrap();
        }
        fs::create_dir(month.join("HOLD")).unwrap();
        assert!(matches!(look(), Err(Held::File(_))));
        fs::remove_dir_all(base.path().join("2026")).unwrap();
        assert!(look().is_ok(), "a directory that is gone holds nothing");
    }

    #[test]
    fn where_it_cannot_be_told_nothing_may_be_removed() {
        let base = tempfile::tempdir().unwrap();
        // No directory: as one that may not be read, for root, who may read them all.
        let strange = base.path().join("file");
        fs::write(&strange, "").unwrap();
        assert!(matches!(look(&strange, []), Err(Held::Unreadable { .. })));
        assert!(matches!(look_above(&strange.join("ct")), Err(Held::Unreadable { .. })));
    }

    #[test]
    fn what_is_called_by_a_link_is_held_by_what_is_beside_the_link_and_by_what_is_beside_the_directory() {
        let base = tempfile::tempdir().unwrap();
        let [real, links] = ["real", "links"].map(|name| base.path().join(name));
        [&real, &links].into_iter().for_each(|path| fs::create_dir_all(path.join("ct")).unwrap());
        std::os::unix::fs::symlink(real.join("ct"), links.join("link")).unwrap();
        let file = links.join("link/a.ct");
        assert!(look_above(&file).is_ok());
        for directory in [&links, &real, &real.join("ct")] {
            fs::write(directory.join(HOLD), "").unwrap();
            assert!(matches!(look_above(&file), Err(Held::File(_))), "{}", directory.display());
            fs::remove_file(directory.join(HOLD)).unwrap();
        }
    }
}
