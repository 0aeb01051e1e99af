//! How much a squeeze made, and of how much.

use std::fmt;

use super::output::Made;
use crate::counted::counted;

/// The files that were written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    files: usize,
    /// The flows in them.
    flows: u64,
    /// Their bytes, and those of what they were made from.
    bytes: u64,
    of: u64,
}

impl Sum {
    /// A file was written, of so many bytes of inputs.
    pub(super) const fn wrote(&mut self, made: &Made, of: u64) {
        self.files += 1;
        self.flows += made.flows;
        self.bytes += made.bytes;
        self.of += of;
    }

    /// How many files there are.
    pub(super) const fn files(&self) -> usize {
        self.files
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flows, files, bytes) =
            (counted(self.flows, "flow"), counted(self.files, "file"), counted(self.bytes, "byte"));
        let percent = 100.0 * self.bytes as f64 / self.of.max(1) as f64;
        write!(f, "{flows} squeezed into {files} of {bytes} together, {percent:.0} % of what came in")
    }
}
