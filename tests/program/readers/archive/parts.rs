//! The files of an export, each by itself and without others.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::faults::damage;
use super::journal::{export, export_to, files, journal, lines};
use crate::readers::sample::run;

/// What is covered, as JSON.
fn covered(path: &Path, further: &[&str]) -> Value {
    let words = ["coverage", "-o", "json"].into_iter().chain(further.iter().copied()).map(AsRef::as_ref);
    serde_json::from_str(&run(words.chain([path.as_os_str()])).stdout).unwrap()
}

/// From when to when a file of an archive tells, as its header says: ns since the epoch.
fn header(file: &Path) -> String {
    run(["header".as_ref(), file.as_os_str()]).stdout
}

#[test]
fn each_file_tells_of_the_gaps_of_its_time() {
    let journal = journal(1, 6_000, 0.25);
    let (_around, archive, _) = export(journal.path(), &["--partition"]);
    let files = files(&archive);
    assert!(files.len() > 5, "{} files", files.len());
    let mut told = 0;
    for (path, _) in &files {
        let own = covered(path, &[]);
        let ends = own["spans"].as_array().unwrap().iter().chain(own["gaps"].as_array().unwrap());
        let ends: Vec<_> =
            ends.flat_map(|span| [&span["from"], &span["to"]]).map(|end| end.as_str().unwrap()).collect();
        let (from, to) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
        let of_all = covered(&archive, &["--since", from, "--until", to]);
        assert_eq!(own["gaps"], of_all["gaps"], "{}: {}", path.display(), header(path));
        told += own["gaps"].as_array().unwrap().len();
    }
    assert!(told > 2, "{told} gaps");
    // What several files say is one gap, and the same as the journal says.
    assert_eq!(covered(&archive, &[])["gaps"], covered(journal.path(), &[])["gaps"]);
    let gaps = |path: &Path| {
        let listed = run(["list", "-sH"].map(AsRef::as_ref).into_iter().chain([path.as_os_str()])).stderr;
        let gap = |line: &str| line.find("gap").map(|place| line[place..].to_owned());
        let mut gaps: Vec<_> = listed.lines().filter_map(gap).collect();
        let all = gaps.len();
        gaps.sort();
        gaps.dedup();
        (gaps.len(), all)
    };
    let (different, all) = gaps(&archive);
    assert!(different == all && all > 2, "{all} gaps are listed, {different} different ones");
    // The same again of the archive, and of one file of it.
    let (_around, again, _) = export(&archive, &[]);
    assert_eq!(covered(&again, &[])["gaps"], covered(journal.path(), &[])["gaps"]);
    assert_eq!(lines(&again, &["list", "-Ho", "json"]), lines(&archive, &["list", "-Ho", "json"]));
}

#[test]
fn files_of_an_export_that_are_not_there_are_told() {
    let journal = journal(1, 3_000, 0.25);
    let (_around, archive, _) = export(journal.path(), &["--partition"]);
    let files = files(&archive);
    let ask = |word: &str| run([word.as_ref(), archive.as_os_str()]);
    let (whole, tested) = (ask("coverage"), ask("test"));
    assert_eq!((tested.status, whole.stderr.contains("of its export")), (0, false), "{}", whole.stderr);
    assert!(!tested.stdout.contains("of its export"), "{}", tested.stdout);
    let without = |place: usize, said: &str, status: i32| {
        let (path, bytes) = &files[place];
        fs::remove_file(path).unwrap();
        let (covered, tested) = (ask("coverage"), ask("test"));
        assert!(covered.stderr.contains(said) && covered.status == 1, "{place}: {}", covered.stderr);
        assert!(tested.stdout.contains(said), "{place}: {}", tested.stdout);
        assert_eq!(tested.status, status, "{place}: {}", tested.stdout);
        fs::write(path, bytes).unwrap();
    };
    without(0, "before it there was a file of its export that is not among those given", 0);
    without(1, "before it there was a file of its export that is not among those given, and others before are", 1);
    without(files.len() - 1, "what comes behind it of its export is not among those given", 1);
}

