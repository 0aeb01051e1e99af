//! Who had an endpoint, told without a look at each of its flows: a server has hundreds of thousands of them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::flow::{Beyond, Known};
use super::gather::Read;
use super::intervals::Intervals;
use super::{Peer, Question};
use crate::query::coverage::Span;

/// An endpoint that is asked for, and the remote side, if that is said.
type Sought = (SocketAddr, Option<Peer>);

/// The inside addresses of each endpoint that is asked for.
#[derive(Debug, Default)]
pub(super) struct Insides(HashMap<Sought, Intervals<Inside>>);

/// What flows of one endpoint are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    address: IpAddr,
    protocol: u8,
    /// Whether it is known when they began at the earliest: one of which it is not is no answer before the journal.
    has_start: bool,
    /// Whether their ends are known: one that is still open where the journal ends is no answer behind that.
    has_end: bool,
    /// The first of the spans that were read for by whose end all of them were told of.
    told_for: usize,
}

/// The flows of a key: when one of them or another was alive.
#[derive(Debug)]
struct Inside {
    key: Key,
    alive: Intervals<()>,
}

impl Insides {
    /// Of these flows, each with its place among those that were told of, which `reads` counts.
    pub(super) fn of<'q>(
        flows: &[(usize, Known)],
        reads: &[Read],
        questions: impl Iterator<Item = &'q Question>,
    ) -> Self {
        let sought: HashSet<Sought> = questions.map(|question| (question.endpoint, question.peer)).collect();
        let endpoints: HashSet<_> = sought.iter().map(|(endpoint, _)| *endpoint).collect();
        let mut lives: HashMap<Sought, HashMap<Key, Vec<Span>>> = HashMap::new();
        for (place, known) in flows {
            let told_for = reads.partition_point(|read| read.flows <= *place);
            for endpoint in known.endpoints().filter(|endpoint| endpoints.contains(endpoint)) {
                for flow in known.seen_from(endpoint, 0, None, true) {
                    let sides = [Beyond::Before, Beyond::Behind];
                    let [has_start, has_end] = sides.map(|beyond| beyond.is_answered_by(flow.start, flow.end));
                    let (address, protocol) = (flow.inside.ip(), flow.protocol);
                    let key = Key { address, protocol, has_start, has_end, told_for };
                    let of_peer = [None, Some(flow.peer.port())].map(|port| Peer { address: flow.peer.ip(), port });
                    for peer in [None].into_iter().chain(of_peer.map(Some)) {
                        if sought.contains(&(endpoint, peer)) {
                            lives.entry((endpoint, peer)).or_default().entry(key).or_default().push(known.life);
                        }
                    }
                }
            }
        }
        Self(lives.into_iter().map(|(sought, lives)| (sought, put_together(lives))).collect())
    }

    /// The inside addresses that a question is answered with for a window, by what the first `reads` spans were read for;
    /// and whether there is any flow, were it one that is no answer.
    pub(super) fn find(
        &self,
        question: &Question,
        window: Span,
        read: usize,
        beyond: Option<Beyond>,
    ) -> (BTreeSet<IpAddr>, bool) {
        let (mut addresses, mut is_found) = (BTreeSet::new(), false);
        let Some(insides) = self.0.get(&(question.endpoint, question.peer)) else { return (addresses, is_found) };
        insides.meeting(window, |Inside { key, alive }| {
            if key.told_for <= read && question.asks_for(key.protocol) && alive.any_meets(window) {
                is_found = true;
                let is_answer = match beyond {
                    None => true,
                    Some(Beyond::Before) => key.has_start,
                    Some(Beyond::Behind) => key.has_end,
                };
                if is_answer {
                    addresses.insert(key.address);
                }
            }
        });
        (addresses, is_found)
    }
}

/// Each key with its spans, at the span that holds them all.
fn put_together(lives: HashMap<Key, Vec<Span>>) -> Intervals<Inside> {
    let of_key = |(key, mut spans): (Key, Vec<Span>)| {
        spans.sort_unstable();
        // What overlaps is one.
        spans.dedup_by(|next, span| {
            let meets = span.meets(*next);
            if meets {
                *span = span.joined(*next);
            }
            meets
        });
        let hull = spans.iter().copied().reduce(Span::joined)?;
        Some((hull, Inside { key, alive: Intervals::new(spans.into_iter().map(|span| (span, ())).collect()) }))
    };
    Intervals::new(lives.into_iter().filter_map(of_key).collect())
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::{Kind, V4};
    use proptest::prelude::*;

    use super::super::readings::Readings;
    use super::*;
    use crate::query::who::Meant;
    use crate::sample::record;

    const SERVER: ([u8; 4], u16) = ([203, 0, 113, 6], 443);

    /// A flow to one of four hosts behind a server's public endpoint, from one of some peers.
    fn flow((host, peer, start, length): (u8, u8, u64, u64)) -> Known {
        let (peer, host) = (([198, 51, 100, peer], 1000 + u16::from(peer % 2)), ([10, 0, 0, host], 80));
        let end = if length == 0 { 0 } else { start + length };
        Known::of(&record::<V4>(Kind::Flow, start, end, [peer, SERVER, host, peer]), None, &Readings::default())
    }

    fn question(peer: Option<Peer>) -> Question {
        let (protocols, meant) = (None, Meant::default());
        Question { endpoint: SERVER.into(), at: 0, slack: 0, protocols, peer, meant }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_look_at_each_flow_finds(
            flows in prop::collection::vec((0..4_u8, 0..4_u8, 0..60_u64, 0..9_u64), 0..60),
            (from, length, beyond) in (0..70_u64, 0..9_u64, 0..3_usize),
            peer in prop::option::of((0..4_u8, prop::option::of(1000..1002_u16))),
            told in 0..60_usize,
        ) {
            let peer = peer.map(|(last, port)| Peer { address: [198, 51, 100, last].into(), port });
            let (asked, window) = (question(peer), Span { from, to: from + length });
            let beyond = [None, Some(Beyond::Before), Some(Beyond::Behind)][beyond];
            let flows: Vec<_> = flows.into_iter().map(flow).enumerate().collect();
            let reads = [told, usize::MAX].map(|flows| Read { span: window, flows, last_reading: None });
            let insides = Insides::of(&flows, &reads, [question(None), asked.clone()].iter());
            for (read, told) in [told, usize::MAX].into_iter().enumerate() {
                let alive = flows.iter().filter(|(place, known)| *place < told && known.life.meets(window));
                let seen = alive.flat_map(|(_, known)| known.seen_from(SERVER.into(), 0, beyond, true));
                let found: Vec<_> = seen.filter(|flow| peer.is_none_or(|peer| peer.is(flow.peer))).collect();
                let answers = found.iter().filter(|flow| flow.is_answer);
                let expected = (answers.map(|flow| flow.inside.ip()).collect(), !found.is_empty());
                prop_assert_eq!(insides.find(&asked, window, read, beyond), expected);
            }
        }
    }
}
