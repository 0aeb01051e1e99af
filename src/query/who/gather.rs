//! One pass through a journal: every flow that has an endpoint asked for.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use ctrecorder_format::{Address, Cause, Content, Counters, Damage, Fault, Kind, Note, Record, V4, V6};

use super::Wanted;
use super::ended::{Ended, end_replaced};
use super::flow::{Identity, Known, Told};
use super::intervals::Intervals;
use super::plan::Plan;
use crate::journal::{Error, Journal, OpenRecords, Scan, Sink, Version};
use crate::query::Losses;
use crate::query::coverage::Span;
use crate::query::pair::{FlowSink, Pairs};

/// What a pass through a journal found.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The spans that it was made for, in their order.
    pub(super) reads: Vec<Read>,
    /// The flows that may have been alive in one of them, each with its place among those that were told of.
    pub(super) flows: Vec<(usize, Known)>,
    /// When flows may have been alive of which lost records told.
    pub(super) lost: Vec<Span>,
    /// Damage that was met, with its file.
    pub(super) damage: Vec<(PathBuf, Damage)>,
    /// Files that could not be read.
    pub(super) failures: Vec<Error>,
}

/// What a pass found by the time when it had read what one span needs. What it read later, for another span, is not what
/// the first one would have been told had it been asked about alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    /// The span.
    pub(super) span: Span,
    /// So many flows had been told of.
    pub(super) flows: usize,
    /// When the kernel's table had last been read whole, ns since the epoch.
    pub(super) last_reading: Option<u64>,
}

/// Reads what the first of some plans says of a journal, for the flows that were alive at some moment of its span. Where that
/// goes on up to where the next one begins, it is for that one, too: no file is read twice.
pub(super) fn gather(journal: &Journal, wanted: &Wanted, parts: &[(Plan, Span)], threads: NonZeroUsize) -> Gathered {
    let skipped = parts.first().map_or(0, |(plan, _)| plan.skipped);
    let needed = journal.behind(skipped);
    let mut gather =
        Gather { journal: &needed, wanted, parts, skipped, pairs: Pairs::default(), state: State::default(), next: 0 };
    gather.state.begin(parts);
    let _done = Scan::new(wanted, OpenRecords::All).with_threads(threads).run(&needed, &mut gather);
    gather.finish()
}

/// Takes what a journal holds.
struct Gather<'g> {
    /// The files that are read, and how many stand before them.
    journal: &'g Journal,
    skipped: usize,
    wanted: &'g Wanted,
    parts: &'g [(Plan, Span)],
    pairs: Pairs,
    state: State,
    /// Number of the file that comes next among those that are read.
    next: usize,
}

/// What is known so far.
#[derive(Default)]
struct State {
    /// The spans that reading was begun for. Those that it is still needed for are the ones behind so many.
    gathered: Gathered,
    done: usize,
    /// When the kernel's table was last read whole, ns since the epoch.
    last_reading: Option<u64>,
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
    /// Flows as they were paired.
    whole: Vec<Whole>,
    /// Whether the file that is read is one of events, by a header that is whole: then its readings of the table are its own.
    is_of_events: bool,
    lost: Losses,
}

/// A record of either family that is a whole flow.
enum Flow {
    Ipv4(Record<V4>),
    Ipv6(Record<V6>),
}

/// A flow as it was paired.
struct Whole {
    flow: Flow,
    /// Its place among those that began; `None` if it came whole.
    order: Option<u64>,
    /// How often the clock had been set when it began, and when it ended.
    steps: Range<usize>,
}

/// A flow that is open.
#[derive(Clone, Copy)]
struct Begun {
    /// Whoever asks for a time from this one on, ns since the epoch, needs to know its end: from its start on, or 0 if that is not
    /// known. `None`: nobody, as it has no endpoint that is asked for where that is public.
    needed_from: Option<u64>,
    order: u64,
    /// How often the clock had been set before.
    steps: usize,
}

impl State {
    /// Takes a flow that pairing made.
    fn flow<A: Address>(&mut self, record: &Record<A>, wrap: impl Fn(Record<A>) -> Flow) {
        let begun = self.open.remove(&Identity::of(record));
        let steps = self.steps.len();
        self.whole.push(Whole {
            flow: wrap(*record),
            order: begun.map(|begun| begun.order),
            steps: begun.map_or(steps, |begun| begun.steps)..steps,
        });
    }

    /// A record that opens a flow, unless it is open.
    fn opened<A: Address>(&mut self, record: &Record<A>, wanted: &Wanted) {
        if matches!(record.kind(), Some(Kind::Start | Kind::Open)) {
            self.begun += 1;
            // One that was found may have begun long before its start.
            let start = if record.began_earlier() { 0 } else { record.start.get() };
            let needed_from = wanted.is_public_in(record).then_some(start);
            let begun = Begun { needed_from, order: self.begun, steps: self.steps.len() };
            self.open.entry(Identity::of(record)).or_insert(begun);
        }
    }

