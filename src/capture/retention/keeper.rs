//! The thread that looks for what is to be removed, and removes it. It alone opens files of the journal for that.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use ctrecorder_format::Retirement;
use nix::sys::statvfs::statvfs;

use super::super::pattern::Pattern;
use super::super::predecessor::Origin;
use super::super::{clock, files};
use super::Limits;
use super::doubt::{Doubt, Moment};
use super::due::{Candidate, Holds, Why, due};
use super::own::{self, Finder, Own, Version};
use super::pace::{Pace, Share};
use super::room::Room;
use crate::file::{self, Identity};
use crate::hold;

/// Of a run that was cut off, what it said in so many of its last segments it may not have done: a note and what comes of it are
/// seconds apart, and new segments may have been asked for meanwhile.
const UNSETTLED: usize = 4;

/// A segment that is to be removed.
#[derive(Debug)]
pub(super) struct Doomed {
    path: PathBuf,
    version: Version,
    /// What the journal says of it.
    pub(super) told: Retirement,
    why: Why,
}

/// The segment that says so, and its length with the notes in it.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) length: u64,
}

/// What the thread is asked to do.
enum Task {
    /// Look what is to be removed; the segment being written is not.
    Look { path: PathBuf, current: Option<Identity> },
    /// Remove these, once the notes of it are on the medium; `None`: they cannot get there for want of room.
    Remove { announced: Option<Announced>, doomed: Vec<Doomed> },
}

/// What came of it.
pub(super) enum Report {
    /// These are to be removed, and more of them as soon as they are if `is_urgent`; of `kept` a run that was cut off said so, and they
    /// are there.
    Looked { doomed: Vec<Doomed>, is_urgent: bool, kept: Vec<Retirement> },
    /// What came of a removal.
    Removed(Removed),
}

/// What was removed, and what was not.
#[derive(Default)]
pub(super) struct Removed {
    /// So many segments.
    pub(super) count: u64,
    /// Of so many bytes in all.
    pub(super) bytes: u64,
    /// These are still there.
    pub(super) kept: Vec<Retirement>,
    /// Of which so many could not be removed, and are not tried again before the next segment.
    pub(super) failed: u64,
}

/// The thread, from outside: it has one task at a time.
pub(super) struct Keeper {
    worker: Option<Worker>,
    /// What the thread will work with, until it starts.
    work: Option<Work>,
    /// Tells it to leave what it has not done yet.
    stop: Arc<AtomicBool>,
}

struct Worker {
    to: Sender<Task>,
    from: Receiver<Report>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Of the recorder that `own` tells of.
    pub(super) fn new(limits: Limits, pattern: &Pattern, own: Origin) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let work = Work {
            limits,
            base: pattern.fixed_directory(),
            finder: Finder::new(pattern.clone(), own, stop.clone()),
            stop: stop.clone(),
            stuck: HashSet::new(),
            said_stuck: HashSet::new(),
            first: true,
            said: None,
            current: PathBuf::new(),
            said_too_large: false,
            said_beyond: false,
            room: Room::default(),
            doubt: limits.max_age.map(Doubt::new),
            pace: Pace::default(),
        };
        Self { worker: None, work: Some(work), stop }
    }

    /// Has the thread look; returns whether it will report.
    pub(super) fn look(&mut self, path: PathBuf, current: Option<Identity>) -> bool {
        self.give(Task::Look { path, current })
    }

    /// Has the thread remove; returns whether it will report.
    pub(super) fn remove(&mut self, announced: Option<Announced>, doomed: Vec<Doomed>) -> bool {
        self.give(Task::Remove { announced, doomed })
    }

    /// What came of the last task, if it is done.
    pub(super) fn report(&self) -> Option<Report> {
        self.worker.as_ref()?.from.try_recv().ok()
    }

    /// Waits for what cannot be left undone any more.
    pub(super) fn end(self) -> Vec<Report> {
        let Some(Worker { to, from, thread }) = self.worker else { return Vec::new() };
        self.stop.store(true, Ordering::Relaxed);
        drop(to);
        let reports = from.iter().collect();
        // If it panicked its report is missing, and what it was to remove stays announced.
        let _ = thread.join();
        reports
    }

    fn give(&mut self, task: Task) -> bool {
        if let Some(work) = self.work.take() {
            self.worker = start(work);
        }
        self.worker.as_ref().is_some_and(|worker| worker.to.send(task).is_ok())
    }
}

fn start(mut work: Work) -> Option<Worker> {
    let (to, tasks) = channel();
    let (reports, from) = channel();
    let run = move || {
        for task in tasks {
            if reports.send(work.carry_out(task)).is_err() {
                return;
            }
        }
    };
    match std::thread::Builder::new().name("keep".into()).spawn(run) {
        Ok(thread) => Some(Worker { to, from, thread }),
        Err(error) => {
            tracing::error!("nothing will be removed: cannot start a thread: {error}");
            None
        }
    }
}

