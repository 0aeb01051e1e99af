//! One pass through a journal: every flow that has an endpoint asked for.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use ctrecorder_format::record::flags::{END_AT_LATEST, RECOVERED};
use ctrecorder_format::{Address, Cause, Content, Counters, Damage, Fault, Kind, Note, Record, Segment, V4, V6};

use super::Wanted;
use super::flow::{Identity, Known, Sides, Told, reaches_to};
use super::plan::Plan;
use super::readings::Readings;
use super::steps::Steps;
use crate::journal::{Error, Journal, OpenRecords, Recorder, Scan, Sink, Version};
use crate::query::Losses;
use crate::query::coverage::Span;
use crate::query::pair::{FlowSink, Pairs, told_to};

/// What a pass through a journal found.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The flows, in no order.
    pub(super) flows: Vec<Known>,
    /// When flows may have been alive of which lost records told.
    pub(super) lost: Vec<Span>,
    /// Damage that was met, with its file.
    pub(super) damage: Vec<(PathBuf, Damage)>,
    /// Files that could not be read.
    pub(super) failures: Vec<Error>,
    /// When the kernel's table was last read whole, ns since the epoch.
    pub(super) last_reading: Option<u64>,
}

/// Reads what the plan says of a journal, for the flows that were alive at some moment of a span.
pub(super) fn gather(journal: &Journal, wanted: &Wanted, plan: &Plan, span: Span, threads: NonZeroUsize) -> Gathered {
    let until = span.to;
    let needed = journal.behind(plan.skipped);
    let mut gather =
        Gather { journal: &needed, plan, until, pairs: Pairs::default(), state: State::default(), next: 0 };
    let _done = Scan::new(wanted, OpenRecords::All).with_threads(threads).run(&needed, &mut gather);
    let mut gathered = gather.finish();
    // What began later was not followed to its end.
    gathered.flows.retain(|flow| flow.life.meets(span));
    gathered
}

/// Takes what a journal holds.
struct Gather<'g> {
    journal: &'g Journal,
    plan: &'g Plan,
    until: u64,
    pairs: Pairs,
    state: State,
    /// Number of the file that comes next among those that are read.
    next: usize,
}

/// What is known so far.
#[derive(Default)]
struct State {
    gathered: Gathered,
    /// The flows that are open.
    open: HashMap<Identity, Begun>,
    /// Records came of version 3, which have ids, and of version 2, which have none.
    has_named: bool,
    has_nameless: bool,
    /// The readings of the kernel's table.
    readings: Readings,
    /// Of each start that was found, not before which moment its flow began, if that is known.
    found: Vec<Option<u64>>,
    /// So many of the last of these were found by a reading that goes on.
    unread: usize,
    /// The times at which the clock was set.
    steps: Steps,
    /// Number of flows that began so far.
    begun: u64,
    /// Of each flow gathered, its place among those that began; `None` if it came whole.
    order: Vec<Option<u64>>,
    /// Flows as they were paired, and what is known of their begin; of its end, how often the clock had been set.
    whole: Vec<(Flow, Begun, usize)>,
    /// Whether the file that is read is one of events, by a header that is whole: then its readings of the table are its own.
    is_of_events: bool,
    /// The segment of events that was read last: its run, its number, and up to when it tells.
    last: Option<(Recorder, u64, u64)>,
    lost: Losses,
}

/// A record of either family that is a whole flow.
enum Flow {
    Ipv4(Record<V4>),
    Ipv6(Record<V6>),
}

/// A flow that is open.
#[derive(Clone, Copy)]
struct Begun {
    /// ns since the epoch, 0 if not known.
    start: u64,
    order: u64,
    /// How often the clock had been set before, at the least.
    steps: usize,
    /// Its place among the starts that were found, if it is one.
    found: Option<usize>,
}

