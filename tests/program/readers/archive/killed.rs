//! `--add` that is killed, or runs twice at once: the archive has each flow once all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ctrecorder_synth::Version;

use super::added::{add, rows, segments, whole_incidents};
use super::journal::files;
use crate::program;
use crate::readers::squeezed_place::{Place, flows, same_lines, synthetic};

/// `export --add`, which is not waited for.
fn start(archive: &Path, inputs: &[PathBuf]) -> std::process::Child {
    let mut command = Command::new(program::PATH);
    command.args(["export", "--add", "--partition", "-o"]).arg(archive).args(inputs);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Begins an archive of the first segments, and kills a run that goes on with more as soon as the names of the files in it are
/// such; returns whether it was killed before its end.
fn killed(archive: &Path, inputs: &[PathBuf], when: impl Fn(&[String]) -> bool) -> bool {
    let before: Vec<_> = names(archive);
    let mut child = start(archive, inputs);
    while child.try_wait().unwrap().is_none() {
        let new: Vec<_> = names(archive).into_iter().filter(|name| !before.contains(name)).collect();
        if when(&new) {
            break;
        }
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// The files below a directory, which may come and go meanwhile.
fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { names(&path) } else { vec![path.display().to_string()] }).collect()
}

/// Its journal has grown meanwhile, and one of the segments may have been removed.
#[test]
fn a_run_that_was_killed_is_made_again_with_what_came_since() {
    let place = synthetic(Version::Three, whole_incidents(), false);
    let (segments, whole) = (segments(&place), flows(&place.path("journal")));
    let mut interrupted = 0;
    for part in [".ctrecorder-add", ".ctrecorder-export-", "-open.parquet", "-00000.parquet"] {
        let archive = place.path("archive");
        assert_eq!(add(&archive, &["--partition"], &segments[..2]).status, 0);
        interrupted += usize::from(killed(&archive, &segments[..segments.len() - 2], |new| {
            new.iter().any(|name| name.contains(part))
        }));
        let again = add(&archive, &["--partition"], &segments);
        assert_eq!(again.status, 0, "{}", again.stderr);
        same_lines(&rows(&archive, true), &whole);
        assert!(names(&archive).iter().all(|name| !name.contains("/.ctrecorder")), "{:?}", names(&archive));
        fs::remove_dir_all(&archive).unwrap();
    }
    assert!(interrupted > 0, "each run was over before it was killed");
}

/// An archive of two segments with a run that was interrupted when it had begun to export two more.
fn interrupted(place: &Place) -> PathBuf {
    let (archive, segments) = (place.path("archive"), segments(place));
    assert_eq!(add(&archive, &[], &segments[..2]).status, 0);
    let first = files(&archive);
    let is_interrupted = |_: &u32| {
        let was = killed(&archive, &segments[..4], |new| new.iter().any(|name| name.contains(".ctrecorder-add")));
        let is_it = was && names(&archive).iter().any(|name| name.ends_with("/.ctrecorder-add"));
        if !is_it {
            fs::remove_dir_all(&archive).unwrap();
            fs::create_dir(&archive).unwrap();
            first.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        }
        is_it
    };
    (0..50).find(is_interrupted).unwrap();
    archive
}

#[test]
fn what_an_interrupted_run_was_made_from_is_asked_for_and_if_it_is_gone_that_is_told() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let archive = interrupted(&place);
    let segments = segments(&place);
    let before = files(&archive);
    let lacks = add(&archive, &[], &segments[3..]);
    assert!(lacks.status == 2 && lacks.stderr.contains("02.ct: an export of it to this directory was interrupted"));
    assert!(files(&archive) == before);
    let plain = super::journal::export_to(&place.path("journal"), &archive, &[]);
    assert!(plain.status == 2 && plain.stderr.contains("--add was interrupted"), "{}", plain.stderr);
    fs::remove_file(&segments[2]).unwrap();
    let gone = add(&archive, &[], &segments[3..]);
    assert!(
        gone.status == 5
            && gone.stderr.contains("02.ct: an export of it was interrupted, and it is not there any more")
    );
    let again = add(&archive, &[], &place.journal());
    assert!(again.status == 0 && again.stderr.contains("exported already"), "{}", again.stderr);
}

/// Nothing is looked at, nor removed, before the directory is locked.
#[cfg(unix)]
#[test]
fn a_second_run_changes_nothing_while_the_first_one_is_at_work() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let archive = place.path("archive");
    assert_eq!(add(&archive, &[], &segments(&place)[..2]).status, 0);
    // As another one leaves it that is about to give its last file its name.
    let numbered = names(&archive).into_iter().find(|name| name.contains("-00000.")).unwrap();
    fs::remove_file(numbered).unwrap();
    let before = files(&archive);
    let lock = fs::File::open(&archive).unwrap();
    lock.lock().unwrap();
    let refused = add(&archive, &[], &place.journal());
    assert_eq!(refused.status, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("another export is at work in this directory"), "{}", refused.stderr);
    assert!(files(&archive) == before);
}

#[test]
fn two_runs_at_once_export_each_flow_once() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let (segments, archive) = (segments(&place), place.path("archive"));
    for so_many in [2, 4, 6, segments.len()] {
        let runs = [so_many - 1, so_many].map(|so_many| start(&archive, &segments[..so_many]));
        let codes = runs.map(|mut run| run.wait().unwrap().code());
        assert!(codes.iter().all(|code| [Some(0), Some(5)].contains(code)) && codes.contains(&Some(0)), "{codes:?}");
    }
    assert_eq!(add(&archive, &["--partition"], &segments).status, 0);
    same_lines(&rows(&archive, true), &flows(&place.path("journal")));
}
