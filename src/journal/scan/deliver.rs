//! Takes what was found in the order of the journal, and hands it to a sink.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use ctrecorder_format::legacy::{self, Piece};
use ctrecorder_format::{Address, Counters, Damage, Fault, Kind, Record};

use super::super::keyframe::{Keyframes, State};
use super::super::opened::Opened;
use super::super::source::Passage;
use super::super::{Source, Version};
use super::crew::{Crew, Job};
use super::found::{Family, Found, Step};
use super::leg::{Follower, Standing, Stopped};
use super::parcel::{Content, Parcel, Part};
use super::plan::{Planner, Task};
use super::{Select, Sink};

/// How many tasks are planned ahead for each thread: so much of a journal is in memory at most.
const AHEAD: usize = 4;

/// The way of a journal from its files to a sink.
pub(super) struct Delivery<'d, F, S> {
    planner: Planner<'d, F>,
    select: &'d F,
    keyframes: &'d mut Keyframes,
    sink: &'d mut S,
    /// Who goes on where this ends.
    follower: Option<&'d mut dyn Follower>,
    /// Bytes of the present file that are done.
    passed: u64,
    passage: Passage,
    /// What was known of open records before damage that reaches to the end of the present file: should the file grow, it was
    /// none.
    before_end: Option<State>,
}

type Planned = Task<Arc<Job<Parcel, Content>>>;

impl<'d, F: Select, S: Sink> Delivery<'d, F, S> {
    pub(super) fn new(planner: Planner<'d, F>, select: &'d F, keyframes: &'d mut Keyframes, sink: &'d mut S) -> Self {
        let (follower, passed, before_end, passage) = (None, 0, None, Passage::default());
        Self { planner, select, keyframes, sink, follower, passed, before_end, passage }
    }

    /// The same with somebody who goes on where this ends.
    pub(super) fn followed_by(self, follower: &'d mut dyn Follower) -> Self {
        Self { follower: Some(follower), ..self }
    }

    /// Goes to the end of the journal, with a crew of so many threads.
    pub(super) fn run<W>(&mut self, mut crew: Crew<'_, '_, Parcel, Content, W>, threads: usize) -> ControlFlow<S::Stop>
    where
        W: Fn(&Parcel) -> Content + Sync,
    {
        let most = if threads > 1 { threads.saturating_mul(AHEAD) } else { 1 };
        let mut planned = VecDeque::new();
        loop {
            while planned.len() < most
                && let Some(task) = self.planner.next()
            {
                planned.push_back(task.map(|parcel| crew.begin(parcel)));
            }
            let Some(task) = planned.pop_front() else { return ControlFlow::Continue(()) };
            let is_void = self.take(&crew, task)?;
            if is_void {
                planned.clear();
                crew.forget();
            }
        }
    }

    /// Takes what comes next. Whether what was planned behind it is void.
    fn take<W>(&mut self, crew: &Crew<'_, '_, Parcel, Content, W>, task: Planned) -> ControlFlow<S::Stop, bool>
    where
        W: Fn(&Parcel) -> Content + Sync,
    {
        match task {
            Task::Begin { file, is_gone_on_with } => self.begin(&file, is_gone_on_with)?,
            Task::Failed { error, length } => {
                self.sink.passed(length);
                self.sink.error(error)?;
            }
            Task::Damage { file, damage } => self.damage(file.source(), &damage)?,
            Task::Rest { file, place } => {
                self.walk(&file, place, u64::MAX, false)?;
            }
            Task::Resume { file, keyframes } => self.resume(&file, keyframes)?,
            Task::End { file, place } => self.end(&file, place),
            Task::Pause { file, place } => self.stopped(&file, place, false),
            Task::Read(job) => return self.parcel(job.task(), crew.result(&job)),
        }
        ControlFlow::Continue(false)
    }

