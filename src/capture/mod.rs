//! The recorder: events of the kernel -> records -> segments.
//!
//! Two threads: one drains the socket and never touches the disk (`listen`), one writes (`write`); a bounded queue
//! stands between them (`queue`), and what does not fit becomes a gap in the journal, with its count. On its way to the
//! segment each event passes a `mirror` of the kernel's table, which the writing thread holds against the table itself
//! at the head of each segment and after gaps (`table`); a third thread waits for the disk (`sync`), a fourth removes old
//! segments (`retention`), and a fifth answers who asks what was counted (`metrics`).
//! In the foreground one more writes messages to standard error, and waits for whoever reads them (`stderr`).
//!
//! Of other network namespaces (`others`) each has a queue, a writing thread and a journal of its own (`elsewhere`); what has to be
//! asked there is asked through a `door`.
//!
//! The order of a start is a contract ([`run`]): fork, lock the pid file, open the socket, look around, set what is to be set,
//! create the first segment, become another user, enter the `sandbox`, and only then start threads: privileges belong to a thread.
//!
//! What is opened after that, by whichever thread: below the pattern's fixed directory new segments, directories to sync or to look
//! through, and old segments, to be read and unlinked (`retention`; it asks there how full the disk is, as `metrics` does, which
//! opens nothing and accepts connections); the settings of the kernel's table, to be read (`settings`, at each segment and when
//! the table is watched).

mod account;
pub(crate) mod clock;
mod convert;
mod daemon;
pub(crate) mod delivery;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod fitting;
mod flows;
mod header;
mod listen;
mod logging;
mod losses;
mod manager;
mod metrics;
mod mirror;
pub(crate) mod neighbours;
pub(crate) mod netns;
mod pattern;
mod pidfile;
mod pieces;
mod predecessor;
pub(crate) mod privileges;
mod pulse;
mod queue;
mod quiet;
mod recent;
mod retention;
mod run;
pub(crate) mod sandbox;
mod segments;
pub(crate) mod settings;
mod silence;
mod statistics;
mod stderr;
mod sync;
pub(crate) mod syslog;
mod table;
mod write;

pub use error::StartError;
pub use pattern::{Pattern, PatternError};
pub use retention::Limits;
pub(crate) use retention::left_behind;
pub use run::{Options, Remark, run, tell, tell_later, tell_rest};
pub use sync::Sync;
