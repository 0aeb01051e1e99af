//! The directory in a segment's footer, and the blocks that it tells of.

use ctrecorder_format::{BlockHeader, DirectoryEntry, Segment};

/// Whether a segment has a directory that makes sense: whose blocks follow each other from the first one to the footer.
pub fn has_sane_directory(segment: &Segment<'_>) -> bool {
    let (Ok(_), Some(footer)) = (segment.header(), segment.footer()) else { return false };
    let mut reached = segment.heads().place().offset();
    let mut blocks = 0_u32;
    let begins_where_expected = footer.directory.first().is_some_and(|first| first.offset.get() == reached);
    begins_where_expected
        && footer.directory.iter().enumerate().all(|(index, entry)| {
            let in_order = entry.offset.get() == reached && entry.blocks.get() > 0;
            let end = end_of_entry(segment, index);
            let sum = blocks.checked_add(entry.blocks.get());
            let grows = end > reached;
            (reached, blocks) = (end, sum.unwrap_or(blocks));
            in_order && grows && sum.is_some()
        })
}

/// Where the blocks of an entry of the directory end, as far as that tells.
pub(super) fn end_of_entry(segment: &Segment<'_>, index: usize) -> u64 {
    let Some(footer) = segment.footer() else { return 0 };
    footer.directory.get(index + 1).map_or(footer.offset, |next| next.offset.get())
}

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
