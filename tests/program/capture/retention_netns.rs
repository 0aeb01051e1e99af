//! What a recorder of several network namespaces removes: of all their journals together, those of namespaces that are gone included.

use std::fs;
use std::path::{Path, PathBuf};

use ctrecorder_format::{Retirement, Segment};

use crate::capture::recorder::{Recorder, make_flows, notes};
use crate::lab::{Namespace, wait_until};
use crate::program::{answer, ctrecorder};
use crate::small_disk::SmallDisk;

const PATTERN: &str = "ct.%s";

/// Another network namespace, under this id in `own`, that reports all of its flows.
fn another(own: &Namespace, id: u32) -> Namespace {
    let other = Namespace::new("other");
    // The setting is there once connection tracking is.
    make_flows(&other, 900..901, true);
    other.sysctl("netfilter/nf_conntrack_events", 1);
    own.name_netns(&other, id);
    other
}

/// A recorder of so many network namespaces, its own among them, once it has read all of their tables.
fn record(own: &Namespace, count: usize, arguments: &[&str]) -> Recorder {
    let recorder = Recorder::start(own, PATTERN, &[&["--all-netns"], arguments].concat());
    wait_until("all tables to be read", || recorder.log().matches(" alive").count() >= count);
    recorder
}

#[test]
fn what_is_older_than_asked_for_is_told_of_one_network_namespace() {
    let own = Namespace::new("own");
    let _other = another(&own, 3);
    let mut recorder = record(&own, 2, &[]);
    recorder.outlive_first_second();
    recorder.stop();
    let older = |arguments: &[&str]| {
        let mut command = ctrecorder();
        answer(command.args(["coverage", "--retention", "1s"]).args(arguments).arg(recorder.directory())).stdout
    };
    assert!(older(&[]).contains("2 of 2 files"), "{}", older(&[]));
    for (id, is_three) in [("3", true), ("own", false)] {
        let older = older(&["--netns", id]);
        assert!(older.contains("1 of 1 file ") && older.contains(".netns-3.") == is_three, "{older}");
    }
}

fn is_of(path: &Path, id: u32) -> bool {
    path.to_string_lossy().contains(&format!(".netns-{id}."))
}

fn bytes(paths: &[PathBuf]) -> u64 {
    paths.iter().map(|path| path.metadata().unwrap().len()).sum()
}

/// Has each of these recorded so many flows, and waits until that is written.
fn fill(recorder: &Recorder, namespaces: &[&Namespace], flows: u32) {
    namespaces.iter().for_each(|namespace| make_flows(namespace, 0..flows, true));
    recorder.wait_for_records(namespaces.len() * 2 * flows as usize);
}

/// Has the segments of all these namespaces closed, and new ones begun.
fn begin_new_segments(recorder: &Recorder, count: usize) {
    recorder.outlive_first_second();
    let before = recorder.log().matches("new segment").count();
    recorder.signal(nix::sys::signal::Signal::SIGHUP);
    wait_until("new segments of all", || recorder.log().matches("new segment").count() == before + count);
}

#[test]
fn what_was_recorded_of_a_namespace_that_is_gone_goes_too_and_the_recorders_own_journal_says_so() {
    let own = Namespace::new("own");
    let other = another(&own, 3);
    let mut recorder = record(&own, 2, &["--max-age", "1s"]);
    fill(&recorder, &[&own, &other], 10);
    let of_three = || recorder.segments().into_iter().filter(|path| is_of(path, 3)).collect::<Vec<_>>();
    let first = of_three().pop().unwrap();
    let begun = Segment::open(&fs::read(&first).unwrap()).unwrap().header().unwrap().created;
    begin_new_segments(&recorder, 2);
    recorder.wait_until_removed(2);
    assert!(!first.exists() && of_three().len() == 1, "{}", recorder.log());
    let since = format!("@{}", begun / 1_000_000_000);
    // Once the segment that is left has its first block.
    wait_until("the removal to be told", || {
        let lines = recorder.coverage(&["--netns", "3", "--since", &since]);
        lines.contains("removed by retention") && !lines.contains("segment missing")
    });
    drop(other);
    wait_until("its journal to be closed", || {
        let bytes = fs::read(&of_three()[0]).unwrap();
        Segment::open(&bytes).unwrap().footer().is_some()
    });
    begin_new_segments(&recorder, 1);
    wait_until("all of it to be removed", || of_three().is_empty());
    recorder.stop();
    let told: Vec<_> = recorder.segments().iter().flat_map(|path| notes(path)).collect();
    let told: Vec<_> = told.iter().filter_map(Retirement::of).filter(|told| told.netns == Some(3)).collect();
    // What told of the first one went itself, and there is nothing left that it could explain.
    assert!(told.iter().any(|told| told.segment == 1), "{told:?}");
    assert_eq!(recorder.test().status, 0, "{}", recorder.test().stdout);
    let lines = recorder.coverage(&["--netns", "own", "--since", &since]);
    assert!(lines.contains("removed by retention") && !lines.contains("segment missing"), "{lines}");
}

