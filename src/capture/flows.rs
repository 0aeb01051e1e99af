//! The flows that are alive, as far as the journal tells: small, for there may be a million.
//!
//! A flow is found by the kernel's id. That is a hash of 32 bits, so among a million flows some share one: the tuple
//! decides.

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Kind, Record, Tuple};
use hashbrown::HashTable;
use zerocopy::little_endian::{U16, U32, U64};

/// A flow that is alive: 42 bytes for IPv4, 90 for IPv6. Fields as in [`Record`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Flow<A: Address> {
    original: Tuple<A>,
    reply: Tuple<A>,
    start: U64,
    id: U32,
    zone: U16,
    protocol: u8,
    /// Bits of [`state`].
    state: u8,
    /// The last segment that tells of it by a start or an open record, modulo 256.
    pub(super) told: u8,
    /// The last reading of the kernel's table in which it was, or before whose end it was heard of, modulo 256.
    pub(super) seen: u8,
}

const _: () = {
    use ctrecorder_format::{V4, V6};
    assert!(size_of::<Flow<V4>>() == 42);
    assert!(size_of::<Flow<V6>>() == 90);
};

/// What is known of a flow besides its record.
pub(super) mod state {
    /// Its start is the kernel's own stamp.
    pub(in super::super) const START_FROM_KERNEL: u8 = 1 << 0;
    /// Its start was heard.
    pub(in super::super) const START_HEARD: u8 = 1 << 1;
    /// It was there before this recorder: if nobody listened then, the kernel does not report its end.
    pub(in super::super) const PRIOR: u8 = 1 << 2;
    /// It was not in the kernel's table when that was last read.
    pub(in super::super) const MISSED: u8 = 1 << 3;
    /// A reply was seen when it was last found.
    pub(in super::super) const REPLY_SEEN: u8 = 1 << 4;
    /// Its start is when it was found: it began earlier.
    pub(in super::super) const BEGAN_EARLIER: u8 = 1 << 5;
}

impl<A: Address> Flow<A> {
    /// The flow that a start or an open record tells of.
    pub(super) fn of(record: &Record<A>, state: u8, told: u8, seen: u8) -> Self {
        let Record { original, reply, start, id, zone, protocol, .. } = *record;
        let from_kernel = record.flags & flags::START_FROM_KERNEL != 0;
        let state = state | if from_kernel { state::START_FROM_KERNEL } else { 0 };
        let state = state | if record.reply_seen() { state::REPLY_SEEN } else { 0 };
        let state = state | if record.began_earlier() { state::BEGAN_EARLIER } else { 0 };
        Self { original, reply, start, id, zone, protocol, state, told, seen }
    }

    /// Whether all of these bits of [`state`] are set.
    pub(super) const fn is(&self, state: u8) -> bool {
        self.state & state == state
    }

    /// Sets bits of [`state`].
    pub(super) const fn set(&mut self, state: u8) {
        self.state |= state;
    }

    /// Takes bits of [`state`] away.
    pub(super) const fn unset(&mut self, state: u8) {
        self.state &= !state;
    }

    /// Gives a record that does not know the flow's start the one that is known here.
    pub(super) fn complete(&self, record: &mut Record<A>) {
        if record.start.get() == 0 {
            record.start = self.start;
            record.flags |= self.start_flag();
        }
    }

    /// The record of its end, which nobody heard: it was gone at `end`.
    pub(super) fn ended_by(&self, end: u64) -> Record<A> {
        Record {
            start: self.start,
            end: end.into(),
            original: self.original,
            reply: self.reply,
            id: self.id,
            mark: 0.into(),
            zone: self.zone,
            kind: Kind::End as u8,
            protocol: self.protocol,
            status: 0.into(),
            tcp_state: 0,
            flags: flags::END_AT_LATEST | self.start_flag() | self.reply_flag(),
        }
    }

    const fn start_flag(&self) -> u8 {
        let from_kernel = if self.is(state::START_FROM_KERNEL) { flags::START_FROM_KERNEL } else { 0 };
        from_kernel | if self.is(state::BEGAN_EARLIER) { flags::RECOVERED } else { 0 }
    }

    const fn reply_flag(&self) -> u8 {
        if self.is(state::REPLY_SEEN) { flags::REPLY_SEEN } else { 0 }
    }

    fn is_of(&self, record: &Record<A>) -> bool {
        self.id == record.id
            && self.original == record.original
            && self.protocol == record.protocol
            && self.zone == record.zone
    }
}

