//! What a recorder has to write down of the flows: derived flow by flow from what happened, not by following along.

use std::net::SocketAddr;

use ctrecorder_format::record::flags::{END_AT_LATEST, END_FROM_KERNEL, RECOVERED, REPLY_SEEN, START_FROM_KERNEL};
use ctrecorder_format::{Kind, V4, V6};
use ctrecorder_synth::Flow;

use crate::world::World;

/// What one record says of its flow. Times are of the wall clock, ns since the epoch, 0 where not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Says {
    /// What kind of record it is.
    pub kind: Kind,
    /// When the flow began.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// Bits of [`ctrecorder_format::record::flags`].
    pub flags: u8,
    /// After which time it ended, 0 if that is not known or its end was heard.
    pub ended_after: u64,
    /// Source and destination of the original tuple, then of the reply tuple.
    pub endpoints: [SocketAddr; 4],
    /// The protocol's number.
    pub protocol: u8,
    /// The kernel's id, 0 if it is not known.
    pub id: u32,
}

impl Says {
    /// When it happened, as far as the record tells.
    pub fn time(&self) -> u64 {
        match self.kind {
            Kind::End => self.end,
            Kind::Flow if self.end != 0 => self.end,
            _ => self.start,
        }
    }

    /// Whether its flow has IPv6 addresses.
    pub fn is_ipv6(&self) -> bool {
        self.endpoints[0].is_ipv6()
    }

    /// Whether an event told of it.
    pub fn is_heard(&self) -> bool {
        matches!(self.kind, Kind::Start | Kind::End) && !self.is_found()
    }

    /// Whether it was found out about by reading the kernel's table.
    pub fn is_found(&self) -> bool {
        match self.kind {
            Kind::Start => self.flags & RECOVERED != 0,
            Kind::End => self.flags & END_AT_LATEST != 0,
            _ => false,
        }
    }

    /// The same as a file of version 2 has it, which was begun at this time: a flow that was open had an update then.
    pub fn in_version_2(&self, begun: u64) -> Self {
        let us = |time: u64| time / 1_000 * 1_000;
        let (kind, start) = match self.kind {
            Kind::End => (Kind::End, 0),
            Kind::Open => (Kind::Update, us(begun)),
            kind => (kind, us(self.start)),
        };
        Self { kind, start, end: us(self.end), flags: self.flags & REPLY_SEEN, id: 0, ..self.clone() }
    }

    /// When its flow began, as far as it tells; an update does not.
    pub fn begin(&self) -> u64 {
        if self.kind == Kind::Update { 0 } else { self.start }
    }
}

/// A record, and where it belongs.
#[derive(Clone, Debug)]
pub struct Row {
    /// When it was taken down, by the clock that is never set.
    pub at: u64,
    /// The number of its file.
    pub file: usize,
    /// The number of its flow.
    pub flow: usize,
    /// What it says.
    pub says: Says,
}

/// All records of all files, in the order in which they are written. Those of one reading are in no order.
pub fn rows(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    for run in 0..world.runs.len() {
        let readings = world.readings(run);
        for (number, flow) in world.flows.iter().enumerate() {
            let mut pen = Pen { world, run, number, flow, known: None, rows: &mut rows };
            pen.follow(&readings);
        }
    }
    rows.sort_by_key(|row| row.at);
    rows
}

/// Writes down what one run knows of one flow.
struct Pen<'a> {
    world: &'a World,
    run: usize,
    number: usize,
    flow: &'a Flow,
    /// The start that the run knows of it, if it knows the flow; 0 if it does not know that. And the flag of each record that
    /// repeats it.
    known: Option<(u64, u8)>,
    rows: &'a mut Vec<Row>,
}