#[test]
fn all_journals_together_have_no_more_than_is_allowed() {
    let own = Namespace::new("own");
    let others = [3, 4, 5].map(|id| another(&own, id));
    let all = [&own, &others[0], &others[1], &others[2]];
    let mut recorder = record(&own, 4, &["--max-size", "1M"]);
    // Some 400 KiB each: none is too large by itself.
    fill(&recorder, &all, 3500);
    begin_new_segments(&recorder, 4);
    recorder.wait_until_removed(2);
    recorder.stop();
    let segments = recorder.segments();
    assert!(bytes(&segments) <= 1 << 20, "{}", recorder.log());
    assert_eq!(recorder.log().matches(": removed: ").count(), 2, "no more than had to: {}", recorder.log());
    assert_eq!(recorder.test().status, 0, "{}", recorder.test().stdout);
}

#[test]
fn of_all_journals_no_more_goes_than_it_takes_for_some_room() {
    let (disk, inside) = SmallDisk::mount();
    let own = Namespace::new("own");
    let others = [3, 4, 5].map(|id| another(&own, id));
    let all = [&own, &others[0], &others[1], &others[2]];
    let mut recorder = {
        let arguments = ["--all-netns", "--min-free", "200K"];
        let recorder = Recorder::start_in(inside, &own, PATTERN, &arguments);
        wait_until("all tables to be read", || recorder.log().matches(" alive").count() == 4);
        recorder
    };
    // Some 60 KiB each.
    fill(&recorder, &all, 500);
    begin_new_segments(&recorder, 4);
    let free = || {
        let found = nix::sys::statvfs::statvfs(recorder.directory()).unwrap();
        found.blocks_available() * found.fragment_size()
    };
    let ballast = recorder.directory().join("ballast");
    let missing = 30 * 1024;
    fs::write(ballast, vec![0; usize::try_from(free() - (200 * 1024 - missing)).unwrap()]).unwrap();
    begin_new_segments(&recorder, 4);
    recorder.wait_until_removed(1);
    // The looks that follow find nothing that is missing.
    begin_new_segments(&recorder, 4);
    wait_until("a look", || free() >= 200 * 1024);
    recorder.stop();
    let removed = recorder.log().matches(": removed: ").count();
    assert!((1..=2).contains(&removed), "one, and one more for what was begun meanwhile: {}", recorder.log());
    drop(recorder);
    drop(disk);
}

#[test]
fn what_a_recorder_in_another_namespace_heard_of_others_is_not_another_ones_to_remove() {
    let (own, own_of_next) = (Namespace::new("own"), Namespace::new("next"));
    let other = another(&own, 7);
    let mut recorder = record(&own, 2, &[]);
    fill(&recorder, &[&own, &other], 10);
    recorder.outlive_first_second();
    recorder.stop();
    let before = recorder.segments();
    assert_eq!(before.iter().filter(|path| is_of(path, 7)).count(), 1);
    // The next one knows this namespace as well, by another id, and has another one by that.
    own_of_next.name_netns(&other, 5);
    let _seven = another(&own_of_next, 7);
    let arguments = ["--all-netns", "--max-age", "1s"];
    let mut recorder = recorder.start_again(&own_of_next, PATTERN, &arguments);
    wait_until("all tables to be read", || recorder.log().matches(" alive").count() >= 3);
    begin_new_segments(&recorder, 3);
    recorder.wait_until_removed(3);
    recorder.stop();
    for path in before {
        assert!(path.exists(), "{}: {}", path.display(), recorder.log());
    }
}
