//! Paths are a set of files: neither their order nor a copy among them changes an answer.

use ctrecorder_format::{Cause, Closing, Header, Kind, Note, V4};
use serde_json::Value;

use super::journal::{TCP, directory, event, every_protocol};
use crate::readers::sample::{BEGIN, NS, Segment, run};

const FLOW: [&str; 4] = ["10.0.0.1:1000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1000"];
const NEXT: [&str; 4] = ["10.0.0.2:1000", "198.51.100.8:443", "198.51.100.8:443", "203.0.113.6:1000"];
const ENDED: [&str; 4] = ["10.0.0.3:1000", "198.51.100.9:443", "198.51.100.9:443", "203.0.113.6:1000"];

/// Of a run the segment with this number, of ten minutes, with its keyframe.
fn segment(number: u64, open: &[(u64, [&'static str; 4])]) -> Segment {
    let created = BEGIN + number * 600 * NS;
    let begun = Segment::new(&Header { created, ..every_protocol(number) });
    let begun = if number == 0 { begun.note(&Note::at(created, Cause::Started)) } else { begun };
    let tell = |segment: Segment, (start, flow): &(u64, [&'static str; 4])| {
        segment.told::<V4>(&event(Kind::Open, TCP, *start, *flow), number * 600)
    };
    open.iter().fold(begun, tell).note(&Note::gap(created, created + NS, 0, Cause::TableRead))
}

/// Three segments of a run, through which a flow goes; another one begins in the second, and a third one ends there.
fn run_of_three() -> [Vec<u8>; 3] {
    let first = segment(0, &[]).push::<V4>(&event(Kind::Start, TCP, 100, FLOW));
    let first = first.push::<V4>(&event(Kind::Start, TCP, 200, ENDED));
    let second = segment(1, &[(100, FLOW), (200, ENDED)]).push::<V4>(&event(Kind::Start, TCP, 650, NEXT));
    let second = second.push::<V4>(&event(Kind::End, TCP, 700, ENDED));
    let third = segment(2, &[(100, FLOW), (650, NEXT)]);
    let third = third.push::<V4>(&event(Kind::End, TCP, 1300, FLOW)).push::<V4>(&event(Kind::End, TCP, 1400, NEXT));
    [
        first.closed_at(Closing::WentOn, 600).0,
        second.closed_at(Closing::WentOn, 1200).0,
        third.closed_at(Closing::Stopped, 1800).0,
    ]
}

#[test]
fn neither_the_order_of_paths_nor_a_repeated_one_changes_an_answer() {
    let [first, second, third] = run_of_three();
    let files = directory(&[("a", first), ("b", second.clone()), ("c", third), ("copy", second.clone())]);
    let cut = directory(&[("early", second[..second.len() - 200].to_vec())]);
    let path = |name: &str| match name {
        "early" => cut.path().join(name),
        "." => files.path().to_path_buf(),
        name => files.path().join(name),
    };
    let ask = |names: &[&str], at: &str| -> Value {
        let arguments = ["who", "203.0.113.6:1000", "--slack", "1s", "-o", "json", "--at", at].map(Into::into);
        serde_json::from_str(&run(arguments.into_iter().chain(names.iter().map(|name| path(name)))).stdout).unwrap()
    };
    for (at, inside) in [
        ("2027-01-15T08:00:10Z", &[][..]),
        ("2027-01-15T08:05:00Z", &["10.0.0.1", "10.0.0.3"]),
        ("2027-01-15T08:15:00Z", &["10.0.0.1", "10.0.0.2"]),
        ("2027-01-15T08:22:30Z", &["10.0.0.2"]),
        ("2027-01-15T08:25:00Z", &[]),
    ] {
        let expected = ask(&["a", "b", "c"], at);
        assert_eq!((&expected["inside"], &expected["doubts"]), (&inside.into(), &Value::Array(Vec::new())), "{at}");
        for names in [
            &["c", "b", "a"][..],
            &["b", "a", "c"],
            &["b", "a", "b", "c", "a"],
            &["c", "."],
            &["copy", "a", "b", "c"],
            &["a", "b", "early", "c"],
        ] {
            assert_eq!(ask(names, at), expected, "{names:?} at {at}");
        }
    }
}
