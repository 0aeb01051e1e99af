//! One flow, as it really was.

use std::net::SocketAddr;

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Kind, Record, Tuple};

/// `IPPROTO_TCP` and `IPPROTO_UDP`, as IANA has them.
pub const TCP: u8 = 6;
/// See [`TCP`].
pub const UDP: u8 = 17;

/// Of `enum ip_conntrack_status` (linux/netfilter/nf_conntrack_common.h): seen reply, assured, confirmed.
const STATUS: u16 = 0x02 | 0x04 | 0x08;
/// Seen no reply.
const STATUS_NEW: u16 = 0x08;
/// Source translated, and that is done; likewise the destination.
const STATUS_SOURCE_NAT: u16 = 0x10 | 0x80;
const STATUS_DESTINATION_NAT: u16 = 0x20 | 0x100;

/// Of `enum tcp_conntrack` (linux/netfilter/nf_conntrack_tcp.h).
const TCP_SYN_SENT: u8 = 1;
const TCP_TIME_WAIT: u8 = 7;

/// How a flow was translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Translation {
    /// It came from inside: inside to peer, answered to the public endpoint.
    Source,
    /// It came from outside: peer to public endpoint, answered by the inside one.
    Destination,
    /// It came from inside, and its public endpoint is the inside one.
    None,
}

/// A flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Its number, from 0, in the order of starts.
    pub number: u64,
    /// When it began, ns since the epoch, by a clock that is never set.
    pub start: u64,
    /// When it ended, likewise.
    pub end: u64,
    /// The layer-4 protocol.
    pub protocol: u8,
    /// How it was translated.
    pub translation: Translation,
    /// The endpoint before translation.
    pub inside: SocketAddr,
    /// The endpoint after it.
    pub public: SocketAddr,
    /// The remote endpoint.
    pub peer: SocketAddr,
}

impl Flow {
    /// The record of this flow with these times (0 for what is not known); `None` if it is of the other family.
    pub fn record<A: Address>(&self, kind: Kind, start: u64, end: u64) -> Option<Record<A>> {
        let (inside, public, peer) = (self.inside, self.public, self.peer);
        let (original, reply, translated) = match self.translation {
            Translation::Source => ((inside, peer), (peer, public), STATUS_SOURCE_NAT),
            Translation::Destination => ((peer, public), (inside, peer), STATUS_DESTINATION_NAT),
            Translation::None => ((inside, peer), (peer, inside), 0),
        };
        let begins = kind == Kind::Start;
        let tcp_state = if begins { TCP_SYN_SENT } else { TCP_TIME_WAIT };
        Some(Record {
            start: start.into(),
            end: end.into(),
            original: tuple(original)?,
            reply: tuple(reply)?,
            id: self.id().into(),
            mark: 0.into(),
            zone: 0.into(),
            kind: kind as u8,
            protocol: self.protocol,
            status: (translated | if begins { STATUS_NEW } else { STATUS }).into(),
            tcp_state: if self.protocol == TCP { tcp_state } else { 0 },
            flags: if begins { 0 } else { flags::REPLY_SEEN },
        })
    }

    /// Its conntrack id: as the kernel's, no order is seen in it.
    pub const fn id(&self) -> u32 {
        // An odd factor: two flows in 2^32 share none.
        (self.number as u32).wrapping_add(1).wrapping_mul(0x9e37_79b1)
    }
}

fn tuple<A: Address>((src, dst): (SocketAddr, SocketAddr)) -> Option<Tuple<A>> {
    Some(Tuple {
        src: A::from_ip(src.ip())?,
        dst: A::from_ip(dst.ip())?,
        sport: src.port().into(),
        dport: dst.port().into(),
    })
}
