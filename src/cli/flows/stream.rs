//! From the records of a journal to the flows of an output.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::slice::from_ref;

use ctrecorder_format::{Address, Cause, Content, Counters, Damage, Note, Record, Retirement, V4, V6};

use super::behind::Behind;
use super::choice::Choice;
use super::first_read::FirstRead;
use super::out::{Left, Open, Out};
use super::output::Output;
use super::plan::Plan;
use crate::cli::Report;
use crate::journal::{Broken, Chain, Error, Journal, OpenRecords, Scan, SetBacks, Shown, Sink, Version};
use crate::query::coverage::{Gap, Span};
use crate::query::pair::Told;
use crate::query::{Losses, Pairs};

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
    /// Where records could not be read in blocks whose heads are whole.
    damaged: Vec<Gap>,
    losses: Losses,
    plan: Plan,
    chain: Chain,
    set_backs: SetBacks,
    first_read: FirstRead,
    /// The clock was set back.
    is_turned: bool,
    /// A file was begun already.
    begun: bool,
    /// Of the first file of a recorder, neither a record nor the note that it was started has come.
    unbegun: bool,
    /// What becomes of the flows that are open at the end.
    ends_with: EndsWith,
    /// The file that is read is squeezed.
    is_squeezed: bool,
}

/// What becomes of the flows that are open at the end of an output.
#[derive(Debug)]
pub(in crate::cli) enum Ending {
    /// They are half flows of it; and so many were when it was begun.
    HalfFlows(Begun),
    /// The same, and those that may go on are told whatever flows are wanted: whoever goes on with them asks once they are whole.
    Left(Begun),
    /// They are told as open; and so many were when it was begun.
    Open(Begun),
}

/// An [`Ending`] without what was open at the begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndsWith {
    HalfFlows,
    Left,
    Open,
}

impl Ending {
    fn split(self) -> (EndsWith, Begun) {
        match self {
            Self::HalfFlows(begun) => (EndsWith::HalfFlows, begun),
            Self::Left(begun) => (EndsWith::Left, begun),
            Self::Open(begun) => (EndsWith::Open, begun),
        }
    }
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
    /// Where the clock was set back unnoted.
    pub(in crate::cli) set_backs: SetBacks,
}

