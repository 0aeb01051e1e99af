//! Journals for these tests, and what is made of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ctrecorder_format::NS_PER_SECOND;
use ctrecorder_synth::{Flows, Incident, Plan, Shape, record};
use tempfile::TempDir;

use crate::program::Answer;
use crate::readers::sample::run;

/// 2026-11-20 14:00:00 UTC.
pub const BEGIN_S: u64 = 1_795_183_200;

/// So many seconds after that, in ns since the epoch.
pub const fn at(second: u64) -> u64 {
    (BEGIN_S + second) * NS_PER_SECOND
}

/// A journal in which everything goes wrong, and of every kind of flow: so many flows, at so many a second.
pub fn journal(seed: u64, flows: u64, rate: f64) -> TempDir {
    let directory = TempDir::new().unwrap();
    let length = (flows as f64 / rate) as u64;
    let part = |hundredths: u64| at(length * hundredths / 100);
    let plan = Plan {
        rotate: Some(length * NS_PER_SECOND / 5),
        stamps: seed.is_multiple_of(2),
        incidents: vec![
            Incident::Overrun { from: part(10), to: part(15) },
            Incident::Stop { at: part(30), back: part(33) },
            Incident::Crash { at: part(50), back: part(52) },
            Incident::ClockStep { at: part(80), by: 3 * NS_PER_SECOND.cast_signed() },
        ],
        ..Plan::default()
    };
    let shape = Shape { begin: at(0), starts_per_second: rate, ..Shape::crowded(flows, seed) };
    let create = |number| Ok(File::create_new(directory.path().join(format!("{number:03}.ct")))?);
    record(Flows::new(shape), &plan, create, |_| Ok(())).unwrap();
    directory
}

/// Exports a journal, with these further arguments, into a directory that is not there yet.
pub fn export(journal: &Path, further: &[&str]) -> (TempDir, PathBuf, Answer) {
    let around = TempDir::new().unwrap();
    let directory = around.path().join("archive");
    let done = export_to(journal, &directory, further);
    (around, directory, done)
}

/// The same into this directory.
pub fn export_to(journal: &Path, directory: &Path, further: &[&str]) -> Answer {
    let words = ["export".as_ref(), "-o".as_ref(), directory.as_os_str(), journal.as_os_str()];
    run(words.into_iter().chain(further.iter().map(AsRef::as_ref)))
}

/// All files below a directory, hidden ones too, with their contents, by their paths.
pub fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// What a command says of a path, its lines in order.
pub fn lines(path: &Path, words: &[&str]) -> Vec<String> {
    let said = run(words.iter().map(AsRef::as_ref).chain([path.as_os_str()]));
    let mut lines: Vec<_> = said.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}
