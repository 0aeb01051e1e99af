//! Which files of an export are not among those that are given.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::{Shown, Version};
use crate::counted::are;

/// The files that are given, export by export.
#[derive(Debug, Default)]
pub struct Exports(HashMap<String, BTreeMap<u64, Given>>);

/// A file that is given.
#[derive(Debug)]
struct Given {
    path: PathBuf,
    is_last: bool,
}

/// Files of an export that are not given, beside one that is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Absent {
    /// All before the first one that is given: the oldest flows were removed, or are elsewhere.
    #[error("{}: {} of its export that {} not among those given", Shown(path), before(*files), are(*files))]
    Begin {
        /// The first one that is given.
        path: PathBuf,
        /// How many are not.
        files: u64,
    },
    /// Some before one that is given, and behind others.
    #[error("{}: {} of its export that {} not among those given, and others before are", Shown(path), before(*files), are(*files))]
    Between {
        /// The one behind them.
        path: PathBuf,
        /// How many are not.
        files: u64,
    },
    /// All behind the last one that is given: in them are flows that ended later, whenever they began.
    #[error("{}: what comes behind it of its export is not among those given", Shown(path))]
    End {
        /// The last one that is given.
        path: PathBuf,
    },
}

fn before(files: u64) -> String {
    if files == 1 { "before it there was a file".into() } else { format!("before it there were {files} files") }
}

impl Exports {
    /// Takes a file, if it is one of an archive.
    pub fn add(&mut self, path: &Path, file: &Version<'_>) {
        if let Version::Archive(archive) = file {
            let about = archive.about();
            self.part(&about.export, about.part, Given { path: path.to_owned(), is_last: about.is_last });
        }
    }

    fn part(&mut self, export: &str, number: u64, given: Given) {
        self.0.entry(export.to_owned()).or_default().insert(number, given);
    }

    /// What is not given, in the order of the paths beside it.
    pub fn absent(&self) -> Vec<Absent> {
        let mut absent = Vec::new();
        for files in self.0.values() {
            let mut next = 0;
            for (number, Given { path, .. }) in files {
                let (path, files) = (path.clone(), number.saturating_sub(next));
                match (next, files) {
                    (_, 0) => {}
                    (0, files) => absent.push(Absent::Begin { path, files }),
                    (_, files) => absent.push(Absent::Between { path, files }),
                }
                next = number.saturating_add(1);
            }
            let last = files.values().next_back().filter(|last| !last.is_last);
            absent.extend(last.map(|last| Absent::End { path: last.path.clone() }));
        }
        absent.sort_by(|one, other| one.path().cmp(other.path()));
        absent
    }
}

impl Absent {
    /// The file beside which others are not given.
    fn path(&self) -> &Path {
        match self {
            Self::Begin { path, .. } | Self::Between { path, .. } | Self::End { path } => path,
        }
    }

    /// Whether it leaves out nothing but what had ended before the time of all files that are given.
    pub const fn is_begin(&self) -> bool {
        matches!(self, Self::Begin { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent(given: &[(u64, bool)]) -> Vec<String> {
        let mut exports = Exports::default();
        for (number, is_last) in given {
            exports.part("1", *number, Given { path: format!("{number}").into(), is_last: *is_last });
        }
        exports.absent().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn files_that_are_missing_are_told_at_either_end_and_between() {
        assert!(absent(&[(0, false), (1, false), (2, true)]).is_empty());
        assert_eq!(
            absent(&[(1, false), (4, true)]),
            [
                "1: before it there was a file of its export that is not among those given",
                "4: before it there were 2 files of its export that are not among those given, and others before are",
            ]
        );
        assert_eq!(absent(&[(0, false)]), ["0: what comes behind it of its export is not among those given"]);
    }
}
