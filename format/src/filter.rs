//! What can be asked of Bloom filters, and the filter that earlier writers put in front of a block's records.
//!
//! A split-block filter over XXH64 (seed 0), as Apache Parquet's but with a checksum in place of each slot's last word:
//! one cache line answers a question, and a damaged slot answers none. docs/format.md, section "Filter". The filters of
//! today stand in an [`Index`](crate::Index).

use xxhash_rust::xxh64::xxh64;

use crate::address::Address;

/// Words of a slot; one bit of each is set for a key.
pub(crate) const WORDS: usize = 8;

/// The filter of a block has a CRC-32 in place of the last word of each slot.
const WORDS_IN_BLOCK: usize = WORDS - 1;

/// The length of a slot in a block's filter, in bytes.
const SLOT: usize = (WORDS_IN_BLOCK + 1) * size_of::<u32>();
const _: () = assert!(SLOT == 32);

/// An odd number for each word: Parquet's.
const SALTS: [u32; WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// What is looked for: the hash of an address, or of an address with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// An address, whatever its port.
    #[inline]
    pub fn address<A: Address>(address: A) -> Self {
        Self(xxh64(address.as_ref(), 0))
    }

    /// An address with a port: hashed as the address' bytes and the port, big-endian.
    #[inline]
    pub fn endpoint<A: Address>(address: A, port: u16) -> Self {
        let mut bytes = [0; size_of::<crate::V6>() + size_of::<u16>()];
        let address = address.as_ref();
        let (text, _) = bytes.split_at_mut(address.len() + size_of::<u16>());
        text[..address.len()].copy_from_slice(address);
        text[address.len()..].copy_from_slice(&port.to_be_bytes());
        Self(xxh64(text, 0))
    }

    /// Any bytes, as another format keeps what is looked for.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(xxh64(bytes, 0))
    }

    /// The slot of this key among `slots`.
    #[inline]
    pub const fn slot(self, slots: usize) -> usize {
        (((self.0 >> 32) * slots as u64) >> 32) as usize
    }

    /// The bit of this key in each word of its slot, counted from the lowest.
    #[inline]
    pub(crate) fn bits(self) -> [u32; WORDS] {
        SALTS.map(|salt| (self.0 as u32).wrapping_mul(salt) >> 27)
    }

    /// Whether its slot holds this key, in a filter without checksums: Apache Parquet's.
    pub fn is_in(self, slot: &[u8; WORDS * size_of::<u32>()]) -> bool {
        let (words, _) = slot.as_chunks::<4>();
        words.iter().zip(self.bits()).all(|(word, bit)| u32::from_le_bytes(*word) >> bit & 1 != 0)
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
        let slot = self.slots.get(key.slot(self.slots.len()));
        let Some((words, [stored])) = slot.map(|slot| slot.as_chunks::<4>().0.split_at(WORDS_IN_BLOCK)) else {
            return true;
        };
        let held = words.iter().zip(key.bits()).all(|(word, bit)| u32::from_le_bytes(*word) >> bit & 1 != 0);
        held || crc32fast::hash(words.as_flattened()) != u32::from_le_bytes(*stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter as earlier writers made it.
    fn filter_of(addresses: std::ops::Range<u32>, slots: usize) -> Vec<u8> {
        let mut words = vec![[0u32; WORDS_IN_BLOCK]; slots];
        for key in addresses.map(|address| Key::address(address.to_be_bytes())) {
            for (word, bit) in words[key.slot(slots)].iter_mut().zip(key.bits()) {
                *word |= 1 << bit;
            }
        }
        let slots = words.iter().map(|words| words.map(u32::to_le_bytes));
        slots
            .flat_map(|slot| [slot.as_flattened(), &crc32fast::hash(slot.as_flattened()).to_le_bytes()].concat())
            .collect()
    }

    #[test]
    fn what_went_in_is_found_and_most_else_is_ruled_out() {
        let bytes = filter_of(0..4000, 256);
        let filter = Filter::new(&bytes).unwrap();
        assert!((0u32..4000).all(|n| filter.may_hold(Key::address(n.to_be_bytes()))));
        let wrong = (1_000_000u32..1_100_000).filter(|n| filter.may_hold(Key::address(n.to_be_bytes()))).count();
        assert!(wrong < 2500, "{wrong} of 100000 false answers");
    }

    #[test]
    fn a_damaged_slot_rules_nothing_out() {
        let keys: Vec<_> = (0u32..100).map(|n| Key::address(n.to_be_bytes())).collect();
        let mut bytes = filter_of(0..100, 8);
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
    fn no_filter_rules_nothing_out() {
        assert!(Filter::new(&[]).unwrap().may_hold(Key::endpoint([10, 0, 0, 1], 80)));
        assert!(Filter::new(&[0; 31]).is_none());
    }

    /// The example of docs/format.md; the numbers were computed by another implementation (Python's `xxhash`).
    #[test]
    fn keys_are_hashed_and_placed_as_elsewhere() {
        let address = Key::address([203, 0, 113, 6]);
        assert_eq!(address.0, 0xf32c_6e8e_ca93_c536);
        assert_eq!((address.slot(128), address.bits()), (121, [15, 27, 9, 15, 26, 18, 24, 15]));
        let endpoint = Key::endpoint([203, 0, 113, 6], 36782);
        assert_eq!(endpoint.0, 0x7c27_f059_1e9c_cc08);
        assert_eq!((endpoint.slot(128), endpoint.bits()), (62, [19, 31, 25, 5, 16, 28, 31, 23]));
        let ipv6 = [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        assert_eq!(Key::endpoint(ipv6, 5353).0, 0x6e03_59b9_2b31_5694);
    }
}
