//! When flows were gone at the latest whose end nobody heard.

use std::collections::HashMap;
use std::ops::Range;

use super::flow::{Identity, Known, Sides, Told, reaches_to};
use crate::query::Steps;

/// A flow, and what its end depends on.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) known: Known,
    /// Its place among those that were told of.
    pub(super) place: usize,
    /// Its place among those that began, where it is known.
    pub(super) order: Option<u64>,
    /// How often the clock had been set when it began, at the least, and when it ended.
    pub(super) steps: Range<usize>,
    /// How often when it began, at the most.
    pub(super) most_steps: usize,
}

impl Ended {
    /// By when it had begun, and how often the clock had been set by then, at the most. One of which the end alone is known had begun by
    /// that: parts of a journal that do not follow each other may tell of one flow so.
    fn began_by(&self) -> Option<(u64, usize)> {
        match (self.known.start.latest(), self.known.end) {
            (Some(latest), _) => Some((latest, self.most_steps)),
            (None, Told::At { moment, .. }) => Some((moment, self.steps.end)),
            (None, _) => None,
        }
    }
}

/// What the kernel holds once: zone, protocol, the type and code of a query's reply, and the reply tuple.
type Place = (u16, u8, u16, Sides);

fn place(flow: &Known) -> Place {
    let Identity { zone, protocol, types: [_, reply_type], reply, .. } = flow.identity;
    (zone, protocol, reply_type, reply)
}

/// Says of all flows what is known of their ends. `is_mixed`: flows may have their starts of version 2 also where they have an
/// id.
pub(super) fn end(flows: &mut Vec<Ended>, steps: &Steps, is_mixed: bool) {
    // First: a half whose end is concluded looks like a whole flow.
    drop_repeated_halves(flows, steps.is_turned());
    end_replaced(flows, steps, is_mixed);
}

/// Files that were squeezed one by one tell of one flow several times: as a half in each, and whole in the last. But where the clock
/// was set back, one that is told of behind an end that nobody heard may have been alive then.
fn drop_repeated_halves(flows: &mut Vec<Ended>, is_turned: bool) {
    let is_half = |flow: &Ended| flow.known.end == Told::Unknown;
    let name = |Ended { known, .. }: &Ended| (known.identity, known.start.latest());
    let mut whole: HashMap<_, usize> = HashMap::new();
    for flow in flows.iter().filter(|flow| !is_half(flow)) {
        let is_last = !is_turned || matches!(flow.known.end, Told::At { .. });
        let behind = whole.entry(name(flow)).or_default();
        *behind = if is_last { usize::MAX } else { flow.place.max(*behind) };
    }
    flows.retain(|flow| {
        if !is_half(flow) || flow.known.start == Told::Unknown {
            return true;
        }
        let is_behind = whole.get(&name(flow)).is_none_or(|place| *place < flow.place);
        // It is left once.
        whole.insert(name(flow), usize::MAX);
        is_behind
    });
}

/// A flow whose end was not heard was gone when another one began with the same reply tuple: the kernel holds no two of
/// them.
fn end_replaced(flows: &mut [Ended], clock: &Steps, is_mixed: bool) {
    let is_unheard = |flow: &Ended| !matches!(flow.known.end, Told::At { .. });
    let mut starts: HashMap<Place, Vec<Start>> = HashMap::new();
    for flow in flows.iter().filter(|flow| is_unheard(flow)) {
        starts.entry(place(&flow.known)).or_default();
    }
    for flow in flows.iter() {
        if let (Some((latest, steps)), Some(starts)) = (flow.began_by(), starts.get_mut(&place(&flow.known))) {
            let reach = reaches_to(latest, if is_mixed { 0 } else { flow.known.identity.id });
            starts.push(Start { latest, reach, order: flow.order, steps });
        }
    }
    let starts: HashMap<_, _> = starts.into_iter().map(|(place, starts)| (place, Starts::new(starts))).collect();
    for flow in flows.iter_mut().filter(|flow| is_unheard(flow)) {
        let next = starts.get(&place(&flow.known)).and_then(|starts| starts.next(flow, clock));
        if let Some(next) = next.filter(|next| flow.known.end.latest().is_none_or(|latest| next.latest < latest)) {
            flow.known.gone_by(next.latest, next.reach);
            flow.steps.end = flow.steps.end.min(next.steps);
        }
    }
}

