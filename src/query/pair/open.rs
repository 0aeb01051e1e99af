//! The flows that are open: what identifies each, and what is known of it.

use std::hash::{BuildHasher, Hasher, RandomState};

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Kind, Record, Tuple};
use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{Immutable, IntoBytes, KnownLayout, Unaligned};

use super::line::Place;

/// What the flags of a start have to say in its flow, whoever knew the start.
pub(super) const KEPT: u8 = flags::REPLY_SEEN | flags::RECOVERED;

/// What the flags say of the start as a time.
const OF_START: u8 = flags::START_FROM_KERNEL | flags::RECOVERED;

/// What is known of an open flow is from the end of a segment of flows: the whole flow may yet come. That is no flag of records.
const TOLD_AT_END: u8 = 1 << 7;

/// What the start and the end of a flow have in common. Version 2 knows no zone and no id: there they are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoBytes, KnownLayout, Immutable, Unaligned)]
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

    /// The same as version 2 has it.
    pub(super) fn nameless(self) -> Self {
        Self { id: 0.into(), zone: 0.into(), ..self }
    }

    /// Whether it is one as version 2 has it.
    pub(super) fn is_nameless(&self) -> bool {
        self.id.get() == 0
    }
}

/// An open flow. What else is known of it is field by field as in [`Record`].
///
/// It begins where a line of the processor's cache does: one of IPv4 is one line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
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
    assert!(size_of::<OpenFlow<V4>>() == 64);
    assert!(size_of::<OpenFlow<V6>>() == 128);
};

impl<A: Address> OpenFlow<A> {
    /// What a start or an open record tells, which stands at this place and is the how many-th.
    pub(super) fn of(record: &Record<A>, Place { line, file, is_of_flows, .. }: Place, order: u32) -> Self {
        let own = if is_of_flows { TOLD_AT_END } else { 0 };
        Self {
            identity: Identity::of(record),
            line,
            seen: file,
            start: record.start.get(),
            order,
            mark: record.mark.get(),
            status: record.status.get(),
            tcp_state: record.tcp_state,
            flags: record.flags & (KEPT | flags::START_FROM_KERNEL) | own,
        }
    }

    /// A keyframe repeats what is known, or knows the start that was not.
    pub(super) const fn repeated(&mut self, open: &Self) {
        (self.line, self.seen) = (open.line, open.seen);
        self.flags &= open.flags | !TOLD_AT_END;
        if self.start == 0 {
            self.start = open.start;
            self.flags |= open.flags & OF_START;
        }
    }

    /// Whether a record that version 3 has may be of this flow, which version 2 has, or the other way round: where both tell
    /// its start, it is the same, but for what is below the microsecond.
    pub(super) const fn agrees(&self, record: &Record<A>) -> bool {
        let (own, other) = (self.start, record.start.get());
        own == 0 || other == 0 || own / 1_000 == other / 1_000
    }

