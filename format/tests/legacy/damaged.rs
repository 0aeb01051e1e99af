//! Files with records cut short, damaged in their place, and overwritten.

use ctrecorder_format::legacy::{File, Header};
use ctrecorder_format::{Damage, Fault, Record, V4};
use proptest::prelude::*;

use super::made::{Clock, Made, files};
use super::{COMBINED, EVENT, TCP, TCP_COMBINED, UDP, check_times, read, read_whole};

fn damage(offset: usize, length: usize, fault: Fault, records_lost: Option<u64>) -> Damage {
    Damage { offset: offset as u64, length: length as u64, fault, records_lost }
}

/// Cuts every record but the last to every length: all others are read, and the damage is that record's rest.
pub fn check_every_cut(made: &Made, index: usize) {
    for left in 1..made.size {
        let (records, damages) = read(&made.cut(index, left), made.size);
        assert_eq!(damages, [damage(made.offset(index), left, Fault::OutOfStep, Some(1))]);
        assert_eq!(records, made.records_without(&[index]));
    }
}

fn golden(bytes: &[u8], size: usize) -> Made {
    Made { bytes: bytes.to_vec(), size, records: read_whole(bytes, size) }
}

#[test]
fn any_record_of_a_real_file_may_be_cut_short() {
    for made in [golden(TCP, EVENT), golden(TCP_COMBINED, COMBINED)] {
        for index in 0..made.records.len() - 1 {
            check_every_cut(&made, index);
        }
    }
}

#[test]
fn a_file_may_end_anywhere() {
    for made in [golden(UDP, EVENT), golden(TCP_COMBINED, COMBINED)] {
        for length in Header::LENGTH..made.bytes.len() {
            let whole = (length - Header::LENGTH) / made.size;
            let left = (length - Header::LENGTH) % made.size;
            let (records, damages) = read(&made.bytes[..length], made.size);
            assert_eq!(records, made.records[..whole]);
            let cut_off = damage(made.offset(whole), left, Fault::CutOff("record"), Some(1));
            assert_eq!(damages, if left == 0 { vec![] } else { vec![cut_off] });
        }
    }
}

#[test]
fn a_changed_byte_costs_at_most_its_record() {
    for (bytes, size) in [(UDP, EVENT), (&TCP_COMBINED[..Header::LENGTH + 40 * COMBINED], COMBINED)] {
        let all = read_whole(bytes, size);
        for position in Header::LENGTH..bytes.len() {
            for change in [0x01, 0x04, 0x10, 0x80, 0xff] {
                let mut bytes = bytes.to_vec();
                bytes[position] ^= change;
                let (records, damages) = read(&bytes, size);
                let hit = (position - Header::LENGTH) / size;
                match damages.as_slice() {
                    [] => assert_eq!(records.len(), all.len()),
                    [one] => assert_eq!((one.offset, one.length), ((Header::LENGTH + hit * size) as u64, size as u64)),
                    more => panic!("{more:?}"),
                }
                assert_eq!(records[..hit], all[..hit]);
                assert_eq!(records[records.len() - (all.len() - hit - 1)..], all[hit + 1..]);
            }
        }
    }
}

#[test]
fn a_changed_header_never_panics() {
    for bytes in [UDP, TCP_COMBINED] {
        for position in 0..Header::LENGTH {
            for bit in 0..8 {
                let mut bytes = bytes.to_vec();
                bytes[position] ^= 1 << bit;
                if let Ok(file) = File::open(&bytes) {
                    assert!(file.pieces().count() > 0);
                }
            }
        }
    }
}

