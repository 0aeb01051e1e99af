//! The kernel's buffer runs over: the loss is in the journal, to the event.

use nix::sys::signal::Signal;

use crate::capture::account::Account;
use crate::capture::recorder::{Recorder, end_flows, make_flows, text};
use crate::lab::{Namespace, wait_until};

/// Flows 0 to 100 live through it all; 100 to 200 begin before the recorder is stopped and end meanwhile; 200 to 2000 begin
/// and end meanwhile, and 2000 to 2100 begin meanwhile and live on. Then there are 100 flows more.
const EVENTS: usize = 200 + 100 + 2 * 1800 + 100 + 2 * 100;

fn overrun(arguments: &[&str]) -> (Recorder, Account) {
    let namespace = Namespace::new("overrun");
    let mut recorder = Recorder::start(&namespace, "ct.%s", arguments);
    for first in (0..200).step_by(50) {
        make_flows(&namespace, first..first + 50, false);
        recorder.wait_for_records(first as usize + 50);
    }
    recorder.signal(Signal::SIGSTOP);
    end_flows(&namespace, 100..200);
    make_flows(&namespace, 200..2000, true);
    make_flows(&namespace, 2000..2100, false);
    recorder.signal(Signal::SIGCONT);
    wait_until("the recorder to find out what was lost", || recorder.log().contains("the table was read again"));
    make_flows(&namespace, 2100..2200, true);
    recorder.stop();
    let account = Account::of(recorder.directory());
    assert_eq!(recorder.test().status, 0);
    (recorder, account)
}

#[test]
fn with_reliable_delivery_no_end_is_lost_and_the_starts_are_counted() {
    let (recorder, account) = overrun(&["-b", "64"]);
    assert_eq!(account.events(), EVENTS, "{account:?}");
    assert!(account.lost() > 0, "{account:?}");
    assert!(account.gaps.iter().all(|(cause, _)| cause == "socket buffer full"), "{account:?}");
    // Each flow that ended has its end, heard and not found.
    assert_eq!((account.ends, account.ends_found), (100 + 1800 + 100, 0), "{account:?}");
    all_that_live_are_told(&recorder);
}

#[test]
fn with_lossy_delivery_starts_are_recovered_and_ends_found() {
    let (recorder, account) = overrun(&["-b", "64", "--delivery", "lossy"]);
    assert_eq!(account.events(), EVENTS, "{account:?}");
    assert!(account.lost() > 0, "{account:?}");
    assert_eq!(account.starts_found, 100, "{account:?}");
    // Some of the ends of 100 to 200 found room, and so did some starts of 200 to 2000.
    assert!(account.ends_found > 0, "{account:?}");
    all_that_live_are_told(&recorder);
    for number in 100..200 {
        let ends =
            recorder.list().iter().filter(|line| &line[27..28] == "E" && line[30..].starts_with(&text(number))).count();
        assert_eq!(ends, 1, "{}", text(number));
    }
}

fn all_that_live_are_told(recorder: &Recorder) {
    let list = recorder.list();
    for number in (0..100).chain(2000..2100) {
        let kinds: Vec<_> =
            list.iter().filter(|line| line[30..].starts_with(&text(number))).map(|line| &line[27..28]).collect();
        assert_eq!(kinds, ["S"], "{}", text(number));
    }
}

/// With the default buffer a recorder that is stopped for seconds loses nothing.
#[test]
fn a_stop_of_some_seconds_under_load_loses_nothing_by_default() {
    let namespace = Namespace::new("paused");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    recorder.signal(Signal::SIGSTOP);
    for first in (0..15_000).step_by(500) {
        make_flows(&namespace, first..first + 500, true);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    recorder.signal(Signal::SIGCONT);
    recorder.stop();
    let account = Account::of(recorder.directory());
    let all = Account { starts: 15_000, ends: 15_000, ..Account::default() };
    assert_eq!(account, all);
}

/// Starts and ends that are lost in the queue, beside ends that the kernel holds back.
#[test]
fn a_short_queue_behind_a_small_buffer_is_accounted_for_too() {
    let namespace = Namespace::new("both-full");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &["-b", "256", "-B", "20"]);
    for first in (0..10_000).step_by(1000) {
        make_flows(&namespace, first..first + 1000, false);
        recorder.signal(Signal::SIGSTOP);
        end_flows(&namespace, first..first + 900);
        recorder.signal(Signal::SIGCONT);
    }
    wait_until("the kernel to hold nothing back", || sysctl(&namespace, "nf_conntrack_count") == 1000);
    wait_until("the account of it", || Account::of(recorder.directory()).gaps.iter().all(|(_, lost)| lost.is_some()));
    recorder.stop();
    let account = Account::of(recorder.directory());
    assert_eq!(account.events(), 19_000, "{account:?} {}", recorder.log());
    assert!(account.gaps.iter().any(|(cause, _)| cause == "queue full"), "{account:?}");
}

/// Where another listener wants reliable delivery and hangs, the kernel reports each end to everyone again and again.
#[test]
fn what_is_reported_again_for_another_listeners_sake_is_recorded_once() {
    let namespace = Namespace::new("two");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    let mut other = Recorder::start(&namespace, "other.%s", &["-b", "16"]);
    other.signal(Signal::SIGSTOP);
    make_flows(&namespace, 0..1000, true);
    wait_until("the kernel to report something again", || {
        recorder.signal(Signal::SIGUSR1);
        let log = recorder.log();
        log.lines().rfind(|line| line.contains("repeated")).is_some_and(|line| !line.contains(" 0 repeated"))
    });
    other.signal(Signal::SIGCONT);
    wait_until("the kernel to hold nothing back", || sysctl(&namespace, "nf_conntrack_count") == 0);
    recorder.stop();
    other.stop();
    let all = Account { starts: 1000, ends: 1000, ..Account::default() };
    assert_eq!(Account::of(recorder.directory()), all);
    assert_eq!(Account::of(other.directory()).events(), 2000);
}

/// Ends that are held back fill the kernel's table: before new connections fail, the recorder lets go of them.
#[test]
fn delivery_becomes_lossy_before_the_kernels_table_is_full() {
    let namespace = Namespace::new("watchdog");
    let max = sysctl(&namespace, "nf_conntrack_max");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &["-b", "64"]);
    recorder.signal(Signal::SIGSTOP);
    let flows = max / 100 * 92;
    for first in (0..flows).step_by(20_000) {
        make_flows(&namespace, first..flows.min(first + 20_000), true);
    }
    recorder.signal(Signal::SIGCONT);
    wait_until("lossy delivery", || recorder.log().contains("lossy delivery"));
    wait_until("the kernel to let go of the flows", || sysctl(&namespace, "nf_conntrack_count") < 1000);
    make_flows(&namespace, 300_000..300_010, true);
    recorder.stop();
    let account = Account::of(recorder.directory());
    assert!(account.ends >= 10, "{account:?}");
    assert!(account.gaps.iter().all(|(cause, _)| cause == "socket buffer full"), "{account:?}");
}

/// A number that the kernel tells of connection tracking in the namespace.
fn sysctl(namespace: &Namespace, name: &str) -> u32 {
    let path = format!("/proc/sys/net/netfilter/{name}");
    namespace.enter(|| std::fs::read_to_string(path).unwrap()).trim().parse().unwrap()
}