    fn begin(&mut self, file: &Opened, is_gone_on_with: bool) -> ControlFlow<S::Stop> {
        (self.passed, self.passage, self.before_end) = (0, Passage::default(), None);
        if let Some(follower) = &mut self.follower {
            follower.began(file);
        }
        self.sink.begin(file.source().path(), file.version())?;
        if let Version::Three(segment) = file.version() {
            self.keyframes.begin(segment.header().ok(), is_gone_on_with);
            if let Err(damage) = segment.header() {
                self.damage(file.source(), damage)?;
            }
        }
        if let Version::Archive(archive) = file.version() {
            for note in archive.notes() {
                self.sink.note(file.source().path(), note)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// A file goes on of which there was no more before.
    fn resume(&mut self, file: &Opened, keyframes: State) -> ControlFlow<S::Stop> {
        self.passed = file.source().length();
        self.passage = Passage::from(self.passed);
        self.before_end = None;
        self.keyframes.resume(keyframes);
        self.sink.resume(file.source().path(), file.version())
    }

    fn end(&mut self, file: &Opened, place: Option<Standing>) {
        self.pass(file.source(), file.source().length());
        if let Some(place) = place {
            self.stopped(file, place, true);
        }
        if let Version::Three(segment) = file.version() {
            self.keyframes.end(segment);
        }
    }

    /// There is no more of a file by now.
    fn stopped(&mut self, file: &Opened, place: Standing, is_at_end: bool) {
        if let Some(follower) = &mut self.follower {
            let keyframes = self.before_end.take().unwrap_or(self.keyframes.state());
            follower.stopped(Stopped { file: file.clone(), place, keyframes, is_at_end });
        }
    }

    /// The present file is done up to here.
    fn pass(&mut self, source: &Source, end: u64) {
        self.sink.passed(end.saturating_sub(self.passed));
        self.passed = self.passed.max(end);
        self.passage.reached(source, self.passed);
    }

    /// Takes what was found in a parcel. Whether what was planned behind it is void.
    fn parcel(&mut self, parcel: &Parcel, content: Content) -> ControlFlow<S::Stop, bool> {
        match (content, &parcel.part) {
            (Content::Regular(found), _) => {
                self.found(parcel.file.source(), &found)?;
                self.pass(parcel.file.source(), parcel.end);
                return ControlFlow::Continue(false);
            }
            (Content::Irregular, Part::Records { place, .. }) => {
                let (reached, waits) = self.walk(&parcel.file, *place, parcel.end, parcel.grows)?;
                self.planner.go_on_from(parcel, reached, waits);
            }
            (Content::Irregular, Part::Entries { .. } | Part::Blocks { .. } | Part::Group(_)) => {
                self.planner.walk_from(parcel);
            }
        }
        ControlFlow::Continue(true)
    }

    /// Walks through a file of version 2 from a place on, to the first record at or behind `end`. In one that grows it waits,
    /// and says so, before damage that reaches to the end of the file: that may be a record half written.
    fn walk(
        &mut self,
        file: &Opened,
        place: legacy::Place,
        end: u64,
        grows: bool,
    ) -> ControlFlow<S::Stop, (legacy::Place, bool)> {
        let Version::Two(records) = file.version() else { return ControlFlow::Continue((place, false)) };
        let whole = grows.then(|| records.whole_from(place));
        let records = whole.as_ref().unwrap_or(records);
        let mut pieces = records.pieces_from(place);
        let mut waits = false;
        let mut reached = pieces.place();
        while reached.offset() < end
            && let Some(piece) = pieces.next()
        {
            match piece {
                Piece::Record { record, .. } if self.select.matches(&record) => self.sink.ipv4(&record, None)?,
                Piece::Record { .. } => {}
                Piece::Damage(damage) if grows && damage.offset + damage.length == records.length() => {
                    waits = true;
                    break;
                }
                Piece::Damage(damage) => self.sink.damage(file.source().path(), &damage)?,
            }
            reached = pieces.place();
        }
        self.pass(file.source(), reached.offset());
        ControlFlow::Continue((reached, waits))
    }

    fn found(&mut self, source: &Source, found: &Found) -> ControlFlow<S::Stop> {
        let (mut ipv4, mut ipv6) = (Rest::of(&found.ipv4), Rest::of(&found.ipv6));
        for step in &found.steps {
            match step {
                Step::Ipv4 { count, with_counters } => {
                    self.records(&mut ipv4, *count, *with_counters, S::ipv4)?;
                }
                Step::Ipv6 { count, with_counters } => {
                    self.records(&mut ipv6, *count, *with_counters, S::ipv6)?;
                }
                Step::Open => self.keyframes.open(),
                Step::Note(note) => {
                    self.keyframes.note(note);
                    self.sink.note(source.path(), note)?;
                }
                Step::Damage(damage) => self.damage(source, damage)?,
            }
        }
        ControlFlow::Continue(())
    }

    /// Hands on the next records of a family, open ones if they are news.
    fn records<A: Address>(
        &mut self,
        rest: &mut Rest<'_, A>,
        count: usize,
        with_counters: bool,
        hand_on: impl Fn(&mut S, &Record<A>, Option<&Counters>) -> ControlFlow<S::Stop>,
    ) -> ControlFlow<S::Stop> {
        for record in rest.records.by_ref().take(count) {
            let counters = if with_counters { rest.counters.next() } else { None };
            if record.kind() != Some(Kind::Open) || self.keyframes.shows() {
                hand_on(self.sink, record, counters)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Tells of damage; but a segment that is being written may end anywhere.
    fn damage(&mut self, source: &Source, damage: &Damage) -> ControlFlow<S::Stop> {
        if matches!(damage.fault, Fault::CutOff(_)) && source.is_being_written() {
            return ControlFlow::Continue(());
        }
        // A block that is whole but for its content stays damaged.
        let is_end = damage.offset.saturating_add(damage.length) == source.length();
        if is_end && matches!(damage.fault, Fault::CutOff(_) | Fault::NoBlock) {
            self.before_end = Some(self.keyframes.state());
        }
        if damage.records_lost != Some(0) {
            self.keyframes.damage();
        }
        self.sink.damage(source.path(), damage)
    }
}

/// What is still to come of a family's records.
struct Rest<'f, A: Address> {
    records: std::slice::Iter<'f, Record<A>>,
    counters: std::slice::Iter<'f, Counters>,
}

impl<'f, A: Address> Rest<'f, A> {
    fn of(family: &'f Family<A>) -> Self {
        Self { records: family.records.iter(), counters: family.counters.iter() }
    }
}
