//! What a journal covers: the spans recorded without gap, and every gap with its cause.
//!
//! Heads of blocks and notes tell it; records are never read. [`Reading`] gathers what the files of a journal say, and
//! makes a [`Coverage`] of it.

mod account;
mod filtered;
mod part;
mod reading;
mod times;

use ctrecorder_format::{Cause, Note};

pub use filtered::Filtered;
pub use part::{Extent, Look};
pub use reading::{Reading, Several, namespace_text};

/// Why events may be missing in a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapCause {
    /// A note of the journal says so, by the number of its cause.
    Noted(u16),
    /// Nobody recorded, as the times of the segments tell.
    NotRunning,
    /// A segment that the recorder wrote is not among those given.
    SegmentMissing,
    /// A segment has no footer, and the recorder went on in another one.
    CutOff,
    /// Something in the files there could not be read.
    Damaged,
    /// Files of version 2 do not tell until when nothing was missed.
    Version2,
    /// The recorder is at work, and its segment does not reach there yet.
    NotYetWritten,
    /// Before or behind all files that are given, and they do not tell why.
    NoFile,
    /// A filter left out what was recorded.
    Filtered,
}

impl GapCause {
    /// The cause that a note gives.
    const fn of(note: &Note) -> Self {
        match note.cause() {
            Some(Cause::NotRunning) => Self::NotRunning,
            _ => Self::Noted(note.cause.get()),
        }
    }

    /// The cause in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Noted(number) => Cause::from_number(number).map_or("cause not known to this program", Cause::text),
            Self::NotRunning => Cause::NotRunning.text(),
            Self::SegmentMissing => "segment missing",
            Self::CutOff => "cut off",
            Self::Damaged => "damaged",
            Self::Version2 => "not told by version 2",
            Self::NotYetWritten => "not written yet",
            Self::NoFile => "no file given",
            Self::Filtered => "left out by a filter",
        }
    }
}

/// A span of time, ns since the epoch, UTC. It does not end before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its begin.
    pub from: u64,
    /// Its end.
    pub to: u64,
}

impl Span {
    /// From so much before a moment to so much behind it.
    pub const fn around(moment: u64, reach: u64) -> Self {
        Self { from: moment.saturating_sub(reach), to: moment.saturating_add(reach) }
    }

    /// Whether two spans, both with their ends, have a moment in common.
    pub const fn meets(self, other: Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    /// What of this one lies in the other one, if that is more than a moment.
    fn within(self, other: Self) -> Option<Self> {
        let (from, to) = (self.from.max(other.from), self.to.min(other.to));
        (from < to).then_some(Self { from, to })
    }

    /// What both have in common, if that is anything.
    pub fn common(self, other: Self) -> Option<Self> {
        self.meets(other).then(|| Self { from: self.from.max(other.from), to: self.to.min(other.to) })
    }

    /// Spans by their begin, those that have a moment in common as one.
    pub fn apart(mut spans: Vec<Self>) -> Vec<Self> {
        spans.sort_unstable();
        spans.dedup_by(|next, span| {
            let meets = span.meets(*next);
            if meets {
                *span = span.joined(*next);
            }
            meets
        });
        spans
    }

    /// The least span that holds both.
    pub fn joined(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }
}

/// A span in which events may be missing. Where a single event was lost it may have no length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Its begin, ns since the epoch, UTC.
    pub from: u64,
    /// Its end, not before its begin.
    pub to: u64,
    /// Why there is a gap.
    pub cause: GapCause,
    /// How many events are missing, where that is known; 0 where all are back, but not all times are exact.
    pub lost: Option<u64>,
}

impl Gap {
    /// A gap in which nobody knows what was lost.
    const fn unknown(from: u64, to: u64, cause: GapCause) -> Self {
        Self { from, to, cause, lost: None }
    }

    /// A span in which flows that are asked for were not recorded.
    pub const fn unrecorded(span: Span) -> Self {
        Self::unknown(span.from, span.to, GapCause::Noted(Cause::Recorded as u16))
    }

    /// Whether this gap and a span, both with their ends, have a moment in common.
    pub const fn touches(&self, span: Span) -> bool {
        Span { from: self.from, to: self.to }.meets(span)
    }

