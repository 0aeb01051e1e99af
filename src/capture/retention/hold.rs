//! The file that stops every removal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::file::HOLD;

/// Why nothing may be removed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Held {
    /// The file is there, whatever it is.
    #[error("{}: nothing is removed while this file is there", .0.display())]
    File(PathBuf),
    /// Whether it is there cannot be told.
    #[error("{}: cannot be read, so there may be a file {HOLD} in it: nothing is removed: {error}", directory.display())]
    Unreadable { directory: PathBuf, error: io::Error },
}

/// Says what keeps the segments from being removed, if anything does: of the directories from `base` down to those of the files.
pub(super) fn look<'p>(base: &Path, files: impl IntoIterator<Item = &'p Path>) -> Result<(), Held> {
    let mut directories = BTreeSet::from([base]);
    for file in files {
        directories.extend(file.ancestors().skip(1).take_while(|directory| directory.starts_with(base)));
    }
    directories.into_iter().try_for_each(look_in)
}

fn look_in(directory: &Path) -> Result<(), Held> {
    let unreadable = |error| Held::Unreadable { directory: directory.to_path_buf(), error };
    match fs::read_dir(directory) {
        Ok(_) => {}
        // What is not there holds nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    }
    let path = directory.join(HOLD);
    match path.symlink_metadata() {
        Ok(_) => Err(Held::File(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unreadable(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_that_name_holds_wherever_it_is_and_whatever_it_is() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("2026/11/ct.20");
        let month = file.parent().unwrap();
        fs::create_dir_all(month).unwrap();
        let look = || look(base.path(), [file.as_path()]);
        assert!(look().is_ok());
        for directory in [base.path(), &base.path().join("2026"), month] {
            let hold = directory.join("HOLD");
            std::os::unix::fs::symlink("nowhere", &hold).unwrap();
            assert!(matches!(look(), Err(Held::File(path)) if path == hold));
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
    }
}
