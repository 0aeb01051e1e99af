//! Flows that ended a short while ago.
//!
//! Where another program of the namespace listens with reliable delivery and hangs, the kernel reports an end to everyone
//! again and again until that one takes it.

use ctrecorder_format::{Address, Record};
use hashbrown::HashTable;

use super::clock::SECOND;

/// Half of what is kept: so many flows, or those of so many ns. About 1 MiB.
const FLOWS: usize = 1 << 16;
const SPAN_NS: u64 = 60 * SECOND;

/// What ended in the last minute, as far as there is room: between 65,536 flows and twice as many.
#[derive(Debug)]
pub(super) struct Recent {
    now: HashTable<u64>,
    before: HashTable<u64>,
    /// When the present half was begun, ns since the epoch.
    begun: u64,
}

impl Recent {
    pub(super) const fn new() -> Self {
        Self { now: HashTable::new(), before: HashTable::new(), begun: 0 }
    }

    /// Takes note of an end at `moment`; says whether the same was noted before.
    pub(super) fn insert<A: Address>(&mut self, record: &Record<A>, moment: u64) -> bool {
        if self.now.len() >= FLOWS || moment.abs_diff(self.begun) >= SPAN_NS {
            std::mem::swap(&mut self.now, &mut self.before);
            self.now.clear();
            self.begun = moment;
        }
        let key = key(record);
        if self.now.find(hash(key), |other| *other == key).is_some() {
            return true;
        }
        self.now.insert_unique(hash(key), key, |other| hash(*other));
        self.before.find(hash(key), |other| *other == key).is_some()
    }
}

/// What tells flows apart for a minute: the kernel's id, which is a hash of nearly all of it, and the ports.
fn key<A: Address>(record: &Record<A>) -> u64 {
    let ports = u32::from(record.original.sport.get()) << 16 | u32::from(record.original.dport.get());
    u64::from(record.id.get()) << 32 | u64::from(ports)
}

/// Spreads a key over all bits.
const fn hash(key: u64) -> u64 {
    const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;
    let product = key.wrapping_mul(GOLDEN_RATIO);
    product ^ product >> 32
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::{Kind, V4};

    use super::*;
    use crate::sample::record;

    fn end(id: u32) -> Record<V4> {
        let (host, peer) = (([10, 0, 0, 1], 1), ([10, 0, 0, 2], 443));
        Record { id: id.into(), ..record(Kind::End, 0, 7, [host, peer, peer, host]) }
    }

    #[test]
    fn an_end_is_known_again_for_a_while_and_in_bounded_memory() {
        let mut recent = Recent::new();
        assert!(!recent.insert(&end(1), 0));
        assert!(recent.insert(&end(1), 5));
        for id in 2..200_000 {
            assert!(!recent.insert(&end(id), 10), "{id}");
        }
        assert!(recent.insert(&end(199_999), 10));
        assert!(recent.insert(&end(199_999 - FLOWS as u32), 10));
        assert!(!recent.insert(&end(1), 10), "it is long forgotten");
        assert!(recent.now.len() + recent.before.len() <= 2 * FLOWS);
    }

    #[test]
    fn time_forgets_too() {
        let mut recent = Recent::new();
        assert!(!recent.insert(&end(1), 0));
        assert!(recent.insert(&end(1), SPAN_NS), "the other half remembers");
        assert!(!recent.insert(&end(2), SPAN_NS));
        assert!(!recent.insert(&end(3), 2 * SPAN_NS));
        assert!(!recent.insert(&end(4), 3 * SPAN_NS));
        assert!(!recent.insert(&end(2), 3 * SPAN_NS));
    }
}
