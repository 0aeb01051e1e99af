//! The recording of one other network namespace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ctrecorder_format::header::namespace;
use ctrecorder_format::{Cause, Header};

use super::super::error::StartError;
use super::super::pattern::Pattern;
use super::super::predecessor::Origin;
use super::super::queue::{Command, Queue};
use super::super::run::{EndTogether, Options};
use super::super::segments::Segments;
use super::super::statistics::Statistics;
use super::super::table::Table;
use super::super::write::Recording;
use super::super::{clock, header, neighbours, settings};
use super::door::Door;

/// A file that could not be created is tried again so often.
const PAUSE: Duration = Duration::from_secs(1);

/// So many files of one name, numbered, are passed over at most: an id is given again to another namespace.
const NUMBERED_MAX: u32 = 1000;

/// What `filters` of a header says where it is not sure that the namespace reports the flows that begin. It makes who say UNKNOWN
/// rather than NONE.
const NOT_ALL: &str = "what the namespace reported, whose nf_conntrack_events was not known to be on";

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In order.
    Recorded,
    /// It was not begun: nothing can be heard there, as far as is known.
    Unheard,
}

/// Another network namespace, and what its recording needs.
pub(super) struct Elsewhere {
    /// Its id in the recorder's own.
    pub(super) id: u32,
    pub(super) options: Arc<Options>,
    pub(super) statistics: Arc<Statistics>,
    pub(super) queue: Arc<Queue>,
    /// When it began, ns since the epoch; no other recording has the same.
    pub(super) begun: u64,
    /// An event was heard.
    pub(super) is_heard: bool,
}

/// What was found there.
struct Found {
    /// `nf_conntrack_events` was 1 when it was found: the ends of the flows that were there are heard, too.
    reported_all: bool,
    /// What begins from now on is reported.
    reports: bool,
    /// Packets and bytes are counted.
    counts: bool,
}

impl Elsewhere {
    /// Records until told to stop.
    pub(super) fn record(self) -> Result<End, StartError> {
        let _guard = EndTogether(&self.queue);
        let _span = tracing::info_span!("netns", id = self.id).entered();
        let mut door = Door::of(self.id);
        let found = self.look(&mut door);
        let reports = found.as_ref().is_some_and(|found| found.reports);
        if !reports && !self.is_heard {
            if found.is_some() {
                tracing::warn!(
                    "not recorded, for it does not report its flows: {} there, or start with --set-sysctls",
                    settings::EVENTS.command()
                );
            }
            return Ok(End::Unheard);
        }
        let first = self.header(&door, found.as_ref());
        let own = Origin::of(&first);
        let not_running = neighbours::not_running_before(&self.options.pattern, self.id, &own, first.created);
        let segments = self.create(first)?;
        tracing::info!("{}: recording", segments.path().display());
        let wanted = self.options.wanted();
        let prior_audible = found.is_some_and(|found| found.reported_all);
        let table = Table::new(wanted, self.options.poll, prior_audible, &self.queue, &self.statistics).behind(door);
        // What is too much of it, or too old, the recorder removes that has begun this.
        Recording::new(segments, not_running, table, &self.queue, &self.statistics, None, None).run()?;
        Ok(End::Recorded)
    }

    /// Looks at the namespace's settings, and sets them, if wanted; `None` if there is no way in.
    fn look(&self, door: &mut Door) -> Option<Found> {
        let options = &self.options;
        let within = door.within(|| {
            let reported_all = settings::reports_all();
            let failed = if options.set_sysctls { settings::set(options.accounting) } else { Vec::new() };
            failed.iter().for_each(|failure| tracing::warn!("{failure}"));
            Found { reported_all, reports: settings::reports_elsewhere(), counts: settings::counts() }
        });
        within
            .inspect_err(|error| {
                tracing::warn!("no way into this network namespace: {error}; what was there before is not known");
            })
            .ok()
    }

    fn header(&self, door: &Door, found: Option<&Found>) -> Header {
        let inode = door.inode().and_then(|inode| u32::try_from(inode).ok()).unwrap_or(0);
        let is_sure = found.is_some_and(|found| found.reports);
        Header {
            namespace: namespace(inode, Some(self.id)),
            // Where that is not known there may be something to keep.
            counters: found.is_none_or(|found| found.counts),
            filters: if is_sure { String::new() } else { NOT_ALL.into() },
            ..header::first(&self.options.families, &self.options.protocols, self.begun)
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
            let commands = self.queue.take(Instant::now() + PAUSE, Some(Cause::DiskError)).commands;
            if commands.iter().any(|command| matches!(command, Command::Stop | Command::StopNow)) {
                return Err(error);
            }
            header.created = clock::now();
        }
    }
}
