//! The header of a version 3 segment: who recorded, where, when, what and how. docs/format.md, section "Header".

use std::ops::Range;

use serde::{Deserialize, Serialize};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::address::Address;
use crate::encode::{self, CodecError};
use crate::record::{Counters, Record};
use crate::{ALIGNMENT, Family, V4, V6, align};

/// The first four bytes of a file of any version.
pub const MAGIC: [u8; 4] = *b"CTNL";

/// The version of the files described here.
pub const VERSION: u32 = 3;

/// Magic and version as they stand in the file; the version is big-endian, as in version 2.
pub(crate) const PREFIX: [u8; 8] = *b"CTNL\0\0\0\x03";

/// No header is longer than this.
pub(crate) const LENGTH_MAX: usize = 64 * 1024;

/// Compatible feature: the records have counters, as their blocks' flags say, too.
const WITH_COUNTERS: u64 = 1 << 0;

/// Compatible feature: the records of flows that were alive when the clock was set say so.
const MARKS_CLOCK_SETS: u64 = 1 << 1;

/// Incompatible feature: a segment of flows ends with the flows that were open then. Who takes them for further flows has them
/// twice.
const CLOSING_KEYFRAME: u64 = 1 << 0;

/// Incompatible features that this reader understands.
const INCOMPATIBLE_KNOWN: u64 = CLOSING_KEYFRAME;

/// SHA-256 of a segment, as its footer and the next segment's header hold it.
pub type Digest = [u8; 32];

/// The fixed part of the header, 64 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Preamble {
    pub(crate) prefix: [u8; 8],
    pub(crate) header_length: U32,
    pub(crate) body_length: U32,
    pub(crate) compatible: U64,
    pub(crate) incompatible: U64,
    pub(crate) ipv4_record_size: U16,
    pub(crate) ipv6_record_size: U16,
    pub(crate) reserved: U32,
    pub(crate) tag: U32,
    pub(crate) machine: [u8; 16],
    pub(crate) crc: U32,
}

const PREAMBLE: usize = size_of::<Preamble>();
const CRC: Range<usize> = std::mem::offset_of!(Preamble, crc)..PREAMBLE;
const _: () = assert!(PREAMBLE == ALIGNMENT && CRC.start == 60 && std::mem::offset_of!(Preamble, tag) == 40);

/// What the records of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Starts, ends and open flows, as they were recorded.
    Events,
    /// Flows, squeezed from events.
    Flows,
}

/// Which clock the times of a segment come from; each record's flags say it for that record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Clock {
    /// The recorder's clock, read when an event arrived.
    Arrival,
    /// The kernel's time stamps (`nf_conntrack_timestamp`), where an event has one.
    Kernel,
}

/// The header of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// A number that every block of this segment repeats, so that no other segment's block is taken for its own.
    /// Chosen at random by whoever creates the segment.
    #[serde(skip)]
    pub tag: u32,
    /// Whether records are followed by [`Counters`].
    #[serde(skip)]
    pub counters: bool,
    /// Whether the segment, one of flows, ends with *open* records of the flows that were open then.
    #[serde(skip)]
    pub closing_keyframe: bool,
    /// Whether the segment, one of flows, tells which of them were alive when the clock was set:
    /// [`CLOCK_SET`](crate::record::flags::CLOCK_SET).
    #[serde(skip)]
    pub marks_clock_sets: bool,
    /// Name and version of the program that wrote the segment.
    pub software: String,
    /// Events or flows.
    pub content: Content,
    /// Name of the host that recorded.
    pub host: String,
    /// The kernel's boot id of that host, zeros if not known.
    pub boot_id: [u8; 16],
    /// What the machine that recorded has over all its starts, and no other machine; zeros if not known.
    #[serde(skip)]
    pub machine: [u8; 16],
    /// When the recorder was started, ns since the epoch, UTC.
    pub recorder_started: u64,
    /// The segment's number since the start of the recorder, from 0.
    pub segment_number: u64,
    /// When the segment was created, ns since the epoch, UTC.
    pub created: u64,
    /// The recorder's time zone (IANA name), empty if not known.
    pub time_zone: String,
    /// The recorder's offset from UTC when the segment was created, in seconds, east positive.
    pub utc_offset_seconds: i32,
    /// Families recorded: bit 0 IPv4, bit 1 IPv6.
    pub families: u8,
    /// Layer-4 protocols recorded, by their numbers; empty: all.
    pub protocols: Vec<u8>,
    /// The network namespace recorded, as [`namespace`] makes a number of it: that of its inode, 0 if not known, and, of
    /// another namespace than the recorder's own, its id there.
    pub namespace: u64,
    /// Further filters in force, as text; empty: none.
    pub filters: String,
    /// Where times come from.
    pub clock: Clock,
    /// Digest of the previous segment of the same recorder; of a segment of flows, of the one before it that it goes on with.
    pub previous: Option<Digest>,
}

