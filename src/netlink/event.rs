//! What the kernel tells of a flow, in the program's own terms.

use std::net::IpAddr;

/// One direction of a flow as conntrack keeps it. Both addresses are of one family.
///
/// TCP, UDP, UDP-Lite, SCTP and DCCP have ports. ICMP and ICMPv6 have the query's id in `sport` and
/// `type * 256 + code` in `dport`, GRE the keys of the two directions; other protocols have zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
}

/// What happened to the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It began.
    New,
    /// Something about it changed; or the message is an entry of a dump.
    Update,
    /// It ended.
    Destroy,
}

/// What the kernel counted of a flow, if `net.netfilter.nf_conntrack_acct` was on when the flow began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Packets in the original direction.
    pub original_packets: u64,
    /// Bytes in the original direction, network headers included.
    pub original_bytes: u64,
    /// Packets in the reply direction.
    pub reply_packets: u64,
    /// Bytes in the reply direction, network headers included.
    pub reply_bytes: u64,
}

/// A flow, and what happened to it. Times are nanoseconds since 1970-01-01T00:00:00Z by the kernel's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// What happened.
    pub change: Change,
    /// The direction of the flow's first packet, before translation.
    pub original: Tuple,
    /// The direction of the answers, as they arrive: under source NAT its `dst` is the public endpoint.
    pub reply: Tuple,
    /// The layer-4 protocol (IANA assigned number).
    pub protocol: u8,
    /// The kernel's id of the flow, the same on all events of it; 0 if not told.
    pub id: u32,
    /// The connection mark; 0 if not told, as the kernel tells only others in events.
    pub mark: u32,
    /// The conntrack zone. A flow whose zone holds for one direction only has that one here.
    pub zone: u16,
    /// Bits of [`status`](super::kernel::status); 0 if not told.
    pub status: u32,
    /// The TCP state, see [`tcp`](super::kernel::tcp); 0 for other protocols, or if not told.
    pub tcp_state: u8,
    /// Packets and bytes; told in [`Change::Destroy`] and dumps where accounting is on.
    pub counters: Option<Counters>,
    /// When the flow began; told in [`Change::Destroy`] and dumps where timestamps are on
    /// (`net.netfilter.nf_conntrack_timestamp`).
    pub started: Option<u64>,
    /// When the flow ended; told in [`Change::Destroy`] where timestamps are on. It may lie well before
    /// `happened`: idle flows are collected lazily.
    pub stopped: Option<u64>,
    /// When the event was made; told by Linux 6.14 and later where timestamps are on.
    pub happened: Option<u64>,
}
