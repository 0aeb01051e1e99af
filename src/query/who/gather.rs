//! One pass through a journal: every flow that has an endpoint asked for.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ctrecorder_format::{Address, Cause, Counters, Damage, Fault, Kind, Note, Record, V4, V6};

use super::Wanted;
use super::flow::{Identity, Known, Sides, Told};
use super::plan::Plan;
use super::scope::Scope;
use crate::journal::{Error, Journal, OpenRecords, Scan, Sink, Version};
use crate::query::coverage::Span;
use crate::query::{Losses, Pairing};

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
}

impl Gathered {
    /// Adds what was found in another part of the journal. What both found, the earlier one knows better.
    pub(super) fn join(&mut self, other: Self) {
        let place = |flow: &Known| (flow.identity, flow.start.latest());
        let known: HashSet<_> = self.flows.iter().map(place).collect();
        self.flows.extend(other.flows.into_iter().filter(|flow| !known.contains(&place(flow))));
        self.lost.extend(other.lost);
        self.damage.extend(other.damage);
        self.failures.extend(other.failures);
    }
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

/// Starts and ends of both families on their way to flows.
#[derive(Debug, Default)]
struct Pairs {
    ipv4: Pairing<V4>,
    ipv6: Pairing<V6>,
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
    /// What the clock showed before and after each time it was set.
    steps: Vec<[u64; 2]>,
    /// Number of flows that began so far.
    begun: u64,
    /// Of each flow gathered, its place among those that began; `None` if it came whole.
    order: Vec<Option<u64>>,
    /// Flows as they were paired, and what is known of their begin; of its end, how often the clock had been set.
    whole: Vec<(Flow, Begun, usize)>,
    /// The number of the file that is read, and what was recorded in it.
    file: usize,
    scope: Scope,
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
    /// The number of the file that told of it last.
    file: usize,
    /// When it was not alive any more at the latest, ns since the epoch, where a later recorder knows that.
    gone_by: Option<u64>,
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
        let (start, order, steps) = (record.start.get(), self.begun, self.steps.len());
        Begun { start, order, steps, file: self.file, gone_by: None }
    }

    /// A record that opens a flow, or tells of one that is open.
    fn opened<A: Address>(&mut self, record: &Record<A>) {
        if matches!(record.kind(), Some(Kind::Start | Kind::Open)) {
            self.begun += 1;
            let begun = self.now(record);
            let known = self.open.entry(Identity::of(record)).or_insert(begun);
            (known.file, known.gone_by) = (begun.file, None);
        }
    }

    /// The kernel's table was read whole by this moment: every flow alive has a record in this file before it (docs/format.md,
    /// "The table"). What has none was left open by a recorder that was stopped or killed.
    fn table_read(&mut self, moment: u64) {
        let (file, scope) = (self.file, &self.scope);
        let unheard = self.open.iter_mut().filter(|(flow, begun)| begun.file < file && scope.holds(flow));
        for (_, begun) in unheard {
            begun.gone_by.get_or_insert(moment);
        }
    }

    fn note(&mut self, note: &Note) {
        let names_flows = self.lost.note(note);
        match note.cause() {
            Some(Cause::TableRead) => {
                let (from, to) = (note.from.get(), note.to.get());
                self.readings.entry(to).and_modify(|known| *known = from.min(*known)).or_insert(from);
                if names_flows {
                    self.table_read(to);
                }
            }
            Some(Cause::ClockStep) => {
                let after = note.to.get();
                self.steps.push([after.saturating_add_signed(note.value.get().saturating_neg()), after]);
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Gathered {
        let reading = |to| self.readings.get(&to).copied();
        for (flow, begun, steps) in self.whole {
            let mut known = match flow {
                Flow::Ipv4(record) => Known::of(&record, reading),
                Flow::Ipv6(record) => Known::of(&record, reading),
            };
            for step in self.steps.get(begun.steps..steps).unwrap_or_default() {
                known.saw(*step);
            }
            if let (Told::Unknown, Some(latest)) = (known.end, begun.gone_by) {
                known.gone_by(latest);
            }
            self.gathered.flows.push(known);
        }
        end_replaced(&mut self.gathered.flows, &self.order);
        self.gathered.lost.extend(self.lost.finish());
        self.gathered
    }
}

/// A flow whose end was not heard was gone when another one began with the same reply tuple: the kernel holds no two of
/// them. `order` is the place of each among those that began, where it is known.
fn end_replaced(flows: &mut [Known], order: &[Option<u64>]) {
    type Place = (u16, u8, Sides);
    let place = |flow: &Known| (flow.identity.zone, flow.identity.protocol, flow.identity.reply);
    let mut starts: HashMap<Place, Vec<(u64, Option<u64>)>> = HashMap::new();
    for (flow, order) in flows.iter().zip(order) {
        if let Some(start) = flow.start.latest() {
            starts.entry(place(flow)).or_default().push((start, *order));
        }
    }
    for (flow, order) in flows.iter_mut().zip(order).filter(|(flow, _)| !matches!(flow.end, Told::At { .. })) {
        let others = starts.get(&place(flow)).into_iter().flatten();
        let later = others.filter(|(start, other)| match (flow.start.latest(), order, other) {
            (Some(own), Some(order), Some(other)) => own < *start && order < other,
            (Some(own), _, _) => own < *start,
            (None, Some(order), Some(other)) => order < other,
            (None, _, _) => false,
        });
        let next = later.map(|(start, _)| *start).min();
        if let Some(next) = next.filter(|next| flow.end.latest().is_none_or(|latest| *next < latest)) {
            flow.gone_by(next);
        }
    }
}

impl Gather<'_> {
    fn finish(mut self) -> Gathered {
        let Self { pairs, state, .. } = &mut self;
        let Pairs { ipv4, ipv6 } = std::mem::take(pairs);
        ipv4.finish(&mut |flow, _| state.flow(&flow, Flow::Ipv4));
        ipv6.finish(&mut |flow, _| state.flow(&flow, Flow::Ipv6));
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
        (self.state.file, self.state.scope) = (self.next, Scope::of(file));
        self.state.lost.begin(file);
        ControlFlow::Continue(())
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<()> {
        let state = &mut self.state;
        self.pairs.ipv4.push(record, counters, &mut |flow, _| state.flow(&flow, Flow::Ipv4));
        self.state.opened(record);
        ControlFlow::Continue(())
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<()> {
        let state = &mut self.state;
        self.pairs.ipv6.push(record, counters, &mut |flow, _| state.flow(&flow, Flow::Ipv6));
        self.state.opened(record);
        ControlFlow::Continue(())
    }

    fn note(&mut self, _path: &Path, note: &Note) -> ControlFlow<()> {
        self.state.note(note);
        ControlFlow::Continue(())
    }

    fn damage(&mut self, path: &Path, damage: &Damage) -> ControlFlow<()> {
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
