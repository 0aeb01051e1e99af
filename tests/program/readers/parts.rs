//! A journal that was squeezed or exported part by part, or of which the parts are in several places: each flow is told once.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;

use ctrecorder_format::record::flags::{END_FROM_KERNEL, START_FROM_KERNEL};
use ctrecorder_format::{Cause, Closing, Header, Kind, Note, Record, V4};

use super::sample::{BEGIN, NS, Segment, header, run, v4};
use super::squeezed_place::Place;

/// The kernel's table was read then, seconds after [`BEGIN`].
pub fn read(second: u64) -> Note {
    Note::gap(BEGIN + (second - 1) * NS, BEGIN + second * NS, 0, Cause::TableRead)
}

/// A segment of the second run of the recorder.
fn second_run(number: u64) -> Header {
    Header { recorder_started: BEGIN + 610 * NS, created: BEGIN + (610 + number * 300) * NS, ..header(number, None) }
}

/// Two runs of a recorder, without the kernel's stamps. Flow 1 was alive between them, flow 2 is to the last, flow 3 ended
/// while no recorder ran, flow 4 began and ended in the second run.
pub fn two_runs() -> Place {
    let place = Place::new();
    let open = |number| Record { start: 0.into(), ..v4(Kind::Open, number, 0) };
    let first = Segment::new(&header(0, None)).note(&read(1));
    let first = [(1, 100), (2, 110), (3, 120)]
        .into_iter()
        .fold(first, |all, (number, second)| all.push(&v4(Kind::Start, number, second)));
    place.put("1.ct", &first.closed_at(Closing::Stopped, 600).0);
    let was_off = Note::gap(BEGIN + 600 * NS, BEGIN + 610 * NS, Note::LOST_UNKNOWN, Cause::NotRunning);
    let opens = |head: &Header, second| {
        let segment = Segment::new(head);
        let segment = if head.segment_number == 0 { segment.note(&was_off) } else { segment };
        let segment = segment.told(&open(2), second);
        if second < 900 {
            segment.told(&open(1), second).note(&read(second + 1))
        } else {
            segment.note(&read(second + 1))
        }
    };
    let (second, digest) = opens(&second_run(0), 611)
        .push(&v4(Kind::Start, 4, 650))
        .push(&v4(Kind::End, 4, 700))
        .push(&v4(Kind::End, 1, 800))
        .closed_at(Closing::WentOn, 910);
    place.put("2.ct", &second);
    let third = opens(&Header { previous: Some(digest), ..second_run(1) }, 911);
    place.put("3.ct", &third.closed_at(Closing::Stopped, 1200).0);
    place
}

/// What is listed of some paths, in no order; and what `who` says of each flow at some times, without the clock.
pub fn told(paths: &[PathBuf]) -> (Vec<String>, Vec<String>) {
    let words =
        |words: &[&str]| words.iter().map(OsString::from).chain(paths.iter().map(OsString::from)).collect::<Vec<_>>();
    let listed = run(words(&["list", "-sH"]));
    assert_eq!(listed.status, 0, "{}", listed.stderr);
    let mut lines: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    let mut answers = Vec::new();
    for number in [1, 2, 3, 4] {
        for second in [50, 105, 300, 605, 630, 680, 790, 850, 1000] {
            let (endpoint, at) = (format!("203.0.113.1:{number}"), format!("@{}", BEGIN / NS + second));
            let answer = run(words(&["who", &endpoint, "--at", &at, "--slack", "1s", "--proto", "tcp"]));
            // Why something may be missing, the last segment that is there knows better than what was made of it.
            let told = answer.stdout.lines().next().unwrap().split(", but").next().unwrap();
            answers.push(format!("{endpoint} {second} {} {told}", answer.status));
        }
    }
    (lines, answers)
}

pub fn make(command: &str, options: &[&OsStr], inputs: &[PathBuf]) {
    let inputs = inputs.iter().map(|path| path.as_os_str());
    let made = run([OsStr::new(command)].into_iter().chain(options.iter().copied()).chain(inputs));
    assert_eq!(made.status, 0, "{}", made.stderr);
}

#[test]
fn parts_that_were_squeezed_one_by_one_tell_of_each_flow_once() {
    let place = two_runs();
    let parts = ["p1.ct", "p2.ct"].map(|name| place.path(name));
    let inputs = ["1.ct", "2.ct", "3.ct"].map(|name| place.path("journal").join(name));
    for (part, inputs) in parts.iter().zip([&inputs[..1], &inputs[1..]]) {
        make("squeeze", &["-o".as_ref(), part.as_os_str()], inputs);
    }
    let (lines, answers) = told(&place.journal());
    assert_eq!(lines.len(), 4, "{lines:#?}");
    // Nobody heard the end of flow 3, and the second part begins with a reading that does not find it any more.
    assert!(lines.iter().any(|line| line.contains("10.0.0.1:3 ") && line.contains("[ended after")), "{lines:#?}");
    // What goes on with a part may be in segments of events, too.
    for paths in [parts.to_vec(), vec![parts[1].clone(), parts[0].clone()], [&parts[..1], &inputs[1..]].concat()] {
        assert_eq!(told(&paths), (lines.clone(), answers.clone()), "{paths:?}");
    }
    // They may be made one again.
    make("squeeze", &["-o".as_ref(), place.path("both.ct").as_os_str()], &parts);
    assert_eq!(told(&[place.path("both.ct")]), (lines, answers));
}

