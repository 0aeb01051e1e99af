//! A clock that was set back while nobody recorded: no note tells of it.

use ctrecorder_format::record::flags;
use ctrecorder_format::{Closing, Header, Kind, Note, Record};
use serde_json::Value;

use super::answers::is;
use super::journal::directory;
use super::turned::{
    FLOW, NOBODY, PUBLIC, at, begun, flow, header, named, named_by_all_at_once, not_running, reading, who,
    who_of_each_form,
};
use crate::readers::sample::{NS, Segment, run};

#[test]
fn a_stamp_that_is_later_than_what_tells_of_the_flow_is_no_start() {
    // The flow began at 6000; the clock was set back to 5000 before there was a recorder.
    let stamped = |kind, second| {
        let flags = flags::START_FROM_KERNEL;
        Record { flags, start: at(6000).into(), ..flow(kind, second, FLOW, 7) }
    };
    let found = || begun(5000, 0, 5000).told(&stamped(Kind::Open, 6000), 5000).note(&reading(5000));
    let open = found().closed_at(Closing::Stopped, 5200).0;
    let ended = |second| found().push(&stamped(Kind::End, second));
    let alone = begun(5000, 0, 5000).note(&reading(5000)).push(&stamped(Kind::End, 5100));
    let (first, digest) = found().closed_at(Closing::WentOn, 5200);
    let second = Segment::new(&Header { previous: Some(digest), ..header(5000, 1, 5200) });
    let second = second.told(&stamped(Kind::Open, 6000), 5200).note(&reading(5200)).push(&stamped(Kind::End, 6100));
    for files in [
        vec![("1", open)],
        vec![("1", alone.closed_at(Closing::Stopped, 5200).0)],
        vec![("1", ended(5100).closed_at(Closing::Stopped, 5200).0)],
        vec![("1", ended(6100).closed_at(Closing::Stopped, 6200).0)],
        vec![("1", first), ("2", second.closed_at(Closing::Stopped, 6200).0)],
    ] {
        assert_eq!(named(&files, 5050), ["10.0.0.1"]);
    }
}

#[test]
fn a_stamp_of_a_time_before_the_clock_was_set_back_while_nobody_recorded_is_a_start() {
    let start = Record { flags: flags::START_FROM_KERNEL, ..flow(Kind::Start, 5150, FLOW, 7) };
    let first = begun(5000, 0, 5000).note(&reading(5000)).push(&start).closed_at(Closing::Stopped, 5200).0;
    let again = Record { flags: flags::START_FROM_KERNEL, ..flow(Kind::Open, 5150, FLOW, 7) };
    let second = begun(5100, 0, 5100).note(&not_running(5100, 5100)).told(&again, 5100).note(&reading(5100));
    let files = [("1", first), ("2", second.closed_at(Closing::Stopped, 5300).0)];
    assert_eq!(named(&files, 5050), NOBODY);
    assert_eq!(named(&files, 5120), ["10.0.0.1"]);
    assert_eq!(named(&files, 5180), ["10.0.0.1"]);
}

