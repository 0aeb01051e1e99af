//! The bytes of ctrecorder's files, and nothing else: no clock, no file names, no sockets, no threads.
//!
//! A file of version 3 is a *segment*: a header, blocks of records, a footer. [`Writer`] makes one, [`Segment`] reads
//! one, whole or damaged. Files of version 2, the C program's, are in [`legacy`]. docs/format.md is the normative text for
//! both.
//!
//! No input makes a reader here panic, or allocate out of proportion to its length.

pub mod address;
pub mod block;
pub mod damage;
mod encode;
mod filter;
mod footer;
pub mod header;
mod index;
#[cfg(test)]
mod layout;
mod le;
pub mod legacy;
mod made_from;
pub mod note;
pub mod record;
mod recorded;
mod retirement;
mod segment;
mod uptime;
mod writer;

pub use address::{Address, Family, V4, V6};
pub use block::{BlockHeader, BlockKind};
pub use damage::{Damage, Fault};
pub use encode::CodecError;
pub use filter::{Filter, Key};
pub use footer::{Closing, DirectoryEntry, Footer, Totals};
pub use header::{Clock, Content, Digest, Header, Refusal};
pub use index::{COLUMNS_MAX, Column, Columns, Index, ReadAt};
pub use made_from::MadeFrom;
pub use note::{Cause, ClockWasSet, Note};
pub use record::{Counters, Kind, Record, Tuple};
pub use recorded::Recorded;
pub use retirement::Retirement;
pub use segment::{Block, Body, Head, Heads, Place, Records, Segment};
pub use segment::{digest_of, digest_of_parts};
pub use uptime::Uptime;
pub use writer::{BLOCK_BYTES, Unwritten, Writer};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Nanoseconds in a second: times in records and headers are in ns.
pub const NS_PER_SECOND: u64 = 1_000_000_000;

/// The header and every block begin at a multiple of this many bytes.
pub(crate) const ALIGNMENT: usize = 64;

/// `length` rounded up to the next multiple of [`ALIGNMENT`].
pub(crate) const fn align(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT)
}
