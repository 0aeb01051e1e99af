//! The likeliest way through bytes that are not simply one ordinary record after the other.
//!
//! Every place ahead where a record could stand is a node. A way goes from record to record, in step or over a gap,
//! and what would have to have happened for it to be true adds to its cost. The way of least cost tells what
//! happened; of equal ones, that which resumes later.
//!
//! A sound record in step is part of every way, whatever its time says: clocks are set to and fro, routers are silent
//! for weeks, and flows last for months. Only a cut can speak against it: a record cut short here, with records
//! behind it in another step. Where the step held leads over sound records all the way to the horizon, the other
//! one must do so too, nearer in time and without any absurd jump.
//!
//! It can be wrong where addresses and ports look like types and current times, just where a record was cut: the
//! bytes then fit both ways. The kinds of traffic that would do it are rare.

use zerocopy::FromBytes;

use crate::legacy::entry::{Anchor, Entry, beginning};

/// How far to look, in records. More than a sector of a disk holds none of, so that one overwritten is seen as such.
const AHEAD: usize = 12;

/// How many records must follow each other where the step is found again; fewer only where the file ends.
pub(super) const CHAIN: usize = 3;

/// From how far on a time is rather none: seconds from that of the record before.
const ABSURD_S: u32 = 32 * 86_400;

// What must have happened, each with its cost. Their order matters: a jump in time is believed only if no cut
// explains it, and a cut sooner than the loss of a record in its place.
const CUT: u32 = 2;
const FAR: u32 = 3;
const ABSURD: u32 = 4;
const LOST: u32 = 5;
const RUBBISH: u32 = 6;
const _: () = assert!(CUT < FAR && FAR < ABSURD && ABSURD < LOST && LOST < RUBBISH);

/// More than any way costs, each record of which is at most absurd, incoherent and behind a gap.
const NEVER: u32 = 1_000;
const _: () = assert!((AHEAD * (ABSURD + FAR + LOST + RUBBISH) as usize) < NEVER as usize);

/// The beginning of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Where the first record begins.
    pub first: usize,
    /// Where the record after it begins, if one was seen.
    pub next: Option<usize>,
}

/// The likeliest way on from `from`, if a record is on it.
pub(super) fn route<T: Entry>(bytes: &[u8], from: usize, anchor: Anchor) -> Option<Route> {
    let horizon = bytes.len().min(from + AHEAD * T::SIZE);
    let mut ways = Ways::<T> { bytes, horizon, nodes: Vec::new() };
    for place in (from..horizon).rev() {
        ways.add(place, anchor);
    }
    let first = ways.best(from, anchor).onto?;
    if ways.goes_on(from, anchor) && !ways.is_credible_cut(from, first.place, anchor) {
        let next = from + T::SIZE;
        return Some(Route { first: from, next: (next < horizon).then_some(next) });
    }
    Some(Route { first: first.place, next: first.next })
}

/// Whether enough records follow each other from `place` on.
pub(super) fn is_chain<T: Entry>(bytes: &[u8], place: usize) -> bool {
    let (entries, _) = split::<T>(bytes.get(place..).unwrap_or_default());
    !entries.is_empty() && entries.iter().take(CHAIN).all(T::is_sound)
}

/// As many records as there are in `bytes`, and what is left.
pub(super) fn split<T: Entry>(bytes: &[u8]) -> (&[T], &[u8]) {
    // It fails for types that have an alignment or no size only: entries have neither.
    <[T]>::ref_from_prefix(bytes).unwrap_or((&[], bytes))
}

/// All ways from each place up to the horizon.
struct Ways<'a, T> {
    bytes: &'a [u8],
    horizon: usize,
    /// From the horizon back.
    nodes: Vec<Node<'a, T>>,
}

/// A place where a record could stand.
struct Node<'a, T> {
    place: usize,
    entry: &'a T,
    /// Of the best way from here on.
    cost: u32,
    /// Where that way has its next record.
    next: Option<usize>,
}

/// The best way from some place.
struct Best<'w, 'a, T> {
    cost: u32,
    onto: Option<&'w Node<'a, T>>,
}

impl<'a, T: Entry> Ways<'a, T> {
    /// Adds `place`, if a record could stand there. Those after it have been added.
    fn add(&mut self, place: usize, anchor: Anchor) {
        let window = self.bytes.get(place..self.horizon).unwrap_or_default();
        let Ok((entry, _)) = T::ref_from_prefix(window) else {
            return;
        };
        if entry.is_sound() {
            let best = self.best(place + T::SIZE, Anchor { previous: entry.seconds(), ..anchor });
            let next = best.onto.map(|node| node.place);
            self.nodes.push(Node { place, entry, cost: best.cost, next });
        }
    }