/// What a part does not hold, it says nothing of.
#[test]
fn a_part_that_was_filtered_says_nothing_of_flows_that_it_does_not_have() {
    let place = two_runs();
    let inputs = ["1.ct", "2.ct", "3.ct"].map(|name| place.path("journal").join(name));
    let first = place.path("p1.ct");
    make("squeeze", &["-o".as_ref(), first.as_os_str()], &inputs[..1]);
    let of_3 = |second: &PathBuf| {
        let (lines, _) = told(&[first.clone(), second.clone()]);
        lines.into_iter().find(|line| line.contains("10.0.0.1:3 ")).unwrap()
    };
    for (name, options) in [("all", &[][..]), ("tcp", &["--proto", "tcp"]), ("nat", &["--nat"])] {
        let second = place.path(name);
        let output = ["-o".as_ref(), second.as_os_str()];
        let options: Vec<&OsStr> = output.into_iter().chain(options.iter().map(OsStr::new)).collect();
        make("squeeze", &options, &inputs[1..]);
        assert_eq!(of_3(&second).contains("[ended after"), name != "nat", "{name}");
    }
}

/// Segments with the kernel's stamps, of which a start has that of its event, and all others that of the flow.
pub fn stamped() -> Place {
    let place = Place::new();
    let flagged = |record: Record<V4>, flags| Record { flags, ..record };
    let later = |record: Record<V4>| {
        let start = v4(Kind::Start, record.original.sport.get(), 100).start.get() + 25_000;
        flagged(Record { start: start.into(), ..record }, START_FROM_KERNEL)
    };
    let mut previous = None;
    for number in 0..5 {
        let second = number * 600 + 1;
        let segment = Segment::new(&header(number, previous));
        let segment = match number {
            0 => [1, 2].into_iter().fold(segment.note(&read(2)), |all, flow| {
                all.push(&flagged(v4(Kind::Start, flow, 100), START_FROM_KERNEL))
            }),
            _ => {
                let flows = if number < 4 { 1..=2 } else { 2..=2 };
                let opens = flows.fold(segment, |all, flow| all.told(&later(v4(Kind::Open, flow, 100)), second));
                opens.note(&read(second + 1))
            }
        };
        let end = later(v4(Kind::End, 1, 2000));
        let segment = if number == 3 {
            segment.push(&Record { flags: START_FROM_KERNEL | END_FROM_KERNEL, ..end })
        } else {
            segment
        };
        let (bytes, digest) = segment.closed_at(Closing::WentOn, (number + 1) * 600);
        place.put(&format!("{number}.ct"), &bytes);
        previous = Some(digest);
    }
    place
}

#[test]
fn a_flow_is_one_though_the_kernel_has_two_stamps_of_its_start() {
    let place = stamped();
    place.squeeze("sq", &[], &place.journal());
    let (journal, squeezed) = (told(&place.journal()), told(&[place.path("sq")]));
    assert_eq!(journal.0.len(), 2, "{:#?}", journal.0);
    assert_eq!(squeezed, journal);
    // Between the two stamps.
    for at in [12_000_u64, 25_000] {
        let at = format!("@{}.{:09}", BEGIN / NS + 100, at);
        for path in [place.path("journal"), place.path("sq")] {
            let path = path.display().to_string();
            let ask = |flow: &str| run(["who", flow, "--at", &at, "--slack", "0s", "--proto", "tcp", &path]).status;
            let is_alive = i32::from(at.ends_with("12000"));
            assert_eq!([ask("203.0.113.1:1"), ask("203.0.113.1:2")], [is_alive; 2], "{at} {path}");
        }
    }
}

/// The archive of the earlier part of a journal, and the live part: which is named first changes nothing.
#[test]
fn in_which_order_an_archive_and_the_live_directory_are_given_changes_nothing() {
    let place = stamped();
    let old: Vec<_> = (0..3).map(|number| place.path("journal").join(format!("{number}.ct"))).collect();
    place.squeeze("old", &[], &old);
    fs::create_dir(place.path("live")).unwrap();
    for number in [3, 4] {
        let name = format!("{number}.ct");
        fs::copy(place.path("journal").join(&name), place.path("live").join(&name)).unwrap();
    }
    let both = [place.path("old"), place.path("live")];
    let turned = [place.path("live"), place.path("old")];
    let whole = told(&place.journal());
    assert_eq!(told(&both), whole);
    assert_eq!(told(&turned), whole);
    for (name, paths) in [("both.ct", both), ("turned.ct", turned)] {
        make("squeeze", &["-o".as_ref(), place.path(name).as_os_str()], &paths);
        assert_eq!(told(&[place.path(name)]), whole, "{name}");
        let archive = place.path(&format!("{name}.archive"));
        if cfg!(feature = "archive") {
            make("export", &["-o".as_ref(), archive.as_os_str()], &paths);
            assert_eq!(told(&[archive]), whole, "{name}");
        }
    }
}
