//! `--max-age`, `--max-size`, `--min-free`: what a recorder removes of its own segments, and what it says of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ctrecorder_format::{Cause, Retirement};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::capture::neighbours::wait_for_another_second;
use crate::capture::recorder::{Recorder, make_flows, notes};
use crate::lab::{Namespace, Process, wait_until};
use crate::program::{answer, ctrecorder};
use crate::small_disk::SmallDisk;

const PATTERN: &str = "ct.%s";

/// What is removed is all that is older than this; by how much, makes no difference to the tests.
const SOON: &[&str] = &["--max-age", "1s"];

impl Recorder {
    /// Has it begin a new segment, and only one. The name tells seconds: the next one has another.
    pub(super) fn begin_new_segment(&self) {
        let before = self.log().matches("new segment").count();
        self.outlive_first_second();
        self.signal(Signal::SIGHUP);
        wait_until("a new segment", || self.log().matches("new segment").count() > before);
    }

    /// Waits until it says that it removed so many segments.
    pub(super) fn wait_until_removed(&self, count: usize) {
        wait_until("segments to be removed", || self.log().matches(": removed: ").count() >= count);
    }

    pub(super) fn coverage(&self, arguments: &[&str]) -> String {
        answer(ctrecorder().arg("coverage").args(arguments).arg(self.directory())).stdout
    }
}

/// The removals that a segment tells of, and those that it takes back.
fn told(path: &Path, cause: Cause) -> Vec<Retirement> {
    notes(path).iter().filter(|note| note.cause() == Some(cause)).filter_map(Retirement::of).collect()
}

/// What is in a pattern's name as it is has to be taken as it is, and no directory above the recorder's can be read from its sandbox.
#[test]
fn in_a_directory_with_a_strange_name_files_are_removed_like_anywhere() {
    let namespace = Namespace::new("strange");
    let directory = TempDir::with_prefix("[ct]*?").unwrap();
    let mut recorder = Recorder::start_in(directory, &namespace, PATTERN, SOON);
    let first = recorder.segments()[0].clone();
    recorder.begin_new_segment();
    recorder.wait_until_removed(1);
    recorder.stop();
    assert!(!first.exists());
}

#[test]
fn what_is_too_old_is_removed_and_coverage_and_test_say_so() {
    let namespace = Namespace::new("max-age");
    let mut recorder = Recorder::start(&namespace, PATTERN, SOON);
    assert!(recorder.log().contains("INFO retention: nothing older than 1 s\n"), "{}", recorder.log());
    let first = recorder.segments()[0].clone();
    make_flows(&namespace, 0..100, true);
    recorder.wait_for_records(200);
    recorder.begin_new_segment();
    recorder.wait_until_removed(1);
    assert!(!first.exists());
    let second = recorder.segments().pop().unwrap();
    recorder.begin_new_segment();
    recorder.wait_until_removed(2);
    assert!(!second.exists());
    recorder.stop();

    let last = recorder.segments();
    assert_eq!(last.len(), 1);
    let told = told(&last[0], Cause::Retired);
    assert_eq!(told.iter().map(|told| told.segment).collect::<Vec<_>>(), [1]);
    let lines = recorder.coverage(&["--since", &format!("@{}", told[0].from / 1_000_000_000)]);
    assert!(lines.contains("removed by retention"), "{lines}");
    assert!(!lines.contains("segment missing"), "{lines}");
    // What the second segment knew of the first did not go with it.
    let begun: u64 = first.extension().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(told[0].from / 1_000_000_000, begun);
    let tested = recorder.test();
    assert_eq!(tested.status, 0, "{}", tested.stdout);
    assert!(tested.stdout.contains("2 segments before it that are not among those given: removed by retention"));
    assert!(recorder.log().contains("2 segments removed"), "{}", recorder.log());
    assert_eq!(answer(ctrecorder().args(["coverage", "--retention", "10m"]).arg(recorder.directory())).status, 0);
}

