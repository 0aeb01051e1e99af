//! The flows that are open: what identifies each, and what is known of it.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::line::Place;
use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Kind, Record, Tuple};
use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{Immutable, IntoBytes, KnownLayout, Unaligned};

/// What the flags of a start have to say in its flow, whoever knew the start.
pub(super) const KEPT: u8 = flags::REPLY_SEEN | flags::RECOVERED;

/// What the start and the end of a flow have in common. Version 2 knows no zone and no id: there they are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Identity<A: Address> {
    original: Tuple<A>,
    reply: Tuple<A>,
    id: U32,
    zone: U16,
    pub(super) protocol: u8,
}

impl<A: Address> Identity<A> {
    pub(super) fn of(record: &Record<A>) -> Self {
        let Record { original, reply, id, zone, protocol, .. } = *record;
        Self { original, reply, id, zone, protocol }
    }
}

/// An open flow. What else is known of it is field by field as in [`Record`].
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFlow<A: Address> {
    pub(super) identity: Identity<A>,
    /// The line of recording that told of it last.
    pub(super) line: u8,
    /// The file that told of it last.
    pub(super) seen: u32,
    pub(super) start: u64,
    /// Its number among the starts, which tells starts of the same time apart (but for two that are 2^32 starts apart).
    pub(super) order: u32,
    mark: u32,
    status: u16,
    tcp_state: u8,
    flags: u8,
}

// Memory is bounded by the flows open at once: this is what each of them takes.
const _: () = {
    use ctrecorder_format::{V4, V6};
    assert!(size_of::<OpenFlow<V4>>() == 56);
    assert!(size_of::<OpenFlow<V6>>() == 104);
};

impl<A: Address> OpenFlow<A> {
    /// What a start or an open record tells, which stands at this place and is the how many-th.
    pub(super) fn of(record: &Record<A>, Place { line, file }: Place, order: u32) -> Self {
        Self {
            identity: Identity::of(record),
            line,
            seen: file,
            start: record.start.get(),
            order,
            mark: record.mark.get(),
            status: record.status.get(),
            tcp_state: record.tcp_state,
            flags: record.flags & (KEPT | flags::START_FROM_KERNEL),
        }
    }

    /// A keyframe repeats what is known, or knows the start that was not.
    pub(super) const fn repeated(&mut self, open: &Self) {
        (self.line, self.seen) = (open.line, open.seen);
        if self.start == 0 {
            self.start = open.start;
            self.flags |= open.flags & flags::START_FROM_KERNEL;
        }
    }

