//! From the records of a journal to the flows of an output.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Context;
use ctrecorder_format::{Address, Cause, Content, Counters, Damage, Kind, Note, Record, V4, V6};

use super::behind::Behind;
use super::choice::Choice;
use super::output::Output;
use super::plan::Plan;
use crate::cli::Report;
use crate::journal::{Broken, Chain, Error, Journal, OpenRecords, Scan, Shown, Sink, Version};
use crate::query::coverage::Span;
use crate::query::{Filter, FlowSink, Losses, Pairs};

/// Where the flows go.
struct Out<O> {
    output: Behind<O>,
    /// Which flows are wanted; `None`: all.
    filter: Option<Filter>,
    /// When flows were found in the kernel's table: before which moment none of them began, the next note of a reading tells.
    found: BTreeSet<u64>,
    /// Flows of these that ended before that note: they wait for it.
    waiting: Vec<Waiting>,
    /// The time of the last record of the present file, or of its begin, in ns since the epoch.
    reached: u64,
    /// Whether something failed.
    done: anyhow::Result<()>,
}

/// A flow that waits, with what was counted of it, and the time up to which the journal was read when it ended.
enum Waiting {
    Ipv4(Record<V4>, Counters, u64),
    Ipv6(Record<V6>, Counters, u64),
}

impl<O: Output> Out<O> {
    /// Does the next step unless one before it failed.
    fn keep(&mut self, step: impl FnOnce(&mut Behind<O>) -> anyhow::Result<()>) {
        if self.done.is_ok() {
            self.done = step(&mut self.output);
        }
    }

    /// Fails if what is known of open flows could not be kept.
    fn hold(&mut self, failure: Option<std::io::Error>) {
        if let Some(error) = failure {
            self.keep(|_| Err(error).context("what is known of open flows cannot be kept (--memory)"));
        }
    }

    /// Whether to go on.
    fn flow(&mut self) -> ControlFlow<anyhow::Error> {
        match std::mem::replace(&mut self.done, Ok(())) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    /// Remembers when a flow was found, if it was.
    fn found<A: Address>(&mut self, record: &Record<A>) {
        if record.kind() == Some(Kind::Start) && record.began_earlier() {
            self.found.insert(record.start.get());
        }
    }

    fn is_wanted<A: Address>(&self, flow: &Record<A>) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(flow))
    }

    /// Whether the note is still to come that tells more of a flow.
    fn must_wait<A: Address>(&self, flow: &Record<A>) -> bool {
        flow.began_earlier() && self.found.contains(&flow.start.get())
    }

    /// Of flows that were found, a reading tells before which moment none of them began.
    fn bound(&mut self, note: &Note) {
        for found in std::mem::take(&mut self.found) {
            let mut bound = *note;
            bound.to = found.max(note.from.get()).into();
            self.keep(|output| output.reading(&bound));
        }
        self.let_go();
    }

    /// Which reading found the flows that were found up to now will not be known any more.
    fn forget_found(&mut self) {
        self.found.clear();
        self.let_go();
    }

    /// Hands on the flows that have waited.
    fn let_go(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            self.keep(|output| match &waiting {
                Waiting::Ipv4(flow, counters, reached) => output.ipv4(flow, counters, *reached),
                Waiting::Ipv6(flow, counters, reached) => output.ipv6(flow, counters, *reached),
            });
        }
    }
}

impl<O: Output> FlowSink for Out<O> {
    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters) {
        let reached = self.reached;
        match self.is_wanted(flow) {
            false => {}
            true if self.must_wait(flow) => self.waiting.push(Waiting::Ipv4(*flow, *counters, reached)),
            true => self.keep(|output| output.ipv4(flow, counters, reached)),
        }
    }

    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters) {
        let reached = self.reached;
        match self.is_wanted(flow) {
            false => {}
            true if self.must_wait(flow) => self.waiting.push(Waiting::Ipv6(*flow, *counters, reached)),
            true => self.keep(|output| output.ipv6(flow, counters, reached)),
        }
    }
}

/// Pairs what comes in, and hands the flows on.
pub(in crate::cli) struct Stream<'r, O> {
    out: Out<O>,
    /// Whether the output holds notes.
    has_notes: bool,
    pairs: Pairs,
    report: &'r mut Report,
    journal: &'r Journal,
    /// Number of the file that comes next.
    next: usize,
    /// A file is missing here: a gap that ends with the next one. What the heads of blocks tell is in the plan.
    missing: bool,
    /// When records arrived that could not be read, and their number where it is known; the heads of their blocks are whole.
    damaged: Vec<(Span, Option<u64>)>,
    losses: Losses,
    plan: Plan,
    chain: Chain,
    /// A file was begun already.
    begun: bool,
    /// Of the first file of a recorder, neither a record nor the note that it was started has come.
    unbegun: bool,
    /// The output ends with the flows that are open; else they are half flows of it.
    leaves_open: bool,
    /// The file that is read is squeezed.
    is_squeezed: bool,
}

