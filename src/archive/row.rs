//! A flow as a row of an archive: by who is inside, what is public and who is the peer, and back to its two tuples.

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Counters, Kind, Record, Tuple};

use super::Flow;
use crate::protocol::has_queries;

/// How the inside endpoint became the public one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Translation {
    /// Not at all: both are the same.
    None,
    /// The source was translated: the inside host began the flow.
    Source,
    /// The destination was: the peer began the flow.
    Destination,
    /// Both were: the inside host called one endpoint, and another one answered.
    Both,
}

impl Translation {
    /// All of them, by their numbers.
    pub(super) const ALL: [Self; 4] = [Self::None, Self::Source, Self::Destination, Self::Both];

    /// As it stands in an archive.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Both => "both",
        }
    }

    /// That which stands in an archive as this.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.text().as_bytes() == text)
    }
}

/// Places of [`Row::addresses`] and [`Facts::ports`].
pub(super) const INSIDE: usize = 0;
/// See [`INSIDE`].
pub(super) const PUBLIC: usize = 1;
/// See [`INSIDE`].
pub(super) const PEER: usize = 2;
/// What the inside host called where that was translated, too: [`Translation::Both`].
pub(super) const CALLED: usize = 3;

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row<A> {
    pub(super) addresses: [A; 4],
    pub(super) facts: Facts,
}

/// All of a row but its addresses. Times are ns since the epoch, 0 if not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) start_after: u64,
    pub(super) end_after: u64,
    pub(super) counters: Counters,
    /// The last one only of [`Translation::Both`].
    pub(super) ports: [u16; 4],
    /// Type and code of a query and of its reply, as type * 256 + code.
    pub(super) types: [u16; 2],
    pub(super) id: u32,
    pub(super) mark: u32,
    pub(super) zone: u16,
    pub(super) status: u16,
    pub(super) protocol: u8,
    pub(super) tcp_state: u8,
    pub(super) flags: u8,
    pub(super) translation: Translation,
}

impl Facts {
    /// Nothing is known.
    pub(super) fn blank() -> Self {
        Self {
            start: 0,
            end: 0,
            start_after: 0,
            end_after: 0,
            counters: Counters::default(),
            ports: [0; 4],
            types: [0; 2],
            id: 0,
            mark: 0,
            zone: 0,
            status: 0,
            protocol: 0,
            tcp_state: 0,
            flags: 0,
            translation: Translation::None,
        }
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether what the inside host called is another endpoint than the one that answered.
    pub(super) const fn is_both(&self) -> bool {
        matches!(self.translation, Translation::Both)
    }
}

/// The endpoints of one direction. A query has its id for the port of both: type and code stand apart.
fn sides<A: Address>(tuple: &Tuple<A>, protocol: u8) -> [(A, u16); 2] {
    let sport = tuple.sport.get();
    let dport = if has_queries(protocol) { sport } else { tuple.dport.get() };
    [(tuple.src, sport), (tuple.dst, dport)]
}

impl<A: Address> Row<A> {
    pub(super) fn of(flow: &Flow<A>) -> Self {
        let Flow { record, counters, start_after, end_after } = flow;
        let [src, dst] = sides(&record.original, record.protocol);
        let [reply_src, reply_dst] = sides(&record.reply, record.protocol);
        let is_query = has_queries(record.protocol);
        let (translation, ends) = if dst == reply_src && src == reply_dst {
            (Translation::None, [src, src, dst, none()])
        } else if dst == reply_src {
            (Translation::Source, [src, reply_dst, dst, none()])
        } else if src == reply_dst {
            (Translation::Destination, [reply_src, dst, src, none()])
        } else {
            (Translation::Both, [src, reply_dst, reply_src, dst])
        };
        Self {
            addresses: ends.map(|(address, _)| address),
            facts: Facts {
                start: record.start.get(),
                end: record.end.get(),
                start_after: *start_after,
                end_after: *end_after,
                counters: counters.unwrap_or_default(),
                ports: ends.map(|(_, port)| port),
                types: if is_query { [record.original.dport.get(), record.reply.dport.get()] } else { [0; 2] },
                id: record.id.get(),
                mark: record.mark.get(),
                zone: record.zone.get(),
                status: record.status.get(),
                protocol: record.protocol,
                tcp_state: record.tcp_state,
                flags: record.flags,
                translation,
            },
        }
    }

