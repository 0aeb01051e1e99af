//! When flows were gone at the latest whose end nobody heard.

use std::collections::HashMap;
use std::ops::Range;

use super::flow::{Identity, Known, Sides, Told, reaches_to};
use super::halves::{Greatest, Halves};
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
    /// By when it had begun. One of which the end alone is known had begun by that: parts of a journal that do not follow each other may
    /// tell of one flow so.
    fn began_by(&self) -> Option<By> {
        match (self.known.start.latest(), self.known.end) {
            (Some(latest), _) => Some((self.most_steps, latest)),
            (None, Told::At { moment, .. }) => Some((self.steps.end, moment)),
            (None, _) => None,
        }
    }

    /// By when it was gone; `None` if nobody knows.
    fn gone_by(&self) -> Option<By> {
        self.known.end.latest().map(|latest| (self.steps.end, latest))
    }
}

/// By when something had happened: how often the clock had been set, at the most, and what it showed since, ns since the epoch. One that is
/// less is earlier, whatever the clock showed.
type By = (usize, u64);

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
    // Each may tell of another time at which the clock was set.
    let mut steps: HashMap<_, Range<usize>> = HashMap::new();
    for flow in flows.iter().filter(|flow| is_turned && is_half(flow)) {
        let seen = steps.entry(name(flow)).or_insert_with(|| flow.steps.clone());
        *seen = seen.start.min(flow.steps.start)..seen.end.max(flow.steps.end);
    }
    flows.retain_mut(|flow| {
        if !is_half(flow) || flow.known.start == Told::Unknown {
            return true;
        }
        let name = name(flow);
        let is_behind = whole.get(&name).is_none_or(|place| *place < flow.place);
        flow.steps = steps.get(&name).unwrap_or(&flow.steps).clone();
        // It is left once.
        whole.extend(is_behind.then_some((name, usize::MAX)));
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
        if let (Some((steps, latest)), Some(starts)) = (flow.began_by(), starts.get_mut(&place(&flow.known))) {
            let reach = reaches_to(latest, if is_mixed { 0 } else { flow.known.identity.id });
            starts.push(Start { latest, reach, order: flow.order, steps, least: clock.least_before(latest) });
        }
    }
    let starts: HashMap<_, _> = starts.into_iter().map(|(place, starts)| (place, Starts::new(starts))).collect();
    for flow in flows.iter_mut().filter(|flow| is_unheard(flow)) {
        let next = starts.get(&place(&flow.known)).and_then(|starts| starts.next(flow));
        if let Some(next) = next.filter(|next| flow.gone_by().is_none_or(|gone_by| next.began_by() < gone_by)) {
            flow.known.gone_by(next.latest, next.reach);
            flow.steps.end = next.steps;
        }
    }
}

/// When a flow began that may have taken another one's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Start {
    /// At this moment at the latest.
    latest: u64,
    /// The last moment that this may stand for.
    reach: u64,
    /// Its place among those that began, where it is known.
    order: Option<u64>,
    /// How often the clock had been set before, at the most: so long the other one may have been there.
    steps: usize,
    /// How often it had been set, at the least, when it showed that moment.
    least: usize,
}

/// The flows that had one place, one after the other.
#[derive(Debug)]
struct Starts {
    by_time: Vec<Start>,
    /// What these are at most.
    at_most: Halves<Most>,
    /// Those whose place among all that began is known, by that; each with the earliest of it and of all behind it.
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
        let at_most = Halves::new(by_time.iter().map(Most::of).collect());
        Self { by_time, at_most, by_order }
    }

    /// The first that began behind a flow: by its time, and by its place among those that began. Where not both places are known, what
    /// the clock showed tells: it may have been set back between them, but not if it had not been set more often when the flow began
    /// than when the other one did.
    fn next(&self, flow: &Ended) -> Option<Start> {
        match (flow.known.start.latest(), flow.order) {
            (Some(own), order) => {
                let behind = self.by_time.partition_point(|start| start.began_by() <= (flow.most_steps, own));
                let is_later = |most: &Most| match order {
                    Some(own) => Some(own) < most.order || Some(flow.most_steps) <= most.least_unordered,
                    None => flow.most_steps <= most.least,
                };
                // Two recorders at a time tell of one flow after the other, and may seem to be one whose clock was set back.
                let first = self.at_most.first(behind, |most| own < most.latest && is_later(most));
                first.and_then(|place| self.by_time.get(place)).copied()
            }
            (None, Some(order)) => {
                let behind = self.by_order.partition_point(|(place, _)| *place <= order);
                self.by_order.get(behind).map(|(_, start)| *start)
            }
            (None, None) => None,
        }
    }
}

