//! The bytes of an archive, handed out once their checksums were looked at.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::seal::BLOCK;

/// The bytes of a file, of which blocks before the table are held against it before they are used.
#[derive(Clone, Debug)]
pub(super) struct Checked(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes: Bytes,
    /// Where the table begins.
    table: usize,
    /// Which blocks are as they were written.
    known: Box<[AtomicBool]>,
}

impl Checked {
    /// A file whose table of checksums begins here.
    pub(super) fn new(bytes: Bytes, table: usize) -> Self {
        let known = (0..table.div_ceil(BLOCK)).map(|_| AtomicBool::new(false)).collect();
        Self(Arc::new(Inner { bytes, table, known }))
    }

    /// How many blocks there are.
    pub(super) fn blocks(&self) -> usize {
        self.0.known.len()
    }

    /// The place of a block in the file.
    pub(super) fn place(&self, block: usize) -> Range<usize> {
        block * BLOCK..((block + 1) * BLOCK).min(self.0.table)
    }

    /// Whether a block is as it was written.
    pub(super) fn is_whole(&self, block: usize) -> bool {
        let Inner { bytes, table, known } = &*self.0;
        let Some(known) = known.get(block) else { return false };
        if known.load(Ordering::Relaxed) {
            return true;
        }
        let crc = bytes.get(*table..).and_then(|table| table.as_chunks::<4>().0.get(block));
        let is_whole = crc
            .zip(bytes.get(self.place(block)))
            .is_some_and(|(crc, block)| crc32fast::hash(block) == u32::from_le_bytes(*crc));
        known.store(is_whole, Ordering::Relaxed);
        is_whole
    }

    /// These bytes, if they are as they were written. What is behind the table was looked at when the file was opened.
    pub(super) fn get(&self, place: Range<u64>) -> Result<Bytes> {
        let cut = || ParquetError::EOF(format!("bytes {} to {} are outside the file", place.start, place.end));
        let range = usize::try_from(place.start).ok().zip(usize::try_from(place.end).ok()).ok_or_else(cut)?;
        if range.0 > range.1 || range.1 > self.0.bytes.len() {
            return Err(cut());
        }
        let checked = range.0.min(self.0.table)..range.1.min(self.0.table);
        if !checked.is_empty() {
            let blocks = checked.start / BLOCK..checked.end.div_ceil(BLOCK);
            if let Some(block) = blocks.into_iter().find(|block| !self.is_whole(*block)) {
                let offset = self.place(block).start;
                return Err(ParquetError::General(format!("the bytes from {offset} on do not match their checksum")));
            }
        }
        Ok(self.0.bytes.slice(range.0..range.1))
    }
}

impl Length for Checked {
    fn len(&self) -> u64 {
        self.0.bytes.len() as u64
    }
}

impl ChunkReader for Checked {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        // The head of a page is short; what follows is asked for by itself.
        const HEAD: u64 = 4 * 1024;
        let end = start.saturating_add(HEAD).min(self.len());
        Ok(self.get(start.min(end)..end)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.get(start..start.saturating_add(length as u64))
    }
}
