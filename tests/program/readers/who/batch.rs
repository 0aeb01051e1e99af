//! Questions on standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::journal::{directory, segment};
use crate::program::{PATH, answer, ctrecorder};

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
    assert_eq!(lines, [6, 8, 9]);
    assert!(told[5]["error"].as_str().unwrap().contains("names no time zone"));
    assert_eq!((answered.status, answered.stderr.as_str()), (2, ""));
    let good = "203.0.113.6:1 2027-01-15T08:30:00Z\n203.0.113.6:36782 2027-01-15T08:02:00Z\n";
    let answered = answer(ctrecorder().args(["who", "-"]).arg(directory.path()).write_stdin(good));
    assert_eq!((answered.status, answered.stdout.lines().count()), (0, 2), "whatever the verdicts are");
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

/// A program that asks waits for the answer before it asks again.
#[test]
fn one_question_at_a_time_is_answered_at_once() {
    let directory = directory(&[("a.ct", segment())]);
    let mut who = Command::new(PATH);
    who.args(["who", "-"]).arg(directory.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = who.spawn().unwrap();
    let (mut questions, mut answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for (at, word) in [("08:02:00", "AMBIGUOUS"), ("08:04:30", "UNIQUE"), ("08:30:00", "NONE")] {
        writeln!(questions, "203.0.113.6:36782 2027-01-15T{at}Z").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(told["verdict"], word);
    }
    drop(questions);
    assert!(child.wait().unwrap().success());
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
