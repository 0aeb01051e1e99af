//! Journals of several recorders in one question.

use std::collections::BTreeSet;

use ctrecorder_format::{Cause, Closing, Header, Kind, Note, V4};
use serde_json::Value;

use super::answers::{ask, is, verdict};
use super::journal::{TCP, directory, event, every_protocol};
use crate::readers::sample::{BEGIN, NS, Segment, run};

const DAY: u64 = 86_400;
const MONTH: u64 = 30 * DAY;

/// Two inside hosts behind one public endpoint.
const ONE: [&str; 4] = ["10.0.0.1:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];
const OTHER: [&str; 4] = ["10.0.0.2:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];

/// The segment that a router kept from one second after [`BEGIN`] to another one.
fn segment(host: &str, namespace: u64, (from, to): (u64, u64), fill: impl FnOnce(Segment) -> Segment) -> Vec<u8> {
    let created = BEGIN + from * NS;
    let header =
        Header { host: host.into(), namespace, created, recorder_started: created + namespace, ..every_protocol(0) };
    let begun = Segment::new(&header).note(&Note::at(created, Cause::Started)).note(&Note::gap(
        created,
        created + NS,
        0,
        Cause::TableRead,
    ));
    fill(begun).closed_at(Closing::Stopped, to).0
}

fn router(host: &str, span: (u64, u64), fill: impl FnOnce(Segment) -> Segment) -> Vec<u8> {
    segment(host, 0, span, fill)
}

/// A flow from one second to another one.
fn flow(endpoints: [&'static str; 4], from: u64, to: u64) -> impl FnOnce(Segment) -> Segment {
    move |segment| {
        let segment = segment.push::<V4>(&event(Kind::Start, TCP, from, endpoints));
        segment.push::<V4>(&event(Kind::End, TCP, to, endpoints))
    }
}

fn nothing(segment: Segment) -> Segment {
    segment
}

fn overrun(from: u64, to: u64) -> impl FnOnce(Segment) -> Segment {
    move |segment| segment.note(&Note::gap(BEGIN + from * NS, BEGIN + to * NS, 5, Cause::KernelOverrun))
}

fn json(files: &[(&str, Vec<u8>)], arguments: &[&str]) -> Value {
    serde_json::from_str(&ask(files, &[arguments, &["-o", "json"]].concat()).stdout).unwrap()
}

/// The hosts of the flows, in the order in which they are told.
fn hosts(answer: &Value) -> Vec<&str> {
    answer["flows"].as_array().unwrap().iter().map(|flow| flow["host"].as_str().unwrap()).collect()
}

const PUBLIC: &str = "203.0.113.6:1000";
const NOBODY: &str = "203.0.113.6:1001";
/// 600 seconds after [`BEGIN`].
const AT: &str = "2027-01-15T08:10:00Z";

#[test]
fn a_passive_router_that_recorded_does_not_spoil_the_verdict() {
    let pair = [("a.ct", router("nat1", (0, 3600), flow(ONE, 500, 700))), ("b.ct", router("nat2", (0, 3600), nothing))];
    assert_eq!(verdict(&pair, &[PUBLIC, "--at", AT]), is("UNIQUE", &["10.0.0.1"], 0));
    assert_eq!(verdict(&pair, &[NOBODY, "--at", AT]), is("NONE", &[], 1));
    let answer = json(&pair, &[PUBLIC, "--at", AT]);
    assert_eq!((hosts(&answer), &answer["doubts"]), (vec!["nat1"], &serde_json::json!([])));
    let recorders = answer["coverage"]["recorders"].as_array().unwrap();
    let told: Vec<_> = recorders.iter().map(|told| (told["host"].as_str(), told["counted"].as_bool())).collect();
    assert_eq!(told, [(Some("nat1"), Some(true)), (Some("nat2"), Some(true))]);
    let text = ask(&pair, &[PUBLIC, "--at", AT]).stdout;
    assert!(text.contains("198.51.100.7:443, source NAT, recorded by nat1\n"), "{text}");
    assert!(text.contains("\nrecorded by nat2 without gap from 2027-01-15T08:00:00Z to "), "{text}");
}

#[test]
fn a_gap_of_either_router_is_a_doubt_and_named() {
    for (one, other, whose) in [((590, 610), (2000, 2001), "nat1"), ((2000, 2001), (590, 610), "nat2")] {
        let pair = [
            ("a.ct", router("nat1", (0, 3600), |segment| overrun(one.0, one.1)(flow(ONE, 500, 550)(segment)))),
            ("b.ct", router("nat2", (0, 3600), overrun(other.0, other.1))),
        ];
        // What was found again is told of by a reading of the table behind the gap; here is none.
        let answer = json(&pair, &[NOBODY, "--at", AT, "--slack", "1s"]);
        assert_eq!(answer["verdict"], "UNKNOWN");
        assert_eq!(answer["doubts"][0], format!("{whose}: socket buffer full"), "{answer:#}");
        let found = ask(&pair, &[PUBLIC, "--at", "2027-01-15T08:09:30Z", "--slack", "20s"]).stdout;
        let first = found.lines().next().unwrap();
        assert!(first.starts_with(&format!("UNIQUE: 10.0.0.1; others may be missing: {whose}: socket ")), "{found}");
    }
}

#[test]
fn what_any_router_found_is_a_candidate() {
    let pair = [
        ("a.ct", router("nat1", (0, 3600), flow(ONE, 500, 700))),
        ("b.ct", router("nat2", (0, 3600), flow(OTHER, 550, 800))),
    ];
    assert_eq!(verdict(&pair, &[PUBLIC, "--at", AT]), is("AMBIGUOUS", &["10.0.0.1", "10.0.0.2"], 3));
    assert_eq!(hosts(&json(&pair, &[PUBLIC, "--at", AT])), ["nat1", "nat2"]);
    // Only the second one's flow was alive then.
    assert_eq!(verdict(&pair, &[PUBLIC, "--at", "2027-01-15T08:12:30Z", "--slack", "1s"]).1, ["10.0.0.2"]);
}

/// As conntrackd copies it from one router to the other.
#[test]
fn one_flow_recorded_twice_is_one_inside_address() {
    let pair = [
        ("a.ct", router("nat1", (0, 3600), flow(ONE, 500, 700))),
        ("b.ct", router("nat2", (0, 3600), flow(ONE, 501, 700))),
    ];
    assert_eq!(verdict(&pair, &[PUBLIC, "--at", AT]), is("UNIQUE", &["10.0.0.1"], 0));
    assert_eq!(hosts(&json(&pair, &[PUBLIC, "--at", AT])), ["nat1", "nat2"]);
    let copies = [("a.ct", pair[0].1.clone()), ("copy.ct", pair[0].1.clone())];
    assert_eq!(verdict(&copies, &[PUBLIC, "--at", AT]), is("UNIQUE", &["10.0.0.1"], 0));
    let answer = json(&copies, &[PUBLIC, "--at", AT]);
    assert_eq!((hosts(&answer), &answer["doubts"]), (vec!["nat1"], &serde_json::json!([])));
    assert_eq!(verdict(&copies, &[NOBODY, "--at", AT]), is("NONE", &[], 1));
}

/// Who was off then may have been in use all the same; whose files are of another month says nothing of that time.
#[test]
fn a_router_without_a_file_of_that_time_counts_for_a_day() {
    let first = || router("nat1", (0, 3600), flow(ONE, 500, 700));
    let ask_beside = |other: (u64, u64), endpoint| {
        let files = [("a.ct", first()), ("b.ct", router("nat2", other, nothing))];
        let answer = json(&files, &[endpoint, "--at", AT]);
        let text = ask(&files, &[endpoint, "--at", AT]).stdout;
        (answer["verdict"].as_str().unwrap().to_owned(), answer, text)
    };
    // It was started later that day.
    let (word, answer, _) = ask_beside((7200, 9000), NOBODY);
    assert_eq!(
        (word.as_str(), &answer["doubts"]),
        ("UNKNOWN", &serde_json::json!(["nat2: no file given covers that time"]))
    );
    let (word, _, text) = ask_beside((7200, 9000), PUBLIC);
    assert_eq!(word, "UNIQUE");
    assert!(
        text.starts_with("UNIQUE: 10.0.0.1; others may be missing: nat2: no file given covers that time\n"),
        "{text}"
    );
    // A month later.
    let (word, answer, text) = ask_beside((MONTH, MONTH + 3600), NOBODY);
    assert_eq!((word.as_str(), &answer["doubts"]), ("NONE", &serde_json::json!([])));
    assert_eq!(answer["coverage"]["recorders"][1]["counted"], false);
    assert_eq!(answer["coverage"]["recorders"][1]["given"]["from"], "2027-02-14T08:00:00.000000000Z");
    let said = "NONE: no flow had 203.0.113.6:1001 then; nat2 is not counted: its files are of another time\n";
    assert!(text.starts_with(said), "{text}");
    let said = "\nnat2 is not counted: its files are of the time from 2027-02-14T08:00:00Z to 2027-02-14T09:00:00Z\n";
    assert!(text.contains(said), "{text}");
    let (word, answer, _) = ask_beside((MONTH, MONTH + 3600), PUBLIC);
    assert_eq!((word.as_str(), &answer["doubts"]), ("UNIQUE", &serde_json::json!([])));
    // To the second: a day and the slack behind the time asked for.
    assert_eq!(ask_beside((DAY + 660, DAY + 700), NOBODY).0, "UNKNOWN");
    assert_eq!(ask_beside((DAY + 661, DAY + 700), NOBODY).0, "NONE");
}

#[test]
fn where_no_router_has_a_file_nothing_is_denied() {
    let files =
        [("a.ct", router("nat1", (0, 3600), nothing)), ("b.ct", router("nat2", (MONTH, MONTH + 3600), nothing))];
    let answer = json(&files, &[NOBODY, "--at", "2027-01-30T08:00:00Z"]);
    assert_eq!(answer["verdict"], "UNKNOWN");
    let said = ["nat1: no file given covers that time", "nat2: no file given covers that time"];
    let told: BTreeSet<_> = answer["doubts"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(told.is_superset(&BTreeSet::from(said)), "{answer:#}");
    // Between two files of one router something is missing, however long that lasted.
    let files = [
        ("a.ct", router("nat1", (0, 2 * MONTH), nothing)),
        ("b.ct", router("nat2", (0, 3600), nothing)),
        ("c.ct", router("nat2", (MONTH, MONTH + 3600), nothing)),
    ];
    let answer = json(&files, &[NOBODY, "--at", "2027-01-30T08:00:00Z"]);
    assert_eq!((&answer["verdict"], &answer["doubts"][0]), (&"UNKNOWN".into(), &"nat2: recorder not running".into()));
}

/// Its flow may still have been open.
#[test]
fn a_router_that_left_the_flow_open_counts_for_longer_than_a_day() {
    let open = |segment: Segment| segment.push::<V4>(&event(Kind::Start, TCP, 500, ONE));
    let files = [("a.ct", router("nat1", (0, 3600), open)), ("b.ct", router("nat2", (0, 2 * MONTH), nothing))];
    let ask = |endpoint| json(&files, &[endpoint, "--at", "2027-01-30T08:00:00Z"]);
    let answer = ask(PUBLIC);
    assert_eq!((&answer["verdict"], hosts(&answer)), (&"UNKNOWN".into(), vec!["nat1"]));
    assert_eq!(ask(NOBODY)["verdict"], "NONE");
}

/// The machine was set up anew, and has another name since.
#[test]
fn a_router_by_a_new_name_is_another_one() {
    let files = [
        ("a.ct", router("nat1", (0, 3600), flow(ONE, 500, 700))),
        ("b.ct", router("gate", (7200, 10 * DAY), flow(OTHER, 5 * DAY, 5 * DAY + 100))),
    ];
    assert_eq!(verdict(&files, &[PUBLIC, "--at", AT]).1, ["10.0.0.1"]);
    let later = ["--at", "2027-01-20T08:01:00Z"];
    assert_eq!(verdict(&files, &[&[PUBLIC][..], &later].concat()), is("UNIQUE", &["10.0.0.2"], 0));
    assert_eq!(verdict(&files, &[&[NOBODY][..], &later].concat()), is("NONE", &[], 1));
    // While it was set up, nobody recorded.
    assert_eq!(verdict(&files, &[NOBODY, "--at", "2027-01-15T09:30:00Z"]), is("UNKNOWN", &[], 4));
}

#[test]
fn network_namespaces_recorded_at_the_same_time_are_recorders() {
    let files = [
        ("a.ct", segment("nat1", 5, (0, 3600), flow(ONE, 500, 700))),
        ("b.ct", segment("nat1", 6, (0, 3600), flow(OTHER, 500, 700))),
    ];
    let answer = json(&files, &[PUBLIC, "--at", AT]);
    let told = |list: &Value| -> Vec<_> {
        let list = list.as_array().unwrap().iter();
        list.map(|told| (told["host"].as_str().unwrap().to_owned(), told["namespace"].as_u64())).collect()
    };
    let both = [("nat1".to_owned(), Some(5)), ("nat1".to_owned(), Some(6))];
    assert_eq!((&answer["verdict"], told(&answer["flows"])), (&"AMBIGUOUS".into(), both.to_vec()));
    assert_eq!(told(&answer["coverage"]["recorders"]), both);
    let text = ask(&files, &[PUBLIC, "--at", AT]).stdout;
    assert!(text.contains(", recorded by nat1 (network namespace 6)\n"), "{text}");
    // One private address behind two of them is two hosts; that of the namespaces of two machines may be one flow, which was copied.
    let twins = |host: &str| {
        [
            ("a.ct", segment("nat1", 5, (0, 3600), flow(ONE, 500, 700))),
            ("b.ct", segment(host, 6, (0, 3600), flow(ONE, 500, 700))),
        ]
    };
    assert_eq!(verdict(&twins("nat1"), &[PUBLIC, "--at", AT]), is("AMBIGUOUS", &["10.0.0.1"], 3));
    assert_eq!(verdict(&twins("nat2"), &[PUBLIC, "--at", AT]), is("UNIQUE", &["10.0.0.1"], 0));
    let text = ask(&twins("nat1"), &[PUBLIC, "--at", AT]).stdout;
    assert!(text.starts_with("AMBIGUOUS: 10.0.0.1 in several network namespaces\n"), "{text}");
    // One after the other, they are those of a container that was started again.
    let files = [
        ("a.ct", segment("nat1", 5, (0, 3600), nothing)),
        ("b.ct", segment("nat1", 6, (3600, 7200), flow(OTHER, 4000, 4100))),
    ];
    let answer = json(&files, &[PUBLIC, "--at", "2027-01-15T09:07:00Z"]);
    assert_eq!(told(&answer["coverage"]["recorders"]), [("nat1".to_owned(), None)]);
}

/// Nobody knows whose file it was: of either recorder, or of one more.
#[test]
fn a_file_without_a_header_is_of_nobody_where_there_are_two() {
    let mut headless = router("nat1", (0, 3600), flow(OTHER, 500, 700));
    headless[40] ^= 0xff;
    let pair = |headless: &Vec<u8>| {
        [
            ("a.ct", router("nat1", (0, 3600), flow(ONE, 500, 700))),
            ("b.ct", router("nat2", (0, 3600), nothing)),
            ("c.ct", headless.clone()),
        ]
    };
    let files = pair(&headless);
    let answer = json(&files, &[PUBLIC, "--at", AT]);
    assert_eq!((&answer["verdict"], &answer["flows"][1]["host"]), (&"AMBIGUOUS".into(), &Value::Null), "{answer:#}");
    // With one, it is that one's.
    let answer = json(&[files[0].clone(), files[2].clone()], &[PUBLIC, "--at", AT]);
    assert_eq!((&answer["verdict"], hosts(&answer)), (&"AMBIGUOUS".into(), vec!["nat1", "nat1"]));
    // Of which nothing can be read at all, that is a doubt.
    let files = pair(&vec![0x5a; 64]);
    let directory = directory(&files);
    let paths = ["a.ct", "b.ct", "c.ct"].map(|name| directory.path().join(name).display().to_string());
    let told = run(["who", NOBODY, "--at", AT].into_iter().chain(paths.iter().map(String::as_str)));
    assert!(told.stdout.contains("a file could not be read, and what it covers"), "{told:?}");
    assert_eq!(told.status, 4);
}

/// A host's name comes out of a file.
#[test]
fn a_name_cannot_write_to_the_terminal() {
    let files =
        [("a.ct", router("nat\u{1b}[31m", (0, 3600), flow(ONE, 500, 700))), ("b.ct", router("", (0, 3600), nothing))];
    let text = ask(&files, &[PUBLIC, "--at", AT]).stdout;
    assert!(text.contains(", recorded by nat\\u{1b}[31m\n") && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains("\nrecorded by a recorder that is not named without gap "), "{text}");
}

/// Each of two recorders at a time tells of both flows, so the one that began first is told of once more behind the other one.
#[test]
fn of_two_recorders_at_a_time_neither_ends_a_flow_by_what_the_other_one_told_before() {
    let both = |segment: Segment| {
        let segment = flow(OTHER, 30, 40)(segment);
        segment.push::<V4>(&event(Kind::Start, TCP, 50, ONE))
    };
    let files = [("1", segment("nat1", 0, (0, 100), both)), ("2", segment("nat1", 0, (20, 120), both))];
    let named = verdict(&files, &[PUBLIC, "--at", &format!("@{}", BEGIN / NS + 90)]).1;
    assert!(named.contains(&"10.0.0.1".to_owned()), "{named:?}");
}
