//! Recorders of other network namespaces of this machine, whose files have names of the same pattern.
//!
//! The segments of a namespace with an id do not tell in which namespace the recorder was that heard of it. One that was begun while such
//! a recorder was at work may be that one's, and then its id names another namespace than it does here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::clock::SECOND;
use super::super::predecessor::Past;

/// So much more than its files tell of a recorder may have been at work that was cut off: it notes each minute that nothing happens.
const UNTOLD: u64 = 120 * SECOND;

/// What their segments of their own network namespaces tell of when they were at work.
#[derive(Debug, Default)]
pub(super) struct Beside(HashMap<PathBuf, Span>);

/// A span of time, ns since the epoch.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: u64,
    to: u64,
}

impl Beside {
    /// By a closed segment.
    pub(super) fn closed(&mut self, path: &Path, past: &Past) {
        let to = if past.cut_off { past.end.saturating_add(UNTOLD) } else { past.end };
        self.0.insert(path.to_path_buf(), Span { from: past.run.min(past.created), to });
    }

    /// By one that is being written, of a run that began then (ns since the epoch).
    pub(super) fn written(&mut self, path: &Path, run: u64) {
        self.0.insert(path.to_path_buf(), Span { from: run, to: u64::MAX });
    }

    /// What this segment told is still so.
    pub(super) fn keep(&mut self, path: &Path, before: &mut Self) {
        self.0.extend(before.0.remove_entry(path));
    }

    /// When any of them was at work.
    pub(super) fn at_work(&self) -> AtWork {
        let mut spans: Vec<_> = self.0.values().copied().collect();
        spans.sort_unstable_by_key(|span| span.from);
        spans.dedup_by(|span, before| {
            let goes_on = span.from <= before.to;
            if goes_on {
                before.to = before.to.max(span.to);
            }
            goes_on
        });
        AtWork(spans)
    }
}

/// Spans of time in their order, of which none begins before the one in front of it has ended: there may be as many segments to hold
/// against them as there are of them.
#[derive(Debug)]
pub(super) struct AtWork(Vec<Span>);

impl AtWork {
    /// Whether a moment (ns since the epoch) is in one of them.
    pub(super) fn holds(&self, moment: u64) -> bool {
        let begun = self.0.partition_point(|span| span.from <= moment);
        begun.checked_sub(1).and_then(|last| self.0.get(last)).is_some_and(|span| moment <= span.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorder_was_at_work_from_its_start_to_the_end_of_its_last_file_and_a_little_longer_if_it_was_cut_off() {
        let past =
            |cut_off| Past { created: 50, number: Some(3), run: 10, netns: None, end: 90, cut_off, uptime: None };
        let mut beside = Beside::default();
        assert!(!beside.at_work().holds(20));
        beside.closed(Path::new("ct.50"), &past(false));
        assert_eq!([9, 10, 90, 91].map(|moment| beside.at_work().holds(moment)), [false, true, true, false]);
        let mut later = Beside::default();
        later.keep(Path::new("ct.50"), &mut beside);
        assert!(later.at_work().holds(20) && !beside.at_work().holds(20));
        later.closed(Path::new("ct.50"), &past(true));
        assert!(later.at_work().holds(90 + UNTOLD) && !later.at_work().holds(91 + UNTOLD));
        later.written(Path::new("ct.60"), 60);
        assert!(later.at_work().holds(u64::MAX));
    }

    #[test]
    fn spans_that_meet_are_one_and_one_within_another_ends_nothing() {
        let span = |from, to| Span { from, to };
        let all = [span(50, 60), span(10, 40), span(12, 14), span(40, 45), span(90, 90)];
        let paths = (0..).map(|number| PathBuf::from(format!("ct.{number}")));
        let at_work = Beside(paths.zip(all).collect()).at_work();
        assert_eq!(at_work.0.len(), 3, "{at_work:?}");
        for moment in 0..100 {
            let expected = all.iter().any(|span| (span.from..=span.to).contains(&moment));
            assert_eq!(at_work.holds(moment), expected, "{moment}");
        }
    }
}
