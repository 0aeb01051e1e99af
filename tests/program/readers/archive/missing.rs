//! An archive that grows of which files are gone: nobody says of a flow that was in them that nobody was there.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use ctrecorder_format::{Cause, Closing, Header, Kind, NS_PER_SECOND, Note};
use ctrecorder_synth::{Incident, Version};
use serde_json::Value;

use super::added::{add, segments};
use super::answers::who;
use super::journal::{at, lines};
use crate::program::Answer;
use crate::readers::parts::read;
use crate::readers::sample::{BEGIN, NS, Segment, header, run, v4};
use crate::readers::squeezed_place::{Place, files, synthetic};

/// An archive of three exports, and the names of the files that each left: those with numbers, and that of the flows open at the end.
struct Grown {
    place: Place,
    exports: Vec<(Vec<String>, String)>,
}

/// Of a journal to which these things happened; what an export leaves open the next one removes.
fn grown(further: &[&str], incidents: Vec<Incident>) -> Grown {
    let place = synthetic(Version::Three, incidents, false);
    let (archive, segments, mut exports) =
        (place.path("archive"), segments(&place), Vec::<(Vec<String>, String)>::new());
    for so_many in [3, 5, segments.len()] {
        let added = add(&archive, further, &segments[..so_many]);
        assert_eq!(added.status, 0, "{}", added.stderr);
        let is_new = |name: &String| !exports.iter().any(|(names, _)| names.contains(name));
        let new = files(&archive).into_keys().filter(is_new);
        let (mut open, numbered): (Vec<_>, Vec<_>) = new.partition(|name| name.ends_with("-open.parquet"));
        assert_eq!((open.len(), numbered.len()), (1, 1));
        exports.push((numbered, open.swap_remove(0)));
    }
    Grown { place, exports }
}

impl Grown {
    fn archive(&self) -> PathBuf {
        self.place.path("archive")
    }

    fn numbered(&self, export: usize) -> &str {
        &self.exports[export].0[0]
    }

    fn open(&self) -> &str {
        &self.exports[2].1
    }

    /// What is done without these files, which are there again then.
    fn without<T>(&self, names: &[&str], done: impl FnOnce(&Path) -> T) -> T {
        let archive = self.archive();
        let removed: Vec<_> =
            names.iter().map(|name| (archive.join(name), fs::read(archive.join(name)).unwrap())).collect();
        removed.iter().for_each(|(path, _)| fs::remove_file(path).unwrap());
        let result = done(&archive);
        removed.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        result
    }
}

fn ask(word: &str, path: &Path) -> Answer {
    run([OsStr::new(word), path.as_os_str()])
}

/// Questions about the public endpoints of flows, at the begin, in the middle and shortly before the end of each.
fn questions(journal: &Path) -> String {
    let mut asked = String::new();
    for line in lines(journal, &["list", "-sHo", "json"]) {
        let flow: Value = serde_json::from_str(&line).unwrap();
        let end = flow["source"].get("nat").unwrap_or(&flow["source"]);
        let (Some(ip), Some(port)) = (end["ip"].as_str(), end["port"].as_u64()) else { continue };
        let Some(start) = flow["event"]["start"].as_str() else { continue };
        let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        asked += &format!("{ip}:{port} {start}\n");
    }
    assert!(asked.lines().count() > 1_000, "{}", asked.lines().count());
    asked
}

/// It is told beside one of the files that are left.
#[test]
fn what_is_missing_of_an_archive_that_grows_is_denied_by_nobody() {
    let grown = grown(&[], Vec::new());
    let questions = questions(&grown.place.path("journal"));
    let whole = who(&grown.archive(), &questions);
    let (tested, covered) = (ask("test", &grown.archive()), ask("coverage", &grown.archive()));
    assert_eq!((tested.status, covered.status, covered.stderr.as_str()), (0, 0, ""), "{}", tested.stdout);
    let [first, second, third] = [0, 1, 2].map(|export| grown.numbered(export));
    let open_of = |export: usize| {
        let name = &grown.exports[export].1;
        format!(
            "the flows that were open at its end are not among those given: neither is {name}, nor an export that went on with it"
        )
    };
    let export = "before it there was an export to its archive that is not among those given, and others before are";
    let exports = "before it there were 2 exports to its archive that are not among those given, and others before are";
    for (removed, beside, said) in [
        (&[grown.open()][..], third, open_of(2)),
        (&[third, grown.open()], second, open_of(1)),
        (&[second, third, grown.open()], first, open_of(0)),
        (&[second], third, export.to_owned()),
        (&[third], grown.open(), export.to_owned()),
        (&[second, third], grown.open(), exports.to_owned()),
    ] {
        let (tested, covered, answers) = grown
            .without(removed, |archive| (ask("test", archive), ask("coverage", archive), who(archive, &questions)));
        let line = tested.stdout.lines().find(|line| line.contains(beside)).unwrap();
        assert!(line.contains(": FAILED: ") && line.ends_with(&said), "{}", tested.stdout);
        let is_summed = tested.stdout.lines().count() == 1 || tested.stdout.contains("something is missing; ");
        assert!(tested.status == 1 && is_summed, "{}", tested.stdout);
        assert_eq!(tested.stdout.matches("FAILED: ").count(), 1, "{}", tested.stdout);
        assert!(covered.status == 1 && covered.stderr.contains(&format!("{beside}: {said}\n")), "{}", covered.stderr);
        assert!(!covered.stdout.contains("not running"), "{}", covered.stdout);
        let mut changed = 0;
        for (whole, left) in whole.iter().zip(&answers) {
            assert_ne!(left["verdict"], "NONE", "{removed:?} {whole} {left}");
            let is_sure = left["doubts"].as_array().is_none_or(Vec::is_empty);
            assert!(left["verdict"] == "UNKNOWN" || !is_sure, "{removed:?} {left}");
            changed += usize::from(whole["flows"] != left["flows"]);
        }
        assert!(changed > 0, "{removed:?}");
    }
}

