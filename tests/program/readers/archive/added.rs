//! What may be put to an archive with `--add`: what it has already is known again, and what would make it wrong is refused.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::slice::from_ref;
use std::time::{Duration, SystemTime};

use ctrecorder_format::{Closing, Header, Kind, NS_PER_SECOND, Segment as Read};
use ctrecorder_synth::{Flows, Incident, Plan, Shape, Version, record};

use super::journal;
use crate::program::Answer;
use crate::readers::sample::{Segment, header, run, v4};
use crate::readers::squeezed_place::{Place, at, files, flows, incidents, same_lines, synthetic};

/// Exports with `--add`.
pub fn add(archive: &Path, further: &[&str], inputs: &[PathBuf]) -> Answer {
    let words = [OsStr::new("export"), "--add".as_ref(), "-o".as_ref(), archive.as_os_str()];
    let inputs = inputs.iter().map(|path| path.as_os_str());
    run(words.into_iter().chain(further.iter().map(OsStr::new)).chain(inputs))
}

/// The flows of each file of an archive alone, whatever directories it has; those of its open flows, too, if `with_open`.
pub fn rows(archive: &Path, with_open: bool) -> Vec<String> {
    let is_open = |path: &Path| path.display().to_string().ends_with("-open.parquet");
    let files = journal::files(archive).into_iter().map(|(path, _)| path);
    let files = files.filter(|path| path.extension().is_some_and(|suffix| suffix == "parquet"));
    let mut rows: Vec<_> = files.filter(|path| with_open || !is_open(path)).flat_map(|path| flows(&path)).collect();
    rows.sort_unstable();
    rows
}

/// What may befall a recorder without damage to what it writes.
pub fn whole_incidents() -> Vec<Incident> {
    incidents().into_iter().filter(|incident| !matches!(incident, Incident::Crash { .. })).collect()
}

/// The segments of a journal, in their order.
pub fn segments(place: &Place) -> Vec<PathBuf> {
    files(&place.path("journal")).into_keys().map(|name| place.path("journal").join(name)).collect()
}

fn is_well(answer: &Answer) {
    assert_eq!(answer.status, 0, "{}", answer.stderr);
}

/// Refused, and nothing is changed.
fn is_refused(archive: &Path, further: &[&str], inputs: &[PathBuf], why: &str) {
    let before = if archive.exists() { journal::files(archive) } else { Vec::new() };
    let refused = add(archive, further, inputs);
    assert!(refused.status == 2 && refused.stderr.contains(why), "{} {}", refused.status, refused.stderr);
    let after = if archive.exists() { journal::files(archive) } else { Vec::new() };
    assert!(after == before, "{why}");
}

#[test]
fn an_archive_whose_first_files_were_removed_goes_on() {
    let place = synthetic(Version::Three, whole_incidents(), false);
    let (archive, segments) = (place.path("archive"), segments(&place));
    is_well(&add(&archive, &[], &segments[..3]));
    let removed = files(&archive).into_keys().find(|name| name.contains("-00000.")).unwrap();
    is_well(&add(&archive, &[], &segments[..5]));
    fs::remove_file(archive.join(removed)).unwrap();
    for _ in 0..2 {
        let added = add(&archive, &[], &segments);
        is_well(&added);
        assert!(added.stderr.contains("older than what is left of the archive"), "{}", added.stderr);
    }
    let (left, whole) = (rows(&archive, true), flows(&place.path("journal")));
    assert!(left.len() > whole.len() / 3 && left.len() < whole.len(), "{} of {}", left.len(), whole.len());
    // With the starts that only the removed files had beside the file of open flows.
    let lost: Vec<_> = left.iter().filter(|flow| !whole.contains(flow)).collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
fn what_was_exported_is_known_again_once_it_is_squeezed_or_archived() {
    let place = synthetic(Version::Three, whole_incidents(), false);
    let (journal, archive) = (place.path("journal"), place.path("archive"));
    let whole = flows(&journal);
    let squeezed = place.squeeze("squeezed", &[], &place.journal());
    let one = place.path("one.ct");
    let made = run([OsStr::new("squeeze"), "-o".as_ref(), one.as_os_str(), journal.as_os_str()]);
    assert_eq!((squeezed.status, made.status), (0, 0), "{}{}", squeezed.stderr, made.stderr);
    is_well(&add(&archive, &[], &place.journal()));
    for inputs in [vec![place.path("squeezed")], vec![one.clone()], vec![journal.clone(), place.path("squeezed")]] {
        let again = add(&archive, &[], &inputs);
        is_well(&again);
        assert!(again.stderr.contains("exported already"), "{}", again.stderr);
        same_lines(&rows(&archive, true), &whole);
    }
    // The other way round, and through an archive.
    for first in [one.clone(), archive.clone()] {
        let other = place.path(&format!("of-{}", first.file_name().unwrap().display()));
        is_well(&add(&other, &[], &[first]));
        is_well(&add(&other, &[], &place.journal()));
        same_lines(&rows(&other, true), &whole);
    }
    let early = place.path("early");
    is_well(&add(&early, &[], &segments(&place)[..3]));
    is_refused(&early, &[], &[one], "some of what it tells of is exported already, and some is not");
}

#[test]
fn an_archive_is_of_one_choice_of_flows() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let (archive, segments) = (place.path("archive"), segments(&place));
    is_refused(&archive, &["--since", "2 days ago"], &segments, "--add with a time that is \"ago\"");
    is_well(&add(&archive, &["--nat"], &segments[..3]));
    is_refused(&archive, &[], &segments, "not of all flows: another choice needs a directory of its own");
    is_refused(&archive, &["--proto", "udp"], &segments, "another choice needs a directory of its own");
    is_well(&add(&archive, &["--nat"], &segments));
}

