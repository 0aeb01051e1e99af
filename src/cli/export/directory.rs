//! The directory of an export: what is in it already, what an interrupted run left behind, and what this one adds.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{Form, add};
use crate::archive::Archive;
use crate::cli::Misuse;
use crate::cli::flows::temporary::{self, Maker};
use crate::file::{directory_of, sync_directory};
use crate::journal::{Shown, Source, Version, partitions};

/// The directory that is written to.
pub(super) struct Directory {
    path: PathBuf,
    /// Files of this export that are there already, and how many bytes they have.
    whole: HashMap<PathBuf, u64>,
    /// Directories that were made for it, in their order.
    made: Vec<PathBuf>,
}

/// The names of the files of an export.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'n> {
    /// The export, by 32 hexadecimal digits.
    pub(super) export: &'n str,
    /// What names begin with, up to the number of the file.
    pub(super) begin: &'n str,
    pub(super) form: Form,
}

impl Names<'_> {
    /// The name of the file with this number.
    pub(super) fn of(&self, number: u64) -> String {
        format!("{}-{number:05}.{}", self.begin, self.form.suffix())
    }

    /// The name of the file of the flows that are open at the end.
    pub(super) fn of_open(&self) -> String {
        format!("{}-open.{}", self.begin, self.form.suffix())
    }

    /// The number of the file of this name, if it is one of them.
    fn number(&self, name: &str) -> Option<u64> {
        let digits = name.strip_prefix(self.begin)?.strip_prefix('-')?.split('.').next()?;
        digits.parse().ok().filter(|number| self.of(*number) == name)
    }
}

/// An export all of whose files are there.
pub(super) struct Complete {
    /// How many there are.
    pub(super) files: usize,
    /// How many stretches of its inputs could not be read.
    pub(super) damaged: u64,
}

impl Directory {
    /// Opens the directory for an export, and makes it if it is not there. One that holds segments is refused. As long as the first
    /// thing that is returned is there, nobody else is at work in it; `None` where there are no locks.
    pub(super) fn lock(path: &Path) -> anyhow::Result<(Option<fs::File>, Self)> {
        if path.exists() && !path.is_dir() {
            bail!(Misuse(format!("{}: it exists already, and is no directory", Shown(path))));
        }
        let mut directory = Self { path: path.to_owned(), whole: HashMap::new(), made: Vec::new() };
        make(path, &mut directory.made).with_context(|| Shown(path).to_string())?;
        let lock = temporary::lock(path, "export");
        if lock.is_err() {
            // Somebody else is at work in what was made here.
            directory.made.clear();
        }
        let lock = lock.with_context(|| Shown(path).to_string())?;
        if let Some(segment) = segment_in(path).with_context(|| Shown(path).to_string())? {
            let what = "the directory holds segments, of which whoever reads it would be told twice";
            bail!(Misuse(format!("{}: {what}: {}", Shown(path), Shown(&segment))));
        }
        Ok((lock, directory))
    }

    /// Looks for what is there of an export whose files have these names. Another export in the directory is refused, unless this one is
    /// to `add` to it; and so is a file with one of the names that is not whole.
    pub(super) fn find(&mut self, names: Names<'_>, add: bool) -> anyhow::Result<()> {
        let (path, mut other) = (self.path.clone(), None);
        if let Some(interrupted) = add::of_interrupted(&path).filter(|_| !add) {
            let what = "an export to this directory with --add was interrupted: make it again first";
            bail!(Misuse(format!("{}: {what}", Shown(&interrupted))));
        }
        self.look(&path, names, 0, &mut other)?;
        if let Some(other) = other.filter(|_| !add) {
            let what = "the directory holds another export already";
            let advice = if grows(&other) {
                "with --add, what it does not have is put behind it"
            } else {
                "another one needs a directory of its own; into one that was begun with --add, more can be put later"
            };
            bail!(Misuse(format!("{}: {what}: {}; {advice}", Shown(&path), Shown(&other))));
        }
        Ok(())
    }

