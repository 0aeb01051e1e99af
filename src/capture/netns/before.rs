//! What recorders before this one wrote of other network namespaces: since when each was not recorded stands in its first file.
//!
//! Where there are hundreds of namespaces they may have 100,000 files, and all of the recordings begin at once: so the files are looked
//! through once for all of them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ctrecorder_format::{Header, Note};

use super::super::neighbours;
use super::super::pattern::Pattern;
use super::super::predecessor::Origin;

/// What was there before the first recording of another network namespace.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// The newest files by the ids that they may be of.
    newest: OnceLock<HashMap<u32, Vec<PathBuf>>>,
    /// Those that were recorded before and have been since, by their numbers in headers: no more than there were files.
    again: Mutex<HashSet<u64>>,
}

impl Before {
    /// Since when the namespace with this id was not recorded, of which this is the header of a first segment that is to be created: `None`
    /// if it never was, or since the recorder was `started` (ns since the epoch): then it was the namespace that was not there.
    pub(super) fn not_running(&self, pattern: &Pattern, id: u32, first: &Header, started: u64) -> Option<Note> {
        let newest = self.newest.get_or_init(|| neighbours::newest_by_netns(pattern)).get(&id)?;
        if self.again().contains(&first.namespace) {
            return None;
        }
        let note = neighbours::not_running_before(newest, &Origin::of(first), first.created)?;
        self.again().insert(first.namespace);
        Some(note).filter(|note| note.from.get() < started)
    }

    fn again(&self) -> MutexGuard<'_, HashSet<u64>> {
        // Whoever panicked meanwhile left all that was put there.
        self.again.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::header::namespace;
    use ctrecorder_format::{Closing, Content, Writer};

    use super::super::super::clock::SECOND;
    use super::*;

    const BEGUN: u64 = 1_795_209_124 * SECOND;

    fn header(inode: u32, id: u32, created: u64) -> Header {
        let namespace = namespace(inode, Some(id));
        Header { host: "router".into(), boot_id: [1; 16], namespace, created, ..Header::blank(Content::Events) }
    }

    #[test]
    fn the_files_of_before_are_looked_for_once_and_a_namespace_that_comes_again_was_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let pattern = Pattern::new(&format!("{}/ct.%s", directory.path().display()), 0, BEGUN).unwrap();
        let put = |id| {
            let mut writer = Writer::new(Vec::new(), &header(7, id, BEGUN)).unwrap();
            writer.finish(Closing::Stopped, BEGUN + 100 * SECOND).unwrap();
            writer.write_out().unwrap();
            std::fs::write(pattern.of_netns(id, 0).name(BEGUN), writer.output()).unwrap();
        };
        let (started, before) = (BEGUN + 800 * SECOND, Before::default());
        let gap = |inode, id| {
            let note = before.not_running(&pattern, id, &header(inode, id, BEGUN + 900 * SECOND), started)?;
            Some((note.from.get(), note.to.get()))
        };
        put(3);
        assert_eq!(gap(8, 3), None, "another namespace has the id");
        assert_eq!(gap(7, 3), Some((BEGUN + 100 * SECOND, BEGUN + 900 * SECOND)));
        assert_eq!(gap(7, 3), None);
        put(4);
        assert_eq!(gap(7, 4), None, "whatever this recorder wrote since is none of before");
    }
}
