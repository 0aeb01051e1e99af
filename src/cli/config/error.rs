//! What can be wrong with what is set outside of the command line.

use std::path::PathBuf;

use super::entry::Place;
use crate::cli::Status;
use crate::journal::Shown;

/// What is wrong with what is set outside of the command line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: {reason}", Shown(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// What stands somewhere makes no sense.
    #[error("{place}: {what}")]
    Wrong {
        /// Where it stands.
        place: Place,
        /// What is wrong.
        what: String,
    },
}

impl Error {
    /// How the program ends: what makes no sense is wrong usage, wherever it is said.
    pub const fn status(&self) -> Status {
        match self {
            Self::Unreadable { .. } => Status::Failed,
            Self::Wrong { .. } => Status::Usage,
        }
    }
}
