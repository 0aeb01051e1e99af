//! Gathers what an index will tell: blocks to columns, and columns to an index.

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use super::bloom::{Bloom, SLOTS, Slot};
use super::transpose::transpose;
use super::{COLUMNS_MAX, CRC, Column, Lead, chunk_length};
use crate::address::Address;
use crate::block::{BlockHeader, PAYLOAD_MAX};
use crate::footer::DirectoryEntry;
use crate::record::Record;
use crate::writer::BLOCK_BYTES;

/// A sole column of no more bytes of records than this is told of by no index: it would be no shorter to read.
const INDEX_FROM_BYTES: usize = 4096;

/// An index is ended when spreading the filters of other sizes to the largest would take more than so many columns.
const WASTED_COLUMNS_MAX: usize = 8;

/// Whether so many columns of so many slots fit into the payload of a block.
const fn fits(columns: usize, slots: usize) -> bool {
    let length = size_of::<Lead>() + columns * size_of::<Column>() + slots * chunk_length(columns);
    columns <= COLUMNS_MAX && length <= PAYLOAD_MAX as usize
}
const _: () = assert!(fits(120, SLOTS) && fits(248, SLOTS / 2));

/// What the next index will tell.
#[derive(Debug, Default)]
pub(crate) struct Indexer {
    filter: Bloom,
    /// The column whose blocks are being written, without its filter.
    open: Option<Told>,
    columns: Vec<Told>,
    /// The filters of `columns`, one behind the other.
    slots: Vec<Slot>,
}

/// A column that an index will have.
#[derive(Debug)]
struct Told {
    column: Column,
    /// Its blocks as one.
    joined: DirectoryEntry,
    /// Bytes of records in them.
    bytes: usize,
    /// How many slots its filter has: a power of two.
    slots: usize,
}

impl Indexer {
    /// Whether a batch with so many bytes of records is too much for the column whose blocks are being written.
    pub(crate) fn is_full_with(&self, bytes: usize) -> bool {
        self.open.as_ref().is_some_and(|open| open.bytes + bytes > BLOCK_BYTES)
    }

    /// Adds the records of the block that comes next.
    pub(crate) fn insert<'r, A: Address>(&mut self, records: impl Iterator<Item = &'r Record<A>>) {
        self.filter.insert_records(records);
    }

    /// Adds a block of records that begins at `offset`, with so many bytes of them.
    pub(crate) fn add(&mut self, offset: u64, block: &BlockHeader, bytes: usize) {
        let this = DirectoryEntry::of(offset, block);
        let Some(open) = &mut self.open else {
            let column = Column { offset: U64::new(offset), first: block.sequence, blocks: U32::new(1) };
            self.open = Some(Told { column, joined: this, bytes, slots: 0 });
            return;
        };
        // Notes may have come between.
        open.column.blocks = block.sequence - open.column.first + U32::new(1);
        open.joined = open.joined.joined(&this);
        open.bytes += bytes;
    }

    /// Ends the column whose blocks are being written, if there is one. Says how many of the first columns are to be
    /// written as an index now.
    pub(crate) fn end_column(&mut self) -> usize {
        let Some(mut column) = self.open.take() else { return 0 };
        column.slots = self.filter.finish(&mut self.slots);
        self.columns.push(column);
        let (count, most) = (self.columns.len(), slots_of(&self.columns));
        let wasted: usize = self.columns.iter().map(|column| most - column.slots).sum();
        if count > 1 && (wasted > WASTED_COLUMNS_MAX * most || !fits(count, most)) {
            count - 1
        } else if fits(count + 1, most) {
            0
        } else {
            count
        }
    }

    /// How many columns are left for the last index of a segment: none if it would be no shorter to read than they are.
    pub(crate) fn rest(&self) -> usize {
        let small = self.columns.iter().map(|column| column.bytes).sum::<usize>() <= INDEX_FROM_BYTES;
        if small { 0 } else { self.columns.len() }
    }

    /// The blocks of the first `count` columns as one; `None` if there are none.
    pub(crate) fn joined(&self, count: usize) -> Option<DirectoryEntry> {
        self.columns.iter().take(count).map(|column| column.joined).reduce(|all, next| all.joined(&next))
    }

    /// Appends the payload of an index of the first `count` columns to `out`, and forgets them.
    pub(crate) fn write(&mut self, count: usize, out: &mut Vec<u8>) {
        let told: Vec<_> = self.columns.drain(..count.min(self.columns.len())).collect();
        let columns: Vec<_> = told.iter().map(|column| column.column).collect();
        let slots = slots_of(&told);
        let mut lead = Lead {
            slots: U32::new(slots as u32),
            columns: U32::new(columns.len() as u32),
            reserved: U32::ZERO,
            crc: U32::ZERO,
        };
        lead.crc = U32::new(lead.checksum(&columns));
        out.extend_from_slice(lead.as_bytes());
        out.extend_from_slice(columns.as_bytes());
        let mut rest = &self.slots[..];
        let filters: Vec<_> = told.iter().filter_map(|column| rest.split_off(..column.slots)).collect();
        let written = self.slots.len() - rest.len();
        write_chunks(&filters, slots, out);
        self.slots.drain(..written);
    }
}

/// How many slots the filters of an index of these columns have.
fn slots_of(columns: &[Told]) -> usize {
    columns.iter().map(|column| column.slots).max().unwrap_or(0)
}

/// Appends the chunks of these filters, each spread to so many slots.
fn write_chunks(filters: &[&[Slot]], slots: usize, out: &mut Vec<u8>) {
    let length = chunk_length(filters.len());
    let mut same = Vec::with_capacity(filters.len());
    for slot in 0..slots {
        same.clear();
        // The slot is the key's high bits times the number of slots: a slot of a shorter filter is several of a longer one.
        same.extend(filters.iter().filter_map(|filter| filter.get(slot * filter.len() / slots)));
        let begin = out.len();
        out.resize(begin + length - CRC, 0);
        transpose(&same, &mut out[begin..]);
        let crc = crc32fast::hash(&out[begin..]);
        out.extend_from_slice(&crc.to_le_bytes());
    }
}
