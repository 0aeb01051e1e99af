//! A set of the columns of one index.

use std::ops::{BitAnd, BitOr, Sub};

use super::COLUMNS_MAX;

const WORD: usize = u64::BITS as usize;

/// Some of the columns of one index, by their numbers from 0.
///
/// `a & b` is what is in both, `a | b` what is in one of them or both, `a - b` what is in the first alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns([u64; COLUMNS_MAX / WORD]);

impl Columns {
    /// The columns numbered below `count`.
    pub(super) const fn first(count: usize) -> Self {
        let mut words = [0; COLUMNS_MAX / WORD];
        let mut word = 0;
        while word < words.len() {
            let here = count.saturating_sub(word * WORD);
            words[word] = if here >= WORD { u64::MAX } else { (1 << here) - 1 };
            word += 1;
        }
        Self(words)
    }

    /// The columns whose bits are set in a row: counted from the lowest bit of its first byte but `skipped` of them.
    pub(super) fn from_bytes(row: &[u8], skipped: usize) -> Self {
        let mut bytes = [[0; size_of::<u64>()]; COLUMNS_MAX / WORD];
        for (to, from) in bytes.as_flattened_mut().iter_mut().zip(row) {
            *to = *from;
        }
        let mut words = bytes.map(u64::from_le_bytes);
        words[0] >>= skipped;
        Self(words)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; COLUMNS_MAX / WORD]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether the column with this number is among them.
    pub fn contains(&self, number: usize) -> bool {
        self.0.get(number / WORD).is_some_and(|word| word >> (number % WORD) & 1 != 0)
    }

    /// Their numbers, from the least on.
    pub fn iter(&self) -> impl Iterator<Item = usize> + use<> {
        let mut words = self.0;
        std::iter::from_fn(move || {
            let (at, word) = words.iter_mut().enumerate().find(|(_, word)| **word != 0)?;
            let bit = word.trailing_zeros() as usize;
            *word &= *word - 1;
            Some(at * WORD + bit)
        })
    }

    fn with(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|word| join(self.0[word], other.0[word])))
    }
}

impl BitAnd for Columns {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.with(other, |a, b| a & b)
    }
}

impl BitOr for Columns {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other, |a, b| a | b)
    }
}

impl Sub for Columns {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.with(other, |a, b| a & !b)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: &[u8]) -> Columns {
        let mut row = [0; COLUMNS_MAX / 8];
        numbers.iter().for_each(|number| row[usize::from(number / 8)] |= 1 << (number % 8));
        Columns::from_bytes(&row, 0)
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_numbers(a: Vec<u8>, b: Vec<u8>) {
            use std::collections::BTreeSet;
            let set = |numbers: &[u8]| numbers.iter().map(|number| usize::from(*number)).collect::<BTreeSet<_>>();
            let (x, y) = (set(&a), set(&b));
            let (a, b) = (of(&a), of(&b));
            prop_assert_eq!(a.iter().collect::<BTreeSet<_>>(), x.clone());
            prop_assert_eq!((a.len(), a.is_empty()), (x.len(), x.is_empty()));
            prop_assert!((0..300).all(|number| a.contains(number) == x.contains(&number)));
            prop_assert_eq!((a & b).iter().collect::<BTreeSet<_>>(), &x & &y);
            prop_assert_eq!((a | b).iter().collect::<BTreeSet<_>>(), &x | &y);
            prop_assert_eq!((a - b).iter().collect::<BTreeSet<_>>(), &x - &y);
        }
    }

    #[test]
    fn the_first_ones_are_those_below_a_number() {
        for count in 0..=COLUMNS_MAX {
            assert_eq!(Columns::first(count).iter().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
        }
    }
}
