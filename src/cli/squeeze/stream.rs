//! From the records of a journal to the flows of an output.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ctrecorder_format::{Address, Cause, Content, Counters, Damage, Digest, Kind, Note, Record, V4, V6};

use super::behind::Behind;
use super::output::Output;
use super::plan::Plan;
use super::timeless::Timeless;
use crate::cli::Report;
use crate::journal::{Broken, Chain, Error, Journal, Shown, Sink, Version};
use crate::query::coverage::Span;
use crate::query::{Filter, FlowSink, Losses, Pairs};

/// Where the flows go.
struct Out {
    output: Behind,
    /// Whether that holds notes.
    has_notes: bool,
    /// Which flows are wanted; `None`: all.
    filter: Option<Filter>,
    /// What an output without notes, of version 2, has no place for.
    timeless: Timeless,
    /// The time of the last record of the present file, or of its begin, in ns since the epoch.
    reached: u64,
    /// Whether something failed.
    done: anyhow::Result<()>,
}

impl Out {
    /// Does the next step unless one before it failed.
    fn keep(&mut self, step: impl FnOnce(&mut Behind) -> anyhow::Result<()>) {
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
}

impl FlowSink for Out {
    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters) {
        let reached = self.reached;
        if !self.filter.as_ref().is_none_or(|filter| filter.matches(flow)) {
            return;
        }
        if !self.has_notes && Timeless::is(flow) {
            return self.timeless.leave_out(flow);
        }
        self.keep(|output| output.ipv4(flow, counters, reached));
    }

    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters) {
        let reached = self.reached;
        if self.filter.as_ref().is_none_or(|filter| filter.matches(flow)) {
            self.keep(|output| output.ipv6(flow, counters, reached));
        }
    }
}

/// Pairs what comes in, and writes the flows.
pub(super) struct Stream<'r> {
    /// What the output is called.
    path: PathBuf,
    out: Out,
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
    /// The output ends with the flows that are open; else they are half flows of it.
    leaves_open: bool,
    /// When flows were found in the kernel's table: before which moment none of them began, the next note of a reading tells.
    found: BTreeSet<u64>,
    /// The file that is read is squeezed.
    is_squeezed: bool,
}

/// What becomes of the flows that are open at the end of an output.
#[derive(Debug)]
pub(super) enum Ending {
    /// They are half flows of it. It begins with none.
    HalfFlows(Pairs),
    /// They are told as open; and so many were when it was begun.
    Open(Begun),
}

/// What is known when an output is begun that goes on with another one.
#[derive(Debug)]
pub(super) struct Begun {
    /// The flows that are open.
    pub(super) pairs: Pairs,
    /// When flows may have been alive that only lost records told of; up to now no reading of the kernel's table ended that.
    pub(super) lost: Vec<Span>,
    /// The notes of the readings that found some of them.
    pub(super) readings: Vec<Note>,
}

/// Where open flows go, whatever flows are wanted: none of them is known as a whole.
struct Open<'o>(&'o mut Out);

impl FlowSink for Open<'_> {
    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters) {
        let reached = self.0.reached;
        self.0.keep(|output| output.ipv4(flow, counters, reached));
    }

    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters) {
        let reached = self.0.reached;
        self.0.keep(|output| output.ipv6(flow, counters, reached));
    }
}

impl<'r> Stream<'r> {
    /// The output tells from the begin of the first file on. A reader takes the first note that a recorder was started for
    /// that begin: where the first file has none of its own, that of a later one would stand in its place.
    fn begin_output(&mut self, first: &Version<'_>) {
        let tells = first.header().is_some();
        if !std::mem::replace(&mut self.begun, true) && !tells && self.out.has_notes {
            let started = Note::at(first.begun(), Cause::Started);
            self.out.keep(|output| output.note(&started));
        }
    }

    /// A stream of what a journal holds.
    pub(super) fn start(
        output: Output,
        plan: Plan,
        filter: Filter,
        journal: &'r Journal,
        ending: Ending,
        report: &'r mut Report,
    ) -> anyhow::Result<Self> {
        let (path, has_notes) = (output.path().to_owned(), output.has_notes());
        let (mut output, timeless) = (Behind::start(output)?, Timeless::default());
        let filter = (filter != Filter::default()).then_some(filter);
        let leaves_open = matches!(ending, Ending::Open(_));
        let Begun { pairs, lost, readings } = match ending {
            Ending::HalfFlows(pairs) => Begun { pairs, lost: Vec::new(), readings: Vec::new() },
            Ending::Open(begun) => begun,
        };
        for reading in readings {
            output.reading(&reading)?;
        }
        let out = Out { output, has_notes, filter, timeless, reached: 0, done: Ok(()) };
        Ok(Self {
            path,
            out,
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
            leaves_open,
            found: BTreeSet::new(),
            is_squeezed: false,
        })
    }

