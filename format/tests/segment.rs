//! Segments written and read again: whole, cut at every byte, with every byte flipped, and not segments at all.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};

use ctrecorder_format::{
    Block, Body, Cause, Clock, Closing, Content, Counters, Fault, Header, Key, Kind, Note, Record, Refusal, Segment,
    Tuple, V4, V6, Writer,
};
use proptest::prelude::*;

const NS: u64 = 1_000_000_000;

fn header(counters: bool) -> Header {
    Header {
        tag: 0xfeed_beef,
        counters,
        closing_keyframe: false,
        marks_clock_sets: false,
        software: "ctrecorder 0.1.0".into(),
        content: Content::Events,
        host: "nat1".into(),
        boot_id: [7; 16],
        machine: [9; 16],
        recorder_started: 1_800_000_000 * NS,
        segment_number: 3,
        created: 1_800_000_600 * NS,
        time_zone: "Europe/Warsaw".into(),
        utc_offset_seconds: 3600,
        families: 3,
        protocols: vec![6, 17],
        namespace: 4_026_531_840,
        filters: String::new(),
        clock: Clock::Arrival,
        previous: Some([9; 32]),
    }
}

fn tuple<A: ctrecorder_format::Address>(src: A, dst: A, sport: u16, dport: u16) -> Tuple<A> {
    Tuple { src, dst, sport: sport.into(), dport: dport.into() }
}

fn record<A: ctrecorder_format::Address>(kind: Kind, number: u64, make: impl Fn(u8, u32) -> A) -> Record<A> {
    let time = (1_800_000_600 + number) * NS;
    let inside = make(10, number as u32);
    let (server, public) = (make(198, 7), make(203, 1));
    let port = 1024 + (number % 60_000) as u16;
    Record {
        start: if kind == Kind::End { 0 } else { time }.into(),
        end: if kind == Kind::End { time } else { 0 }.into(),
        original: tuple(inside, server, port, 443),
        reply: tuple(server, public, 443, port),
        id: (number as u32).into(),
        mark: 0.into(),
        zone: 0.into(),
        kind: kind as u8,
        protocol: 6,
        status: 0x18e.into(),
        tcp_state: 3,
        flags: 0,
    }
}

fn v4(kind: Kind, number: u64) -> Record<V4> {
    record(kind, number, |first, last| (u32::from(first) << 24 | last).to_be_bytes())
}

fn v6(kind: Kind, number: u64) -> Record<V6> {
    record(kind, number, |first, last| (0x2001_0db8 << 96 | u128::from(first) << 64 | u128::from(last)).to_be_bytes())
}

/// A segment of `batches` batches with `size` IPv4 and `size` / 2 IPv6 records each, and a gap in the middle.
fn write(batches: u64, size: u64, counters: bool, finish: bool) -> Vec<u8> {
    let counted = Counters {
        original_packets: 5.into(),
        original_bytes: 500.into(),
        reply_packets: 4.into(),
        reply_bytes: 4000.into(),
    };
    let mut writer = Writer::new(Vec::new(), &header(counters)).unwrap();
    for batch in 0..batches {
        for number in batch * size..(batch + 1) * size {
            let kind = if number % 2 == 0 { Kind::Start } else { Kind::End };
            writer.push(&v4(kind, number), Some(&counted), (1_800_000_600 + number) * NS);
            if number % 2 == 0 {
                writer.push(&v6(kind, number), None, (1_800_000_600 + number) * NS);
            }
        }
        writer.seal();
        if batch == batches / 2 {
            writer.note(&Note::gap(1_800_000_600 * NS, 1_800_000_601 * NS, 12, Cause::KernelOverrun));
        }
    }
    if finish {
        writer.finish(Closing::Stopped, 1_800_009_999 * NS).unwrap();
    }
    writer.write_out().unwrap();
    writer.output().clone()
}

