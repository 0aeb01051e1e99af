//! The thread that writes: events from the queue into segments.
//!
//! It wakes once a second, at the moment of rotation, for a command, or when many events wait. A record is in the file
//! at most a second after its event. While the disk refuses, events stay in the queue up to its bound; what is sealed
//! waits in the segment's writer, which goes on at the very byte where it was stopped.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ctrecorder_format::{Cause, Note};

use super::clock;
use super::error::StartError;
use super::losses::Losses;
use super::manager::Manager;
use super::pulse::Pulse;
use super::queue::{Command, Element, Gone, Queue};
use super::quiet::Quiet;
use super::retention::Retention;
use super::sandbox::Sandbox;
use super::segments::{Segments, is_full};
use super::silence::Silence;
use super::statistics::Statistics;
use super::table::Table;
use crate::counted::{are, counted};

/// How long an event waits for its block at most, and how often a refusing disk is tried again.
const TICK: Duration = Duration::from_secs(1);

/// How long the end may be put off to find out what was lost.
const SETTLING: Duration = Duration::from_secs(5);

/// The writing side.
pub(super) struct Recording<'a> {
    queue: &'a Queue,
    statistics: &'a Statistics,
    segments: Segments,
    table: Table<'a>,
    next_rotation: Option<u64>,
    /// A new segment is wanted and could not be had yet; that it could not was said.
    overdue: bool,
    warned: bool,
    /// The current segment's file was removed; that was said.
    removed: bool,
    /// What the disk last said, while it refuses, and what losses are put down to.
    refusal: Option<(io::ErrorKind, Cause)>,
    quiet: Quiet<(u64, u64)>,
    silence: Option<Silence>,
    retention: Option<Retention>,
    manager: Manager,
    pulse: Arc<Pulse>,
    /// Blocks that are counted.
    blocks: u64,
    sandbox: Option<Sandbox>,
    losses: Losses,
    /// When to end at the latest, once told to; before that it is found out what was lost.
    ending: Option<Instant>,
}

impl<'a> Recording<'a> {
    /// Begins with the gap before this recorder, if there was one before it. After `silence` without an event it is warned of.
    pub(super) fn new(
        mut segments: Segments,
        not_running: Option<Note>,
        table: Table<'a>,
        queue: &'a Queue,
        statistics: &'a Statistics,
        silence: Option<Duration>,
        retention: Option<Retention>,
    ) -> Self {
        // Another network namespace may have ended by now: what was heard of it was from when its segment was begun.
        let now = if segments.are_of_own_netns() { clock::now() } else { segments.pushed().0 };
        let next_rotation = segments.next_rotation(now);
        statistics.journals.add(1);
        statistics.segments.add(1);
        if segments.are_of_own_netns() {
            statistics.segment_begun.set(segments.pushed().0);
        }
        segments.writer().note(&Note::at(now, Cause::Started));
        if let Some(gap) = not_running {
            // It lasts until this very moment.
            let loose = || Note::gap(now, now, Note::LOST_UNKNOWN, Cause::NotRunning);
            let gap = gap.run_before_ended().map_or_else(loose, |ended| Note::not_running(ended, now));
            segments.writer().note(&gap);
        }
        let uptime = segments.uptime(now);
        segments.writer().note(&uptime);
        let quiet = Quiet::begin(segments.pushed(), now);
        Self {
            queue,
            statistics,
            segments,
            table,
            next_rotation,
            overdue: false,
            warned: false,
            removed: false,
            refusal: None,
            quiet,
            silence: silence.map(Silence::begin),
            retention,
            manager: Manager::none(),
            pulse: statistics.pulses.join(),
            blocks: 0,
            sandbox: None,
            losses: Losses::default(),
            ending: None,
        }
    }

    /// The same in a sandbox.
    pub(super) fn within(self, sandbox: Option<Sandbox>) -> Self {
        Self { sandbox, ..self }
    }

    /// The same with somebody who is to know how the recorder does.
    pub(super) fn under(self, manager: Manager) -> Self {
        Self { manager, ..self }
    }

