//! Questions on standard input.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use ctrecorder_format::{Cause, Closing, Header, Kind, Note, V4};
use serde_json::Value;
use tempfile::TempDir;

use super::journal::{TCP, directory, event, every_protocol, segment};
use crate::program::{PATH, answer, ctrecorder};
use crate::readers::sample::{BEGIN, NS, Segment};

#[test]
fn each_line_has_its_answer_in_order() {
    let directory = directory(&[("a.ct", segment())]);
    let lines = "203.0.113.6:36782 2027-01-15T08:02:00Z\n\
        # a comment, and an empty line\n\
        \n\
        203.0.113.6:36782   2027-01-15 08:02:00 UTC   198.51.100.8:25\n\
        203.0.113.6:36782 Fri, 15 Jan 2027 09:02:00 +0100 198.51.100.7\r\n\
        203.0.113.6:0 2027-01-15T08:02:00Z\n\
        [2001:db8:1::7]:5353 @1800001800 2001:db8:2::53\n\
        203.0.113.6:36782 2027-01-15 08:02:00\n\
        203.0.113.6:36782\n\
        203.0.113.6:1 2027-01-15T08:30:00Z";
    let answered = answer(ctrecorder().args(["who", "-"]).arg(directory.path()).write_stdin(lines));
    let told: Vec<Value> = answered.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let words: Vec<_> = told.iter().map(|told| told["verdict"].as_str().unwrap_or("-")).collect();
    assert_eq!(words, ["AMBIGUOUS", "UNIQUE", "UNIQUE", "-", "UNIQUE", "-", "-", "NONE"]);
    assert_eq!((&told[1]["inside"][0], &told[2]["inside"][0]), (&"10.64.9.1".into(), &"10.64.3.7".into()));
    let lines: Vec<_> = told.iter().filter_map(|told| told["line"].as_u64()).collect();
    assert_eq!(lines, [1, 4, 5, 6, 7, 8, 9, 10]);
    let questions: Vec<_> = told.iter().filter_map(|told| told["question"].as_str()).collect();
    let wrong = ["203.0.113.6:0 2027-01-15T08:02:00Z", "203.0.113.6:36782 2027-01-15 08:02:00", "203.0.113.6:36782"];
    assert_eq!(questions, wrong);
    assert!(told[5]["error"].as_str().unwrap().contains("names no time zone"));
    assert_eq!((answered.status, answered.stderr.as_str()), (2, ""));
    let good = "203.0.113.6:1 2027-01-15T08:30:00Z\n203.0.113.6:36782 2027-01-15T08:02:00Z\n";
    let answered = answer(ctrecorder().args(["who", "-"]).arg(directory.path()).write_stdin(good));
    assert_eq!((answered.status, answered.stdout.lines().count()), (0, 2), "whatever the verdicts are");
}

/// What tables and notes are pasted as.
#[test]
fn lines_of_tables_are_told_what_to_write_and_comments_are_none_of_a_question() {
    let directory = directory(&[("a.ct", segment())]);
    let lines = "ip,port,time\n\
        203.0.113.6:36782,2027-01-15T08:02:00Z,198.51.100.8\n\
        \"203.0.113.6:36782\";\"2027-01-15 08:02:00 UTC\"\n\
        203.0.113.6:36782 2027-01-15T08:02:00Z 198.51.100.8 # ticket 12\n\
        \t# another one\n\
        203.0.113.6:36782\t2027-01-15T08:04:30Z\t#\n\
        203.0.113.6:1 2027-01-15 8:30 AM UTC";
    let answered = answer(ctrecorder().args(["who", "-", "--slack", "1s"]).arg(directory.path()).write_stdin(lines));
    let told: Vec<Value> = answered.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let words: Vec<_> = told.iter().map(|told| told["verdict"].as_str().unwrap_or("-")).collect();
    assert_eq!((words, answered.status), (vec!["-", "-", "-", "UNIQUE", "UNIQUE", "NONE"], 2));
    let said = "between its parts a line has spaces: say ADDRESS:PORT TIME [PEER], as ";
    for told in &told[..3] {
        assert!(told["error"].as_str().unwrap().contains(said), "{told}");
    }
}

