//! Files that were read as far as they went, and may grow.

use std::fs::{File, Metadata};
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use super::super::keyframe::State;
use super::super::opened::Opened;
use super::super::scan::{Leg, Standing, Stopped};
use super::super::{Error, Source, Version};
use super::line::{Line, Mark, Turn};
use crate::file::{Identity, identity, is_locked};

/// A file whose end is no whole block, and that nobody has locked, is perhaps one that is being copied, and the copy at a halt:
/// what is there is its end once it did not grow for so many looks. With five a second, that is five seconds.
pub(super) const LOOKS: u32 = 25;

/// The same of a file that somebody had locked when it was read last, or at a look since.
const LOOKS_UNLOCKED: u32 = 2;

/// A file that may grow.
struct Tail {
    path: PathBuf,
    /// The file itself, whatever becomes of its name. `None`: it was read to its end, and nobody writes to it as far as is known.
    /// It is looked at by its name: there may be more of these than files can be open.
    kept: Option<Arc<File>>,
    identity: Option<Identity>,
    /// When it was read last, in bytes.
    length: u64,
    mark: Option<Mark>,
    line: Option<Line>,
    turn: Option<Turn>,
    /// It is one that the C program writes, which locks nothing: only that another file goes on with it tells that it is complete.
    waits_for_next: bool,
    place: Standing,
    keyframes: State,
    /// Its end was told as one that stays as it is. It is looked at all the same: a file that is copied is not locked.
    is_at_end: bool,
    /// Somebody had locked it when it was read last, or looked at since.
    was_locked: bool,
    /// How often it was looked at since without somebody who had locked it, or any growth.
    quiet: u32,
}

/// The files that may grow, in the order in which they began.
#[derive(Default)]
pub(super) struct Tails(Vec<Tail>);

/// What is to be done with a file that may have grown.
enum Step {
    /// Nothing yet.
    Keep,
    Read(Leg),
    Failed(Error),
    /// It is no more.
    Gone,
}

impl Tails {
    /// The reading of a file stopped here.
    pub(super) fn add(&mut self, stopped: Stopped) {
        self.0.extend(Tail::of(stopped));
    }

    /// A file begins: those with whose line it goes on, and that nobody has locked, will not grow any more.
    pub(super) fn supersede(&mut self, file: &Opened) {
        if let Some(line) = Line::of_opened(file) {
            self.0.retain(|tail| tail.line.as_ref() != Some(&line) || tail.is_locked());
        }
    }

    /// Whether a new file has to wait for the end of an earlier one of its run.
    pub(super) fn hold_back(&self, file: &Opened) -> bool {
        let Some(turn) = Turn::of(file.version()) else { return false };
        let is_before = |tail: &Tail| tail.turn.as_ref().is_some_and(|before| turn.goes_on_with(before));
        self.0.iter().any(|tail| !tail.is_at_end && is_before(tail))
    }

    /// What there is to be read of them. Of one that nobody has locked, and with whose line a file goes on that is `coming`,
    /// the end is one that stays as it is.
    pub(super) fn grown(&mut self, coming: &[Opened], failures: &mut Vec<Error>) -> Vec<Leg> {
        let lines: Vec<_> = coming.iter().filter_map(Line::of_opened).collect();
        let mut legs = Vec::new();
        self.0.retain_mut(|tail| {
            let is_followed = tail.line.as_ref().is_some_and(|line| lines.contains(line));
            match tail.step(is_followed) {
                Step::Keep => return true,
                Step::Read(leg) => legs.push(leg),
                Step::Failed(error) => failures.push(error),
                Step::Gone => {}
            }
            false
        });
        legs
    }

    /// How many files they keep open.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.0.iter().filter(|tail| tail.kept.is_some()).count()
    }
}

impl Tail {
    /// `None` of what cannot be looked at again.
    fn of(stopped: Stopped) -> Option<Self> {
        let Stopped { file, place, keyframes, is_at_end } = stopped;
        let source = file.source();
        let kept = source.kept()?;
        let line = Line::of_opened(&file);
        let was_locked = source.is_being_written();
        Some(Self {
            path: source.path().to_path_buf(),
            kept: (!is_at_end).then(|| Arc::clone(kept)),
            identity: source.identity(),
            length: source.length(),
            mark: Mark::of(source, file.version()),
            waits_for_next: matches!(file.version(), Version::Two(_)) && line.is_some(),
            line,
            turn: Turn::of(file.version()),
            place,
            keyframes,
            is_at_end,
            was_locked,
            quiet: 0,
        })
    }

    fn is_locked(&self) -> bool {
        self.kept.as_ref().is_some_and(|file| is_locked(file))
    }

    /// What the file is now; `None` if it is not there any more, or another one has its name.
    fn metadata(&self) -> Option<io::Result<Metadata>> {
        match &self.kept {
            Some(file) => Some(file.metadata()),
            None => match fs::metadata(&self.path) {
                Ok(metadata) => (Some(identity(&metadata)) == self.identity).then_some(Ok(metadata)),
                Err(error) => (error.kind() != io::ErrorKind::NotFound).then_some(Err(error)),
            },
        }
    }

    /// Opens it as it is now.
    fn open(&self) -> Result<Source, Error> {
        match &self.kept {
            Some(file) => Source::of_kept(&self.path, Arc::clone(file)),
            None => Source::open_kept(&self.path),
        }
    }

    /// Looks at it again.
    fn step(&mut self, is_followed: bool) -> Step {
        let Some(metadata) = self.metadata() else { return Step::Gone };
        // What cannot be asked is taken to be as it was.
        if metadata.is_ok_and(|metadata| metadata.len() != self.length) {
            self.quiet = 0;
        } else if !self.is_over(is_followed) {
            return Step::Keep;
        }
        match self.open().map_err(|error| (error, 0)).and_then(Opened::new) {
            // Somebody begins it anew.
            Ok(file) if !file.is_begun() => Step::Keep,
            Ok(file) => Step::Read(self.leg(file, is_followed)),
            Err((error, _)) if error.is_too_short() => Step::Keep,
            Err((error, _)) => Step::Failed(error),
        }
    }

    /// Whether a file that is as long as it was has an end that stays as it is, which is still to be told.
    fn is_over(&mut self, is_followed: bool) -> bool {
        if self.is_at_end || self.waits_for_next && !is_followed {
            return false;
        }
        if self.is_locked() {
            (self.was_locked, self.quiet) = (true, 0);
            return false;
        }
        self.quiet += 1;
        is_followed || self.quiet >= if self.was_locked { LOOKS_UNLOCKED } else { LOOKS }
    }

    /// The rest of the file, which now is this.
    fn leg(&self, file: Opened, is_followed: bool) -> Leg {
        // Somebody began it anew: what was written over it may be longer than it was.
        if file.source().length() < self.place.offset() || Mark::of(file.source(), file.version()) != self.mark {
            return Leg::Begin(file);
        }
        let is_quiet = self.quiet > 0 && file.source().length() == self.length;
        let stays = (is_followed || is_quiet) && !file.source().is_being_written();
        let grows = file.may_grow() && !stays;
        Leg::Rest { file, place: self.place, keyframes: self.keyframes, grows }
    }
}