/// The flows of one address family that are alive.
#[derive(Debug)]
pub(super) struct Flows<A: Address> {
    /// Places in `flows`, by the hash of the id.
    places: HashTable<u32>,
    /// Flows in their places, and what was left of others in those that are free.
    flows: Vec<Flow<A>>,
    free: Vec<u32>,
}

impl<A: Address> Flows<A> {
    pub(super) const fn new() -> Self {
        Self { places: HashTable::new(), flows: Vec::new(), free: Vec::new() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The flow that a record tells of.
    pub(super) fn get(&mut self, record: &Record<A>) -> Option<&mut Flow<A>> {
        let found = self.places.find(hash(record.id), |place| self.at(*place).is_some_and(|flow| flow.is_of(record)));
        let place = *found?;
        self.flows.get_mut(place as usize)
    }

    /// Adds a flow that is not there yet.
    pub(super) fn insert(&mut self, flow: Flow<A>) {
        let place = match self.free.pop() {
            Some(place) => place,
            // The kernel has no more flows than 32 bits can count.
            None => self.flows.len() as u32,
        };
        match self.flows.get_mut(place as usize) {
            Some(free) => *free = flow,
            None => self.flows.push(flow),
        }
        let flows = &self.flows;
        let rehash = |place: &u32| flows.get(*place as usize).map_or(0, |flow| hash(flow.id));
        self.places.insert_unique(hash(flow.id), place, rehash);
    }

    /// Takes the flow out that a record tells of.
    pub(super) fn remove(&mut self, record: &Record<A>) -> Option<Flow<A>> {
        let flows = &self.flows;
        let is_it = |place: &u32| flows.get(*place as usize).is_some_and(|flow| flow.is_of(record));
        let place = self.places.find_entry(hash(record.id), is_it).ok()?.remove().0;
        self.free.push(place);
        self.flows.get(place as usize).copied()
    }

    /// All flows, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Flow<A>> {
        self.places.iter().filter_map(|place| self.at(*place))
    }

    /// Takes out all flows of which `keep` says no.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut Flow<A>) -> bool) {
        let Self { places, flows, free } = self;
        places.retain(|place| {
            let kept = flows.get_mut(*place as usize).is_some_and(&mut keep);
            if !kept {
                free.push(*place);
            }
            kept
        });
    }

    fn at(&self, place: u32) -> Option<&Flow<A>> {
        self.flows.get(place as usize)
    }
}

/// Spreads an id over 64 bits, as the table wants it. The id is a hash already, with a key that only the kernel knows:
/// nobody can choose flows that collide.
fn hash(id: U32) -> u64 {
    const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;
    u64::from(id.get()).wrapping_mul(GOLDEN_RATIO)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ctrecorder_format::V4;
    use proptest::prelude::*;

    use super::*;
    use crate::sample::record;

    fn flow(id: u32, port: u16) -> Record<V4> {
        let (host, peer) = (([10, 0, 0, 1], port), ([10, 0, 0, 2], 443));
        Record { id: id.into(), ..record(Kind::Start, 7, 0, [host, peer, peer, host]) }
    }

    proptest! {
        /// Against a map, with so few ids and ports that most flows share theirs with another one.
        #[test]
        fn it_is_a_map_by_id_and_tuple(steps in prop::collection::vec((0..3_u32, 0..20_u16, any::<bool>()), 0..400)) {
            let (mut flows, mut model) = (Flows::new(), BTreeMap::new());
            for (number, (id, port, add)) in steps.into_iter().enumerate() {
                let record = flow(id, port);
                prop_assert_eq!(flows.get(&record).map(|flow| flow.told), model.get(&(id, port)).copied());
                if add && !model.contains_key(&(id, port)) {
                    flows.insert(Flow::of(&record, 0, number as u8, 0));
                    model.insert((id, port), number as u8);
                } else if !add {
                    let removed = flows.remove(&record).map(|flow| flow.told);
                    prop_assert_eq!(removed, model.remove(&(id, port)));
                }
                prop_assert_eq!(flows.len(), model.len());
            }
            flows.retain(|flow| flow.told % 2 == 0);
            model.retain(|_, told| *told % 2 == 0);
            let mut left: Vec<_> = flows.iter().map(|flow| flow.told).collect();
            let mut expected: Vec<_> = model.into_values().collect();
            left.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(left, expected);
        }
    }

    #[test]
    fn free_places_are_used_again() {
        let mut flows = Flows::new();
        for round in 0..100_u32 {
            for port in 0..50 {
                flows.insert(Flow::of(&flow(round, port), 0, 0, 0));
            }
            flows.retain(|_| false);
        }
        assert_eq!((flows.len(), flows.flows.len()), (0, 50));
    }
}
