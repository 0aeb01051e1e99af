//! Flows on their way to the output: which of them are wanted, and which wait for a note.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use anyhow::Context;
use ctrecorder_format::{Address, Counters, Kind, Note, Record, V4, V6};

use super::behind::Behind;
use super::choice::Choice;
use super::output::Output;
use crate::query::{Filter, FlowSink, may_go_on};

/// Where the flows go.
pub(super) struct Out<O> {
    pub(super) output: Behind<O>,
    /// Which flows are wanted; `None`: all.
    filter: Option<Filter>,
    /// When flows were found in the kernel's table: before which moment none of them began, the next note of a reading tells.
    found: BTreeSet<u64>,
    /// Flows of these that ended before that note: they wait for it.
    waiting: Vec<Waiting>,
    /// The time of the last record of the present file, or of its begin, in ns since the epoch.
    pub(super) reached: u64,
    /// Whether something failed.
    pub(super) done: anyhow::Result<()>,
}

/// A flow that waits, with what was counted of it, and the time up to which the journal was read when it ended.
enum Waiting {
    Ipv4(Record<V4>, Counters, u64),
    Ipv6(Record<V6>, Counters, u64),
}

impl<O: Output> Out<O> {
    /// The flows that are chosen, on their way to an output.
    pub(super) fn new(output: Behind<O>, choice: &Choice) -> Self {
        let (found, waiting) = (BTreeSet::new(), Vec::new());
        Self { output, filter: choice.of_paired(), found, waiting, reached: 0, done: Ok(()) }
    }

    /// Does the next step unless one before it failed.
    pub(super) fn keep(&mut self, step: impl FnOnce(&mut Behind<O>) -> anyhow::Result<()>) {
        if self.done.is_ok() {
            self.done = step(&mut self.output);
        }
    }

    /// Fails if what is known of open flows could not be kept.
    pub(super) fn hold(&mut self, failure: Option<std::io::Error>) {
        if let Some(error) = failure {
            self.keep(|_| Err(error).context("what is known of open flows cannot be kept (--memory)"));
        }
    }

    /// Whether to go on.
    pub(super) fn flow(&mut self) -> ControlFlow<anyhow::Error> {
        match std::mem::replace(&mut self.done, Ok(())) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    /// Remembers when a flow was found, if it was.
    pub(super) fn found<A: Address>(&mut self, record: &Record<A>) {
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
    pub(super) fn bound(&mut self, note: &Note) {
        for found in std::mem::take(&mut self.found) {
            let mut bound = *note;
            bound.to = found.max(note.from.get()).into();
            self.keep(|output| output.reading(&bound));
        }
        self.let_go();
    }

    /// Which reading found the flows that were found up to now will not be known any more.
    pub(super) fn forget_found(&mut self) {
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

/// Where open flows go, whatever flows are wanted: none of them is known as a whole.
pub(super) struct Open<'o, O>(pub(super) &'o mut Out<O>);

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

/// Where the flows go that are left when a journal is at its end, for whoever goes on with these: of one that may go on, nobody knows
/// yet whether it is wanted.
pub(super) struct Left<'o, O>(pub(super) &'o mut Out<O>);

impl<O: Output> FlowSink for Left<'_, O> {
    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters) {
        if may_go_on(flow) { Open(self.0).ipv4(flow, counters) } else { self.0.ipv4(flow, counters) }
    }

    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters) {
        if may_go_on(flow) { Open(self.0).ipv6(flow, counters) } else { self.0.ipv6(flow, counters) }
    }
}
