//! Which records can answer: those that have an asked endpoint where it is public. Those that have it on the inside are
//! taken, too, for whoever asks for the wrong side; they stand in the same blocks, as indexes see it.

use std::any::Any;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use ctrecorder_format::{Address, BlockKind, Columns, Head, Index, Key, Record, V4, V6};

use super::Question;
use crate::archive::{Port, Sought};
use crate::journal::{Search, Select};
use crate::protocol::{QUERIES, has_queries};
use foldhash::fast::RandomState;

/// So many keys at most are looked up in the filter of each block; beyond, most blocks hold one of them anyway.
const KEYS_MAX: usize = 64;

/// The endpoints that are asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    ipv4: Endpoints<V4>,
    ipv6: Endpoints<V6>,
}

/// Those of one family.
#[derive(Debug)]
struct Endpoints<A> {
    all: HashSet<(A, u16), RandomState>,
    /// Their ports: what nearly every record is told by that none of them is in it.
    ports: Ports,
    keys: Vec<Key>,
}

/// A set of ports, a bit for each.
#[derive(Debug)]
struct Ports(Box<[u64; 1 << 10]>);

impl Ports {
    fn of(ports: impl Iterator<Item = u16>) -> Self {
        let mut words = Box::new([0; 1 << 10]);
        ports.for_each(|port| words[usize::from(port >> 6)] |= 1 << (port & 63));
        Self(words)
    }

    fn has(&self, port: u16) -> bool {
        self.0[usize::from(port >> 6)] >> (port & 63) & 1 != 0
    }
}

impl<A: Address> Endpoints<A> {
    fn of(questions: &[Question]) -> Self {
        let mut all = HashSet::default();
        let (mut keys, mut of_queries) = (Vec::new(), HashSet::<A>::default());
        for question in questions {
            let Some(address) = A::from_ip(question.endpoint.ip()) else { continue };
            if all.insert((address, question.endpoint.port())) {
                keys.push(Key::endpoint(address, question.endpoint.port()));
            }
            // In the place of its public port a query has its type and code.
            if QUERIES.into_iter().any(|protocol| question.asks_for(protocol)) && of_queries.insert(address) {
                keys.push(Key::address(address));
            }
        }
        let ports = Ports::of(all.iter().map(|(_, port)| *port));
        Self { all, ports, keys }
    }

    fn has(&self, endpoint: (A, u16)) -> bool {
        self.ports.has(endpoint.1) && self.all.contains(&endpoint)
    }

    /// Whether a record has one of them where it is public.
    fn are_public_in(&self, record: &Record<A>) -> bool {
        let (original, reply) = (&record.original, &record.reply);
        if has_queries(record.protocol) {
            // Who is called goes by its address; the id that it hears is that of the replies.
            let called = self.has((original.dst, original.sport.get()))
                || (original.dst == reply.src && self.has((reply.src, reply.sport.get())));
            return called || self.has((reply.dst, reply.sport.get()));
        }
        self.has((reply.dst, reply.dport.get())) || self.has((original.dst, original.dport.get()))
    }

    /// Whether an index or a filter is asked for them.
    fn have_keys(&self) -> bool {
        self.keys.len() <= KEYS_MAX
    }

    /// Whether no record of a block has one of them.
    fn are_none_in(&self, head: &Head<'_>) -> bool {
        if self.all.is_empty() {
            return true;
        }
        self.have_keys() && head.filter().is_some_and(|filter| !self.keys.iter().any(|key| filter.may_hold(*key)))
    }
}

impl Wanted {
    pub(super) fn by(questions: &[Question]) -> Self {
        Self { ipv4: Endpoints::of(questions), ipv6: Endpoints::of(questions) }
    }

    /// Whether this endpoint is asked for.
    pub(super) fn has(&self, endpoint: SocketAddr) -> bool {
        match endpoint.ip() {
            IpAddr::V4(ip) => self.ipv4.has((ip.octets(), endpoint.port())),
            IpAddr::V6(ip) => self.ipv6.has((ip.octets(), endpoint.port())),
        }
    }

    /// Whether a record has an endpoint that is asked for where it is public.
    pub(super) fn is_public_in<A: Address>(&self, record: &Record<A>) -> bool {
        self.of_family::<A>().is_some_and(|endpoints| endpoints.are_public_in(record))
    }

    fn of_family<A: Address>(&self) -> Option<&Endpoints<A>> {
        let (ipv4, ipv6): (&dyn Any, &dyn Any) = (&self.ipv4, &self.ipv6);
        ipv4.downcast_ref().or_else(|| ipv6.downcast_ref())
    }
}

impl Select for &Wanted {
    fn rules_out(&self, head: &Head<'_>) -> bool {
        match head.header.kind() {
            Some(BlockKind::Ipv4) => self.ipv4.are_none_in(head),
            Some(BlockKind::Ipv6) => self.ipv6.are_none_in(head),
            Some(BlockKind::Notes | BlockKind::Footer | BlockKind::Index | BlockKind::Sources) | None => false,
        }
    }

    fn asks_indexes(&self) -> bool {
        self.ipv4.have_keys() && self.ipv6.have_keys()
    }

    fn columns(&self, index: &Index<'_>) -> Columns {
        let keys = self.ipv4.keys.iter().chain(&self.ipv6.keys);
        keys.fold(Columns::default(), |any, key| any | index.may_hold(*key))
    }

    fn sought(&self) -> Option<Vec<Sought>> {
        let sought = |address, port| Sought { address, port: Some(Port::OfEndpoint(port)) };
        let ipv4 = self.ipv4.all.iter().map(|(address, port)| sought(address.to_ip(), *port));
        let ipv6 = self.ipv6.all.iter().map(|(address, port)| sought(address.to_ip(), *port));
        self.asks_indexes().then(|| ipv4.chain(ipv6).collect())
    }

    fn by_endpoints<S: Search>(&self, search: S) -> S::Found {
        search.of(|endpoints| {
            let [original_src, original_dst, reply_src, reply_dst] = endpoints.addresses();
            let [original_sport, original_dport, reply_sport, reply_dport] = endpoints.ports();
            // The source port is in it for the sake of queries.
            let mut asked = [
                (reply_dst, reply_dport),
                (original_dst, original_dport),
                (reply_dst, reply_sport),
                (original_dst, original_sport),
                (original_src, original_sport),
                (reply_src, reply_sport),
            ]
            .into_iter();
            asked.any(|endpoint| self.ipv4.has(endpoint))
        })
    }

    fn matches<A: Address>(&self, record: &Record<A>) -> bool {
        let Some(endpoints) = self.of_family::<A>() else { return false };
        let (original, reply) = (&record.original, &record.reply);
        endpoints.are_public_in(record)
            || endpoints.has((original.src, original.sport.get()))
            || endpoints.has((reply.src, reply.sport.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::who::Meant;

    #[test]
    fn of_many_queries_of_one_address_indexes_are_still_asked() {
        let question = |id: u16| {
            let (protocols, meant) = ("icmp".parse().ok(), Meant::default());
            let endpoint = SocketAddr::from(([203, 0, 113, 6], id));
            Question { endpoint, at: 0, slack: 0, protocols, peer: None, meant }
        };
        let asked = |count: u16| {
            let questions: Vec<_> = (0..count).map(question).collect();
            (&Wanted::by(&questions)).asks_indexes()
        };
        // One key each, and one for the address.
        assert_eq!([1, 33, 63, 64].map(asked), [true, true, true, false]);
    }
}
