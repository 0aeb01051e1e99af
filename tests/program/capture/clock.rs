//! The wall clock is set while the recorder runs: by libfaketime, and for the recorder alone.
//!
//! It answers each question for the time with the true time and an offset that it reads from a file. The clock that
//! goes on since the machine was started is left as it is, as on a machine whose wall clock is set.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use chrono::DateTime;
use ctrecorder_format::{Body, Cause, NS_PER_SECOND, Note, Segment, Uptime};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::capture::recorder::{Recorder, make_flows, notes, text};
use crate::lab::{Namespace, Process, wait_until};
use crate::program::{self, answer, ctrecorder};

const HOUR: i64 = 3600;

/// A recorder, and its clock.
struct Clocked {
    recorder: Recorder,
    clock: TempDir,
    offset_s: i64,
}

impl Clocked {
    fn start(namespace: &Namespace, arguments: &[&str]) -> Self {
        let (segments, clock) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        fs::write(clock.path().join("offset"), "+0").unwrap();
        let mut command = Command::new(program::PATH);
        command
            .env("TZ", "UTC")
            .env("LD_PRELOAD", libfaketime())
            .env("FAKETIME_TIMESTAMP_FILE", clock.path().join("offset"))
            .envs([("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1")])
            // The library reads its file at each question: none of a sandboxed recorder's.
            .args(["capture", "--no-sandbox", "--foreground", "--file"])
            .arg(segments.path().join("ct.%Y%m%d-%H%M%S"))
            .args(arguments);
        let mut process = Process::start(namespace, &mut command);
        process.wait_until_listening();
        let recorder = Recorder::of(process, segments);
        wait_until("the recorder to say that it records", || recorder.log().contains("recording"));
        Self { recorder, clock, offset_s: 0 }
    }

    /// Sets the clock forward or back.
    fn set(&mut self, seconds: i64) {
        self.offset_s += seconds;
        // Never half a file for the recorder to read.
        let (new, offset) = (self.clock.path().join("new"), self.clock.path().join("offset"));
        fs::write(&new, format!("{:+}", self.offset_s)).unwrap();
        fs::rename(new, offset).unwrap();
    }

    /// Sets it, and waits until the recorder has noticed.
    fn step(&mut self, seconds: i64) {
        let before = self.noticed();
        self.set(seconds);
        wait_until("the recorder to notice that the clock was set", || self.noticed() > before);
    }

    /// How often the recorder has noticed that the clock was set.
    fn noticed(&self) -> usize {
        self.recorder.log().matches("the wall clock was set by").count()
    }

    /// Begins a new segment, which makes them so many.
    fn new_segment(&self, count: usize) {
        self.recorder.signal(Signal::SIGHUP);
        self.recorder.wait_for_segments(count);
    }

    /// Asserts that flows of the numbers up to `count` are listed, each once, and that the segments are as they were
    /// written, none missing in between.
    fn assert_whole(&self, count: u32) {
        let listed = self.recorder.list();
        let starts = listed.iter().filter(|line| &line[27..28] == "S");
        let mut starts: Vec<_> = starts.map(|line| line[30..].to_owned()).collect();
        let mut made: Vec<_> = (0..count).map(text).collect();
        starts.sort();
        made.sort();
        assert_eq!(starts, made);
        let tested = self.recorder.test();
        assert_eq!(tested.status, 0, "{}", tested.stdout);
        let gaps: Vec<_> = self.notes().into_iter().filter(Note::is_gap).collect();
        assert!(gaps.is_empty(), "{gaps:?}");
    }

    /// The steps of the clock that the journal tells of, in seconds.
    fn steps(&self) -> Vec<i64> {
        let notes = self.notes();
        let steps = notes.iter().filter(|note| note.cause() == Some(Cause::ClockStep));
        // The two clocks that a step is told by are not read at the very same moment.
        steps.map(|note| (note.value.get() as f64 / 1e9).round() as i64).collect()
    }