    /// What of this gap lies between two times. All it lost stays with what is left of it: nobody knows where in it that was.
    /// `is_asked`: a single moment between them is one that somebody asked about, and at the border of a gap in that.
    fn within(mut self, from: u64, to: u64, is_asked: bool) -> Option<Self> {
        let instant = self.from == self.to || (is_asked && from == to);
        (self.from, self.to) = (self.from.max(from), self.to.min(to));
        (self.from < self.to || (instant && self.from == self.to)).then_some(self)
    }
}

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
}

/// That nothing is told beyond one end of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outside {
    /// Why.
    cause: GapCause,
    /// The first moment that is told of, or the last one. It may lie within what is covered: of a clock that was set back the same
    /// times came twice, and the journal tells of them once.
    bound: u64,
}

impl Coverage {
    fn new(span: Span, told: Vec<Gap>, outside: (Outside, Outside)) -> Self {
        Self::between(span, told, outside, false)
    }

    /// `is_asked`: it is for these times that somebody asked.
    fn between(Span { from, to }: Span, told: Vec<Gap>, outside: (Outside, Outside), is_asked: bool) -> Self {
        let told = joined(told);
        let mut gaps: Vec<_> = told.iter().filter_map(|gap| gap.within(from, to, is_asked)).collect();
        gaps.sort_unstable();
        let missing = missing(&told);
        Self { from, to, gaps, told, missing, outside }
    }

