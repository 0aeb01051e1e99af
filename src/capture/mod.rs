//! The recorder: events of the kernel -> records -> segments.
//!
//! Two threads: one drains the socket and never touches the disk (`listen`), one writes (`write`); a bounded queue
//! stands between them (`queue`), and what does not fit becomes a gap in the journal, with its count.
//!
//! The order of a start is a contract ([`run`]): fork, lock the pid file, open the socket, create the first segment,
//! give up privileges, and only then start threads, since capabilities belong to a thread.

mod account;
mod clock;
mod convert;
mod daemon;
mod delivery;
mod error;
mod files;
mod flows;
mod header;
mod listen;
mod logging;
mod mirror;
mod pattern;
mod pidfile;
mod privileges;
mod queue;
mod run;
mod segments;
mod statistics;
mod table;
mod write;

pub use error::StartError;
pub use pattern::{Pattern, PatternError};
pub use run::{Options, run};
