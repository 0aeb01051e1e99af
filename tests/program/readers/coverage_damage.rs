//! `ctrecorder coverage` and what is squeezed of the same files count alike what damage took.

use std::path::Path;

use ctrecorder_format::{Closing, Kind, V4};
use serde_json::Value;

use super::coverage::{coverage, journal};
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
