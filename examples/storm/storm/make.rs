//! Makes the events.

use std::ops::Range;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ctrecorder::netlink::request;
use ctrecorder::netlink::socket::RequestSocket;

use super::flows::{Shape, flow};

/// So many requests are given to the kernel at once, at full speed.
const BATCH: u32 = 400;
/// At a chosen rate, batches follow each other so often per second.
const BATCHES_PER_S: u32 = 100;

/// What to make.
pub struct Plan {
    /// The flows, by number.
    pub numbers: Range<u32>,
    /// So many are alive at most.
    pub alive: u32,
    /// Those that are alive at the end stay.
    pub keep: bool,
    /// Events per second; 0: as many as can be.
    pub events_per_s: u32,
    /// What the flows are like.
    pub shape: Shape,
    /// No flow is created later than this after the beginning.
    pub limit: Duration,
}

/// What was made.
pub struct Made {
    /// Flows created and flows deleted.
    pub events: u64,
    /// How long it took.
    pub time: Duration,
    /// Flows that are in the table still.
    pub alive: u32,
}

/// Creates the flows and deletes the oldest as the plan says. Each is done when the kernel says so.
pub fn make(plan: &Plan) -> Result<Made> {
    let mut storm = Storm { socket: RequestSocket::open()?, plan, begun: Instant::now(), events: 0 };
    let Range { start, end } = plan.numbers;
    let batch = storm.batch();
    let (mut created, mut deleted) = (start, start);
    while created < end && storm.begun.elapsed() < plan.limit {
        let next = created.saturating_add(batch.min(plan.alive)).min(end);
        let oldest = next.saturating_sub(plan.alive).max(deleted);
        storm.delete(deleted..oldest)?;
        storm.create(created..next)?;
        (created, deleted) = (next, oldest);
    }
    while !plan.keep && deleted < created {
        let next = deleted.saturating_add(batch).min(created);
        storm.delete(deleted..next)?;
        deleted = next;
    }
    Ok(Made { events: storm.events, time: storm.begun.elapsed(), alive: created - deleted })
}

struct Storm<'a> {
    socket: RequestSocket,
    plan: &'a Plan,
    begun: Instant,
    events: u64,
}

impl Storm<'_> {
    /// Flows dealt with at once.
    fn batch(&self) -> u32 {
        match self.plan.events_per_s {
            0 => BATCH,
            rate => (rate / BATCHES_PER_S).clamp(1, BATCH),
        }
    }

    fn create(&mut self, numbers: Range<u32>) -> Result<()> {
        let shape = self.plan.shape;
        self.execute(numbers, |requests, number| request::create(requests, &flow(number, shape)))
            .context("cannot create flows; is the table full? See net.netfilter.nf_conntrack_max")
    }

    fn delete(&mut self, numbers: Range<u32>) -> Result<()> {
        let shape = self.plan.shape;
        self.execute(numbers, |requests, number| {
            let flow = flow(number, shape);
            request::delete(requests, &flow.original, flow.protocol, flow.zone);
        })
        .context("cannot delete flows")
    }

    /// Makes one event of each number, when it is time.
    fn execute(&mut self, numbers: Range<u32>, request: impl Fn(&mut Vec<u8>, u32)) -> Result<()> {
        let count = u64::from(numbers.end - numbers.start);
        let mut requests = Vec::new();
        numbers.for_each(|number| request(&mut requests, number));
        if self.plan.events_per_s > 0 {
            let due = Duration::from_secs_f64(self.events as f64 / f64::from(self.plan.events_per_s));
            sleep(due.saturating_sub(self.begun.elapsed()));
        }
        self.socket.execute_all(&requests)?;
        self.events += count;
        Ok(())
    }
}
