//! The readings of the kernel's table, as bounds of what they found.

use std::collections::BTreeMap;

use crate::query::Steps;
use crate::query::coverage::Span;

/// Which spans the readings of the kernel's table tell of: each from the begin of the reading before it, or of a gap, to its
/// own end (docs/format.md, "The table"). Moments are ns since the epoch.
#[derive(Debug, Default)]
pub(super) struct Readings {
    /// By the end of each span.
    spans: BTreeMap<u64, Since>,
}

/// Where a span begins. A reading that found ends of an earlier run of the recorder goes back to where that run had ended. That says
/// nothing of starts that were found behind a gap of its own run, at the same moment: these have a note of their own. Of flows that it
/// was the first to name, it says since when they had begun: then there is no other note.
#[derive(Clone, Copy, Debug)]
struct Since {
    least: u64,
    /// The least and the greatest of those that tell of starts, too.
    of_starts: Option<[u64; 2]>,
    /// How often the clock had been set by then.
    steps: usize,
    /// A reading that has its begin for its end: that may be later than the clock showed then, for it was set back meanwhile.
    is_instant: bool,
}

impl Readings {
    /// A note tells of a reading, after the clock had been set so often.
    pub(super) fn add(&mut self, span: Span, steps: usize) {
        let since = self.since(span, steps);
        let [least, greatest] = since.of_starts.unwrap_or([span.from; 2]);
        since.of_starts = Some([least.min(span.from), greatest.max(span.from)]);
    }

    /// The same of one that says nothing of starts.
    pub(super) fn add_of_ends(&mut self, span: Span, steps: usize) {
        self.since(span, steps);
    }

    fn since(&mut self, Span { from, to }: Span, steps: usize) -> &mut Since {
        let first = Since { least: from, of_starts: None, steps, is_instant: false };
        let since = self.spans.entry(to).or_insert(first);
        (since.least, since.steps) = (since.least.min(from), steps);
        since.is_instant |= from == to;
        since
    }

    /// How often the clock had been set when a reading was at its end at this moment, and whether it surely showed the moment then.
    pub(super) fn steps(&self, to: u64) -> Option<(usize, bool)> {
        self.spans.get(&to).map(|since| (since.steps, !since.is_instant))
    }

    /// Not before which moment a flow ended that a reading which ended at this one did not find any more.
    pub(super) fn since_end(&self, to: u64) -> Option<u64> {
        self.spans.get(&to).map(|since| since.least)
    }

    /// Not before which moment a flow began that was found at this one, where a note tells of just that: if the clock showed it at several
    /// times, several readings may have been at their ends.
    pub(super) fn since_found(&self, found: u64, clock: &Steps) -> Option<u64> {
        let since = self.spans.get(&found)?;
        let [least, greatest] = since.of_starts?;
        Some(if since.is_instant || !clock.is_once(found) { least } else { greatest })
    }
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::Note;

    use super::*;

    #[test]
    fn what_is_said_of_ends_of_an_earlier_run_is_not_said_of_starts() {
        let mut readings = Readings::default();
        for (from, to) in [(10, 30), (28, 50), (15, 30)] {
            readings.add(Span { from, to }, 0);
        }
        let mut clock = Steps::default();
        let told = |clock: &Steps| [29, 30, 50].map(|to| (readings.since_end(to), readings.since_found(to, clock)));
        assert_eq!(told(&clock), [(None, None), (Some(10), Some(15)), (Some(28), Some(28))]);
        clock.add(&Note::clock_step(20, -9));
        assert_eq!(told(&clock), [(None, None), (Some(10), Some(15)), (Some(28), Some(28))]);
        clock.add(&Note::clock_step(30, -10));
        assert_eq!(told(&clock), [(None, None), (Some(10), Some(10)), (Some(28), Some(28))]);
    }

    /// The clock was set back behind the reading that found the flow: the next one has no time of its own to tell.
    #[test]
    fn the_first_reading_of_a_part_says_nothing_of_what_another_one_found() {
        let (mut readings, mut clock) = (Readings::default(), Steps::default());
        clock.add(&Note::clock_step(5, -40));
        readings.add(Span { from: 30, to: 45 }, 1);
        for from in [45, 8] {
            readings.add_of_ends(Span { from, to: 45 }, 1);
            readings.add_of_ends(Span { from, to: 60 }, 1);
        }
        assert_eq!([45, 60].map(|found| readings.since_found(found, &clock)), [Some(30), None]);
        assert_eq!([45, 60].map(|gone| readings.since_end(gone)), [Some(8); 2]);
        assert_eq!(readings.steps(45), Some((1, false)));
    }
}