#[test]
fn what_is_too_much_goes_from_the_oldest_and_no_further() {
    let namespace = Namespace::new("max-size");
    let mut recorder = Recorder::start(&namespace, PATTERN, &["--max-size", "1M"]);
    // Some 400 KiB each.
    for number in 0..4 {
        make_flows(&namespace, number * 3500..(number + 1) * 3500, true);
        wait_until("events to be written", || {
            recorder.signal(Signal::SIGUSR1);
            recorder.log().contains(&format!("received {} starts, {} ends", (number + 1) * 3500, (number + 1) * 3500))
        });
        recorder.begin_new_segment();
    }
    recorder.wait_until_removed(2);
    recorder.stop();
    let segments = recorder.segments();
    let bytes: u64 = segments.iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(bytes <= 1 << 20, "{bytes} bytes");
    assert_eq!(segments.len(), 3, "no more than had to: {}", recorder.log());
    assert_eq!(recorder.test().status, 0, "{}", recorder.test().stdout);
}

/// A ballast of this size on the disk of the recorder's.
fn ballast(directory: &Path, kib: usize) -> PathBuf {
    let path = directory.join("ballast");
    fs::write(&path, vec![0; kib * 1024]).unwrap();
    path
}

#[test]
fn so_much_stays_free_and_even_a_full_disk_takes_data_again() {
    let (disk, inside) = SmallDisk::mount();
    let namespace = Namespace::new("min-free");
    let mut recorder = Recorder::start_in(inside, &namespace, PATTERN, &["--min-free", "200K"]);
    make_flows(&namespace, 0..2500, true);
    recorder.wait_for_records(5000);
    recorder.begin_new_segment();
    // 280 KiB are in the first segment: with 600 KiB more, too little is left.
    let ballast = ballast(recorder.directory(), 600);
    recorder.begin_new_segment();
    recorder.wait_until_removed(1);
    assert!(recorder.log().contains("less free than --min-free demands"), "{}", recorder.log());

    // And suddenly all is taken, while events come.
    make_flows(&namespace, 3000..4850, true);
    wait_until("the records to be written", || recorder.list().len() >= 3700);
    recorder.begin_new_segment();
    let filler = recorder.directory().join("filler");
    let mut fill = Command::new("dd");
    fill.args(["if=/dev/zero", "bs=1024", "status=none"]).arg(format!("of={}", filler.display()));
    assert!(!fill.status().unwrap().success(), "dd stops when the disk is full");
    make_flows(&namespace, 5000..6000, true);
    wait_until("the recorder to go on", || recorder.log().contains("takes data again"));
    recorder.stop();
    assert!(ballast.exists() && filler.exists(), "what is not the recorder's stays");
    let tested = recorder.test();
    let failed: Vec<_> = tested.stdout.lines().filter(|line| line.contains("FAILED")).collect();
    assert!(failed.iter().all(|line| line.contains("ballast") || line.contains("filler")), "{}", tested.stdout);
    let lines = recorder.coverage(&["--since", "1 hour ago"]);
    assert!(lines.contains("removed by retention") && !lines.contains("segment missing"), "{lines}");
    drop(recorder);
    drop(disk);
}

#[test]
fn a_file_named_hold_stops_every_removal_until_it_is_gone() {
    let namespace = Namespace::new("hold");
    let directory = TempDir::new().unwrap();
    let hold = directory.path().join("HOLD");
    fs::write(&hold, "").unwrap();
    let mut recorder = Recorder::start_in(directory, &namespace, PATTERN, SOON);
    let first = recorder.wait_for_segments(2)[1].clone();
    for _ in 0..2 {
        recorder.begin_new_segment();
    }
    wait_until("it to be said", || recorder.log().contains("nothing is removed while this file is there"));
    recorder.begin_new_segment();
    assert!(first.exists());
    fs::remove_file(&hold).unwrap();
    recorder.begin_new_segment();
    recorder.wait_until_removed(3);
    assert!(!first.exists());
    assert_eq!(recorder.log().matches("nothing is removed").count(), 1, "said once: {}", recorder.log());
    recorder.stop();
    assert_eq!(recorder.test().status, 0, "{}", recorder.test().stdout);
}

