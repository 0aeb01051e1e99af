//! What was lost, by cause, as the log tells it: in sum, and not too often.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ctrecorder_format::Note;

use crate::counted::counted;

/// Losses are logged no more often than this, in sum.
const LOSSES_LOGGED: Duration = Duration::from_secs(10);

/// Losses on their way to the log: the thread that counts them has no time for it.
#[derive(Default)]
pub(super) struct Losses {
    /// Events lost by cause; `None` for a cause that does not know.
    events: BTreeMap<&'static str, Option<u64>>,
    logged: Option<Instant>,
}

impl Losses {
    /// Takes the note of a gap; others lose nothing.
    pub(super) fn count(&mut self, note: &Note) {
        if let Some(cause) = note.cause().filter(|cause| cause.is_gap()) {
            let events = self.events.entry(cause.text()).or_insert(Some(0));
            *events = events.zip(note.lost()).map(|(events, more)| events.saturating_add(more));
        }
    }

    /// Logs what there is, unless it did so just now.
    pub(super) fn log(&mut self) {
        if self.logged.is_none_or(|logged| logged.elapsed() >= LOSSES_LOGGED) {
            self.log_now();
        }
    }

    /// Logs what there is.
    pub(super) fn log_now(&mut self) {
        for (cause, events) in std::mem::take(&mut self.events) {
            self.logged = Some(Instant::now());
            match events {
                Some(events) => tracing::warn!("{} lost: {cause}", counted(events, "event")),
                None => tracing::warn!("events may be lost, their number is not known yet: {cause}"),
            }
        }
    }
}
