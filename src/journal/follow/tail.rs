//! Files that were read as far as they went, and may grow.

use super::super::keyframe::State;
use super::super::opened::Opened;
use super::super::scan::{Leg, Standing, Stopped};
use super::super::{Error, Version};
use super::line::{Line, Turn};
use crate::file::is_locked;

/// A file that may grow.
struct Tail {
    /// As it was when it was read last.
    file: Opened,
    place: Standing,
    keyframes: State,
    /// Its end was told as one that stays as it is. It is looked at all the same: a file that is copied is not locked.
    is_at_end: bool,
    /// When it was looked at last, nobody had locked it, and it had not grown.
    was_quiet: bool,
}

/// The files that may grow, in the order in which they began.
#[derive(Default)]
pub(super) struct Tails(Vec<Tail>);

/// What is to be done with a file that may have grown.
enum Step {
    /// Nothing yet.
    Keep(Tail),
    Read(Leg),
    Failed(Error),
}

impl Tails {
    /// The reading of a file stopped here.
    pub(super) fn add(&mut self, stopped: Stopped) {
        let Stopped { file, place, keyframes, is_at_end } = stopped;
        if file.source().kept().is_some() {
            self.0.push(Tail { file, place, keyframes, is_at_end, was_quiet: false });
        }
    }

    /// A file begins: those with whose line it goes on, and that nobody has locked, will not grow any more.
    pub(super) fn supersede(&mut self, file: &Opened) {
        let line = Line::of_opened(file);
        self.0.retain(|tail| line.is_none() || tail.line() != line || tail.is_locked());
    }

    /// Whether a new file has to wait for the end of an earlier one of its run.
    pub(super) fn hold_back(&self, file: &Opened) -> bool {
        let Some(turn) = Turn::of(file.version()) else { return false };
        let is_before = |tail: &Tail| Turn::of(tail.file.version()).is_some_and(|before| turn.goes_on_with(&before));
        self.0.iter().any(|tail| !tail.is_at_end && is_before(tail))
    }

    /// What there is to be read of them. Of one that nobody has locked, and with whose line a file goes on that is `coming`,
    /// the end is one that stays as it is.
    pub(super) fn grown(&mut self, coming: &[Opened], failures: &mut Vec<Error>) -> Vec<Leg> {
        let lines: Vec<_> = coming.iter().filter_map(Line::of_opened).collect();
        let mut legs = Vec::new();
        for tail in std::mem::take(&mut self.0) {
            let is_followed = tail.line().is_some_and(|line| lines.contains(&line));
            match tail.step(is_followed) {
                Step::Keep(tail) => self.0.push(tail),
                Step::Read(leg) => legs.push(leg),
                Step::Failed(error) => failures.push(error),
            }
        }
        legs
    }
}

impl Tail {
    fn line(&self) -> Option<Line> {
        Line::of_opened(&self.file)
    }

    fn is_locked(&self) -> bool {
        self.file.source().kept().is_some_and(is_locked)
    }

    /// Whether it is as long as when it was read last.
    fn is_as_long(&self) -> bool {
        let metadata = self.file.source().kept().and_then(|file| file.metadata().ok());
        metadata.is_none_or(|metadata| metadata.len() == self.file.source().length())
    }

    /// Looks at it again.
    fn step(mut self, is_followed: bool) -> Step {
        if self.is_as_long() {
            // The C program locks nothing: only that another file goes on with it tells that one of its files is complete.
            let is_waiting = matches!(self.file.version(), Version::Two(_)) && !is_followed;
            if self.is_at_end || is_waiting {
                return Step::Keep(self);
            }
            let is_quiet = !self.is_locked();
            let was_quiet = std::mem::replace(&mut self.was_quiet, is_quiet);
            if !is_quiet || !was_quiet && !is_followed {
                return Step::Keep(self);
            }
        }
        let Some(opened) = self.file.source().again() else { return Step::Keep(self) };
        match opened.map_err(|error| (error, 0)).and_then(Opened::new) {
            Ok(file) => Step::Read(self.leg(file, is_followed)),
            Err((error, _)) if error.is_too_short() => Step::Keep(self),
            Err((error, _)) => Step::Failed(error),
        }
    }

    /// The rest of the file, which now is this.
    fn leg(self, file: Opened, is_followed: bool) -> Leg {
        let is_over = is_followed || self.was_quiet && file.source().length() == self.file.source().length();
        let Self { place, keyframes, .. } = self;
        // Somebody began it anew.
        if file.source().length() < place.offset() {
            return Leg::Begin(file);
        }
        let stays = is_over && !file.source().is_being_written();
        let grows = file.may_grow() && !stays;
        Leg::Rest { file, place, keyframes, grows }
    }
}
