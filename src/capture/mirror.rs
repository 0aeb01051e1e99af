//! The kernel's table as the journal tells of it: made of events, held against readings of the table itself.
//!
//! Every event goes through here on its way to the segment. So the recorder knows at any time which flows the journal
//! leaves open; a reading of the table shows which of them ended unheard, and which began unheard.

mod side;

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use ctrecorder_format::{V4, V6, Writer};
use side::{Outcome, Side};

use super::convert::{Captured, Either};

/// So many ends without a start are remembered, for a gap that is told of behind them.
const ORPHANS: usize = 4096;

/// The flows alive, of both families.
#[derive(Debug)]
pub(super) struct Mirror {
    ipv4: Side<V4>,
    ipv6: Side<V6>,
    now: Now,
    tally: Tally,
    /// When ends without a start arrived, ns since the epoch, the last of them, as long as there is no gap: their start may be
    /// missing in one that is still to be told of.
    orphans: VecDeque<u64>,
    /// Records in this segment of what was found, not heard.
    found_in_segment: u64,
    /// Events that were told of already, and were passed over.
    repeated: u64,
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
    /// Ends may be among them.
    ends_lost: bool,
    /// The kernel reports the ends of flows that were there before the recorder, too.
    prior_audible: bool,
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
    /// The same of flows of which nobody knows whether the kernel reported their end.
    pub(super) prior_ends: u64,
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
    /// Nothing is known. `prior_audible` says whether the kernel reports the ends of flows that are there already.
    pub(super) fn new(prior_audible: bool) -> Self {
        let now = Now {
            segment: 0,
            reading: 0,
            is_reading: false,
            known: false,
            gap: false,
            ends_lost: false,
            prior_audible,
        };
        let (tally, orphans) = (Tally::default(), VecDeque::new());
        Self { ipv4: Side::new(), ipv6: Side::new(), now, tally, orphans, found_in_segment: 0, repeated: 0 }
    }

    /// How many flows are alive.
    pub(super) fn len(&self) -> usize {
        self.ipv4.flows.len() + self.ipv6.flows.len()
    }

    /// How many of them were there before the recorder, and may end in silence.
    pub(super) const fn prior(&self) -> usize {
        self.ipv4.prior + self.ipv6.prior
    }

    /// How many records of the present segment are of what was found, not heard.
    pub(super) const fn found_in_segment(&self) -> u64 {
        self.found_in_segment
    }

    /// How many events were passed over since the last call, for they had been told of already.
    pub(super) const fn take_repeated(&mut self) -> u64 {
        std::mem::replace(&mut self.repeated, 0)
    }

    /// Whether the table was read whole once.
    pub(super) const fn is_known(&self) -> bool {
        self.now.known
    }

    /// A segment begins, in which no flow has been told of.
    pub(super) const fn begin_segment(&mut self) {
        self.now.segment = self.now.segment.wrapping_add(1);
        self.found_in_segment = 0;
    }

    /// Events are missing since `from`, ends among them if `ends_lost`.
    pub(super) fn gap(&mut self, from: u64, ends_lost: bool) {
        if !self.now.gap {
            self.tally.without_start += self.orphans.iter().filter(|arrived| **arrived >= from).count() as u64;
        }
        self.orphans.clear();
        self.now.gap = true;
        self.now.ends_lost |= ends_lost;
    }

    /// Writes the record of an event.
    pub(super) fn event<W: Write>(&mut self, event: &Captured, to: &mut Writer<W>) {
        let (counters, arrived) = (event.counters.as_ref(), event.arrived);
        let outcome = match &event.record {
            Either::Ipv4(record) => self.ipv4.event(record, counters, arrived, self.now, to),
            Either::Ipv6(record) => self.ipv6.event(record, counters, arrived, self.now, to),
        };
        match outcome {
            Outcome::Told => {}
            Outcome::Repeated => self.repeated += 1,
            Outcome::WithoutStart if self.now.gap => self.tally.without_start += 1,
            Outcome::WithoutStart => {
                if self.orphans.len() == ORPHANS {
                    self.orphans.pop_front();
                }
                self.orphans.push_back(arrived);
            }
            Outcome::BeganAgain { prior } => {
                self.found_in_segment += 1;
                self.tally.count_end(prior, self.now);
            }
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
        let found = self.ipv4.decide(patience, self.now, to) + self.ipv6.decide(patience, self.now, to);
        if self.now.known {
            self.found_in_segment += found;
            self.tally.starts_found += if self.now.gap { found } else { 0 };
        }
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
        let now = self.now;
        let before = self.len();
        let mut count = |prior| self.tally.count_end(prior, now);
        self.ipv4.bury(moment, arrived, now, &mut count, to);
        self.ipv6.bury(moment, arrived, now, &mut count, to);
        self.found_in_segment += (before - self.len()) as u64;
    }

    /// Writes ends at `moment` for all that is alive: what they are of has ended.
    pub(super) fn end_all<W: Write>(&mut self, moment: u64, to: &mut Writer<W>) {
        self.found_in_segment += self.len() as u64;
        self.ipv4.end_all(moment, to);
        self.ipv6.end_all(moment, to);
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
        (self.now.gap, self.now.ends_lost) = (false, false);
        std::mem::take(&mut self.tally)
    }
}

impl Tally {
    /// Counts an end that was found, not heard.
    const fn count_end(&mut self, prior: bool, now: Now) {
        if now.gap && (!prior || now.prior_audible) {
            self.ends_found += 1;
        } else if now.gap {
            self.prior_ends += 1;
        }
    }
}

#[cfg(test)]
mod tests;
