//! Holds the blocks of a segment against the directory in its footer.

use ctrecorder_format::block::flags;
use ctrecorder_format::{BlockHeader, DirectoryEntry};

/// What the directory should say of a run of blocks.
#[derive(PartialEq, Eq)]
struct Run {
    offset: u64,
    first_event: u64,
    last_event: u64,
    least_start: u64,
    greatest_end: u64,
    records: u64,
    kinds: u8,
    flags: u8,
}

impl Run {
    fn of_block(offset: u64, block: &BlockHeader) -> Self {
        Self {
            offset,
            first_event: block.first_event.get(),
            last_event: block.last_event.get(),
            least_start: block.least_start.get(),
            greatest_end: block.greatest_end.get(),
            records: block.count.get().into(),
            kinds: 1u8.checked_shl(block.kind.into()).unwrap_or(0),
            flags: block.flags & !flags::CONTINUES,
        }
    }

    fn of_entry(entry: &DirectoryEntry) -> Self {
        Self {
            offset: entry.offset.get(),
            first_event: entry.first_event.get(),
            last_event: entry.last_event.get(),
            least_start: entry.least_start.get(),
            greatest_end: entry.greatest_end.get(),
            records: entry.records.get(),
            kinds: entry.kinds,
            flags: entry.flags,
        }
    }

    fn joined(self, next: &Self) -> Self {
        Self {
            offset: self.offset,
            first_event: self.first_event.min(next.first_event),
            last_event: self.last_event.max(next.last_event),
            least_start: self.least_start.min(next.least_start),
            greatest_end: self.greatest_end.max(next.greatest_end),
            records: self.records.saturating_add(next.records),
            kinds: self.kinds | next.kinds,
            flags: self.flags | next.flags,
        }
    }
}

/// Goes along a directory, block by block.
pub(super) struct Comparison<'d> {
    rest: std::slice::Iter<'d, DirectoryEntry>,
    /// The entry we are in, how many blocks it still has to come, and what those before were.
    current: Option<(&'d DirectoryEntry, u32, Option<Run>)>,
    /// Number of the first entry that is wrong, from 0.
    wrong: Option<usize>,
    number: usize,
}

impl<'d> Comparison<'d> {
    pub(super) fn with(directory: &'d [DirectoryEntry]) -> Self {
        Self { rest: directory.iter(), current: None, wrong: None, number: 0 }
    }

    /// The next block of the segment, footer excluded.
    pub(super) fn block(&mut self, offset: u64, block: &BlockHeader) {
        let entry = self.current.take().or_else(|| self.rest.next().map(|entry| (entry, entry.blocks.get(), None)));
        let Some((entry, blocks, before)) = entry else {
            self.wrong.get_or_insert(self.number);
            return;
        };
        let this = Run::of_block(offset, block);
        let run = match before {
            Some(before) => before.joined(&this),
            None => this,
        };
        if blocks > 1 {
            self.current = Some((entry, blocks - 1, Some(run)));
            return;
        }
        if run != Run::of_entry(entry) {
            self.wrong.get_or_insert(self.number);
        }
        self.number += 1;
    }

    /// The number of the first entry that says something else than the blocks, from 0; `None`: they agree.
    pub(super) fn wrong(&self) -> Option<usize> {
        let all = self.current.is_none() && self.rest.as_slice().is_empty();
        self.wrong.or_else(|| (!all).then_some(self.number))
    }
}
