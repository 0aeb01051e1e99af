//! Questions by chance, and the answers to them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ctrecorder_format::NS_PER_SECOND;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::Value;

use crate::answers::moment;
use crate::program::ctrecorder;
use crate::rows::endpoints;
use crate::tried::runner;
use crate::world::World;

/// Who had this endpoint at this time?
#[derive(Clone, Debug)]
pub struct Question {
    /// The public endpoint.
    pub endpoint: SocketAddr,
    /// The time by the wall clock, ns since the epoch.
    pub at: u64,
}

/// A flow as it is seen from a public endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// Who it was.
    pub inside: SocketAddr,
    /// The other side.
    pub peer: SocketAddr,
    /// The protocol's number.
    pub protocol: u8,
}

/// A flow that is named in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Who it was.
    pub seen: Seen,
    /// Its start and its end, 0 for what is not known or only as a bound.
    pub times: (u64, u64),
    /// Whether it is known when it began at the earliest.
    pub has_earliest: bool,
    /// Whether it is known when it ended at the latest.
    pub has_latest: bool,
    /// Whether it is named as an answer.
    pub is_answer: bool,
    /// Whether it is said to be sure that it was alive then.
    pub is_sure: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// In one word.
    pub verdict: String,
    /// The flows that it names.
    pub flows: Vec<Named>,
    /// Why there may be more.
    pub doubts: Vec<String>,
}

impl Answer {
    /// Whether another one names all that this one does, and says that something may be missing.
    pub fn is_within(&self, other: &Self) -> bool {
        self.insides().is_subset(&other.insides()) && !other.doubts.is_empty()
    }

    /// The inside addresses, each once.
    pub fn insides(&self) -> BTreeSet<IpAddr> {
        self.flows.iter().map(|flow| flow.seen.inside.ip()).collect()
    }
}

/// So many questions about a world, and how far their times may be wrong.
pub fn questions(world: &World, seed: u64, count: usize) -> (u64, Vec<Question>) {
    let slack = prop_oneof![Just(0), Just(1_000_000), 0..3 * NS_PER_SECOND, Just(60 * NS_PER_SECOND)];
    let about = (0..world.flows.len(), 0..4_u8, 0..world.flows.len(), 0..8_u8, 0..1000_u64, -2..3_i64);
    let strategy = (slack, prop::collection::vec(about, count));
    let (slack, about) = strategy.new_tree(&mut runner(seed)).map(|tree| tree.current()).unwrap_or_default();
    let begin = world.shape.begin;
    let question = |(flow, side, other, when, thousandths, near): (usize, u8, usize, u8, u64, i64)| {
        let [_, original_dst, _, reply_dst] = endpoints(&world.flows[flow]);
        let (own, other) = (&world.flows[flow], &world.flows[other]);
        let at = match when {
            0 => own.start,
            1 => own.end,
            2 => other.start,
            3 => other.end,
            4 | 5 => own.start + (own.end - own.start) / 1000 * thousandths,
            _ => (begin - NS_PER_SECOND) + (world.last - begin + 3 * NS_PER_SECOND) / 1000 * thousandths,
        };
        let endpoint = if side == 0 { original_dst } else { reply_dst };
        Question { endpoint, at: world.clock.shows(at).saturating_add_signed(near) }
    };
    (slack, about.into_iter().map(question).collect())
}

/// Questions for what is wrong first where the clock was set back: just beside the moments that it showed then, and those at which other flows
/// had the same endpoint, by whichever time it showed them.
pub fn beside_steps(world: &World, seed: u64) -> (u64, Vec<Question>) {
    const MOST: usize = 150;
    let slack = prop_oneof![Just(0), Just(1_000_000), Just(NS_PER_SECOND / 10)];
    let about = (0..world.flows.len(), any::<prop::sample::Index>(), 0..1000_u64, -2..3_i64);
    let strategy = (slack, prop::collection::vec(about, MOST));
    // Not the chance that the other questions are made of.
    let (slack, about) = strategy.new_tree(&mut runner(!seed)).map(|tree| tree.current()).unwrap_or_default();
    let question = |(flow, which, thousandths, near): (usize, prop::sample::Index, u64, i64)| {
        let own = &world.flows[flow];
        let within = own.start + (own.end.min(world.last).max(own.start) - own.start) / 1000 * thousandths;
        let steps = world.steps().flat_map(|(at, _)| [at - 1, at]);
        let others = world.flows.iter().filter(|other| other.public == own.public);
        let moments: Vec<_> = others.flat_map(|flow| [flow.start, flow.end]).chain(steps).collect();
        let far = near * (slack + 1).cast_signed();
        let at = if thousandths % 2 == 0 { within } else { *which.get(&moments) };
        Question { endpoint: own.public, at: world.clock.shows(at).saturating_add_signed(far) }
    };
    (slack, about.into_iter().map(question).collect())
}

/// Asks the program, all by one pass.
pub fn ask(questions: &[Question], slack: u64, paths: &[PathBuf]) -> Vec<Answer> {
    let line = |question: &Question| {
        let (seconds, ns) = (question.at / NS_PER_SECOND, question.at % NS_PER_SECOND);
        format!("{} @{seconds}.{ns:09}\n", question.endpoint)
    };
    let lines: String = questions.iter().map(line).collect();
    let mut command = ctrecorder();
    command.args(["who", "-", "--slack", &format!("{slack}ns")]).args(paths).write_stdin(lines);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = text.lines().map(answer).collect();
    assert_eq!(answers.len(), questions.len(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    answers
}

/// What a line of JSON says; docs/who.md tells of its names.
fn answer(line: &str) -> Answer {
    let value: Value = serde_json::from_str(line).unwrap();
    let list = |name: &str| value[name].as_array().unwrap_or_else(|| panic!("{line}")).clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let endpoint = |value: &Value| {
        let port = value["port"].as_u64().unwrap();
        SocketAddr::new(value["ip"].as_str().unwrap().parse().unwrap(), u16::try_from(port).unwrap())
    };
    let protocol = |name: &str| if name == "tcp" { ctrecorder_synth::TCP } else { ctrecorder_synth::UDP };
    let flows = list("flows").into_iter().map(|flow| Named {
        seen: Seen {
            inside: endpoint(&flow["inside"]),
            peer: endpoint(&flow["peer"]),
            protocol: protocol(flow["proto"].as_str().unwrap()),
        },
        times: (moment(&text(&flow["start"])), moment(&text(&flow["end"]))),
        has_earliest: flow["start"].is_string() || flow["began_after"].is_string(),
        has_latest: flow["end"].is_string() || flow["ended_by"].is_string(),
        is_answer: flow["answer"].as_bool().unwrap(),
        is_sure: flow["sure"].as_bool().unwrap(),
    });
    let flows: Vec<_> = flows.collect();
    let answers: BTreeSet<_> = flows.iter().filter(|flow| flow.is_answer).map(|flow| flow.seen.inside.ip()).collect();
    let insides = list("inside").iter().map(|ip| text(ip).parse().unwrap()).collect();
    assert_eq!(answers, insides, "the inside addresses are those of the answers: {line}");
    Answer { verdict: text(&value["verdict"]), flows, doubts: list("doubts").iter().map(text).collect() }
}
