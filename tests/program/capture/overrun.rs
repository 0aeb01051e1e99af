//! The kernel's buffer runs over: the loss is in the journal, to the event.

use nix::sys::signal::Signal;

use crate::capture::recorder::{Recorder, make_flows};
use crate::lab::Namespace;
use crate::program::{answer, ctrecorder};

#[test]
fn every_event_is_recorded_or_counted() {
    let namespace = Namespace::new("overrun");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &["-b", "64"]);
    make_flows(&namespace, 0..5, true);
    recorder.wait_for_records(10);
    recorder.signal(Signal::SIGSTOP);
    make_flows(&namespace, 5..2000, true);
    recorder.signal(Signal::SIGCONT);
    recorder.stop();
    let listed = answer(ctrecorder().args(["list", "-H"]).arg(recorder.directory()));
    let gaps: Vec<_> = listed.stderr.lines().collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let lost = gaps[0].strip_suffix(" events lost").and_then(|line| line.rsplit(' ').next()).expect("a number");
    let lost: usize = lost.parse().unwrap();
    assert!(lost > 0 && gaps[0].contains("socket buffer full"), "{gaps:?}");
    assert_eq!(listed.stdout.lines().count() + lost, 4000);
    assert_eq!(recorder.test().status, 0);
}