    /// All notes, in the order in which they were written.
    fn notes(&self) -> Vec<Note> {
        let number = |path: &PathBuf| {
            let bytes = fs::read(path).unwrap();
            Segment::open(&bytes).unwrap().header().unwrap().segment_number
        };
        let mut segments = self.recorder.segments();
        // Their names tell a clock that was set.
        segments.sort_by_key(number);
        segments.iter().flat_map(|path| notes(path)).collect()
    }
}

/// The library, wherever this architecture keeps it.
fn libfaketime() -> PathBuf {
    let architectures = fs::read_dir("/usr/lib").unwrap();
    let mut libraries = architectures.map(|entry| entry.unwrap().path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|path| path.exists()).expect("tests/setup libfaketime")
}

#[test]
fn a_clock_that_is_set_forward_and_back_loses_nothing_and_is_told_of() {
    let namespace = Namespace::new("clock");
    let mut clocked = Clocked::start(&namespace, &[]);
    make_flows(&namespace, 0..100, true);
    clocked.recorder.wait_for_records(200);
    clocked.step(HOUR);
    make_flows(&namespace, 100..200, false);
    clocked.new_segment(2);
    make_flows(&namespace, 200..300, true);
    clocked.recorder.wait_for_records(500);
    clocked.step(-2 * HOUR);
    make_flows(&namespace, 300..400, true);
    // Named by an hour that lies before that of the first one.
    clocked.new_segment(3);
    make_flows(&namespace, 400..500, false);
    clocked.recorder.stop();

    clocked.assert_whole(500);
    assert_eq!(clocked.steps(), [HOUR, -2 * HOUR]);
    let names = clocked.recorder.segments();
    let bytes = fs::read(&names[0]).unwrap();
    assert_eq!(Segment::open(&bytes).unwrap().header().unwrap().segment_number, 2, "{names:?}");
}

/// What is heard before a recorder has noticed that its clock was set is by the clock as it was, and so are all records before the note.
#[test]
fn what_happens_as_soon_as_the_clock_is_set_is_told_of_behind_the_note() {
    let namespace = Namespace::new("clock-order");
    let mut clocked = Clocked::start(&namespace, &[]);
    for (round, seconds) in (0..).zip([-HOUR, 3 * HOUR, -HOUR]) {
        make_flows(&namespace, round * 20..round * 20 + 10, false);
        clocked.recorder.wait_for_records(round as usize * 20 + 10);
        clocked.set(seconds);
        make_flows(&namespace, round * 20 + 10..round * 20 + 20, false);
    }
    clocked.recorder.stop();

    assert_eq!(clocked.steps(), [-HOUR, 3 * HOUR, -HOUR]);
    let bytes = fs::read(&clocked.recorder.segments()[0]).unwrap();
    let mut heard = vec![Vec::new()];
    for block in Segment::open(&bytes).unwrap().blocks().map(Result::unwrap) {
        match block.body {
            Body::Ipv4(records) => {
                heard.last_mut().unwrap().extend(records.iter().map(|(record, _)| record.event_time()))
            }
            Body::Notes(notes) if notes.iter().any(|note| note.cause() == Some(Cause::ClockStep)) => {
                heard.push(Vec::new())
            }
            _ => {}
        }
    }
    assert_eq!(heard.iter().map(Vec::len).collect::<Vec<_>>(), [10, 20, 20, 10]);
    let half_an_hour = HOUR.unsigned_abs() / 2 * NS_PER_SECOND;
    for times in heard {
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(last - first < half_an_hour, "by one setting of the clock: {first} to {last}");
    }
}

