//! Gaps, and why they are there.

use ctrecorder_format::{BlockHeader, Cause, Note};

use super::Span;

/// Why events may be missing in a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapCause {
    /// A note of the journal says so, by the number of its cause.
    Noted(u16),
    /// Nobody recorded, as the times of the segments tell.
    NotRunning,
    /// A segment that the recorder wrote is not among those given.
    SegmentMissing,
    /// A segment has no footer, and the recorder went on in another one.
    CutOff,
    /// Something in the files there could not be read.
    Damaged,
    /// Files of version 2 do not tell until when nothing was missed.
    Version2,
    /// The recorder is at work, and its segment does not reach there yet.
    NotYetWritten,
    /// Before or behind all files that are given, and they do not tell why.
    NoFile,
    /// A filter left out what was recorded.
    Filtered,
    /// The clock never showed these times, for it was set over them: what happened then has other ones.
    SetForward,
    /// The clock may have shown these times while nobody recorded, and then was set back: other files may tell of them all the same.
    SetBack,
}

impl GapCause {
    /// The cause that a note gives.
    pub(super) const fn of(note: &Note) -> Self {
        match note.cause() {
            Some(Cause::NotRunning) => Self::NotRunning,
            _ => Self::Noted(note.cause.get()),
        }
    }

    /// The cause in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Noted(number) => Cause::from_number(number).map_or("cause not known to this program", Cause::text),
            Self::NotRunning => Cause::NotRunning.text(),
            Self::SegmentMissing => "segment missing",
            Self::CutOff => "cut off",
            Self::Damaged => "damaged",
            Self::Version2 => "not told by version 2",
            Self::NotYetWritten => "not written yet",
            Self::NoFile => "no file given",
            Self::Filtered => "left out by a filter",
            Self::SetForward => "clock set forward",
            Self::SetBack => "clock set back while nobody recorded",
        }
    }
}

/// A span in which events may be missing. Where a single event was lost it may have no length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Its begin, ns since the epoch, UTC.
    pub from: u64,
    /// Its end, not before its begin.
    pub to: u64,
    /// Why there is a gap.
    pub cause: GapCause,
    /// How many events are missing, where that is known; 0 where all are back, but not all times are exact.
    pub lost: Option<u64>,
}

impl Gap {
    /// A gap in which nobody knows what was lost.
    pub(super) const fn unknown(from: u64, to: u64, cause: GapCause) -> Self {
        Self { from, to, cause, lost: None }
    }

    /// A span in which flows that are asked for were not recorded.
    pub const fn unrecorded(span: Span) -> Self {
        Self::unknown(span.from, span.to, GapCause::Noted(Cause::Recorded as u16))
    }

    /// What a block took away that has a whole head, and not what it says: so many records, between when the first and the last arrived.
    pub(in crate::query) const fn of_block(block: &BlockHeader, lost: Option<u64>) -> Self {
        let (from, to) = (block.first_event.get(), block.last_event.get());
        Self { from, to: if from < to { to } else { from }, cause: GapCause::Damaged, lost }
    }

    /// What the clock was set over: nothing happened at these times by it, and nothing was lost.
    pub(super) const fn set_forward(span: Span) -> Self {
        Self { from: span.from, to: span.to, cause: GapCause::SetForward, lost: Some(0) }
    }

    /// Its span.
    pub(in crate::query) const fn span(&self) -> Span {
        Span { from: self.from, to: self.to }
    }

    /// Whether this gap and a span, both with their ends, have a moment in common.
    pub const fn touches(&self, span: Span) -> bool {
        Span { from: self.from, to: self.to }.meets(span)
    }

    /// What of this gap lies between two times. All it lost stays with what is left of it: nobody knows where in it that was.
    /// `is_asked`: a single moment between them is one that somebody asked about, and at the border of a gap in that.
    pub(super) fn within(mut self, from: u64, to: u64, is_asked: bool) -> Option<Self> {
        let instant = self.from == self.to || (is_asked && from == to);
        (self.from, self.to) = (self.from.max(from), self.to.min(to));
        (self.from < self.to || (instant && self.from == self.to)).then_some(self)
    }
}

/// Gaps by their begin; those of one cause that overlap or touch are one.
pub fn joined(mut gaps: Vec<Gap>) -> Vec<Gap> {
    gaps.sort_unstable_by_key(|gap| (gap.cause, gap.from, gap.to));
    gaps.dedup_by(|later, first| {
        let one = later.cause == first.cause && later.from <= first.to;
        if one {
            first.to = first.to.max(later.to);
            first.lost = first.lost.zip(later.lost).map(|(lost, more)| lost.saturating_add(more));
        }
        one
    });
    gaps.sort_unstable();
    gaps
}