#[test]
fn what_is_no_text_is_an_error_of_its_line() {
    let directory = directory(&[("a.ct", segment())]);
    let lines = b"\xff\xfe\n203.0.113.6:1 2027-01-15T08:30:00Z\n".to_vec();
    let answered = answer(ctrecorder().args(["who", "-"]).arg(directory.path()).write_stdin(lines));
    let (first, second) = answered.stdout.split_once('\n').unwrap();
    assert_eq!(first, r#"{"error":"this line is no text in UTF-8","line":1}"#);
    assert!(second.starts_with(r#"{"verdict":"NONE","#) && answered.status == 2);
}

/// Windows editors write one.
#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    let directory = directory(&[("a.ct", segment())]);
    let lines = "\u{feff}203.0.113.6:1 2027-01-15T08:30:00Z\n\u{feff}203.0.113.6:1 2027-01-15T08:30:00Z\n";
    let answered = answer(ctrecorder().args(["who", "-"]).arg(directory.path()).write_stdin(lines));
    let (first, second) = answered.stdout.split_once('\n').unwrap();
    assert!(first.starts_with(r#"{"verdict":"NONE","#), "{first}");
    assert!(second.starts_with(r#"{"error":"#) && answered.status == 2, "{second}");
}

#[test]
fn a_line_without_an_end_is_not_gathered() {
    let directory = directory(&[("a.ct", segment())]);
    let question = "203.0.113.6:1 2027-01-15T08:30:00Z";
    let lines = format!("{}\n{question}{}\n{question}\n{}", "1".repeat(1 << 20), " ".repeat(4000), "x".repeat(5000));
    let answered = answer(ctrecorder().args(["who", "-"]).arg(directory.path()).write_stdin(lines));
    let told: Vec<_> = answered.stdout.lines().collect();
    let long = |line: u64| format!(r#"{{"error":"this line is longer than 4096 bytes","line":{line}}}"#);
    assert_eq!((told.len(), told[0], told[3], answered.status), (4, &*long(1), &*long(4), 2));
    assert!(told[1..3].iter().all(|told| told.starts_with(r#"{"verdict":"NONE","#)), "{told:?}");
}

/// A program may ask for hours.
#[test]
fn ago_is_counted_from_when_it_is_asked() {
    let directory = directory(&[("a.ct", segment())]);
    let mut who = Command::new(PATH);
    let mut child =
        who.args(["who", "-"]).arg(directory.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut asked = || {
        writeln!(input, "203.0.113.6:1 1s ago").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        told["query"]["at"].as_str().unwrap().to_owned()
    };
    let (first, second) = (asked(), asked());
    assert!(first < second, "{first} {second}");
    drop(input);
    child.wait().unwrap();
}

/// The first words of the answers to questions each of which waits for the answer to the one before.
fn one_by_one(who: &mut Command, before: impl FnOnce(), questions: &[&str]) -> Vec<String> {
    let mut child = who.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    writeln!(input, "{}", questions[0]).unwrap();
    before();
    let mut words = Vec::new();
    for next in questions.iter().skip(1).map(Some).chain([None]) {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        words.push(told["verdict"].as_str().unwrap().to_owned());
        next.into_iter().for_each(|next| writeln!(input, "{next}").unwrap());
    }
    drop(input);
    assert!(child.wait().unwrap().success());
    words
}

const THREE: [&str; 3] = [
    "203.0.113.6:36782 2027-01-15T08:02:00Z",
    "203.0.113.6:36782 2027-01-15T08:04:30Z",
    "203.0.113.6:36782 2027-01-15T08:30:00Z",
];

/// A program that asks waits for the answer before it asks again.
#[test]
fn one_question_at_a_time_is_answered_at_once() {
    let directory = directory(&[("a.ct", segment())]);
    let mut who = Command::new(PATH);
    let words = one_by_one(who.args(["who", "-"]).arg(directory.path()), || (), &THREE);
    assert_eq!(words, ["AMBIGUOUS", "UNIQUE", "NONE"]);
}

/// A pipe can be read only once.
#[test]
fn a_journal_from_a_pipe_answers_more_than_once() {
    let directory = TempDir::new().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut who = Command::new(PATH);
    let words = one_by_one(who.args(["who", "-"]).arg(&pipe), || fs::write(&pipe, segment()).unwrap(), &THREE);
    assert_eq!(words, ["AMBIGUOUS", "UNIQUE", "NONE"]);
}

/// So many that most blocks may hold one of them: they are not looked up one by one.
#[test]
fn thousands_are_answered_by_one_pass() {
    let directory = directory(&[("a.ct", segment())]);
    let lines: String = (1..=65_535).map(|port| format!("203.0.113.6:{port} 2027-01-15T08:02:30Z\n")).collect();
    let answered = answer(ctrecorder().args(["who", "-", "--slack", "1s"]).arg(directory.path()).write_stdin(lines));
    let found = (1..).zip(answered.stdout.lines()).filter(|(_, line)| !line.contains(r#""verdict":"NONE""#));
    let found: Vec<u32> = found.map(|(port, _)| port).collect();
    assert_eq!((found, answered.stdout.lines().count(), answered.status), (vec![8080, 36_782], 65_535, 0));
}

#[test]
fn a_peer_that_is_none_is_told_from_a_time_that_is_none() {
    let directory = directory(&[("a.ct", segment())]);
    let error = |line: &str| {
        let answered = answer(ctrecorder().args(["who", "-"]).arg(directory.path()).write_stdin(line));
        let told: Value = serde_json::from_str(&answered.stdout).unwrap();
        told["error"].as_str().unwrap().to_owned()
    };
    for (peer, said) in [
        ("198.51.100.8:99999", "peer 198.51.100.8:99999: a port is a number from 1 to 65535"),
        ("198.51.100.800", "peer 198.51.100.800 is not an IP address"),
        ("mail.example", "mail.example is neither of the time nor a peer: say ADDRESS:PORT TIME [PEER], as "),
    ] {
        let told = error(&format!("203.0.113.6:36782 2027-01-15T08:02:00Z {peer}"));
        assert!(told.starts_with(said), "{told}");
        let told = error(&format!("203.0.113.6:36782 Fri, 15 Jan 2027 09:02:00 +0100 {peer}"));
        assert!(told.starts_with(said), "{told}");
    }
    // A word behind a time without a zone was to be that.
    let told = error("203.0.113.6:36782 2027-01-15 08:02:00 CEST");
    assert!(told.contains("CEST") && !told.starts_with("peer"), "{told}");
    let told = error("203.0.113.6:36782 yesterday evening");
    assert!(told.starts_with("yesterday evening is no time"), "{told}");
}

/// Days of hourly files: questions for times that lie apart, while one flow is open all the time and another one is told of
/// by halves. One pass serves them, and each is answered as if it had been asked alone.
#[test]
fn together_they_are_answered_as_each_alone() {
    const OPEN: [&str; 4] = ["10.0.0.1:1", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:1"];
    const HALF: [&str; 4] = ["10.0.0.2:2", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:2"];
    const OTHER: [&str; 4] = ["10.0.0.3:2", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.6:2"];
    let mut files = Vec::new();
    let mut previous = None;
    for number in 0..80 {
        let begin = number * 3600;
        let header = Header { created: BEGIN + begin * NS, previous, ..every_protocol(number) };
        let mut segment = Segment::new(&header);
        if (3..=70).contains(&number) {
            segment = segment.told::<V4>(&event(Kind::Open, TCP, 2 * 3600 + 60, OPEN), begin);
        }
        let read = BEGIN + begin * NS + NS;
        segment = segment.note(&Note::gap(read, read, 0, Cause::TableRead));
        segment = match number {
            2 => segment.push::<V4>(&event(Kind::Start, TCP, begin + 60, OPEN)),
            70 => segment.push::<V4>(&event(Kind::End, TCP, begin + 60, OPEN)),
            _ => segment,
        };
        if number % 9 == 0 {
            let half = if number % 2 == 0 { HALF } else { OTHER };
            segment = segment.push::<V4>(&event(Kind::End, TCP, begin + 100, half));
        }
        let (bytes, digest) = segment.closed_at(Closing::WentOn, begin + 3600);
        previous = Some(digest);
        files.push((format!("{number:02}.ct"), bytes));
    }
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let directory = directory(&files);
    let answers = |lines: String| {
        let mut who = ctrecorder();
        let answered = answer(who.args(["who", "-", "--slack", "1s"]).arg(directory.path()).write_stdin(lines));
        assert_eq!((answered.status, answered.stderr.as_str()), (0, ""));
        answered.stdout
    };
    // Far enough from each other that no two of the spans are one.
    let line = |hour: u64| {
        let at = BEGIN / NS + hour * 3600 + 90;
        let mut both = String::new();
        for port in [1, 2] {
            both += &format!("203.0.113.6:{port} @{at}\n");
        }
        both
    };
    let hours = [1, 5, 9, 31, 36, 54, 68, 72, 78];
    let together = answers(hours.iter().map(|hour| line(*hour)).collect());
    let alone: String = hours.iter().map(|hour| answers(line(*hour))).collect();
    let answer = |line: &str| line.rsplit_once(",\"line\":").unwrap().0.to_owned();
    for (together, alone) in together.lines().zip(alone.lines()) {
        assert_eq!(answer(together), answer(alone));
    }
    let words = together.lines().map(|line| line.split('"').nth(3).unwrap());
    let of_open = words.step_by(2).collect::<Vec<_>>();
    assert_eq!(of_open, ["NONE", "UNIQUE", "UNIQUE", "UNIQUE", "UNIQUE", "UNIQUE", "UNIQUE", "NONE", "NONE"]);
}
