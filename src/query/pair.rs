//! Makes flows of starts and ends.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Counters, Kind, Record, Tuple};
use foldhash::fast::RandomState;
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
    /// Tuples come from the network, and a squeeze hashes two for every flow: foldhash is seeded anew in each process, as
    /// the standard library's hash is, and costs a fraction of it.
    open: HashMap<Identity<A>, Begun, RandomState>,
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
    /// All bytes in one go: a fifth of the time that field after field takes.
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
        Self { open: HashMap::default(), starts: 0 }
    }

    /// Takes the next record, with what was counted of its flow, and emits the flow that it ends, if any.
    ///
    /// - A start opens a flow. If the same flow is open already, its end was missed: it is emitted as a half flow.
    /// - An open record opens its flow where it is not known, and changes nothing where it is.
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
                if let Entry::Vacant(unknown) = self.open.entry(Identity::of(record)) {
                    unknown.insert(begun);
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
