//! A clock that was set back: it showed the same times twice, and nothing is said of one of them that holds of the other.

use ctrecorder_format::record::flags;
use ctrecorder_format::{Cause, Closing, Header, Kind, Note, Record, V4};
use serde_json::Value;

use super::answers::{is, verdict};
use super::journal::{TCP, directory, event, every_protocol};
use crate::readers::sample::{BEGIN, NS, Segment, blocks, run};

pub(super) const PUBLIC: &str = "203.0.113.6:1000";
pub(super) const FLOW: [&str; 4] = ["10.0.0.1:1000", "198.51.100.7:443", "198.51.100.7:443", PUBLIC];
const ELSEWHERE: [&str; 4] = ["10.0.0.9:9000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:9000"];

pub(super) fn at(second: u64) -> u64 {
    BEGIN + second * NS
}

/// The begin of a segment, so many seconds after [`BEGIN`], of a run that was started at another one.
pub(super) fn begun(started: u64, number: u64, created: u64) -> Segment {
    Segment::new(&header(started, number, created)).note(&Note::at(at(created), Cause::Started))
}

/// The header of such a segment.
pub(super) fn header(started: u64, number: u64, created: u64) -> Header {
    Header { recorder_started: at(started), created: at(created), ..every_protocol(number) }
}

pub(super) const NOBODY: [&str; 0] = [];

/// The note of a reading of the kernel's table.
pub(super) fn reading(second: u64) -> Note {
    Note::at(at(second), Cause::TableRead)
}

fn set_back(before: u64, after: u64) -> Note {
    Note::clock_step(at(after), (at(after) as i64) - (at(before) as i64))
}

pub(super) fn not_running(from: u64, to: u64) -> Note {
    Note::gap(at(from), at(to), Note::LOST_UNKNOWN, Cause::NotRunning)
}

pub(super) fn flow(kind: Kind, second: u64, endpoints: [&str; 4], id: u32) -> Record<V4> {
    Record { id: id.into(), ..event(kind, TCP, second, endpoints) }
}

/// What the first reading of a run found, which does not know when it began.
fn found(endpoints: [&str; 4], id: u32) -> Record<V4> {
    Record { start: 0.into(), ..flow(Kind::Open, 0, endpoints, id) }
}

/// Who had [`PUBLIC`] then, within a second?
pub(super) fn who(files: &[(&str, Vec<u8>)], second: u64) -> (String, Vec<String>, i32) {
    verdict(files, &[PUBLIC, "--at", &format!("@{}", at(second) / NS), "--slack", "1s"])
}

/// A run from 1000 on, whose clock was set back to 100, until 200; and one that came behind it and heard of a flow. Its table was
/// read at 210, before that flow began, and the reading of the first one is not of it.
fn two_runs() -> [(&'static str, Vec<u8>); 2] {
    let first = begun(1000, 0, 1000).note(&reading(1000)).note(&set_back(1010, 100));
    let second = begun(210, 0, 210).note(&not_running(200, 210)).note(&reading(210));
    let second = second.push(&flow(Kind::Start, 220, FLOW, 7));
    [("1", first.closed_at(Closing::Stopped, 200).0), ("2", second.closed_at(Closing::Stopped, 2000).0)]
}

#[test]
fn a_run_comes_behind_the_one_that_it_tells_of_though_that_was_begun_later() {
    // In the order of their begins, the reading at 1000 would not have found the flow.
    assert_eq!(who(&two_runs(), 1500), is("UNIQUE", &["10.0.0.1"], 0));
    let files = directory(&two_runs());
    let listed = run(["list", "-s", "-H", "-o", "csv", files.path().to_str().unwrap()]).stdout;
    let ends: Vec<_> = listed.lines().skip(1).map(|line| line.split(',').nth(4).unwrap()).collect();
    assert_eq!(ends, [""], "{listed}");
    // Not in the names, nor in the order of the paths.
    let [(_, first), (_, second)] = two_runs();
    assert_eq!(who(&[("2", first), ("1", second)], 1500), is("UNIQUE", &["10.0.0.1"], 0));
}

#[test]
fn a_segment_before_one_begun_earlier_comes_before_what_came_later_though_no_link_is_told() {
    // The first run was set back to 100 and went on there; the second one began at 150, when the clock had been set back again.
    let one = begun(1000, 0, 1000).note(&reading(1000)).push(&flow(Kind::Start, 1001, FLOW, 7));
    let other = begun(1000, 1, 100).push(&flow(Kind::Open, 1001, FLOW, 7)).note(&reading(100));
    let last = begun(150, 0, 150).note(&not_running(150, 150)).push(&flow(Kind::Open, 0, FLOW, 7)).note(&reading(150));
    let last = last.push(&flow(Kind::End, 160, FLOW, 7));
    let files = [
        ("1", one.note(&set_back(1010, 100)).closed_at(Closing::WentOn, 100).0),
        ("2", other.closed_at(Closing::Stopped, 170).0),
        ("3", last.closed_at(Closing::Stopped, 3600).0),
    ];
    let files = directory(&files);
    let listed = run(["list", "-s", "-H", "-o", "csv", files.path().to_str().unwrap()]).stdout;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.lines().nth(1).unwrap().contains(",2027-01-15T08:02:40"), "{listed}");
}