    /// Whether records follow each other from `place` to the horizon; the file may end in the middle of the last.
    fn goes_on(&self, place: usize, anchor: Anchor) -> bool {
        let (entries, rest) = split::<T>(self.bytes.get(place..self.horizon).unwrap_or_default());
        entries.iter().all(T::is_sound) && (rest.is_empty() || beginning::<T>(rest, anchor).is_some())
    }

    /// Whether a cut at `from`, the next record being at `place`, may speak against sound records in step.
    fn is_credible_cut(&self, from: usize, place: usize, mut anchor: Anchor) -> bool {
        let is_file_end = self.horizon == self.bytes.len();
        // Else it would take two mishaps, where in step there is one at most: that the writer was killed.
        let ends_with_the_file = !is_file_end || (self.horizon - place).is_multiple_of(T::SIZE);
        if place == from || !ends_with_the_file || !self.goes_on(place, anchor) {
            return false;
        }
        let (entries, _) = split::<T>(self.bytes.get(place..self.horizon).unwrap_or_default());
        entries.iter().all(|entry| {
            let is_absurd = cost_of_time(entry, anchor) >= ABSURD;
            anchor.previous = entry.seconds();
            !is_absurd
        })
    }

    /// Whether a record stands at `place`, in step with what ended there.
    fn stands(&self, place: usize) -> bool {
        let window = self.bytes.get(place..self.horizon).unwrap_or_default();
        T::ref_from_prefix(window).is_ok_and(|(entry, _)| entry.is_sound())
    }

    /// The best way from `end`, where a record ended that `anchor` tells of.
    fn best(&self, end: usize, anchor: Anchor) -> Best<'_, 'a, T> {
        let in_step = self.stands(end);
        // A record that stands here is a node, and so there is a way that costs less.
        let cost = if in_step { NEVER } else { self.cost_of_ending(end, anchor) };
        let mut best = Best { cost, onto: None };
        for node in self.nodes.iter().rev() {
            let Some(gap) = self.bytes.get(end..node.place) else {
                continue;
            };
            if in_step && gap.len() >= T::SIZE {
                break;
            }
            let cost = cost_of_gap::<T>(gap, anchor) + cost_of_time(node.entry, anchor) + node.cost;
            if cost <= best.cost && (gap.is_empty() || is_chain::<T>(self.bytes, node.place)) {
                best = Best { cost, onto: Some(node) };
            }
        }
        best
    }

    /// Of having no further record up to the horizon.
    fn cost_of_ending(&self, end: usize, anchor: Anchor) -> u32 {
        let left = self.bytes.get(end..self.horizon).unwrap_or_default();
        let is_file_end = self.horizon == self.bytes.len();
        if left.is_empty() || !is_file_end && left.len() < T::SIZE {
            return 0;
        }
        let of_gap = cost_of_gap::<T>(left, anchor);
        if !is_file_end {
            return of_gap;
        }
        // More than a cut in the middle: with that one, the file ends with a whole record.
        let begun = if left.len() < T::SIZE { beginning::<T>(left, anchor) } else { None };
        CUT + of_gap + begun.map_or(0, |begun| cost_of_time(&begun, anchor))
    }
}

/// Of a record having this time after those that `anchor` tells of.
fn cost_of_time<T: Entry>(entry: &T, anchor: Anchor) -> u32 {
    let of_distance = match entry.seconds().abs_diff(anchor.previous) {
        _ if entry.is_near(anchor) => 0,
        apart if apart <= ABSURD_S => FAR,
        _ => ABSURD,
    };
    of_distance + if entry.is_coherent() { 0 } else { FAR }
}

/// Of `gap` standing between two records.
fn cost_of_gap<T: Entry>(gap: &[u8], anchor: Anchor) -> u32 {
    // No more than AHEAD.
    let records = (gap.len() / T::SIZE) as u32;
    let is_in_step = gap.len().is_multiple_of(T::SIZE);
    let is_cut = || {
        let begun = beginning::<T>(gap, anchor);
        records == 0 && begun.is_some_and(|begun| cost_of_time(&begun, anchor) < ABSURD)
    };
    match () {
        () if is_in_step => records * LOST,
        () if is_cut() => CUT,
        () => records * LOST + RUBBISH,
    }
}