#[test]
fn a_zeroed_stretch_hides_no_record_after_it_and_shows_no_half_zeroed_one() {
    let made = golden(TCP, EVENT);
    for from in made.offset(100)..made.offset(102) {
        let mut bytes = made.bytes.clone();
        bytes[from..from + 512].fill(0);
        let (records, damages) = read(&bytes, EVENT);
        let hit = (from - Header::LENGTH) / EVENT;
        let next = (from + 512 - Header::LENGTH).div_ceil(EVENT);
        // What is left of the record hit may pass for one. Else the one in front is given up too: that no byte of
        // it is hit cannot be known.
        let [Damage { offset, length, fault: Fault::OutOfStep, records_lost: None }] = damages[..] else {
            panic!("{damages:?}");
        };
        assert_eq!(offset + length, made.offset(next) as u64);
        let first = if offset == made.offset(hit) as u64 { hit } else { hit - 1 };
        assert_eq!(offset, made.offset(first) as u64);
        assert_eq!(records, [&made.records[..first], &made.records[next..]].concat());
    }
}

#[test]
fn a_file_that_ends_in_rubbish_says_so() {
    let mut bytes = UDP.to_vec();
    let whole = bytes.len();
    bytes.extend_from_slice(&[0; 4096]);
    let (records, damages) = read(&bytes, EVENT);
    let all = read_whole(UDP, EVENT);
    assert_eq!(records, all[..all.len() - 1]);
    assert_eq!(damages, [damage(whole - EVENT, EVENT + 4096, Fault::NoRecord, None)]);
}

proptest! {
    #[test]
    fn any_record_may_be_cut_short(made in files(2..40, Clock::Steady), index in any::<prop::sample::Index>()) {
        check_every_cut(&made, index.index(made.records.len() - 1));
    }

    #[test]
    fn several_records_may_be_cut_short(made in files(60..80, Clock::Steady), lefts in prop::array::uniform3(1..EVENT)) {
        let cuts = [10, 30, 50];
        let mut bytes = made.bytes.clone();
        let mut expected = Vec::new();
        let mut removed = 0;
        for (index, left) in cuts.into_iter().zip(lefts) {
            let offset = made.offset(index) - removed;
            bytes.drain(offset + left..offset + made.size);
            removed += made.size - left;
            expected.push(damage(offset, left, Fault::OutOfStep, Some(1)));
        }
        let (records, damages) = read(&bytes, made.size);
        prop_assert_eq!(damages, expected);
        prop_assert!(records == made.records_without(&cuts));
        check_times(&bytes);
    }

    #[test]
    fn any_bytes_after_a_header_are_gone_through(bytes in prop::collection::vec(any::<u8>(), 0..2000), combined: bool) {
        let (header, size) = if combined { (TCP_COMBINED, COMBINED) } else { (UDP, EVENT) };
        let bytes = [&header[..Header::LENGTH], &bytes].concat();
        read(&bytes, size);
        check_times(&bytes);
    }

    #[test]
    fn any_bytes_at_all_are_gone_through(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(file) = File::open(&bytes) {
            prop_assert!(file.pieces().count() <= bytes.len());
        }
    }

    #[test]
    fn any_stretch_may_be_overwritten(
        made in files(40..80, Clock::Steady),
        at in any::<prop::sample::Index>(),
        rubbish in prop::collection::vec(any::<u8>(), 1..300),
    ) {
        let from = Header::LENGTH + at.index(made.bytes.len() - Header::LENGTH - rubbish.len());
        let mut bytes = made.bytes.clone();
        bytes[from..from + rubbish.len()].copy_from_slice(&rubbish);
        let (records, _) = read(&bytes, made.size);
        check_times(&bytes);
        let first = (from - Header::LENGTH) / made.size;
        let last = (from + rubbish.len() - 1 - Header::LENGTH) / made.size;
        // The record in front may be given up, one may be damaged without a sign, and no other is lost.
        let before = first.saturating_sub(1);
        prop_assert!(starts_with(&records, &made.records[..before]));
        let last_records = &made.records[last + 1..];
        prop_assert!(records.len() >= last_records.len());
        prop_assert!(starts_with(&records[records.len() - last_records.len()..], last_records));
    }
}

fn starts_with(records: &[Record<V4>], expected: &[Record<V4>]) -> bool {
    records.get(..expected.len()) == Some(expected)
}
