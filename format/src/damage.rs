//! What a reader found that is not as it was written, and where.

use std::fmt;

/// A stretch of a file that could not be read as what it should be. Everything before and after it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins: bytes from the start of the file.
    pub offset: u64,
    /// How long it is, in bytes; 0 where something is missing between two bytes.
    pub length: u64,
    /// What is wrong there.
    pub fault: Fault,
    /// How many records were lost with it, where that is known.
    pub records_lost: Option<u64>,
}

/// The ways in which a file is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The segment's header does not match its checksum (version 3).
    #[error("the header is damaged")]
    Header,
    /// The bytes where a block should begin are no block header (version 3).
    #[error("no block where one should begin")]
    NoBlock,
    /// A block's content does not match its checksum (version 3).
    #[error("block {sequence} does not match its checksum")]
    Payload {
        /// The block's number in the segment.
        sequence: u32,
    },
    /// A block matches its checksums and still contradicts itself (version 3).
    #[error("block {sequence} contradicts itself: {what}")]
    Contradiction {
        /// The block's number in the segment.
        sequence: u32,
        /// What does not fit together.
        what: &'static str,
    },
    /// Whole blocks are missing between two that are there (version 3).
    #[error("blocks {first} to {last} are missing")]
    Missing {
        /// The number of the first block that is not there.
        first: u32,
        /// The number of the last block that is not there.
        last: u32,
    },
    /// There are bytes behind the footer, which is the end of a segment (version 3).
    #[error("bytes behind the footer")]
    BehindFooter,
    /// The file ends within a block or a record.
    #[error("cut off: the file ends in the middle of a {0}")]
    CutOff(&'static str),
    /// Rows of an archive cannot be read.
    #[error("row group {group} cannot be read: {what}")]
    Rows {
        /// The number of the row group in its file.
        group: u32,
        /// Why not.
        what: String,
    },
    /// The bytes are no whole record, and records go on behind them, as after a failed write (version 2).
    #[error("no whole record here: a write failed, or the file is damaged")]
    OutOfStep,
    /// The bytes cannot be a record, and none follows (version 2).
    #[error("not a record, and no further one to the end")]
    NoRecord,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: {}", self.offset, self.fault)?;
        if self.length > 0 {
            write!(f, ", {} bytes", self.length)?;
        }
        match self.records_lost {
            Some(1) => write!(f, ", 1 record lost"),
            Some(count) => write!(f, ", {count} records lost"),
            None => write!(f, ", number of records lost not known"),
        }
    }
}
