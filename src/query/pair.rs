//! Makes flows of starts and ends.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Counters, Kind, Record, Tuple};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{Immutable, IntoBytes, KnownLayout, Unaligned};

/// What the flags of a start have to say in its flow, whoever knew the start.
const KEPT: u8 = flags::REPLY_SEEN | flags::RECOVERED;

/// Pairs the starts and ends of one address family, pushed in the order of their arrival.
///
/// Flows leave in the order in which their ends arrive, by the function that is handed in, each with what was counted of
/// it (zeros where nothing was). A start whose end was not seen, and an end whose start was not, is a half flow: the time
/// it lacks is 0. Nothing that was pushed is lost but updates.
///
/// Memory is bounded by the flows open at once: 56 bytes each for IPv4 and 104 for IPv6, and the slack of a hash map.
#[derive(Debug)]
pub struct Pairing<A: Address> {
    /// The standard library's hasher: tuples come from the network, and nobody there shall know which of them collide.
    /// A faster one would save a tenth of the time at most; the rest is waiting for memory.
    open: HashMap<Identity<A>, Begun>,
    /// How many starts arrived so far.
    starts: u64,
}

/// What the start and the end of a flow have in common. Version 2 knows no zone and no id: there they are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Identity<A: Address> {
    original: Tuple<A>,
    reply: Tuple<A>,
    id: U32,
    zone: U16,
    protocol: u8,
}

impl<A: Address> Identity<A> {
    fn of(record: &Record<A>) -> Self {
        let Record { original, reply, id, zone, protocol, .. } = *record;
        Self { original, reply, id, zone, protocol }
    }
}

impl<A: Address> Hash for Identity<A> {
    /// All bytes in one go: half of the time that field after field takes.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
    }
}

/// What else is known of an open flow. Field by field as in [`Record`].
#[derive(Clone, Copy, Debug)]
struct Begun {
    start: u64,
    /// Its number among the starts, which tells starts of the same time apart.
    order: u64,
    mark: u32,
    status: u16,
    tcp_state: u8,
    flags: u8,
}

const _: () = {
    use ctrecorder_format::{V4, V6};
    assert!(size_of::<(Identity<V4>, Begun)>() == 56);
    assert!(size_of::<(Identity<V6>, Begun)>() == 104);
};

impl<A: Address> Default for Pairing<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Address> Pairing<A> {
    /// No flow is open.
    pub fn new() -> Self {
        Self { open: HashMap::new(), starts: 0 }
    }

    /// Takes the next record, with what was counted of its flow, and emits the flow that it ends, if any.
    ///
    /// - A start opens a flow. If the same flow is open already, its end was missed: it is emitted as a half flow.
    /// - An open record opens its flow where it is not known. Where it is, it gives at most the start that was not known.
    /// - An update adds to what is known of its flow.
    /// - An end is emitted as a flow, with the start that is open. A start by the kernel's clock that the end itself knows
    ///   wins over that; one by the recorder's clock serves where no other is known.
    /// - A flow is emitted as it is, and so is a record of a kind that this program does not know.
    pub fn push(
        &mut self,
        record: &Record<A>,
        counters: Option<&Counters>,
        emit: &mut impl FnMut(Record<A>, Counters),
    ) {
        let counters = counters.copied().unwrap_or_default();
        match record.kind() {
            Some(Kind::Start) => {
                let (identity, begun) = (Identity::of(record), self.begin(record));
                if let Some(missed) = self.open.insert(identity, begun) {
                    emit(missed.half(&identity), Counters::default());
                }
            }
            Some(Kind::Open) => {
                let begun = self.begin(record);
                match self.open.entry(Identity::of(record)) {
                    Entry::Vacant(unknown) => drop(unknown.insert(begun)),
                    Entry::Occupied(mut known) => known.get_mut().repeated(&begun),
                }
            }
            Some(Kind::Update) => {
                if let Some(begun) = self.open.get_mut(&Identity::of(record)) {
                    begun.update(record);
                }
            }
            Some(Kind::End) => {
                let begun = self.open.remove(&Identity::of(record));
                emit(ended(record, begun), counters);
            }
            Some(Kind::Flow) | None => emit(*record, counters),
        }
    }

    /// Emits the flows that are still open, as half flows in the order of their starts.
    pub fn finish(self, emit: &mut impl FnMut(Record<A>, Counters)) {
        let mut open: Vec<_> = self.open.into_iter().collect();
        open.sort_unstable_by_key(|(_, begun)| (begun.start, begun.order));
        for (identity, begun) in open {
            emit(begun.half(&identity), Counters::default());
        }
    }

