//! The flows that are open: what identifies each, and what is known of it.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::io;

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Kind, Note, Record};
use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bodies::Bodies;
use super::line::Place;
use super::memory::{Allowance, expect};
use super::pairing::GONE;
use super::places::Places;
use super::stamps::{Shown, tells_no_start};

/// What the flags of a start have to say in its flow, whoever knew the start.
pub(super) const KEPT: u8 = flags::REPLY_SEEN | flags::RECOVERED | flags::CLOCK_SET;

/// Of flows that are looked at one after the other, each is asked for so many before.
const AHEAD: usize = 16;

/// What the flags say of the start as a time.
const OF_START: u8 = flags::START_FROM_KERNEL | flags::RECOVERED;

/// What is known of an open flow is from a file of flows: the whole flow may yet come. That is no flag of records.
const TOLD_AT_END: u8 = 1 << 7;

/// Whether two records are of one flow, by what its start and its end have in common. Version 2 knows no zone and no id: there they
/// are 0.
pub(super) fn are_of_one_flow<A: Address>(one: &Record<A>, other: &Record<A>) -> bool {
    (one.original, one.reply, one.id, one.zone, one.protocol)
        == (other.original, other.reply, other.id, other.zone, other.protocol)
}

/// What [`are_of_one_flow`] looks at.
fn identify<A: Address>(record: &Record<A>, hasher: &mut impl Hasher) {
    let Record { original, reply, id, zone, protocol, .. } = record;
    hasher.write(original.as_bytes());
    hasher.write(reply.as_bytes());
    hasher.write_u64(u64::from(id.get()) | u64::from(zone.get()) << 32 | u64::from(*protocol) << 48);
}

/// A record as the key to something that is known of its flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfFlow<A: Address>(pub(super) Record<A>);

impl<A: Address> PartialEq for OfFlow<A> {
    fn eq(&self, other: &Self) -> bool {
        are_of_one_flow(&self.0, &other.0)
    }
}

impl<A: Address> Eq for OfFlow<A> {}

impl<A: Address> Hash for OfFlow<A> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        identify(&self.0, hasher);
    }
}

/// A record as version 2 has it.
pub(super) fn nameless<A: Address>(record: &Record<A>) -> Record<A> {
    Record { id: 0.into(), zone: 0.into(), ..*record }
}

/// Whether a record is one as version 2 has it.
pub(super) fn is_nameless<A: Address>(record: &Record<A>) -> bool {
    record.id.get() == 0
}

/// An open flow: a cache line of IPv4.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct OpenFlow<A: Address> {
    /// What is known of it, as an open record. Its flags have [`TOLD_AT_END`] besides.
    known: Record<A>,
    /// The file that told of it last.
    pub(super) seen: U32,
    /// Its number among the starts, which tells starts of the same time apart (but for two that are 2^32 starts apart).
    pub(super) order: U32,
}

// Memory is bounded by the flows open at once: this is what each of them takes, in lines of 64 bytes.
const _: () = {
    use ctrecorder_format::{V4, V6};
    assert!(size_of::<OpenFlow<V4>>() == 64);
    assert!(size_of::<OpenFlow<V6>>() == 112);
};

impl<A: Address> OpenFlow<A> {
    /// What a start or an open record tells, which stands at this place and is the how many-th.
    pub(super) fn of(record: &Record<A>, Place { file, is_of_flows, .. }: Place, order: u32) -> Self {
        let own = if is_of_flows { TOLD_AT_END } else { 0 };
        let flags = record.flags & (KEPT | flags::START_FROM_KERNEL) | own;
        let known = Record { end: 0.into(), kind: Kind::Open as u8, flags, ..*record };
        Self { known, seen: file.into(), order: order.into() }
    }

    /// Has it at hand before it is needed.
    fn expect(&self) {
        expect(&self.known.flags);
    }

    /// When it began, ns since the epoch; 0 if nobody knows.
    pub(super) const fn start(&self) -> u64 {
        self.known.start.get()
    }

    /// The same without a start.
    pub(super) fn without_start(mut self) -> Self {
        self.known.start = 0.into();
        self
    }

    /// It began by this moment, ns since the epoch, at which it was found.
    pub(super) const fn was_found(&mut self, by: u64) {
        self.known.start = U64::new(by);
        self.known.flags |= flags::RECOVERED;
    }

    /// A moment at which it was open, ns since the epoch: its start is not later, unless by what the clock showed before.
    pub(super) fn believe(&mut self, shown: Shown, by: u64) {
        self.known = shown.believed_open(self.known, by);
    }

    /// The layer-4 protocol.
    pub(super) const fn protocol(&self) -> u8 {
        self.known.protocol
    }

    /// A record of this flow, as the key to it.
    pub(super) const fn key(&self) -> &Record<A> {
        &self.known
    }

    /// Takes the name that the version of this record gives it.
    pub(super) const fn be_named_as(&mut self, record: &Record<A>) {
        (self.known.id, self.known.zone) = (record.id, record.zone);
    }

