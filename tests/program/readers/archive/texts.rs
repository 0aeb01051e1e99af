//! Exports as text.

use std::fs;
use std::path::Path;

use super::journal::{export, files, journal, lines};

/// All lines of the files of an export, in order.
fn exported(directory: &Path) -> Vec<String> {
    let files = files(directory)
        .into_iter()
        .flat_map(|(path, _)| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>());
    let mut lines: Vec<_> = files.collect();
    lines.sort();
    lines
}

#[test]
fn text_is_that_of_a_squeezed_list() {
    let journal = journal(1, 2_000, 0.5);
    for (form, format) in [("ndjson", "json"), ("csv", "csv")] {
        for partition in [None, Some("--partition")] {
            let further: Vec<_> = ["--to", form].into_iter().chain(partition).collect();
            let (_around, directory, done) = export(journal.path(), &further);
            assert_eq!((done.status, done.stdout.as_str()), (0, ""), "{}", done.stderr);
            let names = files(&directory);
            assert_eq!(names.len() > 1, partition.is_some());
            assert!(names.iter().all(|(path, _)| path.extension().is_some_and(|suffix| suffix == form)));
            let mut listed = lines(journal.path(), &["list", "-sHo", format]);
            if form == "csv" {
                // Each file has a line of names.
                let names_of_fields = listed.iter().find(|line| line.starts_with("time,")).unwrap().clone();
                listed.extend(std::iter::repeat_n(names_of_fields, names.len() - 1));
                listed.sort();
            }
            assert_eq!(exported(&directory), listed, "{form}");
            let (count, bytes) = (names.len(), names.iter().map(|(_, bytes)| bytes.len()).sum::<usize>());
            let flows = listed.len() - if form == "csv" { count } else { 0 };
            let files = if count == 1 { "1 file".into() } else { format!("{count} files") };
            let said = format!(": {flows} flows exported into {files} of {bytes} bytes together\n");
            assert!(done.stderr.ends_with(&said), "{said} {}", done.stderr);
        }
    }
}

#[test]
fn a_filter_keeps_what_it_does_in_a_list() {
    let journal = journal(1, 1_000, 2.0);
    let filter = ["--proto", "udp", "--min-duration", "2s"];
    let (_around, directory, done) = export(journal.path(), &[&["--to", "ndjson"][..], &filter].concat());
    assert_eq!(done.status, 0);
    let listed = lines(journal.path(), &[&["list", "-sHo", "json"][..], &filter].concat());
    assert!(!listed.is_empty());
    assert_eq!(exported(&directory), listed);
}
