//! What readings of the kernel's table say of the flows that are open.

use ctrecorder_format::{Address, Counters, Note, Record};

use super::{GONE, Pairing};
use crate::query::pair::line::Place;
use crate::query::pair::open::is_nameless;

/// A reading of the kernel's table, as far as it tells which flows are gone.
#[derive(Clone, Copy, Debug)]
pub(in crate::query::pair) struct Reading {
    /// When it was at its end, ns since the epoch.
    pub(in crate::query::pair) to: u64,
    /// Up to when the files told that were read before, ns since the epoch.
    pub(in crate::query::pair) told_to: u64,
    /// It is the first one of a part of the journal that was squeezed or exported by itself: the number of the first file of this.
    pub(in crate::query::pair) part: Option<u32>,
}

/// What a reading said of the flows that its file had not told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::query::pair) struct Judged {
    /// Some of them are gone.
    pub(in crate::query::pair) gone: bool,
    /// Of some others it said nothing.
    pub(in crate::query::pair) left: bool,
}

impl<A: Address> Pairing<A> {
    /// The kernel's table was read, as this note tells: flows that were open by then began before, and what the next reading finds, behind
    /// it.
    pub(in crate::query::pair) fn table_read(&mut self, note: &Note) {
        (self.read_by, self.was_set_since_read) = (note.to.get(), false);
        // Set back since `from`, the clock showed less when the table was read than the note can say.
        let by = if note.from == note.to { 0 } else { note.to.get() };
        let (by, shown) = (by.max(self.place.begun), self.shown);
        for key in std::mem::take(&mut self.late) {
            let hash = self.open.hash(&key);
            self.open.change(hash, &key, |flow| flow.believe(shown, by));
        }
    }

    /// The kernel's table was read by this moment, ns since the epoch. Flows of the protocols that are `unbegun`, of which this file told
    /// first since the reading before, and without a start, are found by it. Whether there are any.
    pub(in crate::query::pair) fn find(&mut self, by: u64, unbegun: Option<impl Fn(u8) -> bool>) -> bool {
        let (before, is_none) = (self.starts_before, self.without_start == 0);
        (self.starts_before, self.without_start) = (self.starts, 0);
        let Some(is_unbegun) = unbegun.filter(|_| !is_none) else { return false };
        let (file, count, mut found) = (self.place.file, self.starts.wrapping_sub(before), false);
        self.open.for_each(|flow| {
            // What was open before has a lesser number.
            let is_new = flow.order.get().wrapping_sub(before).wrapping_sub(1) < count;
            if is_new && flow.seen.get() == file && flow.start() == 0 && is_unbegun(flow.protocol()) {
                flow.was_found(by);
                found = true;
            }
        });
        found
    }

    /// The kernel's table was read: flows of these protocols of which this file should have told, and did not, are gone.
    /// [`Pairing::bury`] first those of the reading before.
    pub(in crate::query::pair) fn judge(&mut self, reading: &Reading, covers: impl Fn(u8) -> bool) -> Judged {
        let mut judged = Judged::default();
        let Place { line, file, in_order_from, .. } = self.place;
        let first = reading.part.unwrap_or(file);
        self.gone_by = reading.to;
        if self.open.len() == self.confirmed {
            return judged;
        }
        let lines = &self.lines;
        self.open.for_each(|flow| {
            let told_by = lines.get(flow.seen.get() as usize).copied();
            if told_by != Some(line) || (first..=file).contains(&flow.seen.get()) {
                return;
            }
            // Only what files of flows left open is known again when it comes whole, and only by its id.
            let is_known_again = reading.part.is_none() || (flow.is_told_at_end() && !is_nameless(flow.key()));
            // Where it is not known which file was written first, one that was read first may tell of later times.
            let is_in_order = in_order_from <= flow.seen.get();
            let is_older = is_in_order || if flow.start() == 0 { reading.told_to } else { flow.start() } <= reading.to;
            if is_known_again && is_older && covers(flow.protocol()) {
                judged.gone = true;
                flow.seen = GONE.into();
                self.gone.push(*flow.key());
            } else {
                judged.left = true;
            }
        });
        judged
    }

    /// Emits the flows that are gone by the last reading and whose ends did not come, in the order of their starts.
    pub(in crate::query::pair) fn bury(&mut self, emit: &mut impl FnMut(Record<A>, Counters)) {
        let mut left = Vec::new();
        self.was_set_since_gone = false;
        for key in std::mem::take(&mut self.gone) {
            let hash = self.open.hash(&key);
            if self.open.change(hash, &key, |flow| flow.seen.get() == GONE) == Some(true) {
                left.extend(self.open.remove(hash, &key, |flow| *flow));
            }
        }
        self.emit_all(left, emit);
    }
}
