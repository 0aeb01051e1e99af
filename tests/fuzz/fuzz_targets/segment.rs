//! Any bytes as a segment: as they are, and once more with every checksum made right, since chance finds none.
#![no_main]

use ctrecorder_format::{Address, Body, Index, Key, Records, Segment};
use libfuzzer_sys::fuzz_target;

// Offsets of docs/format.md.
const HEADER: usize = 64;
const HEADER_LENGTH: usize = 8;
const HEADER_CRC: usize = 60;
const KIND: usize = 12;
const INDEX: u8 = 5;
const PAYLOAD_LENGTH: usize = 20;
const PAYLOAD_CRC: usize = 56;
const LEAD: usize = 16;
const LEAD_COLUMNS: usize = 4;
const LEAD_CRC: usize = 12;
const COLUMN: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let mut repaired = bytes.to_vec();
    repair(&mut repaired);
    read(&repaired);
});

/// Reads all there is. Blocks and damage come in the order of the file, and lie within it.
fn read(bytes: &[u8]) {
    let Ok(segment) = Segment::open(bytes) else {
        return;
    };
    let mut last = segment.header().err().map_or(0, |damage| damage.offset);
    for head in segment.heads() {
        let (offset, length) = match &head {
            Ok(head) => (head.offset, head.header.length()),
            Err(damage) => (damage.offset, damage.length),
        };
        assert!(offset + length <= bytes.len() as u64, "{head:?}");
        if let Ok(head) = head {
            // What lost bytes may reach into the block after it; but every block begins behind the last one's header.
            assert!(offset >= last, "{head:?}");
            last = offset + HEADER as u64;
            match head.verify().map(|block| block.body) {
                Ok(Body::Ipv4(records)) => records_of(&records, head.filter().is_some()),
                Ok(Body::Ipv6(records)) => records_of(&records, head.filter().is_some()),
                Ok(Body::Index(index)) => index_of(&segment, &index),
                Ok(Body::Footer(footer)) => drop(footer.totals.records()),
                _ => {}
            }
            if let Some(filter) = head.filter() {
                let _ = filter.may_hold(Key::endpoint([203, 0, 113, 6], 36782));
            }
            if let Some(index) = head.index() {
                index_of(&segment, &index);
            }
        }
    }
    assert_eq!(segment.digest().is_some(), segment.footer().is_some());
}

/// An index answers for all of its columns as it does for each, and tells of blocks before it only.
fn index_of(segment: &Segment<'_>, index: &Index<'_>) {
    let key = Key::endpoint([203, 0, 113, 6], 36782);
    let held = index.may_hold(key);
    for (number, column) in index.columns().iter().enumerate() {
        assert_eq!(held.contains(number), index.column_may_hold(number, key));
        assert_eq!(index.column_of(column.first.get()), Some(number));
        assert!(segment.heads_of(column).count() <= column.blocks.get() as usize);
    }
}

fn records_of<A: Address>(records: &Records<'_, A>, has_filter: bool) {
    assert!(has_filter);
    assert_eq!(records.iter().count(), records.len());
    for (record, _) in records.iter() {
        let _ = (record.kind(), record.event_time(), record.endpoints());
    }
}

/// Makes the checksums right of all that looks like a header or a block, from the end on: a block may hold another.
fn repair(bytes: &mut [u8]) {
    for at in (0..bytes.len().saturating_sub(HEADER - 1)).rev() {
        if bytes[at..].starts_with(b"CTBK") {
            let begin = at + HEADER;
            let end = begin.saturating_add((number(bytes, at + PAYLOAD_LENGTH) as usize).next_multiple_of(HEADER));
            if bytes.get(at + KIND) == Some(&INDEX)
                && let Some(payload) = bytes.get_mut(begin..end)
            {
                repair_index(payload);
            }
            if let Some(crc) = bytes.get(begin..end).map(crc32fast::hash) {
                store(bytes, at + PAYLOAD_CRC, crc);
            }
            store(bytes, at + HEADER_CRC, crc32fast::hash(&bytes[at..at + HEADER_CRC]));
        }
    }
    if bytes.len() >= HEADER {
        let length = number(bytes, HEADER_LENGTH) as usize;
        if let Some(rest) = bytes.get(HEADER..length) {
            let mut crc = crc32fast::Hasher::new();
            crc.update(&bytes[..HEADER_CRC]);
            crc.update(rest);
            store(bytes, HEADER_CRC, crc.finalize());
        }
    }
}

/// Makes the checksums right of an index' columns and of as many of its chunks as are there.
fn repair_index(payload: &mut [u8]) {
    if payload.len() < LEAD {
        return;
    }
    let columns = number(payload, LEAD_COLUMNS) as usize;
    let chunks = columns.saturating_mul(COLUMN).saturating_add(LEAD);
    if let Some(told) = payload.get(LEAD..chunks) {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&payload[..LEAD_CRC]);
        crc.update(told);
        store(payload, LEAD_CRC, crc.finalize());
        let width = if columns < 8 { columns.next_power_of_two() } else { columns.next_multiple_of(8) };
        for chunk in payload[chunks..].chunks_exact_mut(32 * width + 4) {
            let crc = crc32fast::hash(&chunk[..32 * width]);
            store(chunk, 32 * width, crc);
        }
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn store(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
}
