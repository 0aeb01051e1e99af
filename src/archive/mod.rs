//! Archives: whole flows in Apache Parquet, which other engines read as well. docs/archive.md is normative.
//!
//! | part | what it does |
//! |---|---|
//! | `flow`, `row` | a flow, and the same as a row, by who is inside, what is public and who is the peer |
//! | `schema` | the columns |
//! | `about`, `keys` | what an archive says of itself |
//! | `seal`, `bytes` | checksums |
//! | `write` | writes a file, group by group |
//! | `read`, `places` | opens one, and looks at whether it may be what it says |
//! | `quiet` | catches what nonsense does to others' code |
//! | `rows`, `column` | reads rows |
//! | `page` | looks at what pages unpack to |
//! | `seek`, `bloom` | finds the rows that may have what is sought |
//!
//! A group of rows is sorted by public endpoint. Without the feature `archive` there is no Parquet, and `left_out` says so.

mod about;
mod error;
mod flow;
mod sought;

#[cfg(feature = "archive")]
mod bloom;
#[cfg(feature = "archive")]
mod bytes;
#[cfg(feature = "archive")]
mod column;
#[cfg(feature = "archive")]
mod keys;
#[cfg(not(feature = "archive"))]
mod left_out;
#[cfg(feature = "archive")]
mod page;
#[cfg(feature = "archive")]
mod places;
#[cfg(feature = "archive")]
mod quiet;
#[cfg(feature = "archive")]
mod read;
#[cfg(feature = "archive")]
mod row;
#[cfg(feature = "archive")]
mod rows;
#[cfg(feature = "archive")]
mod schema;
#[cfg(feature = "archive")]
mod seal;
#[cfg(feature = "archive")]
mod seek;
#[cfg(feature = "archive")]
mod write;

pub use about::{About, NoteText, Place, Recorded, SourceFile};
pub use error::Refusal;
pub use flow::Flow;
#[cfg(not(feature = "archive"))]
pub use left_out::{Archive, Rows};
#[cfg(feature = "archive")]
pub use read::Archive;
#[cfg(feature = "archive")]
pub use rows::Rows;
pub use sought::{Port, Sought};
#[cfg(feature = "archive")]
pub use write::{Group, Writer};

/// So many rows make a group at most: they are sorted together, and no more than one such group is put together at once.
pub const GROUP_ROWS: usize = 256 * 1024;

/// The first four bytes of a file in Parquet, and its last ones.
pub const MAGIC: [u8; 4] = *b"PAR1";

#[cfg(test)]
#[cfg(feature = "archive")]
mod tests;
