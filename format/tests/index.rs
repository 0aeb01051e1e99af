//! The index never hides what is there: whatever was written, however it was grouped, whatever became of it since.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use ctrecorder_format::{
    Address, Block, BlockKind, Body, Cause, Closing, Content, Fault, Header, Index, Key, Kind, Note, ReadAt, Record,
    Records, Segment, Tuple, V4, V6, Writer,
};
use proptest::prelude::*;

/// Offsets of docs/format.md.
const BLOCK_HEADER: usize = 64;
const PAYLOAD_CRC: usize = 56;
const HEADER_CRC: usize = 60;

fn record<A: Address>(number: u32, address: impl Fn(u32) -> A) -> Record<A> {
    let random = |salt: u32| (number ^ salt << 20).wrapping_mul(0x9e37_79b9) ^ salt;
    let tuple = |src, dst, sport: u32, dport: u32| Tuple {
        src: address(src),
        dst: address(dst),
        sport: (sport as u16).into(),
        dport: (dport as u16).into(),
    };
    let at = 1_795_183_200_000_000_000 + u64::from(number);
    Record {
        start: at.into(),
        end: (at + 5).into(),
        original: tuple(random(1), random(2), random(3), random(4)),
        reply: tuple(random(2), random(5), random(4), random(6)),
        id: number.into(),
        mark: 0.into(),
        zone: 0.into(),
        kind: Kind::Flow as u8,
        protocol: 6,
        status: 0.into(),
        tcp_state: 0,
        flags: 0,
    }
}

fn v4(number: u32) -> Record<V4> {
    record(number, u32::to_be_bytes)
}

fn v6(number: u32) -> Record<V6> {
    record(number, |rest| (0x2001_0db8 << 96 | u128::from(rest)).to_be_bytes())
}

/// What is written of a batch.
#[derive(Clone, Copy, Debug)]
struct Batch {
    ipv4: u32,
    ipv6: u32,
    /// So many records are the same: few keys make a small filter.
    alike: u32,
    noted: bool,
}

fn segment(batches: &[Batch], finish: bool) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &Header { tag: 7, ..Header::blank(Content::Flows) }).unwrap();
    let mut number = 0;
    for batch in batches {
        for _ in 0..batch.ipv4.max(batch.ipv6) {
            number += 1;
            let time = u64::from(number);
            if batch.ipv4 > 0 {
                writer.push(&v4(number / batch.alike), None, time);
            }
            if batch.ipv6 > 0 {
                writer.push(&v6(number / batch.alike), None, time);
            }
        }
        writer.seal();
        if batch.noted {
            writer.note(&Note::at(number.into(), Cause::Quiet));
        }
    }
    if finish {
        writer.finish(Closing::Complete, number.into()).unwrap();
    }
    writer.write_out().unwrap();
    writer.output().clone()
}

/// Full blocks, enough for an index before the last one: columns of 128 slots, 248 of them.
fn long() -> Vec<u8> {
    segment(&[Batch { ipv4: 1100, ipv6: 0, alike: 1, noted: false }; 130], true)
}

/// Keys of a block's records: all of them where they are few.
fn keys(block: &Block<'_>) -> Vec<Key> {
    fn of<A: Address>(records: &Records<'_, A>) -> Vec<Key> {
        let endpoints = records.iter().flat_map(|(record, _)| record.endpoints());
        endpoints.flat_map(|(address, port)| [Key::address(address), Key::endpoint(address, port)]).collect()
    }
    let keys = match &block.body {
        Body::Ipv4(records) => of(records),
        Body::Ipv6(records) => of(records),
        _ => Vec::new(),
    };
    let step = 1 + keys.len() / 300;
    keys.into_iter().step_by(step).collect()
}

/// The first record that an index of the segment hides, if any; and how many blocks of records no index knows.
fn hidden_and_unknown(bytes: &[u8]) -> (Option<u32>, usize) {
    let segment = Segment::open(bytes).unwrap();
    let blocks: BTreeMap<_, _> =
        segment.blocks().filter_map(Result::ok).map(|block| (block.header.sequence.get(), block)).collect();
    let mut unknown: Vec<_> =
        blocks.values().filter(|block| !keys(block).is_empty()).map(|block| block.header.sequence.get()).collect();
    for index in segment.indexes().filter_map(|head| head.index()) {
        unknown.retain(|sequence| index.column_of(*sequence).is_none());
        for (sequence, block) in &blocks {
            let Some(column) = index.column_of(*sequence) else { continue };
            let hides = |key: &Key| !index.may_hold(*key).contains(column) || !index.column_may_hold(column, *key);
            if keys(block).iter().any(hides) {
                return (Some(*sequence), unknown.len());
            }
        }
    }
    (None, unknown.len())
}

