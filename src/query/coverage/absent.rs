//! What is missing of a journal: by its notes, by what the files do not tell of, and by what its clock never showed.

use ctrecorder_format::header::split;
use ctrecorder_format::{Cause, Note, Retirement};

use super::known::{Known, is_absence};
use super::part::Part;
use super::run::{Run, between_runs};
use super::{Gap, GapCause, Span, account, complement, joined, uptime};

pub(super) const REMOVED: GapCause = GapCause::Noted(Cause::Removed as u16);
pub(super) const RETIRED: GapCause = GapCause::Noted(Cause::Retired as u16);

/// The gaps that notes tell of, corrected by the accounts of the same run, and what could not be read.
pub(super) fn noted(runs: &[Run]) -> Vec<Gap> {
    let of_run = |run: &Run| {
        let mut gaps = account::settled(run.parts.iter().flat_map(|part| &part.notes));
        gaps.extend(run.parts.iter().flat_map(|part| &part.damaged));
        gaps
    };
    runs.iter().flat_map(of_run).collect()
}

/// All that is told to be missing, by notes and by what could not be read, and what was removed as the recorder was told to; and whether that
/// reaches to the begin of this span.
pub(super) fn told(runs: &[Run], elsewhere: &[Note], span: Span) -> (Vec<Gap>, bool) {
    let mut gaps = noted(runs);
    gaps.sort_unstable();
    // A file and its squeezed form tell of the same gaps.
    gaps.dedup();
    let retired = retired(runs, elsewhere, &gaps);
    let reaches_begin = retired.iter().any(|gap| gap.to == span.from);
    gaps.extend(retired);
    (gaps, reaches_begin)
}

/// A time between two runs of which nothing tells.
pub(super) struct Hole<'r> {
    /// The last file of the run before, and the first one of the run behind.
    pub(super) before: &'r Part,
    pub(super) after: &'r Part,
    pub(super) gap: Gap,
}

/// The gaps between runs, where nothing that is told already tells of them.
pub(super) fn holes<'r>(runs: &'r [Run], told: &[Gap]) -> Vec<Hole<'r>> {
    // Of times that a clock showed twice, what tells of the one says nothing of the other.
    let known = Known::of(runs.iter().filter(|run| !run.is_turned()), told);
    let mut holes = Vec::new();
    let mut last: Option<&Part> = None;
    for run in runs {
        let (began, _) = run.ends();
        if let (Some(before), Some(after)) = (last, run.parts.first())
            && before.ended < began
        {
            let gap = |span: Span| Gap::unknown(span.from, span.to, between_runs(before, after, began, span));
            let left = known.left(before.ended, began);
            holes.extend(left.into_iter().map(|span| Hole { before, after, gap: gap(span) }));
        }
        last = last.into_iter().chain(run.parts.last()).max_by_key(|part| part.ended);
    }
    holes
}

/// The gaps between files, where no note tells of them.
pub(super) fn derived(runs: &[Run], noted: &[Gap]) -> Vec<Gap> {
    // Of times that a clock showed twice, what tells of the one says nothing of the other.
    let known = Known::of(runs.iter().filter(|run| !run.is_turned()), noted);
    let headless: Vec<_> = runs.iter().flat_map(|run| &run.parts).filter(|part| part.host.is_none()).collect();
    let own = runs.iter().flat_map(|run| run.derived().map(move |gap| (run, gap)));
    let mut gaps = Vec::new();
    for (run, mut gap) in own {
        // Whose number is missing may be there, with a header that cannot be read.
        if headless.iter().any(|part| gap.from <= part.hull().from && part.hull().to <= gap.to) {
            gap.cause = GapCause::Damaged;
        }
        if gap.from <= gap.to {
            let left = known.left_within(run.boot(), gap.from, gap.to);
            gaps.extend(left.into_iter().map(|span| Gap { from: span.from, to: span.to, ..gap }));
        } else {
            // The clock was set back: where the gap is, nobody knows.
            gaps.push(Gap { from: gap.to, to: gap.from, ..gap });
        }
    }
    gaps.extend(holes(runs, noted).into_iter().map(|hole| hole.gap));
    let absent: Vec<_> = noted.iter().filter(|gap| is_absence(gap)).chain(&gaps).map(Gap::span).collect();
    gaps.extend(uptime::unrecorded(runs, absent.into_iter()));
    gaps
}

/// What was removed as the recorder was told to, and is not told of by a file that is there all the same, or by a note. Removals of
/// this journal are told by it, or, by the id of its network namespace, by the recorder's own.
fn retired(runs: &[Run], elsewhere: &[Note], noted: &[Gap]) -> Vec<Gap> {
    let known = Known::of(runs, noted);
    let netns = runs.iter().find_map(|run| split(run.namespace).1);
    let notes = runs.iter().flat_map(|run| &run.parts).flat_map(|part| &part.notes).chain(elsewhere);
    let left = |told: Retirement| known.left(told.from, told.to);
    let of_this = |told: &Retirement| told.netns.is_none() || told.netns == netns;
    let spans = Retirement::standing(notes).into_iter().filter(of_this).flat_map(left);
    joined(spans.map(|span| Gap::unknown(span.from, span.to, RETIRED)).collect())
}

/// What of a span that holds all that is told is in none of the files and in no gap: times that the clock was set over; and those that
/// it showed before all files or behind them, for it was set back, which is so for this reason.
pub(super) fn never_shown(runs: &[Run], told: &[Gap], span: Span, outside: GapCause) -> Vec<Gap> {
    let skipped = runs.iter().flat_map(|run| &run.parts).flat_map(|part| &part.shown.skipped);
    let skipped = Span::apart(skipped.copied().collect());
    let known = Known::of(runs, told);
    let over = skipped.iter().flat_map(|over| known.left(over.from, over.to));
    let mut gaps: Vec<_> = over.map(Gap::set_forward).collect();
    let mut all: Vec<_> = known.spans().chain(told.iter().chain(&gaps).map(Gap::span)).collect();
    all.sort_unstable();
    let left = complement(all, span.from, span.to).into_iter();
    gaps.extend(left.map(|left| Gap::unknown(left.from, left.to, outside)));
    gaps
}
