//! Makes flows of starts and ends.
//!
//! | part | what it does |
//! |---|---|
//! | `pairing` | one family: which start belongs to which end |
//! | `open` | the flows that are open |
//! | `places`, `bodies`, `memory` | where each of them is, what is known of it, and what that may take |
//! | `versions` | flows of which files of both versions tell |
//! | `written` | which file was written behind which other one |
//! | `line` | whose files these are, and what their notes tell of ends that were not heard |
//! | `known` | of which flows all that had begun are known |
//! | `stamps` | starts that are later than what they are told with |
//! | `part` | the same of parts of a journal that were squeezed or exported one by one |

mod bodies;
mod known;
mod line;
mod memory;
mod open;
mod pairing;
mod part;
mod places;
mod stamps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_found;
#[cfg(test)]
mod tests_of_parts;
#[cfg(test)]
mod tests_of_parts_read;
#[cfg(test)]
mod tests_of_readings;
#[cfg(test)]
mod tests_of_restarts;
mod versions;
mod written;

use std::io;

use ctrecorder_format::{Address, Cause, ClockWasSet, Counters, Damage, Family, Header, Note, Record, V4, V6};

use crate::journal::Version;
use line::Lines;
pub use memory::Allowance;
pub use pairing::Pairing;
pub(crate) use pairing::may_go_on;
use pairing::{Judged, Reading};

/// So many records are looked at together: what is known of their flows may be far away, and is asked for before it is needed.
const BATCH: usize = 64;

/// What tells where a flow is has come when so many further ones were asked for.
const AHEAD: usize = 16;

/// Takes the flows that come of pairing.
pub trait FlowSink {
    /// A flow of IPv4, with what was counted of it (zeros where nothing was).
    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters);

    /// A flow of IPv6, likewise.
    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters);

    /// A flow of IPv4 is not open any more, and comes no further: squeezed with a filter, it was left open, and not kept once its
    /// end was known.
    fn left_out_ipv4(&mut self, _flow: &Record<V4>) {}

    /// The same of IPv6.
    fn left_out_ipv6(&mut self, _flow: &Record<V6>) {}
}

/// Pairs the starts and ends of a journal: everything that a [`Sink`](crate::journal::Sink) hears of is handed on to it, in
/// the same order, but for files that cannot be read at all.
///
/// What leaves it is told at [`Pairing`]. Beyond that, notes tell of ends that no record does (docs/format.md, "Reading", point
/// 9): a segment names all flows that are alive when the kernel's table was read. One that is open by earlier segments of
/// that host and network namespace, and is not named, is gone. It leaves with the end of the reading as its own, and
/// `END_AT_LATEST`, unless a record of its end still comes before the next reading or the next file. So does one that a part of the
/// journal left open which was squeezed or exported by itself, and of which the next part tells nothing. One that a segment is the
/// first to name, without a start, though all that had begun by some moment were known, began after that: it leaves with the end of
/// the reading as its start, and `RECOVERED`.
///
/// Records wait, up to 64, before they are paired: [`Pairs::settle`].
#[derive(Debug, Default)]
pub struct Pairs {
    lines: Lines,
    ipv4: Pairing<V4>,
    ipv6: Pairing<V6>,
    waiting_ipv4: Vec<Waiting<V4>>,
    waiting_ipv6: Vec<Waiting<V6>>,
    /// The families of those that wait, in their order.
    waiting: Vec<Family>,
}

/// What a note tells of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The note. Of a reading of the kernel's table that found ends of an earlier run of the recorder, or flows that began unknown to
    /// that, the span goes back to where that run had ended, or to a gap in it that no reading had followed.
    pub note: Note,
    /// Flows leave later on whose start is the end of its span, and that began in it.
    pub is_of_starts: bool,
}

/// A record that is not paired yet.
#[derive(Debug)]
struct Waiting<A: Address> {
    hash: u32,
    record: Record<A>,
    counters: Counters,
}

impl<A: Address> Waiting<A> {
    /// Has its flow at hand, some time after it has begun to wait.
    fn expect(&self, pairing: &Pairing<A>) {
        pairing.expect(self.hash, &self.record);
    }
}

/// Adds a record to those that wait. What is known of its flow may be far away: first what tells where it is will be at hand, and
/// then, when a few further ones wait, the flow.
fn wait<A: Address>(
    waiting: &mut Vec<Waiting<A>>,
    pairing: &Pairing<A>,
    record: &Record<A>,
    counters: Option<&Counters>,
) {
    let hash = pairing.expect_place(record);
    waiting.push(Waiting { hash, record: *record, counters: counters.copied().unwrap_or_default() });
    let earlier = waiting.len().checked_sub(AHEAD + 1).and_then(|place| waiting.get(place));
    earlier.into_iter().for_each(|earlier| earlier.expect(pairing));
}

/// Those whose flows nobody has asked for yet.
fn last<A: Address>(waiting: &[Waiting<A>]) -> impl Iterator<Item = &Waiting<A>> {
    waiting.iter().skip(waiting.len().saturating_sub(AHEAD))
}