    fn begin(&mut self, record: &Record<A>) -> Begun {
        self.starts += 1;
        Begun {
            start: record.start.get(),
            order: self.starts,
            mark: record.mark.get(),
            status: record.status.get(),
            tcp_state: record.tcp_state,
            flags: record.flags & (KEPT | flags::START_FROM_KERNEL),
        }
    }
}

impl Begun {
    /// A keyframe repeats what is known, or knows the start that was not.
    const fn repeated(&mut self, open: &Self) {
        if self.start == 0 {
            self.start = open.start;
            self.flags |= open.flags & flags::START_FROM_KERNEL;
        }
    }

    /// Adds what an update says. A mark or state that did not change is 0 there.
    fn update<A: Address>(&mut self, record: &Record<A>) {
        self.flags |= record.flags & KEPT;
        self.status |= record.status.get();
        if record.tcp_state != 0 {
            self.tcp_state = record.tcp_state;
        }
        if record.mark.get() != 0 {
            self.mark = record.mark.get();
        }
    }

    /// The flow as far as it is known without its end.
    fn half<A: Address>(self, identity: &Identity<A>) -> Record<A> {
        let Identity { original, reply, id, zone, protocol } = *identity;
        Record {
            start: self.start.into(),
            end: 0.into(),
            original,
            reply,
            id,
            mark: self.mark.into(),
            zone,
            kind: Kind::Flow as u8,
            protocol,
            status: self.status.into(),
            tcp_state: self.tcp_state,
            flags: self.flags,
        }
    }
}

