//! Finds new files: in directories, behind names, and beside files.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use ctrecorder_format::Fault;

use super::super::listing::{Found, in_order, is_hidden};
use super::super::opened::Opened;
use super::super::{Error, Reason, Source, Version};
use super::line::{Line, Mark, Turn, directory_of};
use crate::file::{Identity, identity};

/// Of two changes of a directory within this time, its own time may not tell the second one.
const COARSE: Duration = Duration::from_secs(2);

/// Everything where new files may come.
pub(super) struct Watches {
    directories: Vec<Directory>,
    known: Known,
    /// What was told of once already is not told again: what a first look fails at was told when the journal was found.
    has_looked: bool,
}

/// A directory that is looked at.
struct Directory {
    /// Empty: the present one.
    path: PathBuf,
    /// All that is in it is wanted; else what has one of these names, and what goes on with a file that was read.
    is_whole: bool,
    names: HashSet<PathBuf>,
    /// Its time when it was read last, if that time tells of all changes since.
    read: Option<SystemTime>,
    /// That it cannot be read was said.
    has_failed: bool,
    /// Files of which too little is there to say what they are.
    begun: Vec<PathBuf>,
}

/// The files that are read, or are not to be.
#[derive(Default)]
struct Known {
    files: HashSet<(PathBuf, Identity)>,
    marks: HashSet<Mark>,
    /// Of each line the latest segment that was begun.
    latest: HashMap<Line, Turn>,
}

impl Watches {
    /// Of what stands at these paths, and may come to stand there.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut directories: Vec<Directory> = Vec::new();
        for path in paths {
            let metadata = fs::metadata(path);
            let is_whole = metadata.as_ref().is_ok_and(fs::Metadata::is_dir);
            // A pipe is read to its end, and that is that.
            if !is_whole && metadata.is_ok_and(|metadata| !metadata.is_file()) {
                continue;
            }
            let parent = if is_whole { path } else { directory_of(path) };
            let place = directories.iter().position(|directory| directory.path == parent).unwrap_or(directories.len());
            if place == directories.len() {
                directories.push(Directory::at(parent));
            }
            if let Some(directory) = directories.get_mut(place) {
                directory.is_whole |= is_whole;
                directory.names.extend((!is_whole).then(|| path.clone()));
            }
        }
        Self { directories, known: Known::default(), has_looked: false }
    }

    /// A file begins.
    pub(super) fn began(&mut self, file: &Opened) {
        self.known.began(file);
    }

    /// The files that are new, in the order in which they are to be read, each open to be looked at again. What cannot be had
    /// is a failure.
    pub(super) fn look(&mut self, failures: &mut Vec<Error>) -> Vec<Opened> {
        let mut found = Vec::new();
        let mut failed = Vec::new();
        for directory in &mut self.directories {
            for path in directory.candidates(&mut self.known, &mut failed) {
                match self.known.judge(&path, directory) {
                    Ok(Some(file)) => found.push(Found::new(file.clone(), &path, file.version())),
                    Ok(None) => {}
                    Err(error) => {
                        self.known.refuse(&path);
                        failed.extend((!error.is_foreign()).then_some(error));
                    }
                }
            }
        }
        if std::mem::replace(&mut self.has_looked, true) {
            failures.append(&mut failed);
        }
        in_order(found, Opened::known_by)
    }
}

