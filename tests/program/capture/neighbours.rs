//! What was in the directory before: the segment of an earlier recorder, another recorder, files of others.

use std::fs;
use std::path::Path;
use std::process::Command;

use ctrecorder_format::{Cause, Content, Header, NS_PER_SECOND, Note, Segment, Writer};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::capture::recorder::{Recorder, make_flows, notes};
use crate::capture::rotation::wait_minutes;
use crate::lab::{Namespace, Process, wait_for, wait_until};
use crate::program::{self, answer, ctrecorder};

const PATTERN: &str = "ct.%s";

/// The gap that a recorder's first segment begins with, which is the newest one of the directory.
fn gap_at_start(recorder: &Recorder) -> (u64, u64) {
    gap_at_begin(&recorder.segments().pop().unwrap())
}

/// The gap that a recorder's first segment begins with.
fn gap_at_begin(segment: &Path) -> (u64, u64) {
    wait_for("notes at the start", || {
        let found = notes(segment);
        let [started, gap] = found.get(..2)? else { return None };
        assert_eq!((started.cause(), gap.cause()), (Some(Cause::Started), Some(Cause::NotRunning)));
        assert_eq!(gap.lost(), None);
        assert!(gap.to <= started.from, "events are complete from the gap's end on");
        Some((gap.from.get(), gap.to.get()))
    })
}

fn last_event(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    let segment = Segment::open(&bytes).unwrap();
    segment.heads().filter_map(Result::ok).last().unwrap().header.last_event.get()
}

#[test]
fn after_an_end_in_order_the_gap_begins_with_the_footer_and_is_no_warning() {
    let namespace = Namespace::new("again");
    let mut first = Recorder::start(&namespace, PATTERN, &[]);
    assert_eq!(causes(&first.segments()[0]), [Cause::Started], "there was no recorder before");
    make_flows(&namespace, 0..10, true);
    first.stop();
    let old = first.segments().pop().unwrap();
    let bytes = fs::read(&old).unwrap();
    let closed = Segment::open(&bytes).unwrap().footer().unwrap().totals.closed;
    wait_for_another_second(&old);

    let mut second = first.start_again(&namespace, PATTERN, &[]);
    let (from, to) = gap_at_start(&second);
    assert_eq!(from, closed);
    assert!(to > from);
    assert!(second.log().contains(&format!("{}: nothing is recorded from its end", old.display())));
    let warns_of_it = |line: &str| line.contains("WARN") && line.contains(&old.display().to_string());
    assert!(!second.log().lines().any(warns_of_it), "{}", second.log());
    second.stop();
    let listed = answer(ctrecorder().args(["list", "-H"]).arg(second.directory()));
    assert_eq!(listed.stderr.lines().count(), 1, "{}", listed.stderr);
    assert!(listed.stderr.contains("recorder not running"), "{}", listed.stderr);
    assert_eq!(second.test().status, 0, "{}", second.test().stdout);
}

/// Nobody noted that the clock was set back: the machine had failed by then.
#[test]
fn one_that_was_begun_by_a_clock_ahead_does_not_hide_since_when_nothing_was_recorded() {
    const YEAR: u64 = 365 * 86_400;
    let namespace = Namespace::new("ahead");
    let mut first = Recorder::start(&namespace, PATTERN, &[]);
    first.stop();
    let old = first.segments().pop().unwrap();
    let bytes = fs::read(&old).unwrap();
    let segment = Segment::open(&bytes).unwrap();
    let (header, closed) = (segment.header().unwrap().clone(), segment.footer().unwrap().totals.closed);
    let created = header.created + YEAR * NS_PER_SECOND;
    let ahead = first.directory().join(format!("ct.{}", created / NS_PER_SECOND));
    let mut writer = Writer::new(Vec::new(), &Header { created, recorder_started: created, ..header }).unwrap();
    writer.write_out().unwrap();
    fs::write(&ahead, writer.output()).unwrap();
    wait_for_another_second(&old);

    let mut second = first.start_again(&namespace, PATTERN, &[]);
    let current = second.segments().into_iter().find(|path| ![&old, &ahead].contains(&path)).unwrap();
    let (from, to) = gap_at_begin(&current);
    assert!(from == closed && to > from, "{from} {to}");
    let told = format!("WARN {}: it was begun at ", ahead.display());
    assert!(second.log().contains(&told) && second.log().contains("still to come"), "{}", second.log());
    second.stop();
}

