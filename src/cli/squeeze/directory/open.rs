//! What an output left open, which the next one goes on with.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use ctrecorder_format::block::flags;
use ctrecorder_format::{
    Address, BlockKind, Cause, Counters, Damage, DirectoryEntry, Head, Kind, Note, Record, V4, V6,
};

use crate::cli::flows::{Begun, Nowhere};
use crate::counted::{are, counted};
use crate::journal::{Error, Journal, OpenRecords, Scan, Select, SetBacks, Shown, Sink, Version, last_uptime};
use crate::query::coverage::Span;

/// Begins with what is known behind an output. Returns up to when that tells, in ns since the epoch.
pub(super) fn left_by(output: &Path, threads: NonZeroUsize, begun: &mut Begun) -> anyhow::Result<u64> {
    read(output, threads, begun).with_context(|| format!("{}, with which it goes on", Shown(output)))
}

fn read(output: &Path, threads: NonZeroUsize, begun: &mut Begun) -> anyhow::Result<u64> {
    let mut reading = Reading { begun, end: 0, said: 0, count: 0, readings: Vec::new(), found: HashSet::new() };
    let mut failed = None;
    let journal = Journal::find(&[output.to_path_buf()], |error| failed = Some(error));
    if let Some(error) = failed {
        bail!(error);
    }
    let mut scan = Scan::new(OpenFlows, OpenRecords::All).with_threads(threads);
    if let ControlFlow::Break(error) = scan.run(&journal, &mut reading) {
        return Err(error);
    }
    if reading.count != reading.said {
        bail!(
            "it is not whole: it tells of {}, and there {} {}",
            counted(reading.said, "open flow"),
            are(reading.count),
            reading.count
        );
    }
    let Reading { begun, end, readings, found, .. } = reading;
    begun.readings = readings.into_iter().filter(|reading| found.contains(&reading.to.get())).collect();
    Ok(end)
}

/// Blocks of open records, which hold nothing else.
struct OpenFlows;

impl Select for OpenFlows {
    fn rules_out(&self, head: &Head<'_>) -> bool {
        matches!(head.header.kind(), Some(BlockKind::Ipv4 | BlockKind::Ipv6)) && !head.header.has(flags::OPEN)
    }

    fn rules_out_entry(&self, entry: &DirectoryEntry) -> bool {
        entry.flags & flags::OPEN == 0
    }

    fn matches<A: Address>(&self, record: &Record<A>) -> bool {
        record.kind() == Some(Kind::Open)
    }
}

struct Reading<'b> {
    begun: &'b mut Begun,
    /// Up to when the output tells.
    end: u64,
    /// How many open flows it says it has, and how many there are.
    said: u64,
    count: u64,
    /// Its notes of readings of the kernel's table, and when flows were found by some that are open.
    readings: Vec<Note>,
    found: HashSet<u64>,
}

impl Reading<'_> {
    fn open<A: Address>(&mut self, record: &Record<A>) {
        self.count += 1;
        if record.began_earlier() {
            self.found.insert(record.start.get());
        }
    }
}

impl Sink for Reading<'_> {
    type Stop = anyhow::Error;

    fn begin(&mut self, _path: &Path, file: &Version<'_>) -> ControlFlow<anyhow::Error> {
        self.begun.pairs.begin(file, &mut Nowhere);
        let Version::Three(segment) = file else { return ControlFlow::Break(anyhow!("it is of version 2")) };
        let Some(footer) = segment.footer() else { return ControlFlow::Break(anyhow!("it has no footer")) };
        (self.end, self.said) = (footer.totals.closed, footer.totals.opens);
        self.begun.set_backs = SetBacks::after(self.end, last_uptime(segment));
        ControlFlow::Continue(())
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.begun.pairs.ipv4(record, counters, &mut Nowhere);
        self.open(record);
        ControlFlow::Continue(())
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.begun.pairs.ipv6(record, counters, &mut Nowhere);
        self.open(record);
        ControlFlow::Continue(())
    }

    fn note(&mut self, _path: &Path, note: &Note) -> ControlFlow<anyhow::Error> {
        match note.cause() {
            Some(Cause::LeftOpen) => self.begun.pairs.go_on(note),
            Some(Cause::TableRead) => self.readings.push(*note),
            // What was not over at its end goes on.
            Some(Cause::Damaged) if note.to.get() == self.end => {
                self.begun.lost.push(Span { from: note.from.get(), to: u64::MAX });
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn damage(&mut self, _path: &Path, _file: &Version<'_>, damage: &Damage) -> ControlFlow<anyhow::Error> {
        ControlFlow::Break(anyhow!("{damage}"))
    }

    fn error(&mut self, error: Error) -> ControlFlow<anyhow::Error> {
        ControlFlow::Break(error.into())
    }

    fn passed(&mut self, _bytes: u64) {}
}