/// When a flow began that may have taken another one's place.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// At this moment at the latest.
    latest: u64,
    /// The last moment that this may stand for.
    reach: u64,
    /// Its place among those that began, where it is known.
    order: Option<u64>,
    /// How often the clock had been set before, at the most: so long the other one may have been there.
    steps: usize,
}

/// The flows that had one place, one after the other.
#[derive(Debug)]
struct Starts {
    by_time: Vec<Start>,
    /// Those whose place among all that began is known, by that; each with the earliest of it and all behind it.
    by_order: Vec<(u64, Start)>,
}

impl Starts {
    fn new(mut by_time: Vec<Start>) -> Self {
        by_time.sort_by_key(Start::time);
        let ordered = by_time.iter().filter_map(|start| Some((start.order?, *start)));
        let mut by_order: Vec<_> = ordered.collect();
        by_order.sort_by_key(|(order, _)| *order);
        let mut earliest: Option<Start> = None;
        for (_, start) in by_order.iter_mut().rev() {
            let first = earliest.filter(|first| first.time() < start.time()).unwrap_or(*start);
            (*start, earliest) = (first, Some(first));
        }
        Self { by_time, by_order }
    }

    /// The first that began behind a flow: by its time, and by its place among those that began. Where not both places are known, the
    /// clock tells: it may have been set back between them, but not if it had not been set more often when the flow began than when
    /// the other one did.
    fn next(&self, flow: &Ended, clock: &Steps) -> Option<Start> {
        match (flow.known.start.latest(), flow.order) {
            (Some(own), order) => {
                let behind = self.by_time.partition_point(|start| start.latest <= own);
                let mut later = self.by_time.iter().skip(behind);
                let is_later = |start: &&Start| match order.zip(start.order) {
                    Some((own, other)) => own < other,
                    None => flow.most_steps <= clock.least_before(start.latest),
                };
                later.find(is_later).copied()
            }
            (None, Some(order)) => {
                let behind = self.by_order.partition_point(|(place, _)| *place <= order);
                self.by_order.get(behind).map(|(_, start)| *start)
            }
            (None, None) => None,
        }
    }
}

impl Start {
    fn time(&self) -> (u64, u64) {
        (self.latest, self.reach)
    }
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::record::flags::END_AT_LATEST;
    use ctrecorder_format::{Kind, NS_PER_SECOND, Note, V4};
    use proptest::prelude::*;

    use super::super::readings::Readings;
    use super::*;
    use crate::sample::record;

    /// A flow of one of two places. Its start may not be known; its end may be heard, or known as a bound, or not at all.
    fn flow(place: usize, second_place: bool, start: u64, end: u8, order: Option<u64>) -> Ended {
        let public = ([8; 4], if second_place { 7 } else { 8 });
        let mut flow = record::<V4>(Kind::Flow, start, 0, [([10, 0, 0, 1], 1), ([9; 4], 2), ([9; 4], 2), public]);
        flow.end = if end == 0 { 0 } else { 6 }.into();
        flow.flags = if end == 1 { END_AT_LATEST } else { 0 };
        Ended { known: Known::of(&flow, None, &Readings::default()), place, order, steps: 0..0, most_steps: 0 }
    }

    /// When a flow was gone, each looked at with each. `showed` says how often the clock may have been set when it showed a moment.
    fn naive(flows: &[Ended], own: &Ended, showed: impl Fn(u64) -> Vec<usize>) -> Told {
        let began = |flow: &Ended| flow.began_by().map(|(latest, _)| latest);
        let is_known = |own, other| showed(own).iter().all(|own| showed(other).iter().all(|other| own <= other));
        let is_later = |other: &&Ended| {
            let in_order = own.order.zip(other.order).map(|(own, other)| own < other);
            match (began(own), began(other)) {
                (Some(own), Some(other)) => own < other && in_order.unwrap_or_else(|| is_known(own, other)),
                (None, Some(_)) => in_order == Some(true),
                (_, None) => false,
            }
        };
        let others = flows.iter().filter(|other| place(&other.known) == place(&own.known));
        let next = others.filter(is_later).filter_map(began).min();
        match own.known.end {
            Told::At { .. } => own.known.end,
            end => next
                .filter(|next| end.latest().is_none_or(|latest| *next < latest))
                .map_or(end, |latest| Told::By { after: None, latest }),
        }
    }

