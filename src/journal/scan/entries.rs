//! The reading of blocks that a segment's directory tells of: those alone that it, or an index, does not rule out.

use std::ops::Range;

use ctrecorder_format::block::flags;
use ctrecorder_format::{BlockKind, DirectoryEntry, ReadAt, Segment};

use super::super::directory::end_of_entry;
use super::super::opened::Opened;
use super::Select;
use super::divide::TESTED_BYTES;
use super::found::Found;
use super::reading::Reading;
use super::ruled_out::RuledOut;

/// Blocks between others that are passed over are read by themselves up to this length. To map them would cost more: a page
/// fault or two for each, and so much to unmap.
const READ_BYTES: u64 = if cfg!(test) { TESTED_BYTES / 2 } else { 512 * 1024 };

/// The reading of entries of a directory.
pub(super) struct Entries<'r, F> {
    pub(super) select: &'r F,
    pub(super) ruled_out: &'r RuledOut,
    pub(super) file: &'r Opened,
    pub(super) segment: &'r Segment<'r>,
    pub(super) directory: &'r [DirectoryEntry],
}

impl<F: Select> Entries<'_, F> {
    /// Reads what they tell of, where the first block of the first one has the number `sequence`. `None` if a walk does not
    /// come from each of them to the next one.
    pub(super) fn read(&self, entries: Range<usize>, mut sequence: u32) -> Option<Found> {
        let mut found = Found::default();
        let mut buffer = Vec::new();
        let mut index = entries.start;
        while index < entries.end {
            let entry = self.directory.get(index)?;
            if is_passed_over(self.select, self.ruled_out, entry, sequence) {
                if entry.flags & flags::OPEN != 0 {
                    found.open();
                }
                (index, sequence) = (index + 1, sequence.checked_add(entry.blocks.get())?);
            } else {
                let first = sequence;
                let run = index;
                (index, sequence) = self.end_of_run(run..entries.end, sequence)?;
                found = self.run(run..index, first, found, &mut buffer)?;
            }
        }
        Some(found)
    }

    /// How far the entries go, from the first on, that are not passed over, and the number of the block behind them.
    fn end_of_run(&self, entries: Range<usize>, mut sequence: u32) -> Option<(usize, u32)> {
        for index in entries.clone() {
            let entry = self.directory.get(index)?;
            if index > entries.start && is_passed_over(self.select, self.ruled_out, entry, sequence) {
                return Some((index, sequence));
            }
            sequence = sequence.checked_add(entry.blocks.get())?;
        }
        Some((entries.end, sequence))
    }

    /// Adds what the blocks of some entries hold.
    fn run(&self, entries: Range<usize>, mut sequence: u32, found: Found, buffer: &mut Vec<u8>) -> Option<Found> {
        let begin = self.directory.get(entries.start)?.offset.get();
        let end = end_of_entry(self.segment, entries.end.checked_sub(1)?);
        let mut bytes = self.bytes(begin, end.checked_sub(begin)?, buffer)?;
        let mut reading = Reading::new(self.select, self.ruled_out, found);
        for index in entries {
            let mut offset = self.directory.get(index)?.offset.get();
            for _ in 0..self.directory.get(index)?.blocks.get() {
                let head = self.segment.head_in(bytes, offset)?;
                let is_next = head.header.sequence.get() == sequence && head.header.kind() != Some(BlockKind::Footer);
                is_next.then_some(())?;
                reading.block(&head);
                sequence = sequence.checked_add(1)?;
                offset = offset.checked_add(head.header.length())?;
                bytes = bytes.get(usize::try_from(head.header.length()).ok()?..)?;
            }
            (offset == end_of_entry(self.segment, index)).then_some(())?;
        }
        Some(reading.finish())
    }

    /// So many bytes of the file from an offset on.
    fn bytes<'b>(&'b self, offset: u64, length: u64, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        let source = self.file.source();
        let length = usize::try_from(length).ok()?;
        if length as u64 > READ_BYTES {
            return source.bytes().get(usize::try_from(offset).ok()?..)?.get(..length);
        }
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let bytes = buffer.get_mut(..length)?;
        source.read_at(offset, bytes).then_some(bytes)
    }
}

/// Whether none of the blocks of an entry of a directory, the first of which has the number `sequence`, need be read.
pub(super) fn is_passed_over<F: Select>(
    select: &F,
    ruled_out: &RuledOut,
    entry: &DirectoryEntry,
    sequence: u32,
) -> bool {
    const RECORDS: u8 = 1 << BlockKind::Ipv4 as u8 | 1 << BlockKind::Ipv6 as u8;
    const INDEX: u8 = 1 << BlockKind::Index as u8;
    // Indexes that are asked are read by themselves. A look at the head of each through the map would cost as much.
    let has_nothing_else = entry.kinds == INDEX && select.asks_indexes();
    let has_records_only = entry.kinds != 0 && entry.kinds & !RECORDS == 0;
    let blocks = u64::from(sequence)..u64::from(sequence) + u64::from(entry.blocks.get());
    // In segments of flows, a block of open records holds nothing else.
    let is_open = ruled_out.has_open() && entry.blocks.get() == 1 && entry.flags & flags::OPEN != 0;
    has_nothing_else || (has_records_only && (is_open || ruled_out.has(&blocks) || select.rules_out_entry(entry)))
}
