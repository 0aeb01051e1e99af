//! Files that grow, each from where it was read to.

use ctrecorder_format::{Content, Fault, Place, legacy};

use super::super::keyframe::State;
use super::super::listing::Member;
use super::super::opened::Opened;
use super::super::{Error, Version};
use super::divide::Division;

/// A part of a journal that is read in one go: what there is of a file, from some place on.
pub(in super::super) enum Leg {
    /// A file from its beginning. If nobody has locked it, it is read to its end as one that stays as it is.
    Member(Member),
    /// A file from its beginning, as far as what is there stays so, however the file grows.
    Begin(Opened),
    /// What follows in a file that was read to some place; if it `grows`, as far as that stays so.
    Rest { file: Opened, place: Standing, keyframes: State, grows: bool },
}

/// Where the reading of a file stands.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Standing {
    Blocks(Place),
    /// Of version 2.
    Records(legacy::Place),
}

/// Where the reading of a file stopped that may grow.
pub(in super::super) struct Stopped {
    pub(in super::super) file: Opened,
    pub(in super::super) place: Standing,
    pub(in super::super) keyframes: State,
    /// It was read to its end as one that stays as it is.
    pub(in super::super) is_at_end: bool,
}

/// Hears which files begin, and where the reading of those that may grow stops.
pub(in super::super) trait Follower {
    /// A file begins.
    fn began(&mut self, file: &Opened);

    /// There is no more of a file, which may grow.
    fn stopped(&mut self, stopped: Stopped);
}

impl Standing {
    /// Bytes from the start of the file.
    pub(in super::super) const fn offset(&self) -> u64 {
        match self {
            Self::Blocks(place) => place.offset(),
            Self::Records(place) => place.offset(),
        }
    }
}

impl Leg {
    /// Opens the file, the `number`-th of some, for division. `None` if there is nothing of it yet; if it cannot be read, its
    /// length in bytes is told with the reason.
    pub(super) fn open(&self, number: usize) -> Option<Result<Division, (Error, u64)>> {
        match self {
            Self::Member(member) => match member.open_kept().map_err(|error| (error, 0)).and_then(Opened::new) {
                Ok(file) if !file.is_begun() => None,
                Ok(file) => {
                    let grows = file.may_grow() && (may_be_written(file.version()) || file.source().is_being_written());
                    Some(Ok(Division::of(file, number).gone_on_with(member.is_gone_on_with).growing(grows)))
                }
                Err((error, _)) if error.is_too_short() => None,
                Err(failed) => Some(Err(failed)),
            },
            // What a segment of flows leaves open comes whole one day.
            Self::Begin(file) => {
                Some(Ok(Division::of(file.clone(), number).gone_on_with(true).growing(file.may_grow())))
            }
            Self::Rest { file, place, keyframes, grows } => {
                Some(Ok(Division::rest(file.clone(), number, *place, *keyframes).growing(*grows)))
            }
        }
    }
}

/// Whether somebody may be writing a file without having locked it, as the C program does.
fn may_be_written(version: &Version<'_>) -> bool {
    matches!(version, Version::Two(_)) && version.content() == Content::Events
}

impl Opened {
    /// Whether there may be more of it one day: a segment has no footer yet, and nobody knows of a file of version 2. What was
    /// not kept open cannot be looked at again.
    pub(in super::super) fn may_grow(&self) -> bool {
        let is_closed = matches!(self.version(), Version::Three(segment) if segment.footer().is_some());
        self.source().kept().is_some() && !is_closed
    }

    /// Whether its beginning is there, and not just a part of the header.
    pub(in super::super) fn is_begun(&self) -> bool {
        let Version::Three(segment) = self.version() else { return true };
        !segment.header().is_err_and(|damage| matches!(damage.fault, Fault::CutOff(_)))
    }
}
