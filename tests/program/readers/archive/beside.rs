//! Archives beside what they were made from, or a part of that: each flow is told once.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::slice::from_ref;

use ctrecorder_format::Segment;
use ctrecorder_synth::Version;

use super::added::{add, rows, segments, version_2};
use super::faults::damage;
use crate::program::Answer;
use crate::readers::sample::{golden, run};
use crate::readers::squeezed_place::{Place, flows, same_lines, synthetic};

/// Runs a command that makes this of some inputs.
fn make(words: &[&str], output: &Path, inputs: &[PathBuf]) {
    let words = words.iter().map(OsStr::new).chain(["-o".as_ref(), output.as_os_str()]);
    let made = run(words.chain(inputs.iter().map(|path| path.as_os_str())));
    assert_eq!(made.status, 0, "{}", made.stderr);
}

/// The flows that these paths tell of together, and what is said of that.
fn told(paths: &[&Path]) -> (Vec<String>, Answer) {
    let words = ["list", "-sH"].iter().map(OsStr::new);
    let answer = run(words.chain(paths.iter().map(|path| path.as_os_str())));
    let mut lines: Vec<_> = answer.stdout.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    (lines, answer)
}

const ARCHIVED: &str = "passed over: an archive that was made from it is there\n";
const SOURCES: &str = "passed over: what it was made from is there";

/// A journal whose first two segments are gone, and an archive of the first five; and what the journal told before.
fn half_gone(further: &[&str]) -> (Place, Vec<String>) {
    let place = synthetic(Version::Three, Vec::new(), false);
    let (all, segments) = (flows(&place.path("journal")), segments(&place));
    make(&[&["export"], further].concat(), &place.path("archive"), &segments[..5]);
    segments[..2].iter().for_each(|gone| fs::remove_file(gone).unwrap());
    (place, all)
}

/// Old segments are removed one day, and what is archived of the others is read from there.
#[test]
fn an_archive_beside_what_is_left_of_its_journal_tells_each_flow_once() {
    for further in [&[][..], &["--add"], &["--partition"]] {
        let (place, all) = half_gone(further);
        let [archive, journal] = ["archive", "journal"].map(|name| place.path(name));
        for paths in [[&*archive, &*journal], [&*journal, &*archive]] {
            let (lines, answer) = told(&paths);
            let said = format!("02.ct and 2 other files {ARCHIVED}");
            assert!(answer.status == 0 && answer.stderr.contains(&said), "{further:?} {}", answer.stderr);
            assert!(!answer.stderr.contains("twice"), "{}", answer.stderr);
            same_lines(&lines, &all);
        }
    }
}

/// What came later is nothing that an archive has.
#[test]
fn nothing_is_said_of_an_archive_and_the_segments_behind_it() {
    let (place, all) = half_gone(&[]);
    segments(&place)[..3].iter().for_each(|gone| fs::remove_file(gone).unwrap());
    let (lines, answer) = told(&[&place.path("archive"), &place.path("journal")]);
    assert_eq!((answer.status, answer.stderr.as_str()), (0, ""));
    same_lines(&lines, &all);
}

/// The next segment is begun at the moment at which the one before it is closed, and what was open then comes before it, whatever the
/// directories are called.
#[test]
fn what_an_archive_left_open_comes_before_the_segment_behind_it() {
    let (place, all) = half_gone(&["--add"]);
    fs::rename(place.path("archive"), place.path("z")).unwrap();
    for paths in [[place.path("z"), place.path("journal")], [place.path("journal"), place.path("z")]] {
        same_lines(&told(&[&paths[0], &paths[1]]).0, &all);
    }
}

