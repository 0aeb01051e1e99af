//! From paths to the files of a journal, in the order in which they are read.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ctrecorder_format::Content;

use super::chain::Recorder;
use super::fixed::Read;
use super::runs::{self, Ended, Place};
use super::source::{Source, Version, read};
use super::{Error, Exports, Reason};
use crate::archive::MAGIC;
use crate::file::State;
use crate::hold::HOLD;

/// The files named by some paths, in the order in which they are read: that of the paths, and within a directory that of
/// time.
#[derive(Debug, Default)]
pub struct Journal {
    pub(super) files: Vec<Member>,
    passed_over: Vec<Error>,
    /// The archives that are not among the files, since what they were made from is: see [`Journal::told_once`].
    pub(super) needless: Exports,
}

/// One file of a [`Journal`].
#[derive(Clone, Debug)]
pub struct Member {
    path: PathBuf,
    length: u64,
    /// The content of what can be read only once, a pipe.
    held: Option<Arc<[u8]>>,
    /// As what it was found, if it is a regular file, and whether it is opened as that alone: see [`Journal::fixed`].
    pub(super) found: Option<State>,
    pub(super) is_fixed: bool,
    /// As what it was read, once that has begun, by whichever of its copies.
    pub(super) read: Arc<OnceLock<Read>>,
    /// Whether it is a segment of flows; `None`: nobody has looked yet.
    is_of_flows: Option<bool>,
    /// Whether it is a file of an archive, likewise.
    is_archive: Option<bool>,
    /// It is a segment of flows, and another one goes on with what it leaves open: see [`Journal::told_once`].
    pub(super) is_gone_on_with: bool,
}

impl Journal {
    /// The files at these paths. A directory stands for the segments in it (not in directories below, but for those of an archive's
    /// dates and hours), by the time they were begun, those of one run of a recorder by their number. What else is in it is passed
    /// over: files that are no segments, and hidden ones. What cannot be had is told to `failed`, and the rest goes on.
    pub fn find(paths: &[PathBuf], mut failed: impl FnMut(Error)) -> Self {
        let mut journal = Self::default();
        for path in paths {
            if let Err(error) = journal.add(path, &mut failed) {
                failed(error);
            }
        }
        journal
    }

    /// What is in the directories and no segment, and why.
    pub fn passed_over(&self) -> &[Error] {
        &self.passed_over
    }

    /// The archives that are passed over beside what they were made from: they are not missing.
    pub const fn needless(&self) -> &Exports {
        &self.needless
    }

    /// The files, in order.
    pub fn files(&self) -> &[Member] {
        &self.files
    }

    /// Bytes in all of them.
    pub fn length(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// The same files by time, as those of a directory are; what cannot be read is told to `failed`, and left out.
    pub fn by_time(self, mut failed: impl FnMut(Error)) -> Self {
        let found = self.files.into_iter().filter_map(|file| {
            let found =
                file.open().and_then(|source| Ok(Found::new(file.clone(), file.path(), &source.parse_front()?)));
            found.map_err(&mut failed).ok()
        });
        Self { files: in_order(found.collect(), Member::known_by), ..self }
    }

    /// The same with every file: one that cannot be read stays behind the one that it was given behind.
    pub fn all_by_time(self) -> Self {
        let (mut first, mut found): (Vec<_>, Vec<Found<Vec<Member>>>) = (Vec::new(), Vec::new());
        for file in self.files {
            let own = file.open().and_then(|own| Ok(Found::new(Vec::new(), file.path(), &own.parse_front()?)));
            match (own, found.last_mut()) {
                (Ok(own), _) => found.push(Found { file: vec![file], ..own }),
                (Err(_), Some(before)) => before.file.push(file),
                (Err(_), None) => first.push(file),
            }
        }
        first.extend(in_order(found, |files| files.first()?.known_by()).into_iter().flatten());
        Self { files: first, ..self }
    }

    /// The files behind so many of them, as a journal of its own.
    pub fn behind(&self, count: usize) -> Self {
        Self { files: self.files.iter().skip(count).cloned().collect(), ..Self::default() }
    }

    /// Those of the files that stand at these places, in this order, as a journal of their own.
    pub fn only(&self, places: impl IntoIterator<Item = usize>) -> Self {
        let files = places.into_iter().filter_map(|place| self.files.get(place).cloned());
        Self { files: files.collect(), ..Self::default() }
    }

    /// Each file as a journal of its own.
    pub fn split(self) -> impl Iterator<Item = Self> {
        self.files.into_iter().map(|file| Self { files: vec![file], ..Self::default() })
    }
}

impl Member {
    fn new(path: &Path, length: u64) -> Self {
        Self {
            path: path.to_path_buf(),
            length,
            held: None,
            found: None,
            is_fixed: false,
            read: Arc::default(),
            is_of_flows: None,
            is_archive: None,
            is_gone_on_with: false,
        }
    }

