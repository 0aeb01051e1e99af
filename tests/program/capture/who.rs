//! Who it was, asked of what the recorder heard of real traffic.

use std::net::SocketAddr;
use std::time::SystemTime;

use ctrecorder::netlink::Tuple;
use ctrecorder::netlink::request::{self, NewFlow};
use ctrecorder::netlink::socket::RequestSocket;
use serde_json::Value;

use crate::capture::recorder::Recorder;
use crate::lab::{Family, Flow, Lab, Namespace};
use crate::program::{Answer, answer, ctrecorder};

/// Asks the recorder's files who had an endpoint now.
fn who(recorder: &Recorder, endpoint: SocketAddr, arguments: &[&str]) -> Answer {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let at = format!("@{}.{:09}", now.as_secs(), now.subsec_nanos());
    let mut who = ctrecorder();
    who.args(["who", &endpoint.to_string(), "--at", &at, "-o", "json"]).args(arguments).arg(recorder.directory());
    answer(&mut who)
}

/// Verdict, and the flows as inside endpoint, peer, translation.
fn told(answer: &Answer) -> (String, Vec<[String; 3]>) {
    let json: Value = serde_json::from_str(&answer.stdout).unwrap();
    let endpoint = |end: &Value| {
        let (ip, port) = (end["ip"].as_str().unwrap().parse().unwrap(), end["port"].as_u64().unwrap());
        SocketAddr::new(ip, port as u16).to_string()
    };
    let text = |text: &Value| text.as_str().unwrap().to_owned();
    let flows = json["flows"].as_array().unwrap().iter();
    let flows = flows.map(|flow| [endpoint(&flow["inside"]), endpoint(&flow["peer"]), text(&flow["translation"])]);
    (text(&json["verdict"]), flows.collect())
}

fn unique(inside: SocketAddr, peer: SocketAddr, how: &str) -> (String, Vec<[String; 3]>) {
    ("UNIQUE".into(), vec![[inside.to_string(), peer.to_string(), how.into()]])
}

fn everyone_is_found(family: Family) {
    let lab = Lab::new();
    let mut recorder = Recorder::start(&lab.router, "all.%s", &["-p", "all"]);
    let tcp = lab.tcp(family, 2).pop().unwrap();
    let udp = lab.udp(family);
    let forwarded = lab.tcp_from_outside(family);
    let ping = lab.ping(family, 77);
    lab.wait_for_silence();
    recorder.stop();
    let asked = |endpoint, arguments: &[&str]| told(&who(&recorder, endpoint, arguments));
    for Flow { original, reply, .. } in [tcp, udp] {
        assert_eq!(asked(reply.dst, &[]), unique(original.src, original.dst, "source NAT"));
        // The server is found as well: it is nobody but itself, and called by the public name.
        let (verdict, flows) = asked(original.dst, &["--peer", &reply.dst.to_string()]);
        assert_eq!((verdict, flows), unique(original.dst, reply.dst, "not translated"));
    }
    let Flow { original, reply, .. } = forwarded;
    assert_eq!(asked(original.dst, &[]), unique(reply.src, original.src, "destination NAT"));
    let id = |ip| SocketAddr::new(ip, 77);
    let [inside, peer, public] = [ping.original.src, ping.original.dst, ping.reply.dst].map(|end| id(end.ip()));
    let protocol = if family == Family::V4 { "icmp" } else { "icmpv6" };
    assert_eq!(asked(public, &["--proto", protocol]), unique(inside, peer, "source NAT"));
    // Nobody had it; but the recorder has stopped since, and the slack reaches that far.
    assert_eq!(asked(SocketAddr::new(public.ip(), 1), &[]), ("UNKNOWN".into(), vec![]));
}

#[test]
fn who_had_an_ipv4_endpoint_is_found() {
    everyone_is_found(Family::V4);
}

#[test]
fn who_had_an_ipv6_endpoint_is_found() {
    everyone_is_found(Family::V6);
}

/// The kernel lets two hosts have one public port if their peers differ. One flow is alive, one is not translated.
#[test]
fn two_hosts_with_one_port_are_told_apart_by_their_peers() {
    let namespace = Namespace::new("router");
    let mut recorder = Recorder::start(&namespace, "all.%s", &["-p", "all"]);
    let end = |text: &str| text.parse::<SocketAddr>().unwrap();
    let flow = |[inside, server, public]: [&str; 3]| {
        let (inside, server, public) = (end(inside), end(server), end(public));
        let tuple = |src: SocketAddr, dst: SocketAddr| Tuple {
            src: src.ip(),
            dst: dst.ip(),
            sport: src.port(),
            dport: dst.port(),
        };
        let (original, reply) = (tuple(inside, server), tuple(server, public));
        NewFlow { original, reply, protocol: 6, timeout_s: 600, status: 0, mark: 0, zone: 0, tcp_state: 3 }
    };
    let public = "203.0.113.6:36782";
    let flows = [
        flow(["10.0.0.1:1024", "198.51.100.7:443", public]),
        flow(["10.0.0.2:2048", "198.51.100.8:25", public]),
        flow(["203.0.113.6:50000", "198.51.100.8:25", "203.0.113.6:50000"]),
    ];
    let mut creations = Vec::new();
    flows.iter().for_each(|flow| request::create(&mut creations, flow));
    namespace.enter(RequestSocket::open).unwrap().execute_all(&creations).unwrap();
    recorder.wait_for_records(flows.len());
    let asked = who(&recorder, end(public), &[]);
    let (verdict, flows) = told(&asked);
    assert_eq!((verdict.as_str(), flows.len(), asked.status), ("AMBIGUOUS", 2, 3));
    for (peer, inside, server) in
        [("198.51.100.7", "10.0.0.1:1024", "198.51.100.7:443"), ("198.51.100.8:25", "10.0.0.2:2048", "198.51.100.8:25")]
    {
        let asked = who(&recorder, end(public), &["--peer", peer]);
        assert_eq!(told(&asked), unique(end(inside), end(server), "source NAT"));
        assert_eq!(asked.status, 0);
    }
    let own = told(&who(&recorder, end("203.0.113.6:50000"), &[]));
    assert_eq!(own, unique(end("203.0.113.6:50000"), end("198.51.100.8:25"), "not translated"));
    recorder.stop();
}
