//! The bytes of ctrecorder's files, and nothing else: no clock, no file names, no sockets, no threads.
//!
//! docs/format.md is the normative text.

pub mod address;
mod le;
pub mod record;

pub use address::{Address, Family, V4, V6};
pub use record::{Counters, Kind, Record, Tuple};
