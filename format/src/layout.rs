//! Holds the tables of docs/format.md against the layout that the compiler chose.

use std::mem::offset_of;

use crate::block::BlockHeader;
use crate::encode;
use crate::footer::{Closing, DirectoryEntry, Tail, Totals};
use crate::header::Preamble;
use crate::index::{Column, Lead};
use crate::{Counters, MadeFrom, Note, Record, Tuple, V4, V6};

const PAGE: &str = include_str!("../../docs/format.md");

/// A field: its name, offset and size.
type Field = (&'static str, usize, usize);

const fn size_of_field<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! fields {
    ($of:ty: $($name:ident)*) => {
        [$((stringify!($name), offset_of!($of, $name), size_of_field(|whole: &$of| &whole.$name))),*]
    };
}

/// The cells of the first table under this heading, row by row, without its head.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = PAGE.split_once(&format!("\n### {heading}\n")).expect(heading);
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &'static str| row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`')).collect();
    rows.skip(2).map(cells).collect()
}

fn number(cell: &str) -> usize {
    cell.parse().unwrap_or_else(|_| panic!("{cell:?} in a table of docs/format.md"))
}

/// A table of offset, size, field.
fn assert_documented(heading: &str, fields: &[Field], size: usize) {
    let rows = table(heading).into_iter();
    let rows: Vec<Field> = rows.map(|row| (row[2], number(row[0]), number(row[1]))).collect();
    assert_eq!(rows, fields, "the table {heading:?}");
    assert_eq!(rows.iter().map(|(_, _, size)| size).sum::<usize>(), size, "the table {heading:?} has gaps");
}

/// A table of offset and size for both families.
fn assert_documented_twice(heading: &str, ipv4: &[Field], ipv6: &[Field]) {
    let rows = table(heading);
    assert_eq!(rows.len(), ipv4.len(), "the table {heading:?}");
    for ((row, ipv4), ipv6) in rows.iter().zip(ipv4).zip(ipv6) {
        let (size4, size6) = row[2].split_once(" or ").unwrap_or((row[2], row[2]));
        assert_eq!((row[3], number(row[0]), number(size4)), *ipv4, "the table {heading:?}, IPv4");
        assert_eq!((row[3], number(row[1]), number(size6)), *ipv6, "the table {heading:?}, IPv6");
    }
}

#[test]
fn the_tables_are_the_layout() {
    let fields = fields!(Preamble: prefix header_length body_length compatible incompatible ipv4_record_size
        ipv6_record_size reserved tag machine crc);
    assert_documented("Preamble", &fields, size_of::<Preamble>());
    let fields = fields!(BlockHeader: magic tag sequence kind flags record_size count payload_length first_event
        last_event least_start greatest_end payload_crc header_crc);
    assert_documented("Block header", &fields, size_of::<BlockHeader>());
    let fields = fields!(Counters: original_packets original_bytes reply_packets reply_bytes);
    assert_documented("Counters", &fields, size_of::<Counters>());
    assert_documented("Note", &fields!(Note: from to lost value cause reserved segment), size_of::<Note>());
    let fields = fields!(DirectoryEntry: offset first_event last_event least_start greatest_end records blocks kinds
        flags reserved);
    assert_documented("Directory entry", &fields, size_of::<DirectoryEntry>());
    assert_documented("Lead", &fields!(Lead: slots columns reserved crc), size_of::<Lead>());
    assert_documented("Column", &fields!(Column: offset first blocks), size_of::<Column>());
    let fields = fields!(MadeFrom: digest boot_id recorder_started segment_number length version closing);
    assert_documented("Source", &fields, size_of::<MadeFrom>());
    assert_documented("Tail", &fields!(Tail: magic footer directory reserved digest), size_of::<Tail>());
}

#[test]
fn the_tables_of_records_are_the_layout_of_both_families() {
    macro_rules! both {
        ($heading:literal, $of:ident: $($name:ident)*) => {
            assert_documented_twice($heading, &fields!($of<V4>: $($name)*), &fields!($of<V6>: $($name)*));
        };
    }
    both!("Record", Record: start end original reply id mark zone kind protocol status tcp_state flags);
    both!("Tuple", Tuple: src dst sport dport);
}

#[test]
fn the_table_of_totals_is_their_encoding() {
    let totals = Totals {
        closed: 1,
        first_event: 2,
        last_event: 3,
        blocks: 4,
        starts: 5,
        ends: 6,
        flows: 7,
        opens: 8,
        ipv4: 9,
        ipv6: 10,
        notes: 11,
        lost: 12,
        closing: Closing::Complete,
    };
    let bytes = encode::to_bytes(&totals).unwrap();
    let mut end = 0;
    for row in table("Totals") {
        let (offset, size) = (number(row[0]), number(row[1]));
        assert_eq!(offset, end, "{row:?}");
        end += size;
        let stored = bytes[offset..end].iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let own = format!("{totals:?}").replace("Complete", "2");
        assert!(own.contains(&format!("{}: {stored}", row[2])), "{row:?} holds {stored}");
    }
    assert_eq!(end, bytes.len());
}

#[test]
fn the_page_names_the_limits_of_the_code() {
    for (what, limit) in [
        ("header", crate::header::LENGTH_MAX as u64),
        ("payload of a block", crate::block::PAYLOAD_MAX.into()),
        ("payload of a footer", crate::block::FOOTER_MAX.into()),
    ] {
        assert!(PAGE.contains(&format!("| {what} | {limit} bytes |\n")), "{what}");
    }
    let entries = crate::footer::ENTRIES_MAX - 1;
    assert!(PAGE.contains(&format!("| columns of an index | {} |\n", crate::index::COLUMNS_MAX)), "columns");
    assert!(PAGE.contains(&format!("| entries of a directory | {entries} |\n")), "directory");
}
