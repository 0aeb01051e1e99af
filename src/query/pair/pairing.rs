//! Makes flows of the starts and ends of one family.

use std::io;

use ctrecorder_format::{Address, Counters, Kind, Record};

use super::line::Place;
use super::memory::Allowance;
use super::open::{Identity, OpenFlow, OpenFlows};
use super::versions::Versions;

/// Stands where a file does in a flow that is gone by what a reading says.
const GONE: u32 = u32::MAX;

/// Pairs the starts and ends of one address family, pushed in the order of their arrival.
///
/// Flows leave in the order in which their ends arrive, by the function that is handed in, each with what was counted of
/// it (zeros where nothing was). A start whose end was not seen, and an end whose start was not, is a half flow: the time
/// it lacks is 0. Nothing that was pushed is lost but updates.
///
/// Memory is bounded by the flows open at once: 64 bytes each for IPv4 and 128 for IPv6, which may go to a file, and 11 to 22 for
/// the map of them.
/// What the notes between the records tell of ends is for [`Pairs`](super::Pairs) to say, which holds two of these.
#[derive(Debug)]
pub struct Pairing<A: Address> {
    open: OpenFlows<A>,
    /// How many starts arrived so far.
    starts: u32,
    /// The file that is read.
    place: Place,
    /// How many of the open flows this file has told of.
    confirmed: usize,
    /// Open flows that are gone by the last reading, for as long as their own ends may still come.
    gone: Vec<Identity<A>>,
    /// When they were gone at the latest, ns since the epoch.
    gone_by: u64,
    versions: Versions<A>,
}

/// A reading of the kernel's table, as far as it tells which flows are gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// When it was at its end, ns since the epoch.
    pub(super) to: u64,
    /// Up to when the files told that were read before, ns since the epoch.
    pub(super) told_to: u64,
}

/// What a reading said of the flows that its file had not told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Some of them are gone.
    pub(super) gone: bool,
    /// Of some others it said nothing.
    pub(super) left: bool,
}

impl<A: Address> Default for Pairing<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Address> Pairing<A> {
    /// No flow is open.
    pub fn new() -> Self {
        Self::within(Allowance::default())
    }

    /// The same with so much memory.
    pub(super) fn within(allowance: Allowance) -> Self {
        let place = Place::default();
        let versions = Versions::default();
        let (open, gone) = (OpenFlows::new(allowance), Vec::new());
        Self { open, starts: 0, place, confirmed: 0, gone, gone_by: 0, versions }
    }

