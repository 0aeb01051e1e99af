//! What goes wrong with exports and archives, and is told.

use std::fs;
use std::path::{Path, PathBuf};

use ctrecorder_format::{Body, Segment};
use serde_json::Value;

use super::journal::{at, export, export_to, files, journal, lines};
use crate::readers::sample::run;

/// The one file of an archive.
fn only_file(archive: &Path) -> PathBuf {
    let mut files = files(archive);
    assert_eq!(files.len(), 1, "{archive:?}");
    files.swap_remove(0).0
}

/// Puts bytes in the place of others that are there once, or stand there last.
fn replace(file: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(file).unwrap();
    let place = bytes.windows(from.len()).rposition(|window| window == from).unwrap();
    bytes[place..][..to.len()].copy_from_slice(to);
    fs::write(file, bytes).unwrap();
}

/// Damages a block of records in the middle of a segment. What is said of it.
pub fn damage(file: &Path) -> String {
    let mut bytes = fs::read(file).unwrap();
    let block = {
        let segment = Segment::open(&bytes).unwrap();
        let records = segment.blocks().flatten().filter(|block| matches!(block.body, Body::Ipv4(_)));
        records.map(|block| block.offset as usize).nth(1).unwrap()
    };
    bytes[block + 100] ^= 1;
    fs::write(file, bytes).unwrap();
    format!("offset {block}")
}

/// Segments beside an archive of them are the same flows twice.
#[test]
fn an_archive_is_not_put_among_segments() {
    let directory = crate::readers::coverage::journal(&[("0", &crate::readers::found::overrun()[0][0])]);
    let path = directory.path().as_os_str();
    let answer = run(["export".as_ref(), "-o".as_ref(), path, path]);
    assert_eq!((answer.status, fs::read_dir(path).unwrap().count()), (2, 1), "{}", answer.stderr);
    assert!(answer.stderr.contains("the directory holds segments"), "{}", answer.stderr);
}

#[test]
fn damage_in_a_journal_is_told_and_counted_and_the_rest_is_exported() {
    let journal = journal(1, 2_000, 2.0);
    let (_around_whole, whole, _) = export(journal.path(), &[]);
    let damaged = journal.path().join("001.ct");
    damage(&damaged);
    let bytes = fs::read(&damaged).unwrap();

    let (_around, archive, exported) = export(journal.path(), &[]);
    assert_eq!(exported.status, 5);
    assert!(exported.stderr.contains("does not match its checksum"), "{}", exported.stderr);
    assert_eq!(fs::read(&damaged).unwrap(), bytes, "inputs stay as they are");
    let listed = |path: &Path| lines(path, &["list", "-Ho", "json"]);
    assert!(listed(&archive).len() > listed(&whole).len() / 2);
    assert_eq!(listed(&archive), lines(journal.path(), &["list", "-sHo", "json"]));
    let header = run(["header".as_ref(), archive.as_os_str()]).stdout;
    assert!(header.contains("\n.damaged: 1\n"), "{header}");
    // The gap is in it, too.
    let gaps = |path: &Path| {
        let covered = run(["coverage".as_ref(), "-o".as_ref(), "json".as_ref(), path.as_os_str()]).stdout;
        let covered: Value = serde_json::from_str(&covered).unwrap();
        covered["gaps"].as_array().unwrap().iter().filter(|gap| gap["cause"] == "source damaged or incomplete").count()
    };
    assert_eq!((gaps(&whole), gaps(&archive)), (0, 1));
}

