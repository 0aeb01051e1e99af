//! What a record can be asked for, one thing at a time.

use std::net::IpAddr;

use ctrecorder_format::{Address, Family, Key, Record, Tuple, V4, V6};
use ipnetwork::IpNetwork;

use super::place::Places;
use super::span::{alive, news};
use super::values::{Mark, Ports};
use crate::protocol::has_queries;

/// One thing that a record is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The address at any of these places lies in this network.
    Address(Places, Network),
    /// The port at any of these places is one of these. What stands in the place of ports (the id, type and code of ICMP,
    /// the keys of GRE) counts as one.
    Port(Places, Ports),
    /// The layer-4 protocol has this number.
    Protocol(u8),
    /// The conntrack zone is this one.
    Zone(u16),
    /// The connection mark is this one.
    Mark(Mark),
    /// The kernel's id of the flow is this one.
    Id(u32),
    /// An address or a port was translated.
    Translated,
    /// The flow lasted at least so long, in ns, or may have: both of its times are known, if only as bounds. One that was found in the
    /// kernel's table began earlier than that, nobody knows by how much.
    Lasted(u64),
    /// It is news of this moment (ns since the epoch) or of one after it.
    After(u64),
    /// It is news of this moment (ns since the epoch) or of one before it.
    Before(u64),
    /// The flow was alive at this moment (ns since the epoch), as far as the record tells.
    At(u64),
}

impl Condition {
    /// Whether the record meets it.
    #[inline]
    pub fn matches<A: Address>(&self, record: &Record<A>) -> bool {
        match self {
            Self::Address(places, network) => places.any_address(record, |address| network.contains(address)),
            Self::Port(places, ports) => places.any_port(record, |port| ports.contains(port)),
            // Of a copy, for the reason that Filter::matches gives.
            _ => self.matches_other(&{ *record }),
        }
    }

    fn matches_other<A: Address>(&self, record: &Record<A>) -> bool {
        match *self {
            Self::Address(..) | Self::Port(..) => self.matches(record),
            Self::Protocol(protocol) => record.protocol == protocol,
            Self::Zone(zone) => record.zone.get() == zone,
            Self::Mark(mark) => mark.matches(record.mark.get()),
            Self::Id(id) => record.id.get() == id,
            Self::Translated => is_translated(record),
            Self::Lasted(span) => match (record.start.get(), record.end.get()) {
                (0, _) | (_, 0) => false,
                // One that seems to have ended before it began was alive when the clock was set back, by nobody knows how much.
                (start, end) => record.began_earlier() || end.checked_sub(start).is_none_or(|lasted| lasted >= span),
            },
            Self::After(moment) => news(record).1 >= moment,
            Self::Before(moment) => news(record).0 <= moment,
            Self::At(moment) => {
                let (begin, end) = alive(record);
                (begin..=end).contains(&moment)
            }
        }
    }

    /// Whether the start and the end of a flow answer the same. Files of version 2 know neither zone nor id, and may have one of
    /// the two.
    pub(super) const fn is_of_either(&self) -> bool {
        match self {
            Self::Address(..) | Self::Port(..) | Self::Protocol(_) | Self::Translated => true,
            Self::Zone(_) | Self::Id(_) | Self::Mark(_) => false,
            Self::Lasted(_) | Self::After(_) | Self::Before(_) | Self::At(_) => false,
        }
    }
}

/// Whether the reply tuple is another one than the original tuple turned round: whether an address or a port, or the id of
/// an ICMP query, was translated.
pub fn is_translated<A: Address>(record: &Record<A>) -> bool {
    let Tuple { src, dst, sport, dport } = record.original;
    let reply = &record.reply;
    // The answer to an ICMP query has the query's id, and a type of its own.
    let same_ports =
        if has_queries(record.protocol) { reply.sport == sport } else { (reply.sport, reply.dport) == (dport, sport) };
    (reply.src, reply.dst) != (dst, src) || !same_ports
}

/// A network to compare addresses with: as bits, and, of one address alone, as what a Bloom filter is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    typed: IpNetwork,
    bits: Bits,
    key: Option<Key>,
}

/// A network's address and mask, in the byte order of records.
#[derive(Clone, Copy, Debug)]
enum Bits {
    V4 { network: u32, mask: u32 },
    V6 { network: u128, mask: u128 },
}

impl PartialEq for Network {
    /// Everything else follows from it.
    fn eq(&self, other: &Self) -> bool {
        self.typed == other.typed
    }
}

impl Eq for Network {}

impl Network {
    /// The network as it was typed.
    pub const fn typed(&self) -> IpNetwork {
        self.typed
    }

    /// The family of its addresses.
    pub(super) const fn family(&self) -> Family {
        match self.bits {
            Bits::V4 { .. } => Family::Ipv4,
            Bits::V6 { .. } => Family::Ipv6,
        }
    }

    /// Whether it holds every address of its family.
    pub(super) fn is_whole(&self) -> bool {
        self.typed.prefix() == 0
    }

    /// What a Bloom filter is to be asked for, if it can tell: one address alone.
    pub(super) const fn key(&self) -> Option<Key> {
        self.key
    }

    /// Its address, if it is one alone.
    pub(super) fn one(&self) -> Option<IpAddr> {
        self.key.map(|_| self.typed.ip())
    }

    /// What a Bloom filter is to be asked for of its address with this port; `None` if it is more than one address.
    pub(super) fn endpoint_key(&self, port: u16) -> Option<Key> {
        self.key?;
        Some(match self.typed.ip() {
            IpAddr::V4(ip) => Key::endpoint::<V4>(ip.octets(), port),
            IpAddr::V6(ip) => Key::endpoint::<V6>(ip.octets(), port),
        })
    }

    /// Whether an address lies in it; never if it is of the other family.
    #[inline]
    pub(super) fn contains<A: Address>(&self, address: A) -> bool {
        let bytes = address.as_ref();
        match self.bits {
            Bits::V4 { network, mask } => bytes.try_into().is_ok_and(|own| u32::from_ne_bytes(own) & mask == network),
            Bits::V6 { network, mask } => bytes.try_into().is_ok_and(|own| u128::from_ne_bytes(own) & mask == network),
        }
    }
}

impl From<IpNetwork> for Network {
    fn from(typed: IpNetwork) -> Self {
        match typed {
            IpNetwork::V4(own) => {
                let mask = u32::from_ne_bytes(own.mask().octets());
                let network = u32::from_ne_bytes(own.ip().octets()) & mask;
                let key = (own.prefix() == 32).then(|| Key::address::<V4>(own.ip().octets()));
                Self { typed, bits: Bits::V4 { network, mask }, key }
            }
            IpNetwork::V6(own) => {
                let mask = u128::from_ne_bytes(own.mask().octets());
                let network = u128::from_ne_bytes(own.ip().octets()) & mask;
                let key = (own.prefix() == 128).then(|| Key::address::<V6>(own.ip().octets()));
                Self { typed, bits: Bits::V6 { network, mask }, key }
            }
        }
    }
}
