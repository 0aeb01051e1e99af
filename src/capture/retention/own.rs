//! The recorder's own segments: found by the pattern, told from others by their headers.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use ctrecorder_format::{Header, Note, Refusal, Retirement};

use super::super::clock;
use super::super::fitting::of_all_netns;
use super::super::pattern::Pattern;
use super::super::predecessor::{self, Found, Origin, Past, Unreadable};
use super::begun::{Link, begun, set_by};
use super::beside::Beside;
use super::left::{self, LeftBehind};
use crate::file::{self, Identity, directory_of};

/// A segment that this recorder, or one before it here, has closed or was cut off in.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) path: PathBuf,
    pub(super) version: Version,
    pub(super) past: Past,
    /// Its number in its run.
    pub(super) number: u64,
    /// When it was begun, by the clock as it was set later, ns since the epoch.
    pub(super) begun: u64,
}

/// One that is being written, of another network namespace than the recorder's own.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) netns: Option<u32>,
    run: u64,
    number: u64,
    created: u64,
}

/// All that there is of the recorder's journals.
#[derive(Debug, Default)]
pub(super) struct Journals {
    /// The oldest first.
    pub(super) closed: Vec<Own>,
    /// The one that the recorder writes of its own network namespace is not among them.
    pub(super) written: Vec<Written>,
    /// Whatever is in these, the one that the recorder writes included, or would be begun in them now.
    pub(super) directories: BTreeSet<PathBuf>,
}

/// What is known of a file as long as these stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    identity: Identity,
    pub(super) bytes: u64,
    written: SystemTime,
}

impl Version {
    /// That of the file of this name, if it is a regular one: a link to a segment is not one.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let metadata = path.symlink_metadata().ok().filter(fs::Metadata::is_file)?;
        Some(Self { identity: file::identity(&metadata), bytes: metadata.len(), written: metadata.modified().ok()? })
    }
}

/// Finds them, of the recorder's own network namespace and all others, and opens each file but once: there may be 100,000.
#[derive(Debug)]
pub(super) struct Finder {
    pattern: Pattern,
    own: Origin,
    known: HashMap<PathBuf, (Version, Option<Past>)>,
    /// What is none of its own and tells of recorders in other network namespaces.
    beside: Beside,
    /// By how much the clock was set in those that were asked for that, by their runs and numbers in these, too: names may come again.
    set_in: HashMap<(PathBuf, u64, u64), i64>,
    /// What could not be read, and was said to be.
    unreadable: HashSet<PathBuf>,
    /// The recorder ends, and waits for this.
    stop: Arc<AtomicBool>,
}

impl Finder {
    pub(super) fn new(pattern: Pattern, own: Origin, stop: Arc<AtomicBool>) -> Self {
        let (known, set_in, unreadable) = (HashMap::new(), HashMap::new(), HashSet::new());
        Self { pattern, own, known, beside: Beside::default(), set_in, unreadable, stop }
    }

    /// All of them but the one that the recorder writes of its own network namespace; none if it is to stop. `clock_was_set`: what is
    /// known of segments that are being written may have changed.
    pub(super) fn find(&mut self, current: (&Path, Option<Identity>), clock_was_set: bool) -> Journals {
        let (mut before, mut beside) = (std::mem::take(&mut self.known), std::mem::take(&mut self.beside));
        let mut found = Journals::default();
        found.directories.extend([directory_of(current.0).to_path_buf(), self.pattern.directory(clock::now())]);
        let mut current_one = None;
        for path in of_all_netns(&self.pattern) {
            if self.stop.load(Ordering::Relaxed) {
                return Journals::default();
            }
            let Some(version) = Version::at(&path) else { continue };
            found.directories.insert(directory_of(&path).to_path_buf());
            if path == current.0 || Some(version.identity) == current.1 {
                current_one = self.written(path, version.bytes);
                continue;
            }
            let known = before.remove(&path).filter(|(known, _)| *known == version);
            if known.is_some() {
                self.beside.keep(&path, &mut beside);
            }
            let past = known.map_or_else(|| self.examine(&path, &version, &mut found.written), |(_, past)| Some(past));
            // One that is being written, or cannot be read now, is looked at again the next time.
            let Some(past) = past else { continue };
            if let Some(past) = past
                && let Some(number) = past.number
            {
                found.closed.push(Own { path: path.clone(), version, past, number, begun: past.created });
            }
            self.known.insert(path, (version, past));
        }
        // Whose those of other namespaces are is known now that all were looked at.
        let beside = self.beside.at_work();
        let is_anothers = |netns: Option<u32>, created| netns.is_some() && beside.holds(created);
        found.closed.retain(|own| !is_anothers(own.past.netns, own.past.created));
        found.written.retain(|written| !is_anothers(written.netns, written.created));
        if clock_was_set {
            self.set_in.clear();
        }
        self.date(&mut found, current_one.as_ref());
        found
    }