    /// Finds what is there, and removes what a run left that was interrupted. `depth`: so many directories below the first one.
    fn look(&mut self, path: &Path, names: Names<'_>, depth: usize, other: &mut Option<PathBuf>) -> anyhow::Result<()> {
        let at = || Shown(path).to_string();
        temporary::remove_leftovers(path, &[Maker::Export]).with_context(at)?;
        for entry in fs::read_dir(path).with_context(at)? {
            let path = entry.with_context(at)?.path();
            if path.is_dir() {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(number) = names.number(&name) {
                self.whole.insert(path.clone(), is_whole(&path, number, names)?);
            } else if [Form::Parquet, Form::Ndjson, Form::Csv].iter().any(|form| has_suffix(&path, form.suffix())) {
                other.get_or_insert(path);
            }
        }
        for below in partitions(path, depth).with_context(at)? {
            self.look(&below, names, depth + 1, other)?;
        }
        Ok(())
    }

    /// Whether a file of this name, below the directory, is there already, and how many bytes it has.
    pub(super) fn has(&self, file: &Path) -> Option<u64> {
        self.whole.get(&self.path.join(file)).copied()
    }

    /// What is told of this export by its files, if none of them is missing. Those of text do not tell.
    pub(super) fn complete(&self) -> Option<Complete> {
        let mut complete = Complete { files: self.whole.len(), damaged: 0 };
        let mut has_last = false;
        for path in self.whole.keys() {
            let source = Source::open(path).ok()?;
            let Ok(Version::Archive(archive)) = source.parse() else { return None };
            let about = archive.about();
            complete.damaged += about.damaged;
            // They are numbered, and no two have one number.
            has_last |= about.is_last && about.part + 1 == complete.files as u64;
        }
        has_last.then_some(complete)
    }

    /// Makes the directories that a file of this name needs, and says where it will be.
    pub(super) fn prepare(&mut self, file: &Path) -> io::Result<PathBuf> {
        let path = self.path.join(file);
        make(directory_of(&path), &mut self.made)?;
        Ok(path)
    }
}

/// Removes the directories that were made for nothing. Files that have their names are whole: somebody may rely on them already,
/// and the same export again goes on with them.
impl Drop for Directory {
    fn drop(&mut self) {
        for directory in self.made.iter().rev() {
            // One in which there is anything stays.
            let _ = fs::remove_dir(directory);
        }
    }
}

/// Makes a directory, and those that it is in, if they are not there, and has the medium keep that.
fn make(directory: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
    let missing: Vec<_> = missing.map(Path::to_owned).collect();
    for directory in missing.into_iter().rev() {
        match fs::create_dir(&directory) {
            // Another export has just made it, and will not be let in at the same time as this one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => continue,
            done => done?,
        }
        sync_directory(directory_of(&directory))?;
        made.push(directory);
    }
    Ok(())
}

/// How many bytes a file has that has the name of one of this export. Refuses what is none.
fn is_whole(path: &Path, number: u64, names: Names<'_>) -> anyhow::Result<u64> {
    let length = fs::metadata(path).with_context(|| Shown(path).to_string())?.len();
    let is_one = match names.form {
        Form::Parquet => Source::open(path).and_then(|source| {
            let version = source.parse()?;
            Ok(matches!(&version, Version::Archive(archive)
                if archive.about().export == names.export && archive.about().part == number))
        }),
        // It has a line of names.
        Form::Csv => Ok(length > 0),
        Form::Ndjson => Ok(true),
    };
    let what = "it has the name of a file of this export, and is not that file as it was written; remove it";
    match is_one {
        Ok(true) => Ok(length),
        Ok(false) => bail!("{}: {what}", Shown(path)),
        Err(error) => bail!("{}: {what}: {}", Shown(path), error.reason),
    }
}

/// Whether a file is one of an archive that was begun with `--add`.
fn grows(path: &Path) -> bool {
    let is_one = |source: Source| {
        let about = |archive: &Archive| archive.about().archive_from.is_some();
        matches!(source.parse(), Ok(Version::Archive(archive)) if about(&archive))
    };
    Source::open(path).is_ok_and(is_one)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_a_file_of_the_export_to_the_letter() {
        let names = Names { export: "", begin: "nat1-01ab", form: Form::Parquet };
        assert_eq!(names.of(7), "nat1-01ab-00007.parquet");
        let number = |name| names.number(name);
        assert_eq!(number("nat1-01ab-00007.parquet"), Some(7));
        assert_eq!(number("nat1-01ab-100000.parquet"), Some(100_000));
        for other in [
            "nat1-01ab-00007.parquet.bak",
            "nat1-01ab-7.parquet",
            "nat1-01ab-+0007.parquet",
            "nat1-01ab-000007.parquet",
            "nat1-01ab-00007.csv",
            "nat1-01ab0-00007.parquet",
            "nat1-01ab-.parquet",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
