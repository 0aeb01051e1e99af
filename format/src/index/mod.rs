//! The index of many blocks: in which of them may an address, or an address with a port, be? docs/format.md, section
//! "Index".
//!
//! It is the Bloom filters of neighbouring blocks, turned by a quarter: what stands together is not one filter's bits but
//! one bit of all filters. So a question reads eight short rows of one chunk, however many blocks it is asked of.

mod bloom;
mod columns;
mod group;
mod transpose;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::filter::{Key, WORDS};

pub use columns::Columns;
pub(crate) use group::Indexer;

/// An index has no more columns.
pub const COLUMNS_MAX: usize = 256;

/// Rows of a chunk, one for each bit of a slot.
const ROWS: usize = WORDS * u32::BITS as usize;

/// Length of a chunk's CRC-32 in bytes.
const CRC: usize = size_of::<u32>();

/// What an index begins with: 16 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Lead {
    /// Slots of each filter: the number of chunks.
    pub(crate) slots: U32,
    /// How many columns.
    pub(crate) columns: U32,
    pub(crate) reserved: U32,
    /// CRC-32 of the twelve bytes before it and of the columns.
    pub(crate) crc: U32,
}

impl Lead {
    fn checksum(&self, columns: &[Column]) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.as_bytes()[..std::mem::offset_of!(Self, crc)]);
        crc.update(columns.as_bytes());
        crc.finalize()
    }
}

/// The neighbouring blocks that one column of an index stands for: 16 bytes.
///
/// They begin and end with a block of records; notes may be between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Column {
    /// Where the first of them begins: bytes from the start of the file.
    pub offset: U64,
    /// Number of the first of them in the segment.
    pub first: U32,
    /// How many they are.
    pub blocks: U32,
}

impl Column {
    /// The numbers of its blocks, which are below 2^32.
    pub fn sequences(&self) -> std::ops::Range<u64> {
        let first = u64::from(self.first.get());
        first..first + u64::from(self.blocks.get())
    }
}

/// So many bits a row has for this many columns: 1, 2, 4, or a multiple of 8.
const fn width(columns: usize) -> usize {
    if columns < 8 { columns.next_power_of_two() } else { columns.next_multiple_of(8) }
}

/// The length of a chunk for this many columns, in bytes.
const fn chunk_length(columns: usize) -> usize {
    ROWS / 8 * width(columns) + CRC
}

/// The index of some blocks before it, as it stands in the file.
///
/// Each part of it has a checksum of its own and is verified when it is asked; what is damaged rules nothing out. Blocks
/// that no index knows, such as the last ones of a segment, may hold anything.
///
/// ```
/// use ctrecorder_format::{Head, Key, Segment};
///
/// /// The blocks of records that may hold a key, in the order of the file, but for those that no index knows.
/// fn candidates<'s>(segment: &'s Segment<'s>, key: Key) -> impl Iterator<Item = Head<'s>> {
///     let indexes = segment.indexes().filter_map(|head| head.index());
///     indexes.flat_map(move |index| {
///         let held = index.may_hold(key);
///         let columns = held.iter().map(move |number| &index.columns()[number]);
///         columns.flat_map(|column| segment.heads_of(column))
///     })
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Index<'a> {
    columns: &'a [Column],
    slots: usize,
    chunks: &'a [u8],
    /// All checksums have been verified.
    verified: bool,
}

