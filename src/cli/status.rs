//! What the program's exit status says: the one list of them.

use std::process::ExitCode;

/// How a run of the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Done,
    /// Done, and the answer is "no": a file failed `test`, `coverage` found a gap, `who` found nobody, or `doctor` found
    /// what would cost records.
    No,
    /// The command line makes no sense.
    Usage,
    /// The classic command line makes no sense. The C program ended so, and scripts know it.
    ClassicUsage,
    /// `who` found several.
    Ambiguous,
    /// `who` found nobody, and something may be missing.
    Unknown,
    /// A file could not be read or is damaged, or anything else failed.
    Failed,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Done => 0,
            Status::No | Status::ClassicUsage => 1,
            Status::Usage => 2,
            Status::Ambiguous => 3,
            Status::Unknown => 4,
            Status::Failed => 5,
        })
    }
}

/// The command line makes no sense, as only the command itself can tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);
