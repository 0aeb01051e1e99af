//! From the records of a journal to the flows of an export.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use ctrecorder_format::record::flags::END_AT_LATEST;
use ctrecorder_format::{Address, Cause, Counters, Damage, Note, Record, V4, V6};

use super::behind::{Behind, Step};
use super::parts::Parts;
use super::sources::Sources;
use crate::archive::{Flow, SourceFile};
use crate::cli::Report;
use crate::cli::squeeze::Plan;
use crate::journal::{Broken, Chain, Error, Journal, Shown, Sink, Version};
use crate::query::coverage::Span;
use crate::query::{Filter, FlowSink, Losses, Pairs};

/// Where the flows go.
struct Out {
    to: Behind,
    /// Which flows are wanted.
    filter: Filter,
    /// When each reading of the kernel's table began, by when it was at its end, ns since the epoch.
    readings: HashMap<u64, u64>,
    /// The time of the last record of the present file, or of its begin, in ns since the epoch.
    reached: u64,
    /// Whether something failed.
    done: anyhow::Result<()>,
}

impl Out {
    /// Does the next step unless one before it failed.
    fn step(&mut self, step: Step) {
        if self.done.is_ok() {
            self.done = self.to.step(step);
        }
    }

    /// Whether to go on.
    fn flow(&mut self) -> ControlFlow<anyhow::Error> {
        match std::mem::replace(&mut self.done, Ok(())) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    /// A note, which tells of flows where it is one of a reading of the kernel's table. That nothing happened says nothing
    /// here, nor what the recorder removed.
    fn note(&mut self, note: &Note) {
        match note.cause() {
            Some(Cause::TableRead) => {
                let (from, to) = (note.from.get(), note.to.get());
                self.readings.entry(to).and_modify(|known| *known = from.min(*known)).or_insert(from);
            }
            Some(Cause::Quiet | Cause::Retired | Cause::Kept) => {}
            _ => self.step(Step::Note(*note)),
        }
    }

    fn with_bounds<A: Address>(&self, record: &Record<A>, counters: &Counters) -> Flow<A> {
        let reading = |to, applies: bool| self.readings.get(&to).copied().filter(|_| applies).unwrap_or(0);
        Flow {
            record: *record,
            counters: (*counters != Counters::default()).then_some(*counters),
            start_after: reading(record.start.get(), record.began_earlier()),
            end_after: reading(record.end.get(), record.flags & END_AT_LATEST != 0),
        }
    }
}

impl FlowSink for Out {
    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters) {
        if self.filter.matches(flow) {
            self.step(Step::Ipv4(self.with_bounds(flow, counters), self.reached));
        }
    }

    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters) {
        if self.filter.matches(flow) {
            self.step(Step::Ipv6(self.with_bounds(flow, counters), self.reached));
        }
    }
}

/// Pairs what comes in, and hands the flows on.
pub(super) struct Stream<'r> {
    out: Out,
    pairs: Pairs,
    report: &'r mut Report,
    journal: &'r Journal,
    sources: &'r Sources,
    /// Number of the file that comes next.
    next: usize,
    /// A file is missing here: a gap that ends with the next one. What the heads of blocks tell is in the plan.
    missing: bool,
    /// When records arrived that could not be read, and their number where it is known; the heads of their blocks are whole.
    damaged: Vec<(Span, Option<u64>)>,
    losses: Losses,
    plan: Plan,
    chain: Chain,
    /// Neither a record nor the note that a recorder was started has come.
    unbegun: bool,
}

impl<'r> Stream<'r> {
    pub(super) fn start(
        parts: Parts,
        plan: Plan,
        filter: Filter,
        journal: &'r Journal,
        sources: &'r Sources,
        report: &'r mut Report,
    ) -> anyhow::Result<Self> {
        let to = Behind::start(parts)?;
        let out = Out { to, filter, readings: HashMap::new(), reached: 0, done: Ok(()) };
        Ok(Self {
            out,
            pairs: Pairs::new(),
            report,
            journal,
            sources,
            next: 0,
            missing: false,
            damaged: Vec::new(),
            losses: Losses::default(),
            plan,
            chain: Chain::default(),
            unbegun: true,
        })
    }

