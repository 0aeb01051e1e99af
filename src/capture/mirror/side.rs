//! The flows alive of one address family, and how each event and each flow that is found is told.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::time::{Duration, Instant};

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Counters, Kind, Record, Tuple, Writer};
use zerocopy::little_endian::{U16, U32};

use super::super::flows::{Flow, Flows, state};
use super::super::recent::Recent;
use super::{Gone, Now};

/// What became of an event.
pub(super) enum Outcome {
    /// It is recorded.
    Told,
    /// It was recorded before.
    Repeated,
    /// It is recorded; an end of a flow whose start is not.
    WithoutStart,
    /// It is recorded; the start of a flow in place of another one with the same tuple and id, whose end was not heard.
    BeganAgain { prior: bool },
}

/// The flows alive of one family.
#[derive(Debug)]
pub(super) struct Side<A: Address> {
    pub(super) flows: Flows<A>,
    /// How many of them may end in silence.
    pub(super) prior: usize,
    /// Found in the table and not known.
    pub(super) waiting: HashMap<Key<A>, Waiting<A>>,
    /// Flows that ended in this step of the reading and in the one before: what is read was true a step earlier, and may
    /// still name them.
    ended: HashSet<Key<A>>,
    ended_before: HashSet<Key<A>>,
    /// Flows that ended a short while ago, whether or not the table is read.
    recent: Recent,
}

/// What tells flows apart for a while.
pub(super) type Key<A> = (U32, Tuple<A>, U16, u8);

#[derive(Debug)]
pub(super) struct Waiting<A: Address> {
    record: Record<A>,
    counters: Option<Counters>,
    found: u64,
    since: Instant,
}

impl<A: Address> Side<A> {
    pub(super) fn new() -> Self {
        let (ended, ended_before) = (HashSet::new(), HashSet::new());
        Self { flows: Flows::new(), prior: 0, waiting: HashMap::new(), ended, ended_before, recent: Recent::new() }
    }

    pub(super) fn event<W: Write>(
        &mut self,
        record: &Record<A>,
        counters: Option<&Counters>,
        arrived: u64,
        now: Now,
        to: &mut Writer<W>,
    ) -> Outcome {
        if record.kind() == Some(Kind::End) {
            return self.end(record, counters, arrived, now, to);
        }
        let outcome = self.start(record, arrived, now, to);
        if !matches!(outcome, Outcome::Repeated) {
            to.push(record, counters, arrived);
        }
        outcome
    }

    /// Takes note of a start. If a flow of this id and tuple is alive already, either its start is reported once more (it had
    /// been held back, or another listener missed it), or its end was not heard, and the tuple begins again.
    fn start<W: Write>(&mut self, record: &Record<A>, arrived: u64, now: Now, to: &mut Writer<W>) -> Outcome {
        let begun = Flow::of(record, state::START_HEARD, now.segment, now.reading);
        let Some(flow) = self.flows.get(record) else {
            self.flows.insert(begun);
            if now.is_reading {
                self.waiting.remove(&key(record));
            }
            return Outcome::Told;
        };
        let prior = flow.is(state::PRIOR);
        self.prior -= usize::from(prior);
        let may_have_ended = now.ends_lost || (prior && !now.prior_audible);
        // No flow begins with a reply.
        if may_have_ended && !record.reply_seen() {
            to.push(&flow.ended_by(record.start.get()), None, arrived);
            *flow = begun;
            return Outcome::BeganAgain { prior };
        }
        flow.set(state::START_HEARD);
        flow.unset(state::PRIOR);
        Outcome::Repeated
    }

    /// Writes an end, with what is known of its start.
    fn end<W: Write>(
        &mut self,
        record: &Record<A>,
        counters: Option<&Counters>,
        arrived: u64,
        now: Now,
        to: &mut Writer<W>,
    ) -> Outcome {
        let mut record = *record;
        let again = self.recent.insert(&record, arrived);
        let flow = self.flows.remove(&record);
        if flow.is_none() && again && now.known && !now.gap {
            return Outcome::Repeated;
        }
        if now.is_reading {
            self.waiting.remove(&key(&record));
            self.ended.insert(key(&record));
        }
        if let Some(flow) = &flow {
            self.prior -= usize::from(flow.is(state::PRIOR));
            flow.complete(&mut record);
        }
        to.push(&record, counters, arrived);
        if flow.is_none() && now.known { Outcome::WithoutStart } else { Outcome::Told }
    }

    pub(super) fn found<W: Write>(
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

    pub(super) fn see(&mut self, record: &Record<A>, now: Now) {
        if let Some(flow) = self.flows.get(record) {
            flow.seen = now.reading;
        }
    }

    /// Returns how many flows it told of.
    pub(super) fn decide<W: Write>(&mut self, patience: Duration, now: Now, to: &mut Writer<W>) -> u64 {
        let mut found = 0;
        for (key, waiting) in std::mem::take(&mut self.waiting) {
            if waiting.since.elapsed() >= patience {
                self.discover(waiting, now, to);
                found += 1;
            } else {
                self.waiting.insert(key, waiting);
            }
        }
        found
    }

    pub(super) fn step(&mut self) {
        self.ended_before = std::mem::take(&mut self.ended);
    }

    /// Tells of a flow whose start was not heard.
    fn discover<W: Write>(&mut self, waiting: Waiting<A>, now: Now, to: &mut Writer<W>) {
        let Waiting { mut record, counters, found, .. } = waiting;
        if now.known {
            record.kind = Kind::Start as u8;
            record.flags |= flags::RECOVERED;
            if record.start.get() == 0 {
                record.start = found.into();
            }
        }
        // What began in a gap began while this recorder listened.
        let prior = !(now.known && now.gap);
        self.prior += usize::from(prior);
        let state = if prior { state::PRIOR } else { 0 };
        self.flows.insert(Flow::of(&record, state, now.segment, now.reading));
        to.push(&record, counters.as_ref(), found);
    }

    pub(super) fn gone(&self, now: Now) -> Gone {
        let gone = self.flows.iter().filter(|flow| has_ended(flow, now));
        gone.fold(Gone::default(), |sum, flow| Gone {
            flows: sum.flows + 1,
            unheard: sum.unheard || flow.is(state::PRIOR) || !now.gap,
        })
    }

    pub(super) fn bury<W: Write>(
        &mut self,
        moment: u64,
        arrived: u64,
        now: Now,
        count: &mut impl FnMut(bool),
        to: &mut Writer<W>,
    ) {
        let prior = &mut self.prior;
        self.flows.retain(|flow| {
            if has_ended(flow, now) {
                *prior -= usize::from(flow.is(state::PRIOR));
                count(flow.is(state::PRIOR));
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

    pub(super) fn end_all<W: Write>(&mut self, moment: u64, to: &mut Writer<W>) {
        self.flows.retain(|flow| {
            to.push(&flow.ended_by(moment), None, moment);
            false
        });
        self.prior = 0;
    }

    pub(super) fn forget(&mut self) {
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
    flow.seen != now.reading && (now.gap || flow.is(state::PRIOR) || flow.is(state::MISSED))
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
    if record.reply_seen() {
        flow.set(state::REPLY_SEEN);
    }
    if flow.told != now.segment {
        flow.told = now.segment;
        let mut record = *record;
        flow.complete(&mut record);
        to.push(&record, counters, found);
    }
}