/// What becomes of the flows that are open at the end of an output.
#[derive(Debug)]
pub(in crate::cli) enum Ending {
    /// They are half flows of it. It begins with none.
    HalfFlows(Pairs),
    /// They are told as open; and so many were when it was begun.
    Open(Begun),
}

/// What is known when an output is begun that goes on with another one.
#[derive(Debug)]
pub(in crate::cli) struct Begun {
    /// The flows that are open.
    pub(in crate::cli) pairs: Pairs,
    /// When flows may have been alive that only lost records told of; up to now no reading of the kernel's table ended that.
    pub(in crate::cli) lost: Vec<Span>,
    /// The notes of the readings that found some of them.
    pub(in crate::cli) readings: Vec<Note>,
}

/// Where open flows go, whatever flows are wanted: none of them is known as a whole.
struct Open<'o, O>(&'o mut Out<O>);

impl<O: Output> FlowSink for Open<'_, O> {
    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters) {
        let reached = self.0.reached;
        self.0.keep(|output| output.ipv4(flow, counters, reached));
    }

    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters) {
        let reached = self.0.reached;
        self.0.keep(|output| output.ipv6(flow, counters, reached));
    }
}

impl<'r, O: Output> Stream<'r, O> {
    /// A stream of what a journal holds.
    pub(in crate::cli) fn start(
        output: O,
        plan: Plan,
        choice: &Choice,
        journal: &'r Journal,
        ending: Ending,
        report: &'r mut Report,
    ) -> anyhow::Result<Self> {
        let has_notes = output.has_notes();
        let mut output = Behind::start(output)?;
        let leaves_open = matches!(ending, Ending::Open(_));
        let Begun { pairs, lost, readings } = match ending {
            Ending::HalfFlows(pairs) => Begun { pairs, lost: Vec::new(), readings: Vec::new() },
            Ending::Open(begun) => begun,
        };
        for reading in readings {
            output.reading(&reading)?;
        }
        let (found, waiting) = (BTreeSet::new(), Vec::new());
        let out = Out { output, filter: choice.of_paired(), found, waiting, reached: 0, done: Ok(()) };
        Ok(Self {
            out,
            has_notes,
            pairs,
            report,
            journal,
            next: 0,
            missing: false,
            damaged: Vec::new(),
            losses: Losses::after(plan.host(), lost),
            plan,
            chain: Chain::default(),
            begun: false,
            unbegun: true,
            leaves_open,
            is_squeezed: false,
        })
    }

    /// Pairs the records of the journal, and ends the output.
    pub(in crate::cli) fn run(mut self, choice: &Choice, threads: NonZeroUsize) -> anyhow::Result<O::Made> {
        let mut scan = Scan::new(choice, OpenRecords::All).with_threads(threads);
        match scan.run(self.journal, &mut self) {
            ControlFlow::Break(error) => Err(self.out.output.why(error)),
            ControlFlow::Continue(()) => self.finish(),
        }
    }

    /// The output tells from the begin of the first file on. A reader takes the first note that a recorder was started for
    /// that begin: where the first file has none of its own, that of a later one would stand in its place.
    fn begin_output(&mut self, first: &Version<'_>) {
        let tells = first.header().is_some();
        if !std::mem::replace(&mut self.begun, true) && !tells {
            let started = Note::at(first.begun(), Cause::Started);
            self.out.keep(|output| output.note(&started));
        }
    }

    /// Whether to go on.
    fn flow(&mut self) -> ControlFlow<anyhow::Error> {
        self.out.hold(self.pairs.failure());
        self.out.flow()
    }

    /// Notes that a record of this time comes next.
    fn reach(&mut self, time: u64) {
        let reached = self.out.reached;
        if std::mem::take(&mut self.missing) {
            self.pairs.settle(&mut self.out);
            let gap = Note::gap(reached, time.max(reached), Note::LOST_UNKNOWN, Cause::Damaged);
            self.out.keep(|output| output.note(&gap));
        }
        self.out.reached = reached.max(time);
    }

    /// Takes what the note of a reading says: `told` is what it tells of the flows that left.
    fn reading(&mut self, note: &Note, told: &Note) {
        self.out.bound(note);
        // Of a file that is squeezed, all the readings that are left are those that flows refer to.
        let is_bound = self.is_squeezed;
        self.out.keep(|output| if is_bound { output.reading(told) } else { output.note(told) });
    }

