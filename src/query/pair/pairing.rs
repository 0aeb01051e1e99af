//! Makes flows of the starts and ends of one family.

mod readings;

use std::io;

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, ClockWasSet, Counters, Kind, Note, Record};

use super::line::Place;
use super::memory::Allowance;
use super::open::{OpenFlow, OpenFlows, is_nameless, nameless};
use super::stamps::{Shown, may_be_of_before};
use super::versions::Versions;
pub(super) use readings::{Judged, Reading};

/// Stands where a file does in a flow that is gone by what a reading says.
pub(super) const GONE: u32 = u32::MAX;

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
    /// The line of recording of each file, by its number.
    lines: Vec<u8>,
    /// How many of the open flows this file has told of.
    confirmed: usize,
    /// How many starts had arrived when this file began, or since the last reading in it; and so many flows came since of which nothing
    /// was known, without a start.
    starts_before: u32,
    without_start: usize,
    /// Open flows that are gone by the last reading, for as long as their own ends may still come: the keys to them.
    gone: Vec<Record<A>>,
    /// When they were gone at the latest, ns since the epoch.
    gone_by: u64,
    /// When the reading was at its end that this file told of last, ns since the epoch; 0 if it told of none yet.
    read_by: u64,
    versions: Versions<A>,
    /// The clock was set, in what was read or is gone on with; since the kernel's table was read last; and since these were gone.
    was_clock_set: bool,
    was_set_since_read: bool,
    was_set_since_gone: bool,
    shown: Shown,
    /// Flows of which this file was the first to tell, as open, with a start that is later than its own begin: the keys to them.
    late: Vec<Record<A>>,
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
        let (open, lines, gone) = (OpenFlows::new(allowance), vec![place.line], Vec::new());
        Self {
            open,
            starts: 0,
            place,
            lines,
            confirmed: 0,
            starts_before: 0,
            without_start: 0,
            gone,
            gone_by: 0,
            read_by: 0,
            versions,
            was_clock_set: false,
            was_set_since_read: false,
            was_set_since_gone: false,
            shown: Shown::default(),
            late: Vec::new(),
        }
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
    /// - If the kernel's stamp tells that an open record or an end is of a later flow than what is open by the same identity, that is
    ///   emitted, with the stamp for its end, and `END_AT_LATEST`.
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
        self.push_hashed(self.open.hash(record), record, &counters.copied().unwrap_or_default(), emit);
    }

    /// The hash of a record that is pushed soon, by which its flow is found. What tells where that is will be at hand.
    pub(super) fn expect_place(&self, record: &Record<A>) -> u32 {
        let hash = self.open.hash(record);
        self.open.expect_place(hash);
        hash
    }

    /// Has the flow of that record at hand; a start has none yet.
    pub(super) fn expect(&self, hash: u32, record: &Record<A>) {
        if record.kind != Kind::Start as u8 {
            self.open.expect(hash);
        }
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
                let flow = self.end(hash, &self.by_reading(record), emit);
                emit(flow, *counters);
            }
            // Where files were made of parts of a journal, one by one, the next one may know its end.
            Some(Kind::Flow) if may_go_on(record) => self.repeat(hash, record, emit),
            Some(Kind::Flow) => {
                let flow = self.whole(hash, record).unwrap_or(*record);
                emit(self.marked(flow), *counters);
            }
            None => emit(*record, *counters),
        }
    }

    /// A flow comes whole that was open at the end of an earlier file of flows: with what that knew. `None` if it is none of
    /// these. Flows that lived long come late: what is open by the same identity may yet come, if that is an earlier one.
    fn whole(&mut self, hash: u32, flow: &Record<A>) -> Option<Record<A>> {
        let Place { file, told_before, .. } = self.place;
        let came =
            |open: &mut OpenFlow<A>| open.may_become_whole(file).then(|| open.whole(flow, told_before)).flatten();
        let whole = self.open.change(hash, flow, came)??;
        self.open.remove(hash, flow, |_| ());
        Some(whole)
    }

    /// An end that a reading found as that reading tells it: where the clock was set back since its flow began, a recorder gives it the begin
    /// of that.
    fn by_reading(&self, end: &Record<A>) -> Record<A> {
        let has_begin = end.flags & flags::END_AT_LATEST != 0 && end.end == end.start;
        let by = if has_begin && self.read_by != 0 { self.read_by.min(end.end.get()) } else { end.end.get() };
        Record { end: by.into(), ..*end }
    }

    /// The flow that a record ends. One that was known by its identity, and is over since before it began, is emitted.
    fn end(&mut self, hash: u32, record: &Record<A>, emit: &mut impl FnMut(Record<A>, Counters)) -> Record<A> {
        let other = self.other_name(hash, record);
        let (hash, key) = other.as_ref().map_or((hash, record), |(hash, key)| (*hash, key));
        let (file, was_clock_set, saw) = (self.place.file, self.was_clock_set, self.was_set_since_gone);
        let ended = self.open.remove(hash, key, |flow| {
            let missed = flow.is_over_by(record, was_clock_set).then_some(*flow);
            (flow.ended(record), missed, flow.seen.get())
        });
        let Some((mut flow, missed, seen)) = ended else {
            return self.alone(record);
        };
        self.confirmed -= usize::from(seen == file);
        if let Some(missed) = missed {
            emit(self.taken_over(&missed, record), Counters::default());
            return self.alone(record);
        }
        if saw && seen == GONE {
            flow.flags |= flags::CLOCK_SET;
        }
        flow
    }

    /// The flow of an end of which nothing else is known.
    fn alone(&self, end: &Record<A>) -> Record<A> {
        let flow = self.marked(Record { kind: Kind::Flow as u8, ..*end });
        self.shown.believed(flow, flow.end.get())
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
        let other = self.other_name(hash, record);
        let (hash, key) = other.as_ref().map_or((hash, record), |(hash, key)| (*hash, key));
        let (place, saw) = (self.place, self.was_set_since_gone);
        let before = self.open.change(hash, key, |flow| {
            let before = *flow;
            flow.come_back(saw);
            flow.update(record, place);
            before
        });
        // Of version 3, the readings of the kernel's table tell of all that are alive.
        if before.is_none() && !self.place.is_nameless {
            return;
        }
        if before.is_none() {
            // Its time is not that of the flow's begin.
            let unknown = self.begin(record).without_start();
            self.add(hash, &unknown, |_| ());
        }
        self.confirm(before.as_ref());
    }

    /// Adds a flow, unless it is open already: then this is done with the one that is.
    fn add<R>(&mut self, hash: u32, flow: &OpenFlow<A>, change: impl FnOnce(&mut OpenFlow<A>) -> R) -> Option<R> {
        self.versions.saw(flow.key());
        self.open.add(hash, flow, change)
    }

    /// As what the flow of a record is open, with the hash of that, where it is so by the name that the other version gives it.
    fn other_name(&mut self, hash: u32, record: &Record<A>) -> Option<(u32, Record<A>)> {
        self.versions.saw(record);
        if (is_nameless(record) && !self.place.is_nameless)
            || !self.versions.are_both()
            || self.open.change(hash, record, |_| ()).is_some()
        {
            return None;
        }
        let other = if is_nameless(record) { self.versions.named(record, &self.open)? } else { nameless(record) };
        let hash = self.open.hash(&other);
        // The time of that is not the one of its flow's begin.
        let is_update = record.kind() == Some(Kind::Update);
        let is_it = self.open.change(hash, &other, |flow| is_update || flow.agrees(record))?;
        is_it.then_some((hash, other))
    }

    /// A flow that version 2 began goes by the id that version 3 gives it from here on.
    fn name(&mut self, hash: u32, record: &Record<A>) {
        if !is_nameless(record)
            && let Some((known_hash, known)) = self.other_name(hash, record)
            && let Some(mut flow) = self.open.remove(known_hash, &known, |flow| *flow)
        {
            flow.be_named_as(record);
            self.open.add(hash, &flow, |_| ());
        }
    }

    fn repeat(&mut self, mut hash: u32, record: &Record<A>, emit: &mut impl FnMut(Record<A>, Counters)) {
        let (mut flow, gone_by, told_before) = (self.begin(record), self.gone_by, self.place.told_before);
        let (was_clock_set, saw, file) = (self.was_clock_set, self.was_set_since_gone, self.place.file);
        self.name(hash, record);
        if let Some((known_hash, known)) = self.other_name(hash, record) {
            hash = known_hash;
            flow.be_named_as(&known);
        }
        let known = self.open.add(hash, &flow, |known| {
            // The kernel gives the ids of flows that ended again.
            let is_over = known.is_over_by(record, was_clock_set);
            let is_begun_later = known.seen.get() == GONE && flow.start() > gone_by.max(known.start());
            // Of two recorders at a time each may have heard the same start.
            let is_told_twice = flow.is_told_at_end() && known.is_told_by(file) && flow.start() != known.start();
            let is_another = is_over || is_begun_later || is_told_twice || known.is_before(&flow, told_before);
            let before = *known;
            if is_another {
                *known = flow;
            } else {
                known.come_back(saw);
                known.repeated(&flow);
            }
            (before, is_another, is_over)
        });
        if known.is_none() {
            self.without_start += usize::from(flow.start() == 0);
            // Of one that was known before, the clock may have been set back just now, and the note of that be still to come.
            let is_late = self.place.begun < flow.start() && may_be_of_before(record);
            self.late.extend(Some(*flow.key()).filter(|_| is_late));
        }
        match &known {
            Some((missed, true, true)) => emit(self.taken_over(missed, record), Counters::default()),
            Some((missed, true, false)) => emit(self.without_end(missed), Counters::default()),
            _ => {}
        }
        self.confirm(known.map(|(before, ..)| before).as_ref());
    }

    /// The file told of a flow, which was known as this one before.
    fn confirm(&mut self, before: Option<&OpenFlow<A>>) {
        self.confirmed += usize::from(before.is_none_or(|flow| flow.seen.get() != self.place.file));
    }

    fn begin(&mut self, record: &Record<A>) -> OpenFlow<A> {
        self.starts = self.starts.wrapping_add(1);
        OpenFlow::of(&self.marked(*record), self.place, self.starts)
    }

    /// A record with what is not known of its flow: whether that was alive when the clock was set. It is known of one whose start was
    /// heard, of one that a reading of the kernel's table found if the clock was not set since the reading before that, and of those of files
    /// that tell it.
    fn marked(&self, mut record: Record<A>) -> Record<A> {
        let was_set_before = match record.kind() {
            Some(Kind::Start) if record.flags & flags::RECOVERED == 0 => false,
            Some(Kind::Start) => self.was_set_since_read,
            _ => self.was_clock_set,
        };
        let is_told = self.place.is_of_flows && !self.place.is_nameless;
        if self.place.is_unmarked || (was_set_before && !is_told) {
            record.flags |= flags::CLOCK_SET;
        }
        record
    }

    /// Whether the clock was set in the time of what is gone on with: of flows that are open that says so itself.
    pub(super) fn know_clock_set(&mut self, was_set: ClockWasSet) {
        if was_set != ClockWasSet::Never {
            (self.was_clock_set, self.was_set_since_read) = (true, was_set == ClockWasSet::SinceReading);
            self.shown.clock_set_unknown();
        }
    }

    /// Whether the clock was set, in what was read or is gone on with.
    pub(super) const fn clock_was_set(&self) -> ClockWasSet {
        match (self.was_clock_set, self.was_set_since_read) {
            (false, _) => ClockWasSet::Never,
            (true, false) => ClockWasSet::BeforeReading,
            (true, true) => ClockWasSet::SinceReading,
        }
    }

    /// The clock was set: all flows that are open saw it, but for those that are gone. Where a file of flows tells of it, others may have
    /// ended before, too, and it is this file that says so of those that it goes on with; unless it does not know that, as it `was_before`
    /// this file.
    pub(super) fn clock_set(&mut self, note: &Note, was_before: bool) {
        (self.was_clock_set, self.was_set_since_read, self.was_set_since_gone) = (true, true, true);
        self.shown.clock_set(note);
        let is_told = !was_before && self.place.is_of_flows && !self.place.is_unmarked;
        self.open.for_each(|flow| {
            if flow.seen.get() != GONE && (!is_told || !flow.is_told_at_end()) {
                flow.saw_clock_set();
            }
        });
    }

    /// A flow whose end did not come.
    fn without_end(&self, flow: &OpenFlow<A>) -> Record<A> {
        if flow.seen.get() == GONE { flow.gone(self.gone_by) } else { flow.half() }
    }

    /// The same of one that was over when this record's flow began, which has its identity.
    fn taken_over(&self, flow: &OpenFlow<A>, by: &Record<A>) -> Record<A> {
        if flow.seen.get() == GONE { self.without_end(flow) } else { flow.gone(by.start.get()) }
    }

    /// Records come from another file from here on.
    pub(super) fn enter(&mut self, place: Place) {
        (self.place, self.confirmed, self.read_by) = (place, 0, 0);
        (self.starts_before, self.without_start) = (self.starts, 0);
        self.lines.push(place.line);
        self.versions.enter();
        self.late.clear();
    }

    /// Forgets the flows that this file left open, a segment of flows, and of which none has told since: a filter did not keep them.
    pub(super) fn leave_out(&mut self, file: u32, forget: &mut impl FnMut(&Record<A>)) {
        let is_left = |flow: &OpenFlow<A>| flow.seen.get() == file && flow.is_told_at_end();
        let left: Vec<_> = self.open.iter().filter(is_left).map(|flow| *flow.key()).collect();
        for key in left {
            let hash = self.open.hash(&key);
            self.open.remove(hash, &key, |flow| forget(&flow.half()));
        }
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
        flows.sort_unstable_by_key(|flow| (flow.start(), flow.order.get()));
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
