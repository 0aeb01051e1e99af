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

#[cfg(test)]
mod tests {
    use ctrecorder_format::{Closing, Content, Header, Kind, Segment, Writer};

    use super::*;
    use crate::query::parse_network;
    use crate::sample::record;

    fn filter(network: &str, port: Option<u16>) -> Filter {
        Filter { network: Some(parse_network(network).unwrap()), port }
    }

    fn v4(inside: u8) -> Record<V4> {
        let (inside, server, public) = (([10, 0, 0, inside], 1024), ([198, 51, 100, 7], 443), ([203, 0, 113, 1], 2048));
        record(Kind::Start, 1, 0, [inside, server, server, public])
    }

    fn v6(inside: u8) -> Record<V6> {
        let host = |last| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        record(Kind::Start, 1, 0, [(host(inside), 1024), (host(200), 443), (host(200), 443), (host(201), 2048)])
    }

    #[test]
    fn an_address_or_port_counts_wherever_it_stands() {
        for network in ["10.0.0.1", "198.51.100.7", "203.0.113.1", "10.0.0.0/31", "203.0.113.255/24", "0.0.0.0/0"] {
            assert!(filter(network, None).matches(&v4(1)), "{network}");
        }
        for network in ["10.0.0.2", "10.0.0.2/31", "::/0", "::ffff:10.0.0.1"] {
            assert!(!filter(network, None).matches(&v4(1)), "{network}");
        }
        for network in ["2001:db8::1", "2001:db8::/32", "::/0"] {
            assert!(filter(network, None).matches(&v6(1)), "{network}");
        }
        assert!(!filter("0.0.0.0/0", None).matches(&v6(1)));
        for (port, expected) in [(1024, true), (443, true), (2048, true), (0, false), (444, false)] {
            assert_eq!(Filter { network: None, port: Some(port) }.matches(&v4(1)), expected);
        }
        assert!(Filter::default().matches(&v6(1)));
    }

    #[test]
    fn address_and_port_may_be_of_different_endpoints() {
        assert!(filter("10.0.0.1", Some(2048)).matches(&v4(1)));
        assert!(!filter("10.0.0.1", Some(2049)).matches(&v4(1)));
        assert!(!filter("10.0.0.2", Some(2048)).matches(&v4(1)));
    }

    fn segment() -> Vec<u8> {
        let header = Header { host: "nat1".into(), ..Header::blank(Content::Events) };
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &header).unwrap();
        for inside in 0..100 {
            writer.push(&v4(inside), None, 1);
            writer.push(&v6(inside), None, 1);
        }
        writer.finish(Closing::Stopped, 2).unwrap();
        writer.write_out().unwrap();
        bytes
    }

    /// The kinds of the blocks of records that the filter leaves.
    fn left(bytes: &[u8], filter: &Filter) -> Vec<BlockKind> {
        let segment = Segment::open(bytes).unwrap();
        let heads = segment.heads().map(Result::unwrap).filter(|head| !filter.rules_out(head));
        heads.filter_map(|head| head.header.kind()).filter(|kind| *kind != BlockKind::Footer).collect()
    }

    #[test]
    fn blocks_without_a_match_are_ruled_out_and_no_others() {
        let bytes = segment();
        let (v4_block, v6_block) = (BlockKind::Ipv4, BlockKind::Ipv6);
        assert_eq!(left(&bytes, &Filter::default()), [v4_block, v6_block]);
        assert_eq!(left(&bytes, &Filter { network: None, port: Some(1) }), [v4_block, v6_block]);
        for inside in 0..100 {
            assert_eq!(left(&bytes, &filter(&format!("10.0.0.{inside}"), Some(2048))), [v4_block]);
            assert_eq!(left(&bytes, &filter(&format!("2001:db8::{inside:x}"), None)), [v6_block]);
        }
        assert_eq!(left(&bytes, &filter("172.16.0.0/12", None)), [v4_block]);
        // A Bloom filter is wrong now and then: of a hundred addresses that are not there nearly all are ruled out.
        let absent = (0..100).filter(|last| left(&bytes, &filter(&format!("172.16.0.{last}"), None)).is_empty());
        assert!(absent.count() > 80);
    }
}
