//! Which blocks of a segment its indexes rule out. docs/format.md, section "Index".

use std::ops::Range;

use ctrecorder_format::{BlockHeader, BlockKind, DirectoryEntry, Index, ReadAt, Segment};

use super::super::Source;
use super::Select;

/// The blocks of records in which no wanted record is, as the indexes of a segment tell. Of other kinds of blocks it says
/// nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct RuledOut {
    /// Numbers of blocks, in order; no two ranges touch.
    ranges: Vec<Range<u64>>,
    /// Blocks of open records are ruled out, too.
    open: bool,
}

impl RuledOut {
    /// The same, and blocks of open records, or not.
    pub(super) const fn with_open(mut self, open: bool) -> Self {
        self.open = open;
        self
    }

    /// Whether blocks of open records are ruled out.
    pub(super) const fn has_open(&self) -> bool {
        self.open
    }

    /// Asks all indexes of a segment.
    pub(super) fn by<F: Select>(select: &F, segment: &Segment<'_>) -> Self {
        let mut ruled_out = Self::default();
        if select.asks_indexes() {
            segment.indexes().filter_map(|head| head.index()).for_each(|index| ruled_out.ask(select, &index));
        }
        ruled_out
    }

    /// Asks the indexes that tell of the blocks of some entries of a segment's directory: those among them, and the one that
    /// comes next.
    pub(super) fn by_entries<F: Select>(
        select: &F,
        source: &Source,
        segment: &Segment<'_>,
        entries: Range<usize>,
    ) -> Self {
        let mut ruled_out = Self::default();
        let (Some(footer), Ok(header), true) = (segment.footer(), segment.header(), select.asks_indexes()) else {
            return ruled_out;
        };
        let with_index = footer.directory.iter().enumerate().skip(entries.start).filter(|(_, entry)| has_index(entry));
        for (place, entry) in with_index {
            let mut offset = entry.offset.get();
            for _ in 0..entry.blocks.get() {
                if let Some(index) = Index::read(source, offset, header.tag) {
                    ruled_out.ask(select, &index);
                }
                if entry.blocks.get() > 1 {
                    let Some(length) = length_at(source, segment, offset) else { break };
                    offset = offset.saturating_add(length);
                }
            }
            // Of the blocks behind it in its own entry only the next index tells.
            if place >= entries.end || (place + 1 == entries.end && entry.blocks.get() == 1) {
                break;
            }
        }
        ruled_out
    }

    fn ask<F: Select>(&mut self, select: &F, index: &Index<'_>) {
        let without = index.all() - select.columns(index);
        let columns = without.iter().filter_map(|number| index.columns().get(number));
        columns.for_each(|column| self.add(column.sequences()));
    }

    /// Adds blocks, if they stand behind those that are known.
    fn add(&mut self, blocks: Range<u64>) {
        match self.ranges.last_mut() {
            Some(last) if last.end == blocks.start => last.end = blocks.end,
            // Indexes tell of blocks in their order; one that does not is not to be trusted.
            Some(last) if last.end > blocks.start => {}
            _ => self.ranges.push(blocks),
        }
    }

    /// Whether all of these blocks are ruled out, by their numbers.
    pub(super) fn has(&self, blocks: &Range<u64>) -> bool {
        let next = self.ranges.partition_point(|range| range.start <= blocks.start);
        let range = next.checked_sub(1).and_then(|place| self.ranges.get(place));
        range.is_some_and(|range| blocks.end <= range.end)
    }
}

/// The length of the block at an offset, if one of this segment is there. It is read by itself: all that lies around it would
/// come with a look at the map.
fn length_at(source: &Source, segment: &Segment<'_>, offset: u64) -> Option<u64> {
    let mut bytes = [0; size_of::<BlockHeader>()];
    source.read_at(offset, &mut bytes).then_some(())?;
    segment.begun_in(&bytes).map(BlockHeader::length)
}

/// Whether an index is among the blocks of an entry of a directory.
pub(super) const fn has_index(entry: &DirectoryEntry) -> bool {
    entry.kinds & 1 << BlockKind::Index as u8 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_ruled_out_and_nothing_else() {
        let mut ruled_out = RuledOut::default();
        [2..4, 4..5, 9..12, 11..20].into_iter().for_each(|blocks| ruled_out.add(blocks));
        let all = (0..30_u64).filter(|block| ruled_out.has(&(*block..block + 1)));
        assert_eq!(all.collect::<Vec<_>>(), [2, 3, 4, 9, 10, 11]);
        assert!(ruled_out.has(&(2..5)) && !ruled_out.has(&(2..6)) && !ruled_out.has(&(4..10)));
    }
}