    /// Finds out when each was begun, and puts the oldest first.
    fn date(&mut self, found: &mut Journals, current: Option<&Written>) {
        let now = clock::now();
        let runs: HashSet<_> = found.closed.iter().map(|own| (own.past.netns, own.past.run)).collect();
        // One that is being written tells only of those before it.
        let written =
            found.written.iter().chain(current).filter(|written| runs.contains(&(written.netns, written.run)));
        let links: Vec<_> =
            found.closed.iter().map(Own::link).chain(written.map(|written| written.link(now))).collect();
        let (before, set_in) = (std::mem::take(&mut self.set_in), &mut self.set_in);
        let ask = |link: &Link<'_>| {
            let key = (link.path.to_path_buf(), link.run.1, link.number);
            let known = before.get(&key).copied().unwrap_or_else(|| set_by(&predecessor::notes(link.path)));
            *set_in.entry(key).or_insert(known)
        };
        let begun = begun(&links, ask);
        found.closed.iter_mut().zip(begun).for_each(|(own, begun)| own.begun = begun);
        found.closed.sort_by(|a, b| (a.begun, a.number, &a.path).cmp(&(b.begun, b.number, &b.path)));
    }

    /// Files of this machine's that are none of the pattern's. To be asked after those of the pattern were found.
    pub(super) fn left_behind(&self) -> Option<LeftBehind> {
        let is_own = |path: &Path| self.known.get(path).is_some_and(|(_, past)| past.is_some());
        left::look(&self.pattern, &self.own, clock::now(), |path| self.stop.load(Ordering::Relaxed) || is_own(path))
    }

    /// What a file is: `Some(None)` if it is none of ours, `None` if that may change.
    fn examine(&mut self, path: &Path, version: &Version, written: &mut Vec<Written>) -> Option<Option<Past>> {
        let is_beside = Cell::new(false);
        let is_told_of = |header: &Header| {
            is_beside.set(self.is_beside(header));
            is_beside.get() || self.is_own(path, header)
        };
        match predecessor::examine_segment(path, is_told_of) {
            Ok(Found::Ours(past)) if is_beside.get() => {
                self.beside.closed(path, &past);
                Some(None)
            }
            Ok(Found::Ours(past)) => Some(Some(past)),
            Ok(Found::Foreign) | Err(Unreadable::Refused(Refusal::Version(_))) => Some(None),
            Ok(Found::Nothing) => None,
            Ok(Found::BeingWritten) => {
                written.extend(self.written(path.to_path_buf(), version.bytes));
                None
            }
            Err(error) => {
                if self.unreadable.insert(path.to_path_buf()) {
                    tracing::warn!("{}: is never removed, since it cannot be read: {error}", path.display());
                }
                None
            }
        }
    }

    /// Whether a segment with this header is one of the recorder's. The name tells, too: another recorder's pattern may give names that
    /// fit this one's.
    fn is_own(&self, path: &Path, header: &Header) -> bool {
        let Header { created, utc_offset_seconds, .. } = *header;
        match header.netns() {
            None => self.own.has_surely(header) && self.pattern.gave(path, created, utc_offset_seconds),
            Some(id) => {
                self.own.has_surely_elsewhere(header)
                    && self.pattern.gave_for_netns(id, path, created, utc_offset_seconds)
            }
        }
    }

    /// Whether a segment with this header is that of a recorder's own network namespace, which is another one of this machine.
    fn is_beside(&self, header: &Header) -> bool {
        header.netns().is_none() && self.own.has_surely_elsewhere(header) && !self.own.has_surely(header)
    }

    /// One of the recorder's that is being written; of another one's it is known from then on that that is at work.
    fn written(&mut self, path: PathBuf, bytes: u64) -> Option<Written> {
        let header = predecessor::header_of(&path)?;
        if self.is_beside(&header) {
            self.beside.written(&path, header.recorder_started);
        }
        if !self.is_own(&path, &header) {
            return None;
        }
        let (netns, run) = (header.netns(), header.recorder_started);
        Some(Written { path, bytes, netns, run, number: header.segment_number, created: header.created })
    }
}