/// The hour begins when the new time says so: at once where it was set over it, and anew where it was set back.
#[test]
fn rotation_follows_the_clock_that_was_set() {
    let namespace = Namespace::new("hours");
    let mut clocked = Clocked::start(&namespace, &["-t", "60"]);
    make_flows(&namespace, 0..10, false);
    clocked.step(HOUR);
    clocked.recorder.wait_for_segments(2);
    make_flows(&namespace, 10..20, false);
    // Back to an hour before the first one: the beginning of that is to come again.
    clocked.step(-2 * HOUR);
    make_flows(&namespace, 20..30, false);
    clocked.step(HOUR);
    let segments = clocked.recorder.wait_for_segments(3);
    make_flows(&namespace, 30..40, false);
    clocked.recorder.stop();

    clocked.assert_whole(40);
    assert_eq!(clocked.steps(), [HOUR, -2 * HOUR, HOUR]);
    let on_the_hour = segments.iter().filter(|path| path.to_str().unwrap().ends_with("0000")).count();
    assert_eq!(on_the_hour, 2, "{segments:?}");
}

/// A clock that is set ahead makes files old; the notes of it tell that they are not.
#[test]
fn what_is_too_old_only_by_a_clock_that_was_set_ahead_stays() {
    let namespace = Namespace::new("set-ahead");
    let mut clocked = Clocked::start(&namespace, &["--max-age", "30d"]);
    clocked.step(HOUR);
    clocked.new_segment(2);
    clocked.step(400 * 24 * HOUR);
    // With each of them the recorder looks again; just behind a step it waits.
    for count in 3..7 {
        clocked.new_segment(count);
        // Their names tell the second.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    clocked.recorder.stop();
    assert_eq!(clocked.recorder.segments().len(), 6, "{}", clocked.recorder.log());
}

#[test]
fn what_the_clock_may_have_shown_between_two_runs_is_a_gap_where_it_was_set_back_then() {
    let namespace = Namespace::new("apart");
    let mut clocked = Clocked::start(&namespace, &[]);
    clocked.step(HOUR);
    make_flows(&namespace, 0..10, true);
    clocked.recorder.wait_for_records(20);
    clocked.new_segment(2);
    clocked.recorder.stop();
    // The next one has the true time.
    let mut second = clocked.recorder.start_again(&namespace, "ct.%Y%m%d-%H%M%S", &[]);
    wait_until("the kernel's table to be read", || notes(&second.segments()[1]).len() > 3);
    second.stop();

    let all: Vec<_> = second.segments().iter().map(|path| notes(path)).collect();
    let is_uptime = |note: &Note| note.cause() == Some(Cause::Uptime);
    // By name: the first segment, that of the run behind, and the second one, by a clock that was ahead.
    assert_eq!(all.len(), 3);
    for notes in &all {
        assert!(
            is_uptime(notes.last().unwrap()) && notes.iter().filter(|note| is_uptime(note)).count() >= 2,
            "{notes:?}"
        );
    }
    let step = all[0].iter().position(|note| note.cause() == Some(Cause::ClockStep)).unwrap();
    assert!(is_uptime(&all[0][step + 1]), "{all:?}");
    let gap = all[1].iter().find(|note| note.cause() == Some(Cause::NotRunning)).unwrap();
    let ended = Uptime::of(all[2].last().unwrap()).unwrap();
    assert_eq!(gap.run_before_ended(), Some(ended.moment));
    let began = all[1].iter().find_map(Uptime::of).unwrap();
    let away = began.up - ended.up;
    let told = answer(ctrecorder().args(["coverage", "-o", "json"]).arg(second.directory()));
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    let gaps = told["gaps"].as_array().unwrap();
    let gaps = gaps.iter().filter(|gap| gap["cause"] == "clock set back while nobody recorded");
    let ns = |time: &Value| {
        DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap().timestamp_nanos_opt().unwrap() as u64
    };
    let spans: Vec<_> = gaps.map(|gap| (ns(&gap["from"]), ns(&gap["to"]))).collect();
    // Behind the end of what is told there is nothing.
    assert_eq!(spans, [(began.moment - away, gap.to.get())], "{told}");
}