impl<'a> Index<'a> {
    /// The index in the payload of the block with this number, of which only what it begins with has been verified.
    pub(crate) fn parse(sequence: u32, payload: &'a [u8]) -> Result<Self, &'static str> {
        let (lead, rest) = Lead::ref_from_prefix(payload).map_err(|_| "it is too short for an index")?;
        let count = lead.columns.get() as usize;
        if !(1..=COLUMNS_MAX).contains(&count) {
            return Err("its columns are none, or too many");
        }
        let (columns, chunks) =
            <[Column]>::ref_from_prefix_with_elems(rest, count).map_err(|_| "its columns go beyond its end")?;
        if lead.crc.get() != lead.checksum(columns) {
            return Err("its columns do not match their checksum");
        }
        let mut told = 0;
        for blocks in columns.iter().map(Column::sequences) {
            if blocks.is_empty() || blocks.start < told || blocks.end > sequence.into() {
                return Err("its columns are not of blocks before it, in their order");
            }
            told = blocks.end;
        }
        // In 64 bits: on a 32-bit machine a usize would overflow here.
        let length = u64::from(lead.slots.get()) * chunk_length(count) as u64;
        let chunks = usize::try_from(length).ok().and_then(|length| chunks.get(..length));
        let slots = lead.slots.get() as usize;
        Ok(Self { columns, slots, chunks: chunks.ok_or("its chunks go beyond its end")?, verified: false })
    }

    /// This index with each of its checksums verified.
    pub(crate) fn verify(self) -> Result<Self, &'static str> {
        let whole = self.chunks.chunks_exact(chunk_length(self.columns.len())).all(|chunk| rows(chunk).is_some());
        if whole { Ok(Self { verified: true, ..self }) } else { Err("a chunk does not match its checksum") }
    }

    /// What its columns stand for, in the order of the file.
    pub const fn columns(&self) -> &'a [Column] {
        self.columns
    }

    /// All of its columns.
    pub const fn all(&self) -> Columns {
        Columns::first(self.columns.len())
    }

    /// The number of the column that stands for the block with this number; `None`: the index does not know that block.
    pub fn column_of(&self, sequence: u32) -> Option<usize> {
        let next = self.columns.partition_point(|column| column.first.get() <= sequence);
        let number = next.checked_sub(1)?;
        self.columns.get(number)?.sequences().contains(&sequence.into()).then_some(number)
    }

    /// The columns in whose blocks some record may have this key. In those of the others none has it.
    pub fn may_hold(&self, key: Key) -> Columns {
        let Some(rows) = self.rows(key) else { return self.all() };
        let width = width(self.columns.len());
        key_rows(key).fold(self.all(), |held, row| {
            let bit = row * width;
            // Shorter than a byte, a row lies within one; longer, it is a number of whole ones.
            let row = rows.get(bit / 8..(bit + width).div_ceil(8)).unwrap_or(&[u8::MAX; COLUMNS_MAX / 8]);
            held & Columns::from_bytes(row, bit % 8)
        })
    }

    /// Whether some record in the blocks of this column may have this key: [`Index::may_hold`] of one column.
    pub fn column_may_hold(&self, column: usize, key: Key) -> bool {
        let Some(rows) = self.rows(key) else { return true };
        let width = width(self.columns.len());
        column >= width
            || key_rows(key)
                .map(|row| row * width + column)
                .all(|bit| rows.get(bit / 8).is_none_or(|byte| byte >> (bit % 8) & 1 != 0))
    }

    /// The rows of the chunk that knows of this key; `None` if they do not match their checksum.
    fn rows(&self, key: Key) -> Option<&'a [u8]> {
        let length = chunk_length(self.columns.len());
        let begin = key.slot(self.slots).checked_mul(length)?;
        let chunk = self.chunks.get(begin..begin.checked_add(length)?)?;
        if self.verified { chunk.get(..length - CRC) } else { rows(chunk) }
    }
}

/// The rows of this key in its chunk.
fn key_rows(key: Key) -> impl Iterator<Item = usize> {
    key.bits().into_iter().enumerate().map(|(word, bit)| word * u32::BITS as usize + bit as usize)
}

/// The rows of a chunk; `None` if they do not match its checksum.
fn rows(chunk: &[u8]) -> Option<&[u8]> {
    let (rows, stored) = chunk.split_last_chunk::<CRC>()?;
    (crc32fast::hash(rows) == u32::from_le_bytes(*stored)).then_some(rows)
}
