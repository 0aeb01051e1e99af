//! Network namespaces that end before the recorder has come round to them: what was heard of them is written, or is a gap.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

use ctrecorder_format::Cause;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::netns::{header, list, report_flows};
use crate::capture::recorder::{Recorder, make_flows, notes};
use crate::lab::{Namespace, wait_until};
use crate::program::{answer, ctrecorder};

/// A namespace under this id that reports ten events, and ends.
fn flare_up(own: &Namespace, id: u32) {
    let namespace = Namespace::new("brief");
    report_flows(&namespace);
    own.name_netns(&namespace, id);
    make_flows(&namespace, 0..5, true);
    drop(namespace);
    wait_until("its id to be free", || {
        let ids = own.run(Command::new("ip").args(["netns", "list-id"]));
        !ids.lines().any(|line| line == format!("nsid {id}") || line.starts_with(&format!("nsid {id} ")))
    });
}

/// The files of other namespaces.
fn others(recorder: &Recorder) -> Vec<PathBuf> {
    let mut paths = recorder.segments();
    paths.retain(|path| path.to_string_lossy().contains(".netns-"));
    paths
}

#[test]
fn what_was_heard_of_a_namespace_that_ended_before_it_was_looked_at_is_written() {
    let own = Namespace::new("own");
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns"]);
    recorder.signal(Signal::SIGSTOP);
    (3..7).for_each(|id| flare_up(&own, id));
    recorder.signal(Signal::SIGCONT);
    recorder.wait_for_records(40);
    recorder.stop();
    for id in ["3", "4", "5", "6"] {
        assert_eq!(list(&recorder, &["--netns", id]).len(), 10, "{}", recorder.log());
        let coverage = answer(ctrecorder().args(["coverage", "--netns", id]).arg(recorder.directory()));
        assert!(coverage.stdout.contains("no gap"), "{}", coverage.stdout);
    }
    // Nobody knows which one it was.
    assert!(others(&recorder).iter().all(|path| header(path).namespace as u32 == 0));
    assert!(recorder.log().contains("lost: 0 in the kernel, 0 in the queue, 0 on disk"), "{}", recorder.log());
    assert_eq!(recorder.test().status, 0, "{}", recorder.test().stdout);
}

#[test]
fn what_no_file_could_be_had_for_is_a_gap_of_the_recorders_own_journal() {
    let own = Namespace::new("own");
    let directory = TempDir::new().unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let path = directory.path().to_path_buf();
    chown(&path, Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
    let mut recorder = Recorder::start_in(directory, &own, "all.%s.ct", &["--all-netns", "-U", "nobody"]);
    chown(&path, Some(0), Some(0)).unwrap();
    flare_up(&own, 3);
    wait_until("it to be given up", || recorder.log().contains("network namespace 3: 10 events are lost"));
    let status = recorder.end(Signal::SIGTERM);
    assert_eq!(status.code(), Some(5), "{}", recorder.log());
    assert!(others(&recorder).is_empty());
    let notes: Vec<_> = notes(&recorder.segments()[0]);
    let gap = notes.iter().find(|note| note.cause() == Some(Cause::DiskError)).expect("a gap");
    assert_eq!(gap.lost(), Some(10));
    assert!(recorder.log().contains("10 in the queue"), "{}", recorder.log());
    let coverage = answer(ctrecorder().args(["coverage", "--netns", "own"]).arg(recorder.directory()));
    assert!(coverage.stdout.contains("10 events lost"), "{}", coverage.stdout);
}
