//! Many segments as one thing to read.
//!
//! [`Journal::find`] makes files of paths, [`Scan`] hands their records to a [`Sink`] in order, [`Follow`]
//! goes on with that as files grow, and [`Examiner`] says of
//! each file whether it is as it was written. Files are mapped, never loaded; memory does not grow with the journal.

mod archived;
mod chain;
mod copies;
mod count;
mod directory;
mod error;
mod examine;
mod exports;
mod fixed;
mod follow;
mod indexed;
mod keyframe;
mod lanes;
mod listing;
mod netns;
mod notes;
mod once;
mod opened;
mod runs;
mod scan;
mod set_back;
mod source;

pub use chain::{Broken, Chain, LooseEnd, Recorder};
pub use directory::has_sane_directory;
pub use error::{Error, Reason, Shown};
pub use examine::{Condition, Examined, Examiner, Finding};
pub use exports::{Absent, Exports};
pub use fixed::Read;
pub use follow::Follow;
pub use keyframe::OpenRecords;
pub(crate) use listing::{Found, in_order, partitions};
pub use listing::{Journal, Member};
pub use netns::{Netns, NoSuchNetns};
pub(crate) use notes::{last_uptime, notes_of};
pub use once::{Beside, Repeats, UNEVEN};
pub(crate) use runs::{Ended, Place, begun_behind, begun_up, chain, ended_later, successors, told_to};
#[cfg(all(target_os = "linux", feature = "capture"))]
pub(crate) use runs::{first_notes, last_told};
pub use scan::{Everything, Scan, Search, Select, Sink, THREADS_MAX};
pub(crate) use set_back::{SetBack, SetBacks};
pub use source::{Passage, Source, Version};
