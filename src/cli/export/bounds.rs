//! What the readings of the kernel's table say of the flows that refer to them: columns of rows.

use std::collections::HashMap;

use ctrecorder_format::record::flags::END_AT_LATEST;
use ctrecorder_format::{Address, Cause, Counters, Note, Record};

use crate::archive::Flow;
use crate::query::Steps;

/// When each reading began, by when it was at its end, ns since the epoch.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    readings: HashMap<u64, Since>,
    steps: Steps,
}

/// The first and the last moment at which a reading with this end began. One that found ends of an earlier run of the recorder
/// goes back to where that run had ended, which says nothing of the starts that it found.
#[derive(Clone, Copy, Debug)]
struct Since {
    least: u64,
    greatest: u64,
}

impl Bounds {
    /// Takes a note of the journal.
    pub(super) fn note(&mut self, note: &Note) {
        match note.cause() {
            Some(Cause::TableRead) => {
                let from = note.from.get();
                let since = self.readings.entry(note.to.get()).or_insert(Since { least: from, greatest: from });
                (since.least, since.greatest) = (since.least.min(from), since.greatest.max(from));
                if note.from < note.to {
                    self.steps.tell_until(note.to.get(), &[]);
                }
            }
            Some(Cause::ClockStep) => self.steps.add(note),
            _ => {}
        }
    }

    /// A flow with what is known of its times.
    pub(super) fn of<A: Address>(&self, record: &Record<A>, counters: &Counters) -> Flow<A> {
        let reading = |to, applies: bool| self.readings.get(&to).filter(|_| applies);
        let start = record.start.get();
        let found = reading(start, record.began_earlier());
        // Where the clock showed its moment at several times, several readings may have been at their ends then.
        let may_be_several = |since: &Since| since.greatest == start || !self.steps.is_once(start);
        let gone = reading(record.end.get(), record.flags & END_AT_LATEST != 0);
        Flow {
            record: *record,
            counters: (*counters != Counters::default()).then_some(*counters),
            start_after: found.map_or(0, |since| if may_be_several(since) { since.least } else { since.greatest }),
            end_after: gone.map_or(0, |since| since.least),
        }
    }
}
