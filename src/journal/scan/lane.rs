//! Files that are read one after the other, on their way to a sink.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use ctrecorder_format::legacy::{self, Piece};

use super::super::Version;
use super::super::keyframe::Keyframes;
use super::super::opened::Opened;
use super::crew::{Crew, Job};
use super::found::{Found, Step};
use super::held::Held;
use super::leg::Follower;
use super::parcel::{Content, Parcel, Part};
use super::plan::{Planner, Task, Way};
use super::present::Present;
use super::{Select, Sink};

/// Where all lanes lead.
pub(super) struct Outlet<'d, S> {
    pub(super) sink: &'d mut S,
    pub(super) keyframes: &'d mut Keyframes,
    /// Who goes on where this ends.
    pub(super) follower: Option<&'d mut dyn Follower>,
}

/// Some files of a journal, in order.
pub(super) struct Lane<'d, F> {
    way: Way<'d>,
    /// The number of the file that begins next, from 0.
    number: usize,
    planner: Planner<'d, F>,
    select: &'d F,
    /// How many tasks are planned ahead.
    most: usize,
    planned: VecDeque<Planned>,
    present: Present,
    /// What was found, and is to be handed on next.
    held: Option<Held>,
}

type Planned = Task<Arc<Job<Parcel, Content>>>;

impl<'d, F: Select> Lane<'d, F> {
    pub(super) fn new(way: Way<'d>, planner: Planner<'d, F>, select: &'d F, most: usize) -> Self {
        let (planned, present) = (VecDeque::new(), Present::default());
        Self { way, number: 0, planner, select, most, planned, present, held: None }
    }

    /// When its first file was begun, ns since the epoch; 0 if nobody has looked.
    pub(super) const fn begun(&self) -> u64 {
        self.way.begun()
    }

    /// Hands on what comes next, as far as it happened up to `until`, and says when that happened which comes behind it; `None`
    /// at the end of the lane. What tells of no moment belongs to what is before it.
    pub(super) fn advance<S: Sink, W>(
        &mut self,
        crew: &mut Crew<'_, '_, Parcel, Content, W>,
        out: &mut Outlet<'_, S>,
        until: u64,
    ) -> ControlFlow<S::Stop, Option<u64>>
    where
        W: Fn(&Parcel) -> Content + Sync,
    {
        loop {
            if let Some(held) = &mut self.held {
                let later = held.hand_on(&mut self.present, out, until)?;
                if later.is_some() {
                    return ControlFlow::Continue(later);
                }
                self.held = None;
            }
            while self.planned.len() < self.most
                && let Some(task) = self.planner.next()
            {
                self.planned.push_back(task.map(|parcel| crew.begin(parcel)));
            }
            let Some(task) = self.planned.pop_front() else { return ControlFlow::Continue(None) };
            if let Task::Begin { file, .. } = &task {
                let begun = file.version().begun().min(self.way.latest(self.number));
                if begun > until {
                    self.planned.push_front(task);
                    return ControlFlow::Continue(Some(begun));
                }
            }
            self.take(crew, out, task)?;
        }
    }

    /// Says whose file it is that goes on, if it is in the middle of one: another lane came between.
    pub(super) fn resume<S: Sink>(&self, out: &mut Outlet<'_, S>) -> ControlFlow<S::Stop> {
        match &self.present.file {
            Some(file) => out.sink.resume(file.source().path(), file.version()),
            None => ControlFlow::Continue(()),
        }
    }

