//! One recorder for all network namespaces, where something is short: the disk, file descriptors, threads.

use std::fs;
use std::process::Command;

use ctrecorder_format::{Cause, Clock, Closing, Segment};
use nix::libc;
use tempfile::TempDir;

use super::metrics::{address, wait_for_sample};
use super::netns::{header, list, report_flows};
use crate::capture::recorder::{Recorder, make_flows, notes};
use crate::lab::{Namespace, wait_until};
use crate::small_disk::SmallDisk;

/// The recorder's own namespace, and another one that reports its flows under the id 3.
fn host() -> (Namespace, Namespace) {
    let (own, three) = (Namespace::new("own"), Namespace::new("three"));
    report_flows(&three);
    own.name_netns(&three, 3);
    (own, three)
}

/// From now on the recorder has no more than so many of this; `None`: as many as it may have.
fn limit(recorder: &Recorder, resource: libc::__rlimit_resource_t, most: Option<u64>) {
    let id = recorder.id() as libc::pid_t;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is a local variable, and no new one is given.
    assert_eq!(unsafe { libc::prlimit(id, resource, std::ptr::null(), &mut limit) }, 0);
    limit.rlim_cur = most.unwrap_or(limit.rlim_max);
    // SAFETY: the limit is a local variable, and the old one is not asked for.
    assert_eq!(unsafe { libc::prlimit(id, resource, &limit, std::ptr::null_mut()) }, 0);
}

#[test]
fn while_the_disk_takes_nothing_no_reading_keeps_a_namespace_alive() {
    let (disk, inside) = SmallDisk::mount();
    let (own, three) = host();
    for first in (0..20_000).step_by(500) {
        make_flows(&three, first..first + 500, false);
    }
    // Its table does not find room.
    fs::write(inside.path().join("ballast"), vec![0; 800 * 1024]).unwrap();
    let recorder = Recorder::start_in(inside, &own, "all.%s.ct", &["--all-netns"]);
    wait_until("the disk to be full", || recorder.log().contains("No space left on device"));
    drop(three);
    wait_until("the namespace to end", || {
        !own.run(Command::new("ip").args(["netns", "list-id"])).lines().any(|line| line.starts_with("nsid 3"))
    });
    drop(recorder);
    drop(disk);
}

#[test]
fn metrics_are_the_sums_over_all_namespaces() {
    let (own, three) = host();
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns", "--metrics", "127.0.0.1:0"]);
    make_flows(&own, 0..30, false);
    make_flows(&three, 0..5, false);
    wait_for_sample(&own, address(&recorder), "ctrecorder_flows_alive", 35.0);
    // Of every second, not of whichever thread counted last.
    for _ in 0..20 {
        wait_for_sample(&own, address(&recorder), "ctrecorder_segments_total", 2.0);
        wait_for_sample(&own, address(&recorder), "ctrecorder_flows_alive", 35.0);
    }
    recorder.stop();
}

#[test]
fn a_namespace_that_cannot_be_looked_at_for_want_of_file_descriptors_is_looked_at_later() {
    let own = Namespace::new("own");
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns"]);
    let open = fs::read_dir(format!("/proc/{}/fd", recorder.id())).unwrap().count() as u64;
    // As many as it has: poll(2) takes no more than it may have.
    limit(&recorder, libc::RLIMIT_NOFILE, Some(open));
    let three = Namespace::new("three");
    report_flows(&three);
    make_flows(&three, 0..5, false);
    own.name_netns(&three, 3);
    wait_until("it to say so", || recorder.log().contains("cannot be looked at: Too many open files"));
    limit(&recorder, libc::RLIMIT_NOFILE, None);
    wait_until("its table to be read", || recorder.log().contains("5 flows are alive"));
    recorder.stop();
    assert_eq!(list(&recorder, &["--netns", "3"]).len(), 5);
}

#[test]
fn where_no_thread_can_be_had_it_is_said_once_and_what_is_heard_waits() {
    use std::os::unix::fs::chown;
    let (own, directory) = (Namespace::new("own"), TempDir::new().unwrap());
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    chown(directory.path(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
    // The limit does not hold for root.
    let mut recorder = Recorder::start_in(directory, &own, "all.%s.ct", &["--all-netns", "-U", "nobody"]);
    let limit_threads = |most: &str| {
        let (id, threads) = (recorder.id().to_string(), format!("--nproc={most}:"));
        let mut limit = Command::new("setpriv");
        let user = ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "prlimit", "--pid"];
        assert!(limit.args(user).args([&id, &threads]).status().unwrap().success());
    };
    limit_threads("1");
    let three = Namespace::new("three");
    report_flows(&three);
    own.name_netns(&three, 3);
    make_flows(&three, 0..5, false);
    wait_until("it to say so", || recorder.log().contains("no thread can be started"));
    make_flows(&three, 5..10, false);
    recorder.outlive_first_second();
    recorder.outlive_first_second();
    limit_threads("1000");
    wait_until("all that was heard", || list(&recorder, &[]).len() == 10);
    assert_eq!(recorder.log().matches("no thread can be started").count(), 1, "{}", recorder.log());
    assert!(recorder.log().contains("there are threads again"), "{}", recorder.log());
    recorder.stop();
}

/// Where poll(2) may not watch as many files as there are, it fails, and so does the recorder.
#[test]
fn a_recorder_that_ends_by_an_error_ends_all_of_its_journals_in_order() {
    let (own, three) = host();
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns"]);
    wait_until("both tables to be read", || recorder.log().matches(" alive").count() == 2);
    make_flows(&three, 0..5, false);
    limit(&recorder, libc::RLIMIT_NOFILE, Some(1));
    assert_eq!(recorder.wait().code(), Some(5), "{}", recorder.log());
    for path in recorder.segments() {
        let bytes = fs::read(&path).unwrap();
        let closing = Segment::open(&bytes).unwrap().footer().map(|footer| footer.totals.closing);
        assert_eq!(closing, Some(Closing::Stopped), "{}: {}", path.display(), recorder.log());
        assert!(notes(&path).iter().any(|note| note.cause() == Some(Cause::Stopped)));
    }
}

#[test]
fn the_clock_that_a_header_names_is_that_of_its_namespace_and_delivery_is_lossy() {
    let (own, three) = host();
    own.sysctl("netfilter/nf_conntrack_timestamp", 0);
    three.sysctl("netfilter/nf_conntrack_timestamp", 1);
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns"]);
    wait_until("both tables to be read", || recorder.log().matches(" alive").count() == 2);
    recorder.stop();
    for path in recorder.segments() {
        let is_three = path.to_string_lossy().contains(".netns-3.");
        assert_eq!(header(&path).clock == Clock::Kernel, is_three, "{}", path.display());
    }
    // Of the table of the other one nobody knows how full it is.
    assert!(recorder.log().contains("lossy delivery"), "{}", recorder.log());
}