    /// Why what is known of open flows could not be kept, once.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.open.failure()
    }

    /// How many flows are open.
    pub fn open_flows(&self) -> usize {
        self.open.len()
    }

    /// Takes the next record, with what was counted of its flow, and emits the flow that it ends, if any.
    ///
    /// - A start opens a flow. If the same flow is open already, its end was missed: it is emitted as a half flow.
    /// - An open record opens its flow where it is not known. Where it is, it gives at most the start that was not known.
    /// - An update adds to what is known of its flow. One of which nothing is known began at a time that nobody knows.
    /// - An end is emitted as a flow, with the start that is open. A start by the kernel's clock that the end itself knows
    ///   wins over that; one by the recorder's clock serves where no other is known.
    /// - A flow is emitted as it is, and so is a record of a kind that this program does not know. If it was open at the end of an
    ///   earlier file of flows, it takes the start from there that it does not know itself. One without an end is open, for a
    ///   later file may know that; of version 2, where flows have no id, it is emitted.
    /// - Version 2 knows no id. An end, an open record or an update of one version for which there is no flow is one of the
    ///   flow with the same tuples that a file of the other version began.
    pub fn push(
        &mut self,
        record: &Record<A>,
        counters: Option<&Counters>,
        emit: &mut impl FnMut(Record<A>, Counters),
    ) {
        self.push_hashed(self.hash(record), record, &counters.copied().unwrap_or_default(), emit);
    }

    /// The hash of a record, by which its flow is found.
    pub(super) fn hash(&self, record: &Record<A>) -> u32 {
        self.open.hash(&Identity::of(record))
    }

    /// Has at hand what tells where a flow is, that of a record that is pushed soon. What is returned means nothing.
    pub(super) fn expect_place(&self, hash: u32) -> u8 {
        self.open.touch_place(hash)
    }

    /// Has the flow of a record that is pushed soon at hand; a start has none yet. What is returned means nothing.
    pub(super) fn expect(&self, hash: u32, record: &Record<A>) -> u8 {
        if record.kind == Kind::Start as u8 { 0 } else { self.open.touch(hash) }
    }

    /// As [`Pairing::push`].
    pub(super) fn push_hashed(
        &mut self,
        hash: u32,
        record: &Record<A>,
        counters: &Counters,
        emit: &mut impl FnMut(Record<A>, Counters),
    ) {
        match record.kind() {
            Some(Kind::Start) => self.start(hash, record, emit),
            Some(Kind::Open) => self.repeat(hash, record, emit),
            Some(Kind::Update) => self.update(hash, record),
            Some(Kind::End) => {
                let (hash, identity) = self.known_as(hash, record);
                let flow = match self.open.remove(hash, &identity) {
                    Some(flow) => {
                        self.confirmed -= usize::from(flow.seen.get() == self.place.file);
                        flow.ended(record)
                    }
                    None => Record { kind: Kind::Flow as u8, ..*record },
                };
                emit(flow, *counters);
            }
            // Where files were made of parts of a journal, one by one, the next one may know its end.
            Some(Kind::Flow) if may_go_on(record) => self.repeat(hash, record, emit),
            Some(Kind::Flow) => emit(self.whole(hash, record).unwrap_or(*record), *counters),
            None => emit(*record, *counters),
        }
    }

    /// A flow comes whole that was open at the end of an earlier file of flows: with what that knew. `None` if it is none of
    /// these. Flows that lived long come late: what is open by the same identity may yet come, if that is an earlier one.
    fn whole(&mut self, hash: u32, flow: &Record<A>) -> Option<Record<A>> {
        let identity = Identity::of(flow);
        let Place { file, told_before, .. } = self.place;
        let came =
            |open: &mut OpenFlow<A>| open.may_become_whole(file).then(|| open.whole(flow, told_before)).flatten();
        let whole = self.open.change(hash, &identity, came)??;
        self.open.remove(hash, &identity);
        Some(whole)
    }

    fn start(&mut self, hash: u32, record: &Record<A>, emit: &mut impl FnMut(Record<A>, Counters)) {
        let flow = self.begin(record);
        let missed = self.add(hash, &flow, |known| std::mem::replace(known, flow));
        self.confirm(missed.as_ref());
        if let Some(missed) = missed {
            emit(self.without_end(&missed), Counters::default());
        }
    }

    fn update(&mut self, hash: u32, record: &Record<A>) {
        let (hash, identity) = self.known_as(hash, record);
        let place = self.place;
        let before = self.open.change(hash, &identity, |flow| {
            let before = *flow;
            flow.update(record, place);
            before
        });
        // Of version 3, the readings of the kernel's table tell of all that are alive.
        if before.is_none() && !self.place.is_nameless {
            return;
        }
        if before.is_none() {
            // Its time is not that of the flow's begin.
            let mut unknown = self.begin(record);
            unknown.start = 0.into();
            self.add(hash, &unknown, |_| ());
        }
        self.confirm(before.as_ref());
    }

    /// Adds a flow, unless it is open already: then this is done with the one that is.
    fn add<R>(&mut self, hash: u32, flow: &OpenFlow<A>, change: impl FnOnce(&mut OpenFlow<A>) -> R) -> Option<R> {
        self.versions.saw(&flow.identity);
        self.open.add(hash, flow, change)
    }

    /// As what the flow of a record is open, with its hash: where it is not, under the identity that the other version gives it.
    fn known_as(&mut self, hash: u32, record: &Record<A>) -> (u32, Identity<A>) {
        let own = Identity::of(record);
        self.versions.saw(&own);
        if (own.is_nameless() && !self.place.is_nameless)
            || !self.versions.are_both()
            || self.open.change(hash, &own, |_| ()).is_some()
        {
            return (hash, own);
        }
        let other = if own.is_nameless() { self.versions.named(&own, &self.open) } else { Some(own.nameless()) };
        let other = other.map(|other| (self.open.hash(&other), other));
        // The time of that is not the one of its flow's begin.
        let is_update = record.kind() == Some(Kind::Update);
        let is_it = |(hash, other): &(u32, Identity<A>)| {
            self.open.change(*hash, other, |flow| is_update || flow.agrees(record)) == Some(true)
        };
        other.filter(is_it).unwrap_or((hash, own))
    }

    /// A flow that version 2 began goes by the id that version 3 gives it from here on.
    fn name(&mut self, hash: u32, record: &Record<A>) {
        let own = Identity::of(record);
        let (known_hash, known) = self.known_as(hash, record);
        if known.is_nameless()
            && !own.is_nameless()
            && let Some(mut flow) = self.open.remove(known_hash, &known)
        {
            flow.identity = own;
            self.open.add(hash, &flow, |_| ());
        }
    }

    fn repeat(&mut self, mut hash: u32, record: &Record<A>, emit: &mut impl FnMut(Record<A>, Counters)) {
        let (mut flow, gone_by, told_before) = (self.begin(record), self.gone_by, self.place.told_before);
        self.name(hash, record);
        (hash, flow.identity) = self.known_as(hash, record);
        let known = self.open.add(hash, &flow, |known| {
            // The kernel gives the ids of flows that ended again.
            let is_another =
                (known.seen.get() == GONE && flow.start.get() > gone_by) || known.is_before(&flow, told_before);
            let before = *known;
            if is_another {
                *known = flow;
            } else {
                known.repeated(&flow);
            }
            (before, is_another)
        });
        if let Some((missed, true)) = &known {
            emit(self.without_end(missed), Counters::default());
        }
        self.confirm(known.map(|(before, _)| before).as_ref());
    }

    /// The file told of a flow, which was known as this one before.
    fn confirm(&mut self, before: Option<&OpenFlow<A>>) {
        self.confirmed += usize::from(before.is_none_or(|flow| flow.seen.get() != self.place.file));
    }

    fn begin(&mut self, record: &Record<A>) -> OpenFlow<A> {
        self.starts = self.starts.wrapping_add(1);
        OpenFlow::of(record, self.place, self.starts)
    }

    /// A flow whose end did not come.
    fn without_end(&self, flow: &OpenFlow<A>) -> Record<A> {
        if flow.seen.get() == GONE { flow.gone(self.gone_by) } else { flow.half() }
    }

    /// Records come from another file from here on.
    pub(super) fn enter(&mut self, place: Place) {
        (self.place, self.confirmed) = (place, 0);
        self.versions.enter();
    }

    /// The kernel's table was read: flows of these protocols of which this file should have told, and did not, are gone.
    /// [`Pairing::bury`] first those of the reading before.
    pub(super) fn judge(&mut self, reading: &Reading, covers: impl Fn(u8) -> bool) -> Judged {
        let mut judged = Judged::default();
        let Place { line, file, .. } = self.place;
        self.gone_by = reading.to;
        if self.open.len() == self.confirmed {
            return judged;
        }
        self.open.for_each(|flow| {
            if flow.line != line || flow.seen.get() == file {
                return;
            }
            // It could be of a file that was read first and tells of later times.
            let is_older = if flow.start.get() == 0 { reading.told_to } else { flow.start.get() } <= reading.to;
            if is_older && covers(flow.identity.protocol) {
                judged.gone = true;
                flow.seen = GONE.into();
                self.gone.push(flow.identity);
            } else {
                judged.left = true;
            }
        });
        judged
    }

    /// Emits the flows that are gone by the last reading and whose ends did not come, in the order of their starts.
    pub(super) fn bury(&mut self, emit: &mut impl FnMut(Record<A>, Counters)) {
        let mut left = Vec::new();
        for identity in std::mem::take(&mut self.gone) {
            let hash = self.open.hash(&identity);
            if self.open.change(hash, &identity, |flow| flow.seen.get() == GONE) == Some(true) {
                left.extend(self.open.remove(hash, &identity));
            }
        }
        self.emit_all(left, emit);
    }

    /// Emits the flows that are still open, as half flows in the order of their starts. Returned is why some of them could not
    /// be kept, if that is so.
    pub fn finish(mut self, emit: &mut impl FnMut(Record<A>, Counters)) -> Option<io::Error> {
        self.bury(emit);
        self.open.by_start().for_each(|flow| emit(self.without_end(&flow), Counters::default()));
        self.failure()
    }

    /// Shows the flows that are open, as open records in the order of their starts.
    pub(super) fn show_open(&self, show: &mut impl FnMut(&Record<A>)) {
        self.open.by_start().for_each(|flow| show(&flow.open()));
    }

    fn emit_all(&self, mut flows: Vec<OpenFlow<A>>, emit: &mut impl FnMut(Record<A>, Counters)) {
        flows.sort_unstable_by_key(|flow| (flow.start, flow.order));
        for flow in flows {
            emit(self.without_end(&flow), Counters::default());
        }
    }

    /// How many flows there is room for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.open.capacity()
    }
}

/// Whether a flow of a file of flows is open as far as that knows. By its id alone it is known again.
pub(crate) fn may_go_on<A: Address>(flow: &Record<A>) -> bool {
    flow.kind() == Some(Kind::Flow) && flow.end.get() == 0 && flow.id.get() != 0
}
