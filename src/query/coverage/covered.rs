//! What a journal covers, once all is known of it.

use super::Filtered;
use super::gap::{Gap, GapCause, joined};
use super::span::{Span, complement};

/// What a journal covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Begin of what is told of, ns since the epoch, UTC: that of the first segment, unless another one was asked for.
    pub from: u64,
    /// Its end: that of the last segment, unless another one was asked for.
    pub to: u64,
    /// The gaps by their begin. Those of one cause neither overlap nor touch.
    pub gaps: Vec<Gap>,
    /// All gaps that are told of, those before the first segment included.
    told: Vec<Gap>,
    /// Those of them in which something is missing.
    missing: Vec<Gap>,
    /// What there is before the first segment and behind the last one: nothing.
    outside: (Outside, Outside),
    /// What the clock showed while it was recorded, where it was set back; else nothing.
    turned: Vec<Span>,
}

/// That nothing is told beyond one end of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outside {
    /// Why.
    pub(super) cause: GapCause,
    /// The first moment that is told of, or the last one. It may lie within what is covered: of a clock that was set back the same
    /// times came twice, and the journal tells of them once.
    pub(super) bound: u64,
}

impl Coverage {
    pub(super) fn new(span: Span, told: Vec<Gap>, outside: (Outside, Outside)) -> Self {
        Self::between(span, told, outside, false)
    }

    /// `is_asked`: it is for these times that somebody asked.
    fn between(Span { from, to }: Span, told: Vec<Gap>, outside: (Outside, Outside), is_asked: bool) -> Self {
        let told = joined(told);
        let mut gaps: Vec<_> = told.iter().filter_map(|gap| gap.within(from, to, is_asked)).collect();
        gaps.sort_unstable();
        let missing = missing(&told);
        Self { from, to, gaps, told, missing, outside, turned: Vec::new() }
    }

    /// The same where the clock was set back, and showed these spans.
    pub(super) fn turned(self, shown: Vec<Span>) -> Self {
        Self { turned: shown, ..self }
    }

    /// The same with further gaps.
    pub fn with(self, gaps: Vec<Gap>) -> Self {
        Self::new(Span { from: self.from, to: self.to }, [self.told, gaps].concat(), self.outside).turned(self.turned)
    }

    /// The same with what filters left out of what was recorded: where something else is missing, there was nothing to leave out.
    pub fn left_out_by(self, filtered: &Filtered) -> Self {
        let mut told: Vec<_> = self.told.iter().map(|gap| gap.span()).collect();
        told.sort_unstable();
        let left = |span: Span| complement(told.iter().copied(), span.from, span.to);
        let gaps = filtered.left_out().into_iter().flat_map(left);
        let gaps = gaps.map(|span| Gap::unknown(span.from, span.to, GapCause::Filtered)).collect();
        self.with(gaps)
    }

    /// One that is made up.
    #[cfg(test)]
    pub(crate) fn sample(from: u64, to: u64, gaps: Vec<Gap>) -> Self {
        let outside = |bound| Outside { cause: GapCause::NotRunning, bound };
        Self::new(Span { from, to }, gaps, (outside(from), outside(to)))
    }

    /// The same from one time to another one, where they are given. What lies before the first segment or behind the last
    /// one is a gap: whether the recorder was running there nobody can say.
    pub fn within(self, since: Option<u64>, until: Option<u64>) -> Self {
        let (from, to) = (since.unwrap_or(self.from), until.unwrap_or(self.to));
        let mut told: Vec<_> = self.told.iter().map(|gap| gap.span()).collect();
        told.sort_unstable();
        let left = |from, to, cause| {
            let (cause, spans) = (outside(cause), complement(told.iter().copied(), from, to));
            spans.into_iter().map(move |span| Gap::unknown(span.from, span.to, cause))
        };
        let (before, behind) = self.outside;
        let beyond: Vec<_> = left(from, self.from, before.cause).chain(left(self.to, to, behind.cause)).collect();
        let told = self.told.into_iter().chain(beyond).collect();
        let before = Outside { bound: if before.bound > self.from { before.bound } else { from }, ..before };
        let behind = Outside { bound: if behind.bound < self.to { behind.bound } else { to }, ..behind };
        Self::between(Span { from, to }, told, (before, behind), since.is_some() || until.is_some()).turned(self.turned)
    }

