//! That the clock was set back while no recorder ran, or in a segment that is not there: no note tells of it.

use ctrecorder_format::{Content, Header, Note};

use super::{Recorder, Version, told_to};

/// The clock showed times again, of which no note tells. Both are ns since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetBack {
    /// Up to when the journal had told.
    pub(crate) reached: u64,
    /// From when on it tells behind that, which is before `reached`.
    pub(crate) begun: u64,
}

impl SetBack {
    /// The note that would have told of it.
    pub(crate) fn note(self) -> Note {
        let by = i64::try_from(self.reached.saturating_sub(self.begun)).unwrap_or(i64::MAX);
        Note::clock_step(self.begun, by.saturating_neg())
    }
}

/// Follows the segments of events of a journal, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetBacks {
    /// The run of the one that was read last and its number, where these are known, and up to when it tells.
    last: Option<(Option<(Recorder, u64)>, u64)>,
}

impl SetBacks {
    /// At the begin.
    pub(crate) const fn new() -> Self {
        Self { last: None }
    }

    /// Behind something of no known run that tells up to this moment.
    pub(crate) const fn after(reached: u64) -> Self {
        Self { last: Some((None, reached)) }
    }

    /// A file begins: what happened to the clock before it, if that is so.
    pub(crate) fn follow(&mut self, file: &Version<'_>) -> Option<SetBack> {
        let Version::Three(segment) = file else { return None };
        let header = segment.header().ok().filter(|header| header.content == Content::Events)?;
        let (place, begun) = (place(header), header.created);
        let (before, reached) = self.last.replace((Some(place.clone()), told_to(header, segment)))?;
        let follows = before.is_some_and(|(run, number)| (run, number.checked_add(1)) == (place.0, Some(place.1)));
        (!follows && begun < reached).then_some(SetBack { reached, begun })
    }
}

fn place(header: &Header) -> (Recorder, u64) {
    (Recorder::of(header), header.segment_number)
}