    /// Whether it is a segment of flows.
    pub(super) fn is_of_flows(&self) -> bool {
        self.is_of_flows.unwrap_or_else(|| {
            self.open().is_ok_and(|source| source.parse_front().is_ok_and(|version| is_of_flows(&version)))
        })
    }

    /// Whether it was made from others: a segment of flows or an archive.
    pub(super) fn is_made(&self) -> bool {
        self.is_of_flows() || self.is_archive()
    }

    /// Whether it is a file of an archive, by how it begins.
    pub(super) fn is_archive(&self) -> bool {
        self.is_archive.unwrap_or_else(|| self.open().is_ok_and(|source| source.bytes().starts_with(&MAGIC)))
    }

    /// The path, as it was given or found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// By what it is known as the last file of its run: [`Version::known_by`].
    fn known_by(&self) -> Option<Ended> {
        let source = self.open().ok()?;
        source.parse().ok()?.known_by()
    }

    /// Opens it to be looked at again when it has grown.
    pub(super) fn open_kept(&self) -> Result<Source, Error> {
        if self.held.is_some() { self.open() } else { self.as_fixed(Source::open_kept(&self.path)?) }
    }

    /// Opens it; this may be done more than once.
    pub fn open(&self) -> Result<Source, Error> {
        match &self.held {
            Some(bytes) => Ok(Source::in_memory(&self.path, Arc::clone(bytes))),
            None => self.as_fixed(Source::open(&self.path)?),
        }
    }
}

impl Journal {
    /// Adds what one path stands for.
    fn add(&mut self, path: &Path, failed: &mut impl FnMut(Error)) -> Result<(), Error> {
        let metadata = fs::metadata(path).map_err(Error::at(path))?;
        if metadata.is_dir() {
            return self.add_directory(path, failed);
        }
        let held = if metadata.is_file() {
            None
        } else if is_endless(&metadata) {
            return Err(Error::at(path)(Reason::Device));
        } else {
            let bytes = File::open(path).and_then(|mut pipe| read(&mut pipe));
            Some(bytes.map_err(Error::at(path))?)
        };
        let length = held.as_ref().map_or(metadata.len(), |bytes| bytes.len() as u64);
        let found = held.is_none().then(|| State::of(&metadata));
        self.files.push(Member { held, found, ..Member::new(path, length) });
        Ok(())
    }

    /// Adds the segments in a directory.
    fn add_directory(&mut self, directory: &Path, failed: &mut impl FnMut(Error)) -> Result<(), Error> {
        let mut found = Vec::new();
        let mut failures = 0;
        let mut failed = |error| {
            failures += 1;
            failed(error);
        };
        self.gather(directory, 0, &mut found, &mut failed)?;
        if found.is_empty() && failures == 0 {
            return Err(Error::at(directory)(Reason::NoSegments));
        }
        self.files.extend(in_order(found, Member::known_by));
        Ok(())
    }