/// The blocks of a segment, each as a hash of what it holds, by its number; and the damage.
fn read(bytes: &[u8]) -> (Vec<(u32, u64)>, Vec<Fault>) {
    let Ok(segment) = Segment::open(bytes) else {
        return (Vec::new(), vec![Fault::Header]);
    };
    let mut damage: Vec<_> = segment.header().err().map(|damage| damage.fault.clone()).into_iter().collect();
    let mut blocks = Vec::new();
    for block in segment.blocks() {
        match block {
            Ok(block) => blocks.push((block.header.sequence.get(), contents(&block))),
            Err(found) => {
                assert!(found.offset + found.length <= bytes.len() as u64);
                damage.push(found.fault);
            }
        }
    }
    (blocks, damage)
}

fn contents(block: &Block<'_>) -> u64 {
    let text = match &block.body {
        Body::Ipv4(records) => format!("{:?}", records.iter().collect::<Vec<_>>()),
        Body::Ipv6(records) => format!("{:?}", records.iter().collect::<Vec<_>>()),
        Body::Notes(notes) => format!("{notes:?}"),
        Body::Footer(footer) => format!("{:?}", footer.totals),
        Body::Index(index) => format!("{:?}", index.columns()),
        Body::Sources(sources) => format!("{sources:?}"),
        Body::Unknown => "unknown".into(),
    };
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn what_was_written_is_read() {
    for counters in [false, true] {
        let bytes = write(5, 300, counters, true);
        let segment = Segment::open(&bytes).unwrap();
        assert_eq!(segment.header(), Ok(&header(counters)));
        let footer = segment.footer().expect("a footer");
        assert_eq!(segment.digest(), Some(footer.digest));
        assert_eq!((footer.totals.ipv4, footer.totals.ipv6), (1500, 750));
        assert_eq!((footer.totals.starts, footer.totals.ends), (1500, 750));
        assert_eq!((footer.totals.notes, footer.totals.lost, footer.totals.blocks), (1, 12, 12));
        assert_eq!(footer.directory.len(), 12);
        let mut numbers = (0..1500, (0..1500).step_by(2));
        for (block, entry) in segment.blocks().zip(footer.directory.iter().map(Some).chain([None])) {
            let block = block.unwrap();
            if let Some(entry) = entry {
                assert_eq!((entry.offset.get(), entry.records.get()), (block.offset, block.header.count.get().into()));
                assert_eq!(entry.least_start, block.header.least_start);
            }
            match block.body {
                Body::Ipv4(records) => {
                    for (record, counted) in records.iter() {
                        let number = numbers.0.next().unwrap();
                        let kind = if number % 2 == 0 { Kind::Start } else { Kind::End };
                        assert_eq!(*record, v4(kind, number));
                        assert_eq!(counted.map(|c| c.reply_bytes.get()), counters.then_some(4000));
                    }
                }
                Body::Ipv6(records) => {
                    for (record, counted) in records.iter() {
                        assert_eq!(*record, v6(Kind::Start, numbers.1.next().unwrap()));
                        assert_eq!(counted.is_some(), counters);
                    }
                }
                Body::Notes(notes) => assert_eq!(notes[0].lost(), Some(12)),
                Body::Footer(_) | Body::Index(_) | Body::Sources(_) | Body::Unknown => {}
            }
        }
        assert_eq!((numbers.0.next(), numbers.1.next()), (None, None));
    }
}

#[test]
fn records_that_are_there_pass_the_filter_of_their_block_where_it_has_one() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/v3/big.ct")).unwrap();
    let segment = Segment::open(&bytes).unwrap();
    let (mut probes, mut passed) = (0, 0);
    for head in segment.heads().map(Result::unwrap) {
        let Some(filter) = head.filter() else { continue };
        if let Body::Ipv4(records) = head.verify().unwrap().body {
            assert!(filter.length() > 0);
            for (record, _) in records.iter() {
                for (address, port) in record.endpoints() {
                    assert!(filter.may_hold(Key::address(address)) && filter.may_hold(Key::endpoint(address, port)));
                }
            }
            probes += 1000;
            passed += (0..1000u32).filter(|n| filter.may_hold(Key::address((n + (77 << 24)).to_be_bytes()))).count();
        }
    }
    assert!(probes > 0 && passed * 20 < probes, "{passed} of {probes} wrong addresses pass");
}

