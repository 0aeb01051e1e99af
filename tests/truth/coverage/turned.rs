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

/// The spans that the clock showed while a file was written, but for what it showed from when it was set until that was noticed.
fn shown(world: &World, file: &File) -> Vec<(u64, u64)> {
    let span = world.files[file.index].span;
    let noted: Vec<_> = world.noted().into_iter().filter(|noted| noted.file == file.index).collect();
    let is_noted = |set: u64| noted.iter().any(|noted| (noted.set..=noted.at).contains(&set));
    let unnoted = world.steps().map(|(set, _)| set).find(|set| span.holds(*set) && !is_noted(*set));
    let begins = [span.from].into_iter().chain(noted.iter().map(|noted| noted.at));
    let sets = noted.iter().map(|noted| noted.set).chain(unnoted).map(|set| world.clock.shows(set - 1) + 1);
    let ends = sets.chain([world.clock.shows(span.to.min(world.last))]);
    begins.map(|at| world.clock.shows(at)).zip(ends).collect()
}