impl State {
    /// Takes a flow that pairing made.
    fn flow<A: Address>(&mut self, record: &Record<A>, wrap: impl Fn(Record<A>) -> Flow) {
        let begun = self.known_as(&Identity::of(record)).and_then(|known| self.open.remove(&known));
        self.order.push(begun.map(|begun| begun.order));
        let steps = if record.flags & END_AT_LATEST == 0 { self.steps.count() } else { self.gone(record.end.get()) };
        self.whole.push((wrap(*record), begun.unwrap_or_else(|| self.now(record)), steps));
    }

    /// How often the clock had been set when a reading found that a flow was gone by this moment. It is told of later: by the
    /// next reading, or, squeezed, wherever its note stands.
    fn gone(&self, by: u64) -> usize {
        let read = self.readings.steps(by).unwrap_or_else(|| self.steps.count());
        if self.steps.is_once(by) { read.min(self.steps.least_before(by)) } else { read }
    }

    /// What is known of a flow's begin when a record is the first to tell of it.
    fn now<A: Address>(&self, record: &Record<A>) -> Begun {
        // The time of an update is not that of its flow's begin.
        let told = if record.kind() == Some(Kind::Update) { 0 } else { record.start.get() };
        // One that was found may have begun long before its start.
        let start = if record.began_earlier() { 0 } else { told };
        let steps = match record.kind() {
            Some(Kind::Start) if record.began_earlier() => self.steps.at_reading(),
            Some(Kind::Start) if record.flags & RECOVERED == 0 => self.steps.count(),
            Some(Kind::Start) => self.steps.least_before(start).max(self.steps.at_reading()),
            _ if record.began_earlier() => self.steps.least_before(self.readings.since_found(told).unwrap_or(0)),
            _ => self.steps.least_before(start),
        };
        Begun { start, order: self.begun, steps, found: None }
    }

    /// What a flow's record says, and what is known of its begin besides.
    fn known<A: Address>(&self, record: &Record<A>, begun: &Begun) -> Known {
        let exact = || self.readings.since_found(record.start.get());
        let since = begun.found.map_or_else(exact, |place| self.found.get(place).copied().flatten());
        Known::of(record, since, &self.readings)
    }

    /// A segment begins. The clock may have been set back between two runs, or in a segment that is not there: no note tells
    /// of it.
    fn follow(&mut self, segment: &Segment<'_>) {
        let Some(header) = segment.header().ok().filter(|header| header.content == Content::Events) else { return };
        let (recorder, number) = (Recorder::of(header), header.segment_number);
        let last = self.last.replace((recorder.clone(), number, told_to(header, segment)));
        if let Some((before, before_number, reached)) = last
            && (before, before_number.checked_add(1)) != (recorder, Some(number))
            && header.created < reached
        {
            self.steps.went_back(reached, header.created);
            self.readings.turn();
        }
    }

    /// What is found from here on is of another reading, or of one of which nobody knows what it said.
    const fn forget_reading(&mut self) {
        self.unread = 0;
    }

    /// As what a flow is open: where it is not, under the identity that the other version gives it, as pairing has it.
    fn known_as(&self, own: &Identity) -> Option<Identity> {
        if self.open.contains_key(own) {
            return Some(*own);
        }
        match (own.id, self.has_named && self.has_nameless) {
            (_, false) => None,
            (0, _) => self
                .open
                .keys()
                .copied()
                .filter(|other| other.nameless() == *own)
                .max_by_key(|other| self.open.get(other).map(|begun| begun.order)),
            _ => Some(own.nameless()).filter(|other| self.open.contains_key(other)),
        }
    }

    /// A record that opens a flow, unless it is open.
    fn opened<A: Address>(&mut self, record: &Record<A>) {
        if matches!(record.kind(), Some(Kind::Start | Kind::Open | Kind::Update)) {
            self.begun += 1;
            let mut begun = self.now(record);
            if record.kind() == Some(Kind::Start) && record.began_earlier() {
                begun.found = Some(self.found.len());
                self.found.push(None);
                self.unread += 1;
            }
            let own = Identity::of(record);
            let known = self.known_as(&own).filter(|known| *known != own && record.kind() != Some(Kind::Start));
            match known {
                // From here on it goes by its id.
                Some(known) if own.id != 0 => {
                    let begun = self.open.remove(&known).unwrap_or(begun);
                    self.open.insert(own, begun);
                }
                Some(_) => {}
                None => {
                    self.open.entry(own).or_insert(begun);
                }
            }
        }
    }

