//! The recorder's own segments: found by the pattern, told from others by their headers.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use ctrecorder_format::{Header, Note, Refusal, Retirement};

use super::super::clock;
use super::super::neighbours;
use super::super::pattern::Pattern;
use super::super::predecessor::{self, Found, Origin, Past, Unreadable};
use super::left::{self, LeftBehind};
use crate::file::{self, Identity};

/// A segment that this recorder, or one before it here, has closed or was cut off in.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) path: PathBuf,
    pub(super) version: Version,
    pub(super) past: Past,
    /// Its number in its run.
    pub(super) number: u64,
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

/// Finds them, and opens each file but once: there may be 100,000.
#[derive(Debug)]
pub(super) struct Finder {
    pattern: Pattern,
    own: Origin,
    known: HashMap<PathBuf, (Version, Option<Past>)>,
    /// What could not be read, and was said to be.
    unreadable: HashSet<PathBuf>,
    /// The recorder ends, and waits for this.
    stop: Arc<AtomicBool>,
}

impl Finder {
    pub(super) fn new(pattern: Pattern, own: Origin, stop: Arc<AtomicBool>) -> Self {
        Self { pattern, own, known: HashMap::new(), unreadable: HashSet::new(), stop }
    }

    /// All of them but the one being written, the oldest first; none if it is to stop.
    pub(super) fn find(&mut self, current: (&Path, Option<Identity>)) -> Vec<Own> {
        let mut before = std::mem::take(&mut self.known);
        let mut found = Vec::new();
        for (_, path) in neighbours::fitting(&self.pattern.glob()) {
            if self.stop.load(Ordering::Relaxed) {
                return Vec::new();
            }
            let Some(version) = Version::at(&path) else { continue };
            if path == current.0 || Some(version.identity) == current.1 {
                continue;
            }
            let known = before.remove(&path).filter(|(known, _)| *known == version);
            let past = known.map_or_else(|| self.examine(&path), |(_, past)| Some(past));
            // One that is being written, or cannot be read now, is looked at again the next time.
            let Some(past) = past else { continue };
            if let Some(past) = past
                && let Some(number) = past.number
            {
                found.push(Own { path: path.clone(), version, past, number });
            }
            self.known.insert(path, (version, past));
        }
        found.sort_by(|a, b| (a.past.created, a.number, &a.path).cmp(&(b.past.created, b.number, &b.path)));
        found
    }

    /// Files of this machine's that are none of the pattern's. To be asked after those of the pattern were found.
    pub(super) fn left_behind(&self) -> Option<LeftBehind> {
        let is_own = |path: &Path| self.known.get(path).is_some_and(|(_, past)| past.is_some());
        left::look(&self.pattern, &self.own, clock::now(), |path| self.stop.load(Ordering::Relaxed) || is_own(path))
    }

    /// What a file is: `Some(None)` if it is none of ours, `None` if that may change.
    fn examine(&mut self, path: &Path) -> Option<Option<Past>> {
        // The name, too: another recorder's pattern may give names that fit this one's.
        let gave = |header: &Header| self.pattern.gave(path, header.created, header.utc_offset_seconds);
        match predecessor::examine_segment(path, |header| self.own.has_surely(header) && gave(header)) {
            Ok(Found::Ours(past)) => Some(Some(past)),
            Ok(Found::Foreign) | Err(Unreadable::Refused(Refusal::Version(_))) => Some(None),
            Ok(Found::Nothing | Found::BeingWritten) => None,
            Err(error) => {
                if self.unreadable.insert(path.to_path_buf()) {
                    tracing::warn!("{}: is never removed, since it cannot be read: {error}", path.display());
                }
                None
            }
        }
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
            let found = Finder::new(pattern(text), Origin::own(), Arc::default()).find((Path::new("/"), None));
            found.into_iter().map(|own| own.path).collect::<Vec<_>>()
        };
        assert_eq!(found("ct.%s"), [own]);
        assert_eq!(found("ct.%s-b"), [others]);
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
        assert_eq!(finder.find((Path::new("/"), None)).len(), 1);
        stop.store(true, Ordering::Relaxed);
        assert!(finder.find((Path::new("/"), None)).is_empty());
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
            finder.find((Path::new("/"), None));
            finder.unreadable.difference(&before).cloned().collect::<Vec<_>>()
        };
        assert_eq!(logged(&mut finder), [path]);
        assert!(logged(&mut finder).is_empty());
    }
}
