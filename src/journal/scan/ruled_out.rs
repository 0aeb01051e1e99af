//! Which blocks of a segment its indexes rule out. docs/format.md, section "Index".

use std::ops::Range;

use ctrecorder_format::Segment;

use super::Select;

/// The blocks of records in which no wanted record is, as the indexes of a segment tell. Of other kinds of blocks it says
/// nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct RuledOut {
    /// Numbers of blocks, in order; no two ranges touch.
    ranges: Vec<Range<u64>>,
}

impl RuledOut {
    /// Asks all indexes of a segment.
    pub(super) fn by<F: Select>(select: &F, segment: &Segment<'_>) -> Self {
        let mut ruled_out = Self::default();
        if select.asks_indexes() {
            for index in segment.indexes().filter_map(|head| head.index()) {
                let without = index.all() - select.columns(&index);
                let columns = without.iter().filter_map(|number| index.columns().get(number));
                columns.for_each(|column| ruled_out.add(column.sequences()));
            }
        }
        ruled_out
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