#[test]
fn what_was_lost_behind_a_reading_that_is_later_than_what_came_is_a_doubt() {
    // The clock was set back at 1010, and the second segment begun by the earlier time; its reading says that of the one before.
    let first = begun(1000, 0, 1000).note(&reading(1000)).note(&set_back(1010, 100));
    let header = Header { recorder_started: at(1000), created: at(200), ..every_protocol(1) };
    let second = Segment::new(&header).note(&reading(1000)).seal();
    let second = second.push(&flow(Kind::Start, 300, FLOW, 7)).push(&flow(Kind::End, 400, FLOW, 7)).seal();
    let mut second = second.note(&Note::at(at(500), Cause::Quiet)).closed_at(Closing::WentOn, 600).0;
    let place = blocks(&second)[1];
    second[place] ^= 1;
    let third = begun(1000, 2, 600).note(&reading(600)).push(&flow(Kind::Start, 700, ELSEWHERE, 8));
    let files = [
        ("1", first.closed_at(Closing::WentOn, 200).0),
        ("2", second),
        ("3", third.closed_at(Closing::Stopped, 3600).0),
    ];
    assert_eq!(who(&files, 350), is("UNKNOWN", &[], 4));
}

#[test]
fn a_time_that_came_again_behind_the_end_of_the_journal_is_not_denied() {
    let files = |closed| {
        let first = begun(100, 0, 100).note(&reading(100)).push(&flow(Kind::Start, 110, ELSEWHERE, 8));
        let (first, digest) = first.closed_at(Closing::WentOn, 800);
        let header = Header { recorder_started: at(100), created: at(800), ..every_protocol(1) };
        let last = Segment::new(&Header { previous: Some(digest), ..header });
        let last = last.push(&flow(Kind::Open, 110, ELSEWHERE, 8)).note(&reading(800));
        [("1", first), ("2", last.note(&set_back(900, 300)).closed_at(Closing::Stopped, closed).0)]
    };
    // It ended before the clock showed this again, or behind that.
    assert_eq!(who(&files(400), 700), is("UNKNOWN", &[], 4));
    assert_eq!(who(&files(400), 350), is("NONE", &[], 1));
    assert_eq!(who(&files(1000), 700), is("NONE", &[], 1));
    for (closed, expected) in [(400, "UNKNOWN"), (1000, "NONE")] {
        let journal = directory(&files(closed));
        let output = journal.path().join("squeezed");
        run(["squeeze", "-o", output.to_str().unwrap(), journal.path().to_str().unwrap()]);
        let at = format!("@{}", at(700) / NS);
        let told = run(["who", PUBLIC, "--at", &at, "--slack", "1s", "-o", "json", output.to_str().unwrap()]).stdout;
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["verdict"], expected, "{told}");
    }
}

#[test]
fn damage_at_a_time_before_the_begin_of_the_journal_is_a_gap() {
    let only = begun(1000, 0, 1000).note(&reading(1000)).note(&set_back(1010, 100)).seal();
    let only = only.push(&flow(Kind::Start, 150, FLOW, 7)).seal();
    let only = only.note(&Note::at(at(160), Cause::Quiet));
    let mut only = only.closed_at(Closing::WentOn, 900).0;
    let count = blocks(&only).len();
    // Behind it the note, the footer, and the end of the file.
    let place = blocks(&only)[count - 4];
    only[place] ^= 1;
    let files = directory(&[("1", only)]);
    let told = run(["coverage", "-o", "json", files.path().to_str().unwrap()]);
    let gaps = serde_json::from_str::<Value>(&told.stdout).unwrap()["gaps"].clone();
    let causes: Vec<_> = gaps.as_array().unwrap().iter().map(|gap| gap["cause"].clone()).collect();
    // The clock came to 900 again, and the journal went on in a segment that is not there.
    assert_eq!(causes, ["damaged", "segment missing"], "{}", told.stdout);
}

