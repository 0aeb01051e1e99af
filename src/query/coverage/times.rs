//! When the events of blocks arrived, as their heads tell or a directory does.

use ctrecorder_format::block::flags;
use ctrecorder_format::{BlockHeader, DirectoryEntry};

/// When the events of some blocks of records arrived, and when their flows were alive (docs/format.md, "Times of a block").
pub(super) struct Times {
    pub(super) first: u64,
    pub(super) last: u64,
    /// 0 if some start is not known.
    pub(super) least_start: u64,
    pub(super) greatest_end: u64,
}

impl From<&BlockHeader> for Times {
    fn from(block: &BlockHeader) -> Self {
        Self {
            first: block.first_event.get(),
            last: block.last_event.get(),
            least_start: if block.has(flags::START_UNKNOWN) { 0 } else { block.least_start.get() },
            greatest_end: block.greatest_end.get(),
        }
    }
}

impl From<&DirectoryEntry> for Times {
    fn from(entry: &DirectoryEntry) -> Self {
        let unknown = entry.flags & flags::START_UNKNOWN != 0;
        Self {
            first: entry.first_event.get(),
            last: entry.last_event.get(),
            least_start: if unknown { 0 } else { entry.least_start.get() },
            greatest_end: entry.greatest_end.get(),
        }
    }
}
