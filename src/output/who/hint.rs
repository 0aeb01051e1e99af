//! What to say besides, where several fit.

use std::collections::HashMap;
use std::hash::Hash;

use ctrecorder_format::header::split;

use crate::query::who::{Answer, Flow, Peer, Verdict};

/// What may part several inside hosts: the remote side, the protocol, or the network namespace, where each flow's tells who it was; else
/// less slack. `None` where nobody has to be parted, or nothing may do it.
pub(super) fn hint(answer: &Answer) -> Option<&'static str> {
    let Answer { question, finding, .. } = answer;
    if finding.verdict != Verdict::Ambiguous {
        return None;
    }
    // The host of a flow: its address, and the network that this is of.
    let network = |flow: &Flow| answer.around.get(flow.recorder).and_then(|around| around.name.namespace);
    let netns = |flow: &Flow| network(flow).map(|number| split(number).1);
    let peer = |flow: &Flow| Peer { address: flow.peer.ip(), port: None };
    let peer_port = |flow: &Flow| Peer { address: flow.peer.ip(), port: Some(flow.peer.port()) };
    let by_peer = parts(&finding.flows, peer, network);
    let by_protocol = parts(&finding.flows, |flow| flow.protocol, network);
    Some(match (by_peer, by_protocol) {
        (true, true) => "--peer or --proto decides",
        (true, false) => "--peer decides",
        (false, true) => "--proto decides",
        (false, false) if parts(&finding.flows, peer_port, network) => "--peer with its port decides",
        (false, false) if parts(&finding.flows, netns, network) => "--netns decides",
        (false, false) if question.slack > 0 && finding.insides.len() > 1 => "less slack may decide",
        (false, false) => return None,
    })
}

/// Whether the flows of one key that are answers are of one host each: of an address in one network.
fn parts<K: Eq + Hash>(flows: &[Flow], key: impl Fn(&Flow) -> K, network: impl Fn(&Flow) -> Option<u64>) -> bool {
    let mut whose = HashMap::new();
    flows.iter().filter(|flow| flow.is_answer).all(|flow| {
        let host = (flow.inside.ip(), network(flow));
        *whose.entry(key(flow)).or_insert(host) == host
    })
}
