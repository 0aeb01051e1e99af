//! Cases in which an answer was wrong once.

use std::fs;

use ctrecorder_format::{Cause, Closing, Header, Kind, Note, V4};

use super::answers::{is, verdict};
use super::journal::{TCP, UDP, directory, event, every_protocol};
use crate::readers::sample::{BEGIN, NS, Segment, run};

const FLOW: [&str; 4] = ["10.0.0.1:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];

fn read(second: u64) -> Note {
    Note::gap(BEGIN, BEGIN + second * NS, 0, Cause::TableRead)
}

/// A query of any type and code is found by an index, which knows its address.
#[test]
fn an_index_hides_no_query() {
    let mut segment = Segment::new(&every_protocol(0)).note(&read(0));
    for id in 1..100 {
        // Type 8, code 3.
        let ends = [
            format!("10.0.0.1:{id}"),
            "198.51.100.7:2051".into(),
            format!("198.51.100.7:{id}"),
            "203.0.113.6:3".into(),
        ];
        segment = segment.push::<V4>(&event(Kind::Start, 1, 10, ends.each_ref().map(String::as_str)));
    }
    let files = [("a.ct", segment.closed(Closing::Stopped).0)];
    for id in 1..100 {
        let endpoint = format!("203.0.113.6:{id}");
        let arguments = [endpoint.as_str(), "--at", "2027-01-15T08:02:00Z", "--proto", "icmp"];
        assert_eq!(verdict(&files, &arguments), is("UNIQUE", &["10.0.0.1"], 0), "{endpoint}");
    }
}

/// What a filter left out may have been the answer.
#[test]
fn a_file_that_was_filtered_denies_nothing() {
    let header = Header { filters: "ip 10.0.0.9".into(), ..every_protocol(0) };
    let segment = Segment::new(&header).note(&read(0)).push::<V4>(&event(Kind::Start, TCP, 10, FLOW));
    let files = [("a.ct", segment.closed(Closing::Stopped).0)];
    let ask = |endpoint| verdict(&files, &[endpoint, "--at", "2027-01-15T08:05:00Z"]);
    assert_eq!(ask("203.0.113.6:1001"), is("UNKNOWN", &[], 4));
    assert_eq!(ask("203.0.113.6:1000"), is("UNIQUE", &["10.0.0.1"], 0));
}

/// The first recorder heard TCP alone, the next one everything; squeezed, they have one header.
#[test]
fn what_some_inputs_did_not_record_their_squeezed_form_does_not_deny() {
    let second = Header { created: BEGIN + 3600 * NS, recorder_started: BEGIN + 3600 * NS, ..every_protocol(0) };
    let first = Segment::new(&Header { protocols: vec![TCP], ..every_protocol(0) }).note(&read(0));
    let first = first.push::<V4>(&event(Kind::Start, TCP, 10, FLOW)).push::<V4>(&event(Kind::End, TCP, 20, FLOW));
    let place = directory(&[
        ("a.ct", first.closed_at(Closing::Stopped, 3600).0),
        ("b.ct", Segment::new(&second).note(&read(3600)).closed_at(Closing::Stopped, 7200).0),
    ]);
    let squeeze = |name: &str, options: &[&str]| {
        let output = place.path().join(name).display().to_string();
        let inputs = ["a.ct", "b.ct"].map(|name| place.path().join(name).display().to_string());
        assert_eq!(run(["squeeze", "-o", &output, &inputs[0], &inputs[1]].iter().chain(options)).status, 0);
        fs::read(output).unwrap()
    };
    let ask = |squeezed: &[u8], protocol| {
        let arguments = ["203.0.113.6:1000", "--at", "2027-01-15T08:30:00Z", "--proto", protocol];
        verdict(&[("s.ct", squeezed.to_vec())], &arguments)
    };
    let all = squeeze("all", &[]);
    assert_eq!(["udp", "tcp"].map(|protocol| ask(&all, protocol)), [is("UNKNOWN", &[], 4), is("NONE", &[], 1)]);
    // All of them recorded TCP.
    let tcp = squeeze("tcp", &["--proto", "tcp"]);
    assert_eq!(["udp", "tcp"].map(|protocol| ask(&tcp, protocol)), [is("UNKNOWN", &[], 4), is("NONE", &[], 1)]);
    // Where the inputs are there, too, they are what is read.
    let path = place.path().display().to_string();
    let words = ["who", "203.0.113.6:1000", "--at", "2027-01-15T09:30:00Z", "--proto", "udp", &path];
    assert!(run(words).stdout.starts_with("NONE"));
}

/// Half a day earlier the same flow has a half of its own: that is no answer to now.
#[test]
fn times_that_lie_apart_do_not_spoil_each_other() {
    let mut files = Vec::new();
    let mut previous = None;
    for number in 0..25 {
        let begin = number * 3600;
        let header = Header { created: BEGIN + begin * NS, previous, ..every_protocol(number) };
        let mut segment = Segment::new(&header).note(&read(begin + 1));
        // Two of them, of the same id, and nobody knows when they began.
        if [5, 14].contains(&number) {
            let mut ended = event::<V4>(Kind::End, TCP, begin + 10, FLOW);
            ended.id = 7.into();
            segment = segment.push(&ended);
        }
        let (bytes, digest) = segment.closed_at(Closing::WentOn, begin + 3600);
        previous = Some(digest);
        files.push((format!("{number:02}.ct"), bytes));
    }
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    for at in ["2027-01-15T13:00:05Z", "2027-01-15T22:00:05Z"] {
        assert_eq!(verdict(&files, &["203.0.113.6:1000", "--at", at, "--slack", "1s"]).0, "UNIQUE", "{at}");
    }
}

/// Who reads another namespace's table does not know of this one's flows.
#[test]
fn another_namespace_ends_no_flow() {
    for namespace in [0, 5] {
        let first = Segment::new(&every_protocol(0)).note(&read(0)).push::<V4>(&event(Kind::Start, TCP, 10, FLOW));
        let later =
            Header { namespace, recorder_started: BEGIN + 700 * NS, created: BEGIN + 700 * NS, ..every_protocol(0) };
        let second = Segment::new(&later).note(&read(701));
        let files =
            [("a.ct", first.closed_at(Closing::Stopped, 600).0), ("b.ct", second.closed_at(Closing::Stopped, 3000).0)];
        let found = verdict(&files, &["203.0.113.6:1000", "--at", "2027-01-15T08:30:00Z"]);
        assert_eq!(found, is("UNIQUE", &["10.0.0.1"], 0), "{namespace}");
    }
}

/// TCP alone was recorded: nobody knows of UDP, whatever was recorded later.
#[test]
fn what_was_recorded_is_asked_by_time() {
    let tcp = Header { protocols: vec![6], ..every_protocol(0) };
    let later = Header { recorder_started: BEGIN + 600 * NS, created: BEGIN + 600 * NS, ..every_protocol(0) };
    let files = [
        ("a.ct", Segment::new(&tcp).note(&read(0)).closed_at(Closing::Stopped, 599).0),
        (
            "b.ct",
            Segment::new(&later)
                .note(&read(601))
                .push::<V4>(&event(Kind::Start, UDP, 700, FLOW))
                .closed_at(Closing::Stopped, 3000)
                .0,
        ),
    ];
    let ask = |at, protocol| verdict(&files, &["203.0.113.6:1", "--at", at, "--proto", protocol]).0;
    assert_eq!(ask("2027-01-15T08:05:00Z", "udp"), "UNKNOWN");
    assert_eq!(ask("2027-01-15T08:05:00Z", "tcp"), "NONE");
    assert_eq!(ask("2027-01-15T08:30:00Z", "udp"), "NONE");
}

/// Nobody has read the kernel's table: who was alive before is never told.
#[test]
fn without_a_reading_of_the_table_nothing_is_denied() {
    let ask = |segment: Segment| {
        verdict(&[("a.ct", segment.closed(Closing::Stopped).0)], &["203.0.113.6:1", "--at", "2027-01-15T08:05:00Z"]).0
    };
    assert_eq!(ask(Segment::new(&every_protocol(0))), "UNKNOWN");
    assert_eq!(ask(Segment::new(&every_protocol(0)).note(&read(1))), "NONE");
}

/// Squeezed one by one, a flow is a half in one file and whole in the next.
#[test]
fn files_squeezed_one_by_one_answer_as_one() {
    let (first, digest) = Segment::new(&every_protocol(0))
        .note(&read(0))
        .push::<V4>(&event(Kind::Start, TCP, 10, FLOW))
        .closed_at(Closing::WentOn, 600);
    let mut end = event::<V4>(Kind::End, TCP, 700, FLOW);
    end.start = (BEGIN + 10 * NS).into();
    let header = Header { previous: Some(digest), ..every_protocol(1) };
    let second = Segment::new(&header).push::<V4>(&event(Kind::Open, TCP, 10, FLOW)).note(&read(600)).push(&end);
    let journal = directory(&[("a.ct", first), ("b.ct", second.closed_at(Closing::Stopped, 3000).0)]);
    let [a, b] = ["a.ct", "b.ct"].map(|name| journal.path().join(name));
    assert_eq!(run(["squeeze".as_ref(), a.as_os_str(), b.as_os_str()]).status, 0);
    let squeezed = ["a.sq.ct", "b.sq.ct"].map(|name| (name, fs::read(journal.path().join(name)).unwrap()));
    let ask = |at| verdict(&squeezed, &["203.0.113.6:1000", "--at", at]);
    assert_eq!(ask("2027-01-15T08:05:00Z"), is("UNIQUE", &["10.0.0.1"], 0));
    assert_eq!(ask("2027-01-15T08:30:00Z"), is("NONE", &[], 1));
}