    /// The clock was set while it was open, or may have been.
    pub(super) const fn saw_clock_set(&mut self) {
        self.known.flags |= flags::CLOCK_SET;
    }

    /// A record of it comes: if a reading took it for gone, it may have been there when the clock was set since.
    pub(super) const fn come_back(&mut self, was_set_since_gone: bool) {
        if was_set_since_gone && self.seen.get() == GONE {
            self.saw_clock_set();
        }
    }

    /// A keyframe repeats what is known, or knows the start that was not. The kernel's stamp there is that of the flow, as its
    /// end has it; a start has that of the event.
    pub(super) fn repeated(&mut self, open: &Self) {
        self.seen = open.seen;
        self.learn(&open.known);
        if open.is_told_at_end() {
            self.known.flags |= open.known.flags & flags::CLOCK_SET;
        }
        self.known.flags &= open.known.flags | !TOLD_AT_END;
        if tells_no_start(&self.known) {
            return;
        }
        let is_stamped = open.start() != 0 && open.known.flags & flags::START_FROM_KERNEL != 0;
        if is_stamped && self.known.flags & flags::START_FROM_KERNEL != 0 {
            self.known.start = open.known.start;
        }
        if self.start() == 0 && !self.was_there_before(&open.known) {
            self.known.start = open.known.start;
            self.known.flags |= open.known.flags & OF_START;
        }
    }

    /// Whether a record says when this flow was found by somebody who did not know that a file had told of it before.
    const fn was_there_before(&self, found: &Record<A>) -> bool {
        self.is_told_at_end() && self.start() == 0 && found.began_earlier()
    }

    /// Whether a record that version 3 has may be of this flow, which version 2 has, or the other way round: where both tell
    /// its start, it is the same, but for what is below the microsecond.
    pub(super) const fn agrees(&self, record: &Record<A>) -> bool {
        let (own, other) = (self.start(), record.start.get());
        own == 0 || other == 0 || own / 1_000 == other / 1_000
    }

    /// Whether a record that has its identity is of a later flow, so that this one has ended unheard: the kernel gives ids and ports again.
    /// What the kernel stamps a flow with is no later than when somebody heard of it, but for what comes before the flow is confirmed,
    /// and by how much a clock is set that nobody tells of. `clock_was_set`: it was, by more than that, or may have been.
    pub(super) fn is_over_by(&self, record: &Record<A>, clock_was_set: bool) -> bool {
        let (own, stamp) = (self.start(), record.start.get());
        let [is_own_stamped, is_stamped] =
            [&self.known, record].map(|known| known.flags & flags::START_FROM_KERNEL != 0);
        let is_comparable = is_stamped && (is_own_stamped || !clock_was_set);
        own != 0 && is_comparable && own.saturating_add(Note::CLOCK_STEP_MIN_NS) < stamp
    }

    /// Adds what an update says, which shows that the flow is alive.
    pub(super) fn update(&mut self, record: &Record<A>, Place { file, .. }: Place) {
        self.seen = file.into();
        self.known.flags |= record.flags & KEPT;
        self.learn(record);
    }

    /// Takes what a later record says of how far the flow has come. A mark or state that it does not tell is 0 there.
    fn learn(&mut self, record: &Record<A>) {
        let known = &mut self.known;
        known.flags |= record.flags & flags::REPLY_SEEN;
        known.status |= record.status;
        if record.tcp_state != 0 {
            known.tcp_state = record.tcp_state;
        }
        if record.mark.get() != 0 {
            known.mark = record.mark;
        }
    }

    /// The flow as one that is open.
    pub(super) fn open(&self) -> Record<A> {
        Record { flags: self.known.flags & !TOLD_AT_END, ..self.known }
    }

    /// The flow as far as it is known without its end.
    pub(super) fn half(&self) -> Record<A> {
        Record { kind: Kind::Flow as u8, ..self.open() }
    }

    /// Whether a whole flow in this file may be this one.
    pub(super) const fn may_become_whole(&self, file: u32) -> bool {
        self.is_told_at_end() && !self.is_told_by(file)
    }

    /// Whether it is this file of flows that told of it: what one of these tells of a flow, it tells once.
    pub(super) const fn is_told_by(&self, file: u32) -> bool {
        self.is_told_at_end() && self.seen.get() == file
    }

    /// Whether what is known of it is from a file of flows.
    pub(super) const fn is_told_at_end(&self) -> bool {
        self.known.flags & TOLD_AT_END != 0
    }

    /// Whether it did not come whole, though the segments of flows have come to one that began later, behind `told_before`.
    pub(super) const fn is_before(&self, other: &Self, told_before: u64) -> bool {
        let (own, start) = (self.start(), other.start());
        self.is_told_at_end() && other.is_told_at_end() && own != 0 && own < start && told_before < start
    }

