//! docs/format.md says what is so: its example is a real file, and its reader reads real files.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ctrecorder_format::{Address, Body, Record, Records, Segment};

const PAGE: &str = include_str!("../../docs/format.md");

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/v3")
}

/// The fenced blocks of the page in this language.
fn fenced(language: &str) -> impl Iterator<Item = &'static str> {
    let opening = format!("```{language}\n");
    let mut rest = PAGE;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&opening)?;
        let (block, after) = after.split_once("```").expect("the end of a fenced block");
        rest = after;
        Some(block)
    })
}

/// What the examples in this language show, which begins at `begin` of a file. Each line is its offset, its bytes, a bar,
/// and what they are.
fn shown(language: &str, begin: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in fenced(language).flat_map(str::lines) {
        let (hex, meaning) = line.split_once('|').expect(line);
        let mut words = hex.split_whitespace();
        let offset = usize::from_str_radix(words.next().unwrap(), 16).expect(line);
        assert_eq!(offset, begin + bytes.len(), "{line}");
        bytes.extend(words.map(|byte| u8::from_str_radix(byte, 16).expect(line)));
        // What a number is said to be it must be, as far as it is said as one.
        if let Some(said) = meaning.rsplit_once(": ").and_then(|(_, said)| said.parse::<u64>().ok()) {
            let own = &bytes[offset - begin..];
            let number = own.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            assert_eq!(said, number, "{line}");
        }
    }
    bytes
}

#[test]
fn the_example_is_the_file() {
    assert_eq!(shown("hex", 0), fs::read(golden().join("example.ct")).unwrap());
}

#[test]
fn the_index_shown_is_that_of_the_file_and_has_the_rows_that_the_page_tells_of() {
    let file = fs::read(golden().join("smallest-index.ct")).unwrap();
    let segment = Segment::open(&file).unwrap();
    let head = segment.indexes().next().expect("an index");
    let (begin, length) = (head.offset as usize, head.header.length() as usize);
    let shown = shown("index", begin);
    assert_eq!(shown, file[begin..begin + length]);
    // The bits of 203.0.113.6; before the rows are the block's header, the lead and a column.
    let rows = &shown[64 + 16 + 16..];
    for (word, bit) in [15, 27, 9, 15, 26, 18, 24, 15].into_iter().enumerate() {
        let row = 32 * word + bit;
        assert!(rows[row / 8] >> (row % 8) & 1 == 1, "row {row}");
    }
    assert!(PAGE.contains("`203.0.113.6` has the bits 15, 27, 9, 15, 26, 18, 24, 15:"));
}

/// A record as the page's reader prints it.
fn print<A: Address>(text: &mut String, record: &Record<A>) {
    let Record { start, end, original, reply, id, mark, zone, kind, protocol, status, tcp_state, flags } = record;
    write!(text, "{start} {end}").unwrap();
    for tuple in [original, reply] {
        let (src, dst) = (tuple.src.to_ip(), tuple.dst.to_ip());
        write!(text, " {src} {dst} {} {}", tuple.sport, tuple.dport).unwrap();
    }
    writeln!(text, " {id} {mark} {zone} {kind} {protocol} {status} {tcp_state} {flags}").unwrap();
}

fn print_all<A: Address>(text: &mut String, records: &Records<'_, A>) {
    records.iter().for_each(|(record, _)| print(text, record));
}

/// What the page's reader should say of a segment, and whether it should find it whole.
fn expected(bytes: &[u8]) -> (String, bool) {
    let mut text = String::new();
    for block in Segment::open(bytes).unwrap().blocks() {
        match block.map(|block| block.body) {
            Ok(Body::Ipv4(records)) => print_all(&mut text, &records),
            Ok(Body::Ipv6(records)) => print_all(&mut text, &records),
            Ok(_) => {}
            Err(_) => return (text, false),
        }
    }
    (text, true)
}

/// What the page's reader says of a file, and whether it ends well.
fn read_by_python(path: &Path) -> (String, bool) {
    let script = fenced("python").next().expect("a reader in Python");
    let output = Command::new("python3").arg("-c").arg(script).arg(path).output().expect("python3");
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

#[test]
fn the_ten_line_reader_reads_what_the_crate_reads() {
    assert_eq!(fenced("python").next().unwrap().lines().filter(|line| !line.starts_with("import")).count(), 10);
    let mut records = 0;
    for entry in fs::read_dir(golden()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ct") {
            let expected = expected(&fs::read(&path).unwrap());
            records += expected.0.lines().count();
            assert!(read_by_python(&path) == expected, "{} is read otherwise", path.display());
        }
    }
    assert!(records > 1200, "{records} records");
}

#[test]
fn the_ten_line_reader_checks_every_checksum() {
    let example = fs::read(golden().join("example.ct")).unwrap();
    let path = std::env::temp_dir().join(format!("ctrecorder-documented-{}.ct", std::process::id()));
    // One byte of the header, of a block's header, of a record, of padding.
    for place in [40, 60, 0x190, 0x1d0, 0x230, 0x4a0] {
        let mut damaged = example.clone();
        damaged[place] ^= 1;
        fs::write(&path, damaged).unwrap();
        assert!(!read_by_python(&path).1, "byte {place} changed");
    }
    fs::remove_file(&path).unwrap();
}
