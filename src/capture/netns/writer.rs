//! The queue and the thread of one other network namespace, as the draining side has them.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::super::clock;
use super::super::convert::Captured;
use super::super::error::StartError;
use super::super::queue::{Element, Queue};
use super::super::run::Options;
use super::super::statistics::Statistics;
use super::before::Before;
use super::door::Doors;
use super::recording::Elsewhere;

/// Where no thread can be had, one is asked for so often.
const PAUSE: Duration = Duration::from_secs(1);

/// What all of them have in common.
pub(super) struct Terms {
    options: Arc<Options>,
    pub(super) statistics: Arc<Statistics>,
    doors: Doors,
    before: Arc<Before>,
    /// When the recorder was started, ns since the epoch.
    started: u64,
    /// No thread could be had: when to ask again.
    refused: Option<Instant>,
}

/// What writes for one namespace.
pub(super) struct Writer {
    id: u32,
    pub(super) queue: Arc<Queue>,
    /// What is on its way from the socket to the queue.
    pub(super) batch: Vec<Captured>,
    /// What its queue had asked when the socket was last looked at.
    pub(super) ticket: u64,
    is_heard: bool,
    is_sure: bool,
    /// See [`Elsewhere::begun`] and [`Elsewhere::created`].
    begun: (u64, u64),
    /// `None`: it was not begun yet, for want of threads.
    thread: Option<JoinHandle<Result<(), StartError>>>,
}

impl Terms {
    pub(super) fn new(options: Options, statistics: Arc<Statistics>) -> Self {
        let (doors, before) = (Doors::default(), Arc::default());
        Self { options: Arc::new(options), statistics, doors, before, started: clock::now(), refused: None }
    }

    /// Whether a thread may be asked for.
    pub(super) fn may_start(&self) -> bool {
        self.refused.is_none_or(|until| Instant::now() >= until)
    }

    /// One may be asked for once more, whenever that was last refused.
    pub(super) fn ask_again(&mut self) {
        self.refused = self.refused.map(|_| Instant::now());
    }
}

impl Writer {
    /// One that is to be started. See [`Elsewhere`].
    pub(super) fn new(id: u32, queue: Queue, is_heard: bool, is_sure: bool, begun: (u64, u64)) -> Self {
        Self { id, queue: Arc::new(queue), batch: Vec::new(), ticket: 0, is_heard, is_sure, begun, thread: None }
    }

    /// Starts its thread, unless it has one or none can be had: until then events wait in the queue.
    pub(super) fn start(&mut self, terms: &mut Terms) {
        if self.thread.is_some() || !terms.may_start() {
            return;
        }
        let elsewhere = Elsewhere {
            id: self.id,
            options: Arc::clone(&terms.options),
            statistics: Arc::clone(&terms.statistics),
            queue: Arc::clone(&self.queue),
            begun: self.begun.0,
            created: self.begun.1,
            is_heard: self.is_heard || self.queue.holds_events(),
            doors: terms.doors.clone(),
            before: Arc::clone(&terms.before),
            started: terms.started,
            is_sure: self.is_sure,
        };
        match Builder::new().name(format!("netns {}", self.id)).spawn(move || elsewhere.record()) {
            Ok(thread) => {
                self.thread = Some(thread);
                if terms.refused.take().is_some() {
                    tracing::info!("network namespace {}: there are threads again", self.id);
                }
            }
            Err(error) => {
                if terms.refused.replace(Instant::now() + PAUSE).is_none() {
                    tracing::error!(
                        "network namespace {}: no thread can be started: {error}; its events, and those of others that \
                         begin, wait in memory; trying again",
                        self.id
                    );
                }
            }
        }
    }

    /// Whether its thread was started once.
    pub(super) const fn has_run(&self) -> bool {
        self.thread.is_some()
    }

    /// Whether its thread has ended, or was never started.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Whether there is nothing that its thread has to do, or would have if there was one.
    pub(super) fn is_done(&self) -> bool {
        if self.has_run() { self.has_ended() } else { self.batch.is_empty() && self.queue.is_empty() }
    }

    /// Another namespace may have its id by the time when its thread looks.
    pub(super) fn lose_namespace(&mut self) {
        self.is_sure = false;
    }

    /// Puts what was received into the queue; returns how many events found no room.
    pub(super) fn hand_over(&mut self) -> u64 {
        if self.batch.is_empty() { 0 } else { self.queue.push(&mut self.batch) }
    }

    /// All that it was given and did not take.
    pub(super) fn take_waiting(&mut self) -> Vec<Element> {
        let batch = std::mem::take(&mut self.batch);
        let batch = (!batch.is_empty()).then_some(Element::Events(batch));
        self.queue.take_all().into_iter().chain(batch).collect()
    }

    /// Waits until its thread has ended, and returns how; one that was never started has nothing to say.
    pub(super) fn join(&mut self) -> Result<(), StartError> {
        self.thread.take().map_or(Ok(()), |thread| {
            thread.join().unwrap_or_else(|_| {
                let error = io::Error::other("it panicked; this is a defect");
                Err(StartError::System { what: "the writing thread of a network namespace ended early", error })
            })
        })
    }
}