/// Bytes that are read piece by piece, as those of a file.
struct Pieces<'a>(&'a [u8]);

impl ReadAt for Pieces<'_> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> bool {
        let bytes = self.0.get(offset as usize..).and_then(|rest| rest.get(..into.len()));
        bytes.is_some_and(|bytes| {
            into.copy_from_slice(bytes);
            true
        })
    }
}

#[test]
fn a_long_segment_has_several_indexes_that_know_all_blocks_and_rule_out_what_is_not_there() {
    let bytes = long();
    let segment = Segment::open(&bytes).unwrap();
    let indexes: Vec<_> = segment.indexes().map(|head| head.index().unwrap()).collect();
    assert_eq!(indexes.iter().map(|index| index.columns().len()).collect::<Vec<_>>(), [248, 12]);
    assert_eq!(hidden_and_unknown(&bytes), (None, 0));
    let (mut passed, mut asked) = (0, 0);
    for index in &indexes {
        for number in 0..2000u32 {
            // No record has port 0 with such an address.
            let key = Key::endpoint((number + (11 << 24)).to_be_bytes(), 0);
            let held = index.may_hold(key);
            asked += index.columns().len();
            passed += held.len();
            assert!(
                (0..index.columns().len()).all(|column| held.contains(column) == index.column_may_hold(column, key))
            );
        }
    }
    assert!(passed * 50 < asked, "{passed} of {asked} wrong answers");
    // Read piece by piece they say the same.
    let tag = segment.header().unwrap().tag;
    let file = Pieces(&bytes);
    for (head, index) in segment.indexes().zip(&indexes) {
        let read = Index::read(&file, head.offset, tag).unwrap();
        assert_eq!(read.columns(), index.columns());
        for number in 0..2000u32 {
            let key = Key::address((number + (10 << 24)).to_be_bytes());
            assert_eq!(read.may_hold(key), index.may_hold(key));
        }
        assert!(
            Index::read(&file, head.offset, tag ^ 1).is_none() && Index::read(&file, head.offset + 64, tag).is_none()
        );
        // What is damaged rules nothing out, or is no index.
        let mut damaged = bytes.clone();
        let (begin, end) = (head.offset as usize, (head.offset + head.header.length()) as usize);
        damaged[begin..end].iter_mut().skip(64 + 16 + 16 * index.columns().len()).for_each(|byte| *byte ^= 1);
        let file = Pieces(&damaged);
        let read = Index::read(&file, head.offset, tag).unwrap();
        assert_eq!(read.may_hold(Key::endpoint([11, 0, 0, 1], 0)), read.all());
        for at in begin..begin + 100 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Index::read(&Pieces(&damaged), head.offset, tag).is_none(), "{at}");
        }
        for cut in [begin, begin + 63, begin + 70] {
            assert!(Index::read(&Pieces(&bytes[..cut]), head.offset, tag).is_none());
        }
    }
    // By walking, where there is no footer, the same indexes are found.
    let cut = Segment::open(&bytes[..bytes.len() - 1]).unwrap();
    assert!(cut.footer().is_none());
    assert!(cut.indexes().map(|head| head.offset).eq(segment.indexes().map(|head| head.offset)));
}