    /// The same flow, which came whole; `None` if it is a later one. This one was alive up to when the files before told,
    /// `told_before`: what began by then is the same, whatever stamp of its begin each of them has.
    pub(super) fn whole(&self, flow: &Record<A>, told_before: u64) -> Option<Record<A>> {
        if self.is_over_by(flow, true) {
            return None;
        }
        let mut whole = match (self.start(), flow.start.get()) {
            _ if tells_no_start(&self.known) => self.without_stamp(flow),
            (_, 0) => Record { start: self.known.start, flags: self.flags_with_start(flow), ..*flow },
            _ if self.was_there_before(flow) => Record { start: 0.into(), flags: flow.flags & !OF_START, ..*flow },
            (own, start) => (own == 0 || start <= own.max(told_before)).then_some(*flow)?,
        };
        whole.flags |= self.known.flags & KEPT;
        Some(whole)
    }

    /// A record of this flow without a start, as what was told of that tells nothing.
    fn without_stamp(&self, record: &Record<A>) -> Record<A> {
        Record { start: 0.into(), flags: self.flags_with_start(record), ..*record }
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
        if tells_no_start(&self.known) {
            flow = self.without_stamp(&flow);
        } else if self.start() != 0 && !end_knows_better {
            flow.start = self.known.start;
            flow.flags = self.flags_with_start(end);
        }
        flow.flags |= self.known.flags & KEPT;
        if flow.mark.get() == 0 {
            flow.mark = self.known.mark;
        }
        // An end that was found, not heard, comes without status and state.
        if flow.status.get() == 0 {
            flow.status = self.known.status;
            flow.tcp_state = self.known.tcp_state;
        }
        flow
    }

    /// The flags of a flow that takes its start from here.
    const fn flags_with_start(&self, flow: &Record<A>) -> u8 {
        (flow.flags & !OF_START) | (self.known.flags & OF_START)
    }
}

/// The flows that are open, by what identifies them: a record of a flow is the key to it.
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
fn is<A: Address>(flows: &Bodies<A>, place: u32, key: &Record<A>) -> bool {
    flows.with(place, |flow| are_of_one_flow(flow.key(), key))
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

    /// The hash of a key, which the other functions take.
    pub(super) fn hash(&self, key: &Record<A>) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        identify(key, &mut hasher);
        hasher.finish() as u32
    }

    /// Has at hand what tells the place of the flow of this hash, which is soon asked for.
    pub(super) fn expect_place(&self, hash: u32) {
        self.places.expect(hash);
    }

    /// The same of the flow itself.
    pub(super) fn expect(&self, hash: u32) {
        let place = self.places.find(hash, |_| true);
        place.and_then(|place| self.flows.near(place)).into_iter().for_each(OpenFlow::expect);
    }

    /// Does something with a flow, if it is open.
    pub(super) fn change<R>(
        &mut self,
        hash: u32,
        key: &Record<A>,
        change: impl FnOnce(&mut OpenFlow<A>) -> R,
    ) -> Option<R> {
        let place = self.places.find(hash, |place| is(&self.flows, place, key))?;
        Some(self.flows.change(place, change))
    }

    /// Adds a flow, unless it is open already: then this is done with the one that is.
    pub(super) fn add<R>(
        &mut self,
        hash: u32,
        flow: &OpenFlow<A>,
        change: impl FnOnce(&mut OpenFlow<A>) -> R,
    ) -> Option<R> {
        let vacancy = match self.places.find_or_vacancy(hash, |place| is(&self.flows, place, flow.key())) {
            Ok(place) => return Some(self.flows.change(place, change)),
            Err(vacancy) => vacancy,
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.flows.set(place, flow);
                place
            }
            None => self.flows.push(flow),
        };
        self.places.fill(vacancy, place);
        None
    }

    /// Removes a flow, if it is open, and does something with what was known of it.
    pub(super) fn remove<R>(&mut self, hash: u32, key: &Record<A>, take: impl FnOnce(&OpenFlow<A>) -> R) -> Option<R> {
        let place = self.places.remove(hash, |place| is(&self.flows, place, key))?;
        self.free.push(place);
        Some(self.flows.with(place, take))
    }

    /// All that are open, in the order of their starts.
    pub(super) fn by_start(&self) -> impl Iterator<Item = OpenFlow<A>> {
        let mut keys: Vec<_> = self.places.iter().map(|place| (0, 0, place)).collect();
        for number in 0..keys.len() {
            self.expect_far(keys.get(number + AHEAD));
            if let Some((start, order, place)) = keys.get_mut(number) {
                let flow = self.flows.get(*place);
                (*start, *order) = (flow.start(), flow.order.get());
            }
        }
        keys.sort_unstable();
        (0..keys.len()).filter_map(move |number| {
            self.expect_far(keys.get(number + AHEAD));
            keys.get(number).map(|(_, _, place)| self.flows.get(*place))
        })
    }

    /// Has the flow of one of these keys at hand, which comes some time later.
    fn expect_far(&self, key: Option<&(u64, u32, u32)>) {
        key.and_then(|(_, _, place)| self.flows.near(*place)).into_iter().for_each(OpenFlow::expect);
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