#[test]
fn an_unfinished_segment_is_read_to_its_last_whole_block() {
    let (blocks, damage) = read(&write(3, 20, false, false));
    assert_eq!(blocks.len(), 7);
    assert_eq!(damage, []);
}

#[test]
fn cut_at_every_byte_all_whole_blocks_are_read() {
    let bytes = write(3, 6, false, true);
    let (whole, _) = read(&bytes);
    let ends: Vec<_> = {
        let segment = Segment::open(&bytes).unwrap();
        segment.heads().map(|head| head.unwrap()).map(|head| (head.offset + head.header.length()) as usize).collect()
    };
    for length in 0..bytes.len() {
        let (blocks, damage) = read(&bytes[..length]);
        let expected = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(blocks, whole[..expected], "cut at {length}");
        let on_a_boundary = ends.contains(&length) || length == header(false).encode().unwrap().len();
        assert_eq!(damage.is_empty(), on_a_boundary, "cut at {length}: {damage:?}");
        assert!(Segment::open(&bytes[..length]).map_or(true, |segment| segment.footer().is_none()));
    }
}

#[test]
fn with_every_byte_flipped_all_other_blocks_are_read_and_the_damage_is_found() {
    let bytes = write(3, 6, true, true);
    let (whole, _) = read(&bytes);
    let spans: Vec<_> = {
        let segment = Segment::open(&bytes).unwrap();
        let heads = segment.heads().map(|head| head.unwrap());
        heads.map(|head| head.offset as usize..(head.offset + head.header.length()) as usize).collect()
    };
    let mut damaged = bytes.clone();
    for at in 0..bytes.len() {
        for mask in [0xff, 0x01, 0x80] {
            damaged[at] ^= mask;
            let (blocks, damage) = read(&damaged);
            let expected: Vec<_> =
                whole.iter().zip(&spans).filter(|(_, span)| !span.contains(&at)).map(|(block, _)| *block).collect();
            assert_eq!(blocks, expected, "byte {at} flipped by {mask:#x}");
            assert_eq!(damage.len(), 1, "byte {at} flipped by {mask:#x}: {damage:?}");
            damaged[at] ^= mask;
        }
    }
}

#[test]
fn a_block_that_lost_bytes_or_all_of_them_hides_no_other() {
    let bytes = write(4, 40, false, true);
    let (whole, _) = read(&bytes);
    let segment = Segment::open(&bytes).unwrap();
    let heads: Vec<_> = segment.heads().map(Result::unwrap).collect();
    let (begin, end) = (heads[3].offset as usize, heads[4].offset as usize);
    for removed in [begin..end, begin..begin + 1, begin + 64..begin + 65, end - 100..end, begin + 70..end + 10] {
        let mut bytes = bytes.clone();
        bytes.drain(removed.clone());
        let (blocks, damage) = read(&bytes);
        let hit = |index: usize| {
            let begin = heads[index].offset as usize;
            begin < removed.end && removed.start < begin + heads[index].header.length() as usize
        };
        let footer = whole.len() - 1;
        let expected: Vec<_> =
            whole.iter().enumerate().filter(|(at, _)| !hit(*at) && *at != footer).map(|(_, block)| *block).collect();
        assert_eq!(blocks, expected, "{removed:?} removed");
        assert!(!damage.is_empty(), "{removed:?} removed");
    }
}

/// A power cut may leave a zeroed sector, or no header at all.
#[test]
fn without_its_beginning_all_blocks_are_read() {
    let bytes = write(3, 6, false, true);
    let (whole, _) = read(&bytes);
    let header = header(false).encode().unwrap().len();
    for length in [8, 12, 64, header] {
        let mut damaged = bytes.clone();
        damaged[..length].fill(0);
        assert_eq!(read(&damaged), (whole.clone(), vec![Fault::Header]), "{length} bytes zeroed");
        assert_eq!(read(&bytes[length..]).0.len(), whole.len() - 1, "{length} bytes gone");
    }
    let archive = [&[b'x'; 512][..], &bytes].concat();
    assert_eq!(Segment::open(&archive).err(), Some(Refusal::NotASegment));
    let mut sector = bytes.clone();
    sector[..512].fill(0);
    assert!(read(&sector).0.len() >= whole.len() - 2);
}