/// The first ones may be removed; what is left says so, and has no doubts.
#[test]
fn the_first_exports_of_an_archive_are_told_and_no_failure() {
    let grown = grown(&[], Vec::new());
    let removed = [grown.numbered(0), grown.numbered(1)];
    let said = "before it there were 2 exports to its archive that are not among those given\n";
    let third = format!("{}: {said}", grown.numbered(2));
    let (tested, covered) = grown.without(&removed, |archive| (ask("test", archive), ask("coverage", archive)));
    assert!(tested.status == 0 && tested.stdout.contains(&third), "{}", tested.stdout);
    assert!(covered.status == 0 && covered.stderr.ends_with(&third), "{}", covered.stderr);
    let question = format!("192.0.2.99:5 @{}\n", at(190) / NS_PER_SECOND);
    let answers = grown.without(&removed, |archive| who(archive, &question));
    assert_eq!(answers[0]["verdict"], "NONE", "{answers:?}");
}

/// The time of which a file told that is gone is no time at which nobody recorded; where nobody did, that is said as before.
#[test]
fn the_time_of_an_export_that_is_gone_is_missing() {
    let stop = Incident::Stop { at: at(20), back: at(25) };
    let grown = grown(&[], vec![stop]);
    let gaps = |archive: &Path| {
        let covered = run(["coverage".as_ref(), "-o".as_ref(), "json".as_ref(), archive.as_os_str()]);
        let covered: Value = serde_json::from_str(&covered.stdout).unwrap();
        covered["gaps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|gap| gap["cause"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(gaps(&grown.archive()), ["recorder not running"]);
    let second = grown.numbered(1);
    assert_eq!(grown.without(&[second], gaps), ["recorder not running", "segment missing"]);
    let third = grown.numbered(2);
    assert_eq!(grown.without(&[third], gaps), ["recorder not running", "segment missing"]);
}

/// Without ids no flow is known again, so that what is open at the end is a row like others: nothing is beside those.
#[test]
fn where_nothing_was_left_open_nothing_is_missed() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let (archive, segments) = (place.path("archive"), segments(&place));
    for so_many in [3, segments.len()] {
        assert_eq!(add(&archive, &["--without-ids"], &segments[..so_many]).status, 0);
        let (tested, covered) = (ask("test", &archive), ask("coverage", &archive));
        assert_eq!((tested.status, covered.status, covered.stderr.as_str()), (0, 0, ""), "{}", tested.stdout);
    }
    assert_eq!(files(&archive).len(), 2);
}

/// Of some of its exports all is there that they were made from: they are passed over, and not missing.
#[test]
fn exports_that_are_passed_over_are_not_missing() {
    let place = Place::new();
    let archive = place.path("archive");
    let was_off = Note::gap(BEGIN + 600 * NS, BEGIN + 700 * NS, Note::LOST_UNKNOWN, Cause::NotRunning);
    // Another kernel may number its network namespaces in another way.
    let own = Header { namespace: 4_026_531_840, ..header(0, None) };
    let later = BEGIN + 700 * NS;
    let other =
        Header { namespace: 4_026_531_992, boot_id: [9; 16], recorder_started: later, created: later, ..own.clone() };
    let put = |name: &str, segment: Segment, to| {
        place.put(name, &segment.closed_at(Closing::Stopped, to).0);
        assert_eq!(add(&archive, &[], &place.journal()).status, 0);
    };
    put("0.ct", Segment::new(&own).note(&read(1)).push(&v4(Kind::Start, 1, 100)), 600);
    put("1.ct", Segment::new(&other).note(&was_off).note(&read(701)).push(&v4(Kind::Start, 2, 800)), 900);
    fs::remove_file(place.path("journal").join("0.ct")).unwrap();
    let journal = place.path("journal");
    let paths = [archive.as_os_str(), journal.as_os_str()];
    let covered = run([OsStr::new("coverage")].into_iter().chain(paths));
    assert!(covered.stderr.contains("passed over: what it was made from is there"), "{}", covered.stderr);
    assert!(!covered.stderr.contains("not among those given"), "{}", covered.stderr);
    let at = format!("@{}", BEGIN / NS + 300);
    let asked = run(["who", "192.0.2.99:5", "--proto", "tcp", "--at", &at].map(OsStr::new).into_iter().chain(paths));
    assert!(asked.stdout.starts_with("NONE"), "{} {}", asked.stdout, asked.stderr);
}
