//! The Bloom filter of a block: may an address, or an address with a port, be among its records?
//!
//! A split-block filter over XXH64 (seed 0), as Apache Parquet's but with a checksum in each slot: one cache line answers
//! a question, and a damaged slot answers none. docs/format.md, section "Filter".

use xxhash_rust::xxh64::xxh64;

use crate::address::Address;
use crate::record::Record;

/// Words of bits in a slot; one bit of each is set for a key.
const WORDS: usize = 7;

/// A filter is a whole number of slots: seven words of bits and their CRC-32.
const SLOT: usize = (WORDS + 1) * size_of::<u32>();
const _: () = assert!(SLOT == 32);

/// Bits of a slot that keys can set.
const SLOT_BITS: usize = WORDS * u32::BITS as usize;

/// An odd number for each word: the first seven of Parquet's.
const SALTS: [u32; WORDS] = [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947];

/// A filter is halved while at most this share of its bits would be set, in percent: 60 % makes one false answer in 35.
const FILL_MAX_PERCENT: u64 = 60;

/// So many keys for each slot at first: they set at most half of its bits.
const KEYS_PER_SLOT: usize = SLOT_BITS / 2 / WORDS;

/// What is looked for: the hash of an address, or of an address with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// An address, whatever its port.
    pub fn address<A: Address>(address: A) -> Self {
        Self(xxh64(address.as_ref(), 0))
    }

    /// An address with a port: hashed as the address' bytes and the port, big-endian.
    pub fn endpoint<A: Address>(address: A, port: u16) -> Self {
        let mut bytes = [0; size_of::<crate::V6>() + size_of::<u16>()];
        let address = address.as_ref();
        let (text, _) = bytes.split_at_mut(address.len() + size_of::<u16>());
        text[..address.len()].copy_from_slice(address);
        text[address.len()..].copy_from_slice(&port.to_be_bytes());
        Self(xxh64(text, 0))
    }

    /// The slot of this key among `slots`, and the bit of each of its words.
    fn place(self, slots: usize) -> (usize, [u32; WORDS]) {
        let slot = ((self.0 >> 32) * slots as u64) >> 32;
        let low = self.0 as u32;
        (slot as usize, SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27)))
    }
}

/// A block's filter as it stands in the file. An empty one rules nothing out.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    slots: &'a [[u8; SLOT]],
}

impl<'a> Filter<'a> {
    /// The filter in these bytes; `None` if they are no whole number of 32 bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (slots, rest) = bytes.as_chunks::<SLOT>();
        rest.is_empty().then_some(Self { slots })
    }

    /// Its length in bytes.
    pub fn length(&self) -> usize {
        self.slots.as_flattened().len()
    }

    /// False only if no record of the block has this key, and the slot that says so matches its checksum.
    pub fn may_hold(&self, key: Key) -> bool {
        let (slot, bits) = key.place(self.slots.len());
        let Some((words, [stored])) = self.slots.get(slot).map(|slot| slot.as_chunks::<4>().0.split_at(WORDS)) else {
            return true;
        };
        let held = words.iter().zip(bits).all(|(word, bit)| u32::from_le_bytes(*word) & bit != 0);
        held || crc32fast::hash(words.as_flattened()) != u32::from_le_bytes(*stored)
    }
}

/// Collects keys and makes the smallest filter that serves them. Kept between blocks for its memory.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    slots: Vec<[u32; WORDS]>,
}

impl Builder {
    /// Begins a filter that can take `keys` keys.
    pub(crate) fn begin(&mut self, keys: usize) {
        self.slots.clear();
        self.slots.resize(keys.div_ceil(KEYS_PER_SLOT).next_power_of_two(), [0; WORDS]);
    }

    fn insert(&mut self, key: Key) {
        let (slot, bits) = key.place(self.slots.len());
        if let Some(words) = self.slots.get_mut(slot) {
            for (word, bit) in words.iter_mut().zip(bits) {
                *word |= bit;
            }
        }
    }

    /// Adds what a record can be asked for: its four addresses, with and without their ports.
    pub(crate) fn insert_record<A: Address>(&mut self, record: &Record<A>) {
        let endpoints = record.endpoints();
        for (index, endpoint) in endpoints.iter().enumerate() {
            if !endpoints[..index].contains(endpoint) {
                self.insert(Key::endpoint(endpoint.0, endpoint.1));
                if !endpoints[..index].iter().any(|earlier| earlier.0 == endpoint.0) {
                    self.insert(Key::address(endpoint.0));
                }
            }
        }
    }