    /// Why the stream ended before its end.
    pub(super) fn why(self, error: anyhow::Error) -> anyhow::Error {
        self.out.output.why(error)
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

    /// Remembers when a flow was found, if it was.
    fn found<A: Address>(&mut self, record: &Record<A>) {
        if record.kind() == Some(Kind::Start) && record.began_earlier() {
            self.found.insert(record.start.get());
        }
    }

    /// Takes what the notes of readings say of flows that refer to them: `told` is what this one tells of those that left.
    fn reading(&mut self, note: &Note, told: &Note) {
        for found in std::mem::take(&mut self.found) {
            let mut bound = *note;
            bound.to = found.max(note.from.get()).into();
            self.out.keep(|output| output.reading(&bound));
        }
        // Of a file that is squeezed, all the readings that are left are those that flows refer to.
        let is_bound = self.is_squeezed;
        self.out.keep(|output| if is_bound { output.reading(told) } else { output.note(told) });
    }

    /// Writes the flows that have no end, and ends the output; its digest is returned, if it has one.
    pub(super) fn finish(mut self) -> anyhow::Result<Option<Digest>> {
        self.reach(self.out.reached);
        self.pairs.settle(&mut self.out);
        let end = self.plan.end();
        let left = self.leaves_open.then(|| self.pairs.leave(end, &mut self.out));
        for gap in self.plan.gaps(self.damaged, self.losses.finish()) {
            self.out.keep(|output| output.note(&gap));
        }
        self.out.keep(Behind::part);
        if let Some(left) = left {
            self.out.keep(|output| output.note(&left));
            self.out.reached = end;
            self.pairs.show_open(&mut Open(&mut self.out));
            self.out.hold(self.pairs.failure());
        } else {
            let failure = self.pairs.finish(&mut self.out);
            self.out.hold(failure);
        }
        let Out { output, timeless, done, .. } = self.out;
        let digest = match done {
            Ok(()) => output.finish(end)?,
            Err(error) => return Err(output.why(error)),
        };
        timeless.tell(&self.path, self.report);
        Ok(digest)
    }
}

impl Sink for Stream<'_> {
    type Stop = anyhow::Error;

    fn begin(&mut self, path: &Path, file: &Version<'_>) -> ControlFlow<anyhow::Error> {
        self.next += 1;
        self.report.file(file);
        self.losses.begin(file);
        self.begin_output(file);
        self.found.clear();
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
        self.pairs.begin(file, &mut self.out);
        // What is missing up to here ends where this file begins.
        if self.missing {
            self.reach(file.begun());
        }
        self.out.reached = file.begun();
        self.out.flow()
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.reach(record.event_time());
        self.found(record);
        self.pairs.ipv4(record, counters, &mut self.out);
        self.flow()
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.reach(record.event_time());
        self.found(record);
        self.pairs.ipv6(record, counters, &mut self.out);
        self.flow()
    }

    fn note(&mut self, path: &Path, note: &Note) -> ControlFlow<anyhow::Error> {
        self.losses.note(note);
        let told = self.pairs.note(note, &mut self.out);
        match note.cause() {
            Some(Cause::TableRead) => self.reading(note, &told),
            // What this output leaves open it says itself, and what the recorder removed is no matter of what was made of the rest.
            Some(Cause::LeftOpen | Cause::Retired | Cause::Kept) => {}
            _ => self.out.keep(|output| output.note(&told)),
        }
        if !self.out.has_notes {
            self.report.gap(path, note);
        }
        self.out.flow()
    }

    fn damage(&mut self, path: &Path, damage: &Damage) -> ControlFlow<anyhow::Error> {
        self.report.damage(path, damage);
        self.pairs.damage(damage);
        // Which reading found them is not known any more.
        self.found.clear();
        let file = self.next.checked_sub(1).and_then(|place| self.journal.files().get(place));
        if let Some(arrived) = self.losses.damage(file, damage) {
            self.damaged.push((arrived, damage.records_lost));
        }
        ControlFlow::Continue(())
    }

    fn error(&mut self, error: Error) -> ControlFlow<anyhow::Error> {
        self.next += 1;
        self.report.failure(error);
        // Nobody knows what is in it.
        self.missing = true;
        ControlFlow::Continue(())
    }

    fn passed(&mut self, bytes: u64) {
        self.report.passed(bytes);
    }
}