#[test]
fn what_is_not_surely_its_own_stays() {
    let namespace = Namespace::new("not-own");
    let mut recorder = Recorder::start(&namespace, PATTERN, &[]);
    make_flows(&namespace, 0..10, true);
    recorder.stop();
    let own = recorder.segments().pop().unwrap();
    let place = |name: &str| recorder.directory().join(name);
    // Names that fit the pattern.
    let squeezed = place("ct.1");
    assert_eq!(answer(ctrecorder().args(["squeeze", "-o"]).arg(&squeezed).arg(&own)).status, 0);
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v2/tcp.ct"), place("ct.2")).unwrap();
    fs::write(place("ct.3"), "a diary").unwrap();
    let mut damaged = fs::read(&own).unwrap();
    damaged[80] ^= 1;
    fs::write(place("ct.4"), damaged).unwrap();
    std::os::unix::fs::symlink("nowhere", place("ct.5")).unwrap();
    let before: Vec<_> = recorder.segments().into_iter().filter(|path| *path != own).collect();
    wait_for_another_second(&own);
    let mut recorder = recorder.start_again(&namespace, PATTERN, SOON);
    recorder.wait_until_removed(1);
    assert!(!own.exists());
    recorder.stop();
    assert!(before.iter().all(|path| path.symlink_metadata().is_ok()), "{}", recorder.log());
}

/// Killed as it unlinks the first segment, which it has said to remove: the file is there, and so it is covered.
fn killed_at_unlink(namespace: &Namespace) -> (Recorder, PathBuf) {
    let mut recorder = Recorder::start(namespace, PATTERN, &["--max-age", "5s"]);
    let first = recorder.segments()[0].clone();
    let mut command = Command::new("strace");
    let kill = ["-f", "-e", "trace=unlink,unlinkat", "-e", "inject=unlink,unlinkat:signal=KILL"];
    let strace = Process::start(namespace, command.args(kill).args(["-p", &recorder.id().to_string()]));
    wait_until("strace to follow every thread", || {
        let tasks = fs::read_dir(format!("/proc/{}/task", recorder.id())).unwrap();
        let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).unwrap_or_default();
        tasks.map(|task| status(task.unwrap())).all(|status| !status.contains("TracerPid:\t0"))
    });
    make_flows(namespace, 0..10, true);
    recorder.wait_for_records(20);
    recorder.begin_new_segment();
    wait_until("the recorder to be killed", || {
        recorder.signal(Signal::SIGHUP);
        strace.stderr().contains("killed by SIGKILL")
    });
    recorder.wait();
    (recorder, first)
}

#[test]
fn after_a_crash_between_the_note_and_the_end_nothing_is_missing_and_nothing_falsely_removed() {
    let namespace = Namespace::new("retain-crash");
    let (recorder, first) = killed_at_unlink(&namespace);
    assert!(first.exists(), "it was killed before");
    let announced = |path: &PathBuf| !told(path, Cause::Retired).is_empty();
    assert!(recorder.segments().iter().any(announced), "the note was there first");
    assert!(!recorder.coverage(&[]).contains("removed"), "{}", recorder.coverage(&[]));

    // The next one may not remove it: it takes the note back. So it is missing when somebody else removes it.
    wait_for_another_second(&recorder.segments().pop().unwrap());
    fs::write(recorder.directory().join("HOLD"), "").unwrap();
    let mut recorder = recorder.start_again(&namespace, PATTERN, &["--max-age", "5s"]);
    let newest = || recorder.segments().into_iter().rfind(|path| !path.ends_with("HOLD")).unwrap();
    wait_until("the note to be taken back", || !told(&newest(), Cause::Kept).is_empty());
    recorder.stop();
    fs::remove_file(&first).unwrap();
    let lines = recorder.coverage(&["--since", "1 hour ago"]);
    assert!(lines.contains("segment missing") && !lines.contains("removed by retention"), "{lines}");
}

#[test]
fn a_start_after_such_a_crash_ends_as_if_there_had_been_none() {
    let namespace = Namespace::new("retain-again");
    let (recorder, first) = killed_at_unlink(&namespace);
    wait_for_another_second(&recorder.segments().pop().unwrap());
    let mut recorder = recorder.start_again(&namespace, PATTERN, &["--max-age", "5s"]);
    wait_until("the first one to go", || !first.exists());
    recorder.stop();
    let begun = first.extension().unwrap().to_str().unwrap();
    let lines = recorder.coverage(&["--since", &format!("@{begun}")]);
    assert!(lines.contains("removed by retention") && !lines.contains("segment missing"), "{lines}");
    let tested = recorder.test();
    assert!(!tested.stdout.contains(" missing between "), "{}", tested.stdout);
}
