//! Sees to it that what was written reaches the medium: `--sync`.
//!
//! With an interval it is done in a thread of its own, on a duplicate of the file, so that a slow disk never holds up the
//! thread that writes. A medium that refuses may have dropped what the file system had taken, and does not say what
//! (docs/format.md, section "The medium"): all since the last success becomes a gap, which may turn out to be none.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ctrecorder_format::{Cause, Note};

use super::clock;

/// How often what was written is synced with [`Sync::Interval`].
const INTERVAL: Duration = Duration::from_secs(10);

/// So many jobs wait at most: segments that were closed since the disk began to be slow.
const JOBS_MAX: usize = 64;

/// When what was written is synced to the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// At the end of the recorder only.
    None,
    /// Every 10 seconds, and when a segment is closed, in a thread of its own.
    Interval,
    /// Whenever something was written, before anything else is done.
    Block,
}

/// Syncs, and keeps what came of it.
#[derive(Debug)]
pub(super) struct Syncing {
    mode: Sync,
    worker: Option<Worker>,
    /// Something was written since the last time.
    dirty: bool,
    /// When it was done last.
    last: Instant,
    /// What arrived before (ns since the epoch) is on the medium, or in a gap.
    settled_until: u64,
    /// What may be missing on the medium.
    gap: Option<Note>,
    /// The last try failed, and that was said: of files, and of directories.
    file_refused: bool,
    directory_refused: bool,
}

/// Something to sync.
#[derive(Debug)]
struct Job {
    /// The file; `None`: the directory that it is in.
    file: Option<File>,
    path: PathBuf,
    /// What arrived before (ns since the epoch) was written.
    until: u64,
}

/// What came of a job.
#[derive(Debug)]
struct Outcome {
    is_file: bool,
    path: PathBuf,
    until: u64,
    result: io::Result<()>,
}

impl Job {
    /// To sync a file; what arrived before `until` is in it.
    fn file(file: &File, path: &Path, until: u64) -> Result<Self, Outcome> {
        let (duplicate, path) = (file.try_clone(), path.to_path_buf());
        match duplicate {
            Ok(file) => Ok(Self { file: Some(file), path, until }),
            Err(error) => Err(Outcome { is_file: true, path, until, result: Err(error) }),
        }
    }

    /// To sync the directory of a file, so that its name is kept.
    fn directory(path: &Path) -> Self {
        Self { file: None, path: path.to_path_buf(), until: 0 }
    }

    fn carry_out(self) -> Outcome {
        let result = match &self.file {
            Some(file) => file.sync_data(),
            None => File::open(self.path.parent().unwrap_or(Path::new("/"))).and_then(|directory| directory.sync_all()),
        };
        self.outcome(result)
    }

    fn outcome(self, result: io::Result<()>) -> Outcome {
        Outcome { is_file: self.file.is_some(), path: self.path, until: self.until, result }
    }
}

impl Syncing {
    /// Of a recorder whose first segment this is; that is synced at once, since there may be no second thread yet.
    pub(super) fn begin(mode: Sync, file: &File, path: &Path, created: u64) -> Self {
        let mut syncing = Self {
            mode,
            worker: None,
            dirty: false,
            last: Instant::now(),
            settled_until: created,
            gap: None,
            file_refused: false,
            directory_refused: false,
        };
        if mode != Sync::None {
            for job in [Job::file(file, path, created), Ok(Job::directory(path))] {
                syncing.settle(job.map_or_else(std::convert::identity, Job::carry_out));
            }
        }
        syncing
    }

    /// Bytes were written to the current segment. What arrived before `until` is in it.
    pub(super) fn written(&mut self, file: &File, path: &Path, until: u64) {
        self.dirty = true;
        if self.mode == Sync::Block {
            self.submit(Job::file(file, path, until));
        }
    }

    /// A segment has its footer. What arrived before `until` is in it, or in those before it.
    pub(super) fn closed(&mut self, file: &File, path: &Path, until: u64) {
        self.submit(Job::file(file, path, until));
    }

    /// A segment was created.
    pub(super) fn created(&mut self, path: &Path) {
        self.submit(Ok(Job::directory(path)));
    }

