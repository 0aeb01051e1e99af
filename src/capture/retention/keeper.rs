//! The thread that looks for what is to be removed, and removes it. It alone opens files of the journal for that.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use ctrecorder_format::Retirement;
use nix::sys::statvfs::statvfs;

use super::super::clock::{self, SECOND, StepWatch};
use super::super::files;
use super::super::pattern::Pattern;
use super::super::predecessor::Origin;
use super::Limits;
use super::doomed::{Doomed, survivors};
use super::doubt::{Doubt, Moment};
use super::due::{Candidate, Holds, Why, due, grown};
use super::own::{Finder, Journals, Own};
use super::pace::{Load, Pace, Share};
use super::room::Room;
use crate::file::{self, Identity};
use crate::hold;

/// What was recorded in this time tells whether the clock has been as it is for long.
const WEEK_NS: u64 = 7 * 86_400 * SECOND;

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
            directories: BTreeSet::new(),
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
            clock: StepWatch::begin(),
            was_set: false,
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
    /// Those that they were in at the last look.
    directories: BTreeSet<PathBuf>,
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
    clock: StepWatch,
    /// The clock was set just before the last look.
    was_set: bool,
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
        let was_set = self.clock.step().is_some();
        // The note of it may come a moment later than the first look.
        let unsettled = std::mem::replace(&mut self.was_set, was_set) || was_set;
        let journals = self.finder.find((current, identity), unsettled);
        self.directories.clone_from(&journals.directories);
        let is_held = self.is_held();
        let (doomed, is_urgent) = if is_held { Default::default() } else { self.doomed(&journals, current, unsettled) };
        let is_first = std::mem::take(&mut self.first);
        if is_first && let Some(left) = self.finder.left_behind() {
            tracing::warn!("{left}");
        }
        let survivors = if is_first { survivors(&journals.closed) } else { Vec::new() };
        let goes = |told: &Retirement| doomed.iter().any(|doomed| doomed.is(told));
        let kept = survivors.into_iter().filter(|told| !goes(told)).collect();
        Report::Looked { doomed, is_urgent, kept }
    }

    /// Whether somebody has put a file there that keeps segments from being removed.
    fn is_held(&mut self) -> bool {
        let held = hold::look(&self.base, self.directories.iter().map(PathBuf::as_path)).err();
        self.say(held.map(|held| held.to_string()))
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

    /// What is to go, the oldest first, and whether more is to go as soon as that is done. `unsettled`: the clock was set just now, and what
    /// segments say of that comes a moment later.
    fn doomed(&mut self, journals: &Journals, current: &Path, unsettled: bool) -> (Vec<Doomed>, bool) {
        let Journals { closed: segments, written, .. } = journals;
        let now = Moment { wall: clock::now(), steady: clock::steady() };
        let current_bytes = current.metadata().map_or(0, |metadata| metadata.len());
        self.warn_of_size(current, current_bytes);
        let free: Vec<_> = segments.iter().filter(|own| !self.stuck.contains(&own.path)).collect();
        let candidates: Vec<_> =
            free.iter().map(|own| Candidate { begun: own.begun, bytes: own.version.bytes }).collect();
        let room = Holds {
            now: now.wall,
            // Were those counted that cannot be removed, everything else would have to make room for them.
            fixed_bytes: written.iter().fold(current_bytes, |sum, written| sum.saturating_add(written.bytes)),
            free: free_bytes(current).and_then(|free| self.room.expected(now.steady, free)),
        };
        let min_free = self.limits.min_free.filter(|limit| !self.is_beyond(*limit, &candidates, room.free));
        let newest = segments.iter().map(|own| own.past.end).max();
        let is_due = due(&self.limits, &candidates, &room).contains(&Why::Age);
        let synchronised = clock::kept().ok().map(|kept| kept.synchronised);
        let doubted = self
            .doubt
            .as_mut()
            .is_some_and(|doubt| doubt.holds(now, (newest, recorded(segments, now.wall)), synchronised, is_due));
        let max_age = self.limits.max_age.filter(|_| !doubted && !unsettled);
        let limits = Limits { max_age, min_free, ..self.limits };
        let demanded = due(&Limits { max_age: None, ..limits }, &candidates, &room).len();
        let due = due(&limits, &candidates, &room);
        let grown = grown(&limits, &candidates, now.wall, self.pace.since(now.steady));
        let load = Load { due: due.len(), demanded, grown, there: segments.len() };
        let Share { count, is_urgent } = self.pace.share(&limits, load, now.steady);
        let doomed: Vec<_> = free.into_iter().zip(due).take(count).collect();
        let go: HashSet<_> = doomed.iter().map(|(own, _)| own.path.as_path()).collect();
        let stay = segments.iter().filter(|own| !go.contains(own.path.as_path())).map(|own| own.past.netns);
        let left: HashSet<_> = stay.chain(written.iter().map(|written| written.netns)).collect();
        (doomed.into_iter().map(|(own, why)| Doomed::new(own, why, &left)).collect(), is_urgent)
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
            // Someone may have put it there since, or made room.
            let stops = self.stop.load(Ordering::Relaxed);
            if stops || noted.is_err() || self.is_held() || self.is_spared(&doomed) {
                removed.kept.push(doomed.told);
                continue;
            }
            match doomed.unlink() {
                Ok(()) => {
                    tracing::info!("{}: removed: {}", doomed.path.display(), doomed.why.text());
                    (removed.count, removed.bytes) = (removed.count + 1, removed.bytes + doomed.bytes());
                }
                Err(error) => {
                    self.say_stuck(&doomed.path, &error);
                    self.stuck.insert(doomed.path);
                    removed.kept.push(doomed.told);
                    removed.failed += 1;
                    self.pace.give_back();
                }
            }
        }
        if let Some((before, after)) = before.zip(free_bytes(&place)).filter(|_| removed.count > 0) {
            self.room.unlinked(clock::steady(), removed.bytes, before, after);
        }
        Report::Removed(removed)
    }

    /// Whether it was to make room that there is by now: other recorders on the file system, with the same limit, remove theirs.
    fn is_spared(&self, doomed: &Doomed) -> bool {
        let is_enough = |(limit, free)| free >= limit;
        doomed.why == Why::Free && self.limits.min_free.zip(free_bytes(&doomed.path)).is_some_and(is_enough)
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

/// For how long, in ns, the recorder's own journal tells of the last week.
fn recorded(segments: &[Own], now: u64) -> u64 {
    let since = now.saturating_sub(WEEK_NS);
    let own_journal = segments.iter().filter(|own| own.past.netns.is_none());
    own_journal.map(|own| own.past.end.min(now).saturating_sub(own.begun.max(since))).fold(0, u64::saturating_add)
}

/// What the file system of this file has free for others than root.
fn free_bytes(path: &Path) -> Option<u64> {
    statvfs(file::directory_of(path)).ok().as_ref().map(files::free_bytes)
}

#[cfg(test)]
mod tests;
