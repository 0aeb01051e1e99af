//! What may be missing is said, whatever else is there.

use std::path::Path;

use ctrecorder_format::{Cause, Closing, Header, Kind, Note, V4};
use serde_json::Value;

use super::journal::{TCP, UDP, directory, event, every_protocol};
use crate::readers::sample::{BEGIN, NS, Segment, run};

const FLOW: [&str; 4] = ["10.0.0.1:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];
const NOT_RECORDED: &str = "not every kind of flow that is asked for was recorded";
const NOT_READ: &str = "nobody tells which flows were alive before: the kernel's table was not read since";

/// A segment of these protocols, which tells from one second after [`BEGIN`] to another one; the kernel's table was read at these.
fn segment(protocols: &[u8], (from, to): (u64, u64), readings: &[u64]) -> Vec<u8> {
    noted(protocols, (from, to), readings, &[])
}

/// The same with gaps in which so much was lost as nobody knows.
fn noted(protocols: &[u8], (from, to): (u64, u64), readings: &[u64], gaps: &[(u64, u64)]) -> Vec<u8> {
    let at = |second: u64| BEGIN + second * NS;
    let (created, protocols) = (at(from), protocols.to_vec());
    let recorder_started = created + u64::from(protocols.first().copied().unwrap_or_default());
    let begun = Segment::new(&Header { created, recorder_started, protocols, ..every_protocol(0) });
    let read = readings.iter().map(|second| Note::gap(at(*second), at(*second), 0, Cause::TableRead));
    let lost = |(from, to): &(u64, u64)| Note::gap(at(*from), at(*to), Note::LOST_UNKNOWN, Cause::KernelOverrun);
    let mut notes: Vec<_> = read.chain(gaps.iter().map(lost)).collect();
    notes.sort_by_key(|note| note.to.get());
    let segment = begun.note(&Note::at(created, Cause::Started)).push::<V4>(&event(Kind::Start, TCP, from, FLOW));
    let segment = segment.push::<V4>(&event(Kind::End, TCP, from, FLOW));
    notes.iter().fold(segment, Segment::note).closed_at(Closing::Stopped, to).0
}

/// Verdict and doubts about an endpoint that nobody had, so many seconds after [`BEGIN`].
fn ask(paths: &[&Path], second: u64, more: &[&str]) -> (String, Vec<String>) {
    let at = format!("@{}", BEGIN / NS + second);
    let arguments = ["who", "203.0.113.6:5353", "--at", &at, "-o", "json"];
    let paths = paths.iter().map(|path| path.to_str().unwrap());
    let told = run(arguments.iter().copied().chain(more.iter().copied()).chain(paths));
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    let doubts = told["doubts"].as_array().unwrap().iter().map(|doubt| doubt.as_str().unwrap().to_owned());
    (told["verdict"].as_str().unwrap().to_owned(), doubts.collect())
}

fn unknown(doubt: &str) -> (String, Vec<String>) {
    ("UNKNOWN".into(), vec![doubt.into()])
}

fn none() -> (String, Vec<String>) {
    ("NONE".into(), Vec::new())
}

#[test]
fn a_protocol_that_was_recorded_for_a_part_of_the_time_is_missed_in_the_rest() {
    let files = directory(&[("tcp", segment(&[TCP], (0, 1000), &[0])), ("udp", segment(&[UDP], (0, 100), &[0]))]);
    for slack in ["0s", "1s", "60s"] {
        assert_eq!(ask(&[files.path()], 110, &["--proto", "udp", "--slack", slack]), unknown(NOT_RECORDED), "{slack}");
    }
    assert_eq!(ask(&[files.path()], 80, &["--proto", "udp", "--slack", "21s"]), unknown(NOT_RECORDED));
    assert_eq!(ask(&[files.path()], 80, &["--proto", "udp", "--slack", "10s"]), none());
    assert_eq!(ask(&[files.path()], 110, &["--proto", "tcp"]), none());
    // Without a protocol both are asked for.
    assert_eq!(ask(&[files.path()], 50, &["--slack", "10s"]), none());
    assert_eq!(ask(&[files.path()], 110, &["--slack", "10s"]), unknown(NOT_RECORDED));
    assert_eq!(ask(&[files.path()], 50, &["--proto", "icmp", "--slack", "0s"]), unknown(NOT_RECORDED));
}

/// What one recorder read of TCP tells of no flow of another protocol.
#[test]
fn a_reading_is_one_of_what_was_recorded_then() {
    let files = directory(&[("tcp", segment(&[TCP], (0, 1000), &[0])), ("udp", segment(&[UDP], (100, 1000), &[]))]);
    assert_eq!(ask(&[files.path()], 500, &["--proto", "udp"]), unknown(NOT_READ));
    assert_eq!(ask(&[files.path()], 500, &["--proto", "tcp"]), none());
}

#[test]
fn squeezing_makes_nobody_surer() {
    let whole = directory(&[("read", segment(&[], (0, 1000), &[1])), ("unread", segment(&[], (0, 1000), &[]))]);
    for (name, expected) in [("read", none()), ("unread", unknown(NOT_READ))] {
        let (file, squeezed) = (whole.path().join(name), whole.path().join(format!("{name}.sq")));
        assert_eq!(ask(&[&file], 500, &[]), expected, "{name}");
        assert_eq!(run([Path::new("squeeze"), &file, Path::new("-o"), &squeezed]).status, 0);
        assert_eq!(ask(&[&squeezed], 500, &[]), expected, "{name}, squeezed");
    }
}

/// Files of another time do not tell who was alive.
#[test]
fn a_squeezed_file_beside_unread_events_settles_nothing() {
    let files = directory(&[("old", segment(&[], (0, 1000), &[0])), ("new", segment(&[], (4000, 5000), &[]))]);
    let [old, new, squeezed] = ["old", "new", "old.sq"].map(|name| files.path().join(name));
    assert_eq!(run([Path::new("squeeze"), &old, Path::new("-o"), &squeezed]).status, 0);
    assert_eq!(ask(&[&squeezed, &new], 4500, &[]), unknown(NOT_READ));
    assert_eq!(ask(&[&squeezed, &new], 500, &[]), none());
}

/// What began in the first gap may have ended in the second one.
#[test]
fn a_reading_behind_the_next_gap_comes_too_late() {
    let files = |readings: &[u64]| directory(&[("a", noted(&[], (0, 1000), readings, &[(100, 200), (500, 600)]))]);
    assert_eq!(ask(&[files(&[1, 601]).path()], 350, &[]), unknown(NOT_READ));
    assert_eq!(ask(&[files(&[1, 450, 601]).path()], 350, &[]), none());
    assert_eq!(ask(&[files(&[1, 601]).path()], 800, &[]), none());
}

/// It may be that of one more router, whatever else is there.
#[test]
fn what_cannot_be_read_is_a_doubt_unless_it_lies_among_numbered_files() {
    let whole = segment(&[], (0, 1000), &[0]);
    let other = Header { host: "nat2".into(), recorder_started: BEGIN, created: BEGIN, ..every_protocol(0) };
    let other = Segment::new(&other).note(&Note::at(BEGIN, Cause::Started));
    let other = other.note(&Note::gap(BEGIN, BEGIN, 0, Cause::TableRead)).closed_at(Closing::Stopped, 1000).0;
    let cut = whole[..40].to_vec();
    let (one, two, empty) = (directory(&[("a.ct", whole.clone())]), directory(&[("b.ct", other)]), directory(&[]));
    let beside = directory(&[("a.ct", whole.clone()), ("cut.ct", cut.clone())]);
    let alone = directory(&[("cut.ct", cut)]);
    let missing = one.path().join("missing.ct");
    const UNREAD: &str = "a file could not be read, and what it covers is not known";
    for unread in [
        &missing,
        &two.path().join("missing.ct"),
        &alone.path().join("cut.ct"),
        &alone.path().to_path_buf(),
        &empty.path().to_path_buf(),
    ] {
        assert_eq!(ask(&[one.path(), unread], 500, &[]), unknown(UNREAD), "{}", unread.display());
        assert_eq!(ask(&[one.path(), two.path(), unread], 500, &[]), unknown(UNREAD), "{}", unread.display());
    }
    assert_eq!(ask(&[beside.path()], 500, &[]), none());
    assert_eq!(ask(&[beside.path(), two.path()], 500, &[]), none());
}

/// One of TCP and one of UDP had the same endpoint at the same time: where a file of only TCP was made, the other one is missing.
#[test]
fn who_is_found_may_not_be_all_where_a_protocol_is_missing() {
    let flow = |inside| [inside, "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];
    let begun = Segment::new(&Header { created: BEGIN, recorder_started: BEGIN, ..every_protocol(0) });
    let begun = begun.note(&Note::at(BEGIN, Cause::Started)).note(&Note::gap(BEGIN, BEGIN, 0, Cause::TableRead));
    let begun = begun.push::<V4>(&event(Kind::Start, TCP, 10, flow("10.0.0.1:1000")));
    let whole =
        begun.push::<V4>(&event(Kind::Start, UDP, 10, flow("10.0.0.2:1000"))).closed_at(Closing::Stopped, 1000).0;
    let files = directory(&[("whole", whole), ("tcp", segment(&[TCP], (0, 1000), &[0]))]);
    let [whole, recorded, squeezed] = ["whole", "tcp", "tcp.sq"].map(|name| files.path().join(name));
    let arguments = [Path::new("squeeze"), "--proto".as_ref(), "tcp".as_ref(), "-o".as_ref(), &squeezed, &whole];
    assert_eq!(run(arguments).status, 0);
    let who = |path: &Path, second: u64, more: &[&str]| {
        let at = format!("@{}", BEGIN / NS + second);
        let arguments = ["who", "203.0.113.6:1000", "--at", &at, "--slack", "1s", path.to_str().unwrap()];
        run(arguments.iter().chain(more))
    };
    assert!(who(&whole, 500, &[]).stdout.starts_with("AMBIGUOUS: 10.0.0.1, 10.0.0.2"));
    // So it is with a recorder of TCP alone.
    for (path, second) in [(&squeezed, 500), (&recorded, 1)] {
        let answer = who(path, second, &[]);
        let first = format!("UNIQUE: 10.0.0.1; others may be missing: {NOT_RECORDED}\n");
        assert!(answer.stdout.starts_with(&first) && answer.status == 0, "{answer:?}");
        let answer = who(path, second, &["-o", "json"]);
        assert!(answer.stderr.contains(&format!("further flows may be missing: {NOT_RECORDED}")), "{}", answer.stderr);
        let told: Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(told["doubts"], serde_json::json!([NOT_RECORDED]));
        // Of what was asked for nothing is missing.
        assert!(who(path, second, &["--proto", "tcp"]).stdout.starts_with("UNIQUE: 10.0.0.1\n"));
    }
}

/// A file of files that recorded different things says so, but not one of what all of them recorded.
#[test]
fn what_is_chosen_of_uneven_files_may_have_been_recorded_all_the_time() {
    let files = directory(&[("a", segment(&[TCP], (0, 500), &[0])), ("b", segment(&[TCP, UDP], (500, 1000), &[500]))]);
    let [a, b, both, tcp, into] = ["a", "b", "both", "tcp", "into"].map(|name| files.path().join(name));
    assert_eq!(run([Path::new("squeeze"), "-o".as_ref(), &both, &a, &b]).status, 0);
    let filters = |path: &Path| {
        let text = run([Path::new("header"), path]).stdout;
        text.lines().any(|line| line.contains("some of its inputs recorded less"))
    };
    assert!(filters(&both));
    let narrowed =
        |output: &Path| run([Path::new("squeeze"), "--proto".as_ref(), "tcp".as_ref(), "-o".as_ref(), output, &both]);
    assert_eq!(narrowed(&tcp).status, 0);
    assert!(!filters(&tcp));
    std::fs::create_dir(&into).unwrap();
    // What is there is known again.
    for done in ["1 written", "1 there already"] {
        let made = narrowed(&into);
        assert!(made.status == 0 && made.stderr.contains(done), "{made:?}");
    }
    assert!(!filters(&into.join("both")));
}

/// The clock went back, and what it had shown while everything was recorded it showed again while TCP alone was.
#[test]
fn what_was_recorded_when_the_clock_showed_a_time_first_may_not_have_been_when_it_showed_it_again() {
    let at = |second: u64| BEGIN + second * NS;
    let begun = |started: u64, protocols: &[u8]| {
        let header = Header { protocols: protocols.to_vec(), recorder_started: at(started), ..every_protocol(0) };
        let begun =
            Segment::new(&Header { created: at(started), ..header }).note(&Note::at(at(started), Cause::Started));
        begun.note(&Note::gap(at(started), at(started), 0, Cause::TableRead))
    };
    let back = Note::clock_step(at(10), -190 * NS as i64);
    let away = Note::gap(at(20), at(30), Note::LOST_UNKNOWN, Cause::NotRunning);
    for protocols in [&[][..], &[TCP, UDP]] {
        let first = begun(0, protocols).note(&back).closed_at(Closing::Stopped, 20).0;
        let second = begun(30, &[TCP]).note(&away).closed_at(Closing::Stopped, 300).0;
        let files = directory(&[("1.ct", first), ("2.ct", second)]);
        let made = tempfile::tempdir().unwrap();
        let mut forms = vec![files.path().to_path_buf(), made.path().join("squeezed")];
        let inputs = ["1.ct", "2.ct"].map(|name| files.path().join(name));
        let make = |how: &str, output: &Path| {
            let told = run([Path::new(how), "-o".as_ref(), output, &inputs[0], &inputs[1]]);
            assert_eq!(told.status, 0, "{told:?}");
        };
        make("squeeze", &forms[1]);
        if cfg!(feature = "archive") {
            forms.push(made.path().join("exported"));
            make("export", &forms[2]);
        }
        for (form, second) in forms.iter().flat_map(|form| [50, 100, 190].map(|second| (form, second))) {
            let told = ask(&[form], second, &["--proto", "udp", "--slack", "1s"]);
            assert_eq!(told, unknown(NOT_RECORDED), "{} {second}", form.display());
        }
        let told = ask(&[&forms[1]], 5, &["--proto", "udp", "--slack", "1s"]);
        assert_eq!(told, none());
        let told = ask(&[&forms[1]], 250, &["--proto", "tcp", "--slack", "1s"]);
        assert_eq!(told, none());
    }
}
