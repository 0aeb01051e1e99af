//! `ctrecorder coverage` and what is squeezed of the same files count alike what damage took.

use std::path::Path;

use ctrecorder_format::{Closing, Kind, V4};
use serde_json::Value;

use super::coverage::{NOT_CLOSED, begun, coverage, journal, lines, told};
use super::sample::{Segment, blocks, header, run, v4};

/// Two segments, the first of four blocks, with one record, two, three and four.
fn segments() -> [Vec<u8>; 2] {
    let mut first = Segment::new(&header(0, None));
    for count in 1..=4_u16 {
        for number in 0..count {
            first = first.push::<V4>(&v4(Kind::Start, 10 * count + number, u64::from(100 * count + number)));
        }
        first = first.seal();
    }
    let (first, digest) = first.closed_at(Closing::WentOn, 600);
    [first, Segment::new(&header(1, Some(digest))).closed_at(Closing::Stopped, 1200).0]
}

/// What the gaps are said to have lost, in sum; `None` if that is not known of one of them.
fn lost(path: &Path, options: &[&str]) -> (usize, Option<u64>) {
    let answer = coverage(path, &[&["-o", "json"], options].concat());
    let told: Value = serde_json::from_str(&answer.stdout).unwrap();
    let gaps = told["gaps"].as_array().unwrap();
    (gaps.len(), gaps.iter().map(|gap| gap["lost"].as_u64()).sum())
}

/// The same of the journal by its heads, of all of it, and of what was squeezed from it.
fn counted(segments: [&[u8]; 2]) -> [(usize, Option<u64>); 3] {
    let directory = journal(&[("0.ct", segments[0]), ("1.ct", segments[1])]);
    let squeezed = directory.path().join(".squeezed");
    run(["squeeze".as_ref(), "-o".as_ref(), squeezed.as_os_str(), directory.path().as_os_str()]);
    [lost(directory.path(), &[]), lost(directory.path(), &["--verify"]), lost(&squeezed, &[])]
}

#[test]
fn a_damaged_block_lost_its_records_to_both() {
    let [first, second] = segments();
    assert_eq!(counted([&first, &second]), [(0, Some(0)); 3]);
    for (place, count) in blocks(&first).into_iter().take(4).zip(1..) {
        // Its head, and what stands behind that: this is seen by whoever reads the records.
        let [mut head, mut payload] = [first.clone(), first.clone()];
        head[place] ^= 1;
        payload[place + 64] ^= 1;
        assert_eq!(counted([&head, &second]), [(1, Some(count)); 3], "block {count}");
        assert_eq!(counted([&payload, &second]), [(0, Some(0)), (1, Some(count)), (1, Some(count))], "block {count}");
    }
}

/// How much was behind the cut nobody knows.
#[test]
fn a_block_that_is_cut_off_is_a_loss_of_unknown_size_to_both() {
    let [first, second] = segments();
    for place in blocks(&first).into_iter().take(4) {
        assert_eq!(counted([&first[..place + 70], &second]), [(1, None); 3], "{place}");
    }
}

#[test]
fn what_verify_finds_is_told_and_makes_the_status() {
    let [mut first, second] = segments();
    let place = blocks(&first)[1];
    first[place + 64] ^= 1;
    let directory = journal(&[("0.ct", &first), ("1.ct", &second)]);
    let verified = coverage(directory.path(), &["--verify"]);
    assert_eq!(verified.status, 1);
    assert!(verified.stderr.contains("block 1 does not match its checksum"), "{}", verified.stderr);
    let gap = "gap from 2027.01.15 08:03:20.000000 to 2027.01.15 08:03:21.000000: damaged, 2 events lost\n";
    assert!(verified.stdout.contains(gap), "{}", verified.stdout);
    assert_eq!(coverage(directory.path(), &[]).status, 0);
}

/// A status of 0 would say that all is well, while standard error says that it is not.
#[test]
fn damage_that_is_no_gap_is_a_failure() {
    let (whole, _) = begun(0, 0, 0).push(&v4(Kind::Start, 1, 10)).seal().closed_at(Closing::Stopped, 600);
    let answer = |bytes: &[u8]| coverage(journal(&[("a", bytes)]).path(), &[]);
    assert_eq!(answer(&whole).status, 0);
    let behind = answer(&[&whole[..], b"behind the footer"].concat());
    assert!(behind.stderr.contains("bytes behind the footer, 17 bytes"), "{}", behind.stderr);
    assert!(behind.stdout.ends_with("no gap\n"), "{}", behind.stdout);
    assert_eq!(behind.status, 5);
    // Without a footer, the journal ends at its last whole block: what is damaged behind that is in no span, and in no gap.
    let places = blocks(&whole);
    let mut cut = whole[..places[places.len() - 2]].to_vec();
    let said = format!("{NOT_CLOSED}2027.01.15 08:00:10.000000, and no further\n");
    assert_eq!((answer(&cut).status, answer(&cut).stderr), (0, said));
    let last = cut.len();
    cut.extend([0x5a; 200]);
    let damaged = answer(&cut);
    assert!(damaged.stderr.contains(&format!("offset {last}: no block")), "{}", damaged.stderr);
    assert!(damaged.stdout.ends_with("no gap\n"), "{}", damaged.stdout);
    assert_eq!(damaged.status, 5);
}

#[test]
fn a_segment_with_a_damaged_header_is_not_missing_but_damaged() {
    let first = begun(0, 0, 0).closed_at(Closing::WentOn, 600).0;
    let mut second = begun(0, 1, 600).push(&v4(Kind::Start, 1, 610)).closed_at(Closing::WentOn, 1200).0;
    second[100] ^= 1;
    let third = begun(0, 2, 1200).closed_at(Closing::Stopped, 1800).0;
    let directory = journal(&[("0", &first), ("1", &second), ("2", &third)]);
    let expected = [
        "recorded from 08:00:00 to 08:10:00",
        "gap from 08:10:00 to 08:10:10: damaged, number of events lost not known",
        "recorded from 08:10:10 to 08:30:00",
        "recorded 29 min 50 s, 1 gap, number of events lost not known",
    ];
    assert_eq!(told(&coverage(directory.path(), &[])), (5, lines(&expected)));
}
