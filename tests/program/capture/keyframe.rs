//! Each segment tells of every flow that was alive when it began, once.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use ctrecorder_format::Cause;
use nix::sys::signal::Signal;

use crate::capture::account::Account;
use crate::capture::recorder::{Recorder, end_flows, make_flows, notes, text};
use crate::lab::{Namespace, wait_until};
use crate::program::{answer, ctrecorder};

/// By the kernel's default setting (2), the ends of flows that began while nobody listened are not reported. Somebody in another
/// namespace may listen just now, so the flows begin with another one: that they are not to be reported at all.
#[test]
fn flows_that_were_there_before_are_found_and_so_are_their_ends() {
    let namespace = Namespace::new("before");
    namespace.sysctl("netfilter/nf_conntrack_events", 0);
    make_flows(&namespace, 0..10_000, false);
    namespace.sysctl("netfilter/nf_conntrack_events", 2);
    let mut recorder = Recorder::start(&namespace, "ct.%s", &["--poll", "1"]);
    wait_until("the table to be read", || recorder.log().contains("10000 flows are alive; 10000 began before"));
    make_flows(&namespace, 10_000..10_100, false);
    end_flows(&namespace, 0..500);
    end_flows(&namespace, 10_000..10_050);
    wait_until("the ends to be found", || Account::of(recorder.directory()).ends == 550);
    recorder.stop();
    let account = Account::of(recorder.directory());
    let expected = Account { starts: 100, ends: 550, opens: 10_000, ends_found: 500, ..Account::default() };
    assert_eq!(account, expected);
    let notes = notes(&recorder.segments()[0]);
    let stopped = notes.iter().find(|note| note.cause() == Some(Cause::Stopped));
    assert_eq!(stopped.map(|note| note.value.get()), Some(9550), "the flows left open");
    assert_eq!(recorder.test().status, 0);
}

/// Of these flows the recorder does not hear that they ended, only that others with the same tuples began; which have the same
/// ids, where the kernel finds their old place in memory.
#[test]
fn a_tuple_that_begins_again_in_silence_is_another_flow() {
    let namespace = Namespace::new("again");
    namespace.sysctl("netfilter/nf_conntrack_events", 0);
    make_flows(&namespace, 0..100, false);
    namespace.sysctl("netfilter/nf_conntrack_events", 2);
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    for number in 0..100 {
        end_flows(&namespace, number..number + 1);
        make_flows(&namespace, number..number + 1, false);
    }
    recorder.stop();
    let account = Account::of(recorder.directory());
    assert_eq!((account.opens, account.starts, account.gaps.len()), (100, 100, 0), "{account:?}");
    // Those that were not told apart by their id are still looked for.
    assert_eq!(account.ends, account.ends_found, "{account:?}");
}

#[test]
fn both_families_and_every_protocol_are_in_the_keyframe() {
    let namespace = Namespace::new("families");
    namespace.run(std::process::Command::new("sh").args(["-c", CONNTRACK]));
    let mut recorder = Recorder::start(&namespace, "ct.%s", &["-p", "all"]);
    wait_until("the table to be read", || recorder.log().contains("4 flows are alive"));
    recorder.outlive_first_second();
    recorder.signal(Signal::SIGHUP);
    recorder.wait_for_segments(2);
    recorder.stop();
    for segment in recorder.segments() {
        let listed = answer(ctrecorder().args(["list", "-H"]).arg(&segment));
        let mut flows: Vec<_> = listed.stdout.lines().map(|line| line[26..].to_owned()).collect();
        flows.sort();
        let expected = [
            " O  src=10.0.0.1:1000 dst=198.51.100.7:80 src=198.51.100.7:80 dst=203.0.113.1:2000",
            " O  src=10.0.0.1:1000 dst=198.51.100.7:80 src=198.51.100.7:80 dst=203.0.113.1:2000",
            " O  src=10.0.0.2:77 dst=198.51.100.7:2048 src=198.51.100.7:77 dst=10.0.0.2:0",
            " O  src=[2001:db8::1]:1000 dst=[2001:db8::2]:80 src=[2001:db8::2]:80 dst=[2001:db8::1]:1000",
        ];
        assert_eq!(flows, expected, "{}", segment.display());
    }
}

