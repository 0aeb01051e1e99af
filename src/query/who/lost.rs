//! What damage may have taken away: when flows may have been alive that only lost records told of.

use ctrecorder_format::block::flags;
use ctrecorder_format::legacy::Piece;
use ctrecorder_format::{BlockHeader, Content, Damage, Fault};

use crate::journal::{Member, Version};
use crate::query::coverage::Span;

/// When flows may have been alive that only records told of which this damage took away. `None`: it took none, or, where an
/// end was cut off, none of a time that the file covers.
pub(super) fn by(file: &Member, damage: &Damage) -> Option<Span> {
    if damage.records_lost == Some(0) || matches!(damage.fault, Fault::BehindFooter | Fault::CutOff(_)) {
        return None;
    }
    // It was open a moment ago; if it is not any more, nothing is known.
    let since = file.open().ok().and_then(|source| source.parse().ok().map(|version| since(&version, damage)));
    Some(since.unwrap_or(Span { from: 0, to: u64::MAX }))
}

/// Of a file of flows that is from their begin on, of one of events from the last event before the damage on: an earlier
/// one has its record elsewhere.
fn since(version: &Version<'_>, damage: &Damage) -> Span {
    let events = version.content() == Content::Events;
    let mut from = 0;
    match version {
        Version::Two(file) => {
            for piece in file.pieces() {
                match piece {
                    Piece::Record { offset, record } if offset < damage.offset => from = record.event_time(),
                    Piece::Record { .. } | Piece::Damage(_) => break,
                }
            }
        }
        Version::Three(segment) => {
            for head in segment.heads().filter_map(Result::ok) {
                if head.offset == damage.offset {
                    return alive_in(head.header);
                }
                if head.offset > damage.offset {
                    break;
                }
                from = from.max(head.header.last_event.get());
            }
        }
    }
    Span { from: if events { from } else { 0 }, to: u64::MAX }
}

/// When the flows of a block may have been alive, by its head (docs/format.md, "Times of a block").
const fn alive_in(block: &BlockHeader) -> Span {
    let from = if block.has(flags::START_UNKNOWN) { 0 } else { block.least_start.get() };
    let to = if block.has(flags::END_UNKNOWN) { u64::MAX } else { block.greatest_end.get() };
    Span { from, to }
}
