//! From the records of a journal to the flows of an output.

use std::ops::ControlFlow;
use std::path::Path;

use ctrecorder_format::{Cause, Counters, Damage, Fault, Note, Record, V4, V6};

use super::output::Output;
use super::plan::Plan;
use crate::cli::Report;
use crate::journal::{Broken, Chain, Error, Shown, Sink, Version};
use crate::query::Pairing;

/// Pairs what comes in, and writes the flows.
pub(super) struct Stream<'r> {
    output: Output,
    report: &'r mut Report,
    ipv4: Pairing<V4>,
    ipv6: Pairing<V6>,
    /// The time of the last record of the present file, or of its begin, in ns since the epoch.
    reached: u64,
    /// Records are missing since then, and how many where that is known: a gap that ends with the next record. What is
    /// missing between blocks and between files is in the plan.
    missing: Option<Option<u64>>,
    plan: Plan,
    chain: Chain,
}

impl<'r> Stream<'r> {
    pub(super) fn new(output: Output, plan: Plan, report: &'r mut Report) -> Self {
        Self {
            output,
            report,
            ipv4: Pairing::new(),
            ipv6: Pairing::new(),
            reached: 0,
            missing: None,
            plan,
            chain: Chain::default(),
        }
    }

    /// Notes that a record of this time comes next.
    fn reach(&mut self, time: u64) -> anyhow::Result<()> {
        if let Some(lost) = self.missing.take() {
            let lost = lost.unwrap_or(Note::LOST_UNKNOWN);
            self.output.note(&Note::gap(self.reached, time.max(self.reached), lost, Cause::Damaged))?;
        }
        self.reached = self.reached.max(time);
        Ok(())
    }

    /// Notes that something is missing here.
    fn miss(&mut self, lost: Option<u64>) {
        let before = self.missing.unwrap_or(Some(0));
        self.missing = Some(before.zip(lost).map(|(before, more)| before.saturating_add(more)));
    }

    /// Writes the flows that have no end, and ends the output.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.reach(self.reached)?;
        let end = self.plan.end();
        for gap in self.plan.gaps() {
            self.output.note(&gap)?;
        }
        self.output.part();
        let reached = self.reached;
        let mut done = Ok(());
        self.ipv4.finish(&mut |flow, counters| keep(&mut done, || self.output.ipv4(&flow, &counters, reached)));
        self.ipv6.finish(&mut |flow, counters| keep(&mut done, || self.output.ipv6(&flow, &counters, reached)));
        done?;
        self.output.finish(end)
    }
}

impl Sink for Stream<'_> {
    type Stop = anyhow::Error;

    fn begin(&mut self, path: &Path, file: &Version<'_>) -> ControlFlow<anyhow::Error> {
        self.report.file(file);
        if let Version::Three(segment) = file {
            if let Some(broken) = self.chain.follow(path, segment) {
                self.report.line(format_args!("{}: {broken}", Shown(path)));
                if !matches!(broken, Broken::Missing { .. }) {
                    self.miss(None);
                }
            }
            if segment.footer().is_none() {
                self.report.line(format_args!("{}: no footer: cut off, or still being written", Shown(path)));
            }
        }
        // What is missing up to here ends where this file begins.
        let done = if self.missing.is_some() { self.reach(file.begun()) } else { Ok(()) };
        self.reached = file.begun();
        flow_of(done)
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        let mut done = self.reach(record.event_time());
        let reached = self.reached;
        let emit = &mut |flow, counters| keep(&mut done, || self.output.ipv4(&flow, &counters, reached));
        self.ipv4.push(record, counters, emit);
        flow_of(done)
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        let mut done = self.reach(record.event_time());
        let reached = self.reached;
        let emit = &mut |flow, counters| keep(&mut done, || self.output.ipv6(&flow, &counters, reached));
        self.ipv6.push(record, counters, emit);
        flow_of(done)
    }

    fn note(&mut self, path: &Path, note: &Note) -> ControlFlow<anyhow::Error> {
        let done = self.output.note(note).map(|kept| {
            if !kept {
                self.report.gap(path, note);
            }
        });
        flow_of(done)
    }

    fn damage(&mut self, path: &Path, damage: &Damage) -> ControlFlow<anyhow::Error> {
        self.report.damage(path, damage);
        if matches!(damage.fault, Fault::Payload { .. } | Fault::Contradiction { .. }) {
            self.miss(damage.records_lost);
        }
        ControlFlow::Continue(())
    }

    fn error(&mut self, error: Error) -> ControlFlow<anyhow::Error> {
        self.report.failure(error);
        // Nobody knows what is in it.
        self.miss(None);
        ControlFlow::Continue(())
    }

    fn passed(&mut self, bytes: u64) {
        self.report.passed(bytes);
    }
}

/// Does the next step unless one before it failed.
fn keep(done: &mut anyhow::Result<()>, step: impl FnOnce() -> anyhow::Result<()>) {
    if done.is_ok() {
        *done = step();
    }
}

fn flow_of(done: anyhow::Result<()>) -> ControlFlow<anyhow::Error> {
    match done {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}