/// What `who` says of a journal, and of what was made of it: squeezed, into a file or file by file into a directory, exported, and exported
/// file by file.
pub(super) fn who_of_each_form(files: &[(&str, Vec<u8>)], second: u64) -> Vec<Value> {
    let journal = directory(files);
    let path = |name: &str| journal.path().join(name).display().to_string();
    let paths: Vec<_> = files.iter().map(|(name, _)| path(name)).collect();
    let make = |words: &[&str], output: &str, count: usize| {
        run(words.iter().copied().chain([output]).chain(paths[..count].iter().map(String::as_str)));
    };
    let mut forms = vec![journal.path().display().to_string(), path(".squeezed"), path(".directory/")];
    make(&["squeeze", "-o"], &forms[1], paths.len());
    (1..=paths.len()).for_each(|count| make(&["squeeze", "-o"], &forms[2], count));
    if cfg!(feature = "archive") {
        forms.extend([path(".archive"), path(".grown")]);
        make(&["export", "-o"], &forms[3], paths.len());
        (1..=paths.len()).for_each(|count| make(&["export", "--add", "-o"], &forms[4], count));
    }
    let at = format!("@{}", at(second) / NS);
    let asked = |form: &String| run(["who", PUBLIC, "--at", &at, "--slack", "1s", "-o", "json", form]).stdout;
    forms.iter().map(|form| serde_json::from_str(&asked(form)).unwrap()).collect()
}

/// Who is named, of whatever that is asked.
pub(super) fn named(files: &[(&str, Vec<u8>)], second: u64) -> Vec<String> {
    named_alike(&who_of_each_form(files, second), second)
}

/// The same, but of no archive that grows: it refuses as too late what was begun before the last segment that it has.
pub(super) fn named_by_all_at_once(files: &[(&str, Vec<u8>)], second: u64) -> Vec<String> {
    let answers = who_of_each_form(files, second);
    named_alike(&answers[..answers.len().min(4)], second)
}

