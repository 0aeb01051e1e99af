//! What each signal does.

use nix::sys::signal::Signal;

use crate::capture::account::Account;
use crate::capture::recorder::{Recorder, make_flows, text};
use crate::lab::{Namespace, wait_until};

#[test]
fn each_signal_to_end_writes_everything_and_the_footer() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let namespace = Namespace::new("signals");
        let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
        make_flows(&namespace, 0..500, true);
        let status = recorder.end(signal);
        assert!(status.success(), "{signal}: {status}");
        assert_eq!(recorder.list().len(), 1000, "{signal}");
        let tested = recorder.test();
        assert_eq!(tested.status, 0, "{signal}: {}", tested.stdout);
        assert!(recorder.log().contains("received 500 starts, 500 ends"), "{signal}: {}", recorder.log());
    }
}

#[test]
fn sighup_begins_a_new_file_and_nothing_is_lost() {
    let namespace = Namespace::new("sighup");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    make_flows(&namespace, 0..100, false);
    recorder.outlive_first_second();
    recorder.signal(Signal::SIGHUP);
    let segments = recorder.wait_for_segments(2);
    make_flows(&namespace, 100..200, false);
    recorder.stop();
    assert_eq!(recorder.segments(), segments);
    let starts: Vec<_> = recorder.list().iter().map(|line| line[30..].to_owned()).collect();
    assert_eq!(starts, (0..200).map(text).collect::<Vec<_>>());
    let tested = recorder.test();
    assert_eq!(tested.status, 0, "{}", tested.stdout);
}

#[test]
fn sigusr1_writes_what_there_is_and_logs_statistics() {
    let namespace = Namespace::new("sigusr1");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    make_flows(&namespace, 0..3, true);
    wait_until("statistics of all six events", || {
        recorder.signal(Signal::SIGUSR1);
        recorder.log().contains("received 3 starts, 3 ends")
    });
    assert_eq!(recorder.list().len(), 6);
    recorder.stop();
    assert_eq!(recorder.list().len(), 6);
}

/// Once, a command that arrived while another one was being carried out was lost, and the recorder never ended.
#[test]
fn a_signal_right_behind_another_one_is_not_lost() {
    for _ in 0..20 {
        let namespace = Namespace::new("both");
        let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
        make_flows(&namespace, 0..2000, true);
        recorder.signal(Signal::SIGUSR1);
        recorder.stop();
        assert_eq!(recorder.list().len(), 4000);
    }
}

/// Once, what was received while the last file was still being closed was in no file.
#[test]
fn a_stop_under_load_writes_all_that_was_received() {
    for _ in 0..5 {
        let namespace = Namespace::new("stop");
        let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
        recorder.outlive_first_second();
        std::thread::scope(|scope| {
            let load = scope.spawn(|| {
                (0..40_000).step_by(500).for_each(|first| make_flows(&namespace, first..first + 500, true));
            });
            wait_until("some flows", || !recorder.list().is_empty());
            recorder.signal(Signal::SIGHUP);
            recorder.stop();
            load.join().unwrap();
        });
        let log = recorder.log();
        let statistics = log.lines().rfind(|line| line.contains("received")).expect("statistics");
        let [starts, ends] = [" starts", " ends"].map(|word| {
            let (before, _) = statistics.split_once(word).unwrap();
            before.rsplit(' ').next().unwrap().parse::<usize>().unwrap()
        });
        let account = Account::of(recorder.directory());
        assert_eq!((account.starts, account.ends, account.lost()), (starts, ends, 0), "{log}");
    }
}

#[test]
fn two_wishes_for_a_new_file_within_a_second_are_one() {
    let namespace = Namespace::new("twice");
    let mut recorder = Recorder::start(&namespace, "ct.%Y%m%d-%H%M%S", &[]);
    make_flows(&namespace, 0..10, false);
    recorder.outlive_first_second();
    recorder.signal(Signal::SIGHUP);
    recorder.wait_for_segments(2);
    recorder.signal(Signal::SIGHUP);
    make_flows(&namespace, 10..20, false);
    recorder.wait_for_records(20);
    recorder.stop();
    // Unless the second one came in the next second, which is a wish of its own.
    let warned = recorder.log().contains("exists");
    assert!(!warned, "{}", recorder.log());
}