    /// The same with further gaps.
    pub fn with(self, gaps: Vec<Gap>) -> Self {
        Self::new(Span { from: self.from, to: self.to }, [self.told, gaps].concat(), self.outside)
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
        let mut told: Vec<_> = self.told.iter().map(|gap| Span { from: gap.from, to: gap.to }).collect();
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
        Self::between(Span { from, to }, told, (before, behind), since.is_some() || until.is_some())
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
            let spans = told().map(|gap| Span { from: gap.from, to: gap.to });
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

    /// The spans without a gap, by their begin.
    pub fn spans(&self) -> Vec<Span> {
        complement(self.gaps.iter().map(|gap| Span { from: gap.from, to: gap.to }), self.from, self.to)
    }

    /// The spans in which nothing is missing, by their begin: as [`Coverage::missing`] has it, a gap all of whose events are back
    /// does not end one.
    pub fn whole_spans(&self) -> Vec<Span> {
        let (first, last) = (self.outside.0.bound, self.outside.1.bound);
        let outside = [Span { from: self.from, to: first }, Span { from: last, to: self.to }];
        let mut missing: Vec<_> = self.missing.iter().map(|gap| Span { from: gap.from, to: gap.to }).collect();
        missing.extend(outside.into_iter().filter(|span| span.from < span.to));
        missing.sort_unstable();
        complement(missing, self.from, self.to)
    }
}

/// Why nothing is told of a time outside all files: that nobody recorded, they cannot say.
const fn outside(cause: GapCause) -> GapCause {
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
    told.iter().filter(|gap| gap.lost != Some(0) || meets_unknown(gap)).copied().collect()
}

/// Gaps by their begin; those of one cause that overlap or touch are one.
pub fn joined(mut gaps: Vec<Gap>) -> Vec<Gap> {
    gaps.sort_unstable_by_key(|gap| (gap.cause, gap.from, gap.to));
    gaps.dedup_by(|later, first| {
        let one = later.cause == first.cause && later.from <= first.to;
        if one {
            first.to = first.to.max(later.to);
            first.lost = first.lost.zip(later.lost).map(|(lost, more)| lost.saturating_add(more));
        }
        one
    });
    gaps.sort_unstable();
    gaps
}

/// What of the span between two times is in none of these, which are in the order of their begins.
pub(crate) fn complement(spans: impl IntoIterator<Item = Span>, from: u64, to: u64) -> Vec<Span> {
    let mut left = Vec::new();
    let mut reached = from;
    for span in spans.into_iter().chain([Span { from: to, to }]) {
        let end = span.from.min(to);
        if reached < end {
            left.push(Span { from: reached, to: end });
        }
        reached = reached.max(span.to);
    }
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAUSES: [GapCause; 3] = [GapCause::NotRunning, GapCause::Damaged, GapCause::Noted(Cause::QueueFull as u16)];

    fn gaps() -> impl Strategy<Value = Vec<Gap>> {
        let gap = (0..60_u64, 0..12_u64, 0..3_usize, prop::option::of(0..9_u64));
        let gap =
            gap.prop_map(|(from, length, cause, lost)| Gap { from, to: from + length, cause: CAUSES[cause], lost });
        prop::collection::vec(gap, 0..12)
    }

    fn coverage(gaps: &[Gap]) -> Coverage {
        journal(Span { from: 10, to: 50 }, gaps.to_vec(), (GapCause::SegmentMissing, GapCause::NotYetWritten))
    }

    fn journal(span: Span, gaps: Vec<Gap>, (before, behind): (GapCause, GapCause)) -> Coverage {
        let before = Outside { cause: before, bound: span.from };
        Coverage::new(span, gaps, (before, Outside { cause: behind, bound: span.to }))
    }

    /// Whether the unit of time that begins at `moment` is in one of these spans.
    fn holds(spans: impl IntoIterator<Item = (u64, u64)>, moment: u64) -> bool {
        spans.into_iter().any(|(from, to)| from <= moment && moment < to)
    }

    proptest! {
        /// Whatever the gaps are, each moment is in a span or in a gap, and is what the gaps said of it.
        #[test]
        fn every_moment_is_either_recorded_or_in_a_gap(
            gaps in gaps(), since in prop::option::of(0..30_u64), length in prop::option::of(0..40_u64),
        ) {
            let until = length.map(|length| since.unwrap_or(10) + length);
            let asked = coverage(&gaps).within(since, until);
            prop_assert_eq!((asked.from, asked.to), (since.unwrap_or(10), until.unwrap_or(50)));
            for moment in asked.from..asked.to {
                let missing = !(10..50).contains(&moment) || holds(gaps.iter().map(|gap| (gap.from, gap.to)), moment);
                prop_assert_eq!(holds(asked.spans().iter().map(|span| (span.from, span.to)), moment), !missing);
                prop_assert_eq!(holds(asked.gaps.iter().map(|gap| (gap.from, gap.to)), moment), missing);
            }
            prop_assert!(asked.spans().iter().all(|span| span.from < span.to));
            prop_assert!(asked.gaps.iter().all(|gap| asked.from <= gap.from && gap.from <= gap.to && gap.to <= asked.to));
            prop_assert!(asked.gaps.is_sorted());
        }

        /// Whatever is not covered of a span, ends included, is told, and nothing else.
        #[test]
        fn what_is_missing_from_a_span_is_what_no_span_covers(gaps in gaps(), from in 0..70_u64, length in 0..20_u64) {
            let span = Span { from, to: from + length };
            let missing = coverage(&gaps).missing(span);
            let all = joined(gaps.clone());
            let unknown = |gap: &Gap| all.iter().any(|other| other.lost.is_none() && other.from <= gap.to && gap.from <= other.to);
            let is_missing = |gap: &Gap| gap.lost != Some(0) || unknown(gap);
            let is_told = |gap: &Gap| is_missing(gap) && gap.from <= span.to && span.from <= gap.to;
            let is_outside = span.from < 10 || span.to > 50;
            prop_assert_eq!(missing.is_empty(), !is_outside && !all.iter().any(is_told));
            prop_assert!(missing.iter().all(|gap| gap.touches(span)));
            // Each moment that the journal does not tell of is in one of them.
            let outside = (span.from..=span.to).filter(|moment| !(10..=50).contains(moment));
            let told = |moment: &u64| gaps.iter().any(|gap| gap.from <= *moment && *moment <= gap.to);
            let within = |moment: u64| missing.iter().any(|gap| gap.from <= moment && moment <= gap.to);
            prop_assert!(outside.filter(|moment| !told(moment)).all(within));
        }

        #[test]
        fn gaps_of_one_cause_are_apart_and_lose_nothing(gaps in gaps()) {
            let lost = |gaps: &[Gap], cause| {
                let of_cause = gaps.iter().filter(|gap| gap.cause == cause);
                of_cause.map(|gap| gap.lost).sum::<Option<u64>>()
            };
            let one = joined(gaps.clone());
            for cause in CAUSES {
                prop_assert_eq!(lost(&one, cause), lost(&gaps, cause));
                let apart: Vec<_> = one.iter().filter(|gap| gap.cause == cause).collect();
                prop_assert!(apart.windows(2).all(|pair| pair[0].to < pair[1].from));
            }
        }
    }

    #[test]
    fn a_gap_of_one_moment_is_kept_and_parts_two_spans() {
        let gap = Gap { from: 20, to: 20, cause: CAUSES[2], lost: Some(1) };
        let whole = coverage(&[gap]);
        assert_eq!(whole.gaps, [gap]);
        assert_eq!(whole.spans(), [Span { from: 10, to: 20 }, Span { from: 20, to: 50 }]);
        assert_eq!(whole.clone().within(Some(20), Some(20)).gaps, [gap]);
        assert_eq!(whole.within(Some(21), None).gaps, []);
    }

    #[test]
    fn a_gap_whose_events_are_back_ends_a_whole_span_only_beside_one_of_which_nobody_knows() {
        let back = Gap { from: 20, to: 24, cause: CAUSES[2], lost: Some(0) };
        let whole = |gaps: &[Gap]| coverage(gaps).whole_spans();
        assert_eq!(whole(&[back]), [Span { from: 10, to: 50 }]);
        let beside = Gap::unknown(23, 30, CAUSES[0]);
        assert_eq!(whole(&[back, beside]), [Span { from: 10, to: 20 }, Span { from: 30, to: 50 }]);
        let apart = Gap::unknown(25, 30, CAUSES[0]);
        assert_eq!(whole(&[back, apart]), [Span { from: 10, to: 25 }, Span { from: 30, to: 50 }]);
    }

    #[test]
    fn a_journal_of_one_moment_has_no_part_in_the_gap_before_it() {
        let gap = Gap::unknown(20, 30, CAUSES[0]);
        let span = Span { from: 30, to: 30 };
        let moment = journal(span, vec![gap], (GapCause::NotRunning, GapCause::NotRunning));
        assert_eq!(moment.gaps, []);
        assert_eq!(moment.missing(Span { from: 30, to: 30 }), [gap]);
        assert_eq!(moment.within(Some(30), Some(30)).gaps, [Gap::unknown(30, 30, CAUSES[0])]);
    }

    /// It began at 40, the clock was set back to 10, and it ended at 20.
    #[test]
    fn what_a_clock_showed_before_a_journal_and_behind_it_is_outside_though_it_showed_the_same_between() {
        let outside = |bound| Outside { cause: GapCause::NotRunning, bound };
        let turned = Coverage::new(Span { from: 10, to: 40 }, Vec::new(), (outside(40), outside(20)));
        let missing = |from, to| {
            let missing = turned.missing(Span { from, to });
            missing.iter().map(|gap| (gap.from, gap.to, gap.cause)).collect::<Vec<_>>()
        };
        assert_eq!(missing(30, 35), [(30, 35, GapCause::NoFile), (30, 35, GapCause::NoFile)]);
        assert_eq!(missing(12, 15), [(12, 15, GapCause::NoFile)]);
        assert_eq!((turned.gaps.clone(), turned.whole_spans()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_was_asked_for_outside_has_the_cause_of_that_end() {
        let asked = coverage(&[]).within(Some(5), Some(70));
        let before = Gap::unknown(5, 10, GapCause::SegmentMissing);
        let behind = Gap::unknown(50, 70, GapCause::NotYetWritten);
        assert_eq!((asked.gaps, coverage(&[]).within(Some(60), Some(70)).gaps[0].from), (vec![before, behind], 60));
    }

    #[test]
    fn a_moment_within_a_gap_is_one_and_one_at_its_border_too() {
        let whole = coverage(&[Gap::unknown(20, 30, CAUSES[0])]);
        let at = |moment| whole.clone().within(Some(moment), Some(moment)).gaps.len();
        assert_eq!([19, 20, 25, 30, 31].map(at), [0, 1, 1, 1, 0]);
        // But a span that only touches it has none.
        assert_eq!(whole.within(Some(30), Some(40)).gaps, []);
    }
}
