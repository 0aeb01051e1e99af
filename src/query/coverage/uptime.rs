//! What nobody recorded, by a clock that nobody sets: where the wall clock was set back while no recorder ran, or in a file that is
//! missing, the times between two files do not tell that something is between them. How long the machine had been up does.
//! docs/format.md, section "How long the machine had been up".

use std::collections::BTreeMap;

use ctrecorder_format::{Note, Uptime};

use super::part::Part;
use super::run::{Run, between_segments};
use super::{Gap, GapCause, Span};

/// What the clock differs by less than this is no step that anybody tells of, ns.
const STEP_MIN: i128 = Note::CLOCK_STEP_MIN_NS as i128;

/// How a wall clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setting {
    /// Since which start of the machine.
    boot: u64,
    /// What it would have shown then, ns since the epoch.
    origin: i128,
}

impl Setting {
    /// For how long the machine had been up at a moment, ns.
    fn up(self, moment: u64) -> i128 {
        i128::from(moment) - self.origin
    }
}

/// How the clock was set when a file was begun, and when it ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    known: Option<(Setting, Setting)>,
    /// By how much it was set before that is known.
    set: i128,
}

impl Settings {
    /// Takes what the next note of a file says that begins at a moment. What is made of several tells that the clock was set before that.
    pub(super) fn note(&mut self, note: &Note, began: u64) {
        if let Some([before, after]) = note.clock_set().filter(|[_, after]| *after != began) {
            let set = i128::from(after) - i128::from(before);
            match &mut self.known {
                Some((_, last)) => last.origin += set,
                None => self.set += set,
            }
        }
        let Some(Uptime { moment, up, boot }) = Uptime::of(note).filter(|told| told.boot != 0) else { return };
        let told = Setting { boot, origin: i128::from(moment) - i128::from(up) };
        let first = self.known.map_or(Setting { origin: told.origin - self.set, ..told }, |(first, _)| first);
        self.known = Some((first, told));
    }

    /// For how long the machine had been up when the file was begun, at this moment.
    pub(super) fn at_begin(&self, began: u64) -> Option<Uptime> {
        let (first, _) = self.known?;
        Some(Uptime { moment: began, up: u64::try_from(first.up(began)).ok()?, boot: first.boot })
    }
}

/// Files of one recorder, one behind the other with nothing missing between them.
struct Stretch<'r> {
    first: &'r Part,
    last: &'r Part,
    settings: (Setting, Setting),
}

/// Where within one start of the machine something was recorded: for how long it had been up.
struct Presence<'r> {
    from: i128,
    to: i128,
    first: &'r Part,
    last: &'r Part,
}

/// Gaps of times that the clock may have shown while nobody recorded, though files tell of them, for it was set back and showed them twice.
pub(super) fn unrecorded(runs: &[Run]) -> Vec<Gap> {
    let boots = boots(runs);
    let neighbours = boots.values().flat_map(|boot| boot.iter().zip(boot.iter().skip(1)));
    neighbours.flat_map(|(before, after)| between(before, after)).collect()
}

/// Those between two presences within one start of the machine. When the clock was set meanwhile nobody knows: at once, or only at last.
fn between(before: &Presence<'_>, after: &Presence<'_>) -> Vec<Gap> {
    let passed = after.from - before.to;
    let (ended, began) = (before.last.ended, after.first.began);
    let went = i128::from(began) - i128::from(ended);
    if passed <= 0 || passed - went <= STEP_MIN {
        return Vec::new();
    }
    let passed = u64::try_from(passed).unwrap_or(u64::MAX);
    let spans = [
        Span { from: ended, to: ended.saturating_add(passed) },
        Span { from: began.saturating_sub(passed), to: began },
    ];
    spans.map(|span| Gap::unknown(span.from, span.to, GapCause::SetBack)).into()
}

/// What is recorded of each start of the machine, in the order of that; what lies within another presence is none.
fn boots(runs: &[Run]) -> BTreeMap<u64, Vec<Presence<'_>>> {
    let mut boots: BTreeMap<u64, Vec<Presence<'_>>> = BTreeMap::new();
    for Stretch { first, last, settings: (begun, ended) } in runs.iter().flat_map(stretches) {
        let (from, to) = (begun.up(first.began), ended.up(last.ended));
        let mut add = |boot, from, to| boots.entry(boot).or_default().push(Presence { from, to, first, last });
        if begun.boot == ended.boot {
            add(begun.boot, from, to);
        } else {
            add(begun.boot, from, i128::MAX);
            add(ended.boot, 0, to);
        }
    }
    for boot in boots.values_mut() {
        boot.sort_by_key(|presence| presence.from);
        let mut reached = i128::MIN;
        boot.retain(|presence| {
            let is_further = presence.to > reached;
            reached = reached.max(presence.to);
            is_further
        });
    }
    boots
}

/// The stretches of a run of which it is known how the clock was set.
fn stretches(run: &Run) -> impl Iterator<Item = Stretch<'_>> {
    let stretches = run.parts.chunk_by(|before, after| between_segments(before, after).is_none());
    stretches.filter_map(|parts| {
        let mut known = parts.iter().filter_map(|part| part.settings.known);
        let (begun, ended) = known.next()?;
        let settings = (begun, known.next_back().map_or(ended, |(_, ended)| ended));
        Some(Stretch { first: parts.first()?, last: parts.last()?, settings })
    })
}
