//! What protects an archive against damage: checksums, which Parquet leaves to whoever writes.
//!
//! Everything before the table is in blocks of 16 KiB, of which the table has the CRC-32s. The table and everything behind
//! it, Parquet's indexes and footer, has one CRC-32, the seal. That stands in the footer, as hexadecimal digits: with
//! zeros in its place it is calculated. docs/archive.md, "Checksums".

use std::io::{self, Write};

use crc32fast::Hasher;

/// Bytes of a block.
pub(super) const BLOCK: usize = 16 * 1024;

/// The seal before it is known.
pub(super) const BLANK: &str = "00000000";

/// The seal in the footer begins with this.
pub(super) const SEAL: &str = "crc32:";

/// Hands bytes on, and takes their checksums.
pub(super) struct Checked<W> {
    to: W,
    crcs: Vec<u32>,
    block: Hasher,
    /// Bytes of the present block.
    filled: usize,
    /// What comes is kept, too.
    tail: Option<Vec<u8>>,
}

impl<W: Write> Checked<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, crcs: Vec::new(), block: Hasher::new(), filled: 0, tail: None }
    }

    /// The table of the blocks up to now. The last one may be shorter than others.
    pub(super) fn table(&self) -> Vec<u8> {
        let last = (self.filled > 0).then(|| self.block.clone().finalize());
        self.crcs.iter().copied().chain(last).flat_map(u32::to_le_bytes).collect()
    }

    /// Keeps what comes from here on.
    pub(super) fn keep(&mut self) {
        self.tail = Some(Vec::new());
    }

    /// What the bytes went to, and those that were kept.
    pub(super) fn into_parts(self) -> (W, Vec<u8>) {
        (self.to, self.tail.unwrap_or_default())
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while let Some((now, rest)) = bytes.split_at_checked((BLOCK - self.filled).min(bytes.len()))
            && !now.is_empty()
        {
            self.block.update(now);
            self.filled += now.len();
            if self.filled == BLOCK {
                self.crcs.push(std::mem::take(&mut self.block).finalize());
                self.filled = 0;
            }
            bytes = rest;
        }
    }
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        let bytes = bytes.get(..written).unwrap_or(bytes);
        match &mut self.tail {
            Some(tail) => tail.extend_from_slice(bytes),
            None => self.take(bytes),
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The place of the digits of the seal among the last bytes of a file; `None` if there is none.
pub(super) fn place_of_digits(tail: &[u8]) -> Option<std::ops::Range<usize>> {
    // Nothing that comes from outside stands behind it in the footer.
    let place = tail.windows(SEAL.len()).rposition(|window| window == SEAL.as_bytes())? + SEAL.len();
    (place + BLANK.len() <= tail.len()).then(|| place..place + BLANK.len())
}

/// The seal of a tail whose digits stand here.
pub(super) fn seal(tail: &[u8], digits: &std::ops::Range<usize>) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(tail.get(..digits.start).unwrap_or_default());
    hasher.update(BLANK.as_bytes());
    hasher.update(tail.get(digits.end..).unwrap_or_default());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_the_same_however_bytes_come() {
        let bytes: Vec<u8> = (0..3 * BLOCK + 77).map(|at| (at / 7) as u8).collect();
        let expected: Vec<u8> = bytes.chunks(BLOCK).flat_map(|block| crc32fast::hash(block).to_le_bytes()).collect();
        for step in [1, 1000, BLOCK, 2 * BLOCK + 1] {
            let mut checked = Checked::new(Vec::new());
            bytes.chunks(step).for_each(|part| checked.write_all(part).unwrap());
            assert_eq!(checked.table(), expected, "{step}");
            assert_eq!(checked.into_parts().0, bytes);
        }
    }
}
