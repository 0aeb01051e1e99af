//! The files of tests/data/v3 are never written again: whatever was released once must stay readable for ever.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod listing;
mod samples;

use std::fs;
use std::path::{Path, PathBuf};

use ctrecorder_format::{Fault, Segment};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/v3")
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(directory().join(name)).unwrap()
}

#[test]
fn every_golden_file_reads_as_it_did() {
    let mut read = 0;
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ct") {
            let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
            let found = listing::listing(&fs::read(&path).unwrap());
            // Line by line: a difference in a long file is then shown by its line.
            for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
                assert_eq!(found, expected, "{}, line {}", path.display(), number + 1);
            }
            assert_eq!(found.lines().count(), expected.lines().count(), "{}", path.display());
            read += 1;
        }
    }
    assert!(read >= 6, "{read} golden files");
}

/// The writer makes the same bytes from the same records as it did. Unlike the files, this may be changed, if what
/// is written is meant to change: with a new version or feature bit, a paragraph in docs/format.md, new golden files
/// beside the old ones, and only then new samples.
#[test]
fn the_writer_still_writes_what_it_wrote() {
    for sample in samples::all() {
        assert!(sample.bytes == golden(&format!("{}.ct", sample.name)), "{}.ct is written otherwise", sample.name);
    }
}

#[test]
fn the_unfinished_segment_follows_the_example() {
    let (example, unfinished) = (golden("example.ct"), golden("unfinished.ct"));
    let (example, unfinished) = (Segment::open(&example).unwrap(), Segment::open(&unfinished).unwrap());
    assert_eq!(unfinished.header().unwrap().previous, example.digest());
    assert!(unfinished.footer().is_none());
    let damage: Vec<_> = unfinished.blocks().filter_map(Result::err).map(|damage| damage.fault).collect();
    assert_eq!(damage, [Fault::CutOff("block")]);
}
