//! The kernel's table as the journal tells of it: made of events, held against readings of the table itself.
//!
//! Every event goes through here on its way to the segment. So the recorder knows at any time which flows the journal
//! leaves open; a reading of the table shows which of them ended unheard, and which began unheard.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::time::{Duration, Instant};

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Counters, Kind, Record, Tuple, V4, V6, Writer};
use zerocopy::little_endian::{U16, U32};

use super::convert::{Captured, Either};
use super::flows::{Flow, Flows, state};

/// The flows alive, of both families.
#[derive(Debug)]
pub(super) struct Mirror {
    ipv4: Side<V4>,
    ipv6: Side<V6>,
    now: Now,
    tally: Tally,
}

/// What flows are marked with at present, and how what is found is to be told.
#[derive(Clone, Copy, Debug)]
struct Now {
    /// Number of the segment being written, modulo 256.
    segment: u8,
    /// Number of the last reading of the table, modulo 256.
    reading: u8,
    /// That reading goes on.
    is_reading: bool,
    /// The table was read whole before: what is not known began unheard, instead of before the recorder.
    known: bool,
    /// Events are missing since the table was read last.
    gap: bool,
}

/// What was told in another way than by its event, or not at all, since the last [`Mirror::take_tally`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Ends heard of flows whose start was neither heard nor found.
    pub(super) without_start: u64,
    /// Flows found after a gap, whose start was not heard.
    pub(super) starts_found: u64,
    /// Flows not found any more after a gap, whose end was not heard.
    pub(super) ends_found: u64,
}

/// What a reading did not find any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gone {
    /// How many flows of which this says that they ended.
    pub(super) flows: usize,
    /// Some of them may have ended at any time since the reading before this one.
    pub(super) unheard: bool,
}

impl Mirror {
    pub(super) fn new() -> Self {
        let now = Now { segment: 0, reading: 0, is_reading: false, known: false, gap: false };
        Self { ipv4: Side::new(), ipv6: Side::new(), now, tally: Tally::default() }
    }

    /// How many flows are alive.
    pub(super) fn len(&self) -> usize {
        self.ipv4.flows.len() + self.ipv6.flows.len()
    }

    /// How many of them may end in silence.
    pub(super) const fn inaudible(&self) -> usize {
        self.ipv4.inaudible + self.ipv6.inaudible
    }

    /// Whether the table was read whole once.
    pub(super) const fn is_known(&self) -> bool {
        self.now.known
    }

    /// A segment begins, in which no flow has been told of.
    pub(super) const fn begin_segment(&mut self) {
        self.now.segment = self.now.segment.wrapping_add(1);
    }

    /// Events are missing from now on.
    pub(super) const fn gap(&mut self) {
        self.now.gap = true;
    }

    /// Writes the record of an event.
    pub(super) fn event<W: Write>(&mut self, event: &Captured, to: &mut Writer<W>) {
        let (now, tally) = (self.now, &mut self.tally);
        match &event.record {
            Either::Ipv4(record) => self.ipv4.event(record, event.counters.as_ref(), event.arrived, now, tally, to),
            Either::Ipv6(record) => self.ipv6.event(record, event.counters.as_ref(), event.arrived, now, tally, to),
        }
    }

    /// A reading of the table begins. All events must have been taken that were made before: what is heard of from here
    /// on was alive since.
    pub(super) fn begin_reading(&mut self) {
        self.now.reading = self.now.reading.wrapping_add(1);
        self.now.is_reading = true;
        self.ipv4.forget();
        self.ipv6.forget();
    }

    /// A flow was found in the table. If it is not known it waits: its start or its end may be on its way.
    pub(super) fn found<W: Write>(&mut self, flow: &Captured, to: &mut Writer<W>) {
        let now = self.now;
        match &flow.record {
            Either::Ipv4(record) => self.ipv4.found(record, flow.counters, flow.arrived, now, to),
            Either::Ipv6(record) => self.ipv6.found(record, flow.counters, flow.arrived, now, to),
        }
    }

    /// The kernel holds back the end of this flow: it will be heard.
    pub(super) fn held(&mut self, flow: &Captured) {
        match &flow.record {
            Either::Ipv4(record) => self.ipv4.see(record, self.now),
            Either::Ipv6(record) => self.ipv6.see(record, self.now),
        }
    }

