//! What a clock showed while a file was written. Notes tell when it was set: forward over times that it never showed, or
//! back, so that it showed the same times twice.

use ctrecorder_format::Note;

use super::Span;

/// What a recorder does before it notices that the clock was set is by the clock as it was set, and stands before the note.
const NOTICED_NS: u64 = Note::CLOCK_STEP_NOTICED_NS;

/// Whether a moment is later than another one by so much that a recorder has looked at its clock in between.
pub(super) const fn is_later(moment: u64, than: u64) -> bool {
    than.saturating_add(NOTICED_NS) < moment
}

/// That the clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What it showed before, ns since the epoch.
    pub(super) before: u64,
    /// And after.
    pub(super) after: u64,
    /// The greatest time of anything since the step before it, as far as that is known.
    pub(super) reached: u64,
}

impl Step {
    /// The step of which a note tells. One forward that a recorder would not tell of is none: less is what time daemons correct.
    pub(super) fn of(note: &Note, reached: u64) -> Option<Self> {
        let [before, after] = note.clock_set()?;
        let is_step = after < before || after - before > Note::CLOCK_STEP_MIN_NS;
        is_step.then_some(Self { before, after, reached })
    }

    /// The times that the clock was set over; `None` if it was set back.
    fn skipped(self) -> Option<Span> {
        (self.before < self.after).then_some(Span { from: self.before, to: self.after })
    }

    /// Those of these before a file was begun at this moment, and noted in the file.
    fn skipped_before(self, begun: u64) -> Option<Span> {
        self.skipped().filter(|_| self.skips(begun)).map(|over| Span { to: begun, ..over })
    }

    /// Whether it set the clock over this moment, or to it.
    const fn skips(self, moment: u64) -> bool {
        self.before < moment && moment <= self.after
    }

    /// Whether it set the clock back, and the clock may have shown this moment since, before that was noted.
    pub(super) fn has_shown(self, moment: u64) -> bool {
        self.after < self.before && !is_later(self.after, moment)
    }

    /// Whether it came before a file was begun at this moment, by the clock as it had been set, and was noted in the file. `was_set`: whether
    /// that is so by how long the machine had been up.
    fn is_before(self, begun: u64, was_set: Option<bool>) -> bool {
        if self.before < self.after {
            return self.skips(begun);
        }
        if let Some(was_set) = was_set {
            return was_set;
        }
        let is_small = self.before - self.after <= 2 * NOTICED_NS;
        !is_small && self.after.abs_diff(begun) <= NOTICED_NS && !is_later(self.reached, self.after)
    }
}

/// What a clock showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// The spans of time, by their begin; none meets another one.
    pub(super) spans: Vec<Span>,
    /// What it was set over, in order.
    pub(super) skipped: Vec<Span>,
    /// That of these which it was set over before the file was begun.
    pub(super) before: Option<Span>,
}

impl Shown {
    /// From the moment at which a file was begun to that at which it ended. `reached` is the greatest time of anything behind the
    /// last step. `was_set`: whether the clock was set back before the begin, and that noted behind it; `None` if that is not told.
    pub(super) fn while_written(
        (began, ended): (u64, u64),
        steps: &[Step],
        reached: u64,
        was_set: Option<bool>,
    ) -> Self {
        let (mut spans, mut skipped, mut before) = (Vec::new(), Vec::new(), None);
        let mut from = began;
        for (place, step) in steps.iter().enumerate() {
            if place == 0 && step.is_before(began, was_set) {
                before = step.skipped_before(began);
                skipped.extend(before);
                continue;
            }
            spans.push(Span { from, to: step.before.max(from) });
            skipped.extend(step.skipped());
            from = step.after;
        }
        // Else it was set back, and nothing tells of it.
        if ended < from || is_later(reached, ended) {
            spans.push(Span { from: ended, to: ended });
            spans.push(Span { from, to: reached.max(from) });
        } else {
            spans.push(Span { from, to: ended });
        }
        Self { spans: Span::apart(spans), skipped, before }
    }

    /// Between two moments, by what it was set over alone. What was made of other files may begin or end within that.
    pub(super) fn between(from: u64, to: u64, steps: &[Step]) -> Self {
        let skipped: Vec<_> = steps.iter().filter_map(|step| step.skipped()).collect();
        let whole = Self { spans: vec![Span { from, to: to.max(from) }], ..Self::default() };
        let before = steps.first().and_then(|step| step.skipped_before(from));
        let mut shown = Self { skipped: skipped.clone(), before, ..whole.without(skipped) };
        // It was set to the very moment at which they end.
        let last = steps.iter().filter(|step| from <= to && step.after == to).map(|_| Span { from: to, to });
        shown.spans.extend(last);
        Self { spans: Span::apart(shown.spans), ..shown }
    }

