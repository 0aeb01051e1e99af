//! How far a start or an end may be away that nobody heard: flows that were found in the kernel's table, clocks that were set,
//! damage. The journal and its squeezed form say the same.

use std::fs;

use ctrecorder_format::record::flags::RECOVERED;
use ctrecorder_format::{Cause, Closing, Header, Kind, Note, Record, V4, V6};

use super::answers::{is, verdict};
use super::journal::{TCP, directory, event, every_protocol, flagged};
use crate::readers::sample::{BEGIN, NS, Segment, blocks, run};

const FLOW: [&str; 4] = ["10.0.0.1:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];
const NEXT: [&str; 4] = ["10.0.0.2:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];
const OTHER: [&str; 4] = ["10.0.0.3:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1001"];

type Answer = (String, Vec<String>, i32);

fn at(second: u64) -> u64 {
    BEGIN + second * NS
}

fn note(from: u64, to: u64, cause: Cause) -> Note {
    Note::gap(at(from), at(to), 0, cause)
}

/// An end that knows the start of its flow.
fn ended(start: u64, end: u64, endpoints: [&str; 4]) -> Record<V4> {
    Record { start: at(start).into(), ..event(Kind::End, TCP, end, endpoints) }
}

/// A flow that was found at this time.
fn found(second: u64) -> Record<V4> {
    flagged(event(Kind::Start, TCP, second, FLOW), RECOVERED)
}

/// Who had 203.0.113.6:1000 at this second, by these files and by their squeezed form.
fn both(files: &[(&str, Vec<u8>)], second: u64) -> [Answer; 2] {
    let time = format!("@{}", at(second) / NS);
    let arguments = ["203.0.113.6:1000", "--at", &time, "--slack", "0s"];
    let journal = directory(files);
    let squeezed = journal.path().join("squeezed");
    let [output, path] = [&squeezed, journal.path()].map(|path| path.display().to_string());
    run(["squeeze", "-o", &output, &path]);
    [verdict(files, &arguments), verdict(&[("s.ct", fs::read(&squeezed).unwrap())], &arguments)]
}

fn same(answer: Answer) -> [Answer; 2] {
    [answer.clone(), answer]
}

fn unique() -> [Answer; 2] {
    same(is("UNIQUE", &["10.0.0.1"], 0))
}

fn none() -> [Answer; 2] {
    same(is("NONE", &[], 1))
}

/// One segment, closed in order.
fn one(segment: Segment) -> Vec<(&'static str, Vec<u8>)> {
    vec![("a.ct", segment.closed(Closing::Stopped).0)]
}

fn begun() -> Segment {
    Segment::new(&every_protocol(0)).note(&Note::at(BEGIN, Cause::Started)).note(&note(0, 1, Cause::TableRead))
}

/// A flow is found while the table is read, and not at the end of that.
#[test]
fn a_flow_that_was_found_began_after_the_reading_before() {
    let mut segment = begun().push(&found(28)).note(&note(20, 30, Cause::TableRead));
    // Its reading is not forgotten, however many others there are until it ends.
    for second in 31..80 {
        segment = segment.note(&note(second - 1, second, Cause::TableRead));
    }
    let end = flagged(ended(28, 90, FLOW), RECOVERED);
    let files = one(segment.push(&end));
    assert_eq!([19, 20, 29, 91].map(|second| both(&files, second)), [none(), unique(), unique(), none()]);
    // Squeezed twice is squeezed.
    let journal = directory(&files);
    let [once, twice] = ["once", "twice"].map(|name| journal.path().join(name));
    for (from, to) in [(journal.path().join("a.ct"), &once), (once.clone(), &twice)] {
        assert_eq!(run(["squeeze".as_ref(), "-o".as_ref(), to.as_os_str(), from.as_os_str()]).status, 0);
    }
    let files = [("a.ct", fs::read(&twice).unwrap())];
    assert_eq!([19, 20].map(|second| both(&files, second)), [none(), unique()]);
}

/// Each of these outputs stands for itself: the second one has the reading that found the flow.
#[test]
fn what_goes_on_in_the_next_segment_of_flows_is_bound_there_too() {
    let first = begun().push(&found(28)).note(&note(20, 30, Cause::TableRead));
    let (first, digest) = first.closed_at(Closing::WentOn, 50);
    let header = Header { created: at(50), previous: Some(digest), ..every_protocol(1) };
    let open = Record { kind: Kind::Open as u8, ..found(28) };
    let second = Segment::new(&header).push(&open).note(&note(40, 50, Cause::TableRead));
    let second = second.push(&flagged(ended(28, 90, FLOW), RECOVERED)).closed_at(Closing::Stopped, 100).0;
    let place = directory(&[("a.ct", first), ("b.ct", second)]);
    let output = format!("{}/", place.path().join("sq").display());
    assert_eq!(run(["squeeze", "-o", &output, &place.path().display().to_string()]).status, 0);
    let last = [("b.ct", fs::read(place.path().join("sq/b.ct")).unwrap())];
    let insides = |second| {
        let time = format!("@{}", at(second) / NS);
        verdict(&last, &["203.0.113.6:1000", "--at", &time, "--slack", "0s"]).1
    };
    assert_eq!([19, 20, 90].map(insides), [vec![], vec!["10.0.0.1".to_owned()], vec!["10.0.0.1".to_owned()]]);
}

/// The flow of the first file ended in the second one, and then another one had its place. The first file was squeezed.
#[test]
fn a_half_is_no_flow_of_its_own_where_another_file_has_it_whole() {
    let next: Record<V4> = Record { id: 8.into(), ..event(Kind::Start, TCP, 90, NEXT) };
    let own = |record: Record<V4>| Record { id: 7.into(), ..record };
    let (first, digest) = begun().push(&own(event(Kind::Start, TCP, 10, FLOW))).closed_at(Closing::WentOn, 30);
    let header = Header { created: at(30), previous: Some(digest), ..every_protocol(1) };
    let second = Segment::new(&header).push(&own(event(Kind::Open, TCP, 10, FLOW)));
    let second = second.note(&note(30, 31, Cause::TableRead)).push(&own(ended(10, 60, FLOW))).push(&next);
    let second = second.closed_at(Closing::Stopped, 100).0;
    let place = directory(&[("a.ct", first.clone())]);
    let [input, output] = ["a.ct", "s.ct"].map(|name| place.path().join(name).display().to_string());
    assert_eq!(run(["squeeze", "-o", &output, &input]).status, 0);
    let squeezed = fs::read(&output).unwrap();
    let ask = |first: &[u8], second_at| {
        let time = format!("@{}", at(second_at) / NS);
        let files = [("a.ct", first.to_vec()), ("b.ct", second.clone())];
        verdict(&files, &["203.0.113.6:1000", "--at", &time, "--slack", "0s"])
    };
    for (second, insides) in [(40, vec!["10.0.0.1"]), (75, vec![]), (95, vec!["10.0.0.2"])] {
        assert_eq!([ask(&squeezed, second).1, ask(&first, second).1], [insides.clone(), insides]);
    }
}

/// Its start is lost, and with it which reading it was that found the flow: the next one says nothing of it.
#[test]
fn a_flow_is_not_bound_by_another_reading_than_that_which_found_it() {
    let end = flagged(ended(28, 90, FLOW), RECOVERED);
    let segment = begun().note(&note(26, 50, Cause::TableRead)).push(&end);
    assert_eq!(both(&one(segment), 10), unique());
    // Neither where the note of the reading was damaged.
    let segment = begun().push(&found(28)).note(&note(20, 30, Cause::TableRead)).note(&note(26, 50, Cause::TableRead));
    let mut bytes = segment.push(&end).closed(Closing::Stopped).0;
    let places = blocks(&bytes);
    bytes[places[3] + 64] ^= 1;
    let [own, squeezed] = both(&[("a.ct", bytes)], 10);
    assert_eq!((own.1, squeezed.1), (vec!["10.0.0.1".to_owned()], vec!["10.0.0.1".to_owned()]));
}

/// One reading tells of ends of an earlier run, which may be of long before, and of starts in a gap of its own run.
#[test]
fn what_is_said_of_ends_of_an_earlier_run_is_not_said_of_starts() {
    let first = Segment::new(&every_protocol(0)).note(&note(0, 1, Cause::TableRead)).push::<V4>(&event(
        Kind::Start,
        TCP,
        10,
        OTHER,
    ));
    let header = Header { recorder_started: at(700), created: at(700), ..every_protocol(0) };
    let second = Segment::new(&header)
        .note(&note(100, 700, Cause::NotRunning))
        .note(&Note::gap(at(701), at(710), 2, Cause::KernelOverrun))
        .push(&found(710))
        .note(&note(700, 711, Cause::TableRead))
        .note(&Note::gap(at(701), at(710), 2, Cause::Account).with_value(2))
        .push(&flagged(ended(710, 800, FLOW), RECOVERED));
    let files = [("a.ct", first.closed_at(Closing::Stopped, 100).0), ("b.ct", second.closed(Closing::Stopped).0)];
    assert_eq!([50, 705].map(|second| both(&files, second)), [none(), unique()]);
}

/// At 130 the clock was set back to 90.
fn set_back(before: Segment) -> Segment {
    before.note(&Note::clock_step(at(90), -40 * NS as i64))
}

#[test]
fn a_flow_that_lived_while_the_clock_was_set_back_had_all_that_it_showed() {
    let segment = begun().push::<V4>(&event(Kind::Start, TCP, 100, FLOW));
    let files = one(set_back(segment).push(&ended(100, 95, FLOW)));
    assert_eq!([101, 95, 92, 129].map(|second| both(&files, second)), [unique(), unique(), unique(), unique()]);
    assert_eq!([87, 97, 99, 131].map(|second| both(&files, second)), [none(), none(), none(), none()]);
    // When it was noticed, the clock may have been set a while before.
    assert_eq!(both(&files, 89), unique());
    // Also where only its end tells of it.
    let files = one(set_back(begun()).push(&ended(100, 95, FLOW)));
    assert_eq!(both(&files, 129), unique());
}

/// The readings before and after were at their ends at 85 and at 95, by a clock that had shown 130 between.
#[test]
fn a_flow_that_was_found_after_the_clock_was_set_back_may_have_begun_before() {
    let segment = begun().note(&note(1, 110, Cause::TableRead));
    let segment = set_back(segment.note(&Note::gap(at(112), at(129), 1, Cause::KernelOverrun)));
    let segment = segment.push(&found(95)).note(&note(94, 95, Cause::TableRead));
    let files = one(segment.push(&flagged(ended(95, 100, FLOW), RECOVERED)));
    assert_eq!(both(&files, 125), unique());
    assert_eq!(both(&files, 91), unique());
}

/// The segment with the reading that came before is not there; but that was after the clock was set, as its time says.
#[test]
fn a_flow_that_was_found_did_not_live_while_the_clock_was_set_before_the_reading() {
    let first = begun().note(&Note::clock_step(at(60), 55 * NS as i64));
    let (first, _) = first.closed_at(Closing::WentOn, 70);
    let header = Header { created: at(80), ..every_protocol(2) };
    let last = Segment::new(&header).push(&found(85)).note(&note(75, 86, Cause::TableRead));
    let last = last.push(&flagged(ended(85, 90, FLOW), RECOVERED)).closed(Closing::Stopped).0;
    let files = [("a.ct", first), ("b.ct", last)];
    assert_eq!([60, 74, 75].map(|second| both(&files, second).map(|answer| answer.1.len())), [[0; 2], [0; 2], [1; 2]]);
}

/// That it was gone is known by a reading before the clock was set, though it is told only behind that.
#[test]
fn a_flow_that_was_gone_before_did_not_live_while_the_clock_was_set() {
    let first = begun().push::<V4>(&event(Kind::Start, TCP, 10, FLOW));
    let header = Header { recorder_started: at(20), created: at(20), ..every_protocol(0) };
    let second = Segment::new(&header).note(&note(11, 20, Cause::NotRunning)).note(&note(20, 21, Cause::TableRead));
    let second = second.note(&Note::clock_step(at(70), 5 * NS as i64));
    let files = [("a.ct", first.closed_at(Closing::Stopped, 11).0), ("b.ct", second.closed(Closing::Stopped).0)];
    assert_eq!([9, 10, 40, 72].map(|second| both(&files, second)), [none(), unique(), none(), none()]);
    // What the clock was set over nobody can say anything of.
    assert_eq!([67, 70].map(|second| both(&files, second).map(|answer| answer.0)), [["UNKNOWN"; 2]; 2]);
}

/// Nobody noted it: the recorder was not running.
#[test]
fn a_clock_that_was_set_back_between_two_runs_is_seen() {
    let first = begun().push::<V4>(&event(Kind::Start, TCP, 100, FLOW));
    let header = Header { recorder_started: at(50), created: at(50), ..every_protocol(0) };
    let second =
        Segment::new(&header).push::<V4>(&event(Kind::Open, TCP, 100, FLOW)).note(&note(50, 50, Cause::TableRead));
    let second = second.push(&ended(100, 130, FLOW));
    // A directory would have them in the order of their begins.
    let journal =
        directory(&[("a", first.closed_at(Closing::Stopped, 110).0), ("b", second.closed(Closing::Stopped).0)]);
    let [a, b] = ["a", "b"].map(|name| journal.path().join(name).display().to_string());
    for second in [60, 105, 129] {
        let at = format!("@{}", at(second) / NS);
        let answer = run(["who", "203.0.113.6:1000", "--at", &at, "--slack", "0s", &a, &b]);
        assert!(answer.stdout.starts_with("UNIQUE: 10.0.0.1"), "{}", answer.stdout);
    }
}

/// The other one began earlier, when the clock showed later times.
#[test]
fn a_flow_is_not_replaced_by_one_that_began_before_it() {
    let segment = begun().push::<V4>(&event(Kind::Start, TCP, 110, NEXT)).push(&ended(110, 115, NEXT));
    let files = one(set_back(segment).push::<V4>(&event(Kind::Start, TCP, 100, FLOW)));
    assert_eq!(both(&files, 120), unique());
}

/// Both halves of a batch tell of the same time, one by one: what was damaged may be older than what is left of the other.
#[test]
fn the_half_of_a_batch_that_is_damaged_may_tell_of_earlier_times() {
    let ends = ["[fd00::1]:1000", "[2a00::7]:443", "[2a00::7]:443", "[2001::1]:1000"];
    let segment = begun().push::<V6>(&event(Kind::Start, TCP, 10, ends)).push::<V4>(&event(Kind::Start, TCP, 60, FLOW));
    let mut bytes = segment.closed(Closing::Stopped).0;
    let places = blocks(&bytes);
    bytes[places[3]] ^= 1;
    let arguments = ["[2001::1]:1000", "--at", "2027-01-15T08:00:30Z", "--slack", "0s"];
    assert_eq!(verdict(&[("a.ct", bytes)], &arguments), is("UNKNOWN", &[], 4));
}

/// All that was lost in the overrun is back, so that it is no gap; but the record that told of the flow is damaged.
#[test]
fn a_start_that_was_found_and_is_damaged_may_tell_of_a_flow_that_began_before() {
    let overrun = Note::gap(at(20), at(25), 1, Cause::KernelOverrun);
    let segment = begun().note(&overrun).push(&found(28)).note(&note(15, 30, Cause::TableRead));
    let segment = segment.note(&Note::gap(at(20), at(25), 1, Cause::Account).with_value(1));
    let mut bytes = segment.push::<V4>(&event(Kind::Start, TCP, 100, OTHER)).closed(Closing::Stopped).0;
    let places = blocks(&bytes);
    bytes[places[3] + 64] ^= 1;
    let files = [("a.ct", bytes)];
    assert_eq!([10, 26].map(|second| both(&files, second).map(|answer| answer.0)), [["NONE"; 2], ["UNKNOWN"; 2]]);
}
