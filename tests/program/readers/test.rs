//! `ctrecorder test`: what is whole, and every way of not being so that is not damage of a block.

use std::ffi::OsString;
use std::fs;

use ctrecorder_format::{Closing, Digest, Kind};
use tempfile::TempDir;

use super::sample::{Segment, blocks, golden, header, run, v4};
use crate::program::Answer;

/// Four segments that follow each other.
fn chain() -> Vec<Vec<u8>> {
    let mut previous: Option<Digest> = None;
    let segment = |number: u16| {
        let segment = Segment::new(&header(number.into(), previous)).push(&v4(Kind::Start, number, number.into()));
        let (bytes, digest) = segment.closed(if number == 3 { Closing::Stopped } else { Closing::WentOn });
        previous = Some(digest);
        bytes
    };
    (0..4).map(segment).collect()
}

/// Writes files and tests them, in this order. Their names are their places.
fn test(files: &[&[u8]]) -> (TempDir, Answer) {
    let directory = TempDir::new().unwrap();
    let paths = files.iter().enumerate().map(|(place, bytes)| {
        let path = directory.path().join(place.to_string());
        fs::write(&path, bytes).unwrap();
        path.into_os_string()
    });
    let answer = run([OsString::from("test")].into_iter().chain(paths));
    (directory, answer)
}

#[test]
fn whole_files_are_ok() {
    let chain = chain();
    let (directory, answer) = test(&chain.iter().map(Vec::as_slice).collect::<Vec<_>>());
    assert_eq!((answer.status, answer.stderr.as_str()), (0, ""));
    for (place, line) in answer.stdout.lines().enumerate() {
        let closed = if place == 3 { "stopped" } else { "went on" };
        let begin = format!(
            "{}: ok, version 3, 1 record, 2 blocks, closed: {closed}, digest ",
            directory.path().join(place.to_string()).display()
        );
        let digest = line.strip_prefix(&begin).unwrap_or_else(|| panic!("{line}"));
        assert!(digest.len() == 64 && digest.bytes().all(|digit| digit.is_ascii_hexdigit()), "{digest}");
    }
    let directory = run(["test".as_ref(), directory.path().as_os_str()]);
    assert_eq!((directory.status, directory.stdout), (0, answer.stdout));

    let old = run(["-T".as_ref(), "-f".as_ref(), golden("tcp.ct").as_os_str(), golden("udp.combined.ct").as_os_str()]);
    let expected = format!(
        "{}: ok, version 2, 263 records; version 2 has no checksum: only its form was tested\n\
         {}: ok, version 2, 41 records; version 2 has no checksum: only its form was tested\n",
        golden("tcp.ct").display(),
        golden("udp.combined.ct").display()
    );
    assert_eq!((old.status, old.stdout), (0, expected));
}

#[test]
fn a_segment_that_is_missing_moved_or_exchanged_shows() {
    let chain = chain();
    let said = |order: &[usize]| {
        let files: Vec<_> = order.iter().map(|number| chain[*number].as_slice()).collect();
        let (directory, answer) = test(&files);
        let lines: Vec<_> = answer.stdout.lines().filter(|line| line.contains(": FAILED: ")).collect();
        assert_eq!(answer.status, i32::from(!lines.is_empty()));
        lines.join("\n").replace(&format!("{}/", directory.path().display()), "")
    };
    // A journal need not begin with its recorder, nor be whole at its end.
    assert_eq!(said(&[1, 2]), "");
    assert_eq!(said(&[0, 2, 3]), "1: FAILED: segment 1 is missing between 0 and this one");
    assert_eq!(said(&[0, 3]), "1: FAILED: segments 1 to 2 are missing between 0 and this one");
    assert_eq!(said(&[1, 0]), "1: FAILED: segment 0 stands after segment 1 (0)");

    // One whose header is damaged is there: the one behind it names its digest.
    let beheaded = |numbers: &[usize], order: &[usize]| {
        let mut chain = chain.clone();
        numbers.iter().for_each(|number| chain[*number][100] ^= 1);
        let files: Vec<_> = order.iter().map(|number| chain[*number].as_slice()).collect();
        test(&files).1.stdout.lines().filter(|line| line.contains("segment ") || line.contains("segments ")).count()
    };
    assert_eq!(beheaded(&[1], &[0, 1, 2, 3]), 0);
    assert_eq!(beheaded(&[0], &[0, 1, 2, 3]), 0);
    assert_eq!(beheaded(&[2], &[0, 2, 3]), 1);

    // The same recorder, the same number, whole in itself, but not what was recorded.
    let (forged, _) = Segment::new(&header(1, None)).push(&v4(Kind::Start, 7, 7)).closed(Closing::WentOn);
    let (directory, answer) = test(&[&chain[0], &forged]);
    let expected = format!(
        "{0}/1: FAILED: it does not follow {0}/0: the digest of the segment before is another one",
        directory.path().display()
    );
    assert_eq!((answer.status, answer.stdout.lines().nth(1)), (1, Some(expected.as_str())));
}