/// The causes of the notes in a segment, as soon as there are any.
fn causes(segment: &Path) -> Vec<Cause> {
    let of_start = |cause: &Cause| ![Cause::TableRead, Cause::Uptime].contains(cause);
    let causes = || notes(segment).iter().filter_map(Note::cause).filter(of_start).collect::<Vec<_>>();
    wait_until("a note", || !causes().is_empty());
    causes()
}

/// A pattern of seconds gives a new name in the next one.
pub fn wait_for_another_second(segment: &Path) {
    let second = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    wait_until("another second", || !segment.to_str().unwrap().ends_with(&second().to_string()));
}

#[test]
fn after_a_kill_the_gap_begins_with_the_last_whole_block_and_is_a_warning() {
    let namespace = Namespace::new("killed");
    let mut recorder = Recorder::start(&namespace, PATTERN, &["-U", "root"]);
    for round in 1..4 {
        make_flows(&namespace, 0..100, true);
        recorder.wait_for_records(200 * round);
        recorder.end(Signal::SIGKILL);
        let old = recorder.segments().pop().unwrap();
        let end = last_event(&old);
        wait_for_another_second(&old);
        recorder = recorder.start_again(&namespace, PATTERN, &[]);
        let (from, to) = gap_at_start(&recorder);
        assert_eq!(from, end);
        assert!(to > from);
        assert!(recorder.log().contains(&format!("WARN {}: it was cut off", old.display())), "{}", recorder.log());
    }
}

/// More than a minute of waiting: what is to be seen is that one passes.
#[test]
fn a_recorder_that_hears_nothing_says_so_once_a_minute() {
    let namespace = Namespace::new("quiet");
    let mut recorder = Recorder::start(&namespace, PATTERN, &[]);
    let segment = recorder.segments().pop().unwrap();
    let quiet = || notes(&segment).into_iter().find(|note| note.cause() == Some(Cause::Quiet));
    assert_eq!(causes(&segment), [Cause::Started]);
    assert!(wait_minutes(|| quiet().is_some()), "no note after a minute");
    let note = quiet().unwrap();
    assert!(note.to.get() - note.from.get() >= 60_000_000_000, "{note:?}");
    recorder.end(Signal::SIGKILL);
    let recorder = recorder.start_again(&namespace, PATTERN, &[]);
    assert_eq!(gap_at_start(&recorder).0, note.to.get());
}

#[test]
fn a_second_recorder_on_the_pattern_is_refused_and_told_the_file() {
    let (namespace, other) = (Namespace::new("two"), Namespace::new("two-other"));
    let mut first = Recorder::start(&namespace, PATTERN, &[]);
    let segment = first.segments().pop().unwrap();
    let file = first.directory().join("ct.%S%M");
    for (namespace, mode) in [(&namespace, &["-F"][..]), (&namespace, &[]), (&other, &["-F"])] {
        let second = namespace.enter(|| answer(ctrecorder().args(["capture", "-f"]).arg(&file).args(mode)));
        assert_eq!(second.status, 5, "{}", second.stderr);
        let expected = format!("{}: another recorder is writing this file", segment.display());
        assert!(second.stderr.contains(&expected), "{}", second.stderr);
    }
    assert_eq!(first.segments(), [segment]);
    make_flows(&namespace, 0..10, true);
    first.stop();
    assert_eq!(first.list().len(), 20);
}

/// A name as a recorder of all network namespaces gives it is a recorder's own where the pattern has it.
#[test]
fn a_second_recorder_on_a_pattern_that_names_a_network_namespace_is_refused() {
    let namespace = Namespace::new("named");
    let first = Recorder::start(&namespace, "ct.netns-1.%s", &[]);
    let file = first.directory().join("ct.netns-1.%S%M");
    let second = namespace.enter(|| answer(ctrecorder().args(["capture", "-F", "-f"]).arg(file)));
    assert_eq!(second.status, 5, "{}", second.stderr);
    assert!(second.stderr.contains("another recorder is writing this file"), "{}", second.stderr);
}