#[test]
fn damage_in_an_archive_is_found_and_the_rest_is_read() {
    let journal = journal(1, 2_000, 2.0);
    let (_around, archive, _) = export(journal.path(), &["--partition"]);
    let whole = lines(&archive, &["list", "-Ho", "json"]);
    let (file, mut bytes) = files(&archive).swap_remove(0);
    bytes[3_000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let tested = run(["test".as_ref(), archive.as_os_str()]);
    assert_eq!(tested.status, 1);
    assert!(tested.stdout.contains("FAILED: offset 0: "), "{}", tested.stdout);
    let listed = run(["list".as_ref(), "-Ho".as_ref(), "json".as_ref(), archive.as_os_str()]);
    assert_eq!(listed.status, 5);
    assert!(listed.stderr.contains("row group 0 cannot be read"), "{}", listed.stderr);
    assert!(listed.stdout.lines().count() < whole.len());
    assert!(listed.stdout.lines().all(|line| whole.iter().any(|known| known == line)));
    // What was there nobody knows: a question about it has no clear answer.
    let lost = whole.iter().find(|line| !listed.stdout.lines().any(|left| left == *line)).unwrap();
    let lost: Value = serde_json::from_str(lost).unwrap();
    let nat = &lost["source"]["nat"];
    let public = format!("{}:{}", nat["ip"].as_str().unwrap(), nat["port"]);
    let asked = ["who", &public, "--at", lost["@timestamp"].as_str().unwrap(), "--slack", "0s"].map(AsRef::as_ref);
    let answer = run(asked.into_iter().chain([archive.as_os_str()]));
    assert!(answer.stdout.contains("records of this time may be lost to damage"), "{}{}", answer.stdout, answer.stderr);
    assert_ne!(answer.status, 1, "{}", answer.stdout);
}

/// As of a segment: only whoever reads the rows sees it.
#[test]
fn rows_of_an_archive_that_are_damaged_are_a_gap_to_who_verifies() {
    let journal = journal(1, 3_000, 0.25);
    let (_around, archive, _) = export(journal.path(), &["--partition"]);
    let damaged = |further: &[&str]| {
        let words = ["coverage", "-o", "json"].iter().chain(further).map(AsRef::as_ref);
        let covered = run(words.chain([archive.as_os_str()]));
        let told: Value = serde_json::from_str(&covered.stdout).unwrap();
        let gaps: Vec<_> =
            told["gaps"].as_array().unwrap().iter().filter(|gap| gap["cause"] == "damaged").cloned().collect();
        (gaps, covered)
    };
    assert_eq!(damaged(&["--verify"]).0, Vec::<Value>::new());
    let (file, mut bytes) = files(&archive).swap_remove(1);
    let of_file = lines(&file, &["list", "-Ho", "json"]);
    bytes[3_000] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert_eq!(damaged(&[]).0, Vec::<Value>::new());
    let (gaps, covered) = damaged(&["--verify"]);
    assert!(covered.status == 1 && covered.stderr.contains("row group 0 cannot be read"), "{}", covered.stderr);
    assert_eq!((gaps.len(), gaps[0]["lost"].as_u64()), (1, Some(of_file.len() as u64)), "{gaps:?}");
    let (from, to) = (gaps[0]["from"].as_str().unwrap(), gaps[0]["to"].as_str().unwrap());
    for line in of_file {
        let event = &serde_json::from_str::<Value>(&line).unwrap()["event"];
        let times = ["start", "end"].map(|time| event[time].as_str());
        assert!(times.into_iter().flatten().all(|time| from <= time && time <= to), "{event} {from} {to}");
    }
}

#[test]
fn an_archive_of_a_later_version_is_refused() {
    let journal = journal(1, 300, 2.0);
    let (around, archive, _) = export(journal.path(), &[]);
    replace(&only_file(&archive), b"\x031.0", b"\x032.0");
    let output = around.path().join("output");
    let output = output.to_str().unwrap();
    for command in ["list", "coverage", "header", "test", "squeeze", "export", "who"] {
        let further = match command {
            "squeeze" | "export" => vec!["-o", output],
            "who" => vec!["192.0.2.1:1", "--at", "@1795183200"],
            _ => Vec::new(),
        };
        let refused = run([command].into_iter().chain(further).map(AsRef::as_ref).chain([archive.as_os_str()]));
        let said = if command == "who" { "UNKNOWN: " } else { "" };
        assert!(refused.status == 5 && refused.stdout.starts_with(said), "{command}: {}", refused.stdout);
        assert!(!Path::new(output).exists(), "{command}");
        assert!(
            refused.stderr.contains("an archive of version 2.0; this program reads versions 1.x"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn a_file_in_parquet_that_is_of_others_is_passed_over() {
    let journal = journal(1, 300, 2.0);
    let (_around, archive, _) = export(journal.path(), &[]);
    let file = only_file(&archive);
    replace(&file, b"ctrecorder.version", b"somebody's.version");
    let refused = run(["list".as_ref(), file.as_os_str()]);
    assert!(refused.stderr.contains("a Parquet file that is no archive of ctrecorder"), "{}", refused.stderr);
    fs::copy(journal.path().join("000.ct"), archive.join("000.ct")).unwrap();
    let tested = run(["test".as_ref(), archive.as_os_str()]);
    assert!(
        tested.stdout.contains("passed over: a Parquet file that is no archive of ctrecorder"),
        "{}",
        tested.stdout
    );
}

#[test]
fn a_directory_with_another_export_is_refused_and_stays_as_it_is() {
    let (one, other) = (journal(1, 300, 2.0), journal(2, 300, 2.0));
    let (_around, archive, _) = export(one.path(), &[]);
    let before = files(&archive);
    let refused = export_to(other.path(), &archive, &[]);
    assert_eq!(refused.status, 2);
    assert!(refused.stderr.contains("the directory holds another export already"), "{}", refused.stderr);
    assert_eq!(files(&archive), before);
    // The same journal in another way is another export.
    assert_eq!(export_to(one.path(), &archive, &["--partition"]).status, 2);
    // Beside it, it would be too late.
    assert_eq!(export_to(other.path(), &archive, &["--add"]).status, 2);
    assert_eq!(files(&archive), before);
}

/// Beside an archive of the same flows, segments would have them a second time.
#[test]
fn squeeze_refuses_a_directory_with_an_archive_too() {
    let journal = journal(1, 300, 2.0);
    let (_around, archive, _) = export(journal.path(), &[]);
    let before = files(&archive);
    let refused = run(["squeeze".as_ref(), "-o".as_ref(), archive.as_os_str(), journal.path().as_os_str()]);
    assert_eq!((refused.status, files(&archive)), (2, before), "{}", refused.stderr);
    assert!(refused.stderr.contains("the directory holds an archive: "), "{}", refused.stderr);
}

#[test]
fn journals_of_two_hosts_are_not_mixed() {
    let journal = journal(1, 300, 2.0);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v3/example.ct");
    fs::copy(file, journal.path().join("other.ct")).unwrap();
    let (_around, archive, refused) = export(journal.path(), &[]);
    assert_eq!(refused.status, 2);
    assert!(refused.stderr.contains("files of several hosts"), "{}", refused.stderr);
    assert!(!archive.exists());
}

#[test]
fn without_its_later_files_an_archive_does_not_say_that_nobody_was_there() {
    let journal = journal(1, 3_000, 0.25);
    let (_around, archive, _) = export(journal.path(), &["--partition"]);
    let all = files(&archive);
    assert!(all.len() > 3, "{} files", all.len());
    let ask = |path: &Path| {
        let time = format!("@{}", at(2_000) / 1_000_000_000);
        let asked = ["who", "192.0.2.99:5", "--slack", "1s", "--at", &time].map(str::to_owned);
        let answer = run(asked.iter().map(AsRef::as_ref).chain([path.as_os_str()]));
        answer.stdout.lines().next().unwrap_or_default().to_owned()
    };
    assert!(ask(&archive).starts_with("NONE: "), "{}", ask(&archive));
    for (path, _) in &all[2..] {
        fs::remove_file(path).unwrap();
    }
    assert!(ask(&archive).contains("files of an archive are missing"), "{}", ask(&archive));
}

/// A tmpfs of so many KiB over a directory, unmounted when dropped.
#[cfg(target_os = "linux")]
struct SmallDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount(kib: u32) -> Self {
        use nix::mount::{MsFlags, mount};
        let directory = tempfile::TempDir::new().unwrap();
        let size = format!("size={kib}k");
        mount(Some("none"), directory.path(), Some("tmpfs"), MsFlags::empty(), Some(&*size)).unwrap();
        Self(directory)
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(self.0.path(), nix::mount::MntFlags::MNT_DETACH);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_nothing_is_left_behind_but_files_that_are_whole() {
    let journal = journal(1, 6_000, 0.5);
    let before = files(journal.path());
    let mut kept = 0;
    for further in [&["--partition"][..], &[], &["--to", "csv"], &["--to", "ndjson", "--partition"]] {
        let (_around, whole, _) = export(journal.path(), further);
        let disk = SmallDisk::mount(if further.len() == 1 { 128 } else { 96 });
        let archive = disk.0.path().join("archive");
        let failed = export_to(journal.path(), &archive, further);
        assert_eq!((failed.status, failed.stdout.as_str()), (5, ""), "{further:?}");
        assert!(
            failed.stderr.contains("not exported: ") && failed.stderr.contains("No space left"),
            "{}",
            failed.stderr
        );
        assert_eq!(failed.stderr.matches("No space left").count(), 1, "{}", failed.stderr);
        assert!(!failed.stderr.contains("External"), "{}", failed.stderr);
        let left = if archive.exists() { files(&archive) } else { Vec::new() };
        for (path, bytes) in &left {
            assert!(fs::read(whole.join(path.strip_prefix(&archive).unwrap())).unwrap() == *bytes, "{path:?}");
        }
        assert_eq!(left.is_empty(), !archive.exists(), "what was made for nothing is removed");
        assert_eq!(files(journal.path()), before);
        kept += left.len();
    }
    assert!(kept > 0, "nothing was whole before the disk was full");
}

/// What is known of open flows has no room either: `--memory` puts it beside the output.
#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_open_flows_have_no_room_either() {
    let journal = journal(1, 6_000, 500.0);
    let disk = SmallDisk::mount(96);
    for (command, output) in [("export", "archive"), ("squeeze", "flows.ct")] {
        let output = disk.0.path().join(output);
        let words = [command.as_ref(), "--memory".as_ref(), "0".as_ref(), "-o".as_ref(), output.as_os_str()];
        let failed = run(words.into_iter().chain([journal.path().as_os_str()]));
        assert_eq!((failed.status, failed.stdout.as_str()), (5, ""), "{command}");
        let why = "what is known of open flows cannot be kept (--memory): No space left";
        assert!(failed.stderr.contains(why), "{command}: {}", failed.stderr);
        let left: Vec<_> = files(disk.0.path()).into_iter().map(|(path, _)| path).collect();
        assert!(left.is_empty(), "{command}: {left:?}");
    }
}
