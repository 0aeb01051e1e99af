//! What a recorder's files cover of each kind of flows that is asked for: one file may hold TCP, and another one UDP.

use std::collections::HashMap;
use std::sync::Arc;

use super::Question;
use super::intervals::Intervals;
use super::scope::Kind;
use super::survey::{Surveyed, joined};
use crate::query::Coverage;
use crate::query::coverage::{Gap, GapCause, Reading, Span, complement};

/// All kinds of flows that some questions are about.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    by_kind: HashMap<Kind, Arc<OfKind>>,
}

impl Kinds {
    /// What these files of one recorder, which cover this together, tell of the kinds that the questions are about.
    pub(super) fn of<'q>(
        files: &[Surveyed],
        reading: &Reading,
        coverage: Option<&Coverage>,
        questions: impl Iterator<Item = &'q Question>,
    ) -> Self {
        let mut by_kind: HashMap<Kind, Arc<OfKind>> = HashMap::new();
        let all: Vec<_> = files.iter().collect();
        let all = Arc::new(OfKind::new(&all, reading, coverage.cloned()));
        for kind in questions.flat_map(Kind::asked_by) {
            by_kind.entry(kind).or_insert_with(|| {
                let its: Vec<_> = files.iter().filter(|file| file.scope.has(kind)).collect();
                let is_always = files.iter().all(|file| file.unrecorded(kind).is_empty());
                if its.len() == files.len() && is_always {
                    return Arc::clone(&all);
                }
                // They are of one recorder, so that this does not fail.
                let reading = joined(its.iter().copied());
                let coverage = reading.clone().coverage().ok().flatten();
                let unrecorded = its.iter().flat_map(|file| file.unrecorded(kind));
                let unrecorded: Vec<_> = unrecorded.map(Gap::unrecorded).collect();
                Arc::new(OfKind::new(&its, &reading, coverage.map(|coverage| coverage.with(unrecorded))))
            });
        }
        Self { by_kind }
    }

    /// Whether, in a span of which the recorder misses only this, flows of a kind that is asked for were not recorded.
    pub(super) fn lack(&self, question: &Question, span: Span, missing: &[Gap]) -> bool {
        self.asked_by(question).any(|kind| kind.lacks(span, missing))
    }

    /// Whether flows of a kind that is asked for may have been alive in a span without a word. `last_reading` is when the
    /// kernel's table was last read whole, as far as segments of events were read.
    pub(super) fn are_unheard(&self, question: &Question, span: Span, last_reading: Option<u64>) -> bool {
        self.asked_by(question).any(|kind| kind.is_unheard(span, last_reading))
    }

    fn asked_by(&self, question: &Question) -> impl Iterator<Item = &OfKind> {
        Kind::asked_by(question).filter_map(|kind| self.by_kind.get(&kind)).map(Arc::as_ref)
    }
}

/// What the files tell that hold one kind.
#[derive(Debug)]
struct OfKind {
    /// `None` if there are none.
    coverage: Option<Coverage>,
    /// The ends of the gaps in which something is missing, in order.
    gap_ends: Vec<u64>,
    /// When nobody tells which flows were alive that had begun unheard.
    unheard: Intervals<()>,
    /// The places in time of segments of events.
    events: Intervals<()>,
}

impl OfKind {
    fn new(files: &[&Surveyed], reading: &Reading, coverage: Option<Coverage>) -> Self {
        // What was recorded when a clock that was set back showed times again was not interrupted when nobody recorded them.
        let is_missing = |gap: &&Gap| gap.lost != Some(0) && gap.cause != GapCause::SetBack;
        let gaps = coverage.iter().flat_map(|coverage| &coverage.gaps).filter(is_missing);
        let mut gap_ends: Vec<_> = gaps.map(|gap| gap.to).collect();
        gap_ends.sort_unstable();
        let events = files.iter().filter(|file| file.scope.is_of_events);
        Self {
            gap_ends,
            unheard: Intervals::new(reading.unheard().into_iter().map(|span| (span, ())).collect()),
            events: Intervals::new(events.map(|file| (file.extent.span(), ())).collect()),
            coverage,
        }
    }

    /// A gap that the recorder has as a whole is told of as that.
    fn lacks(&self, span: Span, missing: &[Gap]) -> bool {
        let Some(coverage) = &self.coverage else { return true };
        let mut told: Vec<_> = missing.iter().map(|gap| Span { from: gap.from, to: gap.to }).collect();
        told.sort_unstable();
        let is_told = |gap: &Gap| {
            told.iter().any(|told| gap.touches(*told)) && complement(told.iter().copied(), gap.from, gap.to).is_empty()
        };
        !coverage.missing(span).iter().all(is_told)
    }

    fn is_unheard(&self, span: Span, last_reading: Option<u64>) -> bool {
        let Some(coverage) = &self.coverage else { return false };
        if self.unheard.any_meets(span) {
            return true;
        }
        // A reading that stands behind damage does not name all flows.
        let ended = self.gap_ends.partition_point(|end| *end <= span.to);
        let last = ended.checked_sub(1).and_then(|last| self.gap_ends.get(last));
        let since = last.map_or(coverage.from, |end| coverage.from.max(*end));
        self.events.any_meets(span) && last_reading.is_none_or(|reading| reading < since)
    }
}
