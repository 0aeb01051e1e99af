//! The files that are there already where a recorder starts: the segment before its first one, another recorder on the
//! same pattern, and files that a reader of the directory would mix with its own.
//!
//! It looks before privileges are given up, so that root can read everything.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, SecondsFormat};
use ctrecorder_format::{Cause, Note};

use super::error::StartError;
use super::fitting::fitting;
use super::pattern::{self, Names, Pattern};
use super::predecessor::{self, Found, Origin, Past};

/// Of the files whose names fit the pattern so many are opened, the newest ones: there may be 100,000.
const OPENED_MAX: usize = 16;

/// So many other files of the directory are looked at.
const OTHERS_MAX: usize = 64;

/// So long another recorder's look is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// What a look found.
#[derive(Debug)]
pub(crate) struct Neighbours {
    /// The directory's lock: as long as it is held, another recorder that starts here waits with its look.
    pub(crate) lock: Option<File>,
    /// Since when nothing was recorded, if there was a recorder before this one.
    pub(crate) not_running: Option<Note>,
    /// What the operator should know, a line each.
    pub(crate) warnings: Vec<String>,
    /// A file, or a directory, that may not be read here: of that it is not known whether a recorder writes it, or one in it.
    pub(crate) shut: Option<PathBuf>,
}

/// Looks around at `now` (ns since the epoch), from when on this recorder's events are complete.
///
/// # Errors
/// [`StartError::Occupied`], if another recorder works on this pattern.
pub(crate) fn look(pattern: &Pattern, now: u64) -> Result<Neighbours, StartError> {
    let directory = pattern.directory(now);
    let lock = lock(&directory);
    let own = Origin::own();
    // A recorder of all network namespaces writes those of others beside its own.
    let of_netns = pattern.names_of_netns();
    let counts = |path: &Path| !of_netns.have(path);
    let Fitting { newest, foreign, mut warnings, shut } = examine(newest(&pattern.glob(), counts), &own, now)?;
    let not_running = newest.map(|(path, past)| not_running(&path, &past, &own, now, &mut warnings));
    let other_name = || Some((other_file(&directory, pattern)?, "has another name than the pattern gives"));
    let foreign = foreign.map(|path| (path, "is of another recorder, or squeezed"));
    if let Some((path, what)) = foreign.or_else(other_name) {
        warnings.push(format!(
            "{}: {what}; who reads the directory will mix it with what is recorded now: give each recorder a directory \
             of its own",
            path.display()
        ));
    }
    let shut = shut.or_else(|| [pattern.fixed_directory(), directory].into_iter().find(|path| is_shut(path)));
    Ok(Neighbours { lock, not_running, warnings, shut })
}

/// Whether what is in a directory may not be seen here.
fn is_shut(directory: &Path) -> bool {
    let seen = fs::read_dir(directory).and_then(|_| fs::metadata(directory.join(".")));
    seen.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// Of the files of other network namespaces the newest ones by the ids that they may be of, as [`not_running_before`] wants them.
pub(super) fn newest_by_netns(pattern: &Pattern) -> HashMap<u32, Vec<PathBuf>> {
    let mut newest = HashMap::<_, Newest>::new();
    for (written, path) in pattern.globs_of_netns(None).iter().flat_map(|glob| fitting(glob)) {
        for id in pattern::netns_of(&path) {
            newest.entry(id).or_default().add(written, path.clone());
        }
    }
    newest.into_iter().map(|(id, newest)| (id, newest.paths())).collect()
}

/// Since when nothing was recorded of the network namespace of which this is the origin, if something was recorded of it before `now`
/// (ns since the epoch), by the newest files of its id.
pub(super) fn not_running_before(newest: &[PathBuf], own: &Origin, now: u64) -> Option<Note> {
    let Fitting { newest, mut warnings, .. } = examine(newest.to_vec(), own, now).ok()?;
    let gap = newest.map(|(path, past)| not_running(&path, &past, own, now, &mut warnings));
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    gap
}

/// Locks the directory, so that of two recorders that start at once the second one finds the first one's segment. Where
/// that cannot be had it goes without.
fn lock(directory: &Path) -> Option<File> {
    let file = File::open(directory).ok()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(_) => return None,
        }
    }
}

/// The newest of some files, by when they were written to last.
#[derive(Debug, Default)]
struct Newest(BinaryHeap<Reverse<(SystemTime, PathBuf)>>);

impl Newest {
    fn add(&mut self, written: SystemTime, path: PathBuf) {
        self.0.push(Reverse((written, path)));
        if self.0.len() > OPENED_MAX {
            self.0.pop();
        }
    }

    /// The newest first.
    fn paths(self) -> Vec<PathBuf> {
        self.0.into_sorted_vec().into_iter().map(|Reverse((_, path))| path).collect()
    }
}

/// Of the files that fit a glob the newest that count.
fn newest(glob: &str, counts: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut newest = Newest::default();
    fitting(glob).filter(|(_, path)| counts(path)).for_each(|(written, path)| newest.add(written, path));
    newest.paths()
}

