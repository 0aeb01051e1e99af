//! What becomes of flows: the file or the files that a command makes of them.

use ctrecorder_format::{Counters, Note, Record, V4, V6};

/// Takes what comes of a journal, in its order. Times are ns since the epoch.
pub(in crate::cli) trait Output: Send + 'static {
    /// What is there in the end.
    type Made;

    /// Whether it holds what notes tell of flows.
    fn has_notes(&self) -> bool {
        true
    }

    /// The journal tells from this moment on only: nothing but the begin of its first file has come yet.
    fn begin_at(&mut self, _moment: u64) {}

    /// The file with this number in its journal begins.
    fn source(&mut self, _number: usize) {}

    /// Something in the journal could not be read, and so many records, as far as that is known.
    fn damage(&mut self, _what: &str, _records_lost: u64) {}

    /// Takes a flow; `reached` is the time up to which the journal was read.
    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters, reached: u64) -> anyhow::Result<()>;

    /// Takes a flow, likewise.
    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters, reached: u64) -> anyhow::Result<()>;

    /// Takes a note.
    fn note(&mut self, note: &Note) -> anyhow::Result<()>;

    /// Takes the note of a reading of the kernel's table that flows will refer to, however late they end.
    fn reading(&mut self, note: &Note) -> anyhow::Result<()>;

    /// What follows stands behind everything taken up to now: a reader will not merge the two. `left` is what is known of the flows that
    /// are open.
    fn part(&mut self, _left: &Note) {}

    /// Ends it: the journal tells up to `closed`. Until then nothing has a name that is read; if it is dropped before, nothing
    /// is left of it.
    fn finish(self, closed: u64) -> anyhow::Result<Self::Made>;
}