/// Why a file is not read as a version 3 segment at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It does not begin as one of our files does.
    #[error("offset 0: not a ctrecorder file (it does not begin with \"CTNL\")")]
    NotASegment,
    /// Its version is another one.
    #[error("offset 4: version {0} is not known to this program (it reads 2 and 3)")]
    Version(u32),
    /// A feature that must be understood is not.
    #[error("offset 24: the file uses features that this program does not know (bits {0:#x}); a newer one is needed")]
    Features(u64),
    /// A field that passed its checksum makes no sense.
    #[error("offset {offset}: {what}")]
    Nonsense {
        /// Where the field stands.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// The sizes of a segment's records in bytes. A later version may put fields behind those known here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordSizes {
    pub(crate) ipv4: usize,
    pub(crate) ipv6: usize,
}

impl RecordSizes {
    fn of(preamble: &Preamble) -> Self {
        Self { ipv4: preamble.ipv4_record_size.get().into(), ipv6: preamble.ipv6_record_size.get().into() }
    }
}

/// How a header turned out.
pub(crate) enum Parsed {
    /// It is whole; its length in the file follows, and the sizes of the records.
    Whole(Box<Header>, usize, RecordSizes),
    /// It is ours, and does not match its checksum.
    Damaged,
    /// The file ends before it does, or its length is damaged.
    CutOff,
}

impl Header {
    /// Whether the segment may have been recorded on this machine: where either is zeros, nobody knows.
    pub fn may_be_of_machine(&self, machine: [u8; 16]) -> bool {
        self.machine == machine || [self.machine, machine].contains(&[0; 16])
    }

    /// A header that says no more than what its segment's records are: of events or of flows, of both families, of all
    /// protocols, without counters.
    pub const fn blank(content: Content) -> Self {
        Self {
            tag: 0,
            counters: false,
            closing_keyframe: false,
            marks_clock_sets: false,
            software: String::new(),
            content,
            host: String::new(),
            boot_id: [0; 16],
            machine: [0; 16],
            recorder_started: 0,
            segment_number: 0,
            created: 0,
            time_zone: String::new(),
            utc_offset_seconds: 0,
            families: family_bit(Family::Ipv4) | family_bit(Family::Ipv6),
            protocols: Vec::new(),
            namespace: 0,
            filters: String::new(),
            clock: Clock::Arrival,
            previous: None,
        }
    }

    /// The size of a record of this family in this segment, in bytes, counters included.
    pub const fn record_size(&self, family: Family) -> usize {
        let record = match family {
            Family::Ipv4 => size_of::<Record<V4>>(),
            Family::Ipv6 => size_of::<Record<V6>>(),
        };
        if self.counters { record + size_of::<Counters>() } else { record }
    }

    /// The id (nsid) that the network namespace recorded had in the recorder's own; `None` if it was that one.
    pub const fn netns(&self) -> Option<u32> {
        split(self.namespace).1
    }

    /// Whether records of this family were recorded.
    pub const fn has_family(&self, family: Family) -> bool {
        self.families & family_bit(family) != 0
    }

    /// Whether events of every kind of flow were recorded, of all families and protocols.
    pub fn has_every_kind(&self) -> bool {
        let has_both = self.has_family(Family::Ipv4) && self.has_family(Family::Ipv6);
        self.content == Content::Events && has_both && self.protocols.is_empty() && self.filters.is_empty()
    }

