//! A journal, and what it is squeezed into, beside each other.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ctrecorder_format::NS_PER_SECOND;
use ctrecorder_synth::{Flows, Incident, Plan, Shape, Version, record};
use tempfile::TempDir;

use super::sample::run;
use crate::program::Answer;

const BEGIN_S: u64 = 1_795_183_200;

pub fn at(second: u64) -> u64 {
    (BEGIN_S + second) * NS_PER_SECOND
}

/// A directory with a journal, and room for others beside it.
pub struct Place(pub TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        fs::create_dir(place.path("journal")).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path("journal").join(name), bytes).unwrap();
    }

    /// Squeezes into a directory of this name.
    pub fn squeeze(&self, name: &str, options: &[&str], inputs: &[PathBuf]) -> Answer {
        let mut directory = self.path(name).into_os_string();
        directory.push("/");
        let options = options.iter().map(OsStr::new).chain([OsStr::new("-o"), &directory]);
        run([OsStr::new("squeeze")].into_iter().chain(options).chain(inputs.iter().map(|path| path.as_os_str())))
    }

    pub fn journal(&self) -> [PathBuf; 1] {
        [self.path("journal")]
    }
}

/// What befalls the recorder of a journal.
pub fn incidents() -> Vec<Incident> {
    vec![
        Incident::Overrun { from: at(50), to: at(70) },
        Incident::Stop { at: at(130), back: at(140) },
        Incident::Crash { at: at(200), back: at(205) },
        Incident::ClockStep { at: at(250), by: 3_600 * NS_PER_SECOND.cast_signed() },
    ]
}

/// A journal of some minutes with files named by their numbers.
pub fn synthetic(version: Version, incidents: Vec<Incident>, stamps: bool) -> Place {
    let place = Place::new();
    let plan = Plan { version, rotate: Some(30 * NS_PER_SECOND), incidents, stamps, ..Plan::default() };
    let shape = Shape {
        begin: at(0),
        starts_per_second: 20.0,
        ports: 40_000..=40_200,
        median_duration_ms: 20_000.0,
        ipv6_percent: if version == Version::Three { 30 } else { 0 },
        ..Shape::crowded(6_000, 1)
    };
    let directory = place.path("journal");
    let create = |number| Ok(File::create_new(directory.join(format!("{number:02}.ct")))?);
    record(Flows::new(shape), &plan, create, |_| Ok(())).unwrap();
    place
}

/// The files of a directory.
pub fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// The flows that a path tells of, in no order.
pub fn flows(path: &Path) -> Vec<String> {
    let listed = run(["list".as_ref(), "-sH".as_ref(), path.as_os_str()]);
    let mut lines: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// Panics where two lists differ first.
pub fn same_lines(one: &[String], other: &[String]) {
    let place = one.iter().zip(other).position(|(one, other)| one != other).unwrap_or(one.len().min(other.len()));
    let from = |list: &[String]| list.iter().skip(place).take(3).cloned().collect::<Vec<_>>();
    assert!(
        one == other,
        "{} and {} lines, from {place} on {:#?} {:#?}",
        one.len(),
        other.len(),
        from(one),
        from(other)
    );
}

/// The records that a path tells of.
pub fn records(path: &Path) -> Vec<String> {
    let listed = run(["list".as_ref(), "-H".as_ref(), path.as_os_str()]);
    listed.stdout.lines().map(str::to_owned).collect()
}