    proptest! {
        #[test]
        fn the_next_one_in_its_place_ends_a_flow(
            flows in prop::collection::vec((any::<bool>(), 0..9_u64, 0..3_u8, prop::option::of(0..9_u64)), 0..30),
            set_back in prop::option::of(0..9_u64),
        ) {
            let mut clock = Steps::default();
            set_back.into_iter().for_each(|after| clock.add(&Note::clock_step(after, -2)));
            // When that was noticed, it may have been two seconds ago.
            let showed = |moment: u64| match set_back {
                None => vec![0],
                Some(after) if moment <= after + 2 => vec![0, 1],
                Some(_) => vec![1],
            };
            let made = || -> Vec<Ended> {
                let flows = flows.iter().enumerate();
                let made = flows.map(|(place, (second, start, end, order))| flow(place, *second, *start, *end, *order));
                let placed = made.map(|flow| Ended {
                    most_steps: flow.began_by().map_or(clock.count(), |(latest, _)| clock.most_before(latest)),
                    ..flow
                });
                placed.collect()
            };
            let (before, mut after) = (made(), made());
            end_replaced(&mut after, &clock, false);
            for (own, ended) in before.iter().zip(&after) {
                prop_assert_eq!(ended.known.end, naive(&before, own, showed), "{:?}", own);
            }
        }
    }

    /// By the order in which records tell of them, or else if the clock had not been set since.
    #[test]
    fn another_one_ends_a_flow_if_it_is_known_to_have_come_later() {
        let mut clock = Steps::default();
        // It had shown 1030, and shows 20 then.
        let set = |seconds: u64| seconds * NS_PER_SECOND;
        clock.add(&Note::clock_step(set(20), -1010 * NS_PER_SECOND.cast_signed()));
        clock.tell_until(set(90));
        let ended = |[own, other]: [u64; 2], orders: [Option<u64>; 2]| {
            let flow = |place: usize, start| {
                let most_steps = clock.most_before(set(start));
                Ended { most_steps, ..flow(place, false, set(start), 0, orders[place]) }
            };
            let mut flows = [flow(0, own), flow(1, other)];
            end_replaced(&mut flows, &clock, false);
            flows[0].known.end.latest()
        };
        let unknown = [None; 2];
        assert_eq!(ended([50, 60], unknown), None, "the clock showed both twice");
        assert_eq!(ended([50, 60], [Some(1), Some(2)]), Some(set(60)));
        assert_eq!(ended([50, 60], [Some(2), Some(1)]), None);
        assert_eq!(ended([50, 60], [Some(1), None]), None);
        assert_eq!(ended([500, 600], unknown), Some(set(600)), "both once");
        assert_eq!(ended([50, 600], unknown), None, "the first one may have begun later");
        assert_eq!(ended([10, 60], unknown), Some(set(60)), "before that it was 10 only once");
    }

    #[test]
    fn a_half_that_is_told_behind_an_end_that_nobody_heard_is_one() {
        let mut flows = vec![flow(0, false, 3, 1, None), flow(1, false, 3, 0, None), flow(2, false, 3, 0, None)];
        drop_repeated_halves(&mut flows, true);
        assert_eq!(flows.iter().map(|flow| flow.place).collect::<Vec<_>>(), [0, 1]);
        drop_repeated_halves(&mut flows, false);
        assert_eq!(flows.iter().map(|flow| flow.place).collect::<Vec<_>>(), [0], "the clock was not set back");
        let mut flows = vec![flow(0, false, 3, 0, None), flow(1, false, 3, 1, None)];
        drop_repeated_halves(&mut flows, true);
        assert_eq!(flows.iter().map(|flow| flow.place).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_half_that_another_file_tells_whole_is_none_though_its_place_was_taken() {
        // It began at 3 and ended at 6; in its place there was another one from 8 on.
        let mut flows = vec![flow(0, false, 3, 0, None), flow(1, false, 3, 2, None), flow(2, false, 8, 0, None)];
        end(&mut flows, &Steps::default(), false);
        let left: Vec<_> = flows.iter().map(|flow| (flow.place, flow.known.end)).collect();
        assert_eq!(left, [(1, Told::At { moment: 6, kernel: false }), (2, Told::Unknown)]);
    }
}
