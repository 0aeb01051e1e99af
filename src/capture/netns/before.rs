//! What recorders before this one wrote of other network namespaces: since when each was not recorded stands in its first file.
//!
//! Where there are hundreds of namespaces they may have 100,000 files, and all of the recordings begin at once: so the files are looked
//! through once for all of them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use ctrecorder_format::{Header, Note};

use super::super::neighbours;
use super::super::pattern::Pattern;
use super::super::predecessor::Origin;

/// What was there before the first recording of another network namespace.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// The newest files by the ids that they may be of.
    newest: OnceLock<HashMap<u32, Vec<PathBuf>>>,
    /// The namespaces that have been recorded since, by their numbers in headers.
    begun: Mutex<HashSet<u64>>,
}

impl Before {
    /// Since when the namespace with this id was not recorded, of which this is the header of a first segment that is to be created: `None`
    /// if it never was, or since the recorder was `started` (ns since the epoch): then it was the namespace that was not there.
    pub(super) fn not_running(&self, pattern: &Pattern, id: u32, first: &Header, started: u64) -> Option<Note> {
        let newest = self.newest.get_or_init(|| neighbours::newest_by_netns(pattern));
        // Whoever panicked meanwhile left all that was put there.
        let is_first = self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(first.namespace);
        let newest = newest.get(&id).filter(|_| is_first)?;
        let note = neighbours::not_running_before(newest, &Origin::of(first), first.created);
        note.filter(|note| note.from.get() < started)
    }
}
