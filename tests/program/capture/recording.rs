//! Translated traffic, recorded and listed, and held against what `conntrack -E` saw of it.

use crate::capture::recorder::Recorder;
use crate::lab::{Conntrack, Family, Happening, Lab};

/// The lines of a list without their times: kind and flow, for each witness.
fn both_witnesses_agree(family: Family) {
    let lab = Lab::new();
    let conntrack = Conntrack::watch(&lab.router);
    let mut recorder = Recorder::start(&lab.router, "all.%s", &["-p", "all"]);

    let mut flows = lab.tcp(family, 3);
    flows.push(lab.udp(family));
    flows.push(lab.udp_unanswered(family));
    flows.push(lab.tcp_from_outside(family));
    flows.push(lab.ping(family, 77));
    lab.wait_for_silence();
    conntrack.wait_for_ends(&flows);
    recorder.stop();

    let listed = recorder.list();
    let (mut seen, mut recorded): (Vec<_>, Vec<_>) = (
        conntrack.events().iter().map(|event| line(event.happening, &event.flow.to_string())).collect(),
        listed.iter().map(|line| without_time_and_reply(line)).collect(),
    );
    seen.sort();
    recorded.sort();
    assert_eq!(recorded, seen);
    for flow in &flows {
        for kind in ['S', 'E'] {
            assert!(recorded.contains(&format!("{kind} {flow}")), "{kind} of {flow:?} is missing: {listed:#?}");
        }
    }
    let times: Vec<_> = listed.iter().map(|line| &line[..26]).collect();
    assert!(times.is_sorted(), "a list is in order of arrival: {times:#?}");
    // Of an unanswered datagram no reply was seen; of all others one was.
    let unanswered = listed.iter().filter(|line| line[27..].starts_with("E "));
    assert_eq!(unanswered.count(), 1, "{listed:#?}");
    assert_eq!(recorder.test().status, 0);
}

fn line(happening: Happening, flow: &str) -> String {
    match happening {
        Happening::Start => format!("S {flow}"),
        Happening::End => format!("E {flow}"),
    }
}

/// `2010.09.28 21:15:17.988012 E+ src=...` without the time and the plus.
fn without_time_and_reply(line: &str) -> String {
    let (kind, flow) = (&line[27..28], &line[30..]);
    format!("{kind} {flow}")
}

#[test]
fn ipv4_is_recorded_as_conntrack_saw_it() {
    both_witnesses_agree(Family::V4);
}

#[test]
fn ipv6_is_recorded_as_conntrack_saw_it() {
    both_witnesses_agree(Family::V6);
}

#[test]
fn only_what_was_asked_for_is_recorded() {
    let lab = Lab::new();
    let mut default = Recorder::start(&lab.router, "tcp.%s", &[]);
    let mut udp6 = Recorder::start(&lab.router, "udp6.%s", &["-p", "udp,icmp", "--family", "ipv6"]);
    let tcp = lab.tcp(Family::V4, 1);
    let udp: Vec<_> = [Family::V4, Family::V6].iter().map(|family| lab.udp(*family)).collect();
    lab.ping(Family::V4, 5);
    lab.wait_for_silence();
    default.stop();
    udp6.stop();
    let flows = |recorder: &Recorder| -> Vec<String> {
        recorder.list().iter().map(|line| without_time_and_reply(line)).collect()
    };
    assert_eq!(flows(&default), [format!("S {}", tcp[0]), format!("E {}", tcp[0])]);
    assert_eq!(flows(&udp6), [format!("S {}", udp[1]), format!("E {}", udp[1])]);
}

#[test]
fn who_had_this_port_is_answered_by_address_and_port() {
    let lab = Lab::new();
    let mut recorder = Recorder::start(&lab.router, "ct.%s", &["-p", "tcp,udp"]);
    let flows = lab.tcp(Family::V4, 4);
    lab.udp(Family::V4);
    lab.wait_for_silence();
    recorder.stop();
    let public = flows[2].reply.dst;
    let mut command = crate::program::ctrecorder();
    command.args(["-L", "-f"]).arg(&recorder.segments()[0]);
    let found =
        crate::program::answer(command.args(["-H", "-i", &public.ip().to_string(), "-p", &public.port().to_string()]));
    assert_eq!(found.status, 0, "{}", found.stderr);
    let lines: Vec<_> = found.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.ends_with(&flows[2].to_string())), "{lines:?}");
}