#[test]
fn an_edit_that_keeps_every_checksum_shows_in_the_digest() {
    let mut bytes = chain().remove(0);
    let at = blocks(&bytes)[0];
    let payload = at + 64;
    let length = u32::from_le_bytes(bytes[at + 20..at + 24].try_into().unwrap()) as usize;
    bytes[payload + 16 + 3] = 99;
    let crc = crc32fast::hash(&bytes[payload..payload + length.next_multiple_of(64)]);
    bytes[at + 56..at + 60].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&bytes[at..at + 60]);
    bytes[at + 60..at + 64].copy_from_slice(&crc.to_le_bytes());
    let footer = blocks(&bytes)[1];
    let (directory, answer) = test(&[&bytes]);
    let expected = format!(
        "{}/0: FAILED: offset {footer}: the digest in the footer is not that of the segment\n",
        directory.path().display()
    );
    assert_eq!(answer.status, 1);
    assert!(answer.stdout.starts_with(&expected), "{}", answer.stdout);
}

/// A footer that belongs to another segment of the same tag: whole, and wrong.
#[test]
fn totals_and_directory_are_held_against_the_blocks() {
    let one = Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 1)).stopped();
    let other = Segment::new(&header(0, None)).push(&v4(Kind::End, 1, 2)).stopped();
    let footer = blocks(&one)[1];
    assert_eq!(footer, blocks(&other)[1]);
    let (_, answer) = test(&[&[&one[..footer], &other[footer..]].concat()]);
    assert_eq!(answer.status, 1);
    for said in [
        format!("offset {footer}: the footer says 0 starts, and there are 1; "),
        format!("offset {footer}: the footer says 1 ends, and there are 0; "),
        format!("offset {footer}: entry 0 of the directory is not that of its blocks; "),
        format!("offset {footer}: the digest in the footer is not that of the segment\n"),
    ] {
        assert!(answer.stdout.contains(&said), "{}", answer.stdout);
    }
}

/// What is missing before the first and behind the last segment given breaks no chain, but is said.
#[test]
fn ends_at_which_there_was_more_are_told() {
    let whole = chain();
    let (directory, answer) = test(&[&whole[1]]);
    let path = directory.path().join("0");
    let lines: Vec<_> = answer.stdout.lines().collect();
    let begin = format!("{}: the recorder wrote a segment before it that is not among those given", path.display());
    let end = format!("{}: the recorder went on in a segment that is not among those given", path.display());
    assert_eq!((answer.status, lines[1], lines[2], lines.len()), (0, begin.as_str(), end.as_str(), 3));
}

#[test]
fn of_a_directory_every_file_is_told() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("0.ct"), Segment::new(&header(0, None)).stopped()).unwrap();
    std::fs::write(directory.path().join("1.ct"), "").unwrap();
    let answer = run(["test".as_ref(), directory.path().as_os_str()]);
    let emptied = format!("{}/1.ct: passed over: the file is empty", directory.path().display());
    assert_eq!((answer.status, answer.stdout.lines().nth(1)), (0, Some(emptied.as_str())));
}
