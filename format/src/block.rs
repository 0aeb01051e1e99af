//! The header that every block begins with. docs/format.md, section "Blocks".

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ALIGNMENT;

/// The first four bytes of a block.
pub(crate) const MAGIC: [u8; 4] = *b"CTBK";

/// Size of a block's header in bytes.
pub(crate) const HEADER: usize = size_of::<BlockHeader>();
const _: () = assert!(HEADER == ALIGNMENT && std::mem::offset_of!(BlockHeader, first_event) == 24);

/// No block's payload is longer, in bytes, so that a reader of a stream knows what it may have to hold. The longest is
/// a footer with a full directory.
pub const PAYLOAD_MAX: u32 = 1024 * 1024;

/// No footer's payload is longer, in bytes.
pub const FOOTER_MAX: u32 = 16 * 1024 * 1024;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BlockKind {
    /// Records of IPv4 flows.
    Ipv4 = 1,
    /// Records of IPv6 flows.
    Ipv6 = 2,
    /// Gaps and other notes.
    Notes = 3,
    /// The footer.
    Footer = 4,
    /// The index of blocks before it.
    Index = 5,
    /// What a segment of flows was made from.
    Sources = 6,
}

impl BlockKind {
    /// The kind with this number in the file; `None` for one of a later version, to be passed over.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Ipv4,
            2 => Self::Ipv6,
            3 => Self::Notes,
            4 => Self::Footer,
            5 => Self::Index,
            6 => Self::Sources,
            _ => return None,
        })
    }
}

/// Bits of [`BlockHeader::flags`].
pub mod flags {
    /// The next block belongs to the same batch: the two cover the same span of arrival.
    pub const CONTINUES: u8 = 1 << 0;
    /// Each record is followed by its counters.
    pub const COUNTERS: u8 = 1 << 1;
    /// Some record does not know its start.
    pub const START_UNKNOWN: u8 = 1 << 2;
    /// Some record does not know its end, or is still open.
    pub const END_UNKNOWN: u8 = 1 << 3;
    /// Some record is one of a flow that was open: [`Kind::Open`](crate::Kind::Open).
    pub const OPEN: u8 = 1 << 4;
}

/// A block's header, 64 bytes. Times are ns since the epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct BlockHeader {
    /// `CTBK`.
    pub(crate) magic: [u8; 4],
    /// The segment's tag.
    pub tag: U32,
    /// The block's number in the segment, from 0.
    pub sequence: U32,
    /// A [`BlockKind`] by its number; ask [`BlockHeader::kind`].
    pub kind: u8,
    /// Bits of [`flags`].
    pub flags: u8,
    /// Size of one record (or note, or directory entry) in bytes; 0 in an index.
    pub record_size: U16,
    /// Number of records (or notes, or directory entries); 0 in an index.
    pub count: U32,
    /// Length of the payload in bytes, without the zeros that pad it.
    pub payload_length: U32,
    /// When the first of its events arrived.
    pub first_event: U64,
    /// When the last of its events arrived.
    pub last_event: U64,
    /// Least start among its records that know theirs; `u64::MAX` if none does.
    pub least_start: U64,
    /// Greatest end among its records that know theirs; 0 if none does.
    pub greatest_end: U64,
    /// CRC-32 of the payload and the zeros that pad it.
    pub payload_crc: U32,
    /// CRC-32 of the 60 bytes before it.
    pub(crate) header_crc: U32,
}

impl BlockHeader {
    /// What the block holds; `None` for a kind of a later version.
    pub const fn kind(&self) -> Option<BlockKind> {
        BlockKind::from_number(self.kind)
    }

    /// The block's length in the file in bytes: header, payload, padding.
    pub fn length(&self) -> u64 {
        // In 64 bits: on a 32-bit machine a usize would overflow here.
        HEADER as u64 + u64::from(self.payload_length.get()).next_multiple_of(ALIGNMENT as u64)
    }

    /// Whether a flag is set.
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The block header at the beginning of `bytes`, if there is one, it matches its checksum and its payload is not too
    /// long.
    pub(crate) fn parse(bytes: &[u8]) -> Option<&Self> {
        let (header, _) = Self::ref_from_prefix(bytes).ok()?;
        let whole = header.magic == MAGIC
            && header.header_crc.get() == header.checksum()
            && header.payload_length.get() <= header.longest_payload();
        whole.then_some(header)
    }

    /// How long the payload of such a block may be. A block that claims more is none: its checksum would cost more to
    /// verify than a small file is worth.
    const fn longest_payload(&self) -> u32 {
        match self.kind() {
            Some(BlockKind::Footer) => FOOTER_MAX,
            _ => PAYLOAD_MAX,
        }
    }

    /// Sets the checksum of the header itself, the last thing to be set.
    pub(crate) fn seal(&mut self) {
        self.header_crc = U32::new(self.checksum());
    }

    fn checksum(&self) -> u32 {
        crc32fast::hash(&self.as_bytes()[..std::mem::offset_of!(Self, header_crc)])
    }
}