    /// Writes until told to stop.
    pub(super) fn run(mut self) -> Result<(), StartError> {
        let mut tick = Instant::now() + TICK;
        loop {
            let taken = self.queue.take(self.deadline(tick), self.cause());
            self.write(taken.elements);
            if self.refusal.is_none() {
                self.table.work(taken.standing, self.segments.writer());
                self.log_account();
            }
            self.manager.started(self.table.is_known());
            let ticked = Instant::now() >= tick;
            if ticked {
                tick = Instant::now() + TICK;
                self.tick();
            }
            for command in taken.commands {
                match command {
                    Command::Stop if self.ending.is_none() => {
                        self.manager.stopping();
                        self.ending = Some(Instant::now() + SETTLING);
                        self.table.hurry();
                    }
                    Command::Stop => {}
                    Command::StopNow => return self.stop(None),
                    Command::Gone(gone) => return self.stop(Some(gone)),
                    Command::Flush => self.flush(),
                    Command::NewSegment => self.new_segment(),
                }
            }
            if let Some(latest) = self.ending
                && (self.table.is_settled() || self.refusal.is_some() || Instant::now() >= latest)
            {
                return self.stop(None);
            }
            self.rotate_if_due(ticked);
            if ticked && self.overdue && self.sandbox.as_ref().is_some_and(Sandbox::is_left_behind) {
                return self.leave();
            }
            if self.refusal.is_none() || ticked {
                self.write_out();
            }
        }
    }

    /// When to wake at the latest.
    fn deadline(&self, tick: Instant) -> Instant {
        let rotation =
            self.next_rotation.map(|moment| Instant::now() + Duration::from_nanos(moment.saturating_sub(clock::now())));
        let reading = self.table.deadline().filter(|_| self.refusal.is_none());
        [Some(tick), rotation, reading, self.ending].into_iter().flatten().min().unwrap_or(tick)
    }

    /// What losses are put down to while the disk refuses.
    fn cause(&self) -> Option<Cause> {
        self.refusal.map(|(_, cause)| cause)
    }

    /// What is done once a second.
    fn tick(&mut self) {
        self.note_quiet();
        if let Some(silence) = &mut self.silence {
            silence.watch(self.statistics.heard());
        }
        self.retain();
        self.table.count();
        self.pulse.beat(self.table.len(), self.refusal.is_some());
        self.count_blocks();
        self.segments.writer().seal();
        self.segments.sync_if_due();
        self.look_for_file();
        self.losses.log();
        self.manager
            .tick(self.queue.rounds(), self.statistics.pulses.age(), || status(&self.segments, self.statistics));
    }

    fn count_blocks(&mut self) {
        let before = std::mem::replace(&mut self.blocks, self.segments.blocks());
        self.statistics.blocks.add(self.blocks.saturating_sub(before));
    }

    /// Notes that nothing happened, if it did not for long. While the disk refuses, what happens waits in the queue.
    fn note_quiet(&mut self) {
        if self.refusal.is_none()
            && let Some(note) = self.quiet.note(self.segments.pushed(), clock::now())
        {
            self.segments.writer().note(&note);
        }
    }

    /// Has old segments removed.
    fn retain(&mut self) {
        let disk_full = self.cause() == Some(Cause::DiskFull);
        if let Some(retention) = &mut self.retention {
            retention.tick(&mut self.segments, disk_full, self.statistics);
        }
    }

    /// Begins a new segment if the current one's file was removed.
    fn look_for_file(&mut self) {
        if self.segments.is_removed() && !std::mem::replace(&mut self.removed, true) {
            tracing::error!("{}: removed while being written; what it told of is lost", self.segments.path().display());
        }
        self.overdue |= self.removed;
    }

    fn write(&mut self, elements: impl IntoIterator<Item = Element>) {
        for element in elements {
            match element {
                Element::Events(events) => {
                    let (writer, table) = (self.segments.writer(), &mut self.table);
                    events.iter().for_each(|event| table.event(event, writer));
                }
                Element::Note(note) => self.write_note(&note),
            }
        }
    }

    fn write_note(&mut self, note: &Note) {
        self.losses.count(note);
        self.statistics.gap(note);
        self.segments.writer().note(note);
        if note.is_gap() {
            self.table.gap(note);
        }
        if note.cause() == Some(Cause::ClockStep) {
            let by = note.value.get() as f64 / clock::SECOND as f64;
            tracing::warn!("the wall clock was set by {by:.3} s");
            let uptime = self.segments.uptime(note.to.get());
            self.segments.writer().note(&uptime);
        }
    }