/// What the starts of a range are at most: a start by itself is that.
#[derive(Clone, Copy, Debug, Default)]
struct Most {
    latest: u64,
    /// Of those whose place among all that began is known.
    order: Option<u64>,
    least: usize,
    /// Of those whose place among all that began is not known.
    least_unordered: Option<usize>,
}

impl Most {
    fn of(start: &Start) -> Self {
        let Start { latest, order, least, .. } = *start;
        Self { latest, order, least, least_unordered: order.is_none().then_some(least) }
    }
}

impl Greatest for Most {
    fn or(self, other: Self) -> Self {
        Self {
            latest: self.latest.max(other.latest),
            order: self.order.max(other.order),
            least: self.least.max(other.least),
            least_unordered: self.least_unordered.max(other.least_unordered),
        }
    }
}

impl Start {
    const fn began_by(&self) -> By {
        (self.steps, self.latest)
    }

    fn time(&self) -> (By, u64) {
        (self.began_by(), self.reach)
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
    fn flow(place: usize, second_place: bool, start: u64, end: u64, is_end_heard: bool, order: Option<u64>) -> Ended {
        let public = ([8; 4], if second_place { 7 } else { 8 });
        let mut flow = record::<V4>(Kind::Flow, start, end, [([10, 0, 0, 1], 1), ([9; 4], 2), ([9; 4], 2), public]);
        flow.flags = if end == 0 || is_end_heard { 0 } else { END_AT_LATEST };
        Ended { known: Known::of(&flow, None, &Readings::default()), place, order, steps: 0..0, most_steps: 0 }
    }

    /// A clock that showed 100 s at first, and was set back once.
    #[derive(Clone, Copy, Debug)]
    struct Clock {
        set_at: u64,
        by: u64,
    }

    impl Clock {
        /// By when something had happened that did so after so many seconds.
        fn by(self, after: u64) -> By {
            let steps = usize::from(after >= self.set_at);
            let back = if steps == 0 { 0 } else { self.by };
            (steps, (100 + after - back) * NS_PER_SECOND)
        }

        fn steps(self) -> Steps {
            let (mut steps, by) = (Steps::default(), self.by * NS_PER_SECOND);
            steps.add(&Note::clock_step(self.by(self.set_at).1, -by.cast_signed()));
            steps
        }
    }

    /// Of one flow: for how long its place was free before, and the flow alive; how long after its begin it was found, if its begin is told
    /// of; whether its end was heard, or how long after it the flow was found to be gone, or that is not told either; whether it is
    /// known how often the clock had been set; and whether its place among those that began is.
    type Lived = ((u64, u64), Option<u64>, Option<Option<u64>>, bool, bool);

    fn lived() -> impl Strategy<Value = Lived> {
        let found = prop::option::of(0..6_u64);
        let gone = prop::option::of(prop::option::of(0..9_u64));
        ((0..5_u64, 1..9_u64), found, gone, any::<bool>(), any::<bool>())
    }

    /// What is told of the flows that had a place one after the other, and after how many seconds each was gone.
    fn told(flows: &[Lived], second_place: bool, clock: Clock) -> Vec<(Ended, u64)> {
        let mut now = 0;
        let told = flows.iter().enumerate().map(|(number, ((free, alive), found, gone, knows_steps, has_order))| {
            let (began, ended) = (now + free, now + free + alive);
            now = ended;
            let start = found.map(|found| clock.by(began + found.min(alive - 1)));
            let end = gone.map(|gone| clock.by(ended + gone.unwrap_or(0)));
            let heard = matches!(gone, Some(None));
            let order = has_order.then_some(number as u64);
            let moment = |by: Option<By>| by.map_or(0, |(_, moment)| moment);
            let most = |by: Option<By>| match by {
                Some((steps, _)) if *knows_steps => steps,
                Some((_, moment)) => clock.steps().most_before(moment),
                None => 1,
            };
            let ended_by = most(end);
            let told = flow(number, second_place, moment(start), moment(end), heard, order);
            (Ended { steps: 0..ended_by, most_steps: most(start).min(ended_by), ..told }, ended)
        });
        told.collect()
    }

    proptest! {
        /// Whatever is told of flows, and whatever the clock showed.
        #[test]
        fn no_flow_is_said_to_be_gone_before_it_was(
            places in prop::array::uniform2(prop::collection::vec(lived(), 0..9)),
            clock in (0..60_u64, 0..90_u64).prop_map(|(set_at, by)| Clock { set_at, by }),
        ) {
            let [first, second] = places;
            let told = told(&first, false, clock).into_iter().chain(told(&second, true, clock));
            let (mut flows, gone): (Vec<_>, Vec<_>) = told.unzip();
            end_replaced(&mut flows, &clock.steps(), false);
            for (flow, gone) in flows.iter().zip(gone) {
                let gone_by = flow.gone_by();
                prop_assert!(gone_by.is_none_or(|by| by >= clock.by(gone)), "{:?} in {:#?}", flow, flows);
            }
        }

        /// Where their places among those that began are known, and the clock showed a later time then.
        #[test]
        fn a_flow_was_gone_when_the_next_one_had_its_place(
            flows in prop::collection::vec(lived(), 0..9),
            clock in (0..60_u64, 0..90_u64).prop_map(|(set_at, by)| Clock { set_at, by }),
        ) {
            let in_order = |(times, found, gone, ..): &Lived| (*times, found.or(Some(0)), *gone, true, true);
            let flows: Vec<_> = flows.iter().map(in_order).collect();
            let mut flows: Vec<_> = told(&flows, false, clock).into_iter().map(|(flow, _)| flow).collect();
            end_replaced(&mut flows, &clock.steps(), false);
            for (flow, next) in flows.iter().zip(flows.iter().skip(1)) {
                let (gone_by, is_later) = (flow.gone_by(), flow.known.start.latest() < next.known.start.latest());
                let is_gone = gone_by.is_some() && gone_by <= next.began_by();
                prop_assert!(is_gone || !is_later, "{:?} before {:?}", flow, next);
            }
        }
    }

    fn start() -> impl Strategy<Value = Start> {
        let order = prop::option::of(0..12_u64);
        (0..12_u64, order, 0..4_usize, 0..4_usize).prop_map(|(latest, order, steps, least)| Start {
            latest,
            reach: latest,
            order,
            steps,
            least,
        })
    }

    proptest! {
        /// One by one, from the first on that may be it by its time.
        #[test]
        fn the_next_one_is_that_which_a_walk_finds(
            starts in prop::collection::vec(start(), 0..40),
            (own, order, most_steps) in (1..12_u64, prop::option::of(0..12_u64), 0..4_usize),
        ) {
            let mut walked = starts.clone();
            walked.sort_by_key(Start::time);
            walked.retain(|start| start.began_by() > (most_steps, own) && own < start.latest);
            let next = walked.into_iter().find(|start| match order.zip(start.order) {
                Some((own, other)) => own < other,
                None => most_steps <= start.least,
            });
            let flow = Ended { most_steps, ..flow(0, false, own, 0, false, order) };
            prop_assert_eq!(Starts::new(starts).next(&flow), next);
        }
    }

    /// By the order in which records tell of them, or else if the clock had not been set since.
    #[test]
    fn another_one_ends_a_flow_if_it_is_known_to_have_come_later() {
        let mut clock = Steps::default();
        // It had shown 1030, and shows 20 then.
        let set = |seconds: u64| seconds * NS_PER_SECOND;
        clock.add(&Note::clock_step(set(20), -1010 * NS_PER_SECOND.cast_signed()));
        clock.tell_until(set(90), &[]);
        let ended = |[own, other]: [u64; 2], orders: [Option<u64>; 2]| {
            let flow = |place: usize, start| {
                let most_steps = clock.most_before(set(start));
                Ended { most_steps, ..flow(place, false, set(start), 0, false, orders[place]) }
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
        let half = |place, gone_by| flow(place, false, 3, gone_by, false, None);
        let mut flows = vec![half(0, 6), half(1, 0), half(2, 0)];
        drop_repeated_halves(&mut flows, true);
        assert_eq!(flows.iter().map(|flow| flow.place).collect::<Vec<_>>(), [0, 1]);
        drop_repeated_halves(&mut flows, false);
        assert_eq!(flows.iter().map(|flow| flow.place).collect::<Vec<_>>(), [0], "the clock was not set back");
        let mut flows = vec![half(0, 0), half(1, 6)];
        drop_repeated_halves(&mut flows, true);
        assert_eq!(flows.iter().map(|flow| flow.place).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn the_half_that_is_left_of_several_saw_what_any_of_them_did() {
        let half = |place, steps| Ended { steps, ..flow(place, false, 3, 0, false, None) };
        let mut flows = vec![half(0, 1..1), half(1, 0..2)];
        drop_repeated_halves(&mut flows, true);
        assert_eq!(flows.iter().map(|flow| (flow.place, flow.steps.clone())).collect::<Vec<_>>(), [(0, 0..2)]);
    }

    #[test]
    fn a_half_that_another_file_tells_whole_is_none_though_its_place_was_taken() {
        // It began at 3 and ended at 6; in its place there was another one from 8 on.
        let told = [(3, 0), (3, 6), (8, 0)].into_iter().enumerate();
        let mut flows = told.map(|(place, (start, end))| flow(place, false, start, end, true, None)).collect();
        end(&mut flows, &Steps::default(), false);
        let left: Vec<_> = flows.iter().map(|flow| (flow.place, flow.known.end)).collect();
        assert_eq!(left, [(1, Told::At { moment: 6, kernel: false }), (2, Told::Unknown)]);
    }
}
