//! Of which times something is told.

use std::collections::HashMap;

use ctrecorder_format::Cause;

use super::absent::{REMOVED, RETIRED};
use super::run::{Boot, Run};
use super::span::complement_of_apart;
use super::{Gap, GapCause, Span};

/// Whether a gap that is told is one between files.
pub(super) fn is_absence(gap: &Gap) -> bool {
    const ABSENCES: [GapCause; 4] = [GapCause::NotRunning, REMOVED, RETIRED, GapCause::Noted(Cause::Damaged as u16)];
    ABSENCES.contains(&gap.cause)
}

/// What is no gap between files: what a file tells of, and gaps that are told already. Spans by their begin, those that meet as one.
pub(super) struct Known {
    all: Vec<Span>,
    /// What may be of any start of the machine.
    of_any: Vec<Span>,
    /// What was recorded since which start of it.
    of_one: HashMap<Boot, Vec<Span>>,
}

impl Known {
    pub(super) fn of<'r>(runs: impl IntoIterator<Item = &'r Run>, told: &[Gap]) -> Self {
        let mut of_any: Vec<_> = told.iter().filter(|gap| is_absence(gap)).map(Gap::span).collect();
        let mut of_one: HashMap<_, Vec<Span>> = HashMap::new();
        for run in runs {
            run.boot().map_or(&mut of_any, |boot| of_one.entry(boot).or_default()).extend(run.shown());
        }
        let all = of_any.iter().chain(of_one.values().flatten()).copied().collect();
        of_one.values_mut().for_each(|spans| *spans = Span::apart(std::mem::take(spans)));
        Self { all: Span::apart(all), of_any: Span::apart(of_any), of_one }
    }

    /// By their begin.
    pub(super) fn spans(&self) -> impl Iterator<Item = Span> {
        self.all.iter().copied()
    }

    /// What of the span between two times is not known.
    pub(super) fn left(&self, from: u64, to: u64) -> Vec<Span> {
        complement_of_apart(&self.all, from, to)
    }

    /// The same of a span that began and ended within one start of the machine: what was recorded since another one tells nothing of it,
    /// though it was at the same times, for the clock was set back between the two.
    pub(super) fn left_within(&self, boot: Option<Boot>, from: u64, to: u64) -> Vec<Span> {
        let Some(boot) = boot else { return self.left(from, to) };
        let own = self.of_one.get(&boot).map_or(&[][..], Vec::as_slice);
        let left = complement_of_apart(&self.of_any, from, to).into_iter();
        left.flat_map(|left| complement_of_apart(own, left.from, left.to)).collect()
    }
}
