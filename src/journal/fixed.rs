//! Files that are opened several times, each time as what they were found.

use std::fs;

use super::{Error, Journal, Member, Reason, Source};
use crate::file::State;

impl Journal {
    /// The same files, each as what it was found: one that was replaced or written to since is not opened any more, unless more was
    /// appended to it. So what is said of a file is of the same bytes, however often it is opened.
    pub fn fixed(mut self) -> Self {
        self.files.iter_mut().for_each(|file| file.is_fixed = true);
        self
    }
}

impl Member {
    /// What was opened, if that has all that is asked for.
    pub(super) fn as_fixed(&self, source: Source) -> Result<Source, Error> {
        let is_kept = |fixed: State| source.state().is_some_and(|now| fixed.is_kept_by(now));
        if self.fixed().is_none_or(is_kept) { Ok(source) } else { Err(self.changed()) }
    }

    /// Refuses a file of [`Journal::fixed`] that somebody wrote to since it was found, other than to its end: what was read of it may be
    /// something of both. That another one has its name by now, or none, is of no importance to who has read it.
    ///
    /// # Errors
    /// [`Reason::Changed`].
    pub fn check_unaltered(&self) -> Result<(), Error> {
        let now = fs::metadata(self.path()).ok().as_ref().map(State::of);
        match self.fixed().zip(now) {
            Some((fixed, now)) if fixed.is_of(now) && !fixed.is_kept_by(now) => Err(self.changed()),
            _ => Ok(()),
        }
    }

    fn fixed(&self) -> Option<State> {
        self.found.filter(|_| self.is_fixed)
    }

    fn changed(&self) -> Error {
        Error::at(self.path())(Reason::Changed)
    }
}
