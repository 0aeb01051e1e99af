//! Version 2 files: those that the C program wrote, those that were damaged, and any bytes at all.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's failure")]

mod damaged;
mod golden;
mod made;
mod times;

use ctrecorder_format::legacy::{File, Header, Piece};
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

/// The records of a file without damage.
fn read_whole(bytes: &[u8], size: usize) -> Vec<Record<V4>> {
    let (records, damages) = read(bytes, size);
    assert_eq!(damages, []);
    records
}