#[test]
fn a_file_that_is_not_whole_is_not_taken_for_one_of_the_export() {
    let journal = journal(1, 3_000, 0.25);
    for further in [&["--partition"][..], &["--partition", "--to", "csv"], &["--partition", "--to", "ndjson"]] {
        let (_around, archive, _) = export(journal.path(), further);
        let whole = files(&archive);
        let (path, bytes) = &whole[1];
        fs::write(path, "").unwrap();
        let refused = export_to(journal.path(), &archive, further);
        assert_eq!(refused.status, 5, "{}", refused.stderr);
        assert!(refused.stderr.contains(&path.file_name().unwrap().display().to_string()), "{}", refused.stderr);
        assert!(refused.stderr.contains("remove it"), "{}", refused.stderr);
        fs::remove_file(path).unwrap();
        // Something else that has nearly the name.
        let beside = format!("{}.bak", path.display());
        fs::write(&beside, "something else").unwrap();
        let again = export_to(journal.path(), &archive, further);
        assert_eq!(again.status, 0, "{}", again.stderr);
        assert_eq!(&fs::read(path).unwrap(), bytes);
        fs::remove_file(beside).unwrap();
        assert!(files(&archive) == whole);
    }
}

#[test]
fn what_an_archive_could_not_tell_another_one_made_of_it_does_not_hide() {
    let journal = journal(1, 2_000, 2.0);
    damage(&journal.path().join("001.ct"));
    let (_around, archive, _) = export(journal.path(), &[]);
    let (_around_again, again, exported) = export(&archive, &[]);
    assert_eq!(exported.status, 5, "{}", exported.stderr);
    assert!(
        exported.stderr.contains("what could not be read of its inputs is missing: 1 times"),
        "{}",
        exported.stderr
    );
    let lost = |archive: &Path| {
        let header = header(archive);
        let line = |key: &str| header.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
        [line(".damaged: "), line(".records_lost: ")]
    };
    assert_eq!(lost(&again), lost(&archive));
    assert_eq!(lost(&again)[0], ".damaged: 1");
}

#[cfg(unix)]
#[test]
fn what_points_to_a_part_of_an_archive_is_no_part_of_it() {
    use std::os::unix::fs::symlink;
    let journal = journal(1, 2_000, 0.25);
    let (_around, archive, _) = export(journal.path(), &["--partition"]);
    let flows = lines(&archive, &["list", "-Ho", "json"]);
    let date = fs::read_dir(&archive).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    symlink("hour=14", date.join("hour=99")).unwrap();
    symlink(".", archive.join("date=a")).unwrap();
    symlink(".", archive.join("date=b")).unwrap();
    assert_eq!(lines(&archive, &["list", "-Ho", "json"]).len(), flows.len());
    let again = export_to(journal.path(), &archive, &["--partition"]);
    assert!(again.stderr.contains("all of this export is there already"), "{}", again.stderr);
    // Nor is anything below the directory of an hour.
    let (below, (file, _)) = (date.join("hour=14/hour=15"), files(&date).swap_remove(0));
    fs::create_dir(&below).unwrap();
    fs::copy(file, below.join("copy.parquet")).unwrap();
    assert_eq!(lines(&archive, &["list", "-Ho", "json"]).len(), flows.len());
}

/// In a squeezed file long lives come behind others that ended hours later.
#[test]
fn of_what_is_squeezed_there_is_one_file_an_hour() {
    let journal = journal(1, 9_000, 0.15);
    let around = tempfile::TempDir::new().unwrap();
    let squeezed = around.path().join("flows.ct");
    run(["squeeze".as_ref(), "-o".as_ref(), squeezed.as_os_str(), journal.path().as_os_str()]);
    let (_around, archive, _) = export(&squeezed, &["--partition"]);
    let files = files(&archive);
    let hours: std::collections::BTreeSet<_> = files.iter().map(|(path, _)| path.parent().unwrap()).collect();
    assert!(hours.len() > 10, "{} hours", hours.len());
    assert_eq!(files.len(), hours.len());
}
