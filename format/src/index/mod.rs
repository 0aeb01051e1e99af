//! The index of many blocks: in which of them may an address, or an address with a port, be? docs/format.md, section
//! "Index".
//!
//! It is the Bloom filters of neighbouring blocks, turned by a quarter: what stands together is not one filter's bits but
//! one bit of all filters. So a question reads eight short rows of one chunk, however many blocks it is asked of.

mod bloom;
mod columns;
mod group;
mod transpose;

use std::borrow::Cow;
use std::fmt;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::block::{self, BlockHeader, BlockKind};
use crate::filter::{Key, WORDS};

pub use columns::Columns;
pub(crate) use group::Indexer;

/// An index has no more columns.
pub const COLUMNS_MAX: usize = 256;

/// Rows of a chunk, one for each bit of a slot.
const ROWS: usize = WORDS * u32::BITS as usize;

/// No index begins with more bytes than this: its block's header, its lead and its columns.
const FRONT_MAX: usize = block::HEADER + size_of::<Lead>() + COLUMNS_MAX * size_of::<Column>();

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
/// fn candidates<'s>(segment: &'s Segment<'s>, key: Key) -> Vec<Head<'s>> {
///     let mut candidates = Vec::new();
///     for index in segment.indexes().filter_map(|head| head.index()) {
///         for number in index.may_hold(key).iter() {
///             candidates.extend(segment.heads_of(&index.columns()[number]));
///         }
///     }
///     candidates
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Index<'a> {
    columns: Cow<'a, [Column]>,
    slots: usize,
    chunks: Chunks<'a>,
    /// All checksums have been verified.
    verified: bool,
}

/// Where an index is read from, if its file is not in memory.
pub trait ReadAt {
    /// Fills `into` with the bytes from this offset on. Returns whether they were there.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> bool;
}

/// The chunks of an index.
#[derive(Clone, Copy)]
enum Chunks<'a> {
    Here(&'a [u8]),
    /// From this offset on.
    Elsewhere(&'a dyn ReadAt, u64),
}

impl fmt::Debug for Chunks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(chunks) => write!(f, "{} bytes", chunks.len()),
            Self::Elsewhere(_, offset) => write!(f, "from offset {offset} on"),
        }
    }
}

impl<'a> Index<'a> {
    /// The index in the payload of the block with this number, of which only what it begins with has been verified.
    pub(crate) fn parse(sequence: u32, payload: &'a [u8]) -> Result<Self, &'static str> {
        let (slots, columns) = front(sequence, payload)?;
        let begin = size_of::<Lead>() + size_of_val(columns);
        let length = chunks_length(slots, columns.len());
        // In 64 bits: on a 32-bit machine a usize would overflow here.
        let chunks = usize::try_from(length).ok().and_then(|length| payload.get(begin..)?.get(..length));
        let chunks = Chunks::Here(chunks.ok_or("its chunks go beyond its end")?);
        Ok(Self { columns: Cow::Borrowed(columns), slots, chunks, verified: false })
    }

    /// The index that is the block at this offset, if one is there that belongs to the segment with this tag. Of its chunks
    /// those are read that are asked, and nothing else: for a file in memory see [`Head::index`](crate::Head::index).
    pub fn read(source: &'a dyn ReadAt, offset: u64, tag: u32) -> Option<Self> {
        let mut bytes = [0; FRONT_MAX];
        let (head, payload) = bytes.split_at_mut(block::HEADER);
        source.read_at(offset, head).then_some(())?;
        let header = BlockHeader::parse(head)?;
        (header.kind() == Some(BlockKind::Index) && header.tag.get() == tag).then_some(())?;
        let length = header.payload_length.get();
        let front_length = payload.len().min(length as usize);
        let payload = payload.get_mut(..front_length)?;
        let begin = offset.checked_add(block::HEADER as u64)?;
        source.read_at(begin, payload).then_some(())?;
        let (slots, columns) = front(header.sequence.get(), payload).ok()?;
        let fore = (size_of::<Lead>() + size_of_val(columns)) as u64;
        (fore.checked_add(chunks_length(slots, columns.len()))? <= length.into()).then_some(())?;
        let chunks = Chunks::Elsewhere(source, begin.checked_add(fore)?);
        Some(Self { columns: Cow::Owned(columns.to_vec()), slots, chunks, verified: false })
    }

    /// This index with each of its checksums verified.
    pub(crate) fn verify(self) -> Result<Self, &'static str> {
        let Chunks::Here(chunks) = self.chunks else { return Err("it is not at hand") };
        let whole = chunks.chunks_exact(chunk_length(self.columns.len())).all(|chunk| rows(chunk).is_some());
        if whole { Ok(Self { verified: true, ..self }) } else { Err("a chunk does not match its checksum") }
    }

    /// What its columns stand for, in the order of the file.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// All of its columns.
    pub fn all(&self) -> Columns {
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
    fn rows(&self, key: Key) -> Option<Cow<'a, [u8]>> {
        let length = chunk_length(self.columns.len());
        let begin = key.slot(self.slots).checked_mul(length)?;
        match self.chunks {
            Chunks::Here(chunks) => {
                let chunk = chunks.get(begin..begin.checked_add(length)?)?;
                let rows = if self.verified { chunk.get(..length - CRC) } else { rows(chunk) };
                rows.map(Cow::Borrowed)
            }
            Chunks::Elsewhere(source, offset) => {
                let mut chunk = vec![0; length];
                source.read_at(offset.checked_add(begin as u64)?, &mut chunk).then_some(())?;
                rows(&chunk)?;
                chunk.truncate(length - CRC);
                Some(Cow::Owned(chunk))
            }
        }
    }
}

/// What an index begins with: the slots of each filter, and the columns.
fn front(sequence: u32, payload: &[u8]) -> Result<(usize, &[Column]), &'static str> {
    let (lead, rest) = Lead::ref_from_prefix(payload).map_err(|_| "it is too short for an index")?;
    let count = lead.columns.get() as usize;
    if !(1..=COLUMNS_MAX).contains(&count) {
        return Err("its columns are none, or too many");
    }
    let (columns, _chunks) =
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
    Ok((lead.slots.get() as usize, columns))
}

/// The length of so many chunks for so many columns, in bytes.
const fn chunks_length(slots: usize, columns: usize) -> u64 {
    (slots as u64).saturating_mul(chunk_length(columns) as u64)
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
