//! The flows that are open: what identifies each, and what is known of it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Kind, Record, Tuple};
use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bodies::Bodies;
use super::line::Place;
use super::memory::Allowance;
use super::places::Places;

/// What the flags of a start have to say in its flow, whoever knew the start.
pub(super) const KEPT: u8 = flags::REPLY_SEEN | flags::RECOVERED;

/// What the flags say of the start as a time.
const OF_START: u8 = flags::START_FROM_KERNEL | flags::RECOVERED;

/// What is known of an open flow is from a file of flows: the whole flow may yet come. That is no flag of records.
const TOLD_AT_END: u8 = 1 << 7;

/// What the start and the end of a flow have in common. Version 2 knows no zone and no id: there they are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
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
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct OpenFlow<A: Address> {
    pub(super) identity: Identity<A>,
    /// The line of recording that told of it last.
    pub(super) line: u8,
    /// The file that told of it last.
    pub(super) seen: U32,
    pub(super) start: U64,
    /// Its number among the starts, which tells starts of the same time apart (but for two that are 2^32 starts apart).
    pub(super) order: U32,
    mark: U32,
    status: U16,
    tcp_state: u8,
    flags: u8,
}

// Memory is bounded by the flows open at once: this is what each of them takes, in lines of 64 bytes.
const _: () = {
    use ctrecorder_format::{V4, V6};
    assert!(size_of::<OpenFlow<V4>>() == 56);
    assert!(size_of::<OpenFlow<V6>>() == 104);
};

impl<A: Address> OpenFlow<A> {
    /// What a start or an open record tells, which stands at this place and is the how many-th.
    pub(super) fn of(record: &Record<A>, Place { line, file, is_of_flows, .. }: Place, order: u32) -> Self {
        let own = if is_of_flows { TOLD_AT_END } else { 0 };
        Self {
            identity: Identity::of(record),
            line,
            seen: file.into(),
            start: record.start,
            order: order.into(),
            mark: record.mark,
            status: record.status,
            tcp_state: record.tcp_state,
            flags: record.flags & (KEPT | flags::START_FROM_KERNEL) | own,
        }
    }

    /// A keyframe repeats what is known, or knows the start that was not. The kernel's stamp there is that of the flow, as its
    /// end has it; a start has that of the event.
    pub(super) const fn repeated(&mut self, open: &Self) {
        (self.line, self.seen) = (open.line, open.seen);
        self.flags &= open.flags | !TOLD_AT_END;
        let is_stamped = open.start.get() != 0 && open.flags & flags::START_FROM_KERNEL != 0;
        if is_stamped && self.flags & flags::START_FROM_KERNEL != 0 {
            self.start = open.start;
        }
        if self.start.get() == 0 {
            self.start = open.start;
            self.flags |= open.flags & OF_START;
        }
    }

    /// Whether a record that version 3 has may be of this flow, which version 2 has, or the other way round: where both tell
    /// its start, it is the same, but for what is below the microsecond.
    pub(super) const fn agrees(&self, record: &Record<A>) -> bool {
        let (own, other) = (self.start.get(), record.start.get());
        own == 0 || other == 0 || own / 1_000 == other / 1_000
    }

    /// Adds what an update says, which shows that the flow is alive. A mark or state that did not change is 0 there.
    pub(super) fn update(&mut self, record: &Record<A>, Place { line, file, .. }: Place) {
        (self.line, self.seen) = (line, file.into());
        self.flags |= record.flags & KEPT;
        self.status |= record.status;
        if record.tcp_state != 0 {
            self.tcp_state = record.tcp_state;
        }
        if record.mark.get() != 0 {
            self.mark = record.mark;
        }
    }

    /// The flow as far as it is known without its end.
    pub(super) fn half(&self) -> Record<A> {
        let Identity { original, reply, id, zone, protocol } = self.identity;
        Record {
            start: self.start,
            end: 0.into(),
            original,
            reply,
            id,
            mark: self.mark,
            zone,
            kind: Kind::Flow as u8,
            protocol,
            status: self.status,
            tcp_state: self.tcp_state,
            flags: self.flags & !TOLD_AT_END,
        }
    }

    /// The flow as one that is open.
    pub(super) fn open(&self) -> Record<A> {
        Record { kind: Kind::Open as u8, ..self.half() }
    }

    /// Whether a whole flow in this file may be this one: what one file of flows tells of it, it tells once.
    pub(super) const fn may_become_whole(&self, file: u32) -> bool {
        self.flags & TOLD_AT_END != 0 && self.seen.get() != file
    }

    /// Whether it did not come whole, though the segments of flows have come to one that began later, behind `told_before`.
    pub(super) const fn is_before(&self, other: &Self, told_before: u64) -> bool {
        let (own, start) = (self.start.get(), other.start.get());
        self.flags & other.flags & TOLD_AT_END != 0 && own != 0 && own < start && told_before < start
    }