#[test]
fn an_index_tells_the_times_of_its_blocks_and_neither_records_nor_events_of_its_own() {
    let bytes = long();
    let segment = Segment::open(&bytes).unwrap();
    let footer = segment.footer().unwrap();
    assert_eq!((footer.totals.blocks, footer.totals.ipv4, footer.totals.first_event), (262, 143_000, 1));
    let head = segment.indexes().next().unwrap();
    assert_eq!((head.header.kind(), head.header.count.get(), head.header.flags), (Some(BlockKind::Index), 0, 0));
    let told: Vec<_> = head.index().unwrap().columns().iter().flat_map(|column| segment.heads_of(column)).collect();
    assert_eq!(told.len(), 248);
    let times = |pick: fn(&Block<'_>) -> u64| told.iter().map(|head| pick(&head.verify().unwrap())).collect::<Vec<_>>();
    assert_eq!(Some(&head.header.first_event.get()), times(|block| block.header.first_event.get()).iter().min());
    assert_eq!(Some(&head.header.last_event.get()), times(|block| block.header.last_event.get()).iter().max());
    assert_eq!(Some(&head.header.least_start.get()), times(|block| block.header.least_start.get()).iter().min());
    assert_eq!(Some(&head.header.greatest_end.get()), times(|block| block.header.greatest_end.get()).iter().max());
    let entry = footer.directory.iter().find(|entry| entry.offset.get() == head.offset).unwrap();
    assert_eq!((entry.kinds, entry.records.get()), (1 << 5, 0));
}

#[test]
fn a_batch_is_never_parted_and_an_index_stands_behind_what_it_tells_of() {
    let batch = Batch { ipv4: 1000, ipv6: 600, alike: 1, noted: true };
    let bytes = segment(&[batch; 70], true);
    let segment = Segment::open(&bytes).unwrap();
    let kinds: Vec<_> = segment.heads().map(|head| head.unwrap().header.kind().unwrap()).collect();
    for (at, kind) in kinds.iter().enumerate() {
        assert!(*kind != BlockKind::Ipv4 || kinds[at + 1] == BlockKind::Ipv6, "block {at}");
    }
    assert!(kinds.iter().filter(|kind| **kind == BlockKind::Index).count() > 1);
    assert_eq!(hidden_and_unknown(&bytes), (None, 0));
}

#[test]
fn many_small_blocks_share_a_column_and_few_have_no_index() {
    let quiet = Batch { ipv4: 1, ipv6: 0, alike: 1, noted: false };
    let bytes = segment(&[quiet; 5000], true);
    let indexes: Vec<_> = Segment::open(&bytes).unwrap().indexes().map(|head| head.header.length()).collect();
    assert_eq!(indexes.len(), 1);
    assert!(indexes[0] < 16 * 5000, "{} bytes for 5000 records", indexes[0]);
    assert_eq!(hidden_and_unknown(&bytes), (None, 0));
    let bytes = segment(&[quiet; 50], true);
    assert_eq!((Segment::open(&bytes).unwrap().indexes().count(), hidden_and_unknown(&bytes)), (0, (None, 50)));
}

#[test]
fn an_unfinished_segment_has_a_tail_that_no_index_knows() {
    let bytes = segment(&[Batch { ipv4: 1100, ipv6: 0, alike: 1, noted: false }; 130], false);
    assert_eq!(Segment::open(&bytes).unwrap().indexes().count(), 1);
    assert_eq!(hidden_and_unknown(&bytes), (None, 12));
}

/// A segment of three blocks and its index, which begins here.
fn short() -> (Vec<u8>, usize) {
    let bytes = segment(&[Batch { ipv4: 70, ipv6: 0, alike: 4, noted: false }; 3], true);
    let offset = Segment::open(&bytes).unwrap().indexes().next().unwrap().offset as usize;
    (bytes, offset)
}

#[test]
fn no_flipped_byte_of_an_index_hides_anything_or_goes_unnoticed() {
    let (whole, begin) = short();
    let length = Segment::open(&whole).unwrap().head_at(begin as u64).unwrap().header.length() as usize;
    for at in begin..begin + length {
        for mask in [0x01, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            assert_eq!(hidden_and_unknown(&bytes).0, None, "byte {at} ^ {mask:#x}");
            assert_eq!(Segment::open(&bytes).unwrap().blocks().filter(Result::is_err).count(), 1, "byte {at}");
        }
    }
}

/// Makes the checksums right of the block that begins here, but not those within its payload.
fn seal(bytes: &mut [u8], begin: usize) {
    let length = Segment::open(&*bytes).unwrap().head_at(begin as u64).map(|head| head.header.length() as usize);
    let crc = crc32fast::hash(&bytes[begin + BLOCK_HEADER..begin + length.unwrap()]);
    bytes[begin + PAYLOAD_CRC..][..4].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&bytes[begin..begin + HEADER_CRC]);
    bytes[begin + HEADER_CRC..][..4].copy_from_slice(&crc.to_le_bytes());
}