    /// The header's bytes, a multiple of 64. Fails only if its texts are longer than a header can be.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let body = encode::to_bytes(self)?;
        let length = align(PREAMBLE + body.len());
        if length > LENGTH_MAX {
            return Err(CodecError(format!("a header of {length} bytes; {LENGTH_MAX} are the most")));
        }
        let record_size = |family| U16::new(self.record_size(family) as u16);
        let preamble = Preamble {
            prefix: PREFIX,
            header_length: U32::new(length as u32),
            body_length: U32::new(body.len() as u32),
            compatible: U64::new(
                if self.counters { WITH_COUNTERS } else { 0 }
                    | if self.marks_clock_sets { MARKS_CLOCK_SETS } else { 0 },
            ),
            incompatible: U64::new(if self.closing_keyframe { CLOSING_KEYFRAME } else { 0 }),
            ipv4_record_size: record_size(Family::Ipv4),
            ipv6_record_size: record_size(Family::Ipv6),
            reserved: U32::ZERO,
            tag: U32::new(self.tag),
            machine: self.machine,
            crc: U32::ZERO,
        };
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(preamble.as_bytes());
        bytes.extend_from_slice(&body);
        bytes.resize(length, 0);
        let crc = checksum(&bytes, PREFIX);
        bytes[CRC].copy_from_slice(&crc.to_le_bytes());
        Ok(bytes)
    }

    /// Reads the header at the beginning of a file.
    pub(crate) fn parse(file: &[u8]) -> Result<Parsed, Refusal> {
        if file.is_empty() {
            return Err(Refusal::Empty);
        }
        let Ok((preamble, _)) = Preamble::ref_from_prefix(file) else {
            let common = file.len().min(PREFIX.len());
            return if file[..common] == PREFIX[..common] { Ok(Parsed::CutOff) } else { Err(foreign(file)) };
        };
        let length = preamble.header_length.get() as usize;
        let plausible = (PREAMBLE..=LENGTH_MAX).contains(&length) && length.is_multiple_of(ALIGNMENT);
        let whole =
            plausible && file.get(..length).is_some_and(|header| checksum(header, PREFIX) == preamble.crc.get());
        if preamble.prefix != PREFIX {
            // With version 3 in their place the checksum holds: these eight bytes alone are damaged.
            return if whole { Ok(Parsed::Damaged) } else { Err(foreign(file)) };
        }
        if !whole {
            return Ok(if plausible && length > file.len() { Parsed::CutOff } else { Parsed::Damaged });
        }
        let header = Self::trusted(preamble, &file[PREAMBLE..length])?;
        Ok(Parsed::Whole(Box::new(header), length, RecordSizes::of(preamble)))
    }

    /// The header made of a preamble and body that match their checksum.
    fn trusted(preamble: &Preamble, body: &[u8]) -> Result<Self, Refusal> {
        let unknown = preamble.incompatible.get() & !INCOMPATIBLE_KNOWN;
        if unknown != 0 {
            return Err(Refusal::Features(unknown));
        }
        let nonsense = |offset: usize, what: String| Refusal::Nonsense { offset: offset as u64, what };
        let body = body
            .get(..preamble.body_length.get() as usize)
            .ok_or_else(|| nonsense(12, "the header's body is longer than the header".into()))?;
        let mut header: Self = encode::from_bytes(body)
            .map_err(|error| nonsense(PREAMBLE, format!("the header's body does not decode: {error}")))?;
        header.tag = preamble.tag.get();
        header.machine = preamble.machine;
        let sizes = RecordSizes::of(preamble);
        header.counters = preamble.compatible.get() & WITH_COUNTERS != 0;
        header.marks_clock_sets = preamble.compatible.get() & MARKS_CLOCK_SETS != 0;
        header.closing_keyframe = preamble.incompatible.get() & CLOSING_KEYFRAME != 0;
        for (family, stored, offset) in [(Family::Ipv4, sizes.ipv4, 32), (Family::Ipv6, sizes.ipv6, 34)] {
            if stored < header.record_size(family) {
                return Err(nonsense(offset, format!("a record size of {stored} bytes is not possible")));
            }
        }
        Ok(header)
    }
}

/// [`Header::namespace`] of the namespace with this inode number (0: not known), and, if it is not the recorder's own, the id
/// that it has there.
pub const fn namespace(inode: u32, netns: Option<u32>) -> u64 {
    // The kernel's ids are below 2^31.
    let id = match netns {
        Some(id) => id as u64 + 1,
        None => 0,
    };
    id << 32 | inode as u64
}

/// The inode number and the id that [`namespace`] made a number of.
pub const fn split(namespace: u64) -> (u32, Option<u32>) {
    (namespace as u32, ((namespace >> 32) as u32).checked_sub(1))
}

/// The bit of a family in [`Header::families`].
pub const fn family_bit(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 1,
        Family::Ipv6 => 2,
    }
}

/// The bits of [`Header::families`] for an address type.
pub const fn bit_of<A: Address>() -> u8 {
    family_bit(A::FAMILY)
}

/// CRC-32 of a header without the field that holds it, and with `prefix` for its first eight bytes.
fn checksum(header: &[u8], prefix: [u8; 8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&prefix);
    hasher.update(&header[prefix.len()..CRC.start]);
    hasher.update(&header[CRC.end..]);
    hasher.finalize()
}

/// What to say of a file that is not of version 3.
fn foreign(file: &[u8]) -> Refusal {
    match file.split_first_chunk::<4>() {
        Some((magic, rest)) if *magic == MAGIC => match rest.first_chunk::<4>() {
            Some(version) => Refusal::Version(u32::from_be_bytes(*version)),
            None => Refusal::NotASegment,
        },
        _ => Refusal::NotASegment,
    }
}