    /// Adds what an update says, which shows that the flow is alive. A mark or state that did not change is 0 there.
    pub(super) fn update(&mut self, record: &Record<A>, Place { line, file, .. }: Place) {
        (self.line, self.seen) = (line, file);
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
            flags: self.flags & !TOLD_AT_END,
        }
    }

    /// The flow as one that is open.
    pub(super) fn open(&self) -> Record<A> {
        Record { kind: Kind::Open as u8, ..self.half() }
    }

    /// Whether a whole flow is this one.
    pub(super) const fn may_become_whole(&self) -> bool {
        self.flags & TOLD_AT_END != 0
    }

    /// Whether it did not come whole, though the segments of flows have come to one that began later.
    pub(super) const fn is_before(&self, other: &Self) -> bool {
        self.flags & other.flags & TOLD_AT_END != 0 && self.start != 0 && self.start < other.start
    }

    /// The same flow, which came whole; `None` if it is a later one.
    pub(super) fn whole(&self, flow: &Record<A>) -> Option<Record<A>> {
        match (self.start, flow.start.get()) {
            (_, 0) => Some(Record {
                start: self.start.into(),
                flags: (flow.flags & !OF_START) | (self.flags & OF_START),
                ..*flow
            }),
            (own, start) => (own == 0 || start <= own).then_some(*flow),
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
            flow.flags = (end.flags & !OF_START) | (self.flags & OF_START);
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
    places: HashTable<FlowPlace>,
    flows: Vec<OpenFlow<A>>,
    /// Places of flows that have ended.
    free: Vec<u32>,
    /// Keyed: tuples come from the network, and nobody there shall know which of them collide.
    hasher: SeedableRandomState,
}

/// Where a flow is, by its hash.
#[derive(Clone, Copy, Debug)]
struct FlowPlace {
    hash: u32,
    place: u32,
}

impl FlowPlace {
    /// Whether this is the flow of this hash and identity. Other flows are hardly ever looked at.
    fn is<A: Address>(self, flows: &[OpenFlow<A>], hash: u32, identity: &Identity<A>) -> bool {
        self.hash == hash && flows.get(self.place as usize).is_some_and(|flow| flow.identity == *identity)
    }
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

    /// The hash of what identifies a flow, which the other functions take: of all bytes in one go, which takes half of the
    /// time that field after field does.
    pub(super) fn hash(&self, identity: &Identity<A>) -> u32 {
        let mut state = self.hasher.build_hasher();
        state.write(identity.as_bytes());
        state.finish() as u32
    }

    /// Brings the flow of this hash into the processor's cache. Nothing depends on what is returned: where several are asked
    /// for one after the other, the processor waits for all of them at once, and most of the time goes to waiting.
    pub(super) fn touch(&self, hash: u32) -> u8 {
        let place = self.places.find(spread(hash), |place| place.hash == hash);
        place.and_then(|place| self.flows.get(place.place as usize)).map_or(0, |flow| flow.flags)
    }

    pub(super) fn get_mut(&mut self, hash: u32, identity: &Identity<A>) -> Option<&mut OpenFlow<A>> {
        let place = self.places.find(spread(hash), |place| place.is(&self.flows, hash, identity))?;
        self.flows.get_mut(place.place as usize)
    }

    /// Adds a flow, unless it is open already: that one is returned.
    pub(super) fn add(&mut self, hash: u32, flow: &OpenFlow<A>) -> Option<&mut OpenFlow<A>> {
        let known = |place: &FlowPlace| place.is(&self.flows, hash, &flow.identity);
        match self.places.entry(spread(hash), known, |place| spread(place.hash)) {
            Entry::Occupied(known) => self.flows.get_mut(known.get().place as usize),
            Entry::Vacant(unknown) => {
                let freed = self.free.pop();
                if let Some(place) = freed.and_then(|place| self.flows.get_mut(place as usize)) {
                    *place = *flow;
                } else {
                    self.flows.push(*flow);
                }
                // More places would take 256 GB.
                let place = freed.unwrap_or((self.flows.len() - 1) as u32);
                unknown.insert(FlowPlace { hash, place });
                None
            }
        }
    }

    pub(super) fn remove(&mut self, hash: u32, identity: &Identity<A>) -> Option<&OpenFlow<A>> {
        let is_it = |place: &FlowPlace| place.is(&self.flows, hash, identity);
        let (FlowPlace { place, .. }, _) = self.places.find_entry(spread(hash), is_it).ok()?.remove();
        self.free.push(place);
        self.flows.get(place as usize)
    }

    /// All that are open, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &OpenFlow<A>> {
        self.places.iter().filter_map(|place| self.flows.get(place.place as usize))
    }

    /// Does this with all that are open.
    pub(super) fn for_each(&mut self, mut change: impl FnMut(&mut OpenFlow<A>)) {
        for place in &self.places {
            if let Some(flow) = self.flows.get_mut(place.place as usize) {
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

/// A hash as the map wants it: it looks at the lowest bits, and at the highest ones.
const fn spread(hash: u32) -> u64 {
    (hash as u64) << 32 | hash as u64
}
