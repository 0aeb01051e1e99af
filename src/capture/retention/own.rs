//! The recorder's own segments: found by the pattern, told from others by their headers.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ctrecorder_format::{BlockKind, Body, Note, Retirement, Segment};

use super::super::neighbours;
use super::super::predecessor::{self, Found, Origin, Past};
use crate::file::{self, Identity};

/// A segment that this recorder, or one before it here, has closed or was cut off in.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) bytes: u64,
    pub(super) past: Past,
    /// Its number in its run.
    pub(super) number: u64,
}

/// What is known of a file as long as these stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    identity: Identity,
    bytes: u64,
    written: SystemTime,
}

/// Finds them, and opens each file but once: there may be 100,000.
#[derive(Debug)]
pub(super) struct Finder {
    glob: String,
    own: Origin,
    known: HashMap<PathBuf, (Version, Option<Past>)>,
}

impl Finder {
    pub(super) fn new(glob: String) -> Self {
        Self { glob, own: Origin::own(), known: HashMap::new() }
    }

    /// All of them but the one being written, the oldest first.
    pub(super) fn find(&mut self, current: (&Path, Option<Identity>)) -> Vec<Own> {
        let mut before = std::mem::take(&mut self.known);
        let mut found = Vec::new();
        for (written, path) in neighbours::fitting(&self.glob) {
            // A link to a segment is not one.
            let Some(metadata) = path.symlink_metadata().ok().filter(fs::Metadata::is_file) else { continue };
            let version = Version { identity: file::identity(&metadata), bytes: metadata.len(), written };
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
                let Version { identity, bytes, .. } = version;
                found.push(Own { path: path.clone(), identity, bytes, past, number });
            }
            self.known.insert(path, (version, past));
        }
        found.sort_by(|a, b| (a.past.created, a.number, &a.path).cmp(&(b.past.created, b.number, &b.path)));
        found
    }

    /// What a file is: `Some(None)` if it is none of ours, `None` if that may change.
    fn examine(&self, path: &Path) -> Option<Option<Past>> {
        match predecessor::examine(path, &self.own) {
            Ok(Found::Ours(past)) => Some(Some(past)),
            Ok(Found::Foreign) => Some(None),
            Ok(Found::Nothing | Found::BeingWritten) | Err(_) => None,
        }
    }
}

/// The notes of removals in a segment, as far as it can be read.
pub(super) fn retirements(path: &Path) -> Vec<Note> {
    let Some(bytes) = File::open(path).and_then(|file| file::map(&file)).ok() else { return Vec::new() };
    let Ok(segment) = Segment::open(&bytes) else { return Vec::new() };
    let heads = segment.heads().filter_map(Result::ok);
    let notes = heads.filter(|head| head.header.kind() == Some(BlockKind::Notes));
    let blocks = notes.filter_map(|head| head.verify().ok());
    let notes = blocks.flat_map(|block| if let Body::Notes(notes) = block.body { notes.to_vec() } else { Vec::new() });
    notes.filter(|note| Retirement::of(note).is_some()).collect()
}
