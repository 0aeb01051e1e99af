//! Which open records of a journal say something new.

use std::collections::HashMap;

use ctrecorder_format::{Digest, Header, Segment};

/// Which open records are handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRecords {
    /// Of consecutive segments only those of the first one, and those after a gap: the others repeat what was said.
    New,
    /// All: a flow whose start was lost to damage is in the next keyframe.
    All,
}

/// Follows the segments of a journal, and knows of each open record whether it repeats what was said.
#[derive(Debug)]
pub(super) struct Keyframes {
    which: OpenRecords,
    /// The last segment of each chain by its digest, and whether a gap in it is still waiting for its open records.
    chains: HashMap<Digest, bool>,
    shown: bool,
    waiting: bool,
}

impl Keyframes {
    pub(super) fn new(which: OpenRecords) -> Self {
        Self { which, chains: HashMap::new(), shown: true, waiting: false }
    }

    /// A segment begins.
    pub(super) fn begin(&mut self, header: Option<&Header>) {
        let previous = header.and_then(|header| header.previous);
        let follows = previous.and_then(|digest| self.chains.remove(&digest));
        self.waiting = follows.unwrap_or(false);
        self.shown = follows.is_none() || self.waiting || self.which == OpenRecords::All;
    }

    /// There is a gap: the flows that are open behind it are news.
    pub(super) const fn gap(&mut self) {
        (self.shown, self.waiting) = (true, true);
    }

    /// Whether an open record at this place is to be handed on.
    pub(super) const fn shows(&mut self) -> bool {
        self.waiting = false;
        self.shown
    }

    /// Whether there was a gap, and no open record since.
    pub(super) const fn are_awaited(&self) -> bool {
        self.waiting
    }

    /// The segment is at its end.
    pub(super) fn end(&mut self, segment: &Segment<'_>) {
        if let Some(footer) = segment.footer() {
            self.chains.insert(footer.digest, self.waiting);
        }
    }
}
