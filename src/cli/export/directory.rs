//! The directory of an export: what is in it already, what an interrupted run left behind, and what this one adds.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::Form;
use crate::cli::Misuse;
use crate::cli::flows::temporary::{self, Maker};
use crate::file::directory_of;
use crate::journal::{Shown, Source, Version};

/// The directory that is written to.
pub(super) struct Directory {
    path: PathBuf,
    /// Files of this export that are there already, and whole.
    whole: HashSet<PathBuf>,
    /// Directories that were made for it, in their order.
    made: Vec<PathBuf>,
    /// Files that got their names in this run.
    written: Vec<PathBuf>,
}

/// An export all of whose files are there.
pub(super) struct Complete {
    /// How many there are.
    pub(super) files: usize,
    /// How many stretches of its inputs could not be read.
    pub(super) damaged: u64,
}

impl Directory {
    /// Opens the directory for an export whose files have names that begin with `name`. Another export in it is refused, unless
    /// this one is to `add` to it.
    pub(super) fn open(path: &Path, name: &str, add: bool) -> anyhow::Result<Self> {
        let mut directory =
            Self { path: path.to_owned(), whole: HashSet::new(), made: Vec::new(), written: Vec::new() };
        if !path.exists() {
            return Ok(directory);
        }
        if !path.is_dir() {
            bail!(Misuse(format!("{}: it exists already, and is no directory", Shown(path))));
        }
        if let Some(segment) = segment_in(path).with_context(|| Shown(path).to_string())? {
            let what = "the directory holds segments, of which whoever reads it would be told twice";
            bail!(Misuse(format!("{}: {what}: {}", Shown(path), Shown(&segment))));
        }
        let mut other = None;
        directory.look(path, name, &mut other).with_context(|| Shown(path).to_string())?;
        if let Some(other) = other.filter(|_| !add) {
            let what =
                "the directory holds another export already (with --add, what it does not have is put beside it)";
            bail!(Misuse(format!("{}: {what}: {}", Shown(path), Shown(&other))));
        }
        Ok(directory)
    }

    /// Finds what is there, and removes what a run left that was interrupted.
    fn look(&mut self, path: &Path, name: &str, other: &mut Option<PathBuf>) -> io::Result<()> {
        temporary::remove_leftovers(path, &[Maker::Export])?;
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if file.starts_with("date=") || file.starts_with("hour=") {
                    self.look(&path, name, other)?;
                }
            } else if file.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')) {
                self.whole.insert(path);
            } else if [Form::Parquet, Form::Ndjson, Form::Csv].iter().any(|form| has_suffix(&path, form.suffix())) {
                other.get_or_insert(path);
            }
        }
        Ok(())
    }

    /// Whether a file of this name, below the directory, is there already.
    pub(super) fn has(&self, file: &Path) -> bool {
        self.whole.contains(&self.path.join(file))
    }

    /// What is told of this export by its files, if none of them is missing. Those of text do not tell.
    pub(super) fn complete(&self) -> Option<Complete> {
        let mut complete = Complete { files: 0, damaged: 0 };
        let mut last = None;
        for path in &self.whole {
            let source = Source::open(path).ok()?;
            let Ok(Version::Archive(archive)) = source.parse() else { return None };
            let about = archive.about();
            if about.is_of_open {
                continue;
            }
            complete.files += 1;
            complete.damaged += about.damaged;
            last = last.or(about.is_last.then_some(about.part));
        }
        // They are numbered, and no two have one number.
        last.filter(|last| last + 1 == complete.files as u64).map(|_| complete)
    }

    /// Makes the directories that a file of this name needs, and says where it will be.
    pub(super) fn prepare(&mut self, file: &Path) -> io::Result<PathBuf> {
        let path = self.path.join(file);
        let missing = path.ancestors().skip(1).take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let missing: Vec<_> = missing.map(Path::to_owned).collect();
        for directory in missing.into_iter().rev() {
            fs::create_dir(&directory)?;
            self.made.push(directory);
        }
        Ok(path)
    }

    /// A file has its name.
    pub(super) fn wrote(&mut self, path: PathBuf) {
        self.written.push(path);
    }

    /// What this run wrote is to stay.
    pub(super) fn keep(mut self) {
        self.written.clear();
        self.made.clear();
    }
}

/// Removes what this run wrote, unless it is to stay.
impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is whole, and harms nobody.
        for file in &self.written {
            let _ = fs::remove_file(file);
        }
        for directory in self.made.iter().rev() {
            let _ = fs::remove_dir(directory);
        }
    }
}

/// Whether a file is in a directory, or in one of those below it that are of dates and hours.
pub(super) fn holds(directory: &Path, file: &Path) -> bool {
    let (Ok(directory), Ok(own)) = (directory.canonicalize(), directory_of(file).canonicalize()) else { return false };
    let is_part = |name: &OsStr| [&b"date="[..], b"hour="].iter().any(|part| name.as_encoded_bytes().starts_with(part));
    own.strip_prefix(directory).is_ok_and(|below| below.iter().all(is_part))
}

fn has_suffix(path: &Path, suffix: &str) -> bool {
    path.extension().is_some_and(|own| own == suffix)
}

/// A segment in a directory, or a file of the C program, if there is one.
fn segment_in(directory: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_segment = |source: Source| matches!(source.parse_front(), Ok(Version::Two(_) | Version::Three(_)));
        if path.is_file() && Source::open(&path).is_ok_and(is_segment) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