impl Begun {
    /// Behind nothing, with room for what will be open.
    pub(in crate::cli) fn with(pairs: Pairs) -> Self {
        Self { pairs, lost: Vec::new(), readings: Vec::new(), set_backs: SetBacks::new() }
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
        let (ends_with, begun) = ending.split();
        let Begun { pairs, lost, readings, set_backs } = begun;
        for reading in readings {
            output.reading(&reading)?;
        }
        Ok(Self {
            out: Out::new(output, choice),
            has_notes,
            pairs,
            report,
            journal,
            next: 0,
            missing: false,
            damaged: Vec::new(),
            losses: Losses::after(plan.host(), lost),
            first_read: FirstRead::of(plan.header()),
            plan,
            chain: Chain::default(),
            set_backs,
            is_turned: false,
            begun: false,
            unbegun: true,
            ends_with,
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

    /// Pairs records that follow each other.
    fn records<A: Address>(
        &mut self,
        records: &[Record<A>],
        counters: &[Counters],
        mut pair: impl FnMut(&mut Pairs, &Record<A>, Option<&Counters>, &mut Out<O>),
    ) -> ControlFlow<anyhow::Error> {
        self.unbegun = false;
        self.reach(records.first().map_or(0, Record::event_time));
        let mut counters = counters.iter();
        for record in records {
            self.out.reached = self.out.reached.max(record.event_time());
            self.out.found(record);
            pair(&mut self.pairs, record, counters.next(), &mut self.out);
        }
        self.flow()
    }

    /// Tells of the first reading of all, if there is something to tell.
    fn tell(&mut self, first_read: Option<Note>) {
        if let Some(note) = first_read {
            self.out.keep(|output| output.note(&note));
        }
    }

    /// Takes what the note of a reading says: `told` is what it tells of the flows that left.
    fn reading(&mut self, note: &Note, told: &Told) {
        self.out.bound(if told.is_of_starts { &told.note } else { note });
        // Of a file that is squeezed, all the readings that are left are those that flows refer to.
        let is_bound = self.is_squeezed || told.is_of_starts;
        self.out.keep(|output| if is_bound { output.reading(&told.note) } else { output.note(&told.note) });
    }

    /// Hands on the flows that have no end, and ends the output.
    fn finish(mut self) -> anyhow::Result<O::Made> {
        self.reach(self.out.reached);
        self.pairs.settle(&mut self.out);
        self.out.forget_found();
        let first_read = self.first_read.end();
        self.tell(first_read);
        let end = self.plan.end();
        let goes_on = self.ends_with == EndsWith::Open;
        let left = if goes_on { self.pairs.leave(end, &mut self.out) } else { self.pairs.left(end) };
        for gap in self.plan.gaps(self.damaged, self.losses.finish(), self.is_turned) {
            self.out.keep(|output| output.note(&gap));
        }
        self.out.keep(|output| output.part(&left));
        self.out.reached = self.out.reached.max(end);
        if goes_on {
            self.out.keep(|output| output.note(&left));
            self.pairs.show_open(&mut Open(&mut self.out));
            self.out.hold(self.pairs.failure());
        } else {
            let failure = match self.ends_with {
                EndsWith::Left => self.pairs.finish(&mut Left(&mut self.out)),
                EndsWith::HalfFlows | EndsWith::Open => self.pairs.finish(&mut self.out),
            };
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
        let first_read = self.first_read.begin(file);
        self.tell(first_read);
        if let Some(set_back) = self.set_backs.follow(file) {
            self.is_turned = true;
            let note = set_back.note();
            self.pairs.clock_set_before(&note, &mut self.out);
            self.out.keep(|output| output.note(&note));
        }
        // What is missing up to here ends where this file begins.
        if self.missing {
            self.reach(file.begun());
        }
        self.out.reached = file.begun();
        self.out.flow()
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.all_ipv4(from_ref(record), counters.map_or(&[], from_ref))
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.all_ipv6(from_ref(record), counters.map_or(&[], from_ref))
    }

    fn all_ipv4(&mut self, records: &[Record<V4>], counters: &[Counters]) -> ControlFlow<anyhow::Error> {
        self.records(records, counters, |pairs, record, counters, out| pairs.ipv4(record, counters, out))
    }

    fn all_ipv6(&mut self, records: &[Record<V6>], counters: &[Counters]) -> ControlFlow<anyhow::Error> {
        self.records(records, counters, |pairs, record, counters, out| pairs.ipv6(record, counters, out))
    }

    fn note(&mut self, path: &Path, note: &Note) -> ControlFlow<anyhow::Error> {
        if note.cause() == Some(Cause::Started) && std::mem::take(&mut self.unbegun) {
            self.out.keep(|output| output.begin_at(note.from.get()));
        }
        self.losses.note(note);
        self.is_turned |= note.sets_back();
        let told = self.pairs.note(note, &mut self.out);
        match note.cause() {
            Some(Cause::TableRead) => self.reading(note, &told),
            Some(Cause::FirstRead) if told.note.cause() == Some(Cause::TableRead) => {
                self.out.keep(|output| output.note(&told.note))
            }
            Some(Cause::FirstRead) => {}
            // What this output leaves open, and what was recorded when, it says itself; what the recorder removed is no matter of what was
            // made of the rest, and the flows of a namespace that is gone have their ends.
            Some(Cause::LeftOpen | Cause::Recorded | Cause::NamespaceGone) => {}
            _ if Retirement::of(note).is_some() => {}
            _ => self.out.keep(|output| output.note(&told.note)),
        }
        let first_read = self.first_read.note(note);
        self.tell(first_read);
        if !self.has_notes {
            self.report.gap(path, note);
        }
        self.out.flow()
    }

    fn damage(&mut self, path: &Path, file: &Version<'_>, damage: &Damage) -> ControlFlow<anyhow::Error> {
        self.report.damage(path, file, damage);
        self.pairs.damage(damage);
        self.first_read.damage(damage);
        self.out.forget_found();
        let what = format!("{}: {damage}", Shown(Path::new(path.file_name().unwrap_or_default())));
        self.out.keep(|output| output.damage(&what, damage.records_lost.unwrap_or(0)));
        let number = self.next.saturating_sub(1);
        let file = self.journal.files().get(number);
        file.into_iter().for_each(|file| self.plan.is_damaged(number, file));
        self.damaged.extend(self.losses.damage(file, damage));
        ControlFlow::Continue(())
    }

    fn error(&mut self, error: Error) -> ControlFlow<anyhow::Error> {
        // The output says that it was made from what could be read when it was planned. Of many files one may be removed meanwhile.
        let may_be_gone = self.ends_with != EndsWith::Open && error.is_absent();
        if self.plan.has(&error.path) && !may_be_gone {
            return ControlFlow::Break(error.into());
        }
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
