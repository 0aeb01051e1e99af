//! What nobody recorded, by a clock that nobody sets: where the wall clock was set back, the times of files do not tell what is between two
//! of them, nor that others tell of the same times but not of that. How long the machine had been up does.
//! docs/format.md, section "How long the machine had been up".

use std::collections::{BTreeMap, BTreeSet};

use ctrecorder_format::{Content, Note, Uptime};

use super::clock::Step;
use super::part::Part;
use super::run::{Run, between_runs, between_segments};
use super::span::complement_of_apart;
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
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    known: Option<(Setting, Setting)>,
    /// The starts of the machine of which it tells.
    boots: BTreeSet<u64>,
    /// By how much it was set before that is known.
    set: i128,
    /// It was set, how it was before the first time, and by how much it was set then.
    is_set: bool,
    first_step: Option<(Setting, i128)>,
    was_set_at_begin: Option<bool>,
}

impl Settings {
    /// Takes what the next note of a file says that begins at a moment. What is made of several tells that the clock was set before that.
    pub(super) fn note(&mut self, note: &Note, began: u64) {
        if let Some([before, after]) = note.clock_set() {
            let set = i128::from(after) - i128::from(before);
            let is_first = Step::of(note, 0).is_some() && !std::mem::replace(&mut self.is_set, true);
            self.first_step = self.known.filter(|_| is_first).map(|(_, last)| (last, set));
            match &mut self.known {
                _ if after == began => {}
                Some((_, last)) => last.origin += set,
                None => self.set += set,
            }
        }
        let Some(Uptime { moment, up, boot }) = Uptime::of(note).filter(|told| told.boot != 0) else { return };
        let told = Setting { boot, origin: i128::from(moment) - i128::from(up) };
        let first = self.known.map_or(Setting { origin: told.origin - self.set, ..told }, |(first, _)| first);
        self.known = Some((first, told));
        self.boots.insert(told.boot);
        if let Some((before, set)) = self.first_step.take().filter(|(before, _)| before.boot == boot) {
            self.was_set_at_begin = Some((told.origin - before.origin).abs() < set.abs() / 2);
        }
    }

    /// Whether the clock had been set when the file was begun, as its first note of that tells, which came when that was noticed. `None`: it
    /// is not told for how long the machine had been up.
    pub(super) const fn was_set_at_begin(&self) -> Option<bool> {
        self.was_set_at_begin
    }

    /// For how long the machine had been up when the file was begun, at this moment.
    pub(super) fn at_begin(&self, began: u64) -> Option<Uptime> {
        let (first, _) = self.known?;
        Some(Uptime { moment: began, up: u64::try_from(first.up(began)).ok()?, boot: first.boot })
    }
}

/// Where within one start of the machine something was recorded: for how long it had been up.
struct Presence<'r> {
    from: i128,
    to: i128,
    first: &'r Part,
    last: &'r Part,
}

/// Gaps of times that the clock may have shown while nobody recorded, though files tell of them, for it was set back and showed them twice.
/// `absent` is what is told already.
pub(super) fn unrecorded(runs: &[Run], absent: impl Iterator<Item = Span>) -> Vec<Gap> {
    // Of what does not tell for how long the machine had been up, nobody knows that it is of another time.
    let untimed = runs.iter().flat_map(stretches).filter(|parts| ends(parts).is_none()).flatten();
    let untimed = untimed.filter(|part| !part.is_turned()).flat_map(|part| &part.shown.spans).copied();
    let known = Span::apart(absent.chain(untimed).collect());
    let boots = boots(runs);
    let neighbours = boots.values().flat_map(|boot| boot.iter().zip(boot.iter().skip(1)));
    neighbours.flat_map(|(before, after)| between(before, after, &known)).collect()
}