    /// Hands on the flows that have no end, and ends the output.
    fn finish(mut self) -> anyhow::Result<O::Made> {
        self.reach(self.out.reached);
        self.pairs.settle(&mut self.out);
        self.out.forget_found();
        let end = self.plan.end();
        let left = self.leaves_open.then(|| self.pairs.leave(end, &mut self.out));
        for gap in self.plan.gaps(self.damaged, self.losses.finish()) {
            self.out.keep(|output| output.note(&gap));
        }
        self.out.keep(Behind::part);
        self.out.reached = self.out.reached.max(end);
        if let Some(left) = left {
            self.out.keep(|output| output.note(&left));
            self.pairs.show_open(&mut Open(&mut self.out));
            self.out.hold(self.pairs.failure());
        } else {
            let failure = self.pairs.finish(&mut self.out);
            self.out.hold(failure);
        }
        let Out { output, done, .. } = self.out;
        match done {
            Ok(()) => output.finish(end),
            Err(error) => Err(output.why(error)),
        }
    }
}

impl<O: Output> Sink for Stream<'_, O> {
    type Stop = anyhow::Error;

    fn begin(&mut self, path: &Path, file: &Version<'_>) -> ControlFlow<anyhow::Error> {
        let number = self.next;
        self.out.keep(|output| output.source(number));
        self.next += 1;
        self.report.file(file);
        self.losses.begin(file);
        self.begin_output(file);
        self.is_squeezed = file.content() == Content::Flows;
        if let Version::Three(segment) = file {
            if let Some(broken) = self.chain.follow(path, segment) {
                self.report.line(format_args!("{}: {broken}", Shown(path)));
                self.missing |= !matches!(broken, Broken::Missing { .. });
            }
            if segment.footer().is_none() {
                self.report.line(format_args!("{}: no footer: cut off, or still being written", Shown(path)));
            }
        }
        // A file that says nothing of that tells from its begin on.
        self.unbegun &= number == 0 && file.header().is_some_and(|header| header.segment_number == 0);
        self.pairs.begin(file, &mut self.out);
        self.out.forget_found();
        // What is missing up to here ends where this file begins.
        if self.missing {
            self.reach(file.begun());
        }
        self.out.reached = file.begun();
        self.out.flow()
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.unbegun = false;
        self.reach(record.event_time());
        self.out.found(record);
        self.pairs.ipv4(record, counters, &mut self.out);
        self.flow()
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.unbegun = false;
        self.reach(record.event_time());
        self.out.found(record);
        self.pairs.ipv6(record, counters, &mut self.out);
        self.flow()
    }

    fn note(&mut self, path: &Path, note: &Note) -> ControlFlow<anyhow::Error> {
        if note.cause() == Some(Cause::Started) && std::mem::take(&mut self.unbegun) {
            self.out.keep(|output| output.begin_at(note.from.get()));
        }
        self.losses.note(note);
        let told = self.pairs.note(note, &mut self.out);
        match note.cause() {
            Some(Cause::TableRead) => self.reading(note, &told),
            // What this output leaves open it says itself, and what the recorder removed is no matter of what was made of the rest.
            Some(Cause::LeftOpen | Cause::Retired | Cause::Kept) => {}
            _ => self.out.keep(|output| output.note(&told)),
        }
        if !self.has_notes {
            self.report.gap(path, note);
        }
        self.out.flow()
    }

    fn damage(&mut self, path: &Path, damage: &Damage) -> ControlFlow<anyhow::Error> {
        self.report.damage(path, damage);
        self.pairs.damage(damage);
        self.out.forget_found();
        let what = format!("{}: {damage}", Shown(Path::new(path.file_name().unwrap_or_default())));
        self.out.keep(|output| output.damage(&what, damage.records_lost.unwrap_or(0)));
        let file = self.next.checked_sub(1).and_then(|place| self.journal.files().get(place));
        if let Some(arrived) = self.losses.damage(file, damage) {
            self.damaged.push((arrived, damage.records_lost));
        }
        ControlFlow::Continue(())
    }

    fn error(&mut self, error: Error) -> ControlFlow<anyhow::Error> {
        self.next += 1;
        self.out.keep(|output| output.damage(&error.to_string(), 0));
        self.report.failure(error);
        // Nobody knows what is in it.
        self.missing = true;
        ControlFlow::Continue(())
    }

    fn passed(&mut self, bytes: u64) {
        self.report.passed(bytes);
    }
}
