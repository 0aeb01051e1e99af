//! Which of its own segments a recorder removes, and how it says so: `--max-age`, `--max-size`, `--min-free`.
//!
//! One recorder has one of these, for the journals of all network namespaces that it records or recorded, those that are gone included.
//!
//! The oldest go first, whoever's they are, never one being written, and never what is not surely one of its own: what another machine or
//! namespace recorded, or has a name that the pattern does not give for it, squeezed files, those of the C program and those whose header
//! is damaged stay. A file named `HOLD` stops all of it.
//!
//! The order of a removal is a contract (docs/format.md, "What was removed"): the thread that writes the recorder's own journal puts a
//! note into the segment ([`Retention`]); once that is in the file, a thread of its own (`keeper`) syncs it and only then unlinks. So
//! neither a slow disk nor a crowded directory holds up the recording, and a crash leaves no segment missing without a word.

mod begun;
mod beside;
mod doomed;
mod doubt;
mod due;
mod keeper;
mod left;
mod own;
mod pace;
mod room;

use std::fmt;
use std::fs::Metadata;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use super::clock;
use super::files;
use super::fitting::of_all_netns;
use super::pattern::Pattern;
use super::predecessor::Origin;
use super::segments::Segments;
use super::statistics::Statistics;
use crate::file;
pub(crate) use left::left_behind;

use doomed::Doomed;
use keeper::{Announced, Keeper, Removed, Report};

/// How often it is looked whether something is to be removed, beside at the start and after each rotation.
const INTERVAL: Duration = Duration::from_secs(60);

/// So long a segment may take to get its footer and be synced: until then it is not looked at.
const CLOSING: Duration = Duration::from_secs(3);

/// What a journal may come to. Each limit holds by itself; `None`: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Nothing may be older than this.
    pub max_age: Option<Duration>,
    /// Its segments may have so many bytes together.
    pub max_size: Option<u64>,
    /// So many bytes of the file system must be free for others than root.
    pub min_free: Option<u64>,
}

impl Limits {
    /// Whether anything is ever removed.
    pub const fn are_none(&self) -> bool {
        self.max_age.is_none() && self.max_size.is_none() && self.min_free.is_none()
    }

    /// How many bytes the file system has where segments of this pattern are, if that is no more than is to be free of them: then
    /// every segment would be removed, to no end.
    pub fn beyond_the_disk(&self, pattern: &Pattern) -> Option<u64> {
        let all = files::all_bytes(&statvfs(&pattern.fixed_directory()).ok()?);
        self.min_free.is_some_and(|limit| limit >= all).then_some(all)
    }

    /// What the operator should know of these limits at the start, a line each.
    pub(super) fn warnings(&self, pattern: &Pattern, own: &Origin) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.are_none() && !pattern.rotates() {
            warnings.push(
                "without --rotate, only files of earlier starts, and those ended by SIGHUP, are ever removed".into(),
            );
        }
        if !self.are_none() && !own.knows_its_machine() {
            warnings.push(
                "no id in /etc/machine-id: files of before this start of the machine are never removed, since they may be another one's"
                    .into(),
            );
        }
        let sizes = of_all_netns(pattern).filter_map(|path| path.metadata().ok().filter(Metadata::is_file));
        if let (Some(limit), Some(largest)) = (self.max_size, sizes.map(|metadata| metadata.len()).max())
            && largest > limit
        {
            warnings.push(format!(
                "a file of the pattern has {largest} bytes, more than the {limit} of --max-size: rotate more often, or allow more"
            ));
        }
        warnings
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = [
            self.max_age.map(|age| format!("nothing older than {}", span(age))),
            self.max_size.map(|size| format!("no more than {size} bytes together")),
            self.min_free.map(|free| format!("{free} bytes of the file system free")),
        ];
        let told: Vec<_> = told.into_iter().flatten().collect();
        f.write_str(&if told.is_empty() { "no limit, nothing is removed".into() } else { told.join(", ") })
    }
}

/// A span in the largest unit that it is a whole number of.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "min")];
    match units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{} s", span.as_secs_f64()),
    }
}

/// The side of the thread that writes: it notes what is to be removed, and has it removed once the notes are written.
pub(super) struct Retention {
    keeper: Keeper,
    state: State,
    /// When to look again.
    next: Instant,
    has_min_free: bool,
}

