//! The recording of one other network namespace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ctrecorder_format::header::namespace;
use ctrecorder_format::{Cause, Clock, Header};

use super::super::error::StartError;
use super::super::pattern::Pattern;
use super::super::queue::{Command, Queue};
use super::super::run::{EndTogether, Options};
use super::super::segments::Segments;
use super::super::statistics::Statistics;
use super::super::table::Table;
use super::super::write::Recording;
use super::super::{clock, header, settings};
use super::before::Before;
use super::door::{Door, Doors, is_shortage};

/// A file that could not be created is tried again so often.
const PAUSE: Duration = Duration::from_secs(1);

/// So many files of one name, numbered, are passed over at most: an id is given again to another namespace.
const NUMBERED_MAX: u32 = 1000;

/// What `filters` of a header says where it is not sure that the namespace reports the flows that begin. It makes who say UNKNOWN
/// rather than NONE.
const NOT_ALL: &str = "what the namespace reported, whose nf_conntrack_events was not known to be on";

/// Another network namespace, and what its recording needs.
pub(super) struct Elsewhere {
    /// Its id in the recorder's own.
    pub(super) id: u32,
    pub(super) options: Arc<Options>,
    pub(super) statistics: Arc<Statistics>,
    pub(super) queue: Arc<Queue>,
    /// The number that tells it from all others, about when it began, ns since the epoch.
    pub(super) begun: u64,
    /// When it began, ns since the epoch.
    pub(super) created: u64,
    /// An event was heard.
    pub(super) is_heard: bool,
    /// It is of the namespace that has the id now, and not perhaps of one that had it before.
    pub(super) is_sure: bool,
    pub(super) doors: Doors,
    pub(super) before: Arc<Before>,
    /// When the recorder was started, ns since the epoch.
    pub(super) started: u64,
}

/// What was found there.
struct Found {
    /// `nf_conntrack_events` was 1 when it was found: the ends of the flows that were there are heard, too.
    reported_all: bool,
    /// What begins from now on is reported.
    reports: bool,
    /// Packets and bytes are counted.
    counts: bool,
    /// Flows are stamped with the kernel's time.
    stamps: bool,
}

impl Elsewhere {
    /// Records until told to stop. Returns at once if nothing can be heard there, as far as is known.
    pub(super) fn record(self) -> Result<(), StartError> {
        let _guard = EndTogether(&self.queue);
        let _span = tracing::info_span!("netns", id = self.id).entered();
        let mut door = if self.is_sure { self.doors.of(self.id) } else { self.doors.none() };
        let found = self.look(&mut door)?;
        let reports = found.as_ref().is_some_and(|found| found.reports);
        if !reports && !self.is_heard {
            if found.is_some() {
                tracing::warn!(
                    "not recorded, for it does not report its flows: {} there, or start with --set-sysctls",
                    settings::EVENTS.command()
                );
            }
            return Ok(());
        }
        let first = self.header(&door, found.as_ref());
        let not_running = self.before.not_running(&self.options.pattern, self.id, &first, self.started);
        let segments = self.create(first)?;
        tracing::info!("{}: recording", segments.path().display());
        let wanted = self.options.wanted();
        let prior_audible = found.is_some_and(|found| found.reported_all);
        let table = Table::new(wanted, self.options.poll, prior_audible, &self.queue, &self.statistics).behind(door);
        // What is too much of it, or too old, the recorder removes that has begun this.
        Recording::new(segments, not_running, table, &self.queue, &self.statistics, None, None).run()
    }

    /// Looks at the namespace's settings, and sets them, if wanted; `None` if there is no way in. As long as there are too few file
    /// descriptors to know that, events wait in the queue.
    fn look(&self, door: &mut Door) -> Result<Option<Found>, StartError> {
        let mut is_told = false;
        loop {
            let error = match door.within(|| self.look_around()) {
                Ok(found) => return Ok(Some(found)),
                Err(error) => error,
            };
            if !is_shortage(&error) {
                tracing::warn!("no way into this network namespace: {error}; what was there before is not known");
                return Ok(None);
            }
            if !std::mem::replace(&mut is_told, true) {
                tracing::error!("this network namespace cannot be looked at: {error}; trying again");
            }
            if self.is_over(Cause::QueueFull) {
                return Err(StartError::System { what: "cannot look at a network namespace", error });
            }
        }
    }

    /// The same, once within.
    fn look_around(&self) -> Found {
        let options = &self.options;
        let reported_all = settings::reports_all();
        let failed = if options.set_sysctls { settings::set(options.accounting) } else { Vec::new() };
        failed.iter().for_each(|failure| tracing::warn!("{failure}"));
        let (reports, counts) = (settings::reports_elsewhere(), settings::counts());
        Found { reported_all, reports, counts, stamps: settings::stamps() }
    }

    /// Waits a while, and returns whether to give up. Events stay in the queue; what finds no room there is put down to this cause.
    fn is_over(&self, cause: Cause) -> bool {
        let commands = self.queue.take(Instant::now() + PAUSE, Some(cause)).commands;
        commands.iter().any(|command| matches!(command, Command::Stop | Command::StopNow | Command::Gone(_)))
    }

    fn header(&self, door: &Door, found: Option<&Found>) -> Header {
        let inode = door.inode().and_then(|inode| u32::try_from(inode).ok()).unwrap_or(0);
        let is_sure = found.is_some_and(|found| found.reports);
        Header {
            recorder_started: self.begun,
            namespace: namespace(inode, Some(self.id)),
            // Where that is not known there may be something to keep.
            counters: found.is_none_or(|found| found.counts),
            clock: if found.is_some_and(|found| found.stamps) { Clock::Kernel } else { Clock::Arrival },
            filters: if is_sure { String::new() } else { NOT_ALL.into() },
            ..header::first(&self.options.families, &self.options.protocols, self.created)
        }
    }

    /// The pattern of its files, of which so many were passed over.
    fn pattern(&self, passed_over: u32) -> Pattern {
        self.options.pattern.of_netns(self.id, passed_over)
    }

    /// Creates the first segment; as long as that fails, events wait in the queue.
    fn create(&self, mut header: Header) -> Result<Segments, StartError> {
        let (mut passed_over, mut is_told) = (0, false);
        loop {
            let error = match Segments::create(self.pattern(passed_over), header.clone(), self.options.sync) {
                Ok(segments) => return Ok(segments),
                Err(StartError::Exists(_)) if passed_over < NUMBERED_MAX => {
                    passed_over += 1;
                    continue;
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut is_told, true) {
                tracing::error!("{error}; events wait in memory, what finds no room there will be counted");
            }
            if self.is_over(Cause::DiskError) {
                return Err(error);
            }
            header.created = clock::now();
        }
    }
}