/// The flow that `end` ends, with what is known of its start besides.
fn ended<A: Address>(end: &Record<A>, begun: Option<Begun>) -> Record<A> {
    let mut flow = *end;
    flow.kind = Kind::Flow as u8;
    let Some(begun) = begun else {
        return flow;
    };
    let end_knows_better = end.start.get() != 0 && end.flags & flags::START_FROM_KERNEL != 0;
    if begun.start != 0 && !end_knows_better {
        flow.start = begun.start.into();
        flow.flags = (end.flags & !flags::START_FROM_KERNEL) | (begun.flags & flags::START_FROM_KERNEL);
    }
    flow.flags |= begun.flags & KEPT;
    if flow.mark.get() == 0 {
        flow.mark = begun.mark.into();
    }
    // An end that was found, not heard, comes without status and state.
    if flow.status.get() == 0 {
        flow.status = begun.status.into();
        flow.tcp_state = begun.tcp_state;
    }
    flow
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ctrecorder_format::{V4, V6};
    use proptest::prelude::*;

    use super::*;
    use crate::output::{Classic, Zone};
    use crate::sample::{data, record, recorded};

    const INSIDE: ([u8; 4], u16) = ([10, 0, 0, 1], 1024);
    const SERVER: ([u8; 4], u16) = ([198, 51, 100, 7], 443);
    const PUBLIC: ([u8; 4], u16) = ([203, 0, 113, 1], 2048);

    fn tcp(kind: Kind, start: u64, end: u64) -> Record<V4> {
        record(kind, start, end, [INSIDE, SERVER, SERVER, PUBLIC])
    }

    /// What pairing makes of these records: the flows that leave by the way, and those that leave at the finish.
    fn paired<A: Address>(records: &[Record<A>]) -> (Vec<Record<A>>, Vec<Record<A>>) {
        let (mut flows, mut pairing) = (Vec::new(), Pairing::new());
        for record in records {
            pairing.push(record, None, &mut |flow, _| flows.push(flow));
        }
        let mut left = Vec::new();
        pairing.finish(&mut |flow, _| left.push(flow));
        (flows, left)
    }

    fn lines(flows: &[Record<V4>]) -> Vec<String> {
        let (mut classic, mut out) = (Classic::new(Zone::utc()), Vec::new());
        flows.iter().for_each(|flow| classic.event(&mut out, flow));
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_c_programs_pairs_are_found_in_its_order_and_the_starts_it_dropped() {
        let golden = String::from_utf8(data("tcp.combined.list.utc.txt")).unwrap();
        let udp_golden = lines(&recorded("udp.combined.ct"));
        let tcp_golden: Vec<_> = golden.lines().map(str::to_owned).collect();
        for (file, golden, starts) in [("tcp.ct", tcp_golden, 137), ("udp.ct", udp_golden, 42)] {
            let (flows, left) = paired(&recorded(file));
            let (flows, left) = (lines(&flows), lines(&left));
            let (whole, half) = golden.split_at(flows.len());
            assert_eq!(flows, whole, "{file}");
            assert!(left.is_sorted() && half.iter().all(|line| left.contains(line)), "{file}");
            assert_eq!(flows.len() + left.len(), starts, "{file}");
            // One hash bucket of the C program's squeeze ended with a start of its own: that one it dropped.
            assert_eq!(left.len(), half.len() + 1, "{file}");
        }
    }

    #[test]
    fn a_flow_takes_from_each_side_what_that_knows() {
        let mut start = tcp(Kind::Start, 5, 0);
        (start.mark, start.status, start.tcp_state) = (7.into(), 1.into(), 1);
        start.flags = flags::START_FROM_KERNEL | flags::RECOVERED | flags::END_AT_LATEST;
        let mut update = tcp(Kind::Update, 6, 0);
        (update.status, update.tcp_state, update.flags) = (8.into(), 3, flags::REPLY_SEEN);
        let mut end = tcp(Kind::End, 0, 9);
        end.flags = flags::END_FROM_KERNEL;

        let mut flow = tcp(Kind::Flow, 5, 9);
        (flow.mark, flow.status, flow.tcp_state) = (7.into(), 9.into(), 3);
        flow.flags = flags::START_FROM_KERNEL | flags::RECOVERED | flags::REPLY_SEEN | flags::END_FROM_KERNEL;
        assert_eq!(paired(&[start, update, end]), (vec![flow], vec![]));

        (end.mark, end.status, end.tcp_state) = (1.into(), 2.into(), 4);
        (flow.mark, flow.status, flow.tcp_state) = (1.into(), 2.into(), 4);
        assert_eq!(paired(&[start, update, end]), (vec![flow], vec![]));
    }

    /// A start that was found and an end that was not heard stay marked as such, whoever knew the times.
    #[test]
    fn what_was_found_stays_marked() {
        let flagged = |mut record: Record<V4>, flags| {
            record.flags = flags;
            record
        };
        let found = flagged(tcp(Kind::Start, 5, 0), flags::RECOVERED);
        let gone = |start, flags| flagged(tcp(Kind::End, start, 9), flags | flags::END_AT_LATEST);
        for (end, flow) in
            [(gone(0, 0), tcp(Kind::Flow, 5, 9)), (gone(4, flags::START_FROM_KERNEL), tcp(Kind::Flow, 4, 9))]
        {
            let flow = flagged(flow, end.flags | flags::RECOVERED);
            assert_eq!(paired(&[found, tcp(Kind::Open, 5, 0), end]), (vec![flow], vec![]));
        }
        let half = flagged(tcp(Kind::Flow, 5, 0), flags::RECOVERED);
        assert_eq!(paired(&[found]), (vec![], vec![half]));
    }

    #[test]
    fn a_repeated_open_record_gives_the_start_that_was_not_known() {
        let mut knowing = tcp(Kind::Open, 3, 0);
        knowing.flags = flags::START_FROM_KERNEL;
        let mut flow = tcp(Kind::Flow, 3, 9);
        flow.flags = flags::START_FROM_KERNEL;
        assert_eq!(paired(&[tcp(Kind::Open, 0, 0), knowing, tcp(Kind::End, 0, 9)]), (vec![flow], vec![]));
        // One that is known is not changed.
        assert_eq!(paired(&[tcp(Kind::Start, 5, 0), knowing, tcp(Kind::End, 0, 9)]).0, [tcp(Kind::Flow, 5, 9)]);
    }

    #[test]
    fn an_update_changes_the_half_flow_and_alone_makes_none() {
        let mut update = tcp(Kind::Update, 6, 0);
        (update.mark, update.flags) = (9.into(), flags::REPLY_SEEN);
        let half = Record { kind: Kind::Flow as u8, mark: 9.into(), flags: flags::REPLY_SEEN, ..tcp(Kind::Flow, 5, 0) };
        assert_eq!(paired(&[tcp(Kind::Start, 5, 0), update]), (vec![], vec![half]));
        assert_eq!(paired(&[update]), (vec![], vec![]));
    }

    #[test]
    fn the_kernels_start_wins() {
        let kernel = |mut record: Record<V4>| {
            record.flags = flags::START_FROM_KERNEL;
            record
        };
        let start = tcp(Kind::Start, 5, 0);
        let (end, flow) = (|start| tcp(Kind::End, start, 9), |start| tcp(Kind::Flow, start, 9));
        for (records, expected) in [
            (vec![start, kernel(end(4))], kernel(flow(4))),
            (vec![start, end(4)], flow(5)),
            (vec![kernel(start), end(4)], kernel(flow(5))),
            (vec![start, kernel(end(0))], flow(5)),
            (vec![tcp(Kind::Open, 0, 0), end(4)], flow(4)),
            (vec![kernel(end(4))], kernel(flow(4))),
            (vec![end(0)], flow(0)),
        ] {
            assert_eq!(paired(&records), (vec![expected], vec![]), "{records:?}");
        }
    }

    #[test]
    fn counters_are_those_of_the_end() {
        let counted = |number: u64| Counters { original_bytes: number.into(), ..Counters::default() };
        let mut all = Vec::new();
        let mut pairing = Pairing::new();
        for (record, number) in [
            (tcp(Kind::Open, 5, 0), 1),
            (tcp(Kind::End, 0, 9), 2),
            (tcp(Kind::Flow, 1, 2), 3),
            (tcp(Kind::Open, 9, 0), 4),
        ] {
            pairing.push(&record, Some(&counted(number)), &mut |_, counters| all.push(counters));
        }
        pairing.finish(&mut |_, counters| all.push(counters));
        assert_eq!(all, [counted(2), counted(3), Counters::default()]);
    }

    #[test]
    fn whatever_is_not_the_same_flow_stays_apart() {
        let start = tcp(Kind::Start, 5, 0);
        let others = [
            Record { protocol: 17, ..tcp(Kind::End, 0, 9) },
            Record { zone: 1.into(), ..tcp(Kind::End, 0, 9) },
            Record { id: 1.into(), ..tcp(Kind::End, 0, 9) },
            record(Kind::End, 0, 9, [INSIDE, SERVER, SERVER, (PUBLIC.0, 2049)]),
            record(Kind::End, 0, 9, [(INSIDE.0, 1025), SERVER, SERVER, PUBLIC]),
        ];
        for other in others {
            let half = Record { kind: Kind::Flow as u8, ..other };
            assert_eq!(paired(&[start, other]), (vec![half], vec![tcp(Kind::Flow, 5, 0)]));
        }
    }

    #[test]
    fn a_kind_of_a_later_version_is_kept() {
        let unknown = Record { kind: 77, ..tcp(Kind::Start, 5, 0) };
        assert_eq!(paired(&[unknown, tcp(Kind::Flow, 1, 2)]), (vec![unknown, tcp(Kind::Flow, 1, 2)], vec![]));
    }

    /// The rules of [`Pairing::push`] without updates and flags, the plainest way: a list of what is open.
    fn plainly(records: &[Record<V6>]) -> (Vec<Record<V6>>, Vec<Record<V6>>) {
        let (mut flows, mut open) = (Vec::new(), Vec::<Record<V6>>::new());
        let flow = |start: u64, end: u64, like: &Record<V6>| Record {
            start: start.into(),
            end: end.into(),
            kind: Kind::Flow as u8,
            ..*like
        };
        for record in records {
            let found = open.iter().position(|other| Identity::of(other) == Identity::of(record));
            match (record.kind().unwrap(), found) {
                (Kind::Start, Some(at)) => {
                    flows.push(flow(open.remove(at).start.get(), 0, record));
                    open.push(*record);
                }
                (Kind::Start | Kind::Open, None) => open.push(*record),
                (Kind::End, Some(at)) => flows.push(flow(open.remove(at).start.get(), record.end.get(), record)),
                (Kind::End | Kind::Flow, _) => flows.push(flow(record.start.get(), record.end.get(), record)),
                _ => {}
            }
        }
        open.sort_by_key(|record| record.start.get());
        (flows, open.iter().map(|record| flow(record.start.get(), 0, record)).collect())
    }

    proptest! {
        #[test]
        fn pairing_is_what_the_rules_say(steps in prop::collection::vec((0..5_u8, 0..4_u8, 0..3_u64), 0..60)) {
            let kinds = [Kind::Start, Kind::Start, Kind::End, Kind::Open, Kind::Flow];
            let mut time = 0;
            let records: Vec<Record<V6>> = steps.into_iter().map(|(kind, host, pause)| {
                time += pause;
                let kind = kinds[usize::from(kind)];
                let (start, end) = match kind {
                    Kind::End => (0, time + 1),
                    Kind::Flow => (time, time + 1),
                    _ => (time + 1, 0),
                };
                let host = ([host; 16], 1024);
                record(kind, start, end, [host, ([9; 16], 443), ([9; 16], 443), host])
            }).collect();
            prop_assert_eq!(paired(&records), plainly(&records));
        }
    }

    /// Bounded by the flows open at once, not by the flows there were.
    #[test]
    fn memory_does_not_grow_with_the_journal() {
        let mut pairing = Pairing::new();
        let mut flows = HashSet::new();
        for number in 0..100_000_u64 {
            let port = (number % 60_000) as u16;
            let endpoints = [(INSIDE.0, port), SERVER, SERVER, (PUBLIC.0, port)];
            let mut emit = |flow: Record<V4>, _| assert!(flows.insert((flow.start.get(), flow.end.get())));
            pairing.push(&record(Kind::Start, number + 1, 0, endpoints), None, &mut emit);
            pairing.push(&record(Kind::End, 0, number + 2, endpoints), None, &mut emit);
        }
        assert_eq!(flows.len(), 100_000);
        assert!(pairing.open.capacity() < 100, "{}", pairing.open.capacity());
    }
}
