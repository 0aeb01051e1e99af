//! What a recorder removed of its journal, as it was told to. docs/format.md, section "What was removed".

use std::collections::BTreeMap;

use zerocopy::little_endian::{I64, U32, U64};

use crate::note::{Cause, Note};

/// A segment that a recorder removed, with those before it that are gone: what the journal told of this span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retirement {
    /// Begin of the span, ns since the epoch, UTC: when the first of these segments was begun.
    pub from: u64,
    /// Up to when the last of them told.
    pub to: u64,
    /// The number of the last of them, see [`Header::segment_number`](crate::Header::segment_number).
    pub segment: u32,
    /// Whose journal it is, by the id that this network namespace has in the recorder's own; `None`: it is the one in which that is noted.
    pub netns: Option<u32>,
}

impl Retirement {
    /// The note, made at `moment` (ns since the epoch) and before the file is gone, that it is being removed.
    pub fn note(&self, moment: u64) -> Note {
        self.noted(moment, self.netns.map_or(Cause::Retired, |_| Cause::RetiredElsewhere))
    }

    /// The note that takes the other one back: the file is still there.
    pub fn kept(&self, moment: u64) -> Note {
        self.noted(moment, self.netns.map_or(Cause::Kept, |_| Cause::KeptElsewhere))
    }

    /// Times past the year 2262, which a signed count cannot hold, end there.
    fn noted(&self, moment: u64, cause: Cause) -> Note {
        let (from, value) = match self.netns {
            None => (moment, i64::try_from(self.from).unwrap_or(i64::MAX)),
            Some(id) => (self.from.min(moment), id.into()),
        };
        Note {
            value: I64::new(value),
            lost: U64::new(self.to),
            segment: U32::new(self.segment),
            ..Note::gap(from, moment, 0, cause)
        }
    }

    /// What a note says of a removal, be it done or taken back; `None` if it is about something else.
    pub fn of(note: &Note) -> Option<Self> {
        let (to, value) = (note.lost.get(), note.value.get());
        let (from, netns) = match note.cause()? {
            Cause::Retired | Cause::Kept => (u64::try_from(value).unwrap_or(0), None),
            Cause::RetiredElsewhere | Cause::KeptElsewhere => (note.from.get(), Some(u32::try_from(value).ok()?)),
            _ => return None,
        };
        Some(Self { from: from.min(to), to, segment: note.segment.get(), netns })
    }

    /// The removals that these notes tell of and that none of them takes back, by their begin. The notes may be in any
    /// order: of two about one segment the later one counts, by when it was made.
    pub fn standing<'n>(notes: impl IntoIterator<Item = &'n Note>) -> Vec<Self> {
        let mut last = BTreeMap::<_, (u64, bool, Self)>::new();
        for note in notes {
            let Some(told) = Self::of(note) else { continue };
            let is_kept = matches!(note.cause(), Some(Cause::Kept | Cause::KeptElsewhere));
            let this = (note.to.get(), is_kept, told);
            let known = last.entry((told.netns, told.to, told.segment)).or_insert(this);
            if known.0 == this.0 && known.1 == this.1 {
                // Of several that say the same, the one that goes back the furthest.
                known.2.from = known.2.from.min(told.from);
            } else if (known.0, known.1) < (this.0, this.1) {
                *known = this;
            }
        }
        let mut standing: Vec<_> = last.into_values().filter(|(_, kept, _)| !kept).map(|(_, _, told)| told).collect();
        standing.sort_unstable();
        standing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Retirement = Retirement { from: 10, to: 20, segment: 3, netns: None };
    const NEXT: Retirement = Retirement { from: 20, to: 30, segment: 4, netns: None };
    const ELSEWHERE: Retirement = Retirement { netns: Some(7), ..FIRST };

    #[test]
    fn a_removal_is_read_as_it_was_noted_and_is_no_gap() {
        for note in [FIRST.note(500), FIRST.kept(500)] {
            assert_eq!(Retirement::of(&note), Some(FIRST));
            assert_eq!((note.from.get(), note.to.get(), note.is_gap()), (500, 500, false));
        }
        for note in [ELSEWHERE.note(500), ELSEWHERE.kept(500)] {
            assert_eq!(Retirement::of(&note), Some(ELSEWHERE));
            assert_eq!((note.from.get(), note.to.get(), note.is_gap()), (FIRST.from, 500, false));
        }
        assert_eq!(Retirement::of(&Note::at(500, Cause::Quiet)), None);
    }

    #[test]
    fn what_was_kept_after_all_was_not_removed_unless_it_was_later() {
        let standing = |notes: &[Note]| Retirement::standing(notes);
        assert_eq!(standing(&[NEXT.note(51), FIRST.note(50)]), [FIRST, NEXT]);
        assert_eq!(standing(&[FIRST.note(50), NEXT.note(51), FIRST.kept(52)]), [NEXT]);
        assert_eq!(standing(&[FIRST.kept(50), FIRST.note(50)]), []);
        assert_eq!(standing(&[FIRST.note(60), FIRST.note(50), FIRST.kept(52)]), [FIRST]);
        assert_eq!(standing(&[FIRST.note(50), ELSEWHERE.note(50), FIRST.kept(52)]), [ELSEWHERE]);
    }
}
