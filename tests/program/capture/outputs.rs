//! Lines in the form of conntrack(8), held against what it printed of the same events of the kernel.

use std::process::Command;

use ctrecorder::netlink::kernel::status::{IPS_ASSURED, IPS_SEEN_REPLY};
use ctrecorder::netlink::request::{self, NewFlow};
use ctrecorder::netlink::socket::RequestSocket;
use ctrecorder::netlink::{Tuple, kernel::protocol::*};

use crate::capture::recorder::Recorder;
use crate::lab::{Family, Lab, Namespace, Process, wait_until};
use crate::program::{answer, ctrecorder};

/// Starts `conntrack -E` with what our lines are made after.
fn watch(namespace: &Namespace) -> Process {
    let mut command = Command::new("conntrack");
    command.args(["-E", "-o", "timestamp,extended,id", "-e", "NEW,DESTROY"]);
    let mut conntrack = Process::start(namespace, &mut command);
    conntrack.wait_until_listening();
    conntrack
}

/// Stops the recorder once conntrack has printed so many lines, and asserts that ours are the same but for what a record does
/// not hold. Returns them.
fn assert_same(conntrack: &Process, mut recorder: Recorder, count: usize) -> Vec<String> {
    wait_until("conntrack to print all events", || conntrack.stdout().matches('\n').count() >= count);
    recorder.stop();
    let listed = answer(ctrecorder().args(["list", "-H", "-o", "conntrack"]).arg(recorder.directory()));
    assert_eq!(listed.status, 0, "{}", listed.stderr);
    let mut own: Vec<_> = listed.stdout.lines().map(|line| without_time(line).to_owned()).collect();
    let mut theirs: Vec<_> = conntrack.stdout().lines().map(as_recorded).collect();
    own.sort();
    theirs.sort();
    for (own, theirs) in own.iter().zip(&theirs) {
        assert_eq!(own, theirs);
    }
    assert_eq!((own.len(), theirs.len()), (count, count));
    own
}

/// A line without its time, which is that of one program or the other: `[SECONDS.MICROSECONDS]` and a tab.
fn without_time(line: &str) -> &str {
    let (time, rest) = line.split_once('\t').unwrap_or_else(|| panic!("no time: {line}"));
    let (seconds, micros) = time[1..time.len() - 1].split_once('.').unwrap();
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    assert!(time.starts_with('[') && time.ends_with(']'), "{line}");
    assert!(digits(seconds) && digits(micros) && micros.len() == 6, "{line}");
    rest
}

/// conntrack's line as far as a record holds it: no timeout, no states but those of TCP, no mark of 0, and not who made the event.
fn as_recorded(line: &str) -> String {
    let line = without_time(line);
    let line = line.split_once(" [USERSPACE]").map_or(line, |(line, _)| line);
    let (head, tuples) = line.split_at(line.find("src=").unwrap());
    // `[NEW] ipv4 2 tcp 6 120 SYN_SENT `: the spaces before the fifth word stay as they are.
    let words: Vec<_> = head.split_whitespace().collect();
    let number = head.find(&format!(" {} ", words[4])).unwrap() + 1;
    let state = match words[3] {
        "tcp" => words.last().filter(|word| word.contains(|letter: char| letter.is_ascii_uppercase())),
        _ => None,
    };
    let state = state.map(|state| format!("{state} ")).unwrap_or_default();
    format!("{}{} {state}{}", &head[..number], words[4], tuples.replace(" mark=0 ", " "))
}

