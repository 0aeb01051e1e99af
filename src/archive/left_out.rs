//! What stands for archives in a program that was built without them: nothing is one.

use ctrecorder_format::{Damage, DirectoryEntry, Header, Note};

use super::{About, Flow, Refusal, Sought};
use ctrecorder_format::{V4, V6};

/// An archive's file, of which there is none.
#[derive(Debug)]
pub enum Archive {}

/// Rows that were read, of which there are none.
#[derive(Debug)]
pub enum Rows {}

impl Archive {
    /// Refuses a file that begins with [`MAGIC`](super::MAGIC).
    ///
    /// # Errors
    /// Always.
    pub fn open(_bytes: impl AsRef<[u8]> + Send + 'static) -> Result<Self, Refusal> {
        Err(Refusal::LeftOut)
    }

    /// See the archive that is built in.
    pub const fn about(&self) -> &About {
        match *self {}
    }

    /// See the archive that is built in.
    pub const fn header(&self) -> &Header {
        match *self {}
    }

    /// See the archive that is built in.
    pub const fn notes(&self) -> &[Note] {
        match *self {}
    }

    /// See the archive that is built in.
    pub const fn groups(&self) -> usize {
        match *self {}
    }

    /// See the archive that is built in.
    pub const fn entry(&self, _group: usize) -> Option<DirectoryEntry> {
        match *self {}
    }

    /// See the archive that is built in.
    pub const fn end_of(&self, _group: usize) -> u64 {
        match *self {}
    }

    /// See the archive that is built in.
    ///
    /// # Errors
    /// Never, as there is none.
    pub const fn read(&self, _group: usize, _sought: Option<&[Sought]>) -> Result<Rows, Box<Damage>> {
        match *self {}
    }

    /// See the archive that is built in.
    pub const fn damaged_blocks(&self) -> (Vec<std::ops::Range<u64>>, u64) {
        match *self {}
    }
}

impl Rows {
    /// See the archive that is built in.
    pub fn ipv4(&self) -> std::iter::Empty<Flow<V4>> {
        match *self {}
    }

    /// See the archive that is built in.
    pub fn ipv6(&self) -> std::iter::Empty<Flow<V6>> {
        match *self {}
    }
}