    /// Whether flows wait that were found and are not known.
    pub(super) fn is_waiting(&self) -> bool {
        !self.ipv4.waiting.is_empty() || !self.ipv6.waiting.is_empty()
    }

    /// All events have been taken that were made before this step of the reading: flows that have waited
    /// for as long as `patience` began unheard.
    pub(super) fn decide<W: Write>(&mut self, patience: Duration, to: &mut Writer<W>) {
        self.ipv4.decide(patience, self.now, &mut self.tally, to);
        self.ipv6.decide(patience, self.now, &mut self.tally, to);
    }

    /// The reading goes on by a step.
    pub(super) fn step(&mut self) {
        self.ipv4.step();
        self.ipv6.step();
    }

    /// What a reading that came to its end did not find.
    pub(super) fn gone(&self) -> Gone {
        let (ipv4, ipv6) = (self.ipv4.gone(self.now), self.ipv6.gone(self.now));
        Gone { flows: ipv4.flows + ipv6.flows, unheard: ipv4.unheard || ipv6.unheard }
    }

    /// Writes ends at `moment` for what the reading did not find. What should have been heard is given the benefit of the
    /// doubt once: a table that grows while it is read may hide a flow.
    pub(super) fn bury<W: Write>(&mut self, moment: u64, arrived: u64, to: &mut Writer<W>) {
        let (now, tally) = (self.now, &mut self.tally);
        self.ipv4.bury(moment, arrived, now, tally, to);
        self.ipv6.bury(moment, arrived, now, tally, to);
    }

    /// The reading is over. If it was `whole`, all that is alive is known from here on.
    pub(super) fn end_reading(&mut self, whole: bool) {
        self.now.is_reading = false;
        self.now.known |= whole;
        self.ipv4.forget();
        self.ipv6.forget();
    }

    /// What was missing is accounted for.
    pub(super) fn take_tally(&mut self) -> Tally {
        self.now.gap = false;
        std::mem::take(&mut self.tally)
    }
}

/// The flows alive of one family.
#[derive(Debug)]
struct Side<A: Address> {
    flows: Flows<A>,
    /// How many of them may end in silence.
    inaudible: usize,
    /// Found in the table and not known.
    waiting: HashMap<Key<A>, Waiting<A>>,
    /// Flows that ended in this step of the reading and in the one before: what is read was true a step earlier, and may
    /// still name them.
    ended: HashSet<Key<A>>,
    ended_before: HashSet<Key<A>>,
}

/// What tells flows apart for a while.
type Key<A> = (U32, Tuple<A>, U16, u8);

#[derive(Debug)]
struct Waiting<A: Address> {
    record: Record<A>,
    counters: Option<Counters>,
    found: u64,
    since: Instant,
}

impl<A: Address> Side<A> {
    fn new() -> Self {
        let (ended, ended_before) = (HashSet::new(), HashSet::new());
        Self { flows: Flows::new(), inaudible: 0, waiting: HashMap::new(), ended, ended_before }
    }

    fn event<W: Write>(
        &mut self,
        record: &Record<A>,
        counters: Option<&Counters>,
        arrived: u64,
        now: Now,
        tally: &mut Tally,
        to: &mut Writer<W>,
    ) {
        match record.kind() {
            Some(Kind::Start) if self.is_news(record, now) => to.push(record, counters, arrived),
            Some(Kind::End) => to.push(&self.end(record, now, tally), counters, arrived),
            _ => {}
        }
    }

    /// Takes note of a start; says whether the journal has not told it yet.
    fn is_news(&mut self, record: &Record<A>, now: Now) -> bool {
        let begun = Flow::of(record, state::START_HEARD, now.segment, now.reading);
        let Some(flow) = self.flows.get(record) else {
            self.flows.insert(begun);
            if now.is_reading {
                self.waiting.remove(&key(record));
            }
            return true;
        };
        // A start that was held back, and found meanwhile.
        let late = !flow.is(state::START_HEARD);
        if flow.is(state::INAUDIBLE) {
            self.inaudible -= 1;
        }
        if late {
            flow.set(state::START_HEARD);
            flow.unset(state::INAUDIBLE);
        } else {
            *flow = begun;
        }
        !late
    }

