//! One layout for every record: what was known of a flow when the record was written.
//!
//! docs/format.md, section "Records", is the normative table. All types here are views: they have no padding, no
//! alignment and the file's byte order, so that a slice of a mapped file is read in place on any machine.

use serde::{Deserialize, Serialize};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::address::{Address, V4, V6};
use crate::le;

/// What a record says of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The flow began.
    Start = 1,
    /// Something about the flow changed. Version 2 files may hold these; the recorder writes none.
    Update = 2,
    /// The flow ended.
    End = 3,
    /// Start and end in one (squeezed); either may be unknown.
    Flow = 4,
    /// The flow was alive when the record was written (keyframe).
    Open = 5,
}

impl Kind {
    /// The kind with this number in the file; `None` for one that this version does not know.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Start,
            2 => Self::Update,
            3 => Self::End,
            4 => Self::Flow,
            5 => Self::Open,
            _ => return None,
        })
    }
}

/// Bits of [`Record::flags`].
pub mod flags {
    /// The start time is the kernel's own stamp; else the recorder's clock at the event's arrival.
    pub const START_FROM_KERNEL: u8 = 1 << 0;
    /// The end time is the kernel's own stamp; else the recorder's clock at the event's arrival.
    pub const END_FROM_KERNEL: u8 = 1 << 1;
    /// A packet in the reply direction was seen.
    pub const REPLY_SEEN: u8 = 1 << 2;
    /// The start was found by a dump of the kernel's table after events were lost, not heard as an event. Without
    /// [`START_FROM_KERNEL`] it is when the flow was found, and every record that repeats it says so.
    pub const RECOVERED: u8 = 1 << 3;
    /// The end was not heard: the flow was gone by the end time, and may have ended earlier.
    pub const END_AT_LATEST: u8 = 1 << 4;
    /// The clock was set while the flow was alive, or may have been. Segments of flows say whether they tell this
    /// ([`Header::marks_clock_sets`](crate::Header::marks_clock_sets)).
    pub const CLOCK_SET: u8 = 1 << 5;
}

/// One direction of a flow as conntrack keeps it: 12 bytes for IPv4, 36 for IPv6.
///
/// TCP, UDP, UDP-Lite, SCTP and DCCP have ports. ICMP and ICMPv6 keep the query's id in `sport` and
/// `type * 256 + code` in `dport`; GRE keeps the keys of the two directions; other protocols have zeros.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
    Serialize,
    Deserialize,
)]
#[repr(C)]
pub struct Tuple<A: Address> {
    /// Source address.
    pub src: A,
    /// Destination address.
    pub dst: A,
    /// Source port.
    #[serde(with = "le::u16")]
    pub sport: U16,
    /// Destination port.
    #[serde(with = "le::u16")]
    pub dport: U16,
}

/// A record without counters: 56 bytes for IPv4, 104 for IPv6.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
    Serialize,
    Deserialize,
)]
#[repr(C)]
pub struct Record<A: Address> {
    /// When the flow began: nanoseconds since 1970-01-01T00:00:00Z, 0 if not known.
    #[serde(with = "le::u64")]
    pub start: U64,
    /// When the flow ended: nanoseconds since 1970-01-01T00:00:00Z, 0 if still open or not known.
    #[serde(with = "le::u64")]
    pub end: U64,
    /// The direction of the flow's first packet, before translation.
    pub original: Tuple<A>,
    /// The direction of the answers, as they arrive: its `dst` is the public endpoint under source NAT.
    pub reply: Tuple<A>,
    /// The kernel's conntrack id, 0 if not known.
    #[serde(with = "le::u32")]
    pub id: U32,
    /// The connection mark.
    #[serde(with = "le::u32")]
    pub mark: U32,
    /// The conntrack zone.
    #[serde(with = "le::u16")]
    pub zone: U16,
    /// A [`Kind`] by its number; ask [`Record::kind`].
    pub kind: u8,
    /// The layer-4 protocol (IANA assigned number).
    pub protocol: u8,
    /// The low 16 of the kernel's status bits (`enum ip_conntrack_status`, linux/netfilter/nf_conntrack_common.h).
    #[serde(with = "le::u16")]
    pub status: U16,
    /// The kernel's TCP state (`enum tcp_conntrack`, linux/netfilter/nf_conntrack_tcp.h), 0 if none.
    pub tcp_state: u8,
    /// Bits of [`flags`].
    pub flags: u8,
}

impl<A: Address> Record<A> {
    /// What this record says; `None` for a kind that this version does not know.
    pub const fn kind(&self) -> Option<Kind> {
        Kind::from_number(self.kind)
    }

    /// Whether a packet in the reply direction was seen.
    pub const fn reply_seen(&self) -> bool {
        self.flags & flags::REPLY_SEEN != 0
    }

    /// Whether the flow began before its start: that is when it was found in the kernel's table.
    pub const fn began_earlier(&self) -> bool {
        self.flags & (flags::RECOVERED | flags::START_FROM_KERNEL) == flags::RECOVERED
    }

    /// The time of what this record tells, in ns: the end of an end or a flow where known, else the start.
    pub fn event_time(&self) -> u64 {
        match self.kind() {
            Some(Kind::End | Kind::Flow) if self.end.get() != 0 => self.end.get(),
            Some(Kind::End) => 0,
            _ => self.start.get(),
        }
    }

    /// All four endpoints: source and destination of the original tuple, then of the reply tuple.
    pub fn endpoints(&self) -> [(A, u16); 4] {
        let (original, reply) = (&self.original, &self.reply);
        [
            (original.src, original.sport.get()),
            (original.dst, original.dport.get()),
            (reply.src, reply.sport.get()),
            (reply.dst, reply.dport.get()),
        ]
    }
}

/// What the kernel counted of a flow: 32 bytes, after the record in blocks that have counters.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
    Serialize,
    Deserialize,
)]
#[repr(C)]
pub struct Counters {
    /// Packets in the original direction.
    #[serde(with = "le::u64")]
    pub original_packets: U64,
    /// Bytes in the original direction, network headers included.
    #[serde(with = "le::u64")]
    pub original_bytes: U64,
    /// Packets in the reply direction.
    #[serde(with = "le::u64")]
    pub reply_packets: U64,
    /// Bytes in the reply direction, network headers included.
    #[serde(with = "le::u64")]
    pub reply_bytes: U64,
}

// The tables of docs/format.md, held against the layout the compiler chose.
const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<Record<V4>>() == 56);
    assert!(size_of::<Record<V6>>() == 104);
    assert!(size_of::<Counters>() == 32);
    assert!(offset_of!(Record<V4>, original) == 16);
    assert!(offset_of!(Record<V4>, reply) == 28);
    assert!(offset_of!(Record<V4>, id) == 40);
    assert!(offset_of!(Record<V4>, zone) == 48);
    assert!(offset_of!(Record<V4>, flags) == 55);
    assert!(offset_of!(Record<V6>, reply) == 52);
    assert!(offset_of!(Record<V6>, id) == 88);
    assert!(offset_of!(Record<V6>, flags) == 103);
};