/// Without the directory's lock, two may look before either has created its segment.
#[test]
fn of_many_that_start_at_once_on_one_pattern_one_records() {
    const FILES: usize = 4000;
    for _ in 0..3 {
        let (namespace, directory) = (Namespace::new("at-once"), TempDir::new().unwrap());
        // Something to look at, so that the looks overlap.
        (0..FILES).for_each(|number| drop(fs::File::create(directory.path().join(format!("ct.{number}"))).unwrap()));
        let mut recorders: Vec<_> = (0..6)
            .map(|number| {
                let mut command = Command::new(program::PATH);
                // Different patterns that fit each other's names.
                command.env("TZ", ["UTC", "JST-9"][number % 2]).args(["capture", "-F", "-f"]);
                Process::start(&namespace, command.arg(directory.path().join("ct.%H%M%S")))
            })
            .collect();
        wait_until("all but one to end", || recorders.iter_mut().filter_map(Process::try_wait).count() == 5);
        let refused = recorders.iter_mut().filter_map(|process| {
            let status = process.try_wait()?;
            assert_eq!(status.code(), Some(5), "{}", process.stderr());
            assert!(process.stderr().contains("another recorder is writing"), "{}", process.stderr());
            Some(())
        });
        assert_eq!(refused.count(), 5);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), FILES + 1);
    }
}

/// A segment of a host of this name, cut off after one note at this moment.
fn write_segment(path: &Path, host: &str, content: Content, moment: u64) {
    let header = Header { tag: 9, host: host.into(), created: moment, ..Header::blank(content) };
    let mut writer = Writer::new(fs::File::create(path).unwrap(), &header).unwrap();
    writer.note(&Note::at(moment, Cause::Started));
    writer.write_out().unwrap();
}

fn own_host() -> String {
    nix::unistd::gethostname().unwrap().into_string().unwrap()
}

#[test]
fn files_that_a_reader_would_mix_with_its_own_are_told_of() {
    for (name, host, content, what) in [
        ("ct.1", "elsewhere", Content::Events, "is of another recorder, or squeezed"),
        ("ct.1", &own_host(), Content::Flows, "is of another recorder, or squeezed"),
        ("other.1", &own_host(), Content::Events, "has another name than the pattern gives"),
    ] {
        let (namespace, directory) = (Namespace::new("foreign"), TempDir::new().unwrap());
        fs::write(directory.path().join("notes.txt"), "CT, no file of ours").unwrap();
        let path = directory.path().join(name);
        write_segment(&path, host, content, 5);
        let recorder = Recorder::start_in(directory, &namespace, PATTERN, &[]);
        let expected = format!("WARN {}: {what}", path.display());
        let warning = recorder.log().lines().find(|line| line.contains(&expected)).expect(name).to_owned();
        assert!(warning.contains("a directory of its own"), "{warning}");
        let others = [path, recorder.directory().join("notes.txt")];
        let own = recorder.segments().into_iter().find(|segment| !others.contains(segment)).unwrap();
        assert_eq!(causes(&own), [Cause::Started], "no recorder ran here before");
    }
}

#[test]
fn a_damaged_segment_is_told_of_and_the_one_before_it_counts() {
    let (namespace, directory) = (Namespace::new("damaged"), TempDir::new().unwrap());
    write_segment(&directory.path().join("ct.01"), &own_host(), Content::Events, 1_700_000_000_000_000_000);
    write_segment(&directory.path().join("ct.02"), &own_host(), Content::Events, 1_710_000_000_000_000_000);
    let damaged = directory.path().join("ct.03");
    write_segment(&damaged, &own_host(), Content::Events, 1_720_000_000_000_000_000);
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[70] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let recorder = Recorder::start_in(directory, &namespace, PATTERN, &[]);
    assert_eq!(gap_at_start(&recorder).0, 1_710_000_000_000_000_000);
    let log = recorder.log();
    assert!(log.contains(&format!("WARN {}: offset 0: the header is damaged", damaged.display())), "{log}");
}

#[test]
fn a_file_of_the_c_program_counts_until_its_last_event() {
    let (namespace, directory) = (Namespace::new("legacy"), TempDir::new().unwrap());
    let mut bytes = fs::read("tests/data/v2/tcp.ct").unwrap();
    let host = own_host();
    let length = host.len().min(32);
    // docs/format.md, section "Version 2": the host's name.
    bytes[19..52].fill(0);
    bytes[19..19 + length].copy_from_slice(&host.as_bytes()[..length]);
    fs::write(directory.path().join("ct.0"), bytes).unwrap();
    let recorder = Recorder::start_in(directory, &namespace, PATTERN, &[]);
    // 2026-11-20T21:13:50.071057Z
    assert_eq!(gap_at_start(&recorder).0, 1_795_209_230_071_057_000);
}
