//! What is known of ends that were not heard.

use std::collections::VecDeque;

use ctrecorder_format::record::flags::END_AT_LATEST;
use ctrecorder_format::{Address, Cause, Note, Record};

/// So many readings of the kernel's table are remembered. The ends that one found stand right behind it.
pub(super) const READINGS: usize = 16;

/// The last readings of the kernel's table: when each began and was at its end, ns since the epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Readings(VecDeque<(u64, u64)>);

/// When a flow ended whose end was not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Between this moment, in ns since the epoch, and the record's end.
    After(u64),
    /// At some time before the record's end.
    Earlier,
}

impl Readings {
    /// Takes a note of the journal: one that the kernel's table was read tells of ends that were not heard.
    pub(super) fn note(&mut self, note: &Note) {
        if note.cause() == Some(Cause::TableRead) {
            self.0.truncate(READINGS - 1);
            self.0.push_front((note.from.get(), note.to.get()));
        }
    }

    /// What is known of the end of a record if it was not heard (docs/format.md, "Record", flag 16); `None` if it was, or
    /// is none.
    pub(super) fn ended<A: Address>(&self, record: &Record<A>) -> Option<Ended> {
        let end = record.end.get();
        if record.flags & END_AT_LATEST == 0 || end == 0 {
            return None;
        }
        let reading = self.0.iter().find(|(_, to)| *to == end);
        Some(reading.map_or(Ended::Earlier, |(from, _)| Ended::After(*from)))
    }
}
