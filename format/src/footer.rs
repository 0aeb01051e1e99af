//! The footer of a segment closed in order: totals, directory, digest. docs/format.md, section "Footer".

use serde::{Deserialize, Serialize};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::address::Family;
use crate::block::{self, BlockHeader, BlockKind, flags};
use crate::encode;
use crate::header::Digest;
use crate::note::Note;
use crate::record::Kind;

/// A directory never has more entries: when it would, each two neighbours become one. 3.5 MiB, however long a
/// segment grows.
pub(crate) const ENTRIES_MAX: usize = 64 * 1024;

/// Why a segment was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Closing {
    /// The recorder went on in the next segment.
    #[default]
    WentOn,
    /// The recorder stopped in order.
    Stopped,
    /// The segment was made from others and is complete.
    Complete,
}

/// What a segment holds in all. Times are ns since the epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// When the segment was closed.
    pub closed: u64,
    /// When the first event arrived, 0 if there was none.
    pub first_event: u64,
    /// When the last event arrived, 0 if there was none.
    pub last_event: u64,
    /// Blocks before the footer.
    pub blocks: u64,
    /// Records of starts.
    pub starts: u64,
    /// Records of ends.
    pub ends: u64,
    /// Records of whole flows.
    pub flows: u64,
    /// Records of flows open when the segment began.
    pub opens: u64,
    /// Records of IPv4 flows, of all kinds.
    pub ipv4: u64,
    /// Records of IPv6 flows, of all kinds.
    pub ipv6: u64,
    /// Notes, gaps among them.
    pub notes: u64,
    /// Events known to be lost, by the gaps.
    pub lost: u64,
    /// Why the segment was closed.
    pub closing: Closing,
}

impl Totals {
    /// Records of all kinds.
    pub const fn records(&self) -> u64 {
        self.ipv4.saturating_add(self.ipv6)
    }

    pub(crate) fn count_record(&mut self, family: Family, kind: Option<Kind>) {
        match family {
            Family::Ipv4 => self.ipv4 += 1,
            Family::Ipv6 => self.ipv6 += 1,
        }
        match kind {
            Some(Kind::Start) => self.starts += 1,
            Some(Kind::End) => self.ends += 1,
            Some(Kind::Flow) => self.flows += 1,
            Some(Kind::Open) => self.opens += 1,
            Some(Kind::Update) | None => {}
        }
    }

    pub(crate) fn count_note(&mut self, note: &Note) {
        self.notes += 1;
        if note.is_gap() {
            self.lost = self.lost.saturating_add(note.lost().unwrap_or(0));
        }
    }

    pub(crate) fn count_block(&mut self, block: &BlockHeader) {
        self.blocks += 1;
        if matches!(block.kind(), Some(BlockKind::Ipv4 | BlockKind::Ipv6)) {
            let first = block.first_event.get();
            self.first_event = if self.first_event == 0 { first } else { self.first_event.min(first) };
            self.last_event = self.last_event.max(block.last_event.get());
        }
    }
}

/// What the directory says of one block, or of a run of neighbouring ones: 56 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DirectoryEntry {
    /// Where the first block begins: bytes from the start of the file.
    pub offset: U64,
    /// See [`BlockHeader::first_event`].
    pub first_event: U64,
    /// See [`BlockHeader::last_event`].
    pub last_event: U64,
    /// See [`BlockHeader::least_start`].
    pub least_start: U64,
    /// See [`BlockHeader::greatest_end`].
    pub greatest_end: U64,
    /// Records (or notes) in these blocks.
    pub records: U64,
    /// How many blocks.
    pub blocks: U32,
    /// Bit `1 << kind` for each kind of block among them.
    pub kinds: u8,
    /// The flags of the blocks, joined.
    pub flags: u8,
    /// Zeros.
    pub(crate) reserved: U16,
}
const _: () = assert!(size_of::<DirectoryEntry>() == 56);
const _: () = assert!(ENTRIES_MAX * size_of::<DirectoryEntry>() + 1024 < block::FOOTER_MAX as usize);

impl DirectoryEntry {
    /// The entry of one block that begins at `offset`.
    pub fn of(offset: u64, block: &BlockHeader) -> Self {
        Self {
            offset: U64::new(offset),
            first_event: block.first_event,
            last_event: block.last_event,
            least_start: block.least_start,
            greatest_end: block.greatest_end,
            records: U64::new(block.count.get().into()),
            blocks: U32::new(1),
            kinds: 1u8.checked_shl(block.kind.into()).unwrap_or(0),
            flags: block.flags & !flags::CONTINUES,
            reserved: U16::ZERO,
        }
    }

