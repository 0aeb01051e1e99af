//! The laboratory itself: its traffic is translated, and the kernel tells of it as the hosts saw it.

use std::net::SocketAddr;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::lab::{Conntrack, Event, Family, Flow, Happening, Lab, Namespace, Process, wait_until};

/// Asserts that `conntrack` sees each of `flows` start, end, and nothing else happen.
fn assert_nothing_but(lab: &Lab, conntrack: &Conntrack, flows: &[Flow]) {
    lab.wait_for_silence();
    for (start, end) in conntrack.wait_for_ends(flows) {
        assert_eq!(start.id, end.id);
    }
    let events = conntrack.events();
    let strays: Vec<&Event> = events
        .iter()
        .filter(|event| !flows.contains(&event.flow))
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
    assert_eq!(events.len(), 2 * flows.len());
}

/// Whether nothing of one endpoint could be taken for a part of the other.
fn differ(inside: SocketAddr, public: SocketAddr) -> bool {
    inside.ip() != public.ip() && inside.port() != public.port()
}

fn every_kind_of_traffic(family: Family) {
    let lab = Lab::new();
    let conntrack = Conntrack::watch(&lab.router);
    let open = lab.open_tcp(family);

    let mut flows = lab.tcp(family, 3);
    flows.push(lab.udp(family));
    flows.push(lab.udp_unanswered(family));
    for flow in &flows {
        let (inside, public) = (flow.original.src, flow.reply.dst);
        assert!(
            differ(inside, public),
            "source NAT changes address and port: {flow}"
        );
        assert_eq!(flow.original.dst, flow.reply.src);
    }
    let called = lab.tcp_from_outside(family);
    let (public, inside) = (called.original.dst, called.reply.src);
    assert!(
        differ(inside, public),
        "destination NAT changes address and port: {called}"
    );
    assert_eq!(called.original.src, called.reply.dst);
    flows.push(called);
    flows.push(lab.ping(family, 4242));

    // Whatever has ended by now, it is not the flow that was open all the time.
    let happenings = |flow: &Flow| -> Vec<Happening> {
        let events = conntrack.events();
        events
            .iter()
            .filter(|event| event.flow == *flow)
            .map(|event| event.happening)
            .collect()
    };
    wait_until("the open flow's start", || !happenings(&open.flow).is_empty());
    assert_eq!(happenings(&open.flow), [Happening::Start]);
    flows.push(open.close());

    assert_nothing_but(&lab, &conntrack, &flows);
}

#[test]
fn ipv4_traffic_is_translated_and_seen() {
    every_kind_of_traffic(Family::V4);
}

#[test]
fn ipv6_traffic_is_translated_and_seen() {
    every_kind_of_traffic(Family::V6);
}

#[test]
fn a_namespace_alone_has_a_table_of_its_own() {
    let (one, other) = (Namespace::new("one"), Namespace::new("other"));
    let (conntrack, silent) = (Conntrack::watch(&one), Conntrack::watch(&other));
    let original = "--proto udp --src 10.0.0.1 --sport 1000 --dst 192.0.2.1 --dport 53";
    let reply = "--reply-src 192.0.2.1 --reply-port-src 53 --reply-dst 203.0.113.9 --reply-port-dst 2000";
    let flow = original
        .split(' ')
        .chain(reply.split(' '))
        .chain(["--timeout", "60"]);
    one.run(Command::new("conntrack").arg("-I").args(flow));
    one.run(Command::new("conntrack").args(["-D", "-p", "udp"]));

    wait_until("start and end", || conntrack.events().len() == 2);
    let happenings: Vec<_> = conntrack.events().iter().map(|event| event.happening).collect();
    assert_eq!(happenings, [Happening::Start, Happening::End]);
    let told = conntrack.events()[0].flow.to_string();
    assert_eq!(
        told,
        "src=10.0.0.1:1000 dst=192.0.2.1:53 src=192.0.2.1:53 dst=203.0.113.9:2000"
    );
    assert_eq!(silent.events().len(), 0);
}

#[test]
fn a_namespace_and_its_programs_go_with_the_test_even_if_it_fails() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let failed = std::thread::spawn(move || {
        let namespace = Namespace::new("doomed");
        let process = Process::start(&namespace, Command::new("sleep").arg("600"));
        sender.send((namespace.name().to_owned(), process.id())).unwrap();
        panic!("as a failing assertion would");
    })
    .join();
    assert!(failed.is_err());
    let (name, id) = receiver.recv().unwrap();
    assert!(!std::path::Path::new("/run/netns").join(name).exists());
    assert!(!std::path::Path::new("/proc").join(id.to_string()).exists());
}

#[test]
fn a_program_is_sent_signals_and_its_output_is_kept() {
    let namespace = Namespace::new("signals");
    let script = "trap 'echo heard; echo told >&2; exit 3' HUP; echo ready; while :; do sleep 0.05; done";
    let mut process = Process::start(&namespace, Command::new("sh").args(["-c", script]));
    wait_until("the trap to be set", || process.stdout() == "ready\n");
    process.signal(Signal::SIGHUP);
    assert_eq!(process.wait().code(), Some(3));
    assert_eq!(process.stdout(), "ready\nheard\n");
    assert_eq!(process.stderr(), "told\n");
}
