//! The bytes of ctrecorder's files, and nothing else: no clock, no file names, no sockets, no threads.
//!
//! docs/format.md is the normative text.

pub mod address;
pub mod damage;
mod le;
pub mod legacy;
pub mod record;

pub use address::{Address, Family, V4, V6};
pub use damage::{Damage, Fault};
pub use record::{Counters, Kind, Record, Tuple};
