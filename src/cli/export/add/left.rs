//! The flows that earlier exports left open, with which the next one goes on.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ctrecorder_format::{Cause, Counters, Damage, Note, Record, V4, V6, digest_of};

use crate::cli::flows::{Begun, Choice, Nowhere};
use crate::journal::{Error, Journal, OpenRecords, Scan, Shown, Sink, Version};
use crate::output::header::hex;
use crate::query::Filter;

/// As what export the file goes that has the open flows of one: not as one of its numbered files, for it is removed one day.
pub(in crate::cli::export) fn export_of_open(export: &str) -> String {
    hex(digest_of(format!("{export} open").as_bytes()).get(..16).unwrap_or_default())
}

/// Begins with the flows in these files.
pub(super) fn begin(files: &[PathBuf], begun: &mut Begun, threads: NonZeroUsize) -> anyhow::Result<()> {
    for path in files {
        let journal = Journal::find(std::slice::from_ref(path), |_| ());
        let choice = Choice::of_flows(Filter::default());
        let mut scan = Scan::new(&choice, OpenRecords::All).with_threads(threads);
        if let ControlFlow::Break(error) = scan.run(&journal, &mut Left(begun)) {
            return Err(error).with_context(|| format!("{}, with which it goes on", Shown(path)));
        }
    }
    Ok(())
}

/// Takes the flows that were left open.
struct Left<'b>(&'b mut Begun);

impl Sink for Left<'_> {
    type Stop = anyhow::Error;

    fn begin(&mut self, _path: &Path, file: &Version<'_>) -> ControlFlow<anyhow::Error> {
        self.0.pairs.begin(file, &mut Nowhere);
        ControlFlow::Continue(())
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.0.pairs.ipv4(record, counters, &mut Nowhere);
        ControlFlow::Continue(())
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.0.pairs.ipv6(record, counters, &mut Nowhere);
        ControlFlow::Continue(())
    }

    /// Which reading found a flow, it has to be told again.
    fn note(&mut self, _path: &Path, note: &Note) -> ControlFlow<anyhow::Error> {
        match note.cause() {
            Some(Cause::TableRead) => self.0.readings.push(*note),
            Some(Cause::LeftOpen) => {
                self.0.pairs.note(note, &mut Nowhere);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn damage(&mut self, _path: &Path, _file: &Version<'_>, damage: &Damage) -> ControlFlow<anyhow::Error> {
        ControlFlow::Break(anyhow::anyhow!("{damage}"))
    }

    fn error(&mut self, error: Error) -> ControlFlow<anyhow::Error> {
        ControlFlow::Break(error.into())
    }

    fn passed(&mut self, _bytes: u64) {}
}