/// The same tuples in two protocols, a ping, and IPv6.
const CONNTRACK: &str = "
    conntrack -I -p tcp -s 10.0.0.1 -d 198.51.100.7 --sport 1000 --dport 80 -r 198.51.100.7 -q 203.0.113.1 \\
        --reply-port-src 80 --reply-port-dst 2000 --state ESTABLISHED -t 600 2>&1
    conntrack -I -p udp -s 10.0.0.1 -d 198.51.100.7 --sport 1000 --dport 80 -r 198.51.100.7 -q 203.0.113.1 \\
        --reply-port-src 80 --reply-port-dst 2000 -t 600 2>&1
    conntrack -I -p icmp -s 10.0.0.2 -d 198.51.100.7 --icmp-type 8 --icmp-code 0 --icmp-id 77 -t 600 2>&1
    conntrack -I -p tcp -s 2001:db8::1 -d 2001:db8::2 --sport 1000 --dport 80 --state ESTABLISHED -t 600 2>&1
";

/// Rotation every second while flows come and go: no event is lost, and each segment stands for itself.
#[test]
fn under_load_each_segment_tells_of_each_flow_alive_once() {
    const FLOWS: u32 = 60_000;
    const ALIVE: u32 = 5_000;
    let namespace = Namespace::new("rotating");
    let mut recorder = Recorder::start(&namespace, "ct.%s", &[]);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            for first in (0..FLOWS).step_by(200) {
                make_flows(&namespace, first..first + 200, false);
                if first >= ALIVE {
                    end_flows(&namespace, first - ALIVE..first - ALIVE + 200);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let is_whole = || recorder.segments().last().is_some_and(|segment| is_whole(segment));
        while !load.is_finished() {
            recorder.outlive_first_second();
            // Where the machine has a lot to do, that may take longer than a second: then the segment does.
            wait_until("the table to be read", is_whole);
            recorder.signal(Signal::SIGHUP);
        }
    });
    recorder.stop();
    let account = Account::of(recorder.directory());
    let expected = Account { starts: FLOWS as usize, ends: (FLOWS - ALIVE) as usize, ..Account::default() };
    assert_eq!(account, expected, "{}", recorder.log());
    let segments = recorder.segments();
    assert!(segments.len() >= 5, "{} segments", segments.len());
    let mut alive = HashSet::new();
    for segment in &segments {
        let is_whole = is_whole(segment);
        replay(segment, is_whole, &mut alive);
        assert!(is_whole || segment == segments.last().unwrap(), "{}", segment.display());
    }
    assert_eq!(alive, (FLOWS - ALIVE..FLOWS).map(text).collect());
    assert_eq!(recorder.test().status, 0);
}

/// Whether the kernel's table was read in a segment, as far as that is written.
fn is_whole(segment: &Path) -> bool {
    notes(segment).iter().any(|note| note.cause() == Some(Cause::TableRead))
}

/// Holds the records of a segment against the flows that were alive before it.
fn replay(segment: &Path, is_whole: bool, alive: &mut HashSet<String>) {
    let listed = answer(ctrecorder().args(["list", "-H"]).arg(segment));
    let mut told = HashSet::new();
    let mut ended_untold = HashSet::new();
    for line in listed.stdout.lines() {
        let flow = line[30..].to_owned();
        match &line[27..28] {
            "O" => {
                assert!(alive.contains(&flow), "open and not alive: {line}");
                assert!(told.insert(flow), "told twice: {line}");
            }
            "S" => {
                assert!(alive.insert(flow.clone()), "begun and alive: {line}");
                assert!(told.insert(flow), "told twice: {line}");
            }
            _ => {
                assert!(alive.remove(&flow), "ended and not alive: {line}");
                if !told.remove(&flow) {
                    ended_untold.insert(flow);
                }
            }
        }
    }
    if is_whole {
        let missing: Vec<_> = alive.difference(&told).collect();
        assert!(missing.is_empty(), "{}: not told of {missing:?}", segment.display());
    }
}
