//! Who is known to have had an endpoint, and who may have had it.

use ctrecorder_format::record::flags;
use ctrecorder_format::{Cause, Closing, Header, Kind, Note, Record, V4};
use serde_json::Value;

use super::answers::ask;
use super::journal::{TCP, event, every_protocol, flagged, segment};
use crate::readers::sample::{BEGIN, NS, Segment};

const ONE: [&str; 4] = ["10.0.0.1:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];
const OTHER: [&str; 4] = ["10.0.0.2:1000", "198.51.100.8:443", "198.51.100.8:443", "203.0.113.6:1000"];

fn note(from: u64, to: u64, cause: Cause) -> Note {
    Note::gap(BEGIN + from * NS, BEGIN + to * NS, if cause == Cause::TableRead { 0 } else { 5 }, cause)
}

fn begun(number: u64, second: u64) -> Segment {
    let header =
        Header { created: BEGIN + second * NS, recorder_started: BEGIN + second * NS, ..every_protocol(number) };
    Segment::new(&header).note(&Note::at(BEGIN + second * NS, Cause::Started))
}

/// The first line about some endpoint within a second, and of each flow whether it is sure that it was alive then.
fn said(files: &[(&str, Vec<u8>)], endpoint: &str, second: u64) -> (String, Vec<bool>) {
    let at = format!("@{}", BEGIN / NS + second);
    let asked = [endpoint, "--at", &at, "--slack", "1s"];
    let json = ask(files, &[&asked[..], &["-o", "json"]].concat()).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let sure = json["flows"].as_array().unwrap().iter().map(|flow| flow["sure"].as_bool().unwrap());
    (ask(files, &asked).stdout.lines().next().unwrap().to_owned(), sure.collect())
}

#[test]
fn one_whose_end_or_begin_was_lost_may_have_had_it() {
    let files = [("a.ct", segment())];
    let said = |endpoint, second| said(&files, endpoint, second);
    // Its end was not heard: it was lost from 900 to 910.
    let missing = "others may be missing: socket buffer full";
    let doubted = |host: &str| (format!("UNIQUE: {host} may have had it; {missing}"), vec![false]);
    assert_eq!(said("203.0.113.7:1600", 905), doubted("10.64.5.6"));
    assert_eq!(said("203.0.113.7:1600", 880), ("UNIQUE: 10.64.5.6".into(), vec![true]));
    assert_eq!(said("203.0.113.7:1600", 899), (format!("UNIQUE: 10.64.5.6; {missing}"), vec![true]));
    // Its begin was not heard: it was found at 911, and ended at 950.
    assert_eq!(said("203.0.113.7:1500", 905), doubted("10.64.5.5"));
    assert_eq!(said("203.0.113.7:1500", 912), ("UNIQUE: 10.64.5.5".into(), vec![true]));
    // A host of its own.
    let own = |asked| said("198.51.100.9:80", asked).0;
    assert_eq!(own(905), format!("UNIQUE: 198.51.100.9, not translated, may have had it; {missing}"));
    assert_eq!(own(880), "UNIQUE: 198.51.100.9, not translated");
}

/// One that was open where the files end had it as long as they tell without gap.
#[test]
fn one_without_an_end_had_it_up_to_the_next_gap() {
    let files = |cut: bool| {
        let first = begun(0, 0).note(&note(0, 0, Cause::TableRead)).push::<V4>(&event(Kind::Start, TCP, 10, ONE));
        let first = first.note(&note(100, 110, Cause::KernelOverrun));
        // It is told of behind the gap, and open at the end.
        let (first, digest) = first.closed_at(Closing::WentOn, 600);
        let header = Header { created: BEGIN + 600 * NS, previous: Some(digest), ..every_protocol(1) };
        let second = Segment::new(&header).told::<V4>(&event(Kind::Open, TCP, 10, ONE), 600);
        let second = second.note(&note(600, 601, Cause::TableRead)).note(&note(700, 710, Cause::KernelOverrun));
        let second = second.closed_at(Closing::Stopped, 900).0;
        if cut { vec![("0.ct", first)] } else { vec![("0.ct", first), ("1.ct", second)] }
    };
    let sure = |cut, second| said(&files(cut), "203.0.113.6:1000", second).1;
    for (second, known) in [(11, true), (50, true), (105, false), (500, false), (690, false), (800, false)] {
        assert_eq!(sure(false, second), [known], "{second}");
    }
    for (second, known) in [(50, true), (105, false), (500, false)] {
        assert_eq!(sure(true, second), [known], "{second}, of the first file alone");
    }
}

#[test]
fn of_several_it_is_said_only_where_none_is_sure() {
    let both = |second: [u64; 2], id: u32| {
        let event = |kind, second, flow| Record { id: id.into(), ..event::<V4>(kind, TCP, second, flow) };
        let begun = begun(0, 0).note(&note(0, 0, Cause::TableRead));
        let begun = begun.push(&event(Kind::Start, 10, ONE)).push(&event(Kind::Start, 11, OTHER));
        let lost = begun.note(&note(20, 30, Cause::KernelOverrun)).note(&note(20, 31, Cause::TableRead));
        let ends = [ONE, OTHER].into_iter().zip(second).fold(lost, |segment, (flow, second)| {
            let end = event(Kind::End, second, flow);
            segment.push(&if second == 31 { flagged(end, flags::END_AT_LATEST) } else { end })
        });
        said(&[("a.ct", ends.stopped())], "203.0.113.6:1000", 25)
    };
    let missing = "others may be missing: socket buffer full";
    let none = format!("AMBIGUOUS: 10.0.0.1, 10.0.0.2 may have had it; --peer decides; {missing}");
    assert_eq!(both([31, 31], 9), (none.clone(), vec![false, false]));
    assert_eq!(
        both([31, 40], 9),
        (format!("AMBIGUOUS: 10.0.0.1, 10.0.0.2; --peer decides; {missing}"), vec![false, true])
    );
    // As in version 2: one may have ended in the gap, and another one begun.
    assert_eq!(both([31, 40], 0), (none, vec![false, false]));
}

/// Which of two times it was that the clock showed, nobody can say; nor whether it showed one at all.
#[test]
fn where_the_clock_was_set_nothing_is_sure() {
    let begun = begun(0, 0).note(&note(0, 0, Cause::TableRead)).push::<V4>(&event(Kind::Start, TCP, 100, ONE));
    let set_back = Note::clock_step(BEGIN + 200 * NS, -100 * NS.cast_signed());
    let bytes = begun.note(&set_back).push::<V4>(&event(Kind::End, TCP, 400, ONE)).stopped();
    let files = [("a.ct", bytes)];
    for second in [150, 250, 350] {
        assert_eq!(said(&files, "203.0.113.6:1000", second).1, [false], "{second}");
    }
}

/// That something was recorded does not tell that everything was.
#[test]
fn where_only_others_were_recorded_no_end_would_have_been_heard() {
    let of = |protocol: u8, started: u64| {
        let (created, recorder_started) = (BEGIN + started * NS, BEGIN + started * NS);
        let header = Header { created, recorder_started, protocols: vec![protocol], ..every_protocol(0) };
        Segment::new(&header).note(&note(started, started, Cause::TableRead))
    };
    let own = of(TCP, 0).push::<V4>(&event(Kind::Start, TCP, 100, ONE)).closed_at(Closing::Stopped, 600).0;
    let of_others = of(17, 1).closed_at(Closing::Stopped, 3600).0;
    let sure = |second| said(&[("a.ct", own.clone()), ("b.ct", of_others.clone())], "203.0.113.6:1000", second).1;
    assert_eq!(sure(2000), [false]);
    // By itself it is known to have been alive as long as that tells.
    assert_eq!(said(&[("a.ct", own.clone())], "203.0.113.6:1000", 500).1, [true]);
}