/// What the thread works with.
struct Work {
    limits: Limits,
    /// The directory below which all segments are.
    base: PathBuf,
    finder: Finder,
    /// The recorder ends, and waits for this.
    stop: Arc<AtomicBool>,
    /// What could not be removed; tried again in the next segment.
    stuck: HashSet<PathBuf>,
    /// Of which that was said.
    said_stuck: HashSet<PathBuf>,
    /// No look was taken yet.
    first: bool,
    /// Why nothing is removed, as it was said last.
    said: Option<String>,
    /// The segment that was being written at the last look.
    current: PathBuf,
    /// That it alone is larger than all together may be was said.
    said_too_large: bool,
    /// That `--min-free` cannot be met was said.
    said_beyond: bool,
    room: Room,
    /// If there is a limit of age.
    doubt: Option<Doubt>,
    pace: Pace,
}

impl Work {
    fn carry_out(&mut self, task: Task) -> Report {
        match task {
            Task::Look { path, current } => self.look(&path, current),
            Task::Remove { announced, doomed } => self.remove(announced, doomed),
        }
    }

    fn look(&mut self, current: &Path, identity: Option<Identity>) -> Report {
        if self.current != current {
            (self.current, self.said_too_large) = (current.to_path_buf(), false);
            self.stuck.clear();
        }
        let segments = self.finder.find((current, identity));
        let held = hold::look(&self.base, segments.iter().map(|own| own.path.as_path())).err();
        let is_held = self.say(held.map(|held| held.to_string()));
        let (doomed, is_urgent) = if is_held { Default::default() } else { self.doomed(&segments, current) };
        let is_first = std::mem::take(&mut self.first);
        if is_first && let Some(left) = self.finder.left_behind() {
            tracing::warn!("{left}");
        }
        let survivors = if is_first { survivors(&segments) } else { Vec::new() };
        let goes = |told: &Retirement| doomed.iter().any(|doomed| same(&doomed.told, told));
        let kept = survivors.into_iter().filter(|told| !goes(told)).collect();
        Report::Looked { doomed, is_urgent, kept }
    }

    /// Says once what keeps segments from being removed, and that it does so no more. Returns whether something does.
    fn say(&mut self, why: Option<String>) -> bool {
        if self.said != why {
            match &why {
                Some(why) => tracing::warn!("{why}"),
                None => tracing::info!("segments are removed again"),
            }
            self.said.clone_from(&why);
        }
        why.is_some()
    }

    /// What is to go, the oldest first, and whether more is to go as soon as that is done.
    fn doomed(&mut self, segments: &[Own], current: &Path) -> (Vec<Doomed>, bool) {
        let now = Moment { wall: clock::now(), steady: clock::steady() };
        let current_bytes = current.metadata().map_or(0, |metadata| metadata.len());
        self.warn_of_size(current, current_bytes);
        let free: Vec<_> = segments.iter().filter(|own| !self.stuck.contains(&own.path)).collect();
        let candidates: Vec<_> =
            free.iter().map(|own| Candidate { created: own.past.created, bytes: own.version.bytes }).collect();
        let room = Holds {
            now: now.wall,
            // Were those counted that cannot be removed, everything else would have to make room for them.
            fixed_bytes: current_bytes,
            free: free_bytes(current).and_then(|free| self.room.expected(now.steady, free)),
        };
        let min_free = self.limits.min_free.filter(|limit| !self.is_beyond(*limit, &candidates, room.free));
        let newest = segments.iter().map(|own| own.past.end).max();
        let is_due = due(&self.limits, &candidates, &room).contains(&Why::Age);
        let synchronised = clock::kept().ok().map(|kept| kept.synchronised);
        let doubted = self.doubt.as_mut().is_some_and(|doubt| doubt.holds(now, newest, synchronised, is_due));
        let max_age = self.limits.max_age.filter(|_| !doubted);
        let limits = Limits { max_age, min_free, ..self.limits };
        let demanded = due(&Limits { max_age: None, ..limits }, &candidates, &room).len();
        let due = due(&limits, &candidates, &room);
        let Share { count, is_urgent } = self.pace.share(&limits, due.len(), demanded, segments.len());
        let doomed = free.into_iter().zip(due).take(count).map(|(own, why)| Doomed::new(own, why));
        (doomed.collect(), is_urgent)
    }

    fn warn_of_size(&mut self, current: &Path, bytes: u64) {
        let is_too_large = self.limits.max_size.is_some_and(|limit| bytes > limit);
        if is_too_large && !std::mem::replace(&mut self.said_too_large, true) {
            tracing::warn!("{}: alone larger than --max-size; rotate more often, or allow more", current.display());
        }
    }

