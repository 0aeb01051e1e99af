//! The option that chooses one network namespace's files, for every command that reads journals.

use super::status::Misuse;
use crate::journal::{Error, Journal, Netns};

/// Whose files are read, where a recorder was started with --all-netns.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct OfNetns {
    /// Only what was recorded in the network namespace of this id (nsid); own: in the recorder's own
    #[arg(long, value_name = "NSID|own")]
    netns: Option<Netns>,
}

impl OfNetns {
    /// Those of the files that are wanted.
    ///
    /// # Errors
    /// [`Misuse`], if there are only others.
    pub(super) fn of(self, journal: Journal, failed: impl FnMut(Error)) -> Result<Journal, Misuse> {
        match self.netns {
            Some(netns) => journal.of_netns(netns, failed).map_err(|error| Misuse(error.to_string())),
            None => Ok(journal),
        }
    }

    /// Whether only files of one network namespace are wanted.
    pub(super) fn is_chosen(self) -> bool {
        self.netns.is_some()
    }

    /// Whether the files of another network namespace than the recorder's own are wanted, and no others.
    pub(super) fn is_another(self) -> bool {
        matches!(self.netns, Some(Netns::Id(_)))
    }

    /// Whether a file is wanted that was recorded in the namespace of this id, or in the recorder's own.
    pub(super) fn wants(self, id: Option<u32>) -> bool {
        self.netns.is_none_or(|netns| netns.is(id))
    }
}
