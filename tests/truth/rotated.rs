//! How often the recorder begins another file changes no answer.

use ctrecorder_format::record::flags::REPLY_SEEN;

use crate::answers::listed;
use crate::case::Case;
use crate::coverage;
use crate::kept::Kept;
use crate::list::first_difference;
use crate::rows::Says;
use crate::who;
use crate::world::World;

/// Holds the answers of the case's journal, nothing of which is removed, converted or damaged, against those of the same one
/// with other files.
pub fn check(case: &Case) {
    // Whenever it rotates, it looks at the clock: it notices sooner that that was set.
    let case = Case { notices_ms: 0, ..case.clone() };
    let whole = Case { converted: Vec::new(), removed: Vec::new(), damaged: Vec::new(), ..case.clone() };
    let others = Case { files: 9 - case.files, ..whole.clone() };
    let worlds = [whole, others].map(|case| (World::of(&case), case));
    let [one, other] = [&worlds[0], &worlds[1]].map(|(world, case)| Kept::of(case, world));
    let flows = |kept: &Kept| {
        let (_, flows) = listed(["-s"], kept.paths());
        // Whether an answer was seen of a flow whose end was not heard, a keyframe tells: the more of them, the more is known.
        let plain = |flow: Says| Says { flags: flow.flags & !REPLY_SEEN, ..flow };
        let mut flows: Vec<_> = flows.into_iter().map(plain).collect();
        flows.sort_unstable();
        flows
    };
    if let Some(difference) = first_difference(&flows(&one), &flows(&other)) {
        panic!("rotated in two ways, the flows: {difference}");
    }
    let [covered, again] = [&one, &other].map(|kept| coverage::ask(&[], kept.paths()));
    assert_eq!(covered, again, "rotated in two ways");
    who::check_same(&worlds[0].0, [&one, &other], case.questions);
}