/// Of flows that are open, nobody knows yet how long they will last.
#[test]
fn a_filter_on_whole_flows_loses_none_that_are_open_between_two_runs() {
    let place = synthetic(Version::Three, whole_incidents(), true);
    let archive = place.path("archive");
    let chosen = ["--min-duration", "25s"];
    for so_many in 1..=segments(&place).len() {
        is_well(&add(&archive, &chosen, &segments(&place)[..so_many]));
    }
    let listed = run([&["list", "-sH"][..], &chosen, &[place.path("journal").to_str().unwrap()]].concat());
    let has_both = |line: &&str| !line.contains("-          -");
    let mut expected: Vec<_> = listed.stdout.lines().filter(has_both).map(str::to_owned).collect();
    expected.sort_unstable();
    let found: Vec<_> = rows(&archive, false).into_iter().filter(|line| has_both(&line.as_str())).collect();
    assert!(expected.len() > 500, "{}", expected.len());
    same_lines(&found, &expected);
}

#[test]
fn a_segment_whose_header_is_damaged_is_one_of_its_journal() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let whole = flows(&place.path("journal"));
    let damaged = segments(&place).swap_remove(3);
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[80] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    for further in [&["--add"][..], &[]] {
        let (_around, archive, exported) = journal::export(&place.path("journal"), further);
        assert_eq!(exported.status, 5, "{}", exported.stderr);
        assert!(exported.stderr.contains("the header is damaged"), "{}", exported.stderr);
        same_lines(&rows(&archive, true), &whole);
    }
}

#[test]
fn what_comes_late_is_refused() {
    let place = synthetic(Version::Three, whole_incidents(), false);
    let (archive, segments) = (place.path("archive"), segments(&place));
    is_well(&add(&archive, &[], &[&segments[1..3], &segments[4..5]].concat()));
    for late in [&segments[..], &segments[..1], &segments[3..4]] {
        is_refused(&archive, &[], late, "it comes too late");
    }
    is_well(&add(&archive, &[], &[&segments[4..]].concat()));
}

/// And is a gap of the archive, as it is one of the journal.
#[test]
fn a_segment_that_is_missing_between_two_runs_of_an_export_is_told() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let (archive, mut segments) = (place.path("archive"), segments(&place));
    let missing = segments.remove(3);
    fs::remove_file(missing).unwrap();
    is_well(&add(&archive, &[], &segments[..3]));
    let added = add(&archive, &[], &segments);
    let told = "gap from 2026.11.20 14:01:30.000000 to 2026.11.20 14:02:00.000000: segment missing, number of events lost not known";
    let told = format!("{}: {told}\n", segments[3].display());
    assert!(added.status == 0 && added.stderr.contains(&told), "{} {told}", added.stderr);
    assert_eq!(added.stderr.matches(" missing").count(), 1, "{}", added.stderr);
    let gaps = |path: &Path| {
        let covered = run(["coverage".as_ref(), "-o".as_ref(), "json".as_ref(), path.as_os_str()]).stdout;
        let covered: serde_json::Value = serde_json::from_str(&covered).unwrap();
        let gaps = covered["gaps"].as_array().unwrap().iter();
        gaps.map(|gap| (format!("{} {}", gap["from"], gap["to"]), gap["cause"].clone())).collect::<Vec<_>>()
    };
    let [own, of_journal] = [&archive, &place.path("journal")].map(|path| gaps(path));
    assert_eq!(
        own.iter().map(|(span, _)| span).collect::<Vec<_>>(),
        of_journal.iter().map(|(span, _)| span).collect::<Vec<_>>()
    );
    assert_eq!((own.len(), &own[0].1), (1, &"source damaged or incomplete".into()));
}

