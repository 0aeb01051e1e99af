//! Version 2 files: those that the C program wrote, those that were damaged, and any bytes at all.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's failure")]

mod damaged;
mod golden;
mod made;
mod times;

use ctrecorder_format::legacy::{File, Header, Piece, Times};
use ctrecorder_format::{Damage, Record, V4};

const TCP: &[u8] = include_bytes!("../../../tests/data/v2/tcp.ct");
const UDP: &[u8] = include_bytes!("../../../tests/data/v2/udp.ct");
const TCP_COMBINED: &[u8] = include_bytes!("../../../tests/data/v2/tcp.combined.ct");
const UDP_COMBINED: &[u8] = include_bytes!("../../../tests/data/v2/udp.combined.ct");

const EVENT: usize = 33;
const COMBINED: usize = 40;

/// The records and the damage of a file. That they cover every byte of it, in order and once, is checked.
fn read(bytes: &[u8], size: usize) -> (Vec<Record<V4>>, Vec<Damage>) {
    let mut records = Vec::new();
    let mut damages = Vec::new();
    let mut expected = Header::LENGTH as u64;
    for piece in File::open(bytes).unwrap().pieces() {
        let (offset, length) = match piece {
            Piece::Record { offset, record } => {
                records.push(record);
                (offset, size as u64)
            }
            Piece::Damage(damage) => {
                let place = (damage.offset, damage.length);
                damages.push(damage);
                place
            }
        };
        assert_eq!(offset, expected);
        assert!(length > 0);
        expected += length;
    }
    assert_eq!(expected, bytes.len() as u64);
    (records, damages)
}

/// What is told of the times of records is the same by itself as with the records.
fn check_times(bytes: &[u8]) {
    let file = File::open(bytes).unwrap();
    let times = file.pieces().map(|piece| match piece {
        Piece::Record { offset, record } => {
            let time = record.event_time();
            Ok(Times { offset, first: time, last: time, least: time, greatest: time })
        }
        Piece::Damage(damage) => Err(damage),
    });
    assert_eq!(joined(file.times()), joined(times));
}

/// Times that no damage stands between as one.
fn joined(all: impl Iterator<Item = Result<Times, Damage>>) -> Vec<Result<Times, Damage>> {
    let mut joined = Vec::new();
    for next in all {
        if let (Some(Ok(before)), Ok(next)) = (joined.last_mut(), &next) {
            let Times { offset, first, least, greatest, .. } = *before;
            let (least, greatest) = (least.min(next.least), greatest.max(next.greatest));
            *before = Times { offset, first, last: next.last, least, greatest };
        } else {
            joined.push(next);
        }
    }
    joined
}

/// The records of a file without damage.
fn read_whole(bytes: &[u8], size: usize) -> Vec<Record<V4>> {
    check_times(bytes);
    let (records, damages) = read(bytes, size);
    assert_eq!(damages, []);
    records
}
