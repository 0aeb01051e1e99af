//! `ctrecorder test`: what is whole, and every way of not being so that is not damage of a block.

use std::ffi::OsString;
use std::fs;

use ctrecorder_format::{Cause, Closing, Digest, Header, Kind, Note};
use tempfile::TempDir;

use super::sample::{BEGIN, NS, Segment, blocks, golden, header, run, v4};
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

/// The last line of an answer, and the others.
fn told(answer: &Answer) -> (&str, Vec<&str>) {
    let mut lines: Vec<_> = answer.stdout.lines().collect();
    (lines.pop().unwrap_or_default(), lines)
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
    let (summary, lines) = told(&answer);
    assert_eq!(
        summary,
        "4 files tested: 4 ok; between files nothing is missing that they tell of; what came before the first or behind the \
         last one of a recorder is not tested"
    );
    for (place, line) in lines.into_iter().enumerate() {
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
         {}: ok, version 2, 41 records; version 2 has no checksum: only its form was tested\n\
         2 files tested: 2 ok; of files of version 2 nobody can say whether one is missing\n",
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
    assert_eq!(
        said(&[0, 2, 3]),
        "1: FAILED: the file itself is whole, but segment 1 is missing between 0 and this one"
    );
    assert_eq!(
        said(&[0, 3]),
        "1: FAILED: the file itself is whole, but segments 1 to 2 are missing between 0 and this one"
    );
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

/// A segment without an end is no work of a recorder that was killed if that went on. What is missing before it is told behind what
/// is wrong with itself.
#[test]
fn a_segment_that_was_cut_off_in_the_midst_of_a_run_is_not_that_of_a_recorder_that_was_killed() {
    let chain = chain();
    let cut = &chain[1][..blocks(&chain[1])[1]];
    let (directory, answer) = test(&[&chain[0], cut, &chain[2]]);
    let said = format!(
        "{0}/1: FAILED: offset {1}: no footer: cut off, though its recorder went on in {0}/2: as where the disk failed, or copied while it \
         was written; before that, 1 record in 1 block is whole",
        directory.path().display(),
        cut.len()
    );
    let lines: Vec<_> = answer.stdout.lines().collect();
    assert_eq!((answer.status, lines[1]), (1, said.as_str()));
    assert!(lines[2].contains("/2: ok, "), "{}", lines[2]);

    let (_, last) = test(&[&chain[0], cut]);
    assert!(last.stdout.contains("cut off, as where a recorder was killed, or copied while"), "{}", last.stdout);

    let (_, behind) = test(&[&chain[0], &chain[2][..blocks(&chain[2])[1]]]);
    let line = behind.stdout.lines().nth(1).unwrap();
    assert!(!line.contains("itself is whole") && line.contains("; segment 1 is missing between "), "{line}");
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

/// Three runs of a recorder, each of which tells when the one before ended: of two segments, of one, and of two.
fn runs() -> [Vec<u8>; 5] {
    let at = |second: u64| BEGIN + second * NS;
    let segment = |started, number, (from, to), previous, closing, before: Option<u64>| {
        let header = Header { recorder_started: at(started), created: at(from), ..header(number, previous) };
        let begun = Segment::new(&header);
        let begun = match before {
            Some(before) => begun.note(&Note::gap(at(before), at(from), Note::LOST_UNKNOWN, Cause::NotRunning)),
            None => begun,
        };
        begun.push(&v4(Kind::Start, from as u16, from)).closed_at(closing, to)
    };
    let (a, digest) = segment(0, 0, (0, 100), None, Closing::WentOn, None);
    let (b, _) = segment(0, 1, (100, 200), Some(digest), Closing::Stopped, None);
    let (c, _) = segment(300, 0, (300, 400), None, Closing::Stopped, Some(200));
    let (d, digest) = segment(500, 0, (500, 600), None, Closing::WentOn, Some(400));
    let (e, _) = segment(500, 1, (600, 700), Some(digest), Closing::Stopped, None);
    [a, b, c, d, e]
}

/// Whatever order they are given in.
#[test]
fn a_run_that_is_missing_or_an_end_of_one_fails_the_file_behind() {
    let runs = runs();
    let said = |left: &[usize]| {
        let files: Vec<_> = left.iter().map(|number| runs[*number].as_slice()).collect();
        let (directory, answer) = test(&files);
        let (summary, lines) = told(&answer);
        let missing = "between files something is missing";
        assert_eq!((answer.status == 1, answer.stderr.as_str()), (summary.contains(missing), ""), "{summary}");
        let shown = |line: &&str| !line.contains(": ok, ");
        let lines: Vec<_> = lines.into_iter().filter(shown).collect();
        lines.join("\n").replace(&format!("{}/", directory.path().display()), "").replace("2027.01.15 ", "")
    };
    let failed = |file, before, from, to| {
        format!(
            "{file}: FAILED: the file itself is whole, but segments are missing between {before} and this one, from {from}.000000 to \
             {to}.000000"
        )
    };
    assert_eq!(said(&[0, 1, 2, 3, 4]), "");
    assert_eq!(said(&[0, 2, 3, 4]), failed(1, 0, "08:01:40", "08:03:20"), "the end of the first run");
    assert_eq!(said(&[0, 1, 3, 4]), failed(2, 1, "08:03:20", "08:06:40"), "the second run");
    assert_eq!(said(&[0, 1, 2, 4]), failed(3, 2, "08:06:40", "08:10:00"), "the begin of the third run");
    assert_eq!(said(&[3, 4, 0, 1]), failed(0, 3, "08:03:20", "08:06:40"), "in another order");
    // What was before the first file breaks no chain, as what was behind the last one.
    let before = "0: a run before it, which ended at 08:03:20.000000, is not among those given";
    assert_eq!(said(&[2, 3, 4]), before);
    assert_eq!(said(&[0, 1, 2]), "");
}

/// A container that is started again has another network namespace: whether a run of it is missing, the next one tells all the same.
#[test]
fn a_run_of_another_namespace_is_missed_if_one_tells_of_it() {
    let at = |second: u64| BEGIN + second * NS;
    let stopped = |namespace, (from, to), before: Option<u64>| {
        let header = Header { recorder_started: at(from), created: at(from), namespace, ..header(0, None) };
        let note = |before| Note::gap(at(before), at(from), Note::LOST_UNKNOWN, Cause::NotRunning);
        let begun = before.map(note).iter().fold(Segment::new(&header), Segment::note);
        begun.push(&v4(Kind::Start, from as u16, from)).closed_at(Closing::Stopped, to).0
    };
    let first = stopped(1, (0, 100), None);
    let [begun_anew, begun_behind] = [None, Some(100)].map(|before| stopped(2, (200, 300), before));
    let [behind_first, behind_second] = [100, 300].map(|before| stopped(2, (400, 500), Some(before)));
    let status = |files: &[&[u8]]| test(files).1.status;
    assert_eq!(status(&[&first, &begun_anew, &behind_second]), 0);
    assert_eq!(status(&[&first, &begun_behind, &behind_second]), 0);
    assert_eq!(status(&[&first, &behind_first]), 0, "it came behind one of the other namespace");
    let (_, answer) = test(&[&first, &behind_second]);
    let missing = "from 2027.01.15 08:01:40.000000 to 2027.01.15 08:05:00.000000";
    assert_eq!(answer.status, 1);
    assert!(answer.stdout.contains(missing), "{}", answer.stdout);
}

/// Two machines record at the same time: what one did not, the other one did not either.
#[test]
fn runs_of_several_recorders_are_told_apart() {
    let runs = runs();
    let of_other = |bytes: &[u8]| {
        let segment = ctrecorder_format::Segment::open(bytes).unwrap();
        let header = Header { host: "nat2".into(), ..segment.header().unwrap().clone() };
        Segment::new(&header).closed_until(Closing::Stopped, segment.footer().unwrap().totals.closed)
    };
    let other = of_other(&runs[1]);
    let (_, answer) = test(&[&runs[0], &other, &runs[2]]);
    assert_eq!(answer.status, 1);
    assert!(
        answer.stdout.contains("2: FAILED: the file itself is whole, but segments are missing between "),
        "{}",
        answer.stdout
    );
}