/// With everything on that the kernel tells only if asked for: packets, bytes, and how long a flow lasted.
#[test]
fn traffic_is_listed_as_conntrack_printed_it() {
    let lab = Lab::new();
    for setting in ["acct", "timestamp"] {
        lab.router.sysctl(&format!("netfilter/nf_conntrack_{setting}"), 1);
    }
    let conntrack = watch(&lab.router);
    let recorder = Recorder::start(&lab.router, "ct.%s", &["-p", "all"]);
    let mut flows = 0;
    for family in [Family::V4, Family::V6] {
        flows += lab.tcp(family, 2).len();
        lab.udp(family);
        lab.udp_unanswered(family);
        lab.tcp_from_outside(family);
        lab.ping(family, 77);
        flows += 4;
    }
    lab.wait_for_silence();
    let lines = assert_same(&conntrack, recorder, 2 * flows);
    for part in [" SYN_SENT src=", " TIME_WAIT src=", " [UNREPLIED] ", " packets=", " delta-time=", " icmpv6   58 src="]
    {
        assert!(lines.iter().any(|line| line.contains(part)), "{part} in {lines:#?}");
    }
}

/// Flows as no traffic here would make them: every protocol, zones, marks, and states.
#[test]
fn flows_of_every_kind_are_listed_as_conntrack_printed_them() {
    let namespace = Namespace::new("router");
    let conntrack = watch(&namespace);
    let recorder = Recorder::start(&namespace, "ct.%s", &["-p", "all"]);
    let flows = flows_of_every_kind();
    let (mut made, mut ended) = (Vec::new(), Vec::new());
    for flow in &flows {
        request::create(&mut made, flow);
        request::delete(&mut ended, &flow.original, flow.protocol, flow.zone);
    }
    let mut requests = namespace.enter(RequestSocket::open).unwrap();
    requests.execute_all(&made).unwrap();
    requests.execute_all(&ended).unwrap();
    let lines = assert_same(&conntrack, recorder, 2 * flows.len());
    for part in [" [ASSURED] mark=4294967295 zone=9 id=", " srckey=0x1234 ", " unknown  89 src=", " udplite  136 src="]
    {
        assert!(lines.iter().any(|line| line.contains(part)), "{part} in {lines:#?}");
    }
}

fn flows_of_every_kind() -> Vec<NewFlow> {
    let hosts = [["10.0.0.1", "198.51.100.7", "203.0.113.6"], ["fd00::1", "2a00::7", "2001:db8::6"]];
    let mut flows = Vec::new();
    for (addresses, icmp, request) in [(hosts[0], IPPROTO_ICMP, 8_u16), (hosts[1], IPPROTO_ICMPV6, 128)] {
        let [inside, server, public] = addresses.map(|address| address.parse().unwrap());
        let flow = |protocol, ports: [u16; 4]| NewFlow {
            original: Tuple { src: inside, dst: server, sport: ports[0], dport: ports[1] },
            reply: Tuple { src: server, dst: public, sport: ports[2], dport: ports[3] },
            protocol,
            timeout_s: 600,
            status: 0,
            mark: 0,
            zone: 0,
            tcp_state: 0,
        };
        for protocol in [IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_DCCP, IPPROTO_GRE] {
            flows.push(flow(protocol, [0x1234, 443, 443, 36782]));
        }
        // IPv4 replies to a request of type 8 are of type 0, those of IPv6 to 128 of 129.
        let answer = if request == 8 { 0 } else { 129 };
        flows.push(flow(icmp, [77, request << 8, 77, answer << 8]));
        flows.push(flow(89, [0; 4]));
        for tcp_state in 1..=9 {
            let port = 1024 + u16::from(tcp_state);
            flows.push(NewFlow { tcp_state, ..flow(IPPROTO_TCP, [port, 443, 443, port]) });
        }
        let marked = NewFlow { mark: u32::MAX, zone: 9, ..flow(IPPROTO_UDP, [1, 2, 2, 3]) };
        for status in [0, IPS_SEEN_REPLY, IPS_ASSURED, IPS_SEEN_REPLY | IPS_ASSURED] {
            let port = 5000 + status as u16;
            let tuples = flow(IPPROTO_UDP, [port, 443, 443, port]);
            flows.push(NewFlow { original: tuples.original, reply: tuples.reply, status, ..marked });
        }
    }
    flows
}
