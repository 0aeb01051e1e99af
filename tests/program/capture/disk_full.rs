//! A disk that is full, and then is not: a small tmpfs of the test's own.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::capture::account::Account;
use crate::capture::recorder::{Recorder, make_flows};
use crate::lab::{Namespace, wait_until};
use crate::program::{answer, ctrecorder};
use crate::small_disk::SmallDisk;

#[test]
fn what_fits_is_whole_what_waits_is_kept_the_rest_is_counted_and_it_goes_on_in_step() {
    let (disk, inside) = SmallDisk::mount();
    let namespace = Namespace::new("full");
    let ballast = inside.path().join("ballast");
    fs::write(&ballast, vec![0; 900 * 1024]).unwrap();
    let mut recorder = Recorder::start_in(inside, &namespace, "ct.%s", &["-B", "3000"]);

    // 8000 events are about 460 KB: 120 KB fit, 3000 wait, the others are lost.
    for first in (0..4000).step_by(500) {
        make_flows(&namespace, first..first + 500, true);
    }
    wait_until("the recorder to say that the disk is full", || recorder.log().contains("No space left on device"));
    for first in (4000..8000).step_by(500) {
        make_flows(&namespace, first..first + 500, true);
    }
    wait_until("losses to be counted", || {
        recorder.signal(Signal::SIGUSR1);
        recorder.log().contains("received 8000 starts, 8000 ends") && lost(&recorder) > 0
    });
    let while_full = answer(ctrecorder().args(["list", "-H"]).arg(&recorder.segments()[1]));
    assert!(while_full.stdout.lines().count() > 500, "what fits is whole: {}", while_full.stderr);

    fs::remove_file(&ballast).unwrap();
    wait_until("the recorder to go on", || recorder.log().contains("takes data again"));
    make_flows(&namespace, 8000..8010, true);
    recorder.stop();

    let listed = answer(ctrecorder().args(["list", "-H"]).arg(recorder.directory()));
    assert_eq!(listed.status, 0, "{}", listed.stderr);
    let account = Account::of(recorder.directory());
    assert_eq!(account.events(), 16_020, "every event is recorded or counted: {account:?}");
    let in_gaps = listed.stderr.lines().filter(|line| line.contains("gap from")).map(|line| {
        // Bursts this fast may overrun so short a queue even while the disk takes data.
        assert!(line.contains("disk full") || line.contains("queue full"), "{line}");
        before(line, " events lost")
    });
    assert!(listed.stderr.contains("disk full"), "{}", listed.stderr);
    assert_eq!(in_gaps.sum::<u64>(), lost(&recorder), "{}", listed.stderr);
    let tested = recorder.test();
    assert_eq!(tested.status, 0, "{}", tested.stdout);
    drop(recorder);
    drop(disk);
}

/// The number of events lost in the queue, from the last statistics in the log.
fn lost(recorder: &Recorder) -> u64 {
    let log = recorder.log();
    let line = log.lines().rfind(|line| line.contains("received")).expect("statistics");
    before(line, " in the queue")
}

/// The number that stands before these words.
fn before(line: &str, words: &str) -> u64 {
    let (before, _) = line.split_once(words).unwrap_or_else(|| panic!("no \"{words}\" in: {line}"));
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn stopped_while_the_disk_is_full_it_says_how_many_events_are_in_no_file() {
    let (disk, inside) = SmallDisk::mount();
    let namespace = Namespace::new("stopped");
    fs::write(inside.path().join("ballast"), vec![0; 900 * 1024]).unwrap();
    let mut recorder = Recorder::start_in(inside, &namespace, "ct.%s", &["-B", "3000"]);
    for first in (0..8000).step_by(500) {
        make_flows(&namespace, first..first + 500, true);
    }
    wait_until("the recorder to say that the disk is full", || recorder.log().contains("No space left on device"));
    assert_eq!(recorder.end(Signal::SIGTERM).code(), Some(5));

    let log = recorder.log();
    let said = log.lines().last().expect("an error");
    let unwritten = before(said, " events could not be written at the end: No space left on device");
    let listed = answer(ctrecorder().args(["list", "-H"]).arg(&recorder.segments()[1]));
    let gaps: u64 =
        listed.stderr.lines().filter(|line| line.contains("gap")).map(|line| before(line, " events lost")).sum();
    assert_eq!(listed.stdout.lines().count() as u64 + gaps + unwritten, 16_000, "{log}");
    drop(recorder);
    drop(disk);
}

/// From now on none of the recorder's files may grow beyond so many bytes.
fn limit_files(recorder: &Recorder, bytes: u64) {
    let limit = nix::libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    let id = recorder.id() as nix::libc::pid_t;
    // SAFETY: the limit is a local variable, and the old one is not asked for.
    let set = unsafe { nix::libc::prlimit(id, nix::libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

/// What the old file did not take is noted in the new one before that gets its footer.
#[test]
fn stopped_while_an_old_file_refuses_the_new_one_is_whole_and_tells_of_it() {
    let namespace = Namespace::new("refused");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    limit_files(&recorder, 20_000);
    make_flows(&namespace, 0..500, true);
    wait_until("a new file", || recorder.log().contains("new segment"));
    recorder.stop();
    let segments = recorder.segments();
    assert_eq!(segments.len(), 2);
    assert_eq!(answer(ctrecorder().arg("test").arg(&segments[1])).status, 0);
    let [old, new] = [0, 1].map(|at| answer(ctrecorder().args(["list", "-H"]).arg(&segments[at])));
    let gap = new.stderr.lines().find(|line| line.contains("disk error")).expect("a gap");
    let lost = before(gap, " events lost");
    assert!(lost > 0 && new.stdout.is_empty(), "{}", new.stderr);
    assert_eq!(old.stdout.lines().count() as u64 + lost, 1000);
}

#[test]
fn a_file_that_may_not_grow_is_left_for_a_new_one_and_what_it_cost_is_counted() {
    let namespace = Namespace::new("efbig");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    limit_files(&recorder, 20_000);
    make_flows(&namespace, 0..500, true);
    wait_until("the recorder to give the old file up", || recorder.log().contains("given up"));
    make_flows(&namespace, 500..510, true);
    recorder.stop();
    let listed = answer(ctrecorder().args(["list", "-H"]).arg(recorder.directory()));
    let gaps: u64 =
        listed.stderr.lines().filter(|line| line.contains("disk error")).map(|line| before(line, " events lost")).sum();
    assert!(gaps > 0, "{}", listed.stderr);
    assert_eq!(listed.stdout.lines().count() as u64 + gaps, 1020, "{}", listed.stderr);
}

#[test]
fn a_disk_too_full_for_a_header_is_a_clear_error_and_leaves_no_file() {
    let (disk, inside) = SmallDisk::mount();
    let full = Command::new("dd")
        .args(["if=/dev/zero", "bs=4096", "status=none"])
        .arg(format!("of={}", inside.path().join("ballast").display()))
        .status()
        .unwrap();
    assert!(!full.success(), "dd stops when the disk is full");
    let namespace = Namespace::new("fuller");
    let segment = inside.path().join("ct");
    let refused = namespace.enter(|| answer(ctrecorder().args(["-C", "-F", "-f"]).arg(&segment)));
    assert_eq!(refused.status, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("No space left on device"), "{}", refused.stderr);
    assert!(!segment.exists());
    drop(disk);
}