/// Some minutes of a recorder that was stopped when the clock was set back by 100 s, with these further incidents. The segments of each
/// of its runs.
fn set_back_between(further: &[Incident]) -> (Place, Vec<Vec<PathBuf>>) {
    let stop = Incident::Stop { at: at(130), back: at(140) };
    let incidents = [&[stop, set(135, -100)], further].concat();
    let place = synthetic(Version::Three, incidents, false);
    let mut runs: Vec<(u64, Vec<PathBuf>)> = Vec::new();
    for path in segments(&place) {
        let started = Read::open(&fs::read(&path).unwrap()).unwrap().header().unwrap().recorder_started;
        match runs.last_mut().filter(|(run, _)| *run == started) {
            Some((_, run)) => run.push(path),
            None => runs.push((started, vec![path])),
        }
    }
    (place, runs.into_iter().map(|(_, run)| run).collect())
}

/// The clock is set by so many seconds then.
fn set(second: u64, by: i64) -> Incident {
    Incident::ClockStep { at: at(second), by: by * NS_PER_SECOND.cast_signed() }
}

/// As it is where a router starts with a clock that is behind, until it has asked for the time.
#[test]
fn a_run_before_which_the_clock_was_set_back_is_exported_behind_the_one_that_it_came_behind() {
    for further in [&[][..], &[set(160, 300)]] {
        let (place, runs) = set_back_between(further);
        let (archive, [first, second]) = (place.path("archive"), &runs[..]) else { panic!("{} runs", runs.len()) };
        for inputs in [first.clone(), [first.as_slice(), &second[..1]].concat(), runs.concat()] {
            is_well(&add(&archive, &[], &inputs));
        }
        same_lines(&rows(&archive, true), &flows(&place.path("journal")));
    }
}

#[test]
fn a_run_that_comes_late_does_not_come_behind_the_last_one_though_the_clock_was_set_back_before_it() {
    let again = Incident::Stop { at: at(220), back: at(230) };
    let (place, runs) = set_back_between(&[set(200, 300), again]);
    let archive = place.path("archive");
    is_well(&add(&archive, &[], &[runs[0].clone(), runs[2].clone()].concat()));
    is_refused(&archive, &[], &runs[1], "it comes too late: it begins at");
}

/// A file of version 2 with so many flows, to which nobody has written for long.
pub fn version_2(place: &Place, name: &str, seed: u64, flows: u64) -> PathBuf {
    let path = place.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let shape = Shape { flows, seed, begin: at(0), starts_per_second: 5.0, ..Shape::default() };
    let plan = Plan { version: Version::Two, ..Plan::default() };
    record(Flows::new(shape), &plan, |_| Ok(File::create_new(&path)?), |_| Ok(())).unwrap();
    grow_old(&path);
    path
}

fn grow_old(path: &Path) {
    let long_ago = SystemTime::now() - Duration::from_secs(48 * 3600);
    File::options().append(true).open(path).unwrap().set_modified(long_ago).unwrap();
}

#[test]
fn files_of_version_2_are_told_apart_by_their_content() {
    let place = Place::new();
    let (one, two) = (version_2(&place, "one/tcp.ct", 7, 40), version_2(&place, "two/tcp.ct", 8, 40));
    assert_eq!(fs::metadata(&one).unwrap().len(), fs::metadata(&two).unwrap().len(), "in what they were known by");
    let (archive, copy) = (place.path("archive"), place.path("copy.ct"));
    let both: usize = [&one, &two].iter().map(|path| flows(path).len()).sum();
    is_well(&add(&archive, &[], &[one]));
    is_well(&add(&archive, &[], from_ref(&two)));
    assert_eq!(rows(&archive, true).len(), both);
    fs::copy(&two, &copy).unwrap();
    let again = add(&archive, &[], &[copy]);
    assert!(again.status == 0 && again.stderr.contains("exported already: 1 of 1 input"), "{}", again.stderr);
}

