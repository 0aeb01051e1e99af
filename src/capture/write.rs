//! The thread that writes: events from the queue into segments.
//!
//! It wakes once a second, at the moment of rotation, for a command, or when many events wait. A record is in the file
//! at most a second after its event. While the disk refuses, events stay in the queue up to its bound; what is sealed
//! waits in the segment's writer, which goes on at the very byte where it was stopped.

use std::io;
use std::time::{Duration, Instant};

use ctrecorder_format::{Cause, Note};

use super::clock;
use super::error::StartError;
use super::queue::{Command, Element, Queue};
use super::segments::Segments;
use super::statistics::Statistics;

/// How long an event waits for its block at most, and how often a refusing disk is tried again.
const TICK: Duration = Duration::from_secs(1);

/// The writing side.
pub(super) struct Recording<'a> {
    queue: &'a Queue,
    statistics: &'a Statistics,
    segments: Segments,
    next_rotation: Option<u64>,
    /// A new segment is wanted and could not be had yet.
    overdue: bool,
    /// What the disk last said, while it refuses.
    refusal: Option<io::ErrorKind>,
    /// Events taken from the queue, and how many of them were in the file when nothing waited.
    taken: u64,
    safe: u64,
}

impl<'a> Recording<'a> {
    pub(super) fn new(mut segments: Segments, queue: &'a Queue, statistics: &'a Statistics) -> Self {
        let next_rotation = segments.next_rotation(clock::now());
        statistics.segments.add(1);
        segments.writer().note(&Note::at(clock::now(), Cause::Started));
        Self { queue, statistics, segments, next_rotation, overdue: false, refusal: None, taken: 0, safe: 0 }
    }

    /// Writes until told to stop.
    pub(super) fn run(mut self) -> Result<(), StartError> {
        let mut tick = Instant::now() + TICK;
        loop {
            let taken = self.queue.take(self.deadline(tick), self.cause());
            self.write(taken.elements);
            let ticked = Instant::now() >= tick;
            if ticked {
                tick = Instant::now() + TICK;
                self.segments.writer().seal();
            }
            for command in taken.commands {
                match command {
                    Command::Stop => return self.stop(),
                    Command::Flush => self.flush(),
                    Command::NewSegment => self.rotate(clock::now()),
                }
            }
            self.rotate_if_due(ticked);
            if self.refusal.is_none() || ticked {
                self.write_out();
            }
        }
    }

    /// When to wake at the latest.
    fn deadline(&self, tick: Instant) -> Instant {
        let rotation =
            self.next_rotation.map(|moment| Instant::now() + Duration::from_nanos(moment.saturating_sub(clock::now())));
        rotation.map_or(tick, |rotation| rotation.min(tick))
    }

    /// What losses are put down to while the disk refuses.
    fn cause(&self) -> Option<Cause> {
        self.refusal.map(|kind| match kind {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Cause::DiskFull,
            _ => Cause::DiskError,
        })
    }

    fn write(&mut self, elements: impl IntoIterator<Item = Element>) {
        let writer = self.segments.writer();
        for element in elements {
            match element {
                Element::Events(events) => {
                    self.taken += events.len() as u64;
                    events.iter().for_each(|event| event.write(writer));
                }
                Element::Note(note) => writer.note(&note),
            }
        }
    }

    /// Writes what is sealed; says when the disk begins to refuse, and when it takes again.
    fn write_out(&mut self) {
        let before = self.segments.waiting();
        let result = self.segments.write_out();
        self.statistics.bytes.add(before - self.segments.waiting());
        let path = self.segments.path().display();
        match (result, self.refusal) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                tracing::info!("{path}: the disk takes data again; all that waited is written");
                self.refusal = None;
            }
            (Err(error), refusal) => {
                if refusal != Some(error.kind()) {
                    tracing::error!("{path}: {error}; events wait in memory, what finds no room there will be counted");
                }
                self.refusal = Some(error.kind());
            }
        }
        if self.refusal.is_none() && !self.segments.writer().is_gathering() {
            self.safe = self.taken;
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
            self.rotate(moment);
        } else if ticked && self.overdue {
            self.rotate(now);
        }
        // After the clock was set back, the next rotation is nearer than it was.
        self.next_rotation = self.next_rotation.min(next);
    }

    fn rotate(&mut self, moment: u64) {
        // The old segment gets its rest first, so that it can be closed at once.
        self.segments.writer().seal();
        match self.segments.rotate(moment) {
            Ok(()) => {
                self.overdue = false;
                self.statistics.segments.add(1);
                tracing::info!("{}: new segment", self.segments.path().display());
            }
            Err(error) => {
                if !std::mem::replace(&mut self.overdue, true) {
                    tracing::warn!("{error}; going on in {}, and trying again", self.segments.path().display());
                }
            }
        }
    }

    fn flush(&mut self) {
        let waiting = self.queue.take(Instant::now(), self.cause());
        self.write(waiting.elements);
        self.segments.writer().seal();
        self.write_out();
        tracing::info!("{}", self.statistics);
    }

    /// Writes everything that was received, and the footer.
    fn stop(mut self) -> Result<(), StartError> {
        let rest = self.queue.take_all();
        self.write(rest);
        let now = clock::now();
        self.segments.writer().note(&Note::at(now, Cause::Stopped));
        let result = self.segments.finish().and_then(|()| {
            let before = self.segments.waiting();
            let written = self.segments.write_out();
            self.statistics.bytes.add(before - self.segments.waiting());
            written.and_then(|()| self.segments.file().sync_all())
        });
        tracing::info!("{}", self.statistics);
        let path = self.segments.path().to_path_buf();
        let events = self.taken - self.safe;
        result.map_err(|error| StartError::Unwritten { path, events, error })
    }
}