    /// The same without the times that it was set over, as something else tells. Of a single moment, that stays.
    pub(super) fn without(mut self, mut over: Vec<Span>) -> Self {
        over.sort_unstable();
        let left = |span: Span| {
            let left = super::complement(over.iter().copied(), span.from, span.to);
            if left.is_empty() { vec![Span { to: span.from, ..span }] } else { left }
        };
        self.spans = self.spans.into_iter().flat_map(left).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::NS_PER_SECOND;
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = NS_PER_SECOND;
    const YEAR: u64 = 365 * 24 * 3600;

    /// Spans by their begin and end.
    type Seconds = Vec<(u64, u64)>;

    fn step([before, after]: [u64; 2]) -> Step {
        Step { before: before * SECOND, after: after * SECOND, reached: u64::MAX }
    }

    /// Begin and end of each, in seconds.
    fn seconds(spans: &[Span]) -> Seconds {
        spans.iter().map(|span| (span.from / SECOND, span.to / SECOND)).collect()
    }

    /// What a clock showed that was set so, and what it was set over.
    fn shown(began: u64, ended: u64, steps: &[[u64; 2]]) -> (Seconds, Seconds) {
        let steps: Vec<_> = steps.iter().copied().map(step).collect();
        let shown = Shown::while_written((began * SECOND, ended * SECOND), &steps, ended * SECOND, None);
        (seconds(&shown.spans), seconds(&shown.skipped))
    }

    #[test]
    fn times_that_came_twice_are_one_span_and_those_that_never_came_are_none() {
        assert_eq!(shown(10, 90, &[]), (vec![(10, 90)], vec![]));
        assert_eq!(shown(10, 90, &[[30, 50]]), (vec![(10, 30), (50, 90)], vec![(30, 50)]));
        assert_eq!(shown(10, 60, &[[50, 20]]), (vec![(10, 60)], vec![]));
        assert_eq!(shown(10, 25, &[[50, 20]]), (vec![(10, 50)], vec![]));
        assert_eq!(shown(50, 20, &[[60, 10]]), (vec![(10, 20), (50, 60)], vec![]));
        let ahead = [[20, YEAR + 20], [YEAR + 30, 30]];
        assert_eq!(shown(10, 40, &ahead), (vec![(10, 20), (30, 40), (YEAR + 20, YEAR + 30)], vec![(20, YEAR + 20)]));
    }

    #[test]
    fn a_clock_that_was_set_to_the_very_moment_of_an_end_has_shown_that() {
        let steps = [[30, 50]].map(step);
        let between = |from, to| seconds(&Shown::between(from * SECOND, to * SECOND, &steps).spans);
        assert_eq!([between(10, 50), between(10, 40)], [vec![(10, 30), (50, 50)], vec![(10, 30)]]);
        assert_eq!(shown(10, 50, &[[30, 50]]).0, between(10, 50));
    }

    #[test]
    fn what_is_noted_at_once_in_the_next_file_came_before_it() {
        assert_eq!(shown(50, 90, &[[21, 51]]), (vec![(50, 90)], vec![(21, 50)]));
        // It was begun by the clock as it had been set back: that it was ahead is no matter of this file.
        let steps = [Step { reached: 50 * SECOND, ..step([YEAR + 51, 51]) }];
        let shown = Shown::while_written((50 * SECOND, 90 * SECOND), &steps, 90 * SECOND, None);
        assert_eq!(seconds(&shown.spans), [(50, 90)]);
        // But for one that lasted for a year.
        let steps = [Step { reached: YEAR * SECOND, ..step([YEAR + 51, 51]) }];
        let shown = Shown::while_written((50 * SECOND, 90 * SECOND), &steps, 90 * SECOND, None);
        assert_eq!(seconds(&shown.spans), [(50, YEAR + 51)]);
    }

    /// Nothing happened in the file before that was noticed.
    #[test]
    fn by_how_long_the_machine_had_been_up_it_is_known_whether_a_file_was_begun_before_the_clock_was_set_back() {
        let steps = [Step { reached: 50 * SECOND, ..step([54, 49]) }];
        let shown = |was_set| Shown::while_written((50 * SECOND, 51 * SECOND), &steps, 51 * SECOND, was_set);
        let shown = [None, Some(true), Some(false)].map(|was_set| seconds(&shown(was_set).spans));
        assert_eq!(shown, [vec![(50, 51)], vec![(50, 51)], vec![(49, 54)]]);
    }

    #[test]
    fn where_no_note_tells_that_it_was_set_back_what_came_before_counts_as_far_as_it_goes() {
        let shown = Shown::while_written((500 * SECOND, 90 * SECOND), &[], 530 * SECOND, None);
        assert_eq!(seconds(&shown.spans), [(90, 90), (500, 530)]);
    }

    #[test]
    fn what_time_daemons_correct_is_no_step() {
        let by = |ns: i64| Step::of(&Note::clock_step(100 * SECOND, ns), 0).is_some();
        assert_eq!([500_000_000, 1_000_000_000, 1_000_000_001, -1].map(by), [false, false, true, true]);
        assert_eq!(Step::of(&Note::at(5, ctrecorder_format::Cause::Quiet), 0), None);
    }

    proptest! {
        /// Whatever the steps are, the spans are apart and in order.
        #[test]
        fn nonsense_is_borne(
            began in any::<u64>(), ended in any::<u64>(), reached in any::<u64>(), was_set in any::<Option<bool>>(),
            steps in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..5),
        ) {
            let steps: Vec<_> = steps.into_iter().map(|(before, after, reached)| Step { before, after, reached }).collect();
            for shown in [Shown::while_written((began, ended), &steps, reached, was_set), Shown::between(began, ended, &steps)] {
                prop_assert!(!shown.spans.is_empty());
                prop_assert!(shown.spans.iter().all(|span| span.from <= span.to), "{:?}", shown);
                prop_assert!(shown.spans.windows(2).all(|pair| pair[0].to <= pair[1].from), "{:?}", shown);
            }
        }
    }
}