    /// This entry and its right neighbour as one.
    pub fn joined(&self, next: &Self) -> Self {
        Self {
            offset: self.offset,
            first_event: self.first_event.min(next.first_event),
            last_event: self.last_event.max(next.last_event),
            least_start: self.least_start.min(next.least_start),
            greatest_end: self.greatest_end.max(next.greatest_end),
            records: U64::new(self.records.get().saturating_add(next.records.get())),
            blocks: U32::new(self.blocks.get().saturating_add(next.blocks.get())),
            kinds: self.kinds | next.kinds,
            flags: self.flags | next.flags,
            reserved: U16::ZERO,
        }
    }
}

/// The directory as it grows.
#[derive(Debug)]
pub(crate) struct Directory {
    entries: Vec<DirectoryEntry>,
    /// How many blocks a new entry takes before the next one is begun.
    blocks_per_entry: u32,
}

impl Default for Directory {
    fn default() -> Self {
        Self { entries: Vec::new(), blocks_per_entry: 1 }
    }
}

impl Directory {
    pub(crate) fn push(&mut self, offset: u64, block: &BlockHeader) {
        let entry = DirectoryEntry::of(offset, block);
        match self.entries.last_mut() {
            Some(last) if last.blocks.get() < self.blocks_per_entry => *last = last.joined(&entry),
            _ => self.entries.push(entry),
        }
        if self.entries.len() >= ENTRIES_MAX {
            let halved = self.entries.chunks(2).map(|pair| match pair {
                [left, right] => left.joined(right),
                [last] => *last,
                _ => unreachable!("chunks of 2 have one or two entries"),
            });
            self.entries = halved.collect();
            self.blocks_per_entry = self.blocks_per_entry.saturating_mul(2);
        }
    }

    pub(crate) fn entries(&self) -> &[DirectoryEntry] {
        &self.entries
    }
}

/// The last 64 bytes of a segment closed in order.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Tail {
    pub(crate) magic: [u8; 8],
    /// Where the footer's block begins: bytes from the start of the file.
    pub(crate) footer: U64,
    /// Where the directory begins: bytes from the start of the file.
    pub(crate) directory: U64,
    pub(crate) reserved: U64,
    /// SHA-256 of everything before it, but for the header of the footer's block.
    pub(crate) digest: Digest,
}

pub(crate) const TAIL: usize = size_of::<Tail>();
pub(crate) const TAIL_MAGIC: [u8; 8] = *b"CTNLDONE";
const _: () = assert!(TAIL == crate::ALIGNMENT && std::mem::offset_of!(Tail, digest) == 32);

/// A footer as read.
#[derive(Clone, Debug)]
pub struct Footer<'a> {
    /// Where the footer's block begins: bytes from the start of the file.
    pub offset: u64,
    /// What the segment holds.
    pub totals: Totals,
    /// The blocks before the footer, in order.
    pub directory: &'a [DirectoryEntry],
    /// The segment's digest as it was written; [`crate::Segment::digest`] computes what it should be.
    pub digest: Digest,
}

impl<'a> Footer<'a> {
    /// So many bytes at the end of a closed segment say where its footer begins.
    pub const TAIL: usize = TAIL;

    /// Where the footer's block begins, by the last [`Footer::TAIL`] bytes of a file: bytes from its start. `None` if these are not
    /// the end of a closed segment.
    pub fn offset_by(tail: &[u8]) -> Option<u64> {
        let tail = Tail::ref_from_bytes(tail).ok()?;
        (tail.magic == TAIL_MAGIC).then(|| tail.footer.get())
    }

    /// The footer whose verified payload this is.
    pub(crate) fn parse(offset: u64, block: &BlockHeader, payload: &'a [u8]) -> Result<Self, &'static str> {
        let (body, tail) = payload.split_at_checked(payload.len().wrapping_sub(TAIL)).ok_or("it has no tail")?;
        let tail = Tail::ref_from_bytes(tail).map_err(|_| "it has no tail")?;
        if tail.magic != TAIL_MAGIC || tail.footer.get() != offset {
            return Err("its tail is not its own");
        }
        let start = offset + block::HEADER as u64;
        let directory = tail.directory.get().checked_sub(start).and_then(|at| usize::try_from(at).ok());
        let (totals, directory) =
            directory.and_then(|at| body.split_at_checked(at)).ok_or("its directory lies outside it")?;
        if usize::from(block.record_size.get()) != size_of::<DirectoryEntry>() {
            return Err("its directory entries have another size");
        }
        let count = block.count.get() as usize;
        let (directory, _padding) = <[DirectoryEntry]>::ref_from_prefix_with_elems(directory, count)
            .map_err(|_| "its directory is longer than itself")?;
        let totals = encode::from_bytes(totals).map_err(|_| "its totals do not decode")?;
        Ok(Self { offset, totals, directory, digest: tail.digest })
    }
}