    /// Adds what an update says. A mark or state that did not change is 0 there.
    pub(super) fn update(&mut self, record: &Record<A>) {
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
    pub(super) fn half(&self) -> Record<A> {
        let Identity { original, reply, id, zone, protocol } = self.identity;
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

    /// The flow whose end was not heard, and that was gone by this time.
    pub(super) fn gone(&self, by: u64) -> Record<A> {
        let mut flow = self.half();
        flow.end = by.into();
        flow.flags |= flags::END_AT_LATEST;
        flow
    }

    /// The flow that `end` ends, with what is known of its start besides.
    pub(super) fn ended(&self, end: &Record<A>) -> Record<A> {
        let mut flow = *end;
        flow.kind = Kind::Flow as u8;
        let end_knows_better = end.start.get() != 0 && end.flags & flags::START_FROM_KERNEL != 0;
        if self.start != 0 && !end_knows_better {
            flow.start = self.start.into();
            flow.flags = (end.flags & !flags::START_FROM_KERNEL) | (self.flags & flags::START_FROM_KERNEL);
        }
        flow.flags |= self.flags & KEPT;
        if flow.mark.get() == 0 {
            flow.mark = self.mark.into();
        }
        // An end that was found, not heard, comes without status and state.
        if flow.status.get() == 0 {
            flow.status = self.status.into();
            flow.tcp_state = self.tcp_state;
        }
        flow
    }
}

/// The flows that are open, by what identifies them.
///
/// A flow that begins takes the place of one that ended last, which the processor has at hand; in a map of flows it would be
/// written to memory far away. And the map of places alone is small enough to be at hand for the most part, too.
#[derive(Debug)]
pub(super) struct OpenFlows<A: Address> {
    places: HashTable<u32>,
    flows: Vec<OpenFlow<A>>,
    /// Places of flows that have ended.
    free: Vec<u32>,
    /// Keyed: tuples come from the network, and nobody there shall know which of them collide.
    hasher: SeedableRandomState,
}

impl<A: Address> OpenFlows<A> {
    pub(super) fn new() -> Self {
        // The standard library's keys come from the system's source of chance, those of this hasher itself do not.
        let key = RandomState::new().hash_one(0);
        let hasher = SeedableRandomState::with_seed(key, SharedSeed::global_random());
        Self { places: HashTable::new(), flows: Vec::new(), free: Vec::new(), hasher }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The hash of what identifies a flow, which the other functions take.
    pub(super) fn hash(&self, identity: &Identity<A>) -> u64 {
        hash(&self.hasher, identity)
    }

    /// Brings a flow into the processor's cache. Where several are asked for one after the other, it waits for all of them
    /// at once; that is what most of the time would go to.
    pub(super) fn touch(&self, hash: u64, identity: &Identity<A>) {
        std::hint::black_box(self.places.find(hash, is(&self.flows, identity)).is_some());
    }

    pub(super) fn get_mut(&mut self, hash: u64, identity: &Identity<A>) -> Option<&mut OpenFlow<A>> {
        let place = *self.places.find(hash, is(&self.flows, identity))?;
        self.flows.get_mut(place as usize)
    }

    /// Adds a flow, unless it is open already: that one is returned.
    pub(super) fn add(&mut self, hash_of_it: u64, flow: &OpenFlow<A>) -> Option<&mut OpenFlow<A>> {
        let (hasher, flows) = (&self.hasher, &self.flows);
        let rehash = |place: &u32| flows.get(*place as usize).map_or(0, |flow| hash(hasher, &flow.identity));
        match self.places.entry(hash_of_it, is(flows, &flow.identity), rehash) {
            Entry::Occupied(known) => self.flows.get_mut(*known.get() as usize),
            Entry::Vacant(unknown) => {
                let freed = self.free.pop();
                if let Some(place) = freed.and_then(|place| self.flows.get_mut(place as usize)) {
                    *place = *flow;
                } else {
                    self.flows.push(*flow);
                }
                // So many flows open at once would take 240 GB.
                unknown.insert(freed.unwrap_or((self.flows.len() - 1) as u32));
                None
            }
        }
    }

    pub(super) fn remove(&mut self, hash: u64, identity: &Identity<A>) -> Option<OpenFlow<A>> {
        let found = self.places.find_entry(hash, is(&self.flows, identity)).ok()?;
        let (place, _) = found.remove();
        self.free.push(place);
        self.flows.get(place as usize).copied()
    }

    /// All that are open, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &OpenFlow<A>> {
        self.places.iter().filter_map(|place| self.flows.get(*place as usize))
    }

    /// Does this with all that are open.
    pub(super) fn for_each(&mut self, mut change: impl FnMut(&mut OpenFlow<A>)) {
        for place in &self.places {
            if let Some(flow) = self.flows.get_mut(*place as usize) {
                change(flow);
            }
        }
    }

    /// How many flows there is room for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.places.capacity().max(self.flows.capacity())
    }
}

/// Whether a place is that of this flow.
fn is<A: Address>(flows: &[OpenFlow<A>], identity: &Identity<A>) -> impl Fn(&u32) -> bool {
    |place| flows.get(*place as usize).is_some_and(|flow| flow.identity == *identity)
}

/// Of all bytes in one go: half of the time that field after field takes.
fn hash<A: Address>(hasher: &SeedableRandomState, identity: &Identity<A>) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(identity.as_bytes());
    state.finish()
}
