//! Where a flow is, by its hash: a table whose entries are looked at one after the other from where the hash says.
//!
//! An entry is the hash and the place in one word, so that to find a flow takes one line of the processor's cache here, and one
//! where the flow is.

use super::memory::{Zeroed, expect};

/// The least number of entries there is room for.
const LEAST: usize = 512;

/// That many entries further on, mostly there was an empty one before.
const ENTRIES_AHEAD: usize = 3;

/// A table of places by hashes. Several may have the same hash.
#[derive(Debug)]
pub(super) struct Places {
    /// A power of two of entries: the hash in the upper half, the place and 1 in the lower one; 0: none.
    entries: Zeroed,
    mask: usize,
    len: usize,
}

/// Where a place with this hash can be added, as long as nothing else is added or removed.
#[derive(Debug)]
pub(super) struct Vacancy {
    hash: u32,
    index: usize,
}

const fn entry(hash: u32, place: u32) -> u64 {
    // No place is the last number.
    (hash as u64) << 32 | (place as u64 + 1)
}

const fn hash_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

const fn place_of(entry: u64) -> u32 {
    (entry as u32).wrapping_sub(1)
}

impl Places {
    pub(super) fn new() -> Self {
        Self { entries: Zeroed::words(LEAST), mask: LEAST - 1, len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Has the entries at hand among which that of a hash will soon be looked for.
    pub(super) fn expect(&self, hash: u32) {
        let bytes = self.entries.as_bytes();
        // At the end of a line they may go on in the next one.
        for index in [hash as usize, hash as usize + ENTRIES_AHEAD] {
            bytes.get((index & self.mask) * size_of::<u64>()).into_iter().for_each(expect);
        }
    }

    fn at(&self, index: usize) -> u64 {
        self.entries.as_words().get(index).copied().unwrap_or(0)
    }

    /// The place with this hash that is the right one.
    pub(super) fn find(&self, hash: u32, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.index(hash, is_it).ok().map(|index| place_of(self.at(index)))
    }

    /// Where the entry of the right place is, or else the empty one where it would be.
    fn index(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Result<usize, usize> {
        let entries = self.entries.as_words();
        let mut index = hash as usize & self.mask;
        loop {
            // There is always one that is empty.
            match entries.get(index).copied().unwrap_or(0) {
                0 => return Err(index),
                entry if hash_of(entry) == hash && is_it(place_of(entry)) => return Ok(index),
                _ => index = (index + 1) & self.mask,
            }
        }
    }

    /// The place with this hash that is the right one, or else where another place can be added.
    pub(super) fn find_or_vacancy(&mut self, hash: u32, is_it: impl FnMut(u32) -> bool) -> Result<u32, Vacancy> {
        if (self.len + 1) * 4 > (self.mask + 1) * 3 {
            self.grow();
        }
        match self.index(hash, is_it) {
            Ok(index) => Ok(place_of(self.at(index))),
            Err(index) => Err(Vacancy { hash, index }),
        }
    }

    /// Adds a place where there was none a moment ago.
    pub(super) fn fill(&mut self, Vacancy { hash, index }: Vacancy, place: u32) {
        set(self.entries.as_words_mut(), index, entry(hash, place));
        self.len += 1;
    }

    fn grow(&mut self) {
        let mask = self.mask * 2 + 1;
        let mut entries = Zeroed::words(mask + 1);
        for entry in self.entries.as_words().iter().filter(|entry| **entry != 0) {
            put(entries.as_words_mut(), mask, *entry);
        }
        (self.entries, self.mask) = (entries, mask);
    }

    /// Removes the place with this hash that is the right one. Entries behind it that would not be found over the hole move up.
    pub(super) fn remove(&mut self, hash: u32, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut hole = self.index(hash, is_it).ok()?;
        let place = place_of(self.at(hole));
        let mask = self.mask;
        let entries = self.entries.as_words_mut();
        let mut index = hole;
        loop {
            index = (index + 1) & mask;
            let entry = entries.get(index).copied().unwrap_or(0);
            if entry == 0 {
                break;
            }
            let home = hash_of(entry) as usize & mask;
            let (from_home, from_hole) = (index.wrapping_sub(home) & mask, index.wrapping_sub(hole) & mask);
            if from_home >= from_hole {
                set(entries, hole, entry);
                hole = index;
            }
        }
        set(entries, hole, 0);
        self.len -= 1;
        Some(place)
    }

    /// All places, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.entries.as_words().iter().filter(|entry| **entry != 0).map(|entry| place_of(*entry))
    }
}

/// Puts an entry where it is found; there is room.
fn put(entries: &mut [u64], mask: usize, entry: u64) {
    let mut index = hash_of(entry) as usize & mask;
    while entries.get(index).is_some_and(|other| *other != 0) {
        index = (index + 1) & mask;
    }
    set(entries, index, entry);
}

fn set(entries: &mut [u64], index: usize, entry: u64) {
    if let Some(place) = entries.get_mut(index) {
        *place = entry;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is added and removed, also with hashes that collide: what is found is what is there.
        #[test]
        fn it_is_a_set_of_places(steps in proptest::collection::vec((any::<bool>(), 0..40_u32, 0..30_u32), 1..3000)) {
            let (mut places, mut truth) = (Places::new(), HashSet::new());
            for (adds, hash, place) in steps {
                // They are close together, and some go on at the begin of the table.
                let hash = hash.wrapping_sub(20);
                if adds && truth.insert((hash, place)) {
                    let vacancy = places.find_or_vacancy(hash, |other| other == place).unwrap_err();
                    places.fill(vacancy, place);
                } else if !adds {
                    let removed = places.remove(hash, |other| other == place);
                    prop_assert_eq!(removed.is_some(), truth.remove(&(hash, place)));
                }
                prop_assert_eq!(places.len(), truth.len());
            }
            for (hash, place) in &truth {
                prop_assert_eq!(places.find(*hash, |other| other == *place), Some(*place));
            }
            prop_assert_eq!(places.iter().count(), truth.len());
        }
    }
}