/// What the files that fit the pattern came to.
#[derive(Debug, Default)]
struct Fitting {
    /// That of this host and namespace which was begun last. One that would be begun only later, by a clock that was ahead, tells nothing of
    /// when that was: it counts where there is no other.
    newest: Option<(PathBuf, Past)>,
    /// One that another recorder wrote.
    foreign: Option<PathBuf>,
    warnings: Vec<String>,
    /// One that may not be read here.
    shut: Option<PathBuf>,
}

fn examine(paths: Vec<PathBuf>, own: &Origin, now: u64) -> Result<Fitting, StartError> {
    let mut fitting = Fitting::default();
    let rank = |past: &Past| (past.created <= now, past.created);
    // Within a start of the machine, for how long it had been up tells which one came last, whatever the clock showed.
    let is_before = |past: &Past, other: &Past| match (own.up(past), own.up(other)) {
        (Some(up), Some(other)) => up < other,
        _ => rank(past) < rank(other),
    };
    let mut ahead = None;
    for path in paths {
        match predecessor::examine(&path, own) {
            Ok(Found::Nothing) => {}
            Ok(Found::BeingWritten) => return Err(StartError::Occupied(path)),
            Ok(Found::Foreign) => fitting.foreign = Some(path),
            Ok(Found::Ours(past)) => {
                if past.created > now && ahead.is_none() {
                    ahead = Some(format!(
                        "{}: it was begun at {}, which is still to come: the clock was ahead then, or is behind now. It counts as the newest, \
                         and goes last of all that limits remove",
                        path.display(),
                        text(past.created)
                    ));
                }
                if fitting.newest.as_ref().is_none_or(|(_, newest)| is_before(newest, &past)) {
                    fitting.newest = Some((path, past));
                }
            }
            Err(error) => {
                // What is older than the segment that counts does not matter.
                if fitting.newest.is_none() {
                    fitting.warnings.push(format!(
                        "{}: {error}; until when it was recorded is taken from the segment before it",
                        path.display()
                    ));
                }
                if error.is_denied() && fitting.shut.is_none() {
                    fitting.shut = Some(path);
                }
            }
        }
    }
    fitting.warnings.extend(ahead);
    Ok(fitting)
}

/// The gap since the segment before ended.
fn not_running(path: &Path, past: &Past, own: &Origin, now: u64, warnings: &mut Vec<String>) -> Note {
    let (path, end) = (path.display(), text(past.end));
    if past.cut_off {
        warnings
            .push(format!("{path}: it was cut off; nothing is recorded from its last whole block, {end}, until now"));
    } else {
        tracing::info!("{path}: nothing is recorded from its end, {end}, until now");
    }
    // The clock may have been set back since. Whether that was the last one is known within a start of the machine alone.
    let loose = || Note::gap(past.end.min(now), now, Note::LOST_UNKNOWN, Cause::NotRunning);
    own.up(past).map_or_else(loose, |_| Note::not_running(past.end, now))
}

/// A time as the log has it, UTC.
pub(super) fn text(time: u64) -> String {
    let utc = DateTime::from_timestamp_nanos(i64::try_from(time).unwrap_or(i64::MAX));
    utc.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A file of ctrecorder's in this directory whose name the pattern does not give, be it for another network namespace.
fn other_file(directory: &Path, pattern: &Pattern) -> Option<PathBuf> {
    let mut globs = pattern.globs_of_netns(None);
    globs.push(pattern.glob());
    let own = Names::of(&globs);
    let files = fs::read_dir(directory).ok()?.filter_map(Result::ok);
    let files = files.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).map(|entry| entry.path());
    let others = files.filter(|path| !own.have(path));
    others.take(OTHERS_MAX).find(|path| predecessor::is_ours_by_magic(path))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_the_newest_files_are_opened_and_the_newest_come_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = |number: u64| directory.path().join(format!("{}/ct.{number}", number % 3));
        (0..3).for_each(|number| fs::create_dir(path(number).parent().unwrap()).unwrap());
        for number in 0..50 {
            let file = File::create(path(number)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + number)).unwrap();
        }
        fs::create_dir(directory.path().join("0/ct.directory")).unwrap();
        let found = newest(&format!("{}/*/ct.*", directory.path().display()), |_| true);
        assert_eq!(found, (34..50).rev().map(path).collect::<Vec<_>>());
    }

    #[test]
    fn a_gap_never_ends_before_it_begins() {
        let past = Past { created: 5, number: Some(0), run: 5, netns: None, end: 900, cut_off: true, uptime: None };
        let own = Origin::own();
        let mut warnings = Vec::new();
        let span = |note: Note| (note.from.get(), note.to.get(), note.lost());
        assert_eq!(span(not_running(Path::new("ct"), &past, &own, 1000, &mut warnings)), (900, 1000, None));
        assert_eq!(span(not_running(Path::new("ct"), &past, &own, 800, &mut warnings)), (800, 800, None));
        assert_eq!(warnings.len(), 2);
    }

    #[test]
    fn a_directory_that_is_locked_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let first = lock(directory.path()).expect("a lock");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| lock(directory.path()).is_some());
            assert!(!second.is_finished());
            drop(first);
            assert!(second.join().unwrap());
        });
        assert!(lock(&directory.path().join("no-such")).is_none());
    }
}
