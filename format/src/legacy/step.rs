//! Finding the records among the bytes, also where they are out of step.
//!
//! A record cut short by a failed write still begins like a good one: its type and time are right, and its tail is
//! the beginning of the next record. So a record counts as whole only if one that is *ordinary* (sound, and near
//! in time) follows it, or the file ends with it. That is nearly always so, and found out at the cost of one look
//! at each record.
//!
//! Where it is not so, the likeliest way on is looked for (module `route`), and only its first step is made: what
//! lies before its first record is damage. That record itself is shown if it must be whole: the next one follows
//! at its end, or what stands between is the beginning of a record, or of the size of one. Before a longer stretch
//! of rubbish nobody knows where that began, and the record is counted in.

use std::marker::PhantomData;

use crate::damage::{Damage, Fault};
use crate::legacy::entry::{Anchor, Entry, beginning};
use crate::legacy::route::{Route, is_chain, route, split};

/// How many records are checked before they are handed out: few enough to be still in the nearest cache.
const RUN: usize = 512;

/// A stretch of a file.
pub(super) enum Stretch<'a, T> {
    /// Whole records, at least one.
    Records {
        /// Where the first one begins, from the start of the file.
        offset: usize,
        /// The records.
        entries: &'a [T],
    },
    /// Bytes that are no whole records.
    Damage(Damage),
}

/// Where a walk through a file stands; see [`super::Pieces::place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub(super) position: usize,
    /// The time of the record before, in seconds since 1970-01-01T00:00:00Z; of the header, where there is none.
    pub(super) previous: u32,
}

impl Place {
    /// Bytes from the start of the file.
    pub const fn offset(&self) -> u64 {
        self.position as u64
    }
}

/// Goes through the records of a file, stretch by stretch. All its bytes come up, each once.
#[derive(Clone, Debug)]
pub(super) struct Stretches<'a, T> {
    bytes: &'a [u8],
    position: usize,
    anchor: Anchor,
    entry: PhantomData<T>,
}

impl<'a, T: Entry> Stretches<'a, T> {
    /// Goes through `bytes`, a whole file that was begun in this second, from a place on.
    pub(super) fn from(bytes: &'a [u8], started: u32, place: Place) -> Self {
        let anchor = Anchor { started, previous: place.previous };
        Self { bytes, position: place.position, anchor, entry: PhantomData }
    }

    /// Where it stands.
    pub(super) const fn place(&self) -> Place {
        Place { position: self.position, previous: self.anchor.previous }
    }

    /// The place some `bytes` further on if only whole records come, but not behind the last one that fits the file.
    pub(super) fn ahead(&self, bytes: usize) -> Place {
        let (entries, _) = split::<T>(self.rest());
        let entries = entries.get(..bytes / T::SIZE).unwrap_or(entries);
        Place {
            position: self.position + size_of_val(entries),
            previous: entries.last().map_or(self.anchor.previous, T::seconds),
        }
    }

    /// Hands out the records up to `end`, a place ahead, for as long as each of them is surely whole. Whether all of them are:
    /// then a walk comes to stand at `end`, record by record.
    #[inline]
    pub(super) fn each_up_to(&self, end: Place, mut each: impl FnMut(&'a T)) -> bool {
        let (entries, _) = split::<T>(self.bytes.get(self.position..end.position).unwrap_or_default());
        let mut anchor = self.anchor;
        for entry in entries {
            if !entry.is_ordinary(anchor) {
                return false;
            }
            anchor.previous = entry.seconds();
            each(entry);
        }
        // The last one is whole if an ordinary one follows, or the file ends with it.
        match self.bytes.get(end.position..).unwrap_or_default() {
            [] => true,
            rest => T::ref_from_prefix(rest).is_ok_and(|(next, _)| next.is_ordinary(anchor)),
        }
    }

    /// The bytes not yet gone through.
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// How many records from here on are surely whole, at most [`RUN`].
    fn whole(&self) -> usize {
        let (entries, _) = split::<T>(self.rest());
        let mut anchor = self.anchor;
        let mut ordinary = 0;
        for entry in entries.iter().take(RUN + 1) {
            if !entry.is_ordinary(anchor) {
                break;
            }
            anchor.previous = entry.seconds();
            ordinary += 1;
        }
        let with_the_file = ordinary * T::SIZE == self.rest().len();
        if with_the_file { ordinary } else { ordinary.saturating_sub(1) }
    }

    fn take_records(&mut self, count: usize) -> Stretch<'a, T> {
        let offset = self.position;
        let (entries, _) = split::<T>(self.rest());
        let entries = entries.get(..count).unwrap_or(entries);
        self.position += size_of_val(entries);
        if let Some(last) = entries.last() {
            self.anchor.previous = last.seconds();
        }
        Stretch::Records { offset, entries }
    }

    fn take_damage(&mut self, end: usize, fault: Fault) -> Stretch<'a, T> {
        let length = end - self.position;
        let damage = Damage {
            offset: self.position as u64,
            length: length as u64,
            fault,
            records_lost: self.is_one_record(length).then_some(1),
        };
        self.position = end;
        Stretch::Damage(damage)
    }

    /// Whether `length` bytes from here on are what is left of one record, damaged in its place or cut short.
    fn is_one_record(&self, length: usize) -> bool {
        let bytes = self.rest().get(..length).unwrap_or_default();
        length == T::SIZE || length < T::SIZE && beginning::<T>(bytes, self.anchor).is_some()
    }

    /// What comes where records do not simply follow each other. At least one record's length is left.
    fn take_with_care(&mut self) -> Stretch<'a, T> {
        let here = self.position;
        let way = match route::<T>(self.bytes, here, self.anchor) {
            Some(way) if way.first == here && self.is_whole(way) => return self.take_records(1),
            // Not whole: the way goes on behind it.
            Some(way) if way.first == here => self.way_from(way.next.unwrap_or(here + 1)),
            Some(way) => Some(way),
            None => self.way_from(here + 1),
        };
        match way {
            Some(way) => self.take_damage(way.first, Fault::OutOfStep),
            None => self.take_damage(self.bytes.len(), Fault::NoRecord),
        }
    }

    /// The way on from the first place at or after `from` where a chain of records begins.
    fn way_from(&self, from: usize) -> Option<Route> {
        let place = (from..self.bytes.len()).find(|&place| is_chain::<T>(self.bytes, place))?;
        route::<T>(self.bytes, place, self.anchor)
    }

    /// Whether the first record of `way` must be whole, for what follows it.
    fn is_whole(&self, way: Route) -> bool {
        let end = way.next.unwrap_or(self.bytes.len());
        let (entries, rest) = split::<T>(self.bytes.get(way.first..end).unwrap_or_default());
        match (entries, rest) {
            ([_], []) | ([_, _], []) => true,
            ([record], rest) => {
                let anchor = Anchor { previous: record.seconds(), ..self.anchor };
                beginning::<T>(rest, anchor).is_some()
            }
            _ => false,
        }
    }
}

impl<'a, T: Entry> Iterator for Stretches<'a, T> {
    type Item = Stretch<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.bytes.len();
        match self.rest().len() {
            0 => return None,
            left if left < T::SIZE => return Some(self.take_damage(end, Fault::CutOff("record"))),
            _ => {}
        }
        let whole = self.whole();
        if whole > 0 {
            return Some(self.take_records(whole));
        }
        Some(self.take_with_care())
    }
}
