//! Flows as they begin and end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::flow::Flow;
use crate::nat::{Lease, Nat};
use crate::random::Random;
use crate::shape::Shape;

/// A flow begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening {
    /// The flow.
    pub flow: Flow,
    /// Its place in the table while it lives, less than the greatest number of flows alive at once.
    pub place: usize,
    /// Whether it ends.
    pub ends: bool,
}

impl Happening {
    /// When it happens.
    pub const fn at(&self) -> u64 {
        if self.ends { self.flow.end } else { self.flow.start }
    }
}

/// What happens, in the order of time. Memory is that of the flows alive.
#[derive(Debug)]
pub struct Flows {
    shape: Shape,
    random: Random,
    nat: Nat,
    next_start: u64,
    /// The flow that begins next, once that is known: the translator has endpoints for it.
    next: Option<Flow>,
    number: u64,
    alive: Vec<Option<Flow>>,
    free: Vec<usize>,
    /// Time, number and place of what will end.
    ends: BinaryHeap<Reverse<(u64, u64, usize)>>,
}

impl Flows {
    /// The flows of this shape.
    pub fn new(shape: Shape) -> Self {
        let mut random = Random::new(shape.seed);
        let nat = Nat::new(&shape, &mut random);
        let next_start = shape.begin;
        let (alive, free, ends) = (Vec::new(), Vec::new(), BinaryHeap::new());
        Self { shape, random, nat, next_start, next: None, number: 0, alive, free, ends }
    }

    /// Whether no further flow will begin. Those alive will still end.
    pub const fn have_all_begun(&self) -> bool {
        self.number >= self.shape.flows
    }

    /// When the next thing happens.
    pub fn next_at(&mut self) -> Option<u64> {
        self.find_next();
        let start = self.next.map(|flow| flow.start);
        let end = self.ends.peek().map(|Reverse((end, ..))| *end);
        start.into_iter().chain(end).min()
    }

    /// The flows alive with their places, in the order of these.
    pub fn alive(&self) -> impl Iterator<Item = (usize, &Flow)> {
        self.alive.iter().enumerate().filter_map(|(place, flow)| Some((place, flow.as_ref()?)))
    }

    /// The flow in a place of the table.
    pub fn at_place(&self, place: usize) -> Option<&Flow> {
        self.alive.get(place)?.as_ref()
    }

    fn end(&mut self) -> Option<Happening> {
        let Reverse((_, _, place)) = self.ends.pop()?;
        let flow = self.alive.get_mut(place)?.take()?;
        self.nat.release(&flow);
        self.free.push(place);
        Some(Happening { flow, place, ends: true })
    }

    /// Finds the flow that begins next, unless another one ends before: what the translator has endpoints for depends on
    /// that.
    fn find_next(&mut self) {
        while self.next.is_none() && !self.have_all_begun() && !self.ends_first(self.next_start) {
            self.next = self.lease();
        }
    }

    /// Whether a flow ends by this time.
    fn ends_first(&self, start: u64) -> bool {
        self.ends.peek().is_some_and(|Reverse((end, ..))| *end <= start)
    }

    /// The flow that would begin next, if the translator has endpoints for it.
    fn lease(&mut self) -> Option<Flow> {
        let start = self.next_start;
        self.next_start += self.random.exponential(1e9 / self.shape.starts_per_second) as u64;
        let duration_ns = self.random.log_normal(self.shape.median_duration_ms, self.shape.sigma) * 1e6;
        let Lease { protocol, translation, inside, public, peer } = self.nat.lease(&self.shape, &mut self.random)?;
        let end = start + 1 + duration_ns as u64;
        Some(Flow { number: self.number, start, end, protocol, translation, inside, public, peer })
    }

    fn start(&mut self, flow: Flow) -> Happening {
        self.number += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.alive.push(None);
            self.alive.len() - 1
        });
        self.alive[place] = Some(flow);
        self.ends.push(Reverse((flow.end, flow.number, place)));
        Happening { flow, place, ends: false }
    }
}

impl Iterator for Flows {
    type Item = Happening;

    fn next(&mut self) -> Option<Happening> {
        self.find_next();
        match self.next.take() {
            Some(flow) => Some(self.start(flow)),
            None => self.end(),
        }
    }
}