    /// Why the stream ended before its end. What it wrote is gone.
    pub(super) fn why(self, error: anyhow::Error) -> anyhow::Error {
        self.out.to.why(error)
    }

    /// Notes that a record of this time comes next.
    fn reach(&mut self, time: u64) {
        let reached = self.out.reached;
        if std::mem::take(&mut self.missing) {
            self.pairs.settle(&mut self.out);
            let gap = Note::gap(reached, time.max(reached), Note::LOST_UNKNOWN, Cause::Damaged);
            self.out.step(Step::Note(gap));
        }
        self.out.reached = reached.max(time);
    }

    /// Hands on the flows that have no end, and ends the files.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.reach(self.out.reached);
        self.pairs.settle(&mut self.out);
        self.out.reached = self.out.reached.max(self.plan.end());
        for gap in self.plan.gaps(self.damaged, self.losses.finish()) {
            self.out.step(Step::Note(gap));
        }
        self.pairs.finish(&mut self.out);
        let Out { to, done, .. } = self.out;
        match done {
            Ok(()) => to.finish(),
            Err(error) => Err(to.why(error)),
        }
    }

    /// The file that begins, as what it tells of itself in the export.
    fn source(&self) -> Option<SourceFile> {
        let source = self.sources.get(self.next)?;
        let (name, digest) = (source.name.clone(), source.digest.clone());
        Some(SourceFile { name, digest, length: source.length, segment: source.segment })
    }
}

impl Sink for Stream<'_> {
    type Stop = anyhow::Error;

    fn begin(&mut self, path: &Path, file: &Version<'_>) -> ControlFlow<anyhow::Error> {
        if let Some(source) = self.source() {
            self.out.step(Step::Source(Box::new(source)));
        }
        self.next += 1;
        self.report.file(file);
        self.losses.begin(file);
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
        self.unbegun &= self.next == 1 && file.header().is_some_and(|header| header.segment_number == 0);
        self.pairs.begin(file, &mut self.out);
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
        self.pairs.ipv4(record, counters, &mut self.out);
        self.out.flow()
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.unbegun = false;
        self.reach(record.event_time());
        self.pairs.ipv6(record, counters, &mut self.out);
        self.out.flow()
    }

    fn note(&mut self, _path: &Path, note: &Note) -> ControlFlow<anyhow::Error> {
        if note.cause() == Some(Cause::Started) && std::mem::take(&mut self.unbegun) {
            self.out.step(Step::BeginAt(note.from.get()));
        }
        self.losses.note(note);
        let told = self.pairs.note(note, &mut self.out);
        self.out.note(&told);
        self.out.flow()
    }

    fn damage(&mut self, path: &Path, damage: &Damage) -> ControlFlow<anyhow::Error> {
        self.report.damage(path, damage);
        self.pairs.damage(damage);
        let what = format!("{}: {damage}", Shown(Path::new(path.file_name().unwrap_or_default())));
        self.out.step(Step::Damage(what.into(), damage.records_lost.unwrap_or(0)));
        let file = self.next.checked_sub(1).and_then(|place| self.journal.files().get(place));
        if let Some(arrived) = self.losses.damage(file, damage) {
            self.damaged.push((arrived, damage.records_lost));
        }
        ControlFlow::Continue(())
    }

    fn error(&mut self, error: Error) -> ControlFlow<anyhow::Error> {
        self.next += 1;
        self.out.step(Step::Damage(error.to_string().into(), 0));
        self.report.failure(error);
        // Nobody knows what is in it.
        self.missing = true;
        ControlFlow::Continue(())
    }

    fn passed(&mut self, bytes: u64) {
        self.report.passed(bytes);
    }
}
