//! What was recorded of a span, where not all of it was. docs/format.md, section "What was recorded when".

use zerocopy::little_endian::I64;

use crate::address::Family;
use crate::header::family_bit;
use crate::note::{Cause, Note};

/// Above the families and the protocol in a note's value: all protocols were recorded.
const ALL_PROTOCOLS: i64 = 1 << 16;

/// What of the flows of a span was recorded: these families and this protocol. Of one span several may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// See [`Header::families`](crate::Header::families).
    pub families: u8,
    /// A layer-4 protocol; `None`: all of them.
    pub protocol: Option<u8>,
}

impl Recorded {
    /// The note that between two times, in ns since the epoch, this was recorded, and nothing else but what other such notes tell.
    pub fn note(self, from: u64, to: u64) -> Note {
        let protocol = self.protocol.map_or(ALL_PROTOCOLS, |protocol| i64::from(protocol) << 8);
        Note { value: I64::new(i64::from(self.families) | protocol), ..Note::gap(from, to, 0, Cause::Recorded) }
    }

    /// What a note tells of that; `None` if it is about something else.
    pub fn of(note: &Note) -> Option<Self> {
        let [families, protocol, all, ..] = note.value.get().to_le_bytes();
        let protocol = (all & 1 == 0).then_some(protocol);
        (note.cause() == Some(Cause::Recorded)).then_some(Self { families, protocol })
    }

    /// Whether flows of this family and this protocol were recorded, or those of all protocols.
    pub fn has(self, family: Family, protocol: Option<u8>) -> bool {
        self.families & family_bit(family) != 0 && (self.protocol.is_none() || self.protocol == protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_read_as_it_was_noted_and_is_no_gap() {
        for told in [Recorded { families: 3, protocol: None }, Recorded { families: 1, protocol: Some(255) }] {
            let note = told.note(5, 9);
            assert_eq!(Recorded::of(&note), Some(told));
            assert_eq!((note.from.get(), note.to.get(), note.is_gap()), (5, 9, false));
        }
        assert_eq!(Recorded::of(&Note::at(5, Cause::Quiet)), None);
    }

    #[test]
    fn all_protocols_were_recorded_only_where_that_is_said() {
        let tcp = Recorded { families: 1, protocol: Some(6) };
        assert!(tcp.has(Family::Ipv4, Some(6)));
        assert!(!tcp.has(Family::Ipv6, Some(6)) && !tcp.has(Family::Ipv4, Some(17)) && !tcp.has(Family::Ipv4, None));
        let all = Recorded { families: 3, protocol: None };
        assert!(all.has(Family::Ipv6, Some(17)) && all.has(Family::Ipv4, None));
    }
}