    /// Reading begins for the next of these spans.
    fn begin(&mut self, parts: &[(Plan, Span)]) {
        let next = parts.get(self.gathered.reads.len());
        self.gathered.reads.extend(next.map(|(_, span)| Read { span: *span, flows: usize::MAX, last_reading: None }));
    }

    /// A file begins; these are the plans. Returns whether it is needed.
    fn is_needed(&mut self, parts: &[(Plan, Span)], file: usize) -> bool {
        let needed_from = self.open.values().filter_map(|begun| begun.needed_from).min();
        for (read, (plan, span)) in self.gathered.reads.iter_mut().zip(parts).skip(self.done) {
            if !plan.is_over_at(file) || needed_from.is_some_and(|from| from <= span.to) {
                break;
            }
            (read.flows, read.last_reading) = (self.whole.len(), self.last_reading);
            self.done += 1;
        }
        if self.done == self.gathered.reads.len() {
            return false;
        }
        while parts.get(self.gathered.reads.len()).is_some_and(|(plan, _)| plan.skipped <= file) {
            self.begin(parts);
        }
        true
    }

    fn note(&mut self, note: &Note) {
        let names_flows = self.lost.note(note);
        match note.cause() {
            Some(Cause::TableRead) => {
                let (from, to) = (note.from.get(), note.to.get());
                self.readings.entry(to).and_modify(|known| *known = from.min(*known)).or_insert(from);
                if names_flows && self.is_of_events {
                    self.last_reading = self.last_reading.max(Some(to));
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

    fn finish(mut self) -> Gathered {
        let last_reading = self.last_reading;
        self.gathered.reads.iter_mut().skip(self.done).for_each(|read| read.last_reading = last_reading);
        let reading = |to| self.readings.get(&to).copied();
        let ended = std::mem::take(&mut self.whole).into_iter().enumerate().map(|(place, whole)| {
            let known = match whole.flow {
                Flow::Ipv4(record) => Known::of(&record, reading),
                Flow::Ipv6(record) => Known::of(&record, reading),
            };
            Ended { known, place, order: whole.order, steps: whole.steps }
        });
        let mut ended: Vec<_> = ended.collect();
        end_replaced(&mut ended);
        // Last: whatever is concluded of its end, the clock has shown this while it was alive.
        for flow in &mut ended {
            self.steps.get(flow.steps.clone()).unwrap_or_default().iter().for_each(|step| flow.known.saw(*step));
        }
        let mut flows = ended.into_iter().map(|flow| (flow.place, flow.known)).collect();
        drop_repeated_halves(&mut flows);
        // What began later was not followed to its end.
        let asked = self.gathered.reads.iter().map(|read| read.span).reduce(Span::joined);
        flows.retain(|(_, known)| asked.is_some_and(|asked| known.life.meets(asked)));
        let lost = std::mem::take(&mut self.lost).finish();
        let found = found_after_gaps(&self.readings, &self.gaps);
        let lost = lost.map(|lost| Span { from: found_since(&found, lost.from), ..lost }).collect();
        Gathered { flows, lost, ..self.gathered }
    }
}

/// The readings of the kernel's table that may have found flows after a gap. `readings` says when each began, by when it was at
/// its end.
fn found_after_gaps(readings: &HashMap<u64, u64>, gaps: &[Span]) -> Intervals<()> {
    let gaps = Intervals::new(gaps.iter().map(|gap| (*gap, ())).collect());
    let readings = readings.iter().map(|(to, from)| Span { from: *from, to: *to });
    Intervals::new(readings.filter(|reading| gaps.any_meets(*reading)).map(|reading| (reading, ())).collect())
}

/// From when on flows may have been alive whose records are lost from a time on. Where a reading of the table came to its
/// end behind that time, starts may be among them that it found after a gap: such flows began since the reading did.
fn found_since(after_gaps: &Intervals<()>, lost_from: u64) -> u64 {
    after_gaps.first_meeting(Span { from: lost_from, to: lost_from }).map_or(lost_from, |reading| reading.from)
}

/// Files that were squeezed one by one tell of one flow several times: as a half in each, and whole in the last.
fn drop_repeated_halves(flows: &mut Vec<(usize, Known)>) {
    let place = |flow: &Known| (flow.identity, flow.start.latest());
    let is_whole = |(_, flow): &&(usize, Known)| flow.end != Told::Unknown;
    let mut whole: HashSet<_> = flows.iter().filter(is_whole).map(|(_, flow)| place(flow)).collect();
    flows.retain(|(_, flow)| flow.end != Told::Unknown || flow.start == Told::Unknown || whole.insert(place(flow)));
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
}

impl Sink for Gather<'_> {
    type Stop = ();

    fn begin(&mut self, _path: &Path, file: &Version<'_>) -> ControlFlow<()> {
        if !self.state.is_needed(self.parts, self.skipped + self.next) {
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
        self.state.opened(record, self.wanted);
        ControlFlow::Continue(())
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<()> {
        self.pairs.ipv6(record, counters, &mut self.state);
        // What is known of a flow's begin is kept beside it, and has to be in step.
        self.pairs.settle(&mut self.state);
        self.state.opened(record, self.wanted);
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
