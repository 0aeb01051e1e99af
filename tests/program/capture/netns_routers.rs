//! One recorder for two routers that translate for hosts with the same addresses, in network namespaces of their own.

use std::net::SocketAddr;
use std::process::Command;
use std::time::SystemTime;

use serde_json::Value;

use crate::capture::recorder::Recorder;
use crate::lab::{Flow, Lab, Namespace, wait_until};
use crate::program::{Answer, answer, ctrecorder};

/// The server's port to which each router takes a public port of its own: 30003 and 30007, by its id.
const OWN: u16 = 5001;
/// Those to which both take the public port [`SHARED_PUBLIC`].
const SHARED: u16 = 5002;
const TWIN: u16 = 5003;
const SHARED_PUBLIC: u16 = 30000;

/// A router with a host on either side, by the id that its network namespace has in the recorder's.
struct Router {
    id: u16,
    lab: Lab,
}

impl Router {
    /// One with a second inside host, 10.10.0.ID.
    fn new(own: &Namespace, id: u16) -> Self {
        let lab = Lab::new();
        own.name_netns(&lab.router, id.into());
        lab.client.ip(&format!("address add 10.10.0.{id}/24 dev cable"));
        for (port, public) in [(OWN, SHARED_PUBLIC + id), (SHARED, SHARED_PUBLIC), (TWIN, SHARED_PUBLIC)] {
            let rule = format!("insert rule inet nat source oifname outside udp dport {port} masquerade to :{public}");
            lab.router.run(Command::new("nft").arg(rule));
        }
        // A flow began when the kernel says so, not when the recorder came to hear of it.
        for setting in ["events", "timestamp"] {
            lab.router.sysctl(&format!("netfilter/nf_conntrack_{setting}"), 1);
        }
        Self { id, lab }
    }

    /// A datagram from the inside endpoint to this port of the server's, and one back.
    fn ask_server(&self, inside: &str, port: u16) -> Flow {
        self.lab.udp_between(end(inside), SocketAddr::new([203, 0, 113, 2].into(), port))
    }
}

fn end(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A moment as it is typed.
fn now() -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    format!("@{}.{:09}", now.as_secs(), now.subsec_nanos())
}

fn who(recorder: &Recorder, public: SocketAddr, at: &str, arguments: &[&str]) -> Answer {
    let mut who = ctrecorder();
    who.args(["who", &public.to_string(), "--at", at, "--slack", "0s", "-o", "json"]).args(arguments);
    answer(who.arg(recorder.directory()))
}

/// The verdict, and the id and the inside endpoint of each flow.
fn told(answer: &Answer) -> (String, Vec<(Option<u64>, SocketAddr)>) {
    let json: Value = serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {}", answer.stderr));
    let flows = json["flows"].as_array().unwrap().iter().map(|flow| {
        let ip = flow["inside"]["ip"].as_str().unwrap().parse().unwrap();
        (flow["netns"].as_u64(), SocketAddr::new(ip, flow["inside"]["port"].as_u64().unwrap() as u16))
    });
    (json["verdict"].as_str().unwrap().to_owned(), flows.collect())
}

#[test]
fn translated_packets_of_two_routers_lead_to_the_hosts_behind_each() {
    let own = Namespace::new("own");
    let routers = [3, 7].map(|id| Router::new(&own, id));
    let mut recorder = Recorder::start(&own, "all.%s.ct", &["--all-netns", "--protocol", "all"]);
    wait_until("all tables to be read", || recorder.log().matches(" alive").count() == 3);

    let inside = "10.10.0.2:40000";
    let flows = routers.each_ref().map(|router| {
        let own_inside = format!("10.10.0.{}:40000", router.id);
        [router.ask_server(inside, OWN), router.ask_server(&own_inside, SHARED), router.ask_server(inside, TWIN)]
    });
    let at = now();
    let ([same_3, shared_3, twin_3], [same_7, shared_7, twin_7]) = (flows[0], flows[1]);
    // One inside tuple under two public ports, two hosts under one, and twins that differ in nothing but where they are.
    let is_as_meant = same_3.original == same_7.original && shared_3.reply == shared_7.reply && twin_3 == twin_7;
    assert!(is_as_meant, "{flows:?}");
    assert_eq!([same_3, same_7].map(|flow| flow.reply.dst), [end("203.0.113.1:30003"), end("203.0.113.1:30007")]);
    routers.iter().for_each(|router| router.lab.wait_for_silence());
    recorder.stop();

    let asked = |public: SocketAddr, arguments: &[&str]| told(&who(&recorder, public, &at, arguments));
    let unique = |id, inside: SocketAddr| ("UNIQUE".to_owned(), vec![(id, inside)]);
    assert_eq!(asked(same_3.reply.dst, &[]), unique(Some(3), end(inside)));
    assert_eq!(asked(same_7.reply.dst, &[]), unique(Some(7), end(inside)));
    let shared = end("203.0.113.1:30000");
    for (peer, flow_3, flow_7) in [("203.0.113.2:5002", shared_3, shared_7), ("203.0.113.2:5003", twin_3, twin_7)] {
        let (verdict, both) = asked(shared, &["--peer", peer]);
        let inside = [flow_3, flow_7].map(|flow| flow.original.src);
        assert_eq!((verdict.as_str(), both), ("AMBIGUOUS", vec![(Some(3), inside[0]), (Some(7), inside[1])]));
        for (id, inside) in ["3", "7"].into_iter().zip(inside) {
            assert_eq!(asked(shared, &["--peer", peer, "--netns", id]), unique(None, inside));
        }
    }
    assert_eq!(asked(same_3.reply.dst, &["--netns", "7"]), ("NONE".into(), vec![]));

    let list = |arguments: &[&str]| {
        answer(ctrecorder().args(["list", "-H", "-s"]).args(arguments).arg(recorder.directory())).stdout
    };
    for (router, flows) in routers.iter().zip(flows) {
        let mut expected = flows.map(|flow| format!("{flow} [netns {}]", router.id));
        let id = router.id.to_string();
        let listed = list(&["--netns", &id]);
        // Behind both times of each line.
        let mut listed: Vec<_> = listed.lines().map(|line| line[line.find("src=").unwrap()..].to_owned()).collect();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
    }
    assert_eq!(list(&[]).lines().count(), 6);
    assert_eq!(list(&["--netns", "own"]), "");
}
