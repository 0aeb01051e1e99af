//! Says once a minute that nothing happened, so that after a crash the gap begins at most so long before it.

use ctrecorder_format::{Cause, Note};

use super::clock::SECOND;

/// After so many nanoseconds without a record or a note there is one.
const QUIET_NS: u64 = 60 * SECOND;

/// Watches how much was written.
#[derive(Debug)]
pub(super) struct Quiet<T> {
    written: T,
    /// When something was written last, or had been said to be nothing.
    since: u64,
}

impl<T: PartialEq> Quiet<T> {
    /// From `now` (ns since the epoch) on; `written` is any measure of what was, that changes with it.
    pub(super) const fn begin(written: T, now: u64) -> Self {
        Self { written, since: now }
    }

    /// The note that it is time for. To be asked about once a second.
    pub(super) fn note(&mut self, written: T, now: u64) -> Option<Note> {
        // A clock that was set back begins anew.
        if written != self.written || now < self.since {
            *self = Self::begin(written, now);
        }
        let from = self.since;
        (now - from >= QUIET_NS).then(|| {
            self.since = now;
            Note::gap(from, now, 0, Cause::Quiet)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(note: Option<Note>) -> Option<(u64, u64)> {
        note.map(|note| {
            assert_eq!((note.cause(), note.lost(), note.is_gap()), (Some(Cause::Quiet), Some(0), false));
            (note.from.get() / SECOND, note.to.get() / SECOND)
        })
    }

    #[test]
    fn a_minute_after_the_last_thing_written_there_is_a_note_of_it() {
        let mut quiet = Quiet::begin(0, 1000 * SECOND);
        let mut at = |written, second: u64| span(quiet.note(written, second * SECOND));
        assert_eq!(at(0, 1059), None);
        assert_eq!(at(0, 1061), Some((1000, 1061)));
        // The note itself is something written.
        assert_eq!(at(1, 1062), None);
        assert_eq!(at(1, 1121), None);
        assert_eq!(at(2, 1122), None, "something was written in the last moment");
        assert_eq!(at(2, 1181), None);
        assert_eq!(at(2, 1182), Some((1122, 1182)));
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew() {
        let mut quiet = Quiet::begin(0, 1000 * SECOND);
        assert_eq!(quiet.note(0, 400 * SECOND), None);
        assert_eq!(quiet.note(0, 459 * SECOND), None);
        assert_eq!(span(quiet.note(0, 460 * SECOND)), Some((400, 460)));
    }
}
