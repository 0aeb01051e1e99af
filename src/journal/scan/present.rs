//! The file at which a lane is.

use std::ops::ControlFlow;

use ctrecorder_format::{Damage, Fault};

use super::super::keyframe::State;
use super::super::opened::Opened;
use super::super::source::Passage;
use super::super::{Source, Version};
use super::Sink;
use super::lane::Outlet;
use super::leg::{Standing, Stopped};

/// What is known of it, and how far it is done.
#[derive(Default)]
pub(super) struct Present {
    /// `None` between two files.
    pub(super) file: Option<Opened>,
    /// What nothing in it counts as later than, ns since the epoch.
    pub(super) latest: u64,
    /// Bytes of it that are done.
    passed: u64,
    passage: Passage,
    /// What is known of open records.
    pub(super) open: State,
    /// What was known of them before damage that reaches to the end of the file: should it grow, that was none.
    before_end: Option<State>,
}

impl Present {
    /// A file at its beginning.
    pub(super) fn at_begin(file: Opened, latest: u64) -> Self {
        Self { file: Some(file), latest, ..Self::default() }
    }

    /// A file that was read up to its end, and has grown.
    pub(super) fn at_end(file: Opened, open: State) -> Self {
        let passed = file.source().length();
        Self { file: Some(file), latest: u64::MAX, passed, passage: Passage::from(passed), open, before_end: None }
    }

    pub(super) fn end<S: Sink>(&mut self, file: &Opened, place: Option<Standing>, out: &mut Outlet<'_, S>) {
        self.pass(file.source(), file.source().length(), out);
        if let Some(place) = place {
            self.stopped(file, place, true, out);
        }
        if let Version::Three(segment) = file.version() {
            out.keyframes.end(segment, &self.open);
        }
    }

    /// There is no more of the file by now.
    pub(super) fn stopped<S>(&mut self, file: &Opened, place: Standing, is_at_end: bool, out: &mut Outlet<'_, S>) {
        if let Some(follower) = &mut out.follower {
            let keyframes = self.before_end.take().unwrap_or(self.open);
            follower.stopped(Stopped { file: file.clone(), place, keyframes, is_at_end });
        }
    }

    /// The file is done up to here.
    pub(super) fn pass<S: Sink>(&mut self, source: &Source, end: u64, out: &mut Outlet<'_, S>) {
        out.sink.passed(end.saturating_sub(self.passed));
        self.passed = self.passed.max(end);
        self.passage.reached(source, self.passed);
    }

    /// Tells of damage; but a segment that is being written may end anywhere.
    pub(super) fn damage<S: Sink>(
        &mut self,
        file: &Opened,
        damage: &Damage,
        out: &mut Outlet<'_, S>,
    ) -> ControlFlow<S::Stop> {
        let source = file.source();
        if matches!(damage.fault, Fault::CutOff(_)) && source.is_being_written() {
            return ControlFlow::Continue(());
        }
        // A block that is whole but for its content stays damaged.
        let is_end = damage.offset.saturating_add(damage.length) == source.length();
        if is_end && matches!(damage.fault, Fault::CutOff(_) | Fault::NoBlock) {
            self.before_end = Some(self.open);
        }
        if damage.records_lost != Some(0) {
            self.open.damage();
        }
        out.sink.damage(source.path(), file.version(), damage)
    }
}