    /// A record comes next.
    fn expect<A: Address>(&mut self, record: &Record<A>) {
        let has_id = record.id.get() != 0;
        (self.has_named, self.has_nameless) = (self.has_named || has_id, self.has_nameless || !has_id);
    }

    /// A note, and what it tells of the flows that left here ([`Pairs::note`]).
    fn note(&mut self, note: &Note, told: &Note) {
        let names_flows = self.lost.note(note);
        match note.cause() {
            Some(Cause::TableRead) => {
                let to = note.to.get();
                for note in [note, told] {
                    self.readings.add(Span { from: note.from.get(), to }, self.steps.count());
                }
                let unread = std::mem::take(&mut self.unread);
                self.found.iter_mut().rev().take(unread).for_each(|found| *found = Some(note.from.get()));
                self.steps.table_read();
                if names_flows && self.is_of_events {
                    self.gathered.last_reading = self.gathered.last_reading.max(Some(to));
                }
            }
            Some(Cause::ClockStep) => {
                self.steps.add(note);
                if note.value.get() < 0 {
                    self.readings.turn();
                }
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Gathered {
        let mut alive = Vec::new();
        for (flow, begun, steps) in std::mem::take(&mut self.whole) {
            let known = match flow {
                Flow::Ipv4(record) => self.known(&record, &begun),
                Flow::Ipv6(record) => self.known(&record, &begun),
            };
            self.gathered.flows.push(known);
            alive.push(begun.steps..steps);
        }
        let is_mixed = self.has_named && self.has_nameless;
        end_replaced(&mut self.gathered.flows, &self.order, &mut alive, &self.steps, is_mixed);
        // Last: whatever is concluded of its end, the clock has shown this while it was alive.
        for (flow, alive) in self.gathered.flows.iter_mut().zip(alive) {
            self.steps.shown(alive).iter().for_each(|step| flow.saw(*step));
        }
        drop_repeated_halves(&mut self.gathered.flows);
        self.gathered.lost = std::mem::take(&mut self.lost).finish().collect();
        self.gathered
    }
}

/// Files that were squeezed one by one tell of one flow several times: as a half in each, and whole in the last.
fn drop_repeated_halves(flows: &mut Vec<Known>) {
    let place = |flow: &Known| (flow.identity, flow.start.latest());
    let mut whole: HashSet<_> = flows.iter().filter(|flow| flow.end != Told::Unknown).map(place).collect();
    flows.retain(|flow| flow.end != Told::Unknown || flow.start == Told::Unknown || whole.insert(place(flow)));
}

/// A flow whose end was not heard was gone when another one began with the same reply tuple: the kernel holds no two of
/// them. `order` is the place of each among those that began, where it is known; `alive` is how often the clock had been set
/// when it began, and when it ended. `is_mixed`: flows may have their starts of version 2 also where they have an id.
fn end_replaced(flows: &mut [Known], order: &[Option<u64>], alive: &mut [Range<usize>], steps: &Steps, is_mixed: bool) {
    type Place = (u16, u8, u16, Sides);
    let place = |flow: &Known| {
        let Identity { zone, protocol, types: [_, reply_type], reply, .. } = flow.identity;
        (zone, protocol, reply_type, reply)
    };
    let mut starts: HashMap<Place, Vec<Start>> = HashMap::new();
    for ((flow, order), alive) in flows.iter().zip(order).zip(alive.iter()) {
        if let Some(latest) = flow.start.latest() {
            let reach = reaches_to(latest, if is_mixed { 0 } else { flow.identity.id });
            starts.entry(place(flow)).or_default().push(Start { latest, reach, order: *order, steps: alive.start });
        }
    }
    let unheard = flows.iter_mut().zip(order).zip(alive).filter(|((flow, _), _)| !matches!(flow.end, Told::At { .. }));
    for ((flow, order), alive) in unheard {
        let others = starts.get(&place(flow)).into_iter().flatten();
        let later = others.filter(|other| match (flow.start.latest(), order, &other.order) {
            (Some(own), Some(order), Some(place)) => own < other.latest && order < place,
            (Some(own), _, _) => own < other.latest && steps.is_once(other.latest),
            (None, Some(order), Some(place)) => order < place,
            (None, _, _) => false,
        });
        let next = later.min_by_key(|other| (other.latest, other.reach));
        if let Some(next) = next.filter(|next| flow.end.latest().is_none_or(|latest| next.latest < latest)) {
            flow.gone_by(next.latest, next.reach);
            alive.end = alive.end.min(next.steps);
        }
    }
}

/// When a flow began that may have taken another one's place.
struct Start {
    /// At this moment at the latest.
    latest: u64,
    /// The last moment that this may stand for.
    reach: u64,
    /// Its place among those that began, where it is known.
    order: Option<u64>,
    /// How often the clock had been set before.
    steps: usize,
}

impl FlowSink for State {
    fn ipv4(&mut self, flow: &Record<V4>, _counters: &Counters) {
        self.flow(flow, Flow::Ipv4);
    }

    fn ipv6(&mut self, flow: &Record<V6>, _counters: &Counters) {
        self.flow(flow, Flow::Ipv6);
    }
}

impl Gather<'_> {
    fn finish(mut self) -> Gathered {
        self.pairs.finish(&mut self.state);
        self.state.finish()
    }

    /// Whether nothing further can be of interest, now that the next file begins.
    fn is_over(&self) -> bool {
        self.plan.is_over_at(self.plan.skipped + self.next)
            && !self.state.open.values().any(|begun| begun.start <= self.until)
    }
}

impl Sink for Gather<'_> {
    type Stop = ();

    fn begin(&mut self, _path: &Path, file: &Version<'_>) -> ControlFlow<()> {
        if self.is_over() {
            return ControlFlow::Break(());
        }
        self.next += 1;
        self.pairs.begin(file, &mut self.state);
        self.state.is_of_events = match file {
            Version::Two(_) => false,
            Version::Three(segment) => {
                self.state.follow(segment);
                segment.header().is_ok_and(|header| header.content == Content::Events)
            }
        };
        self.state.forget_reading();
        self.state.lost.begin(file);
        ControlFlow::Continue(())
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<()> {
        self.state.expect(record);
        self.pairs.ipv4(record, counters, &mut self.state);
        // What is known of a flow's begin is kept beside it, and has to be in step.
        self.pairs.settle(&mut self.state);
        self.state.opened(record);
        ControlFlow::Continue(())
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<()> {
        self.state.expect(record);
        self.pairs.ipv6(record, counters, &mut self.state);
        // What is known of a flow's begin is kept beside it, and has to be in step.
        self.pairs.settle(&mut self.state);
        self.state.opened(record);
        ControlFlow::Continue(())
    }

    fn note(&mut self, _path: &Path, note: &Note) -> ControlFlow<()> {
        let told = self.pairs.note(note, &mut self.state);
        self.state.note(note, &told);
        ControlFlow::Continue(())
    }

    fn damage(&mut self, path: &Path, damage: &Damage) -> ControlFlow<()> {
        self.pairs.damage(damage);
        self.state.forget_reading();
        let file = self.next.checked_sub(1).and_then(|place| self.journal.files().get(place));
        self.state.lost.damage(file, damage);
        // An end that was cut off is a gap, and told of as that.
        if !matches!(damage.fault, Fault::CutOff(_)) {
            self.state.gathered.damage.push((path.to_owned(), damage.clone()));
        }
        ControlFlow::Continue(())
    }

    fn error(&mut self, error: Error) -> ControlFlow<()> {
        self.next += 1;
        self.state.gathered.failures.push(error);
        ControlFlow::Continue(())
    }

    fn passed(&mut self, _bytes: u64) {}
}