/// Who is named in answers that are alike.
fn named_alike(answers: &[Value], second: u64) -> Vec<String> {
    let answers: Vec<_> = answers.iter().map(|answer| (&answer["verdict"], &answer["inside"])).collect();
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{second}: {answers:?}");
    answers[0].1.as_array().unwrap().iter().map(|ip| ip.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_start_that_was_heard_was_not_before_the_journal() {
    // The clock was wrong when the flow began, was set right, and was wrong again: it may show these times before the journal, too.
    let only = begun(5000, 0, 5000).note(&reading(5000)).note(&set_back(5010, 100));
    let only = only.push(&flow(Kind::Start, 150, FLOW, 7)).note(&set_back(200, 5200)).note(&set_back(5210, 300));
    let files = [("1", only.closed_at(Closing::Stopped, 400).0)];
    assert_eq!(named(&files, 120), NOBODY);
    assert_eq!(named(&files, 5205), ["10.0.0.1"]);
}

#[test]
fn a_start_that_was_heard_was_not_before_the_first_of_several_runs() {
    let first = begun(5000, 0, 5000).note(&reading(5000)).closed_at(Closing::Stopped, 5001).0;
    // As above, in a run behind another one; and the clock was still wrong when the last one began.
    let second = begun(5002, 0, 5002).note(&not_running(5001, 5002)).note(&reading(5002)).note(&set_back(5010, 100));
    let second = second.push(&flow(Kind::Start, 110, FLOW, 7)).note(&set_back(200, 5200)).note(&set_back(5210, 300));
    let third = begun(120, 0, 120).note(&not_running(120, 120)).note(&reading(120)).closed_at(Closing::Stopped, 130).0;
    let files = [("1", first), ("2", second.closed_at(Closing::Stopped, 400).0), ("3", third)];
    for files in [&files[..2], &files] {
        assert_eq!(named(files, 103), NOBODY);
        assert_eq!(named(files, 5205), ["10.0.0.1"]);
    }
}

#[test]
fn a_start_that_was_heard_in_a_segment_that_is_missing_may_show_any_time() {
    // In the segment between them the clock was set back to 100 and forward again, and the flow began.
    let first = begun(1000, 0, 1000).note(&reading(1000)).closed_at(Closing::WentOn, 1010).0;
    let third = begun(1000, 2, 1210).push(&flow(Kind::Open, 150, FLOW, 7)).note(&reading(1210));
    let third = third.note(&set_back(1300, 50)).push(&flow(Kind::End, 60, FLOW, 7));
    let files = [("1", first), ("3", third.closed_at(Closing::Stopped, 600).0)];
    assert_eq!(named(&files, 1250), ["10.0.0.1"]);
}

#[test]
fn a_flow_that_no_run_before_could_know_may_have_been_there_when_the_clock_was_set() {
    let found_behind = |first: Segment| {
        let first = first.note(&set_back(1010, 100)).closed_at(Closing::Stopped, 200).0;
        let second = begun(210, 0, 210).note(&not_running(200, 210)).told(&found(FLOW, 7), 210).note(&reading(210));
        let second = second.push(&flow(Kind::End, 220, FLOW, 7)).closed_at(Closing::Stopped, 230).0;
        [("1", first), ("2", second)]
    };
    let note = Note::at(at(50), Cause::Started);
    let of_udp = Header { recorder_started: at(50), created: at(50), protocols: vec![17], ..every_protocol(0) };
    let files = [Segment::new(&of_udp).note(&note).note(&reading(50)), begun(50, 0, 50)].map(found_behind);
    // One did not record it, and the other one did not read the kernel's table.
    for files in files {
        assert_eq!(named(&files, 500), ["10.0.0.1"]);
    }
}

#[test]
fn a_flow_that_ended_in_one_export_saw_no_later_setting_of_the_clock() {
    let first = begun(50, 0, 50).note(&reading(50)).note(&set_back(60, 55)).closed_at(Closing::Stopped, 70).0;
    let stamped = |record: Record<V4>, flags| Record { start: at(75).into(), flags, ..record };
    let second = begun(80, 0, 80).note(&not_running(70, 80));
    let second = second.told(&stamped(found(FLOW, 7), flags::START_FROM_KERNEL), 80).note(&reading(80));
    let second = second.push(&stamped(flow(Kind::End, 90, FLOW, 7), flags::START_FROM_KERNEL | flags::END_FROM_KERNEL));
    let third = begun(3010, 0, 3010).note(&not_running(3000, 3010)).note(&reading(3010)).note(&set_back(3020, 60));
    let files = [
        ("1", first),
        ("2", second.closed_at(Closing::Stopped, 3000).0),
        ("3", third.closed_at(Closing::Stopped, 65).0),
    ];
    for (second, expected) in [(2000, vec![]), (85, vec!["10.0.0.1"])] {
        let mut answers = who_of_each_form(&files, second);
        // That the clock was set in its time, a segment may tell behind its flows: of what it says, one that was set later may be meant.
        let directory = answers.remove(2);
        assert_eq!(directory["inside"], serde_json::json!(["10.0.0.1"]));
        answers.iter().for_each(|answer| assert_eq!(answer["inside"], Value::from(expected.clone())));
    }
}

#[test]
fn a_start_that_was_found_is_of_the_reading_that_ended_then_though_records_of_it_are_lost() {
    let recovered = Record { flags: flags::RECOVERED, ..flow(Kind::Start, 210, FLOW, 7) };
    let only = begun(100, 0, 100).note(&reading(100)).note(&Note::gap(at(205), at(210), 1, Cause::KernelOverrun));
    let only = only.told(&recovered, 210).seal().push(&flow(Kind::Start, 210, ELSEWHERE, 8)).seal();
    let only = only.note(&Note::gap(at(150), at(210), 0, Cause::TableRead)).closed_at(Closing::Stopped, 300).0;
    // A record behind the one that was found, or the note.
    for (block, at_120) in [(4, &[][..]), (5, &["10.0.0.1"][..])] {
        let mut damaged = only.clone();
        damaged[blocks(&only)[block]] ^= 1;
        let named_at = |second| who(&[("1", damaged.clone())], second).1;
        assert_eq!(named_at(120), at_120, "{block}");
        assert_eq!(named_at(180), ["10.0.0.1"], "{block}");
    }
}

#[test]
fn a_flow_whose_place_was_taken_was_there_until_then_by_whichever_clock() {
    let first = begun(90, 0, 90).note(&reading(90)).push(&flow(Kind::Start, 100, FLOW, 7)).note(&set_back(1010, 50));
    let other = Record {
        flags: flags::START_FROM_KERNEL,
        ..flow(Kind::Open, 150, ["10.0.0.2:1000", FLOW[1], FLOW[2], PUBLIC], 8)
    };
    let second = begun(160, 0, 160).note(&not_running(120, 160)).told(&other, 160).note(&reading(160));
    let files = [("1", first.closed_at(Closing::Stopped, 120).0), ("2", second.closed_at(Closing::Stopped, 200).0)];
    // The clock had shown 150 before, too.
    for answer in who_of_each_form(&files, 500) {
        let inside = answer["inside"].as_array().unwrap();
        assert!(inside.contains(&"10.0.0.1".into()), "{answer}");
    }
}

#[test]
fn a_reading_that_ends_where_it_begins_tells_of_no_time() {
    // The second segment was cut off behind its keyframe, whose reading has the begin of the one before, by the clock of then.
    let first = begun(5000, 0, 5000).note(&reading(5000)).note(&set_back(5010, 100));
    let (first, digest) = first.push(&flow(Kind::Start, 105, FLOW, 7)).closed_at(Closing::WentOn, 110);
    let header = Header { recorder_started: at(5000), created: at(110), previous: Some(digest), ..every_protocol(1) };
    let second = Segment::new(&header).push(&flow(Kind::Open, 105, FLOW, 7)).note(&reading(5000)).cut_off();
    let third = begun(120, 0, 120).note(&not_running(120, 120)).told(&found(FLOW, 7), 120).note(&reading(120));
    let third = third.push(&flow(Kind::End, 130, FLOW, 7)).closed_at(Closing::Stopped, 200).0;
    let files = [("1", first), ("2", second), ("3", third)];
    assert_eq!(who(&files, 2500), is("UNKNOWN", &[], 4));
    assert_eq!(who(&files, 115), is("UNIQUE", &["10.0.0.1"], 0));
}

#[test]
fn a_reading_that_ends_where_it_begins_was_behind_the_clock_being_set_back() {
    let only = begun(90, 0, 90).note(&reading(90)).push(&flow(Kind::Start, 95, FLOW, 7));
    let only = only.note(&Note::gap(at(90), at(101), 0, Cause::TableRead)).note(&set_back(120, 50));
    let only = only.note(&Note::gap(at(60), at(65), 1, Cause::KernelOverrun)).note(&reading(100));
    let end = Record { flags: flags::END_AT_LATEST, start: at(95).into(), ..flow(Kind::End, 100, FLOW, 7) };
    let files = [("1", only.told(&end, 65).closed_at(Closing::Stopped, 80).0)];
    assert_eq!(named(&files, 55), ["10.0.0.1"]);
    assert_eq!(named(&files, 80), ["10.0.0.1"], "when it was gone, no clock tells");
}

#[test]
fn an_archive_tells_until_when_its_journal_told_whatever_the_clock_showed_before() {
    let only = begun(9000, 0, 9000).note(&reading(9000)).push(&flow(Kind::Start, 9001, FLOW, 7));
    let only = only.note(&set_back(9010, 5000)).push(&flow(Kind::End, 5010, FLOW, 7)).note(&set_back(5020, 100));
    let files = [("1", only.closed_at(Closing::Stopped, 120).0)];
    assert_eq!(named(&files, 110), NOBODY);
    assert_eq!(named(&files, 5005), ["10.0.0.1"]);
}

#[test]
fn an_end_that_is_told_behind_a_reading_may_be_of_a_flow_that_was_over_by_then() {
    // Its start was lost; it was over when the kernel's table had been read, which names only those that are alive.
    let only = begun(5000, 0, 5000).note(&reading(5000)).note(&Note::gap(at(5103), at(5106), 1, Cause::KernelOverrun));
    let only = only.note(&set_back(5110, 5050)).note(&Note::gap(at(5050), at(5055), 0, Cause::TableRead));
    let end = flow(Kind::End, 5053, FLOW, 7);
    let end = Record { flags: flags::START_FROM_KERNEL | flags::END_FROM_KERNEL, start: at(5104).into(), ..end };
    let files = [("1", only.told(&end, 5056).closed_at(Closing::Stopped, 5300).0)];
    assert_eq!(named(&files, 5051), ["10.0.0.1"]);
    assert_eq!(named(&files, 5108), ["10.0.0.1"]);
}

#[test]
fn a_clock_that_is_set_makes_no_flow_unknown() {
    let first = begun(100, 0, 100).note(&reading(100)).note(&set_back(110, 50)).closed_at(Closing::WentOn, 60);
    let header = Header { recorder_started: at(100), created: at(60), previous: Some(first.1), ..every_protocol(1) };
    let second = Segment::new(&header).note(&reading(100)).closed_at(Closing::Stopped, 90);
    for answer in who_of_each_form(&[("1", first.0), ("2", second.0)], 55) {
        assert_eq!(answer["doubts"], serde_json::json!(["no file given covers that time"]), "{answer}");
    }
}

#[test]
fn a_flow_that_seems_to_have_ended_as_it_began_was_gone_when_the_clock_had_been_set_back() {
    let only = begun(5000, 0, 5000).note(&reading(5000)).push(&flow(Kind::Start, 5000, FLOW, 7));
    let only = only.note(&set_back(5010, 100)).note(&Note::gap(at(105), at(110), 1, Cause::KernelOverrun));
    let end = Record { flags: flags::END_AT_LATEST, start: at(5000).into(), ..flow(Kind::End, 5000, FLOW, 7) };
    let only = only.note(&Note::gap(at(100), at(110), 0, Cause::TableRead)).told(&end, 110);
    let files = [("1", only.closed_at(Closing::Stopped, 120).0)];
    assert_eq!(who(&files, 5005), is("UNIQUE", &["10.0.0.1"], 0));
    assert_eq!(named(&files, 5005), ["10.0.0.1"]);
    assert_eq!(named(&files, 107), ["10.0.0.1"]);
}

#[test]
fn what_was_made_file_by_file_has_the_order_of_its_files() {
    assert_eq!(named(&two_runs(), 1500), ["10.0.0.1"]);
    assert_eq!(named(&two_runs(), 300), ["10.0.0.1"]);
}

#[test]
fn a_flow_that_is_found_may_have_been_there_when_the_clock_was_set_in_an_earlier_file() {
    // Its start was lost, and the table read only in the third file.
    let first = begun(100, 0, 100).note(&reading(100)).note(&Note::gap(at(110), at(300), 1, Cause::KernelOverrun));
    let (first, digest) = first.note(&set_back(300, 50)).closed_at(Closing::WentOn, 55);
    let next = |number, created, digest| Header { previous: Some(digest), ..header(100, number, created) };
    let second = Segment::new(&next(1, 55, digest)).note(&Note::gap(at(55), at(60), 0, Cause::KernelOverrun));
    let (second, digest) = second.closed_at(Closing::WentOn, 60);
    let open = Record { flags: flags::START_FROM_KERNEL | flags::RECOVERED, ..flow(Kind::Open, 120, FLOW, 7) };
    let third = Segment::new(&next(2, 60, digest)).told(&open, 60).note(&reading(60));
    let end = Record { flags: flags::START_FROM_KERNEL, start: at(120).into(), ..flow(Kind::End, 150, FLOW, 7) };
    let third = third.push(&end).closed_at(Closing::Stopped, 200).0;
    let files = [("1", first), ("2", second), ("3", third)];
    assert_eq!(named(&files, 70), ["10.0.0.1"]);
    assert_eq!(named(&files, 130), ["10.0.0.1"]);
}

#[test]
fn a_file_of_a_clock_that_was_set_back_goes_on_with_the_one_before_it() {
    let first = begun(100, 0, 100).note(&reading(100)).closed_at(Closing::Stopped, 110).0;
    let second = begun(150, 0, 150).note(&not_running(110, 150)).note(&reading(150)).note(&set_back(160, 50));
    let (second, digest) = second.closed_at(Closing::WentOn, 60);
    let next = Header { previous: Some(digest), ..header(150, 1, 60) };
    let third = Segment::new(&next).note(&reading(150)).closed_at(Closing::Stopped, 200).0;
    let files = [("1", first), ("2", second), ("3", third)];
    // What it showed at 80, one file alone tells.
    for answer in who_of_each_form(&files, 80) {
        assert_eq!(answer["doubts"], serde_json::json!(["no file given covers that time"]), "{answer}");
    }
}