/// Two runs: the clock was set back from 5200 to 5100 while none ran. A flow of the first one was alive at its end.
fn runs_with_a_step_between() -> [(&'static str, Vec<u8>); 3] {
    let (first, digest) = begun(5000, 0, 5000).note(&reading(5000)).closed_at(Closing::WentOn, 5010);
    let second = Segment::new(&Header { previous: Some(digest), ..header(5000, 1, 5010) }).note(&reading(5000));
    let second = second.push(&flow(Kind::Start, 5020, FLOW, 7)).closed_at(Closing::Stopped, 5200).0;
    let third = begun(5100, 0, 5100).note(&not_running(5100, 5100)).note(&reading(5100));
    [("1", first), ("2", second), ("3", third.closed_at(Closing::Stopped, 5300).0)]
}

/// The answer of files, of which the first ones are squeezed, or exported, into one.
fn who_of_the_last_beside(make: &[&str], files: &[(&str, Vec<u8>)], made: usize, second: u64) -> Value {
    let journal = directory(files);
    let path = |name: &str| journal.path().join(name).display().to_string();
    let paths: Vec<_> = files.iter().map(|(name, _)| path(name)).collect();
    let output = path(".made");
    run(make.iter().copied().chain([output.as_str()]).chain(paths[..made].iter().map(String::as_str)));
    let at = format!("@{}", at(second) / NS);
    let asked = ["who", PUBLIC, "--at", &at, "--slack", "1s", "-o", "json", &output];
    let told = run(asked.into_iter().chain(paths[made..].iter().map(String::as_str))).stdout;
    serde_json::from_str(&told).unwrap()
}

#[test]
fn a_clock_that_was_set_back_behind_what_was_squeezed_or_exported_is_seen_by_the_next_segment() {
    let files = runs_with_a_step_between();
    assert_eq!(named(&files, 5110), ["10.0.0.1"]);
    let mut ways = vec![&["squeeze", "-o"][..]];
    if cfg!(feature = "archive") {
        ways.extend([&["export", "-o"][..], &["export", "--add", "-o"]]);
    }
    for make in ways {
        for second in [5110, 5190] {
            let answer = who_of_the_last_beside(make, &files, 2, second);
            assert_eq!(answer["inside"], serde_json::json!(["10.0.0.1"]), "{make:?} {second}: {answer}");
        }
    }
}

#[test]
fn a_clock_that_was_set_back_between_two_parts_that_were_squeezed_is_seen() {
    let [first, second, third] = runs_with_a_step_between();
    let files = directory(&[first, second, third]);
    let path = |name: &str| files.path().join(name).display().to_string();
    run(["squeeze", "-o", &path(".one"), &path("1"), &path("2")]);
    run(["squeeze", "-o", &path(".other"), &path("3")]);
    let at = format!("@{}", at(5150) / NS);
    let told = run(["who", PUBLIC, "--at", &at, "-o", "json", &path(".one"), &path(".other")]).stdout;
    let answer: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(answer["inside"], serde_json::json!(["10.0.0.1"]), "{answer}");
}

#[test]
fn a_run_that_began_before_the_end_of_the_one_before_comes_behind_that() {
    let (first, digest) = begun(5000, 0, 5000).note(&reading(5000)).closed_at(Closing::WentOn, 5100);
    let second = Segment::new(&Header { previous: Some(digest), ..header(5000, 1, 5100) }).note(&reading(5100));
    // The clock was set back while nobody recorded.
    let third = begun(5050, 0, 5050).note(&not_running(5050, 5050)).note(&reading(5050));
    let (third, digest) = third.push(&flow(Kind::Start, 5060, FLOW, 7)).closed_at(Closing::WentOn, 5130);
    let fourth = Segment::new(&Header { previous: Some(digest), ..header(5050, 1, 5130) });
    let fourth = fourth.told(&flow(Kind::Open, 5060, FLOW, 7), 5130).note(&reading(5130));
    let files = [
        ("1", first),
        ("2", second.closed_at(Closing::Stopped, 5120).0),
        ("3", third),
        ("4", fourth.closed_at(Closing::Stopped, 5330).0),
    ];
    for second in [5090, 5125, 5250, 5300] {
        assert_eq!(named_by_all_at_once(&files, second), ["10.0.0.1"], "{second}");
    }
    assert_eq!(named_by_all_at_once(&files, 5020), NOBODY);
}

#[test]
fn a_time_that_came_again_behind_a_run_of_a_clock_that_was_set_back_before_it_is_not_denied() {
    let first = begun(5000, 0, 5000).note(&reading(5000)).closed_at(Closing::Stopped, 5150).0;
    let second = begun(5030, 0, 5030).note(&not_running(5030, 5030)).note(&reading(5030));
    let files = [("1", first), ("2", second.closed_at(Closing::Stopped, 5060).0)];
    for second in [5070, 5110, 5140] {
        for answer in who_of_each_form(&files, second) {
            assert_eq!(answer["verdict"], "UNKNOWN", "{second}: {answer}");
        }
    }
    assert_eq!(who(&files, 5050), is("NONE", &[], 1));
}

#[test]
fn a_run_whose_first_segment_is_missing_comes_behind_its_start() {
    let first = begun(5000, 0, 5000).note(&reading(5000)).closed_at(Closing::Stopped, 5100).0;
    // In the segment before, the clock was set back from 5200 or later.
    let second = Segment::new(&header(5200, 1, 4900)).told(&flow(Kind::Open, 4880, FLOW, 7), 4900).note(&reading(5200));
    let files = [("1", first), ("2", second.closed_at(Closing::Stopped, 5080).0)];
    assert_eq!(named_by_all_at_once(&files, 5090), ["10.0.0.1"]);
}

/// In no other order did each run end at the time that the next one tells of, or later.
#[test]
fn of_runs_before_which_the_clock_was_set_back_each_comes_behind_one_that_had_ended_as_it_tells() {
    let found = |begin: u64| {
        let first = begun(begin, 0, begin).note(&not_running(begin, begin));
        first.told(&flow(Kind::Open, 5650, FLOW, 7), begin).note(&reading(begin))
    };
    let first = begun(5000, 0, 5000).note(&reading(5000)).push(&flow(Kind::Start, 5650, FLOW, 7));
    let second = found(5460).closed_at(Closing::Stopped, 6000).0;
    let third = found(5800).push(&flow(Kind::End, 5850, FLOW, 7)).closed_at(Closing::Stopped, 5900).0;
    let files = [("1", first.closed_at(Closing::Stopped, 5700).0), ("2", second), ("3", third)];
    for second in [5680, 5750, 5840, 5990] {
        for answer in who_of_each_form(&files, second) {
            assert_eq!(answer["inside"], serde_json::json!(["10.0.0.1"]), "{second}: {answer}");
        }
    }
}

#[test]
fn a_flow_is_not_gone_before_it_was_by_one_that_began_when_the_clock_had_been_set_back() {
    const OTHER: [&str; 4] = ["10.0.0.2:1000", FLOW[1], FLOW[2], PUBLIC];
    // It ended while nobody recorded, at 5200 at the latest; the clock was set back to 5080 behind that.
    let first = begun(5000, 0, 5000).note(&reading(5000)).push(&flow(Kind::Start, 5050, FLOW, 7));
    let second = begun(5200, 0, 5200).note(&not_running(5190, 5200)).note(&reading(5200));
    let second = second.note(&Note::clock_step(at(5080), -130 * NS.cast_signed()));
    let second = second.push(&flow(Kind::Start, 5090, OTHER, 8)).push(&flow(Kind::End, 5100, OTHER, 8));
    let files = [("1", first.closed_at(Closing::Stopped, 5190).0), ("2", second.closed_at(Closing::Stopped, 5400).0)];
    for answer in who_of_each_form(&files, 5150) {
        assert_eq!(answer["inside"].as_array().unwrap(), &["10.0.0.1"], "{answer}");
    }
}

#[test]
fn a_flow_is_not_gone_by_a_stamp_that_the_clock_showed_before_somebody_recorded_again() {
    // The clock was set back while nobody recorded; the other one began before the recorder was there, and behind that.
    let first = begun(5000, 0, 5000).note(&reading(5000)).push(&flow(Kind::Start, 5050, FLOW, 7));
    let endpoints = ["10.0.0.2:1000", FLOW[1], FLOW[2], PUBLIC];
    let other = Record { flags: flags::START_FROM_KERNEL, ..flow(Kind::Open, 5120, endpoints, 8) };
    let second = begun(5150, 0, 5150).note(&not_running(5150, 5150)).told(&other, 5150).note(&reading(5150));
    let files = [("1", first.closed_at(Closing::Stopped, 5300).0), ("2", second.closed_at(Closing::Stopped, 5400).0)];
    for answer in who_of_each_form(&files, 5250) {
        let inside = answer["inside"].as_array().unwrap();
        assert!(inside.contains(&"10.0.0.1".into()), "{answer}");
    }
}
