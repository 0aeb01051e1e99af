use std::fs;

use ctrecorder_format::{Content, Header, Writer};
use tempfile::TempDir;

use super::super::super::header;
use super::*;

const BEGUN: u64 = 1_795_209_124;

/// A journal of which each segment has a directory of its own, one that is old and one that is being written, and the thread's work on it.
struct Journal {
    directory: TempDir,
    old: PathBuf,
    current: PathBuf,
    work: Work,
}

impl Journal {
    fn new(limits: Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pattern = format!("{}/%s/ct", directory.path().display());
        let pattern = Pattern::new(&pattern, 0, BEGUN).unwrap();
        let [old, current] = [BEGUN, BEGUN + 86_400].map(|begun| {
            let path = directory.path().join(begun.to_string()).join("ct");
            fs::create_dir(path.parent().unwrap()).unwrap();
            fs::write(&path, segment(begun)).unwrap();
            path
        });
        let work = Keeper::new(limits, &pattern, Origin::own()).work.unwrap();
        Self { directory, old, current, work }
    }

    fn look(&mut self) -> Vec<Doomed> {
        match self.work.look(&self.current.clone(), None) {
            Report::Looked { doomed, .. } => doomed,
            Report::Removed(_) => panic!("nothing was to be removed yet"),
        }
    }

    /// Returns how many were removed, and how many kept.
    fn remove(&mut self, doomed: Vec<Doomed>) -> (u64, usize) {
        match self.work.remove(None, doomed) {
            Report::Removed(removed) => (removed.count, removed.kept.len()),
            Report::Looked { .. } => panic!("it was not to look"),
        }
    }

    /// The directories in which a file named `HOLD` counts.
    fn directories(&self) -> [PathBuf; 3] {
        let of = |path: &Path| path.parent().unwrap().to_path_buf();
        [self.directory.path().to_path_buf(), of(&self.old), of(&self.current)]
    }
}

/// A segment of this recorder's that was begun then.
fn segment(begun: u64) -> Vec<u8> {
    let header = Header {
        host: header::host(),
        boot_id: header::boot_id(),
        namespace: header::namespace(),
        created: begun * SECOND,
        recorder_started: begun * SECOND,
        ..Header::blank(Content::Events)
    };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    writer.write_out().unwrap();
    writer.output().clone()
}

/// All that is closed goes.
const NOTHING_STAYS: Limits = Limits { max_age: None, max_size: Some(0), min_free: None };

#[test]
fn hold_counts_in_whatever_directory_that_has_segments_the_present_one_alone_included() {
    let mut journal = Journal::new(NOTHING_STAYS);
    for directory in journal.directories() {
        let hold = directory.join(hold::HOLD);
        fs::write(&hold, "").unwrap();
        assert!(journal.look().is_empty(), "{}", hold.display());
        fs::remove_file(&hold).unwrap();
        assert_eq!(journal.look().len(), 1);
    }
}

#[test]
fn hold_that_is_made_after_the_look_counts_wherever_it_is() {
    let mut journal = Journal::new(NOTHING_STAYS);
    for directory in journal.directories() {
        let doomed = journal.look();
        let hold = directory.join(hold::HOLD);
        fs::write(&hold, "").unwrap();
        assert_eq!(journal.remove(doomed), (0, 1), "{}", hold.display());
        fs::remove_file(&hold).unwrap();
    }
    let doomed = journal.look();
    assert_eq!(journal.remove(doomed), (1, 0));
    assert!(!journal.old.exists() && journal.current.exists());
}

#[test]
fn what_was_to_make_room_stays_if_there_is_room_by_now() {
    let mut journal = Journal::new(NOTHING_STAYS);
    let mut for_room = |min_free| {
        journal.work.limits.min_free = Some(min_free);
        let mut doomed = journal.look();
        doomed.iter_mut().for_each(|doomed| doomed.why = Why::Free);
        journal.remove(doomed)
    };
    assert_eq!(for_room(1), (0, 1), "another recorder made it");
    assert_eq!(for_room(u64::MAX), (1, 0));
}
