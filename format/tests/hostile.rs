//! Segments whose checksums are right and whose numbers are not: made by an enemy, not by a broken disk.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use ctrecorder_format::block::PAYLOAD_MAX;
use ctrecorder_format::{Body, Cause, Fault, Header, Note, Segment};

// Offsets of docs/format.md.
const BLOCK_HEADER: usize = 64;
const RECORD_SIZE: usize = 14;
const PAYLOAD_LENGTH: usize = 20;
const PAYLOAD_CRC: usize = 56;
const ENTRY: usize = 56;
const ENTRY_RECORDS: usize = 40;
/// The directory begins behind the 100 bytes of the totals and four zeros.
const DIRECTORY: usize = BLOCK_HEADER + 104;
const TOTALS_IPV4: usize = BLOCK_HEADER + 64;

fn example() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/v3/example.ct")).unwrap()
}

/// Where the blocks of a segment begin.
fn places(bytes: &[u8]) -> Vec<usize> {
    Segment::open(bytes).unwrap().heads().map(|head| head.unwrap().offset as usize).collect()
}

/// Puts `new` at `offset` of the block at `block`, and makes its checksums right.
fn forge(bytes: &mut [u8], block: usize, offset: usize, new: &[u8]) {
    bytes[block + offset..block + offset + new.len()].copy_from_slice(new);
    let length = u32::from_le_bytes(bytes[block + PAYLOAD_LENGTH..][..4].try_into().unwrap()) as usize;
    let payload = &bytes[block + BLOCK_HEADER..][..length.next_multiple_of(64).min(bytes.len() - block - BLOCK_HEADER)];
    let crc = crc32fast::hash(payload);
    bytes[block + PAYLOAD_CRC..][..4].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&bytes[block..block + 60]);
    bytes[block + 60..block + 64].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn counts_of_a_footer_beyond_all_measure_are_survived() {
    let mut bytes = example();
    let places = places(&bytes);
    let footer = places[3];
    for entry in 0..3 {
        forge(&mut bytes, footer, DIRECTORY + entry * ENTRY + ENTRY_RECORDS, &u64::MAX.to_le_bytes());
    }
    forge(&mut bytes, footer, TOTALS_IPV4, &u64::MAX.to_le_bytes());
    // Two blocks gone: what they held is the sum of two entries, which is no number.
    bytes[places[1]] ^= 1;
    bytes[places[2]] ^= 1;
    let segment = Segment::open(&bytes).unwrap();
    assert_eq!(segment.footer().unwrap().totals.records(), u64::MAX);
    let damage: Vec<_> = segment.blocks().filter_map(Result::err).collect();
    assert_eq!((damage.len(), damage[0].records_lost), (1, None));
}

#[test]
fn notes_and_entries_of_another_size_are_not_misread() {
    for (block, what) in [(0, "its notes have another size"), (3, "its directory entries have another size")] {
        let mut bytes = example();
        let place = places(&bytes)[block];
        forge(&mut bytes, place, RECORD_SIZE, &[48, 0]);
        let segment = Segment::open(&bytes).unwrap();
        let damage: Vec<_> = segment.blocks().filter_map(Result::err).map(|damage| damage.fault).collect();
        assert_eq!(damage, [Fault::Contradiction { sequence: block as u32, what }]);
    }
}

#[test]
fn a_payload_longer_than_any_is_no_block() {
    for (length, is_block) in [(PAYLOAD_MAX, true), (PAYLOAD_MAX + 1, false), (u32::MAX, false)] {
        let mut bytes = example();
        let place = places(&bytes)[2];
        // The file is as long as this block says, if anybody believes it.
        bytes.resize(place + BLOCK_HEADER + (PAYLOAD_MAX as usize).next_multiple_of(64) + 64, 0);
        forge(&mut bytes, place, PAYLOAD_LENGTH, &length.to_le_bytes());
        let found =
            Segment::open(&bytes).unwrap().heads().filter_map(Result::ok).any(|head| head.offset as usize == place);
        assert_eq!(found, is_block, "{length} bytes");
    }
}

#[test]
fn a_header_that_no_reader_would_take_is_not_written() {
    let bytes = example();
    let header = Segment::open(&bytes).unwrap().header().unwrap().clone();
    let with = |length| Header { filters: "f".repeat(length), ..header.clone() }.encode();
    let body = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let longest = 64 * 1024 - 64 - body;
    let encoded = with(longest).unwrap();
    assert_eq!((encoded.len(), Segment::open(&encoded).unwrap().header().is_ok()), (64 * 1024, true));
    assert!(with(longest + 1).is_err());
}

#[test]
fn every_cause_that_may_lose_events_is_a_gap() {
    let no_gaps = [Cause::Started, Cause::Stopped, Cause::ClockStep];
    for number in 0..=u16::MAX {
        let mut note = Note::at(1, Cause::Started);
        note.cause.set(number);
        let gap = number < 1 << 15 && !no_gaps.map(|cause| cause as u16).contains(&number);
        assert_eq!(note.is_gap(), gap, "cause {number}");
    }
    let bytes = example();
    let block = Segment::open(&bytes).unwrap().blocks().next().unwrap().unwrap();
    assert!(matches!(block.body, Body::Notes([note]) if note.cause() == Some(Cause::Started)));
}