/// What is wrong with the index of `short` if its lead and columns are these words.
fn contradiction(words: &[u32]) -> Option<&'static str> {
    let (mut bytes, begin) = short();
    let payload = begin + BLOCK_HEADER;
    for (to, word) in bytes[payload..].chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    let count = words.get(1).map_or(1, |count| *count as usize);
    let columns = &bytes[payload + 16..][..(16 * count).min(bytes.len() - payload - 16)];
    let crc = crc32fast::hash(&[&bytes[payload..payload + 12], columns].concat());
    bytes[payload + 12..][..4].copy_from_slice(&crc.to_le_bytes());
    seal(&mut bytes, begin);
    let segment = Segment::open(&bytes).unwrap();
    let head = segment.head_at(begin as u64).unwrap();
    match head.verify() {
        Err(damage) => {
            assert!(head.index().is_none());
            assert_eq!(damage.records_lost, Some(0));
            let what = if let Fault::Contradiction { what, .. } = damage.fault { Some(what) } else { None };
            assert!(what.is_some(), "{damage}");
            what
        }
        Ok(_) => None,
    }
}

#[test]
fn what_contradicts_itself_is_no_index() {
    let (bytes, begin) = short();
    let words: Vec<_> = bytes[begin + BLOCK_HEADER..]
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    assert_eq!(words[..3], [words[0], 1, 0]);
    assert_eq!(words[5..8], [0, 0, 3], "blocks 0 to 2 in one column");
    let with = |at: usize, word: u32| {
        let mut words = words[..8].to_vec();
        words[at] = word;
        contradiction(&words)
    };
    assert_eq!(with(0, words[0]), None);
    assert_eq!(with(0, 0), None, "an index without slots rules nothing out");
    assert_eq!(with(0, words[0] + 1), Some("its chunks go beyond its end"));
    assert_eq!(with(0, u32::MAX), Some("its chunks go beyond its end"));
    assert_eq!(with(1, 0), Some("its columns are none, or too many"));
    assert_eq!(with(1, 257), Some("its columns are none, or too many"));
    let not_before = Some("its columns are not of blocks before it, in their order");
    assert_eq!(with(6, 1), not_before);
    assert_eq!(with(6, u32::MAX), not_before);
    assert_eq!(with(7, 0), not_before);
    assert_eq!(with(7, u32::MAX), not_before);
    // A column of whatever place in the file is none of the reader's business before it looks there.
    assert_eq!(with(5, u32::MAX), None);
}

#[test]
fn a_chunk_whose_checksum_is_wrong_is_a_contradiction_even_if_that_of_the_block_is_right() {
    let (mut bytes, begin) = short();
    bytes[begin + BLOCK_HEADER + 32] ^= 1;
    seal(&mut bytes, begin);
    let damage = Segment::open(&bytes).unwrap().blocks().find_map(Result::err).unwrap();
    assert!(damage.to_string().contains("a chunk does not match its checksum"), "{damage}");
    assert_eq!(hidden_and_unknown(&bytes), (None, 0));
}

/// The index in these bytes, put in place of that of `short`.
fn asked(payload: &[u8]) -> Option<usize> {
    let (mut bytes, begin) = short();
    let to = &mut bytes[begin + BLOCK_HEADER..];
    let length = payload.len().min(to.len());
    to[..length].copy_from_slice(&payload[..length]);
    let segment = Segment::open(&bytes).unwrap();
    let index: Index<'_> = segment.head_at(begin as u64)?.index()?;
    Some(index.may_hold(Key::address([10, 0, 0, 1])).len())
}

fn batch() -> impl Strategy<Value = Batch> {
    (0..200_u32, 0..60_u32, 1..50_u32, any::<bool>()).prop_map(|(ipv4, ipv6, alike, noted)| Batch {
        ipv4,
        ipv6,
        alike,
        noted,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_is_there_is_never_ruled_out(batches in prop::collection::vec(batch(), 0..40), finish: bool) {
        let bytes = segment(&batches, finish);
        prop_assert_eq!(Segment::open(&bytes).unwrap().blocks().find_map(Result::err), None);
        prop_assert_eq!(hidden_and_unknown(&bytes).0, None);
    }

    #[test]
    fn any_payload_is_survived(
        lead in prop::collection::vec(any::<u8>(), 0..100), slots in 0..5_u32, columns in 0..300_u32,
        place in prop::collection::vec((0..4_u32, 0..4_u32), 0..4),
    ) {
        asked(&lead);
        let mut payload: Vec<u8> = [slots, columns, 0, 0].into_iter().flat_map(u32::to_le_bytes).collect();
        for (first, blocks) in place {
            payload.extend([0, 0, first, blocks].into_iter().flat_map(u32::to_le_bytes));
        }
        asked(&payload);
        let crc = crc32fast::hash(&[&payload[..12], &payload[16..]].concat());
        payload[12..16].copy_from_slice(&crc.to_le_bytes());
        asked(&payload);
    }
}