    /// Whether so much cannot get free by removing: then nothing is removed for it.
    fn is_beyond(&mut self, limit: u64, candidates: &[Candidate], free: Option<u64>) -> bool {
        let Some(free) = free else { return false };
        let most = candidates.iter().fold(free, |sum, candidate| sum.saturating_add(candidate.bytes));
        let is_beyond = most < limit;
        if is_beyond && !self.said_beyond {
            tracing::warn!(
                "--min-free cannot be met, and removes nothing: without any of the older files there would be {most} bytes free; \
                 others take the disk"
            );
        }
        self.said_beyond = is_beyond;
        is_beyond
    }

    fn remove(&mut self, announced: Option<Announced>, doomed: Vec<Doomed>) -> Report {
        let mut removed = Removed::default();
        let noted = announced.map_or(Ok(()), |announced| announced.settle());
        if let Err(error) = &noted {
            tracing::error!("nothing is removed: that it is cannot be noted on the disk: {error}");
        }
        let place = doomed.first().map(|doomed| doomed.path.clone()).unwrap_or_default();
        let before = free_bytes(&place);
        for doomed in doomed {
            // Someone may have put it there since.
            let held = hold::look(&self.base, [doomed.path.as_path()]).err();
            let stops = self.stop.load(Ordering::Relaxed);
            if stops || noted.is_err() || self.say(held.map(|held| held.to_string())) {
                removed.kept.push(doomed.told);
                continue;
            }
            match doomed.unlink() {
                Ok(()) => {
                    tracing::info!("{}: removed: {}", doomed.path.display(), doomed.why.text());
                    (removed.count, removed.bytes) = (removed.count + 1, removed.bytes + doomed.version.bytes);
                }
                Err(error) => {
                    self.say_stuck(&doomed.path, &error);
                    self.stuck.insert(doomed.path);
                    removed.kept.push(doomed.told);
                    removed.failed += 1;
                }
            }
        }
        if let Some((before, after)) = before.zip(free_bytes(&place)).filter(|_| removed.count > 0) {
            self.room.unlinked(clock::steady(), removed.bytes, before, after);
        }
        Report::Removed(removed)
    }

    /// Says once of a file that it cannot be removed.
    fn say_stuck(&mut self, path: &Path, error: &io::Error) {
        if self.said_stuck.insert(path.to_path_buf()) {
            tracing::warn!(
                "{}: cannot be removed, and does not count for --max-size; that is tried again in each new file: {error}",
                path.display()
            );
        }
    }
}

impl Doomed {
    /// What it knew of earlier ones is not to go with it.
    fn new(own: &Own, why: Why) -> Self {
        let Own { path, version, past, number } = own.clone();
        let known = Retirement::standing(&own::retirements(&path));
        let from = known.iter().map(|told| told.from).fold(past.created, u64::min);
        let told = Retirement { from, to: past.end.max(from), segment: u32::try_from(number).unwrap_or(u32::MAX) };
        Self { path, version, told, why }
    }

    fn unlink(&self) -> io::Result<()> {
        if Version::at(&self.path) != Some(self.version) {
            return Err(io::Error::other("it is another file now, or was changed"));
        }
        fs::remove_file(&self.path)
    }
}

impl Announced {
    /// Sees to it that the notes, and the name of the file that holds them, outlive the machine. The file is opened anew: an error
    /// of the disk is told once to everyone who has it open, and the recorder's own sync is to hear of it, too.
    fn settle(&self) -> io::Result<()> {
        let file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        if file::identity(&metadata) != self.identity || metadata.len() < self.length {
            return Err(io::Error::other(format!("{} was removed or is not whole", self.path.display())));
        }
        file.sync_data()?;
        file::sync_directory(file::directory_of(&self.path))
    }
}

/// Whether both are about one segment.
fn same(one: &Retirement, other: &Retirement) -> bool {
    (one.to, one.segment) == (other.to, other.segment)
}

/// What the last run said to be removed, and is there: it was cut off, or someone put it back.
fn survivors(segments: &[Own]) -> Vec<Retirement> {
    let is_there = |told: &Retirement| {
        let number = |own: &Own| u32::try_from(own.number).unwrap_or(u32::MAX);
        segments.iter().any(|own| (own.past.end, number(own)) == (told.to, told.segment))
    };
    let notes: Vec<_> = segments.iter().rev().take(UNSETTLED).flat_map(|own| own::retirements(&own.path)).collect();
    Retirement::standing(&notes).into_iter().filter(is_there).collect()
}

/// What the file system of this file has free for others than root.
fn free_bytes(path: &Path) -> Option<u64> {
    statvfs(file::directory_of(path)).ok().as_ref().map(files::free_bytes)
}