    /// To be called once a second: does what the interval asks for, unless the disk has not yet done what it was asked
    /// before.
    pub(super) fn tick(&mut self, file: &File, path: &Path, until: u64) {
        self.collect();
        let idle = self.worker.as_ref().is_none_or(|worker| worker.jobs == 0);
        if self.mode == Sync::Interval && self.dirty && idle && self.last.elapsed() >= INTERVAL {
            (self.dirty, self.last) = (false, Instant::now());
            self.submit(Job::file(file, path, until));
        }
    }

    /// What may be missing on the medium, to be noted.
    pub(super) const fn take_gap(&mut self) -> Option<Note> {
        self.gap.take()
    }

    /// Waits for all that was begun.
    pub(super) fn finish(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.end().into_iter().for_each(|outcome| self.settle(outcome));
        }
    }

    fn submit(&mut self, job: Result<Job, Outcome>) {
        let outcome = match (self.mode, job) {
            (Sync::None, _) => return,
            (_, Err(outcome)) => Err(outcome),
            (Sync::Block, Ok(job)) => Err(job.carry_out()),
            (Sync::Interval, Ok(job)) => self.worker.get_or_insert_with(Worker::start).give(job),
        };
        if let Err(outcome) = outcome {
            self.settle(outcome);
        }
    }

    /// Takes what the thread has done.
    fn collect(&mut self) {
        while let Some(outcome) = self.worker.as_mut().and_then(Worker::done) {
            self.settle(outcome);
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        let path = outcome.path.display();
        let refused = if outcome.is_file { &mut self.file_refused } else { &mut self.directory_refused };
        match (&outcome.result, std::mem::replace(refused, outcome.result.is_err())) {
            (Ok(()), true) => tracing::info!("{path}: synced to the disk again"),
            (Err(error), false) if outcome.is_file => {
                tracing::error!(
                    "{path}: cannot be synced: {error}; what the disk took since the last time may be lost"
                );
            }
            (Err(error), false) => tracing::error!("{path}: its directory cannot be synced: {error}"),
            _ => {}
        }
        if !outcome.is_file {
            return;
        }
        if outcome.result.is_err() {
            let now = clock::now();
            let gap = Note::gap(self.settled_until.min(now), now, Note::LOST_UNKNOWN, Cause::DiskError);
            self.gap = Some(self.gap.map_or(gap, |before| before.joined(&gap)));
        }
        // Refused or not: what is dropped is not tried again.
        self.settled_until = outcome.until;
    }
}

/// The thread that syncs, one job after the other.
#[derive(Debug)]
struct Worker {
    /// How many jobs were given and are not done.
    jobs: usize,
    to: SyncSender<Job>,
    from: Receiver<Outcome>,
    thread: io::Result<JoinHandle<()>>,
}

impl Worker {
    fn start() -> Self {
        let (to, jobs) = sync_channel(JOBS_MAX);
        let (outcomes, from) = channel();
        let thread = std::thread::Builder::new().name("sync".into()).spawn(move || work(jobs, outcomes));
        Self { jobs: 0, to, from, thread }
    }

    /// Hands a job over; if that cannot be, says what came of it.
    fn give(&mut self, job: Job) -> Result<(), Outcome> {
        self.to.try_send(job).map(|()| self.jobs += 1).map_err(|refused| {
            let why = match &self.thread {
                Ok(_) => io::Error::other("too many segments wait for the disk"),
                Err(error) => io::Error::new(error.kind(), format!("cannot start a thread: {error}")),
            };
            let (TrySendError::Full(job) | TrySendError::Disconnected(job)) = refused;
            job.outcome(Err(why))
        })
    }

    fn done(&mut self) -> Option<Outcome> {
        self.from.try_recv().ok().inspect(|_| self.jobs -= 1)
    }

    /// Waits until all is done, and returns what came of it.
    fn end(self) -> Vec<Outcome> {
        drop(self.to);
        let rest = self.from.iter().collect();
        if let Ok(thread) = self.thread {
            // It does nothing that could panic; and then its outcomes would be missing, not wrong.
            let _ = thread.join();
        }
        rest
    }
}

/// Until nobody gives jobs any more.
fn work(jobs: Receiver<Job>, outcomes: Sender<Outcome>) {
    for job in jobs {
        if outcomes.send(job.carry_out()).is_err() {
            return;
        }
    }
}