/// How far a removal is.
enum State {
    /// Nothing is being done.
    Idle,
    /// The keeper looks, or removes.
    Asked,
    /// The notes are in the writer, and not all in the file.
    Noted(Announced, Vec<Doomed>),
}

impl Retention {
    /// By these limits; `None` if there are none. The thread of its own begins with the first look.
    /// The recorder is that of `own`.
    pub(super) fn new(limits: Limits, pattern: &Pattern, own: Origin) -> Option<Self> {
        let has_min_free = limits.min_free.is_some();
        (!limits.are_none()).then(|| Self {
            keeper: Keeper::new(limits, pattern, own),
            state: State::Idle,
            next: Instant::now(),
            has_min_free,
        })
    }

    /// A segment was begun: it is time to look, once the one before has its footer.
    pub(super) fn rotated(&mut self) {
        self.next = self.next.min(Instant::now() + CLOSING);
    }

    /// To be called once a second. `disk_full`: what is in the writer cannot be written until there is room.
    pub(super) fn tick(&mut self, segments: &mut Segments, disk_full: bool, statistics: &Statistics) {
        while let Some(report) = self.keeper.report() {
            self.state = State::Idle;
            self.take(report, segments, statistics);
        }
        let urgent = disk_full && self.has_min_free;
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Noted(announced, doomed) if urgent || !segments.is_waiting() => {
                self.ask(|keeper| keeper.remove((!urgent).then_some(announced), doomed))
            }
            State::Idle if urgent || Instant::now() >= self.next => {
                self.next = Instant::now() + INTERVAL;
                let path = segments.path().to_path_buf();
                let current = segments.file().metadata().ok().map(|metadata| file::identity(&metadata));
                self.ask(|keeper| keeper.look(path, current))
            }
            state => state,
        };
    }

    fn ask(&mut self, ask: impl FnOnce(&mut Keeper) -> bool) -> State {
        if ask(&mut self.keeper) { State::Asked } else { State::Idle }
    }

    /// Notes what the keeper found, or could not do.
    fn take(&mut self, report: Report, segments: &mut Segments, statistics: &Statistics) {
        match report {
            Report::Looked { doomed, is_urgent, kept } => {
                let now = clock::now();
                kept.iter().for_each(|told| segments.writer().note(&told.kept(now)));
                let told = doomed.iter().flat_map(Doomed::all_told);
                told.for_each(|told| segments.writer().note(&told.note(now)));
                if is_urgent {
                    self.next = Instant::now();
                }
                if !doomed.is_empty() {
                    self.state = announced(segments).map_or(State::Idle, |announced| State::Noted(announced, doomed));
                }
            }
            Report::Removed(removed) => {
                note_removed(segments, statistics, &removed);
                // Those are out of the way of the next ones now.
                if removed.failed > 0 {
                    self.next = Instant::now();
                }
            }
        }
    }

    /// Waits for what is being done, and takes back what is not: nothing may be open when the segment gets its footer.
    pub(super) fn finish(mut self, segments: &mut Segments, statistics: &Statistics) {
        if let State::Noted(_, doomed) = std::mem::replace(&mut self.state, State::Idle) {
            let kept = doomed.into_iter().map(|doomed| doomed.told).collect();
            note_removed(segments, statistics, &Removed { kept, ..Removed::default() });
        }
        for report in self.keeper.end() {
            if let Report::Removed(removed) = report {
                note_removed(segments, statistics, &removed);
            }
        }
    }
}

/// Counts what was removed, and takes back what was not.
fn note_removed(segments: &mut Segments, statistics: &Statistics, removed: &Removed) {
    let Removed { count, bytes, kept, failed } = removed;
    statistics.retired.add(*count);
    statistics.retired_bytes.add(*bytes);
    statistics.unremovable.add(*failed);
    let now = clock::now();
    kept.iter().for_each(|told| segments.writer().note(&told.kept(now)));
}

/// The segment that holds the notes, as it will be once they are written.
fn announced(segments: &mut Segments) -> Option<Announced> {
    let length = segments.writer().length();
    let identity = file::identity(&segments.file().metadata().ok()?);
    Some(Announced { path: segments.path().to_path_buf(), identity, length })
}
