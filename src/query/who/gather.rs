//! One pass through a journal: every flow that has an endpoint asked for.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ctrecorder_format::{Address, Cause, Content, Counters, Damage, Fault, Note, Record, V4, V6};

use super::Wanted;
use super::ended::{self, Ended};
use super::flow::Known;
use super::history::{History, Past};
use super::plan::Plan;
use crate::journal::{Error, Journal, OpenRecords, Scan, Sink, Version};
use crate::query::coverage::Span;
use crate::query::pair::{FlowSink, Pairs, Told};
use crate::query::{Losses, Steps};

/// What a pass through a journal found.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The spans that it was made for, in their order.
    pub(super) reads: Vec<Read>,
    /// The flows that may have been alive in one of them, each with its place among those that were told of.
    pub(super) flows: Vec<(usize, Known)>,
    /// When flows may have been alive of which lost records told.
    pub(super) lost: Vec<Span>,
    /// Whether the clock was set.
    pub(super) is_clock_set: bool,
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
    history: History,
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
    past: Past,
}

impl State {
    /// Takes a flow that pairing made.
    fn flow<A: Address>(&mut self, record: &Record<A>, wrap: impl Fn(Record<A>) -> Flow) {
        let past = self.history.ended(record);
        self.whole.push(Whole { flow: wrap(*record), past });
    }

    /// Reading begins for the next of these spans.
    fn begin(&mut self, parts: &[(Plan, Span)]) {
        let next = parts.get(self.gathered.reads.len());
        self.gathered.reads.extend(next.map(|(_, span)| Read { span: *span, flows: usize::MAX, last_reading: None }));
    }

    /// A file begins; these are the plans. Returns whether it is needed.
    fn is_needed(&mut self, parts: &[(Plan, Span)], file: usize) -> bool {
        let needed_from = self.history.needed_from();
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

    /// A note, and what it tells of the flows that left here ([`Pairs::note`]).
    fn note(&mut self, note: &Note, told: &Told) {
        let names_flows = self.lost.note(note);
        match note.cause() {
            Some(Cause::TableRead) => {
                self.history.table_read(note, told);
                if names_flows && self.is_of_events {
                    self.last_reading = self.last_reading.max(Some(note.to.get()));
                }
            }
            Some(Cause::FirstRead) => self.history.first_read(note, &told.note),
            Some(Cause::ClockStep) => self.history.clock_set(note),
            Some(Cause::Damaged) => self.history.damaged(),
            _ => {}
        }
    }

    fn finish(mut self) -> Gathered {
        let last_reading = self.last_reading;
        self.gathered.reads.iter_mut().skip(self.done).for_each(|read| read.last_reading = last_reading);
        let flows = std::mem::take(&mut self.whole).into_iter().enumerate().map(|(place, Whole { flow, mut past })| {
            let known = match flow {
                Flow::Ipv4(record) => self.history.known(&record, &mut past),
                Flow::Ipv6(record) => self.history.known(&record, &mut past),
            };
            Ended { known, place, order: past.order, steps: past.steps, most_steps: past.most_steps }
        });
        let mut flows = flows.collect();
        ended::end(&mut flows, self.history.steps(), self.history.is_mixed());
        // What began later was not followed to its end.
        let asked = self.gathered.reads.iter().map(|read| read.span).reduce(Span::joined);
        let is_asked = |(_, known): &(usize, Known)| asked.is_some_and(|asked| known.life.meets(asked));
        let steps = self.history.steps();
        let lives = flows.into_iter().flat_map(|Ended { known, place, steps: seen, .. }| {
            known.lives(set_during(&known, steps.shown(seen), steps)).map(move |known| (place, known))
        });
        let flows = lives.filter(is_asked).collect();
        let is_clock_set = steps.count() > 0;
        Gathered { flows, lost: self.lost.finish().collect(), is_clock_set, ..self.gathered }
    }
}

/// What the clock showed before and after each time that it was set while a flow was alive, of which these are known. One may have ended
/// before anybody noticed that it had been set back.
fn set_during<'s>(flow: &Known, known: &'s [[u64; 2]], steps: &'s Steps) -> &'s [[u64; 2]] {
    let turns = |[before, after]: &&[u64; 2]| after < before && flow.life.from <= *before && *after <= flow.life.to;
    let unnoticed = || steps.shown(0..steps.count()).iter().find(turns);
    let noticed = flow.is_turned_by_none(known).then(unnoticed).flatten();
    noticed.map_or(known, std::slice::from_ref)
}

impl FlowSink for State {
    fn ipv4(&mut self, flow: &Record<V4>, _counters: &Counters) {
        self.flow(flow, Flow::Ipv4);
    }

    fn ipv6(&mut self, flow: &Record<V6>, _counters: &Counters) {
        self.flow(flow, Flow::Ipv6);
    }

    fn left_out_ipv4(&mut self, flow: &Record<V4>) {
        self.history.ended(flow);
    }

    fn left_out_ipv6(&mut self, flow: &Record<V6>) {
        self.history.ended(flow);
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
        if let Some(note) = self.state.history.begin(file) {
            self.pairs.clock_set_before(&note, &mut self.state);
        }
        self.state.lost.begin(file);
        ControlFlow::Continue(())
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<()> {
        self.state.history.expect(record);
        self.pairs.ipv4(record, counters, &mut self.state);
        // What is known of a flow's begin is kept beside it, and has to be in step.
        self.pairs.settle(&mut self.state);
        self.state.history.opened(record, self.wanted);
        ControlFlow::Continue(())
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<()> {
        self.state.history.expect(record);
        self.pairs.ipv6(record, counters, &mut self.state);
        // What is known of a flow's begin is kept beside it, and has to be in step.
        self.pairs.settle(&mut self.state);
        self.state.history.opened(record, self.wanted);
        ControlFlow::Continue(())
    }

    fn note(&mut self, _path: &Path, note: &Note) -> ControlFlow<()> {
        let told = self.pairs.note(note, &mut self.state);
        self.state.note(note, &told);
        ControlFlow::Continue(())
    }

    fn damage(&mut self, path: &Path, _file: &Version<'_>, damage: &Damage) -> ControlFlow<()> {
        self.pairs.damage(damage);
        self.state.history.damage(damage);
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