#[test]
fn a_file_of_version_2_waits_until_nobody_writes_to_it() {
    let place = Place::new();
    let (path, archive) = (version_2(&place, "tcp.ct", 7, 400), place.path("archive"));
    let whole = fs::read(&path).unwrap();
    let place_of_half = whole.len() / 2;
    fs::write(&path, &whole[..place_of_half]).unwrap();
    let waits = add(&archive, &[], from_ref(&path));
    assert!(
        waits.status == 0 && waits.stderr.contains("left for another time: more may be written"),
        "{}",
        waits.stderr
    );
    assert!(!archive.exists());
    grow_old(&path);
    // It is cut off in a record.
    assert!([0, 5].contains(&add(&archive, &[], from_ref(&path)).status));
    let before = journal::files(&archive);
    // All the same somebody did: that one is refused, and what is behind it is not.
    fs::write(&path, &whole).unwrap();
    let grown = add(&archive, &[], from_ref(&path));
    assert!(grown.status == 5 && grown.stderr.contains("it was exported when it was shorter"), "{}", grown.stderr);
    assert!(journal::files(&archive) == before);
    let later = place.path("later.ct");
    let header = Header { host: run_host(&path), created: at(90_000), recorder_started: at(90_000), ..header(0, None) };
    let segment = Segment::new(&header).closed_at(Closing::Stopped, 10_000_000).0;
    fs::write(&later, segment).unwrap();
    assert_eq!(add(&archive, &[], &[path, later]).status, 5);
    assert!(journal::files(&archive).len() > before.len());
}

/// The host that a file names.
fn run_host(path: &Path) -> String {
    let said = run(["header".as_ref(), path.as_os_str()]).stdout;
    let host = said.lines().find_map(|line| line.strip_prefix(".hostname: ").or(line.strip_prefix(".host: ")));
    host.unwrap().to_owned()
}

#[test]
fn an_archive_is_of_one_recorder() {
    let place = Place::new();
    let own = Header { machine: [1; 16], ..header(0, None) };
    let put = |name: &str, header: &Header| {
        place.put(name, &Segment::new(header).push(&v4(Kind::Start, 1, 5_000)).closed_at(Closing::Stopped, 9_000).0);
        place.path("journal").join(name)
    };
    let first = put("0.ct", &own);
    let archive = place.path("archive");
    is_well(&add(&archive, &[], from_ref(&first)));
    let behind = Header { recorder_started: own.created + 4_000 * NS_PER_SECOND, ..own.clone() };
    let behind = Header { created: behind.recorder_started, boot_id: [9; 16], ..behind };
    for (name, header, why) in [
        ("host.ct", Header { host: "nat2".into(), ..behind.clone() }, "host"),
        ("namespace.ct", Header { namespace: 4_026_532_000, ..behind.clone() }, "namespace"),
        ("machine.ct", Header { machine: [2; 16], ..behind.clone() }, "machine"),
    ] {
        let other = put(name, &header);
        is_refused(&archive, &[], from_ref(&other), why);
        if why != "namespace" {
            is_refused(&place.path("both"), &[], &[first.clone(), other], why);
        }
    }
    let own = put("own.ct", &behind);
    is_well(&add(&archive, &[], &[own]));
}

/// Of inputs that are given together, none comes too late for another one: the C program has files of each protocol for the same time, and
/// two that were squeezed of one journal tell of other flows.
#[test]
fn inputs_of_the_same_time_are_exported_together() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let [archive, tcp, udp, one, two] = ["archive", "tcp", "udp", "one", "two"].map(|name| place.path(name));
    for (protocol, output) in [("tcp", &tcp), ("udp", &udp)] {
        let words = ["squeeze", "--proto", protocol, "-o"].map(OsStr::new);
        let journal = place.path("journal");
        assert_eq!(run(words.into_iter().chain([output.as_os_str(), journal.as_os_str()])).status, 0);
    }
    let added = add(&archive, &[], &[tcp, udp]);
    assert_eq!(added.status, 0, "{}", added.stderr);
    same_lines(&flows(&archive), &flows(&place.path("journal")));
    for (seed, output) in [(3, &one), (4, &two)] {
        let files = [1, 2].map(|number| version_2(&place, &format!("{seed}-{number}.ct"), seed + 10 * number, 40));
        let words = ["squeeze", "-o"].map(OsStr::new).into_iter().chain([output.as_os_str()]);
        assert_eq!(run(words.chain(files.iter().map(|path| path.as_os_str()))).status, 0);
    }
    let added = add(&place.path("of-version-2"), &[], &[one, two]);
    assert_eq!(added.status, 0, "{}", added.stderr);
}