    /// Logs what losses came to, behind the losses themselves.
    fn log_account(&mut self) {
        let Some(account) = self.table.take_settled() else { return };
        self.losses.log_now();
        let back = account.value.get();
        match account.lost() {
            Some(lost) => tracing::info!(
                "the table was read again: {} had been lost in the kernel; {back} of all losses {} back",
                counted(lost, "event"),
                are(back)
            ),
            None => tracing::info!("the table was read again: {back} of the lost events {} back", are(back)),
        }
    }

    /// Writes what is sealed; says when the disk begins to refuse, and when it takes again.
    fn write_out(&mut self) {
        let before = self.segments.bytes();
        let result = self.segments.write_out();
        self.statistics.bytes.add(self.segments.bytes() - before);
        self.note_given_up();
        let path = self.segments.path().display();
        match (result, self.refusal) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                if !self.segments.is_waiting() {
                    tracing::info!("{path}: the disk takes data again; all that waited is written");
                }
                self.refusal = None;
            }
            (Err(error), refusal) => {
                if refusal.map(|(kind, _)| kind) != Some(error.kind()) {
                    tracing::error!("{path}: {error}; events wait in memory, what finds no room there will be counted");
                }
                if refusal.is_none() {
                    self.table.pause();
                }
                let full = is_full(&error);
                self.refusal = Some((error.kind(), if full { Cause::DiskFull } else { Cause::DiskError }));
                // What ails this file may not ail another one.
                self.overdue |= !full;
            }
        }
    }

    /// What was lost with the segment before is noted in this one.
    fn note_given_up(&mut self) {
        while let Some(note) = self.segments.take_given_up() {
            self.losses.count(&note);
            self.statistics.gap(&note);
            self.statistics.lost_on_disk.add(note.lost().unwrap_or(0));
            self.segments.writer().note(&note);
        }
    }

    /// Rotates when it is time; tries again at each tick what did not work.
    fn rotate_if_due(&mut self, ticked: bool) {
        let now = clock::now();
        let next = self.segments.next_rotation(now);
        if let Some(moment) = self.next_rotation
            && now >= moment
        {
            self.next_rotation = next;
            // After the machine slept the name is that of the last one, not of the first that was slept through.
            self.rotate(self.segments.last_rotation(now).unwrap_or(moment));
        } else if ticked && self.overdue {
            self.rotate(now);
        }
        // After the clock was set back, the next rotation is nearer than it was.
        self.next_rotation = self.next_rotation.min(next);
    }

    /// Begins a new segment because someone wants one now.
    fn new_segment(&mut self) {
        self.manager.reloading();
        let now = clock::now();
        if !self.segments.has_just_begun(now) {
            self.rotate(now);
        }
        self.manager.reloaded();
    }

    fn rotate(&mut self, moment: u64) {
        // The old segment gets its rest first, so that it can be closed at once.
        self.segments.writer().seal();
        if self.refusal.is_none() {
            self.write_out();
        }
        match self.segments.rotate(moment, self.events_in_segment()) {
            Ok(()) => {
                (self.overdue, self.warned, self.removed) = (false, false, false);
                self.table.begin_segment();
                self.statistics.segments.add(1);
                if self.segments.are_of_own_netns() {
                    self.statistics.segment_begun.set(self.segments.pushed().0);
                }
                self.retention.iter_mut().for_each(Retention::rotated);
                tracing::info!("{}: new segment", self.segments.path().display());
            }
            Err(error) => {
                self.overdue = true;
                if !std::mem::replace(&mut self.warned, true) {
                    match self.removed {
                        true => tracing::warn!("{error}; trying again"),
                        false => {
                            tracing::warn!("{error}; going on in {}, and trying again", self.segments.path().display())
                        }
                    }
                }
            }
        }
    }

    /// How many events the current segment tells of, recorded or lost.
    fn events_in_segment(&self) -> u64 {
        self.table.events(self.segments.totals())
    }

    /// Writes all there is, and logs what was counted.
    fn flush(&mut self) {
        // While the disk refuses, what waits in the queue stays there: its bound is the queue's.
        if self.refusal.is_none() {
            let waiting = self.queue.take_all();
            self.write(waiting);
            self.segments.writer().seal();
            self.write_out();
        }
        self.log_statistics();
    }

    /// Logs what was counted: once, if several network namespaces are recorded, for it is that of all.
    fn log_statistics(&mut self) {
        self.table.count();
        self.count_blocks();
        if self.segments.are_of_own_netns() {
            tracing::info!("{}", self.statistics);
        }
    }

    /// Tells that the network namespace has ended.
    fn vanish(&mut self, gone: Gone) {
        let flows = self.table.vanish(gone, self.segments.writer());
        let path = self.segments.path().display();
        tracing::info!("{path}: the network namespace has ended, and with it {}", counted(flows, "flow"));
    }

    /// Ends, since no new segment can ever be had: whoever starts the recorder again has a sandbox around the new directory.
    fn leave(self) -> Result<(), StartError> {
        let place = self.segments.directory();
        self.stop(None).and(Err(StartError::LeftBehind(place)))
    }

    /// Writes everything that was received, and the footer; before that, if it is `gone`, the ends of all that was alive in what was recorded.
    fn stop(mut self, gone: Option<Gone>) -> Result<(), StartError> {
        // The rest of the segment before may take its time; what happens meanwhile is heard, too.
        self.segments.settle();
        let drained = self.queue.wait_for_the_last();
        let until = gone.map_or(drained, |gone| gone.by);
        let rest = self.queue.take_all();
        self.write(rest);
        if let Some(gone) = gone {
            self.vanish(gone);
        }
        if self.segments.is_removed() {
            self.look_for_file();
            self.rotate(clock::now());
            self.segments.settle();
        }
        // Before the footer: nothing may stand behind it.
        self.note_given_up();
        self.losses.log_now();
        // Nothing received waits for what is being removed; only the footer does.
        self.segments.writer().seal();
        self.write_out();
        if let Some(retention) = self.retention.take() {
            retention.finish(&mut self.segments, self.statistics);
        }
        let open = self.table.len() as u64;
        self.segments.writer().note(&Note::at(until, Cause::Stopped).with_value(open));
        let before = self.segments.bytes();
        let written = self.segments.finish(until).and_then(|()| self.segments.write_out());
        self.statistics.bytes.add(self.segments.bytes() - before);
        let lost = match written {
            _ if self.segments.is_removed() => Some((Some(self.events_in_segment()), removed())),
            Err(error) => Some((self.segments.unwritten_events(), error)),
            // What a disk does not confirm it may have or not.
            Ok(()) => self.segments.sync_at_end().err().map(|error| (None, error)),
        };
        self.statistics.lost_on_disk.add(lost.as_ref().and_then(|(events, _)| *events).unwrap_or(0));
        self.log_statistics();
        let path = self.segments.path().to_path_buf();
        lost.map_or(Ok(()), |(events, error)| Err(StartError::Unwritten { path, events, error }))
    }
}

/// How it goes, in a line for the service manager.
fn status(segments: &Segments, statistics: &Statistics) -> String {
    let pulses = &statistics.pulses;
    let (path, alive) = (segments.path().display(), pulses.alive());
    let into = match (pulses.refused(), pulses.count()) {
        (0, ..=1) => "recording".into(),
        (0, journals) => format!("recording {journals} network namespaces"),
        (_, ..=1) => "NOTHING IS WRITTEN, the disk refuses, and events wait in memory: recording".into(),
        (refused, journals) => {
            format!(
                "NOTHING IS WRITTEN to {refused} of {journals} journals, the disk refuses, and events wait in memory: recording"
            )
        }
    };
    let (starts, ends, lost) = (statistics.starts.sum(), statistics.ends.sum(), statistics.lost());
    let [alive, starts, ends, lost] = [(alive, "flow"), (starts, "start"), (ends, "end"), (lost, "event")]
        .map(|(number, what)| counted(number, what));
    format!("{into} into {path}: {alive} alive; {starts}, {ends} received, {lost} lost")
}

fn removed() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the file was removed, and no new one can be created")
}
