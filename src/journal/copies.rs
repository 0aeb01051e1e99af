//! Which files are there twice: the same file by two paths, or a copy of it, perhaps of an earlier day.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use ctrecorder_format::{Content, Digest};

use super::{Journal, Member, Recorder, Source, Version};

/// What all copies of a file have in common.
#[derive(PartialEq, Eq, Hash)]
enum Known {
    /// A segment of events: its run, number and tag. A copy that was made while it was being written is a shorter one.
    Events(Recorder, u64, u32),
    /// A segment of flows, likewise. Of several made from one input, only the digest tells.
    Flows(Recorder, u64, u32),
    /// A part of an archive: its export, and its number there.
    Archive(String, u64),
    /// Of others the bytes have to be compared. These have as many, and were begun at the same time.
    Bytes(u64, u64),
}

impl Known {
    fn of(source: &Source, version: &Version<'_>) -> Self {
        match (version, version.header()) {
            (Version::Three(_), Some(header)) => {
                let (run, number) = (Recorder::of(header), header.segment_number);
                match header.content {
                    Content::Events => Self::Events(run, number, header.tag),
                    Content::Flows => Self::Flows(run, number, header.tag),
                }
            }
            (Version::Archive(archive), _) if !archive.about().export.is_empty() => {
                Self::Archive(archive.about().export.clone(), archive.about().part)
            }
            _ => Self::Bytes(source.length(), version.begun()),
        }
    }

    /// Those of some files, of all of which this is known, that are needless beside one of the others.
    fn repeated(&self, journal: &Journal, places: Vec<usize>) -> Vec<usize> {
        match self {
            Self::Events(..) => shorter(journal, places),
            Self::Flows(..) => same(places, |place| Some(footer(journal.files().get(place)?)?.1)),
            Self::Archive(..) => places.into_iter().skip(1).collect(),
            Self::Bytes(..) => same_bytes(journal, places),
        }
    }
}

impl Journal {
    /// The files without copies, the paths of which are handed to `told`.
    pub(super) fn without_copies(mut self, told: impl FnOnce(Vec<PathBuf>)) -> Self {
        let copies = self.copies();
        let (mut place, mut paths) = (0..self.files.len(), Vec::new());
        self.files.retain(|file| {
            let is_copy = place.next().is_some_and(|place| copies.contains(&place));
            paths.extend(is_copy.then(|| file.path().to_path_buf()));
            !is_copy
        });
        told(paths);
        self
    }

    /// The places of the files that others make needless. Pairing would take what comes again for something new.
    pub(crate) fn copies(&self) -> HashSet<usize> {
        let mut known: HashMap<Known, Vec<usize>> = HashMap::new();
        for (place, file) in self.files().iter().enumerate() {
            // What cannot be read is told elsewhere.
            if let Ok(source) = file.open()
                && let Ok(version) = source.parse_front()
            {
                known.entry(Known::of(&source, &version)).or_default().push(place);
            }
        }
        let several = known.into_iter().filter(|(_, places)| places.len() > 1);
        several.flat_map(|(known, places)| known.repeated(self, places)).collect()
    }
}

/// The length of a segment that was closed, and its digest.
fn footer(file: &Member) -> Option<(u64, Digest)> {
    let source = file.open().ok()?;
    let Ok(Version::Three(segment)) = source.parse() else { return None };
    Some((source.length(), segment.footer()?.digest))
}

/// All but the best copy: that is the one that was closed, and of others the longest. Of equal ones it is the first.
fn shorter(journal: &Journal, mut places: Vec<usize>) -> Vec<usize> {
    let merit = |place: &usize| {
        let file = journal.files().get(*place)?;
        let closed = footer(file).map(|(length, _)| length);
        Some((closed.is_some(), closed.or_else(|| file.open().ok().map(|source| source.length()))))
    };
    places.sort_by_cached_key(|place| (Reverse(merit(place)), *place));
    places.into_iter().skip(1).collect()
}

/// Those that have this in common with one before them.
fn same<T: Eq + std::hash::Hash>(places: Vec<usize>, what: impl Fn(usize) -> Option<T>) -> Vec<usize> {
    let mut known = HashSet::new();
    places.into_iter().filter(|place| what(*place).is_some_and(|what| !known.insert(what))).collect()
}

/// Those of some files that have the bytes of one before them.
fn same_bytes(journal: &Journal, places: Vec<usize>) -> Vec<usize> {
    let (mut kept, mut repeated): (Vec<Source>, _) = (Vec::new(), Vec::new());
    for place in places {
        let Some(source) = journal.files().get(place).and_then(|file| file.open().ok()) else { continue };
        if kept.iter().any(|other| other.bytes() == source.bytes()) {
            repeated.push(place);
        } else {
            kept.push(source);
        }
    }
    repeated
}
