//! How many threads read: the option, and what it stands for.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// How many threads read.
#[derive(clap::Args)]
pub(super) struct Threads {
    /// Read with so many threads rather than one for each processor, 1024 at most; what comes out is the same
    #[arg(long, value_name = "NUMBER", value_parser = parse_number)]
    threads: Option<NonZeroUsize>,
}

/// Reads how many threads there are to be.
fn parse_number(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| format!("{text} is not a number of threads, which is at least 1"))
}

impl Threads {
    /// As many as were asked for, else as there are processors to be had.
    pub(super) fn number(&self) -> NonZeroUsize {
        self.threads.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
    }
}
