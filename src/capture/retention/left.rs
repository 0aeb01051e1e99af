//! Files of this machine's journal that no limit reaches, since the pattern does not give their names: mostly of before it was changed.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use ctrecorder_format::Header;

use super::super::fitting::fitting;
use super::super::neighbours;
use super::super::pattern::Pattern;
use super::super::predecessor::{self, Found, Origin};
use crate::counted::counted;

/// Such files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeftBehind {
    /// How many there are.
    pub(crate) count: u64,
    /// When the oldest was begun, ns since the epoch.
    oldest: u64,
}

/// Those in the directories that segments of this pattern are in, or would be at `now` (ns since the epoch).
pub(crate) fn left_behind(pattern: &Pattern, now: u64) -> Option<LeftBehind> {
    look(pattern, &Origin::own(), now, |_| false)
}

/// The same, without opening those that are known to be none.
pub(super) fn look(pattern: &Pattern, own: &Origin, now: u64, is_known: impl Fn(&Path) -> bool) -> Option<LeftBehind> {
    let of_netns = pattern.names_of_netns();
    let glob = pattern.glob();
    let used = fitting(&glob).filter_map(|(_, path)| path.parent().map(Path::to_path_buf));
    let directories: BTreeSet<_> = used.chain([pattern.directory(now), pattern.fixed_directory()]).collect();
    let entries = directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
    let mut left = None;
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
        let path = entry.path();
        // Those of other network namespaces are held to the limits, too.
        if is_known(&path) || of_netns.have(&path) {
            continue;
        }
        let is_left =
            |header: &Header| own.has_surely(header) && !pattern.gave(&path, header.created, header.utc_offset_seconds);
        if let Ok(Found::Ours(past)) = predecessor::examine_segment(&path, is_left) {
            let LeftBehind { count, oldest } = left.unwrap_or(LeftBehind { count: 0, oldest: past.created });
            left = Some(LeftBehind { count: count + 1, oldest: oldest.min(past.created) });
        }
    }
    left
}

impl fmt::Display for LeftBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = counted(self.count, "file");
        let since = neighbours::text(self.oldest);
        write!(
            f,
            "{files} of this machine's journals, the oldest begun {since}, with names that --file does not give: of another recorder, or of \
             before that was changed; its limits never remove them"
        )
    }
}
