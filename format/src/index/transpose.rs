//! Turns filters by a quarter: from the bits of one column after the other to those of one row after the other.

use super::bloom::Slot;
use super::{ROWS, width};
use crate::filter::WORDS;

/// Writes the rows of a chunk into `rows`, which are zeros; `columns` are the same slot of each filter.
pub(super) fn transpose(columns: &[&Slot], rows: &mut [u8]) {
    let width = width(columns.len());
    for (byte, eight) in columns.chunks(8).enumerate() {
        let bits = rows_of_eight(eight);
        if width >= 8 {
            for (row, bits) in rows.chunks_exact_mut(width / 8).zip(bits) {
                row[byte] = bits;
            }
        } else {
            for (shared, bits) in rows.iter_mut().zip(bits.chunks(8 / width)) {
                *shared = bits.iter().rev().fold(0, |shared, bits| shared << width | bits);
            }
        }
    }
}

/// The bits of each row, those of the first column lowest; there are at most eight columns.
fn rows_of_eight(columns: &[&Slot]) -> [u8; ROWS] {
    let mut rows = [[[0; 8]; size_of::<u32>()]; WORDS];
    for (word, rows) in rows.iter_mut().enumerate() {
        let words: [u32; 8] = std::array::from_fn(|column| columns.get(column).map_or(0, |slot| slot[word]));
        for (byte, rows) in rows.iter_mut().enumerate() {
            let bytes = words.map(|word| (word >> (8 * byte)) as u8);
            *rows = turned(u64::from_le_bytes(bytes)).to_le_bytes();
        }
    }
    // The same bytes: eight words of four bytes of eight bits.
    let mut flat = [0; ROWS];
    flat.copy_from_slice(rows.as_flattened().as_flattened());
    flat
}

/// Eight bytes of eight bits: bit *j* of byte *i* becomes bit *i* of byte *j*. By exchanging the halves of squares of 2, 4
/// and 8 bits (Warren, Hacker's Delight, "Transposing a Bit Matrix").
const fn turned(mut bits: u64) -> u64 {
    let mut swap = (bits ^ bits >> 7) & 0x00aa_00aa_00aa_00aa;
    bits ^= swap ^ swap << 7;
    swap = (bits ^ bits >> 14) & 0x0000_cccc_0000_cccc;
    bits ^= swap ^ swap << 14;
    swap = (bits ^ bits >> 28) & 0x0000_0000_f0f0_f0f0;
    bits ^ swap ^ swap << 28
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::index::COLUMNS_MAX;

    proptest! {
        #[test]
        fn each_bit_of_a_column_is_a_bit_of_a_row(columns in prop::collection::vec(any::<Slot>(), 1..=COLUMNS_MAX)) {
            let width = width(columns.len());
            let mut rows = vec![0; ROWS / 8 * width];
            transpose(&columns.iter().collect::<Vec<_>>(), &mut rows);
            for row in 0..ROWS {
                for column in 0..width {
                    let place = row * width + column;
                    let bit = rows[place / 8] >> (place % 8) & 1 != 0;
                    let own = columns.get(column).is_some_and(|slot| slot[row / 32] >> (row % 32) & 1 != 0);
                    prop_assert_eq!(bit, own, "row {}, column {}", row, column);
                }
            }
        }
    }
}
