//! What an export made.

use std::fmt;

use crate::counted::counted;

/// What was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Made {
    /// Files that were written.
    pub(super) files: u64,
    /// The flows in them, and how many of these are in the file of flows that the next export goes on with.
    pub(super) flows: u64,
    pub(super) open: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Files that were there already.
    pub(super) present: u64,
}

impl Made {
    /// A file was written that holds so many flows.
    pub(super) const fn wrote(&mut self, flows: u64, bytes: u64) {
        self.files += 1;
        self.flows += flows;
        self.bytes += bytes;
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, flows, open, bytes, present } = self;
        let (flows, files, bytes) = (counted(*flows, "flow"), counted(*files, "file"), counted(*bytes, "byte"));
        write!(f, "{flows} exported into {files} of {bytes} together")?;
        if *open > 0 {
            write!(f, ", {open} of them left open")?;
        }
        match present {
            0 => Ok(()),
            present => write!(f, "; {} there already", counted(*present, "file")),
        }
    }
}