    /// Takes note of an end, and adds what is known of its start.
    fn end(&mut self, record: &Record<A>, now: Now, tally: &mut Tally) -> Record<A> {
        let mut record = *record;
        if let Some(flow) = self.flows.remove(&record) {
            self.inaudible -= usize::from(flow.is(state::INAUDIBLE));
            flow.complete(&mut record);
        } else {
            tally.without_start += u64::from(now.known);
        }
        if now.is_reading {
            self.waiting.remove(&key(&record));
            self.ended.insert(key(&record));
        }
        record
    }

    fn found<W: Write>(
        &mut self,
        record: &Record<A>,
        counters: Option<Counters>,
        found: u64,
        now: Now,
        to: &mut Writer<W>,
    ) {
        match self.flows.get(record) {
            Some(flow) => tell(flow, record, counters.as_ref(), found, now, to),
            None if self.ended.contains(&key(record)) || self.ended_before.contains(&key(record)) => {}
            None => drop(
                self.waiting.insert(key(record), Waiting { record: *record, counters, found, since: Instant::now() }),
            ),
        }
    }

    fn see(&mut self, record: &Record<A>, now: Now) {
        if let Some(flow) = self.flows.get(record) {
            flow.seen = now.reading;
        }
    }

    fn decide<W: Write>(&mut self, patience: Duration, now: Now, tally: &mut Tally, to: &mut Writer<W>) {
        for (key, waiting) in std::mem::take(&mut self.waiting) {
            if waiting.since.elapsed() >= patience {
                self.discover(waiting, now, tally, to);
            } else {
                self.waiting.insert(key, waiting);
            }
        }
    }

    fn step(&mut self) {
        self.ended_before = std::mem::take(&mut self.ended);
    }

    /// Tells of a flow whose start was not heard.
    fn discover<W: Write>(&mut self, waiting: Waiting<A>, now: Now, tally: &mut Tally, to: &mut Writer<W>) {
        let Waiting { mut record, counters, found, .. } = waiting;
        // What began in a gap began while this recorder listened: its end will be heard.
        let audible = now.known && now.gap;
        if now.known {
            record.kind = Kind::Start as u8;
            record.flags |= flags::RECOVERED;
            if record.start.get() == 0 {
                record.start = found.into();
            }
        }
        tally.starts_found += u64::from(audible);
        self.inaudible += usize::from(!audible);
        let state = if audible { 0 } else { state::INAUDIBLE };
        self.flows.insert(Flow::of(&record, state, now.segment, now.reading));
        to.push(&record, counters.as_ref(), found);
    }

    fn gone(&self, now: Now) -> Gone {
        let gone = self.flows.iter().filter(|flow| has_ended(flow, now));
        gone.fold(Gone::default(), |sum, flow| Gone {
            flows: sum.flows + 1,
            unheard: sum.unheard || flow.is(state::INAUDIBLE) || !now.gap,
        })
    }

    fn bury<W: Write>(&mut self, moment: u64, arrived: u64, now: Now, tally: &mut Tally, to: &mut Writer<W>) {
        let inaudible = &mut self.inaudible;
        self.flows.retain(|flow| {
            if has_ended(flow, now) {
                if flow.is(state::INAUDIBLE) {
                    *inaudible -= 1;
                } else {
                    tally.ends_found += u64::from(now.gap);
                }
                to.push(&flow.ended_by(moment), None, arrived);
                return false;
            }
            if flow.seen == now.reading {
                flow.unset(state::MISSED)
            } else {
                flow.set(state::MISSED)
            }
            true
        });
    }

    fn forget(&mut self) {
        self.waiting.clear();
        self.ended.clear();
        self.ended_before.clear();
    }
}

fn key<A: Address>(record: &Record<A>) -> Key<A> {
    (record.id, record.original, record.zone, record.protocol)
}

/// Whether a flow's absence from the table means that it ended.
const fn has_ended<A: Address>(flow: &Flow<A>, now: Now) -> bool {
    flow.seen != now.reading && (now.gap || flow.is(state::INAUDIBLE) || flow.is(state::MISSED))
}

/// Tells of a flow that is alive, unless the segment did so already.
fn tell<A: Address, W: Write>(
    flow: &mut Flow<A>,
    record: &Record<A>,
    counters: Option<&Counters>,
    found: u64,
    now: Now,
    to: &mut Writer<W>,
) {
    flow.seen = now.reading;
    if flow.told != now.segment {
        flow.told = now.segment;
        let mut record = *record;
        flow.complete(&mut record);
        to.push(&record, counters, found);
    }
}

#[cfg(test)]
mod tests;
