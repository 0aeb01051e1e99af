//! What is covered where the clock was set back: the same times came twice, and others never.

use super::{Gap, NO_FILE, SET_FORWARD, Told, without};
use crate::kept::{File, Kept};
use crate::world::World;

/// For so long a clock may have been set, and nobody noticed.
const NOTICED_NS: u64 = 2_000_000_000;

/// What is covered was shown by the clock while something was written that is left; and whatever it showed then is covered, or is in
/// a gap that says why not.
pub fn check(world: &World, kept: &Kept, told: &Told) {
    // Files of version 2 do not tell when the clock was set.
    if kept.has_version_2() {
        return;
    }
    let shown: Vec<_> = kept.files.iter().flat_map(|file| shown(world, file)).collect();
    for span in &told.spans {
        // Once a second the recorder looks whether the clock was set.
        let never: Vec<_> = without(&shown, *span).into_iter().filter(|(from, to)| to - from > NOTICED_NS).collect();
        assert!(never.is_empty(), "never shown, and covered: {never:?} of {span:?} in {told:?}");
    }
    let is_reason = |gap: &&Gap| ![SET_FORWARD, NO_FILE].contains(&&*gap.cause);
    let reasons = told.gaps.iter().filter(is_reason).map(|gap| (gap.from, gap.to));
    let answered: Vec<_> = told.spans.iter().copied().chain(reasons).collect();
    // Up to when one tells that was cut off is another question.
    for file in kept.files.iter().filter(|file| !world.files[file.index].torn) {
        for span in self::shown(world, file) {
            let left = without(&answered, span);
            assert!(left.is_empty(), "shown, and not covered: {left:?} of {span:?} in {told:?}");
        }
    }
}

/// The spans that the clock showed while a file was written.
fn shown(world: &World, file: &File) -> Vec<(u64, u64)> {
    let span = world.files[file.index].span;
    let to = span.to.min(world.last);
    let steps: Vec<_> = world.steps().filter(|(at, _)| span.from < *at && *at < to).collect();
    let begins = [span.from].into_iter().chain(steps.iter().map(|(at, _)| *at));
    let before = |(at, by): &(u64, i64)| world.clock.shows(*at).saturating_add_signed(-by);
    let ends = steps.iter().map(before).chain([world.clock.shows(to)]);
    begins.map(|at| world.clock.shows(at)).zip(ends).collect()
}
