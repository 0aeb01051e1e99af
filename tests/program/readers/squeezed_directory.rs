//! `ctrecorder squeeze -o DIRECTORY/`: a segment for each input, each of which goes on where the one before it ended.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ctrecorder_format::{Body, Cause, Closing, Kind, NS_PER_SECOND, Note, Segment as Read};
use ctrecorder_synth::{Flows, Incident, Plan, Shape, Version, record};
use tempfile::TempDir;

use super::sample::{BEGIN, NS, Segment, blocks, header, run, v4, v6};
use crate::program::{Answer, answer, ctrecorder};

const BEGIN_S: u64 = 1_795_183_200;

fn at(second: u64) -> u64 {
    (BEGIN_S + second) * NS_PER_SECOND
}

/// A directory with a journal, and room for others beside it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        fs::create_dir(place.path("journal")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path("journal").join(name), bytes).unwrap();
    }

    /// Squeezes into a directory of this name.
    fn squeeze(&self, name: &str, options: &[&str], inputs: &[PathBuf]) -> Answer {
        let mut directory = self.path(name).into_os_string();
        directory.push("/");
        let options = options.iter().map(OsStr::new).chain([OsStr::new("-o"), &directory]);
        run([OsStr::new("squeeze")].into_iter().chain(options).chain(inputs.iter().map(|path| path.as_os_str())))
    }

    fn journal(&self) -> [PathBuf; 1] {
        [self.path("journal")]
    }
}

/// What befalls the recorder of a journal.
fn incidents() -> Vec<Incident> {
    vec![
        Incident::Overrun { from: at(50), to: at(70) },
        Incident::Stop { at: at(130), back: at(140) },
        Incident::Crash { at: at(200), back: at(205) },
        Incident::ClockStep { at: at(250), by: 3_600 * NS_PER_SECOND.cast_signed() },
    ]
}

/// A journal of some minutes with files named by their numbers.
fn synthetic(version: Version, incidents: Vec<Incident>, stamps: bool) -> Place {
    let place = Place::new();
    let plan = Plan { version, rotate: Some(30 * NS_PER_SECOND), incidents, stamps };
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
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// The flows that a path tells of, in no order.
fn flows(path: &Path) -> Vec<String> {
    let listed = run(["list".as_ref(), "-sH".as_ref(), path.as_os_str()]);
    let mut lines: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// Panics where two lists differ first.
fn same_lines(one: &[String], other: &[String]) {
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
fn records(path: &Path) -> Vec<String> {
    let listed = run(["list".as_ref(), "-H".as_ref(), path.as_os_str()]);
    listed.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a_directory_tells_of_the_flows_that_its_journal_tells_of_each_once() {
    for (version, stamps) in [(Version::Three, false), (Version::Three, true), (Version::Two, false)] {
        let place = synthetic(version, incidents(), stamps);
        let squeezed = place.squeeze("sq", &[], &place.journal());
        // What was being written when the recorder was killed is lost.
        assert_eq!(squeezed.status, 5, "{}", squeezed.stderr);
        let inputs = files(&place.path("journal")).len();
        assert!(
            squeezed.stderr.ends_with(&format!("/sq/: {inputs} written, 0 there already, 0 left for another time\n"))
        );
        assert_eq!(files(&place.path("sq")).len(), inputs);
        let told = flows(&place.path("sq"));
        same_lines(&told, &flows(&place.path("journal")));
        assert!(told.len() > 4_000, "{} flows", told.len());
        // Records are the same flows: what is open is listed of the last segment only.
        let listed = records(&place.path("sq"));
        assert_eq!(listed.len(), told.len(), "{version:?}");
        let open = listed.iter().filter(|line| line.as_bytes()[27] == b'O').count();
        assert!((100..2_000).contains(&open), "{open} open");
        let tested = run(["test".as_ref(), place.path("sq").as_os_str()]);
        assert_eq!(tested.status, 0, "{}", tested.stdout);
    }
}

#[test]
fn a_directory_covers_what_its_journal_covers() {
    let place = synthetic(Version::Three, incidents(), false);
    assert_eq!(place.squeeze("sq", &[], &place.journal()).status, 5);
    let covered = |name: &str| {
        let covered = run(["coverage".as_ref(), "-o".as_ref(), "json".as_ref(), place.path(name).as_os_str()]);
        let told: serde_json::Value = serde_json::from_str(&covered.stdout).unwrap();
        let gaps = told["gaps"].as_array().unwrap().iter();
        let gaps: Vec<_> = gaps.map(|gap| format!("{} {}", gap["from"], gap["to"])).collect();
        (told["from"].clone(), told["to"].clone(), gaps)
    };
    assert_eq!(covered("sq"), covered("journal"));
}

/// However often it was begun anew, and on whatever inputs: the outputs are the same, byte for byte.
#[test]
fn a_directory_that_was_made_step_by_step_is_the_same() {
    for version in [Version::Three, Version::Two] {
        let place = synthetic(version, incidents(), false);
        place.squeeze("once", &[], &place.journal());
        let once = files(&place.path("once"));
        let inputs: Vec<_> = once.keys().map(|name| place.path("journal").join(name)).collect();
        for step in 0..inputs.len() {
            // Earlier ones are there, or they are not.
            let first = if step % 2 == 0 { step.saturating_sub(1) } else { 0 };
            place.squeeze("steps", &["--threads", "1"], &inputs[first..=step]);
        }
        let steps = files(&place.path("steps"));
        for (name, bytes) in &once {
            assert!(steps[name] == *bytes, "{version:?}: {name}");
        }
        // What is missing in the middle is made anew.
        let first = once.keys().nth(4).unwrap();
        fs::remove_file(place.path("once").join(first)).unwrap();
        let squeezed = place.squeeze("once", &[], &place.journal());
        assert!(squeezed.stderr.contains("/once/: 1 written, "), "{}", squeezed.stderr);
        assert_eq!(files(&place.path("once")), once);
    }
}
