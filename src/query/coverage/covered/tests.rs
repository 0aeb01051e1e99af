//! Gaps made up, and what they leave of a journal.

use ctrecorder_format::Cause;
use proptest::prelude::*;

use super::*;

const CAUSES: [GapCause; 3] = [GapCause::NotRunning, GapCause::Damaged, GapCause::Noted(Cause::QueueFull as u16)];

fn gaps() -> impl Strategy<Value = Vec<Gap>> {
    let gap = (0..60_u64, 0..12_u64, 0..3_usize, prop::option::of(0..9_u64));
    let gap = gap.prop_map(|(from, length, cause, lost)| Gap { from, to: from + length, cause: CAUSES[cause], lost });
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
