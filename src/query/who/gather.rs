//! One pass through a journal: every flow that has an endpoint asked for.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use ctrecorder_format::{Address, Cause, Content, Counters, Damage, Fault, Kind, Note, Record, V4, V6};

use super::Wanted;
use super::flow::{Identity, Known, Sides, Told, reaches_to};
use super::plan::Plan;
use crate::journal::{Error, Journal, OpenRecords, Scan, Sink, Version};
use crate::query::Losses;
use crate::query::coverage::Span;
use crate::query::pair::{FlowSink, Pairs};

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
    /// When each reading of the kernel's table began, by when it was at its end.
    readings: HashMap<u64, u64>,
    /// The gaps that notes tell of.
    gaps: Vec<Span>,
    /// What the clock showed before and after each time it was set.
    steps: Vec<[u64; 2]>,
    /// Number of flows that began so far.
    begun: u64,
    /// Of each flow gathered, its place among those that began; `None` if it came whole.
    order: Vec<Option<u64>>,
    /// Flows as they were paired, and what is known of their begin; of its end, how often the clock had been set.
    whole: Vec<(Flow, Begun, usize)>,
    /// Whether the file that is read is one of events, by a header that is whole: then its readings of the table are its own.
    is_of_events: bool,
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
    /// How often the clock had been set before.
    steps: usize,
}

impl State {
    /// Takes a flow that pairing made.
    fn flow<A: Address>(&mut self, record: &Record<A>, wrap: impl Fn(Record<A>) -> Flow) {
        let begun = self.open.remove(&Identity::of(record));
        self.order.push(begun.map(|begun| begun.order));
        self.whole.push((wrap(*record), begun.unwrap_or_else(|| self.now(record)), self.steps.len()));
    }

    /// What is known of a flow when a record opens it.
    fn now<A: Address>(&self, record: &Record<A>) -> Begun {
        // One that was found may have begun long before its start.
        let start = if record.began_earlier() { 0 } else { record.start.get() };
        Begun { start, order: self.begun, steps: self.steps.len() }
    }

    /// A record that opens a flow, unless it is open.
    fn opened<A: Address>(&mut self, record: &Record<A>) {
        if matches!(record.kind(), Some(Kind::Start | Kind::Open)) {
            self.begun += 1;
            let begun = self.now(record);
            self.open.entry(Identity::of(record)).or_insert(begun);
        }
    }

    fn note(&mut self, note: &Note) {
        let names_flows = self.lost.note(note);
        match note.cause() {
            Some(Cause::TableRead) => {
                let (from, to) = (note.from.get(), note.to.get());
                self.readings.entry(to).and_modify(|known| *known = from.min(*known)).or_insert(from);
                if names_flows && self.is_of_events {
                    self.gathered.last_reading = self.gathered.last_reading.max(Some(to));
                }
            }
            Some(Cause::ClockStep) => {
                let after = note.to.get();
                self.steps.push([after.saturating_add_signed(note.value.get().saturating_neg()), after]);
            }
            _ if note.is_gap() => self.gaps.push(Span { from: note.from.get(), to: note.to.get() }),
            _ => {}
        }
    }

    /// From when on flows may have been alive whose records are lost from a time on. Where a reading of the table came to its
    /// end behind that time, starts may be among them that it found after a gap: such flows began since the reading did.
    fn found_since(&self, lost_from: u64) -> u64 {
        let readings = self.readings.iter().map(|(to, from)| Span { from: *from, to: *to });
        let after_gaps = readings.filter(|reading| {
            (reading.from..=reading.to).contains(&lost_from) && self.gaps.iter().any(|gap| gap.meets(*reading))
        });
        after_gaps.map(|reading| reading.from).min().unwrap_or(lost_from)
    }

    fn finish(mut self) -> Gathered {
        let reading = |to| self.readings.get(&to).copied();
        let mut alive = Vec::new();
        for (flow, begun, steps) in std::mem::take(&mut self.whole) {
            let known = match flow {
                Flow::Ipv4(record) => Known::of(&record, reading),
                Flow::Ipv6(record) => Known::of(&record, reading),
            };
            self.gathered.flows.push(known);
            alive.push(begun.steps..steps);
        }
        end_replaced(&mut self.gathered.flows, &self.order, &mut alive);
        // Last: whatever is concluded of its end, the clock has shown this while it was alive.
        for (flow, alive) in self.gathered.flows.iter_mut().zip(alive) {
            self.steps.get(alive).unwrap_or_default().iter().for_each(|step| flow.saw(*step));
        }
        drop_repeated_halves(&mut self.gathered.flows);
        let lost = std::mem::take(&mut self.lost).finish();
        self.gathered.lost = lost.map(|lost| Span { from: self.found_since(lost.from), ..lost }).collect();
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
/// when it began, and when it ended.
fn end_replaced(flows: &mut [Known], order: &[Option<u64>], alive: &mut [Range<usize>]) {
    type Place = (u16, u8, u16, Sides);
    let place = |flow: &Known| {
        let Identity { zone, protocol, types: [_, reply_type], reply, .. } = flow.identity;
        (zone, protocol, reply_type, reply)
    };
    let mut starts: HashMap<Place, Vec<Start>> = HashMap::new();
    for ((flow, order), alive) in flows.iter().zip(order).zip(alive.iter()) {
        if let Some(latest) = flow.start.latest() {
            let reach = reaches_to(latest, flow.identity.id);
            starts.entry(place(flow)).or_default().push(Start { latest, reach, order: *order, steps: alive.start });
        }
    }
    let unheard = flows.iter_mut().zip(order).zip(alive).filter(|((flow, _), _)| !matches!(flow.end, Told::At { .. }));
    for ((flow, order), alive) in unheard {
        let others = starts.get(&place(flow)).into_iter().flatten();
        let later = others.filter(|other| match (flow.start.latest(), order, &other.order) {
            (Some(own), Some(order), Some(place)) => own < other.latest && order < place,
            (Some(own), _, _) => own < other.latest,
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
        self.state.is_of_events = file.header().is_some_and(|header| header.content == Content::Events);
        self.state.lost.begin(file);
        ControlFlow::Continue(())
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<()> {
        self.pairs.ipv4(record, counters, &mut self.state);
        // What is known of a flow's begin is kept beside it, and has to be in step.
        self.pairs.settle(&mut self.state);
        self.state.opened(record);
        ControlFlow::Continue(())
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<()> {
        self.pairs.ipv6(record, counters, &mut self.state);
        // What is known of a flow's begin is kept beside it, and has to be in step.
        self.pairs.settle(&mut self.state);
        self.state.opened(record);
        ControlFlow::Continue(())
    }

    fn note(&mut self, _path: &Path, note: &Note) -> ControlFlow<()> {
        let note = self.pairs.note(note, &mut self.state);
        self.state.note(&note);
        ControlFlow::Continue(())
    }

    fn damage(&mut self, path: &Path, damage: &Damage) -> ControlFlow<()> {
        self.pairs.damage(damage);
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