/// Those between two presences within one start of the machine, but for what is known. When the clock was set meanwhile, if it was, nobody
/// knows: at once, or only at last.
fn between(before: &Presence<'_>, after: &Presence<'_>, known: &[Span]) -> Vec<Gap> {
    let passed = after.from - before.to;
    let (ended, began) = (before.last.ended, after.first.began);
    let went = i128::from(began) - i128::from(ended);
    if passed <= 0 {
        return Vec::new();
    }
    let time = u64::try_from(passed).unwrap_or(u64::MAX);
    let (at_once, at_last) =
        (Span { from: ended, to: ended.saturating_add(time) }, Span { from: began.saturating_sub(time), to: began });
    let is_set_back = passed - went > STEP_MIN;
    // In what was recorded then and is not there, it may have been set back more than once: it may have shown anything between the two.
    let is_once = !is_set_back || is_nobody_recording(before.last, after.first);
    let spans = if is_once { Span::apart(vec![at_once, at_last]) } else { vec![at_once.joined(at_last)] }.into_iter();
    if is_set_back {
        return spans.map(|span| Gap::unknown(span.from, span.to, GapCause::SetBack)).collect();
    }
    let gap = |span: Span| Gap::unknown(span.from, span.to, cause(before.last, after.first, span));
    spans.flat_map(|span| complement_of_apart(known, span.from.max(ended), span.to.min(began))).map(gap).collect()
}

/// Whether nobody recorded between two files, as far as they tell: nothing is missing that was recorded then.
fn is_nobody_recording(before: &Part, after: &Part) -> bool {
    let is_behind = after.behind().is_none_or(|ended| ended == before.ended);
    let between = Span { from: before.ended, to: after.began };
    // What was squeezed is of no run, but has the number of the first segment that it was made from.
    let is_begun_later = after.content == Content::Flows && after.number > 0;
    is_behind
        && !is_begun_later
        && !matches!(cause(before, after, between), GapCause::SegmentMissing | GapCause::Damaged)
}

/// Why nothing is told of a span between two files, with nothing else between them.
fn cause(before: &Part, after: &Part, span: Span) -> GapCause {
    let same_run = before.run.is_some() && before.run == after.run;
    let within = same_run.then(|| between_segments(before, after)).flatten();
    within.map_or_else(|| between_runs(before, after, after.began, span), |gap| gap.cause)
}

/// What is recorded of each start of the machine, in the order of that; what lies within another presence is none.
fn boots(runs: &[Run]) -> BTreeMap<u64, Vec<Presence<'_>>> {
    let mut boots: BTreeMap<u64, Vec<Presence<'_>>> = BTreeMap::new();
    for (boot, presence) in runs.iter().flat_map(stretches).flat_map(presences) {
        boots.entry(boot).or_default().push(presence);
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

/// Where files of a stretch tell of something, with which start of the machine.
fn presences(parts: &[Part]) -> impl Iterator<Item = (u64, Presence<'_>)> {
    let ends = parts.first().zip(parts.last()).zip(ends(parts));
    ends.into_iter().flat_map(move |((first, last), (begun, ended))| {
        let boots: BTreeSet<_> = parts.iter().flat_map(|part| &part.settings.boots).copied().collect();
        boots.into_iter().map(move |boot| {
            let from = if boot == begun.boot { begun.up(first.began) } else { 0 };
            let to = if boot == ended.boot { ended.up(last.ended) } else { i128::MAX };
            (boot, Presence { from, to, first, last })
        })
    })
}

/// Files of a run, one behind the other with nothing missing between them.
fn stretches(run: &Run) -> impl Iterator<Item = &[Part]> {
    run.parts.chunk_by(|before, after| between_segments(before, after).is_none())
}

/// How the clock was set at the begin of a stretch, and at its end, as far as it tells.
fn ends(parts: &[Part]) -> Option<(Setting, Setting)> {
    let mut known = parts.iter().filter_map(|part| part.settings.known);
    let (begun, ended) = known.next()?;
    Some((begun, known.next_back().map_or(ended, |(_, ended)| ended)))
}

#[cfg(test)]
mod tests;