    /// Does what was planned.
    fn take<S: Sink, W>(
        &mut self,
        crew: &Crew<'_, '_, Parcel, Content, W>,
        out: &mut Outlet<'_, S>,
        task: Planned,
    ) -> ControlFlow<S::Stop>
    where
        W: Fn(&Parcel) -> Content + Sync,
    {
        match task {
            Task::Begin { file, is_gone_on_with } => self.begin(&file, is_gone_on_with, out)?,
            Task::Failed { error, length } => {
                self.number += 1;
                out.sink.passed(length);
                out.sink.error(error)?;
            }
            Task::Damage { file, damage } => self.present.damage(&file, &damage, out)?,
            Task::Rest { file, place } => {
                self.walk(&file, place, u64::MAX, false);
            }
            Task::Resume { file, keyframes } => {
                self.present = Present::at_end(file.clone(), keyframes);
                out.sink.resume(file.source().path(), file.version())?;
            }
            Task::End { file, place } => {
                self.present.end(&file, place, out);
                self.present.file = None;
            }
            Task::Pause { file, place } => self.present.stopped(&file, place, false, out),
            Task::Read(job) => {
                let content = crew.result(&job);
                self.parcel(crew, job.task(), content);
            }
        }
        ControlFlow::Continue(())
    }

    fn begin<S: Sink>(
        &mut self,
        file: &Opened,
        is_gone_on_with: bool,
        out: &mut Outlet<'_, S>,
    ) -> ControlFlow<S::Stop> {
        self.present = Present::at_begin(file.clone(), self.way.latest(self.number));
        self.number += 1;
        if let Some(follower) = &mut out.follower {
            follower.began(file);
        }
        out.sink.begin(file.source().path(), file.version())?;
        match file.version() {
            Version::Two(_) => {}
            Version::Three(segment) => {
                self.present.open = out.keyframes.begin(segment.header().ok(), is_gone_on_with);
                if let Err(damage) = segment.header() {
                    self.present.damage(file, damage, out)?;
                }
            }
            Version::Archive(archive) => {
                for note in out.keyframes.news(archive.header(), archive.notes()) {
                    out.sink.note(file.source().path(), note)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Holds what was found in a parcel.
    fn parcel<W>(&mut self, crew: &Crew<'_, '_, Parcel, Content, W>, parcel: &Parcel, content: Content)
    where
        W: Fn(&Parcel) -> Content + Sync,
    {
        match (content, &parcel.part) {
            (Content::Regular(found), _) => {
                self.held = Some(Held::new(parcel.file.clone(), found, parcel.end));
                return;
            }
            (Content::Irregular, Part::Records { place, .. }) => {
                let (reached, waits) = self.walk(&parcel.file, *place, parcel.end, parcel.grows);
                self.planner.go_on_from(parcel, reached, waits);
            }
            (Content::Irregular, Part::Entries { .. } | Part::Blocks { .. } | Part::Group(_)) => {
                self.planner.walk_from(parcel);
            }
        }
        // What was planned behind it is void.
        for task in self.planned.drain(..) {
            if let Task::Read(job) = task {
                crew.forget(&job);
            }
        }
    }

    /// Walks through a file of version 2 from a place on, to the first record at or behind `end`, and holds what it finds. In
    /// one that grows it waits, and says so, before damage that reaches to the end of the file: that may be a record half
    /// written.
    fn walk(&mut self, file: &Opened, place: legacy::Place, end: u64, grows: bool) -> (legacy::Place, bool) {
        let Version::Two(records) = file.version() else { return (place, false) };
        let whole = grows.then(|| records.whole_from(place));
        let records = whole.as_ref().unwrap_or(records);
        let mut pieces = records.pieces_from(place);
        let mut found = Found::default();
        let mut waits = false;
        let mut reached = pieces.place();
        while reached.offset() < end
            && let Some(piece) = pieces.next()
        {
            match piece {
                Piece::Record { record, .. } if self.select.matches(&record) => found.ipv4(&record, None),
                Piece::Record { .. } => {}
                Piece::Damage(damage) if grows && damage.offset + damage.length == records.length() => {
                    waits = true;
                    break;
                }
                Piece::Damage(damage) => found.steps.push(Step::Damage(damage)),
            }
            reached = pieces.place();
        }
        self.held = Some(Held::new(file.clone(), found, reached.offset()));
        (reached, waits)
    }
}