    pub(super) fn flow(&self) -> Flow<A> {
        let Facts { counters, start_after, end_after, .. } = self.facts;
        Flow {
            record: self.record(),
            counters: (counters != Counters::default()).then_some(counters),
            start_after,
            end_after,
        }
    }

    fn record(&self) -> Record<A> {
        let facts = &self.facts;
        let end = |place: usize| {
            let (addresses, ports) = (&self.addresses, &facts.ports);
            (addresses.get(place).copied().unwrap_or_else(A::new_zeroed), ports.get(place).copied().unwrap_or(0))
        };
        let [inside, public, peer, called] = [INSIDE, PUBLIC, PEER, CALLED].map(end);
        let (original, reply) = match facts.translation {
            Translation::None | Translation::Source => ((inside, peer), (peer, public)),
            Translation::Destination => ((peer, public), (inside, peer)),
            Translation::Both => ((inside, called), (peer, public)),
        };
        let [original_type, reply_type] = facts.types;
        Record {
            start: facts.start.into(),
            end: facts.end.into(),
            original: tuple(original, facts.protocol, original_type),
            // Of a reply the id stands with the endpoint that was asked; both have it.
            reply: tuple(reply, facts.protocol, reply_type),
            id: facts.id.into(),
            mark: facts.mark.into(),
            zone: facts.zone.into(),
            kind: Kind::Flow as u8,
            protocol: facts.protocol,
            status: facts.status.into(),
            tcp_state: facts.tcp_state,
            flags: facts.flags & KNOWN,
        }
    }
}

/// The flags that an archive has columns for: all there are.
const KNOWN: u8 = flags::START_FROM_KERNEL
    | flags::END_FROM_KERNEL
    | flags::REPLY_SEEN
    | flags::RECOVERED
    | flags::END_AT_LATEST
    | flags::CLOCK_SET;

fn none<A: Address>() -> (A, u16) {
    (A::new_zeroed(), 0)
}

fn tuple<A: Address>((src, dst): ((A, u16), (A, u16)), protocol: u8, query: u16) -> Tuple<A> {
    let dport = if has_queries(protocol) { query } else { dst.1 };
    Tuple { src: src.0, dst: dst.0, sport: src.1.into(), dport: dport.into() }
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::V4;
    use proptest::prelude::*;

    use super::*;
    use crate::sample::record;

    /// Endpoints of which some are the same: of few, each.
    fn endpoint() -> impl Strategy<Value = (V4, u16)> {
        (0..3_u8, 0..3_u16).prop_map(|(host, port)| ([10, 0, 0, host], port))
    }

    proptest! {
        /// Whatever the tuples are, sense or nonsense, a row gives them back.
        #[test]
        fn a_row_gives_its_flow_back(
            ends in prop::array::uniform4(endpoint()),
            protocol in prop::sample::select(vec![1_u8, 6, 17, 47, 58]),
            (start, end, flags) in (0..3_u64, 0..3_u64, 0..64_u8),
            counted in prop::option::of(1..9_u64),
        ) {
            let mut record = record::<V4>(Kind::Flow, start, end, ends);
            (record.protocol, record.flags) = (protocol, flags);
            let counters = counted.map(|count| Counters { original_packets: count.into(), ..Counters::default() });
            let flow = Flow { record, counters, start_after: start / 2, end_after: end / 2 };
            prop_assert_eq!(Row::of(&flow).flow(), flow);
        }
    }

    #[test]
    fn each_endpoint_has_its_place() {
        let [inside, server, public, other] = [1, 2, 3, 4].map(|host| ([10, 0, 0, host], 80_u16));
        let places = |ends| {
            let flow =
                Flow { record: record::<V4>(Kind::Flow, 1, 2, ends), counters: None, start_after: 0, end_after: 0 };
            let row = Row::of(&flow);
            (row.facts.translation, row.addresses.map(|[.., host]| host))
        };
        assert_eq!(places([inside, server, server, public]), (Translation::Source, [1, 3, 2, 0]));
        assert_eq!(places([server, public, inside, server]), (Translation::Destination, [1, 3, 2, 0]));
        assert_eq!(places([inside, server, server, inside]), (Translation::None, [1, 1, 2, 0]));
        assert_eq!(places([inside, other, server, public]), (Translation::Both, [1, 3, 2, 4]));
    }
}
