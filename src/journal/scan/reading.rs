//! The reading of blocks: what is wanted of them, in the order of arrival.

use ctrecorder_format::block::flags;
use ctrecorder_format::{Address, BlockKind, Body, Head, Kind, Place, Record, Segment};

use super::Select;
use super::found::{Found, Step};
use super::merge::{Batch, Either, merged};
use super::ruled_out::RuledOut;

/// The reading of some blocks that follow each other.
pub(super) struct Reading<'r, 'a, F> {
    select: &'r F,
    ruled_out: &'r RuledOut,
    batch: Batch<'a>,
    found: Found,
}

impl<'r, 'a, F: Select> Reading<'r, 'a, F> {
    /// What is found is added to this.
    pub(super) fn new(select: &'r F, ruled_out: &'r RuledOut, found: Found) -> Self {
        Self { select, ruled_out, batch: Batch::default(), found }
    }

    /// Everything that was found.
    pub(super) fn finish(mut self) -> Found {
        self.hand_on();
        self.found
    }

    /// Reads so many blocks from a place on, or as many as a walk finds there.
    pub(super) fn blocks(&mut self, segment: &Segment<'a>, place: Place, count: u32) {
        let heads = segment.heads_from(place).take(count as usize);
        heads.map_while(Result::ok).for_each(|head| self.block(&head));
    }

    /// Takes a block into the batch, and hands the batch on when it is whole.
    pub(super) fn block(&mut self, head: &Head<'a>) {
        if !self.batch.goes_on_with(head.header) {
            self.hand_on();
        }
        self.batch.joined_by(head.header);
        if self.is_ruled_out(head) {
            if head.header.has(flags::OPEN) {
                self.found.open();
            }
        } else {
            self.body(head);
        }
        if self.batch.is_whole() {
            self.hand_on();
        }
    }

    fn is_ruled_out(&self, head: &Head<'_>) -> bool {
        match head.header.kind() {
            Some(BlockKind::Ipv4 | BlockKind::Ipv6) => {
                let number = u64::from(head.header.sequence.get());
                let is_open = self.ruled_out.has_open() && head.header.has(flags::OPEN);
                is_open || self.ruled_out.has(&(number..number + 1)) || self.select.rules_out(head)
            }
            // It has no records; whether it is whole is for `test` to say.
            Some(BlockKind::Index | BlockKind::Sources) => true,
            Some(BlockKind::Notes | BlockKind::Footer) | None => self.select.rules_out(head),
        }
    }

    fn body(&mut self, head: &Head<'a>) {
        match head.verify().map(|block| block.body) {
            Ok(Body::Ipv4(records)) => {
                // A third block in a batch is nothing that our writer makes; it is read all the same.
                if self.batch.ipv4.is_some() {
                    self.hand_on();
                }
                self.batch.ipv4 = Some(records);
            }
            Ok(Body::Ipv6(records)) => {
                if self.batch.ipv6.is_some() {
                    self.hand_on();
                }
                self.batch.ipv6 = Some(records);
            }
            Ok(Body::Notes(notes)) => {
                self.hand_on();
                self.found.steps.extend(notes.iter().map(|note| Step::Note(*note)));
            }
            Ok(Body::Footer(_) | Body::Index(_) | Body::Sources(_) | Body::Unknown) => {}
            Err(damage) => self.found.steps.push(Step::Damage(damage)),
        }
    }

    /// Finds the wanted records of the batch, and begins a new one.
    fn hand_on(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let (select, found) = (self.select, &mut self.found);
        let mut has_open = false;
        match (batch.ipv4, batch.ipv6) {
            (None, None) => {}
            // Nearly always: there is nothing to be merged, and the loop is as short as it can be.
            (Some(ipv4), None) => {
                let wanted = ipv4.iter().filter(|(record, _)| is_wanted(select, *record, &mut has_open));
                found.all_ipv4(wanted);
            }
            (None, Some(ipv6)) => {
                let wanted = ipv6.iter().filter(|(record, _)| is_wanted(select, *record, &mut has_open));
                found.all_ipv6(wanted);
            }
            (Some(ipv4), Some(ipv6)) => {
                for record in merged(ipv4, ipv6) {
                    match record {
                        Either::Ipv4(record, counters) if is_wanted(select, record, &mut has_open) => {
                            found.ipv4(record, counters);
                        }
                        Either::Ipv6(record, counters) if is_wanted(select, record, &mut has_open) => {
                            found.ipv6(record, counters);
                        }
                        Either::Ipv4(..) | Either::Ipv6(..) => {}
                    }
                }
            }
        }
        if has_open {
            found.open();
        }
    }
}

/// Whether a record is wanted. One of a later version's kind is not: nobody here knows what it says. Notes whether it is an
/// open one.
fn is_wanted<F: Select, A: Address>(select: &F, record: &Record<A>, has_open: &mut bool) -> bool {
    *has_open |= record.kind() == Some(Kind::Open);
    record.kind().is_some() && select.matches(record)
}