#[test]
fn a_block_of_another_segment_is_not_taken_for_ones_own() {
    let bytes = write(2, 40, false, true);
    let other = {
        let mut writer = Writer::new(Vec::new(), &Header { tag: 1, ..header(false) }).unwrap();
        (0..40).for_each(|number| writer.push(&v4(Kind::Start, number), None, NS));
        writer.seal();
        writer.write_out().unwrap();
        writer.output()[header(false).encode().unwrap().len()..].to_vec()
    };
    let segment = Segment::open(&bytes).unwrap();
    let first = segment.heads().next().unwrap().unwrap().offset as usize;
    let mut mixed = bytes.clone();
    mixed[first..first + other.len()].copy_from_slice(&other);
    let (blocks, damage) = read(&mixed);
    assert!(!damage.is_empty());
    assert!(blocks.iter().all(|block| read(&bytes).0.contains(block)));
}

#[test]
fn nothing_behind_the_footer_is_taken_for_part_of_the_segment() {
    let bytes = write(2, 40, false, true);
    let segment = Segment::open(&bytes).unwrap();
    let last = segment.heads().last().unwrap().unwrap();
    let longer = [&bytes[..], &bytes[bytes.len() - 40..], &bytes[last.offset as usize - 1000..]].concat();
    let (blocks, damage) = read(&longer);
    assert_eq!((blocks, damage), (read(&bytes).0, vec![Fault::BehindFooter]));
}

#[test]
fn damage_says_how_many_records_were_lost() {
    let mut bytes = write(4, 40, false, true);
    let second = Segment::open(&bytes).unwrap().heads().nth(2).unwrap().unwrap().offset as usize;
    bytes[second] = 0;
    let segment = Segment::open(&bytes).unwrap();
    let damage = segment.blocks().find_map(Result::err).expect("damage");
    assert_eq!((damage.offset, damage.records_lost), (second as u64, Some(40)));
}

