//! Which records a question is about.

use std::net::IpAddr;

use ctrecorder_format::{Address, BlockKind, Head, Key, Record, V4, V6};
use ipnetwork::IpNetwork;

/// Keeps the records that have an address in a network, a port, or both. The default keeps all.
///
/// An address counts wherever it stands among the four of a record, and so does a port. Both need not be of the same
/// endpoint, as in the C program: the inside address and the public port of a translation find it. What stands in the place of
/// ports (the id, type and code of ICMP, the keys of GRE) counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of the addresses lies in this network.
    pub network: Option<IpNetwork>,
    /// One of the ports is this one.
    pub port: Option<u16>,
}

impl Filter {
    /// Whether the record is kept.
    pub fn matches<A: Address>(&self, record: &Record<A>) -> bool {
        let endpoints = record.endpoints();
        let in_network = |network: IpNetwork| endpoints.iter().any(|(address, _)| network.contains(address.to_ip()));
        let has_port = |port| endpoints.iter().any(|(_, own)| *own == port);
        self.port.is_none_or(has_port) && self.network.is_none_or(in_network)
    }

    /// What a block's Bloom filter must hold for any record of the block to match; `None` if it cannot tell.
    ///
    /// It can tell of a single address alone. A key of address and port would not do: the port may be that of another
    /// endpoint.
    pub fn key(&self) -> Option<Key> {
        match self.network? {
            IpNetwork::V4(network) if network.prefix() == 32 => Some(Key::address::<V4>(network.ip().octets())),
            IpNetwork::V6(network) if network.prefix() == 128 => Some(Key::address::<V6>(network.ip().octets())),
            _ => None,
        }
    }

    /// Whether no record of the block can match, so that it need not be read. It never rules out notes or footers.
    pub fn rules_out(&self, head: &Head<'_>) -> bool {
        let Some(network) = self.network else {
            return false;
        };
        match (head.header.kind(), network.ip()) {
            (Some(BlockKind::Ipv4), IpAddr::V6(_)) | (Some(BlockKind::Ipv6), IpAddr::V4(_)) => true,
            (Some(BlockKind::Ipv4 | BlockKind::Ipv6), _) => match (self.key(), head.filter()) {
                (Some(key), Some(filter)) => !filter.may_hold(key),
                _ => false,
            },
            _ => false,
        }
    }
}