impl Directory {
    fn at(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            is_whole: false,
            names: HashSet::new(),
            read: None,
            has_failed: false,
            begun: Vec::new(),
        }
    }

    /// What may be new in it.
    fn candidates(&mut self, known: &mut Known, failed: &mut Vec<Error>) -> Vec<PathBuf> {
        let mut candidates = std::mem::take(&mut self.begun);
        match self.entries() {
            Ok(None) => {}
            Ok(Some(entries)) => {
                self.has_failed = false;
                known.keep_of(&self.path, &entries);
                let is_new = |(path, identity): &(PathBuf, Identity)| {
                    !candidates.contains(path) && !known.files.contains(&(path.clone(), *identity))
                };
                let new: Vec<_> = entries.into_iter().filter(is_new).map(|(path, _)| path).collect();
                candidates.extend(new);
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    failed.push(Error::at(&self.path)(error));
                }
            }
        }
        candidates
    }

    /// The files in it, if there may be others than there were.
    fn entries(&mut self) -> io::Result<Option<HashSet<(PathBuf, Identity)>>> {
        let path = if self.path.as_os_str().is_empty() { Path::new(".") } else { &self.path };
        let modified = fs::metadata(path)?.modified()?;
        if self.read == Some(modified) {
            return Ok(None);
        }
        let is_settled = SystemTime::now().duration_since(modified).is_ok_and(|age| age > COARSE);
        self.read = is_settled.then_some(modified);
        let mut entries = HashSet::new();
        for entry in fs::read_dir(path)? {
            let path = self.path.join(entry?.file_name());
            // A file may be gone again.
            if let Ok(metadata) = fs::metadata(&path)
                && metadata.is_file()
                && !is_hidden(&path)
            {
                entries.insert((path, identity(&metadata)));
            }
        }
        Ok(Some(entries))
    }
}

impl Known {
    /// A file is read.
    fn began(&mut self, file: &Opened) {
        let (path, version) = (file.source().path(), file.version());
        self.files.extend(file.source().identity().map(|identity| (path.to_path_buf(), identity)));
        self.marks.extend(Mark::of(file.source(), version));
        if let Some((line, turn)) = Line::of(path, version).zip(Turn::of(version)) {
            let latest = self.latest.entry(line).or_insert_with(|| turn.clone());
            if turn.is_behind(latest) {
                *latest = turn;
            }
        }
    }

    /// What stands at a path cannot be read, which is said once.
    fn refuse(&mut self, path: &Path) {
        self.files.extend(fs::metadata(path).ok().map(|metadata| (path.to_path_buf(), identity(&metadata))));
    }

    /// Of the files in a directory there are only these any more.
    fn keep_of(&mut self, directory: &Path, entries: &HashSet<(PathBuf, Identity)>) {
        self.files.retain(|file| directory_of(&file.0) != directory || entries.contains(file));
    }

    /// Opens the file at a path, if it is new and wanted. From then on it is known.
    fn judge(&mut self, path: &Path, directory: &mut Directory) -> Result<Option<Opened>, Error> {
        let source = match Source::open_kept(path) {
            // It is gone again.
            Err(Error { reason: Reason::Io(error), .. }) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            source => source?,
        };
        let is_too_little = match source.parse_front() {
            Ok(Version::Three(segment)) => {
                segment.header().is_err_and(|damage| matches!(damage.fault, Fault::CutOff(_)))
            }
            Ok(Version::Two(_) | Version::Archive(_)) => false,
            Err(error) => error.is_too_short(),
        };
        if is_too_little {
            directory.begun.push(path.to_path_buf());
            return Ok(None);
        }
        self.files.extend(source.identity().map(|identity| (path.to_path_buf(), identity)));
        let is_wanted = {
            let version = source.parse_front()?;
            let is_known = Mark::of(&source, &version).is_some_and(|mark| self.marks.contains(&mark));
            !is_known && (directory.is_whole || directory.names.contains(path) || self.goes_on(path, &version))
        };
        if !is_wanted {
            return Ok(None);
        }
        let file = Opened::new(source).map_err(|(error, _)| error)?;
        self.marks.extend(Mark::of(file.source(), file.version()));
        Ok(Some(file))
    }

    /// Whether a file goes on with the line of one that was read.
    fn goes_on(&self, path: &Path, version: &Version<'_>) -> bool {
        let latest = Line::of(path, version).and_then(|line| self.latest.get(&line));
        latest.zip(Turn::of(version)).is_some_and(|(latest, turn)| turn.is_behind(latest))
    }
}