    /// Finds what is in a directory, and in those of an archive's parts below it. It is itself so many directories below the one that
    /// was named.
    fn gather(
        &mut self,
        directory: &Path,
        depth: usize,
        found: &mut Vec<Found<Member>>,
        failed: &mut impl FnMut(Error),
    ) -> Result<(), Error> {
        for entry in fs::read_dir(directory).map_err(Error::at(directory))? {
            let path = entry.map_err(Error::at(directory))?.path();
            // Neither directories, nor pipes, which would not end, nor what a squeeze is still writing.
            if !path.is_file() || is_hidden(&path) {
                continue;
            }
            match Found::at(&path) {
                Ok(segment) => found.push(segment),
                Err(error) if error.is_foreign() => self.passed_over.push(error),
                Err(error) => failed(error),
            }
        }
        for below in partitions(directory, depth).map_err(Error::at(directory))? {
            self.gather(&below, depth + 1, found, failed)?;
        }
        Ok(())
    }
}

/// Whether a file is a segment of flows. Of version 2, none tells what it was made from.
fn is_of_flows(version: &Version<'_>) -> bool {
    matches!(version, Version::Three(_)) && version.content() == Content::Flows
}

/// Whether something that is no regular file is a device, which may never come to an end, and not a pipe.
#[cfg(unix)]
fn is_endless(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    !kind.is_fifo() && !kind.is_socket()
}

/// Elsewhere there are no devices among files.
#[cfg(not(unix))]
fn is_endless(_metadata: &fs::Metadata) -> bool {
    false
}

/// The directories in this one that hold parts of an archive: those of dates, and of the hours of one. Those two are all there are:
/// nothing is looked for further below, at a `depth` of two directories. What only points to a directory is none, for the same files
/// would be there twice, or without end.
pub(crate) fn partitions(directory: &Path, depth: usize) -> io::Result<Vec<PathBuf>> {
    const DEPTH: usize = 2;
    let mut found = Vec::new();
    if depth >= DEPTH {
        return Ok(found);
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_one = [&b"date="[..], b"hour="].iter().any(|begin| name.as_encoded_bytes().starts_with(begin));
        if is_one && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file is none of the journal's, by its name.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".") || name == HOLD)
}

/// A segment found in a directory, and what its place among the others depends on.
pub(crate) struct Found<T> {
    file: T,
    path: PathBuf,
    /// When it was begun, ns since the epoch.
    begun: u64,
    /// When its recorder was started, if it is one of events that tells, ns since the epoch.
    started: Option<u64>,
    /// Which run of a recorder wrote it, if its header tells, and its number there.
    recorder: Option<Recorder>,
    number: u64,
    /// What that run tells of its place among others, if this is its first file.
    place: Place,
    /// It has what an archive left open: of files begun at one moment it comes first, for the next segment is begun at that at which
    /// the one is closed up to which the archive tells.
    is_left_open: bool,
}

impl Found<Member> {
    fn at(path: &Path) -> Result<Self, Error> {
        let source = Source::open(path)?;
        let version = source.parse_front()?;
        let (is_of_flows, is_archive) = (is_of_flows(&version), matches!(version, Version::Archive(_)));
        let file = Member {
            found: source.state(),
            is_of_flows: Some(is_of_flows),
            is_archive: Some(is_archive),
            ..Member::new(path, source.length())
        };
        Ok(Found::new(file, path, &version))
    }
}

impl<T> Found<T> {
    /// A file at this path, which is of this version.
    pub(crate) fn new(file: T, path: &Path, version: &Version<'_>) -> Self {
        let header = version.header();
        let of_events = header.filter(|header| header.content == Content::Events);
        Self {
            file,
            path: path.to_path_buf(),
            begun: version.begun(),
            started: of_events.map(|header| header.recorder_started),
            recorder: header.map(Recorder::of),
            number: header.map_or(0, |header| header.segment_number),
            place: Place::of(version),
            is_left_open: matches!(version, Version::Archive(archive) if archive.about().is_of_open),
        }
    }
}

/// Segments that come one after the other, as far as they are still to come.
type Chain<T> = std::iter::Peekable<std::vec::IntoIter<Found<T>>>;

/// The files by time; but those of one run of a recorder by their number, and those of a run behind those of the one that it says
/// it came behind, for a clock may be set back. `ended` says of the last file of a run by what that is known.
pub(crate) fn in_order<T>(mut found: Vec<Found<T>>, ended: impl Fn(&T) -> Option<Ended>) -> Vec<T> {
    let key = |found: &Found<T>| (found.begun, !found.is_left_open);
    found.sort_by(|a, b| (key(a), &a.path).cmp(&(key(b), &b.path)));
    let mut chains = chains(runs(found), ended);
    let mut files = Vec::new();
    // Of the segments that come next in their chains, the one begun first.
    let next = |place: usize, chain: &mut Chain<T>| Some(Reverse((chain.peek()?.begun, place)));
    let mut waiting: BinaryHeap<_> =
        chains.iter_mut().enumerate().filter_map(|(place, chain)| next(place, chain)).collect();
    while let Some(Reverse((_, place))) = waiting.pop() {
        if let Some(chain) = chains.get_mut(place) {
            files.extend(chain.next().map(|segment| segment.file));
            waiting.extend(next(place, chain));
        }
    }
    files
}

/// The segments of each run, by their number.
fn runs<T>(found: Vec<Found<T>>) -> Vec<Vec<Found<T>>> {
    let mut places: HashMap<Recorder, usize> = HashMap::new();
    let mut runs: Vec<Vec<Found<T>>> = Vec::new();
    for mut segment in found {
        // What tells of no run is one of its own.
        let recorder = segment.recorder.take();
        let place = recorder.map_or(runs.len(), |recorder| *places.entry(recorder).or_insert(runs.len()));
        match runs.get_mut(place) {
            Some(run) => run.push(segment),
            None => runs.push(vec![segment]),
        }
    }
    for run in &mut runs {
        run.sort_by_key(|segment| segment.number);
        begin_behind_start(run);
    }
    runs
}

/// A run whose first segment seems to have been begun before its recorder was started came behind that: the clock was set back in between,
/// in a segment that is not there.
fn begin_behind_start<T>(run: &mut [Found<T>]) {
    if let Some(started) = run.first().and_then(|first| first.started.filter(|started| first.begun < *started)) {
        run.iter_mut().for_each(|segment| segment.begun = segment.begun.max(started));
    }
}

/// The segments of runs that came one behind the other, in that order.
fn chains<T>(runs: Vec<Vec<Found<T>>>, ended: impl Fn(&T) -> Option<Ended>) -> Vec<Chain<T>> {
    let place = |run: &Vec<Found<T>>| {
        let place = run.first().map(|segment| segment.place.clone()).unwrap_or_default();
        let last = run.last().and_then(|segment| segment.place.up);
        Place { up: place.up.zip(last).map(|([first, _], [_, last])| [first, last]), ..place }
    };
    let mut places: Vec<_> = runs.iter().map(place).collect();
    // Most often there is no other run, and nobody needs to know.
    if places.iter().any(|place| place.behind.is_some() || place.behind_later.is_some()) {
        for (place, run) in places.iter_mut().zip(&runs).filter(|(place, _)| place.ended.is_none()) {
            place.ended = run.last().and_then(|segment| ended(&segment.file));
        }
    }
    let next = runs::successors(&places);
    let is_behind: HashSet<_> = next.iter().flatten().copied().collect();
    let mut runs: Vec<_> = runs.into_iter().map(Some).collect();
    let firsts = (0..runs.len()).filter(|run| !is_behind.contains(run));
    let chain = |first| {
        let all = runs::chain(&next, first).filter_map(|run| runs.get_mut(run)?.take());
        let mut all: Vec<_> = all.flatten().collect();
        // What comes before a segment that was begun earlier, for the clock was set back, is in front of what came then.
        let mut least = u64::MAX;
        for segment in all.iter_mut().rev() {
            least = least.min(segment.begun);
            segment.begun = least;
        }
        all.into_iter().peekable()
    };
    firsts.map(chain).collect()
}