impl Pen<'_> {
    fn follow(&mut self, readings: &[u64]) {
        let span = self.world.runs[self.run].span;
        let Flow { start, end, .. } = *self.flow;
        let mut before = span.from;
        let is_heard = |at| span.holds(at) && self.world.is_heard(at);
        let (begins, ends) = (is_heard(start), is_heard(end) && end <= self.world.last);
        for reading in readings.iter().copied().filter(|reading| *reading <= start) {
            before = reading;
        }
        if begins {
            let now = self.world.clock.shows(start);
            self.write(start, Kind::Start, now, 0, 0, 0);
            self.known = Some((now, 0));
        }
        for reading in readings.iter().copied().filter(|reading| start < *reading) {
            if World::is_alive(self.flow, reading) {
                self.found(reading);
            } else if !ends && self.known.is_some() {
                self.gone(before, reading);
            }
            before = reading;
        }
        if ends {
            let (start, flag) = self.known.unwrap_or((0, 0));
            self.write(end, Kind::End, start, self.world.clock.shows(end), self.kernels(END_FROM_KERNEL) | flag, 0);
        }
    }

    /// The flow is in the table.
    fn found(&mut self, reading: u64) {
        let is_deaf = self.world.deaf.iter().any(|deaf| deaf.from < reading && reading <= deaf.to);
        let begins_file = self.world.files.iter().any(|file| file.span.from == reading);
        let stamp = if self.world.plan.stamps { self.world.clock.shows(self.flow.start) } else { 0 };
        match self.known {
            Some((start, flag)) if begins_file => self.write(reading, Kind::Open, start, 0, flag, 0),
            Some(_) => {}
            None if is_deaf => {
                let start = if stamp == 0 { self.world.clock.shows(reading) } else { stamp };
                self.write(reading, Kind::Start, start, 0, RECOVERED, 0);
                self.known = Some((start, if stamp == 0 { RECOVERED } else { 0 }));
            }
            None => {
                self.write(reading, Kind::Open, stamp, 0, 0, 0);
                self.known = Some((stamp, 0));
            }
        }
    }

    /// The flow is not in the table any more, and was at the reading before.
    fn gone(&mut self, before: u64, reading: u64) {
        let Some((start, flag)) = self.known.take() else { return };
        // No reading ends before the one before it began, whatever the clock shows.
        let from = self.world.clock.shows(before);
        let to = self.world.clock.shows(reading).max(from);
        // A clock that was set back makes no flow that ends before it begins.
        let (end, after) = if start > to { (start, 0) } else { (to, from) };
        let after = if self.world.has_steps_back() { 0 } else { after };
        self.write(reading, Kind::End, start, end, END_AT_LATEST | flag, after);
    }

    fn write(&mut self, at: u64, kind: Kind, start: u64, end: u64, more: u8, ended_after: u64) {
        let stamped = if start == 0 { 0 } else { self.kernels(START_FROM_KERNEL) };
        let reply = if kind == Kind::Start { 0 } else { REPLY_SEEN };
        let says = Says {
            kind,
            start,
            end,
            flags: stamped | reply | more,
            ended_after,
            endpoints: endpoints(self.flow),
            protocol: self.flow.protocol,
            id: self.flow.id(),
        };
        let is_of = |file: &crate::world::File| file.run == self.run && file.span.holds(at);
        if let Some(file) = self.world.files.iter().position(is_of) {
            self.rows.push(Row { at, file, flow: self.number, says });
        }
    }

    /// A flag, if the kernel makes stamps.
    fn kernels(&self, flag: u8) -> u8 {
        if self.world.plan.stamps { flag } else { 0 }
    }
}

/// The endpoints of a flow's tuples.
pub fn endpoints(flow: &Flow) -> [SocketAddr; 4] {
    let of = |ends: [(std::net::IpAddr, u16); 4]| ends.map(SocketAddr::from);
    if let Some(record) = flow.record::<V4>(Kind::Start, 1, 0) {
        return of(record.endpoints().map(|(ip, port)| (ip.into(), port)));
    }
    flow.record::<V6>(Kind::Start, 1, 0).map_or_else(
        || unreachable!("a flow is of one of the two families"),
        |record| of(record.endpoints().map(|(ip, port)| (ip.into(), port))),
    )
}