/// An output that takes so many bytes, then fails, then takes more.
struct FullDisk {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for FullDisk {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let count = from.len().min(self.room);
        self.room -= count;
        self.bytes.extend_from_slice(&from[..count]);
        if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Events that the whole blocks of a segment tell of: records, and losses in gaps.
fn told_of(bytes: &[u8]) -> u64 {
    let Ok(segment) = Segment::open(bytes) else { return 0 };
    let blocks = segment.blocks().filter_map(Result::ok);
    blocks
        .map(|block| match block.body {
            Body::Ipv4(records) => records.len() as u64,
            Body::Ipv6(records) => records.len() as u64,
            Body::Notes(notes) => notes.iter().filter_map(Note::lost).sum(),
            Body::Footer(_) | Body::Index(_) | Body::Sources(_) | Body::Unknown => 0,
        })
        .sum()
}

#[test]
fn a_full_disk_leaves_the_segment_in_step() {
    let whole = write(3, 30, false, true);
    for step in [7, 64, 1000] {
        let disk = FullDisk { bytes: Vec::new(), room: 0 };
        let mut writer = Writer::new(disk, &header(false)).unwrap();
        // The same as `write`, with an output that fails again and again.
        for batch in 0..3u64 {
            for number in batch * 30..(batch + 1) * 30 {
                let kind = if number % 2 == 0 { Kind::Start } else { Kind::End };
                writer.push(&v4(kind, number), None, (1_800_000_600 + number) * NS);
                if number % 2 == 0 {
                    writer.push(&v6(kind, number), None, (1_800_000_600 + number) * NS);
                }
            }
            writer.seal();
            if batch == 1 {
                writer.note(&Note::gap(1_800_000_600 * NS, 1_800_000_601 * NS, 12, Cause::KernelOverrun));
            }
        }
        writer.finish(Closing::Stopped, 1_800_009_999 * NS).unwrap();
        while let Err(error) = writer.write_out() {
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            // 90 + 45 records, and 12 events in a gap.
            assert_eq!(told_of(&writer.output().bytes) + writer.unwritten().events.unwrap(), 147);
            writer.output_mut().room += step;
        }
        assert_eq!(writer.output().bytes, whole);
    }
}

#[test]
fn what_is_no_segment_is_refused_with_its_reason() {
    let good = write(1, 1, false, true);
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        let length = u32::from_le_bytes(changed[8..12].try_into().unwrap()) as usize;
        let crc = crc32fast::hash(&[&changed[..60], &changed[64..length]].concat());
        changed[60..64].copy_from_slice(&crc.to_le_bytes());
        Segment::open(&changed).err()
    };
    assert_eq!(Segment::open(b"").err(), Some(Refusal::Empty));
    assert_eq!(Segment::open(b"hello, this is a text file\n").err(), Some(Refusal::NotASegment));
    assert_eq!(with(4, &[0, 0, 0, 9]), Some(Refusal::Version(9)));
    assert_eq!(with(4, &[0, 0, 0, 1]), Some(Refusal::Version(1)));
    assert_eq!(with(24, &[4]), Some(Refusal::Features(4)));
    assert_eq!(with(16, &[4]), None);
    assert!(matches!(with(32, &[0, 0]), Some(Refusal::Nonsense { offset: 32, .. })));
    assert!(matches!(with(34, &[1, 0]), Some(Refusal::Nonsense { offset: 34, .. })));
    assert!(matches!(with(12, &[255, 255]), Some(Refusal::Nonsense { offset: 12, .. })));
    assert!(matches!(with(64, &[255; 8]), Some(Refusal::Nonsense { offset: 64, .. })));
}

/// A segment of a later version whose records have eight bytes more.
#[test]
fn fields_behind_those_known_are_passed_over() {
    let known = write(1, 4, false, false);
    let length = u32::from_le_bytes(known[8..12].try_into().unwrap()) as usize;
    let (mut later, block) = (known[..length].to_vec(), &known[length..]);
    later[32..36].copy_from_slice(&[64, 0, 112, 0]);
    let crc = crc32fast::hash(&[&later[..60], &later[64..]].concat());
    later[60..64].copy_from_slice(&crc.to_le_bytes());
    let mut head = block[..64].to_vec();
    let payload: Vec<u8> = block[64..64 + 4 * 56].chunks(56).flat_map(|record| [record, &[7; 8]].concat()).collect();
    head[14..16].copy_from_slice(&64u16.to_le_bytes());
    head[20..24].copy_from_slice(&256u32.to_le_bytes());
    head[56..60].copy_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    let crc = crc32fast::hash(&head[..60]);
    head[60..64].copy_from_slice(&crc.to_le_bytes());
    later.extend(head.into_iter().chain(payload));
    let segment = Segment::open(&later).unwrap();
    let Body::Ipv4(records) = segment.blocks().next().unwrap().unwrap().body else { panic!("no IPv4 block") };
    let kind = |number| if number % 2 == 0 { Kind::Start } else { Kind::End };
    let expected: Vec<_> = (0..4).map(|number| (v4(kind(number), number), None)).collect();
    assert_eq!(records.iter().map(|(record, counters)| (*record, counters.copied())).collect::<Vec<_>>(), expected);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        read(&bytes);
    }

    #[test]
    fn a_segment_with_anything_in_it_is_survived(
        at in 0usize..20_000, bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..20_000,
    ) {
        let mut segment = write(2, 80, true, true);
        for (to, from) in segment.iter_mut().skip(at).zip(&bytes) {
            *to = *from;
        }
        segment.truncate(segment.len().saturating_sub(cut));
        let (blocks, _) = read(&segment);
        let (whole, _) = read(&write(2, 80, true, true));
        prop_assert!(blocks.iter().all(|block| whole.contains(block)));
    }
}