impl Pairs {
    /// No flow is open.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with so much memory for what is known of open flows. Beyond it, that goes to a file: see [`Pairs::failure`].
    pub fn within(allowance: &Allowance) -> Self {
        let (ipv4, ipv6) = (Pairing::within(allowance.clone()), Pairing::within(allowance.clone()));
        Self { ipv4, ipv6, ..Self::default() }
    }

    /// Why what is known of open flows could not be kept, once: what comes behind that is not to be believed.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.ipv4.failure().or_else(|| self.ipv6.failure())
    }

    /// A file begins.
    pub fn begin(&mut self, file: &Version<'_>, flows: &mut impl FlowSink) {
        self.end_file(flows);
        let place = self.lines.begin(file);
        self.ipv4.enter(place);
        self.ipv6.enter(place);
    }

    /// The next record, of IPv4, with what was counted of its flow.
    pub fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>, flows: &mut impl FlowSink) {
        wait(&mut self.waiting_ipv4, &self.ipv4, record, counters);
        self.waits(Family::Ipv4, flows);
    }

    /// The next record, of IPv6, likewise.
    pub fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>, flows: &mut impl FlowSink) {
        wait(&mut self.waiting_ipv6, &self.ipv6, record, counters);
        self.waits(Family::Ipv6, flows);
    }

    fn waits(&mut self, family: Family, flows: &mut impl FlowSink) {
        self.waiting.push(family);
        if self.waiting.len() == BATCH {
            self.settle(flows);
        }
    }

    /// Pairs the records that still wait.
    pub fn settle(&mut self, flows: &mut impl FlowSink) {
        last(&self.waiting_ipv4).for_each(|next| next.expect(&self.ipv4));
        last(&self.waiting_ipv6).for_each(|next| next.expect(&self.ipv6));
        let (mut ipv4, mut ipv6) = (self.waiting_ipv4.iter(), self.waiting_ipv6.iter());
        for family in self.waiting.drain(..) {
            match family {
                Family::Ipv4 => ipv4.next().into_iter().for_each(|Waiting { hash, record, counters }| {
                    self.ipv4.push_hashed(*hash, record, counters, &mut |flow, counters| flows.ipv4(&flow, &counters));
                }),
                Family::Ipv6 => ipv6.next().into_iter().for_each(|Waiting { hash, record, counters }| {
                    self.ipv6.push_hashed(*hash, record, counters, &mut |flow, counters| flows.ipv6(&flow, &counters));
                }),
            }
        }
        self.waiting_ipv4.clear();
        self.waiting_ipv6.clear();
    }

    /// A note. Returned is what it tells of the flows that leave here: hand on that, once this has returned. The first reading of a part
    /// of the journal is told of as one that found ends of an earlier run.
    pub fn note(&mut self, note: &Note, flows: &mut impl FlowSink) -> Told {
        self.settle(flows);
        if note.is_gap() {
            self.lines.gap(note);
        }
        match note.cause() {
            Some(Cause::LeftOpen) => {
                self.lines.left_open(note);
                self.left_by_clock(note);
            }
            Some(Cause::FirstRead) => return Told { note: self.lines.first_read(note), is_of_starts: false },
            Some(Cause::ClockStep) => {
                if note.sets_back() {
                    self.lines.set_back(false);
                }
                self.ipv4.clock_set(note, false);
                self.ipv6.clock_set(note, false);
            }
            _ => {}
        }
        if note.cause() != Some(Cause::TableRead) {
            return Told { note: *note, is_of_starts: false };
        }
        self.bury(flows);
        let is_of_starts = self.find(note);
        self.ipv4.table_read(note);
        self.ipv6.table_read(note);
        let Judged { gone, left } = self.judge(note);
        // That of a reading which tells of no moment stays that of none.
        let is_widened = is_of_starts || (gone && !self.lines.is_no_moment(note));
        let unheard = self.lines.unheard().filter(|_| is_widened);
        self.lines.read(left);
        let mut told = *note;
        if let Some(since) = unheard {
            told.from = note.from.get().min(since).into();
        }
        Told { note: told, is_of_starts }
    }

    /// The clock was set back before the file that has just begun, as this note would have told: it does not know that itself.
    pub fn clock_set_before(&mut self, note: &Note, flows: &mut impl FlowSink) {
        self.settle(flows);
        self.lines.set_back(true);
        self.ipv4.clock_set(note, true);
        self.ipv6.clock_set(note, true);
    }

    /// Gives the flows a start that this reading of the kernel's table is the first to name, where it is known after which moment they
    /// began. Whether there are any.
    fn find(&mut self, note: &Note) -> bool {
        let (by, unbegun) = (note.to.get(), self.lines.unbegun(note.to.get()));
        let covers = |family| unbegun.as_ref().map(|kinds| move |protocol| kinds.have(family, protocol));
        let ipv4 = self.ipv4.find(by, covers(Family::Ipv4));
        let ipv6 = self.ipv6.find(by, covers(Family::Ipv6));
        ipv4 || ipv6
    }

    /// What a reading of the kernel's table says of the flows that its file has not told of.
    fn judge(&mut self, note: &Note) -> Judged {
        let reading = Reading { to: note.to.get(), told_to: self.lines.told_before(), part: None };
        let Some(here) = self.lines.here().filter(|here| here.is_whole) else {
            return Judged { gone: false, left: true };
        };
        judge(&mut self.ipv4, &mut self.ipv6, &reading, &here.header)
    }

    /// The file that is read is at its end, and so may be a part of the journal that was squeezed or exported by itself: flows leave
    /// that an earlier part left open, and of which it would have told.
    fn end_part(&mut self, flows: &mut impl FlowSink) {
        let Some(part) = self.lines.end_part() else { return };
        let judged = part.reading().map_or(Judged { gone: false, left: true }, |reading| {
            judge(&mut self.ipv4, &mut self.ipv6, &reading, part.header())
        });
        self.bury(flows);
        self.lines.missed(&part, judged.left);
    }

    /// Something in the file could not be read.
    pub fn damage(&mut self, damage: &Damage) {
        self.lines.damage(damage);
    }

    /// How many flows are open: exactly behind [`Pairs::settle`], [`Pairs::begin`] and [`Pairs::note`], else at most so many.
    pub fn open_flows(&self) -> usize {
        self.ipv4.open_flows() + self.ipv6.open_flows() + self.waiting.len()
    }

    /// Emits the flows whose end did not come: IPv4 first, each family in the order of starts. Returned is why what is known of
    /// them could not be kept, if that is so: see [`Pairs::failure`].
    pub fn finish(mut self, flows: &mut impl FlowSink) -> Option<io::Error> {
        self.end_file(flows);
        let failed = self.failure();
        let ipv4 = self.ipv4.finish(&mut |flow, counters| flows.ipv4(&flow, &counters));
        let ipv6 = self.ipv6.finish(&mut |flow, counters| flows.ipv6(&flow, &counters));
        failed.or(ipv4).or(ipv6)
    }

    /// Ends a file that tells up to `end` (ns since the epoch): flows that are gone by its last reading leave it. Returned is the
    /// note that stands before those that are open, see [`Pairs::show_open`]: who begins with these goes on as this one does.
    pub fn leave(&mut self, end: u64, flows: &mut impl FlowSink) -> Note {
        self.end_file(flows);
        self.left(end)
    }

    /// Goes on where a segment of flows ended, with this note and what that leaves open, for the same choice of flows.
    pub fn go_on(&mut self, left: &Note) {
        self.lines.go_on(left);
        self.left_by_clock(left);
    }

    /// What a segment that left flows open tells of the clock.
    fn left_by_clock(&mut self, left: &Note) {
        self.know_clock_set(left.clock_was_set());
    }

    /// Whether the clock was set in the time of what is gone on with, or may have been: flows that are found from here on may have been alive
    /// then.
    pub fn know_clock_set(&mut self, was_set: ClockWasSet) {
        if was_set == ClockWasSet::SinceReading {
            self.lines.set_back(true);
        }
        self.ipv4.know_clock_set(was_set);
        self.ipv6.know_clock_set(was_set);
    }

    /// What is known of the flows that are open at the end of a file that tells up to `end` (ns since the epoch), as a note.
    pub fn left(&mut self, end: u64) -> Note {
        self.lines.left(end).with_value(self.open_flows() as u64).with_clock_was_set(self.ipv4.clock_was_set())
    }

    /// Shows the flows that are open as open records: IPv4 first, each family in the order of starts.
    pub fn show_open(&self, flows: &mut impl FlowSink) {
        self.ipv4.show_open(&mut |flow| flows.ipv4(flow, &Counters::default()));
        self.ipv6.show_open(&mut |flow| flows.ipv6(flow, &Counters::default()));
    }

    /// The file that is read is at its end: flows leave that are gone by its last reading, or that its filter did not keep.
    fn end_file(&mut self, flows: &mut impl FlowSink) {
        self.settle(flows);
        self.bury(flows);
        if let Some(before) = self.lines.filtered() {
            self.ipv4.leave_out(before, &mut |flow| flows.left_out_ipv4(flow));
            self.ipv6.leave_out(before, &mut |flow| flows.left_out_ipv6(flow));
        }
        self.end_part(flows);
    }

    /// Emits the flows that are gone by the last reading.
    fn bury(&mut self, flows: &mut impl FlowSink) {
        self.ipv4.bury(&mut |flow, counters| flows.ipv4(&flow, &counters));
        self.ipv6.bury(&mut |flow, counters| flows.ipv6(&flow, &counters));
    }
}

/// What a reading says of the flows of both families, as far as this header names them.
fn judge(ipv4: &mut Pairing<V4>, ipv6: &mut Pairing<V6>, reading: &Reading, header: &Header) -> Judged {
    let covers = |protocol| header.protocols.is_empty() || header.protocols.contains(&protocol);
    let ipv4 = ipv4.judge(reading, |protocol| header.has_family(Family::Ipv4) && covers(protocol));
    let ipv6 = ipv6.judge(reading, |protocol| header.has_family(Family::Ipv6) && covers(protocol));
    Judged { gone: ipv4.gone || ipv6.gone, left: ipv4.left || ipv6.left }
}
