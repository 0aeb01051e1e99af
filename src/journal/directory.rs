//! Holds the blocks of a segment against the directory in its footer.

use ctrecorder_format::{BlockHeader, DirectoryEntry};

/// Goes along a directory, block by block.
pub(super) struct Comparison<'d> {
    rest: std::slice::Iter<'d, DirectoryEntry>,
    /// What the entry that comes next should say, as far as its blocks have come.
    run: Option<DirectoryEntry>,
    /// Number of the first entry that is wrong, from 0.
    wrong: Option<usize>,
    number: usize,
}

impl<'d> Comparison<'d> {
    pub(super) fn with(directory: &'d [DirectoryEntry]) -> Self {
        Self { rest: directory.iter(), run: None, wrong: None, number: 0 }
    }

    /// The next block of the segment, footer excluded.
    pub(super) fn block(&mut self, offset: u64, block: &BlockHeader) {
        let this = DirectoryEntry::of(offset, block);
        let run = self.run.take().map_or(this, |before| before.joined(&this));
        match self.rest.as_slice().first() {
            Some(entry) if run.blocks.get() < entry.blocks.get() => self.run = Some(run),
            entry => {
                if entry != Some(&run) {
                    self.wrong.get_or_insert(self.number);
                }
                self.rest.next();
                self.number += 1;
            }
        }
    }

    /// The number of the first entry that says something else than the blocks, from 0; `None`: they agree.
    pub(super) fn wrong(&self) -> Option<usize> {
        let all = self.run.is_none() && self.rest.as_slice().is_empty();
        self.wrong.or_else(|| (!all).then_some(self.number))
    }
}