/// What somebody removed from the middle of an archive comes late for good, and is exported beside it.
#[test]
fn what_is_gone_from_the_middle_of_an_archive_is_told_by_one_beside_it() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let (all, segments) = (flows(&place.path("journal")), segments(&place));
    let [archive, rest, whole] = ["archive", "rest", "whole"].map(|name| place.path(name));
    let mut gone = PathBuf::new();
    for to in [3, 6, segments.len()] {
        let before: Vec<_> = files(&archive);
        assert_eq!(add(&archive, &[], &segments[..to]).status, 0);
        let new = files(&archive).into_iter().find(|file| !before.contains(file) && !is_open(file));
        gone = if to == 6 { new.unwrap() } else { gone };
    }
    fs::remove_file(gone).unwrap();
    let refused = add(&archive, &[], &segments);
    assert!(refused.status == 2 && refused.stderr.contains("03.ct: it comes too late"), "{}", refused.stderr);
    make(&["export"], &rest, &segments[3..6]);
    same_lines(&told(&[&archive, &rest]).0, &all);
    make(&["export"], &whole, &[archive, rest]);
    same_lines(&flows(&whole), &all);
}

fn files(archive: &Path) -> Vec<PathBuf> {
    let files = archive.exists().then(|| super::journal::files(archive));
    files.into_iter().flatten().map(|(path, _)| path).collect()
}

fn is_open(file: &Path) -> bool {
    file.display().to_string().ends_with("-open.parquet")
}

/// What an archive does not have, or nobody knows whether it has it, is read from the segments.
#[test]
fn segments_are_read_beside_an_archive_that_has_not_all_of_them() {
    let is_read = |place: &Place, what: &str| {
        let answer = told(&[&place.path("archive"), &place.path("journal")]).1;
        assert!(!answer.stderr.contains("passed over"), "{what}: {}", answer.stderr);
        assert!(answer.stderr.contains("tell of the same: flows are there twice\n"), "{what}: {}", answer.stderr);
    };
    is_read(&half_gone(&["--proto", "tcp"]).0, "of some flows");
    let (place, _) = half_gone(&["--partition", "--add"]);
    fs::remove_file(files(&place.path("archive")).into_iter().find(|file| is_open(file)).unwrap()).unwrap();
    is_read(&place, "without open flows");
}

/// What was damaged when it was exported may be whole in a copy.
#[test]
fn segments_are_read_beside_an_archive_of_such_as_were_damaged() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let (segments, archive) = (segments(&place), place.path("archive"));
    let (first, second) = (segments[0].clone(), fs::read(&segments[1]).unwrap());
    damage(&segments[1]);
    let words = ["export", "-o"].iter().map(OsStr::new).chain([archive.as_os_str()]);
    assert_eq!(run(words.chain(segments[..3].iter().map(|path| path.as_os_str()))).status, 5);
    fs::write(&segments[1], second).unwrap();
    fs::remove_file(first).unwrap();
    let (lines, answer) = told(&[&archive, &place.path("journal")]);
    assert!(!answer.stderr.contains("passed over"), "{}", answer.stderr);
    let all: HashSet<_> = lines.into_iter().collect();
    assert!(flows(&segments[1]).iter().all(|line| line.contains(" -  ") || all.contains(line)));
}

/// What one export left open is in the one behind it: if that lacks a file, some of it may be nowhere else.
#[test]
fn segments_are_read_beside_an_archive_whose_next_export_is_not_whole() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let (segments, archive) = (segments(&place), place.path("archive"));
    assert_eq!(add(&archive, &["--partition"], &segments[..3]).status, 0);
    let before = files(&archive);
    assert_eq!(add(&archive, &["--partition"], &segments).status, 0);
    let is_new = |file: &PathBuf| !before.contains(file) && !is_open(file);
    let is_read = || !told(&[&archive, &segments[1], &segments[2]]).1.stderr.contains("passed over");
    assert!(!is_read(), "all of it is there");
    fs::remove_file(files(&archive).into_iter().find(is_new).unwrap()).unwrap();
    assert!(is_read());
}

/// An archive of what was squeezed of less has less, too, whatever else it is of.
#[test]
fn segments_are_read_beside_an_archive_of_what_was_squeezed_of_some_of_their_flows() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let (segments, archive, squeezed) = (segments(&place), place.path("archive"), place.path("squeezed"));
    make(&["squeeze", "--proto", "udp"], &squeezed, &segments[..2]);
    make(&["export"], &archive, &[&[squeezed], &segments[2..]].concat());
    let answer = told(&[&archive, &segments[1]]).1;
    assert!(!answer.stderr.contains("passed over"), "{}", answer.stderr);
}