    /// Halves the filter while it stays sparse enough, and appends it to `out`.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        while self.slots.len() > 1 && self.fill_percent_halved() <= FILL_MAX_PERCENT {
            // The slot is the key's high bits times the number of slots: half as many slots means half the index.
            for index in 0..self.slots.len() / 2 {
                let (even, odd) = (self.slots[2 * index], self.slots[2 * index + 1]);
                self.slots[index] = std::array::from_fn(|word| even[word] | odd[word]);
            }
            self.slots.truncate(self.slots.len() / 2);
        }
        for words in &self.slots {
            let begin = out.len();
            out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            let crc = crc32fast::hash(&out[begin..]);
            out.extend(crc.to_le_bytes());
        }
    }

    fn fill_percent_halved(&self) -> u64 {
        let set: u64 = self
            .slots
            .chunks_exact(2)
            .flat_map(|pair| (0..WORDS).map(|word| u64::from((pair[0][word] | pair[1][word]).count_ones())))
            .sum();
        set * 100 / (self.slots.len() as u64 / 2 * SLOT_BITS as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter_of(addresses: std::ops::Range<u32>, capacity: usize) -> Vec<u8> {
        let mut builder = Builder::default();
        builder.begin(capacity);
        for address in addresses {
            builder.insert(Key::address(address.to_be_bytes()));
        }
        let mut bytes = Vec::new();
        builder.finish(&mut bytes);
        bytes
    }

    #[test]
    fn what_went_in_is_found_and_most_else_is_ruled_out() {
        let bytes = filter_of(0..4000, 9000);
        let filter = Filter::new(&bytes).unwrap();
        assert!((0u32..4000).all(|n| filter.may_hold(Key::address(n.to_be_bytes()))));
        let wrong = (1_000_000u32..1_100_000).filter(|n| filter.may_hold(Key::address(n.to_be_bytes()))).count();
        assert!(wrong < 2500, "{wrong} of 100000 false answers");
        assert!(bytes.len() <= 8192, "{} bytes for 4000 keys", bytes.len());
    }

    #[test]
    fn a_damaged_slot_rules_nothing_out() {
        let keys: Vec<_> = (0u32..100).map(|n| Key::address(n.to_be_bytes())).collect();
        let mut bytes = filter_of(0..100, 200);
        for at in 0..bytes.len() {
            for mask in [0x01, 0x80, 0xff] {
                bytes[at] ^= mask;
                assert!(keys.iter().all(|key| Filter::new(&bytes).unwrap().may_hold(*key)), "byte {at} ^ {mask:#x}");
                bytes[at] ^= mask;
            }
        }
        bytes.fill(0);
        assert!(keys.iter().all(|key| Filter::new(&bytes).unwrap().may_hold(*key)));
    }

    #[test]
    fn few_keys_make_a_small_filter() {
        assert_eq!(filter_of(0..5, 9000).len(), SLOT);
    }

    #[test]
    fn no_filter_rules_nothing_out() {
        assert!(Filter::new(&[]).unwrap().may_hold(Key::endpoint([10, 0, 0, 1], 80)));
        assert!(Filter::new(&[0; 31]).is_none());
    }

    /// The example of docs/format.md; the numbers were computed by another implementation (Python's `xxhash`).
    #[test]
    fn keys_are_hashed_and_placed_as_elsewhere() {
        let address = Key::address([203, 0, 113, 6]);
        assert_eq!(address.0, 0xf32c_6e8e_ca93_c536);
        assert_eq!(address.place(128), (121, [15, 27, 9, 15, 26, 18, 24].map(|bit| 1 << bit)));
        let endpoint = Key::endpoint([203, 0, 113, 6], 36782);
        assert_eq!(endpoint.0, 0x7c27_f059_1e9c_cc08);
        assert_eq!(endpoint.place(128), (62, [19, 31, 25, 5, 16, 28, 31].map(|bit| 1 << bit)));
        let ipv6 = [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        assert_eq!(Key::endpoint(ipv6, 5353).0, 0x6e03_59b9_2b31_5694);
    }
}
