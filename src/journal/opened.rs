//! A file that stays open while several threads read parts of it.

use std::sync::Arc;

use self_cell::self_cell;

use super::{Ended, Error, Source, Version};

self_cell!(
    struct Cell {
        owner: Source,
        #[covariant]
        dependent: Version,
    }
);

/// A file with what its version makes of it, parsed once. Clones share it; it is closed with the last one.
#[derive(Clone)]
pub(super) struct Opened(Arc<Cell>);

impl Opened {
    /// Parses what was opened. If that cannot be read, its length in bytes is told with the reason.
    pub(super) fn new(source: Source) -> Result<Self, (Error, u64)> {
        let length = source.length();
        let cell = Cell::try_new(source, Source::parse).map_err(|error| (error, length))?;
        Ok(Self(Arc::new(cell)))
    }

    pub(super) fn source(&self) -> &Source {
        self.0.borrow_owner()
    }

    /// By what it is known as the last file of its run: [`Version::known_by`].
    pub(super) fn known_by(&self) -> Option<Ended> {
        self.version().known_by()
    }

    pub(super) fn version(&self) -> &Version<'_> {
        self.0.borrow_dependent()
    }
}