impl Own {
    fn link(&self) -> Link<'_> {
        let Past { created, end, netns, run, .. } = self.past;
        Link { path: &self.path, run: (netns, run), number: self.number, created, end }
    }
}

impl Written {
    /// Up to now it tells.
    fn link(&self, now: u64) -> Link<'_> {
        Link { path: &self.path, run: (self.netns, self.run), number: self.number, created: self.created, end: now }
    }
}

/// The notes of removals in a segment, as far as it can be read.
pub(super) fn retirements(path: &Path) -> Vec<Note> {
    let mut notes = predecessor::notes(path);
    notes.retain(|note| Retirement::of(note).is_some());
    notes
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::header::namespace;
    use ctrecorder_format::{Content, Writer};

    use super::super::super::clock::SECOND;
    use super::super::super::header;
    use super::*;

    const BEGUN: u64 = 1_795_209_124;

    fn put(directory: &Path, name: &str, header: &Header) -> PathBuf {
        let path = directory.join(name);
        let mut writer = Writer::new(Vec::new(), header).unwrap();
        writer.write_out().unwrap();
        fs::write(&path, writer.output()).unwrap();
        path
    }

    #[test]
    fn its_own_are_those_that_have_the_name_that_its_pattern_gives_for_them() {
        let directory = tempfile::tempdir().unwrap();
        let pattern = |text: &str| Pattern::new(&format!("{}/{text}", directory.path().display()), 0, BEGUN).unwrap();
        let header = Header {
            host: header::host(),
            boot_id: header::boot_id(),
            namespace: header::namespace(),
            created: BEGUN * SECOND + 5,
            ..Header::blank(Content::Events)
        };
        let own = put(directory.path(), &format!("ct.{BEGUN}"), &header);
        let others = put(directory.path(), &format!("ct.{BEGUN}-b"), &header);
        put(directory.path(), &format!("ct.{}", BEGUN + 86400), &header);
        put(directory.path(), &format!("ct.{}", BEGUN + 1), &Header { host: "other".into(), ..header });
        let found = |text| {
            let found = Finder::new(pattern(text), Origin::own(), Arc::default()).find((Path::new("/"), None), false);
            found.closed.into_iter().map(|own| own.path).collect::<Vec<_>>()
        };
        assert_eq!(found("ct.%s"), [own]);
        assert_eq!(found("ct.%s-b"), [others]);
    }

    /// A header of this recorder's, of this number in a run.
    fn own_header(run: u64, number: u64, created: u64) -> Header {
        Header {
            host: header::host(),
            boot_id: header::boot_id(),
            machine: header::machine(),
            namespace: header::namespace(),
            recorder_started: run,
            segment_number: number,
            created,
            ..Header::blank(Content::Events)
        }
    }

    #[test]
    fn those_of_other_network_namespaces_are_its_own_too_the_numbered_ones_included() {
        let directory = tempfile::tempdir().unwrap();
        let pattern = Pattern::new(&format!("{}/ct.%s", directory.path().display()), 0, BEGUN).unwrap();
        let of = |id, created: u64| Header {
            namespace: namespace(77, Some(id)),
            ..own_header(created * SECOND, 0, created * SECOND)
        };
        let three = put(directory.path(), &format!("ct.netns-3.{}", BEGUN + 1), &of(3, BEGUN + 1));
        let next = put(directory.path(), &format!("ct.netns-3-2.{BEGUN}"), &of(3, BEGUN));
        put(directory.path(), &format!("ct.netns-4.{BEGUN}"), &of(3, BEGUN));
        put(directory.path(), &format!("ct.netns-5.{BEGUN}"), &own_header(1, 0, BEGUN * SECOND));
        put(directory.path(), &format!("ct.netns-6.{BEGUN}"), &Header { machine: [7; 16], ..of(6, BEGUN) });
        let at_work = put(directory.path(), &format!("ct.netns-7.{BEGUN}"), &of(7, BEGUN));
        let locked = fs::File::open(&at_work).unwrap();
        locked.lock().unwrap();
        let found = Finder::new(pattern, Origin::own(), Arc::default()).find((Path::new("/"), None), false);
        let closed: Vec<_> = found.closed.iter().map(|own| (own.path.as_path(), own.past.netns)).collect();
        assert_eq!(closed, [(next.as_path(), Some(3)), (three.as_path(), Some(3))]);
        let written: Vec<_> = found.written.iter().map(|written| (&written.path, written.bytes)).collect();
        assert_eq!(written, [(&at_work, at_work.metadata().unwrap().len())]);
    }

    #[test]
    fn what_was_begun_before_the_clock_was_set_right_is_not_old() {
        let directory = tempfile::tempdir().unwrap();
        let pattern = Pattern::new(&format!("{}/ct.%s", directory.path().display()), 0, BEGUN).unwrap();
        let now = clock::now();
        let step = now - 100 * SECOND;
        // Of a machine that came up in 1970; it was set right in the segment that is being written.
        let first = put(directory.path(), "ct.10", &own_header(10, 0, 10 * SECOND));
        let current = directory.path().join("ct.50");
        let mut writer = Writer::new(Vec::new(), &own_header(10, 1, 50 * SECOND)).unwrap();
        writer.note(&Note::clock_step(now, i64::try_from(step).unwrap()));
        writer.write_out().unwrap();
        fs::write(&current, writer.output()).unwrap();
        let before = put(directory.path(), &format!("ct.{BEGUN}"), &own_header(9, 0, BEGUN * SECOND));
        let mut finder = Finder::new(pattern, Origin::own(), Arc::default());
        let found = finder.find((&current, None), false).closed;
        let begun: Vec<_> = found.iter().map(|own| (&own.path, own.begun)).collect();
        assert_eq!(begun, [(&before, BEGUN * SECOND), (&first, 10 * SECOND + step)]);
    }

    #[test]
    fn who_is_told_to_stop_finds_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let pattern = Pattern::new(&format!("{}/ct.%s", directory.path().display()), 0, BEGUN).unwrap();
        let header = Header { created: BEGUN * SECOND, host: header::host(), ..Header::blank(Content::Events) };
        let header = Header { boot_id: header::boot_id(), namespace: header::namespace(), ..header };
        put(directory.path(), &format!("ct.{BEGUN}"), &header);
        let stop = Arc::new(AtomicBool::new(false));
        let mut finder = Finder::new(pattern, Origin::own(), stop.clone());
        assert_eq!(finder.find((Path::new("/"), None), false).closed.len(), 1);
        stop.store(true, Ordering::Relaxed);
        assert!(finder.find((Path::new("/"), None), false).closed.is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_of_once() {
        let directory = tempfile::tempdir().unwrap();
        let pattern = Pattern::new(&format!("{}/ct.%s", directory.path().display()), 0, BEGUN).unwrap();
        let path = put(directory.path(), "ct.5", &Header::blank(Content::Events));
        let mut bytes = fs::read(&path).unwrap();
        bytes[80] ^= 1;
        fs::write(&path, bytes).unwrap();
        let mut finder = Finder::new(pattern, Origin::own(), Arc::default());
        let logged = |finder: &mut Finder| {
            let before = finder.unreadable.clone();
            finder.find((Path::new("/"), None), false);
            finder.unreadable.difference(&before).cloned().collect::<Vec<_>>()
        };
        assert_eq!(logged(&mut finder), [path]);
        assert!(logged(&mut finder).is_empty());
    }
}
