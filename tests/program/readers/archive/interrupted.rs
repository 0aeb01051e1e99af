//! An export that is killed, and then run again.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::journal::{export, export_to, files, journal};
use crate::program;

/// The names of files below a directory, and their contents.
fn relative(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let name = |path: &Path| path.strip_prefix(directory).unwrap().display().to_string();
    files(directory).into_iter().map(|(path, bytes)| (name(&path), bytes)).collect()
}

#[test]
fn a_rerun_adds_what_is_missing_and_removes_what_was_left() {
    let journal = journal(1, 4_000, 0.25);
    for further in [&["--partition"][..], &["--partition", "--to", "csv"]] {
        let (_around, archive, _) = export(journal.path(), further);
        let whole = relative(&archive);
        assert!(whole.len() > 4, "{} files", whole.len());
        let kept = archive.join(&whole[0].0);
        let made = fs::metadata(&kept).unwrap().modified().unwrap();
        fs::remove_file(archive.join(&whole[1].0)).unwrap();
        fs::remove_file(archive.join(&whole[whole.len() - 1].0)).unwrap();
        fs::write(archive.join(".ctrecorder-export-x1y2z3"), "half").unwrap();
        fs::write(kept.with_file_name(".ctrecorder-export-4"), "half, too").unwrap();
        let again = export_to(journal.path(), &archive, further);
        assert_eq!((again.status, again.stdout.as_str()), (0, ""), "{}", again.stderr);
        assert!(relative(&archive) == whole, "another result than that of one run");
        let said = format!("bytes together; {} files there already\n", whole.len() - 2);
        assert!(
            again.stderr.contains(" exported into 2 files of ") && again.stderr.ends_with(&said),
            "{}",
            again.stderr
        );
        assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), made, "what is whole is not made again");
    }
}

/// What is there as a whole is not paired again: what was damaged since does not show. What could not be read when it was made is
/// told by its metadata.
#[test]
fn a_rerun_of_what_is_complete_does_not_read_its_inputs_again() {
    let journal = journal(2, 2_000, 2.0);
    let (_around, archive, first) = export(journal.path(), &["--partition"]);
    let before = relative(&archive);
    let damaged = super::faults::damage(&journal.path().join("001.ct"));
    let again = export_to(journal.path(), &archive, &["--partition"]);
    assert_eq!(again.status, first.status, "{}", again.stderr);
    assert!(again.stderr.contains("all of this export is there already"), "{}", again.stderr);
    let (_around, of_damaged, first) = export(journal.path(), &[]);
    let again = export_to(journal.path(), &of_damaged, &[]);
    assert_eq!((first.status, again.status), (5, 5));
    assert!(again.stderr.contains("what could not be read of its inputs is missing: "), "{}", again.stderr);
    // A file that is missing is made of what can be read now.
    fs::remove_file(archive.join(&before[0].0)).unwrap();
    let made = export_to(journal.path(), &archive, &["--partition"]);
    assert!(made.status == 5 && made.stderr.contains(&damaged), "{}", made.stderr);
    assert!(archive.join(&before[0].0).exists());
}

#[test]
fn a_file_that_is_still_being_written_is_not_removed() {
    let journal = journal(1, 300, 2.0);
    let (_around, archive, _) = export(journal.path(), &[]);
    let path = archive.join(".ctrecorder-export-alive");
    let file = fs::File::create_new(&path).unwrap();
    file.lock().unwrap();
    export_to(journal.path(), &archive, &[]);
    assert!(path.exists());
    drop(file);
    export_to(journal.path(), &archive, &[]);
    assert!(!path.exists());
}

/// Killed at any moment, it leaves no half file under a name of an archive, and a rerun ends as one run does.
#[test]
fn killed_at_any_moment_it_ends_the_same() {
    let journal = journal(1, 12_000, 0.3);
    let (_around, whole, _) = export(journal.path(), &["--partition"]);
    let whole = relative(&whole);
    let mut interrupted = 0;
    for files_first in 0..4 {
        let around = tempfile::TempDir::new().unwrap();
        let archive = around.path().join("archive");
        let mut command = Command::new(program::PATH);
        command.args(["export", "--partition", "-o"]).arg(&archive).arg(journal.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let is_whole = |(name, _): &&(String, Vec<u8>)| name.ends_with(".parquet");
        while child.try_wait().unwrap().is_none() {
            if archive.exists() && fs::read_dir(&archive).is_ok() {
                // A file may go while its directory is read.
                let there = std::panic::catch_unwind(|| relative(&archive).iter().filter(is_whole).count());
                if there.is_ok_and(|there| there >= files_first) {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let left = relative(&archive);
        assert!(left.iter().filter(is_whole).all(|file| whole.contains(file)), "a half file has a name");
        interrupted += usize::from(left.iter().filter(is_whole).count() < whole.len());
        let again = export_to(journal.path(), &archive, &["--partition"]);
        assert_eq!(again.status, 0, "{}", again.stderr);
        assert!(relative(&archive) == whole, "another result than that of one run");
    }
    assert!(interrupted > 0, "each run was over before it was killed");
}

/// Two at once would each take the other one's files for their own.
#[cfg(unix)]
#[test]
fn one_export_at_a_time_works_in_a_directory() {
    let journal = journal(1, 300, 2.0);
    let around = tempfile::TempDir::new().unwrap();
    let lock = fs::File::open(around.path()).unwrap();
    lock.lock().unwrap();
    let refused = export_to(journal.path(), around.path(), &[]);
    assert_eq!((refused.status, files(around.path()).len()), (5, 0), "{}", refused.stderr);
    assert!(refused.stderr.contains("another export is at work in this directory"), "{}", refused.stderr);
    drop(lock);
    export_to(journal.path(), around.path(), &[]);
    assert_eq!(files(around.path()).len(), 1);
}
