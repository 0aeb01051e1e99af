//! Takes what was found in order, and hands it to a sink: the files of one lane one after the other, those of several merged by
//! time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use super::super::keyframe::Keyframes;
use super::crew::Crew;
use super::lane::{Lane, Outlet};
use super::leg::Follower;
use super::parcel::{Content, Parcel};
use super::plan::{Planner, Way};
use super::{Select, Sink};

/// How many tasks are planned ahead for each thread: so much of a journal is in memory at most.
const AHEAD: usize = 4;

/// But for each lane there is one that is being handed on, and with several threads the one behind it.
const AHEAD_OF_A_LANE: usize = 2;

/// The way of a journal from its files to a sink.
pub(super) struct Delivery<'d, F, S> {
    lanes: Vec<Lane<'d, F>>,
    out: Outlet<'d, S>,
}

impl<'d, F: Select, S: Sink> Delivery<'d, F, S> {
    /// Of these files, with so many threads.
    pub(super) fn new(
        ways: impl ExactSizeIterator<Item = Way<'d>>,
        select: &'d F,
        keyframes: &'d mut Keyframes,
        sink: &'d mut S,
        threads: usize,
    ) -> Self {
        let ahead = threads.saturating_mul(AHEAD) / ways.len().max(1);
        let most = if threads > 1 { ahead.max(AHEAD_OF_A_LANE) } else { 1 };
        let lanes =
            ways.map(|way| Lane::new(way, Planner::new(way, select, keyframes.which()), select, most)).collect();
        Self { lanes, out: Outlet { sink, keyframes, follower: None } }
    }

    /// The same with somebody who goes on where this ends.
    pub(super) fn followed_by(mut self, follower: &'d mut dyn Follower) -> Self {
        self.out.follower = Some(follower);
        self
    }

    /// Goes to the end of the journal with this crew: always on with the lane in which that comes next which happened first.
    pub(super) fn run<W>(&mut self, mut crew: Crew<'_, '_, Parcel, Content, W>) -> ControlFlow<S::Stop>
    where
        W: Fn(&Parcel) -> Content + Sync,
    {
        // The files of a lane are not opened before they are wanted: there may be more of them than can be open.
        let begins = self.lanes.iter().enumerate().map(|(number, lane)| Reverse((lane.begun(), number)));
        let mut waiting: BinaryHeap<_> = begins.collect();
        let mut last = None;
        while let Some(Reverse((_, number))) = waiting.pop() {
            let until = waiting.peek().map_or(u64::MAX, |Reverse((moment, _))| *moment);
            let Some(lane) = self.lanes.get_mut(number) else { continue };
            if last != Some(number) {
                lane.resume(&mut self.out)?;
            }
            if let Some(moment) = lane.advance(&mut crew, &mut self.out, until)? {
                waiting.push(Reverse((moment, number)));
            }
            last = Some(number);
        }
        ControlFlow::Continue(())
    }
}