    /// What keeps a span, its two ends included, from being covered: the gaps that it touches, and what of it lies before
    /// the first segment or behind the last one: whether the recorder was running there nobody can say. A gap that lost
    /// nothing is none of these, unless what was found again may be missing itself.
    pub fn missing(&self, span: Span) -> Vec<Gap> {
        let end = span.to.saturating_add(1);
        let told = || self.missing.iter();
        let outside = |from, to, cause| -> Vec<Gap> {
            if from >= to {
                return Vec::new();
            }
            let cause = self::outside(cause);
            let spans = told().map(|gap| gap.span());
            let left = complement(spans, from, to).into_iter();
            left.map(|left| Gap::unknown(left.from, left.to.min(span.to), cause)).collect()
        };
        let (first, last) = self.outside;
        let before = outside(span.from, first.bound.min(end), first.cause);
        let behind =
            if span.to > last.bound { outside(span.from.max(last.bound), end, last.cause) } else { Vec::new() };
        let inside = told().filter(|gap| gap.touches(span)).copied();
        let mut missing: Vec<_> = inside.chain(before).chain(behind).collect();
        missing.sort_unstable();
        missing
    }

    /// Whether a span lies behind all that is told of: where the clock was set back, behind its last moment, and nothing of it was
    /// shown before.
    pub fn is_behind(&self, span: Span) -> bool {
        self.to.min(self.outside.1.bound) < span.from && !self.turned.iter().any(|shown| shown.meets(span))
    }

    /// Until when the last segment tells, if it was cut off.
    pub fn cut_off(&self) -> Option<u64> {
        let Outside { cause, bound } = self.outside.1;
        (cause == GapCause::CutOff).then_some(bound)
    }

    /// The spans without a gap, by their begin.
    pub fn spans(&self) -> Vec<Span> {
        complement(self.gaps.iter().map(|gap| gap.span()), self.from, self.to)
    }

    /// The spans in which nothing is missing, by their begin: as [`Coverage::missing`] has it, a gap all of whose events are back
    /// does not end one.
    pub fn whole_spans(&self) -> Vec<Span> {
        self.spans_without(|_| true)
    }

    /// The spans in which nothing was lost, by their begin: times that the clock was set over end none.
    pub fn heard_spans(&self) -> Vec<Span> {
        self.spans_without(|gap| gap.cause != GapCause::SetForward)
    }

    /// The spans between such of the gaps in which something is missing.
    fn spans_without(&self, counts: impl Fn(&Gap) -> bool) -> Vec<Span> {
        let (first, last) = (self.outside.0.bound, self.outside.1.bound);
        let outside = [Span { from: self.from, to: first }, Span { from: last, to: self.to }];
        let mut missing: Vec<_> = self.missing.iter().filter(|gap| counts(gap)).map(Gap::span).collect();
        missing.extend(outside.into_iter().filter(|span| span.from < span.to));
        missing.sort_unstable();
        complement(missing, self.from, self.to)
    }
}

/// Why nothing is told of a time outside all files: that nobody recorded, they cannot say.
pub(super) const fn outside(cause: GapCause) -> GapCause {
    match cause {
        GapCause::NotRunning => GapCause::NoFile,
        cause => cause,
    }
}

/// Those of these gaps, which are by their begin, that lost something, or may have. Where all is back, but the gap meets one of
/// which nobody knows what it lost, that may have been what is back.
fn missing(told: &[Gap]) -> Vec<Gap> {
    // Of the unknown ones so far, the greatest end.
    let mut reach: Vec<(u64, u64)> = Vec::new();
    for gap in told.iter().filter(|gap| gap.lost.is_none()) {
        let before = reach.last().map_or(0, |(_, to)| *to);
        reach.push((gap.from, gap.to.max(before)));
    }
    let meets_unknown = |gap: &Gap| {
        let begun = reach.partition_point(|(from, _)| *from <= gap.to);
        begun.checked_sub(1).and_then(|last| reach.get(last)).is_some_and(|(_, to)| gap.from <= *to)
    };
    // Whoever asks for a time that a clock was set over asks by another clock.
    let is_missing = |gap: &&Gap| gap.lost != Some(0) || gap.cause == GapCause::SetForward || meets_unknown(gap);
    told.iter().filter(is_missing).copied().collect()
}

#[cfg(test)]
mod tests;
