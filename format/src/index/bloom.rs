//! A Bloom filter as it grows.

use crate::address::Address;
use crate::filter::{Key, WORDS};
use crate::record::Record;

/// A slot: eight words, of which each key sets one bit.
pub(super) type Slot = [u32; WORDS];

/// So many slots a filter begins with: for at most 28 keys each, even if all keys of two full blocks are different, and then a little less
/// than [`FILL_MAX_PERCENT`] of its bits are set. They fit into what the processor has nearest at hand beside all else.
pub(super) const SLOTS: usize = 256;

/// A filter is halved while at most this share of its bits would be set, in percent: 60 % makes one false answer in 60.
const FILL_MAX_PERCENT: u64 = 60;

/// Collects keys and makes the smallest filter that serves them. Kept for its memory.
#[derive(Debug)]
pub(super) struct Bloom {
    slots: Vec<Slot>,
}

impl Default for Bloom {
    fn default() -> Self {
        Self { slots: vec![[0; WORDS]; SLOTS] }
    }
}

impl Bloom {
    /// Adds what records can be asked for: the four addresses of each, with and without their ports.
    pub(super) fn insert_records<'r, A: Address>(&mut self, records: impl Iterator<Item = &'r Record<A>>) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { self.insert_with_avx2(records) };
        }
        self.insert_each(records);
    }

    /// The same with vectors of eight words, that is of a whole slot: it takes half of the time, and that is a good part of what it
    /// takes to write a segment.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn insert_with_avx2<'r, A: Address>(&mut self, records: impl Iterator<Item = &'r Record<A>>) {
        self.insert_each(records);
    }

    #[inline(always)]
    fn insert_each<'r, A: Address>(&mut self, records: impl Iterator<Item = &'r Record<A>>) {
        for record in records {
            self.insert_record(record);
        }
    }

    #[inline(always)]
    fn insert(&mut self, key: Key) {
        let slot = key.slot(self.slots.len());
        if let Some(words) = self.slots.get_mut(slot) {
            for (word, bit) in words.iter_mut().zip(key.bits()) {
                *word |= 1 << bit;
            }
        }
    }

    #[inline(always)]
    fn insert_record<A: Address>(&mut self, record: &Record<A>) {
        let endpoints = record.endpoints();
        for (index, endpoint) in endpoints.iter().enumerate() {
            if !endpoints[..index].contains(endpoint) {
                self.insert(Key::endpoint(endpoint.0, endpoint.1));
            }
            if !endpoints[..index].iter().any(|(address, _)| *address == endpoint.0) {
                self.insert(Key::address(endpoint.0));
            }
        }
    }

    /// Halves the filter while it stays sparse enough, appends it to `out`, and begins a new one. Returns its slots: a
    /// power of two.
    pub(super) fn finish(&mut self, out: &mut Vec<Slot>) -> usize {
        while self.slots.len() > 1 && self.fill_percent_halved() <= FILL_MAX_PERCENT {
            // The slot is the key's high bits times the number of slots: half as many slots means half the index.
            for index in 0..self.slots.len() / 2 {
                let (even, odd) = (self.slots[2 * index], self.slots[2 * index + 1]);
                self.slots[index] = std::array::from_fn(|word| even[word] | odd[word]);
            }
            self.slots.truncate(self.slots.len() / 2);
        }
        let length = self.slots.len();
        out.append(&mut self.slots);
        self.slots.resize(SLOTS, [0; WORDS]);
        length
    }

    fn fill_percent_halved(&self) -> u64 {
        let of_pair = |pair: &[Slot; 2]| {
            (0..WORDS).map(|word| u64::from((pair[0][word] | pair[1][word]).count_ones())).sum::<u64>()
        };
        let (pairs, _) = self.slots.as_chunks::<2>();
        pairs.iter().map(of_pair).sum::<u64>() * 100 / (pairs.len() * size_of::<Slot>() * 8) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots_for(addresses: u32) -> usize {
        let mut bloom = Bloom::default();
        (0..addresses).for_each(|address| bloom.insert(Key::address(address.to_be_bytes())));
        let mut out = Vec::new();
        assert_eq!(bloom.finish(&mut out), out.len());
        assert!(bloom.slots.iter().all(|slot| *slot == [0; WORDS]), "it begins anew");
        out.len()
    }

    #[test]
    fn the_filter_is_the_same_with_vectors_and_without() {
        use zerocopy::FromZeros;
        let records: Vec<_> = (0..2000_u32)
            .map(|number| {
                let mut record = Record::<[u8; 4]>::new_zeroed();
                record.original.src = number.wrapping_mul(0x9e37_79b9).to_be_bytes();
                record.reply.dst = (number % 7).to_be_bytes();
                record.reply.dport = (number as u16).into();
                record
            })
            .collect();
        let (mut vectors, mut words) = (Bloom::default(), Bloom::default());
        vectors.insert_records(records.iter());
        words.insert_each(records.iter());
        assert!(vectors.slots == words.slots && words.slots.iter().any(|slot| *slot != [0; WORDS]));
    }

    #[test]
    fn few_keys_make_a_small_filter() {
        assert_eq!([0, 5, 20, 4000, 7000].map(slots_for), [1, 1, 1, 256, 256]);
    }
}