    /// The same flow, which came whole; `None` if it is a later one. This one was alive up to when the files before told,
    /// `told_before`: what began by then is the same, whatever stamp of its begin each of them has.
    pub(super) fn whole(&self, flow: &Record<A>, told_before: u64) -> Option<Record<A>> {
        match (self.start.get(), flow.start.get()) {
            (_, 0) => {
                Some(Record { start: self.start, flags: (flow.flags & !OF_START) | (self.flags & OF_START), ..*flow })
            }
            (own, start) => (own == 0 || start <= own.max(told_before)).then_some(*flow),
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
        if self.start.get() != 0 && !end_knows_better {
            flow.start = self.start;
            flow.flags = (end.flags & !OF_START) | (self.flags & OF_START);
        }
        flow.flags |= self.flags & KEPT;
        if flow.mark.get() == 0 {
            flow.mark = self.mark;
        }
        // An end that was found, not heard, comes without status and state.
        if flow.status.get() == 0 {
            flow.status = self.status;
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
    places: Places,
    flows: Bodies<A>,
    /// Places of flows that have ended.
    free: Vec<u32>,
    /// Keyed: tuples come from the network, and nobody there shall know which of them collide.
    hasher: SeedableRandomState,
}

/// Whether the flow at a place is this one.
fn is<A: Address>(flows: &Bodies<A>, place: u32, identity: &Identity<A>) -> bool {
    match flows.near(place) {
        Some(flow) => flow.identity == *identity,
        None => flows.get(place).identity == *identity,
    }
}

impl<A: Address> OpenFlows<A> {
    pub(super) fn new(allowance: Allowance) -> Self {
        // The standard library's keys come from the system's source of chance, those of this hasher itself do not.
        let key = RandomState::new().hash_one(0);
        let hasher = SeedableRandomState::with_seed(key, SharedSeed::global_random());
        Self { places: Places::new(), flows: Bodies::new(allowance), free: Vec::new(), hasher }
    }

    pub(super) const fn len(&self) -> usize {
        self.places.len()
    }

    /// Why what is known could not be kept, once.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.flows.failure()
    }

    /// The hash of what identifies a flow, which the other functions take: of all bytes in one go, which takes half of the
    /// time that field after field does.
    pub(super) fn hash(&self, identity: &Identity<A>) -> u32 {
        let mut state = self.hasher.build_hasher();
        state.write(identity.as_bytes());
        state.finish() as u32
    }

    /// Brings what tells the place of this hash into the processor's cache. Nothing depends on what is returned: where several are
    /// asked for one after the other, the processor waits for all of them at once, and most of the time goes to waiting.
    pub(super) fn touch_place(&self, hash: u32) -> u8 {
        self.places.touch(hash)
    }

    /// The same of the flow of this hash.
    pub(super) fn touch(&self, hash: u32) -> u8 {
        let place = self.places.find(hash, |_| true);
        place.and_then(|place| self.flows.near(place)).map_or(0, |flow| flow.flags)
    }

    /// Does something with a flow, if it is open.
    pub(super) fn change<R>(
        &mut self,
        hash: u32,
        identity: &Identity<A>,
        change: impl FnOnce(&mut OpenFlow<A>) -> R,
    ) -> Option<R> {
        let place = self.places.find(hash, |place| is(&self.flows, place, identity))?;
        Some(self.flows.change(place, change))
    }

    /// Adds a flow, unless it is open already: then this is done with the one that is.
    pub(super) fn add<R>(
        &mut self,
        hash: u32,
        flow: &OpenFlow<A>,
        change: impl FnOnce(&mut OpenFlow<A>) -> R,
    ) -> Option<R> {
        if let Some(place) = self.places.find(hash, |place| is(&self.flows, place, &flow.identity)) {
            return Some(self.flows.change(place, change));
        }
        let place = match self.free.pop() {
            Some(place) => {
                self.flows.set(place, flow);
                place
            }
            None => self.flows.push(flow),
        };
        self.places.insert(hash, place);
        None
    }

    pub(super) fn remove(&mut self, hash: u32, identity: &Identity<A>) -> Option<OpenFlow<A>> {
        let place = self.places.remove(hash, |place| is(&self.flows, place, identity))?;
        self.free.push(place);
        Some(self.flows.get(place))
    }

    /// All that are open, in the order of their starts.
    pub(super) fn by_start(&self) -> impl Iterator<Item = OpenFlow<A>> {
        let key = |place| {
            let flow = self.flows.get(place);
            (flow.start.get(), flow.order.get(), place)
        };
        let mut keys: Vec<_> = self.places.iter().map(key).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, _, place)| self.flows.get(place))
    }

    /// All that are open, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = OpenFlow<A>> {
        self.places.iter().map(|place| self.flows.get(place))
    }

    /// Does this with all that are open.
    pub(super) fn for_each(&mut self, mut change: impl FnMut(&mut OpenFlow<A>)) {
        for place in self.places.iter() {
            self.flows.change(place, &mut change);
        }
    }

    /// How many flows there is room for.
    #[cfg(test)]
    pub(super) const fn capacity(&self) -> usize {
        self.flows.len()
    }
}