#[test]
fn files_of_version_2_beside_an_archive_of_them_are_told_once() {
    let place = Place::new();
    let (one, two, archive) =
        (version_2(&place, "one.ct", 7, 40), version_2(&place, "two.ct", 8, 40), place.path("pq"));
    let all: usize = [&one, &two].iter().map(|path| flows(path).len()).sum();
    make(&["export"], &archive, &[one.clone(), two.clone()]);
    let (lines, answer) = told(&[&archive, &one, &two]);
    assert!(lines.len() == all && answer.stderr.contains(SOURCES), "{}", answer.stderr);
    let (lines, answer) = told(&[&archive, &two]);
    assert!(lines.len() == all && answer.stderr.contains(ARCHIVED), "{}", answer.stderr);
    // Another file that is called so, and is as long.
    fs::copy(&one, &two).unwrap();
    let (lines, answer) = told(&[&archive, &two]);
    assert!(lines.len() == all && answer.stderr.contains(ARCHIVED), "{}", answer.stderr);
    fs::copy(golden("tcp.ct"), &two).unwrap();
    let (lines, answer) = told(&[&archive, &two]);
    assert!(lines.len() > all && !answer.stderr.contains("passed over"), "{}", answer.stderr);
}

/// Where a block in the middle of a segment begins.
fn begin_of_block(segment: &[u8]) -> usize {
    let blocks = Segment::open(segment).unwrap();
    let offsets: Vec<_> = blocks.blocks().flatten().map(|block| block.offset as usize).collect();
    offsets[offsets.len() / 2]
}

/// What is exported while a recorder writes to it goes by what it was then.
#[test]
fn a_segment_that_was_exported_before_it_was_closed_is_known_again() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let (all, segments, archive) = (flows(&place.path("journal")), segments(&place), place.path("archive"));
    let (first, last) = (&segments[0], &segments[1]);
    let whole = fs::read(last).unwrap();
    fs::write(last, &whole[..begin_of_block(&whole)]).unwrap();
    make(&["export"], &archive, &[first.clone(), last.clone()]);
    fs::write(last, whole).unwrap();
    let (lines, answer) = told(&[&archive, &place.path("journal")]);
    assert!(answer.stderr.contains(SOURCES), "{}", answer.stderr);
    same_lines(&lines, &all);
}

#[test]
fn what_was_made_of_what_was_made_is_passed_over_too() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let [journal, squeezed, of_squeezed, archive, of_archive] =
        ["journal", "sq.ct", "of-sq", "archive", "of-archive"].map(|name| place.path(name));
    let all = flows(&journal);
    make(&["squeeze"], &squeezed, from_ref(&journal));
    make(&["export"], &of_squeezed, from_ref(&squeezed));
    make(&["export", "--partition"], &archive, from_ref(&journal));
    make(&["export"], &of_archive, from_ref(&archive));
    for paths in [
        &[&*of_squeezed, &*squeezed][..],
        &[&of_squeezed, &journal],
        &[&of_squeezed, &squeezed, &journal],
        &[&of_archive, &archive],
        &[&of_archive, &journal],
        &[&of_archive, &archive, &journal],
    ] {
        let (lines, answer) = told(paths);
        assert!(answer.stderr.contains(SOURCES) && !answer.stderr.contains("twice"), "{paths:?} {}", answer.stderr);
        assert_eq!(lines.len(), all.len(), "{paths:?}");
    }
}

/// Whoever adds to an archive from a directory in which an archive of the same is, adds nothing twice.
#[test]
fn nothing_is_added_twice_from_a_journal_beside_its_archive() {
    let (place, all) = half_gone(&[]);
    let other = place.path("other");
    let added = add(&other, &[], &[place.path("archive"), place.path("journal")]);
    assert_eq!(added.status, 0, "{}", added.stderr);
    assert_eq!(rows(&other, true).len(), all.len());
}
