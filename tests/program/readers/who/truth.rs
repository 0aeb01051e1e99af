//! Made-up journals, whose truth is known.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};

use ctrecorder_format::NS_PER_SECOND as NS;
use ctrecorder_synth::{Clock, Flow, Flows, Incident, Plan, Shape, record};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{answer, ctrecorder};

/// A journal, and all flows that there were meanwhile.
struct World {
    directory: TempDir,
    flows: Vec<Flow>,
    clock: Clock,
    /// When the clock was set, by one that never is.
    set_at: Vec<u64>,
}

impl World {
    fn new(seed: u64, rotate_s: u64, stamps: bool, incidents: Vec<Incident>) -> Self {
        let directory = TempDir::new().unwrap();
        let clock = Clock::new(&incidents);
        let set_at = incidents.iter().filter_map(|incident| match incident {
            Incident::ClockStep { at, .. } => Some(*at),
            _ => None,
        });
        let set_at = set_at.collect();
        let plan = Plan { rotate: Some(rotate_s * NS), stamps, incidents, ..Plan::default() };
        let create = |number| Ok(File::create_new(directory.path().join(format!("{number:03}.ct")))?);
        let mut flows = Vec::new();
        let began = |flow: &Flow| {
            flows.push(*flow);
            Ok(())
        };
        record(Flows::new(Shape::crowded(2_000, seed)), &plan, create, began).unwrap();
        Self { directory, flows, clock, set_at }
    }

    /// When it began, and how long it lasted.
    fn span(&self) -> (u64, u64) {
        let begin = self.flows[0].start;
        (begin, self.flows.last().unwrap().start - begin)
    }

    /// Asks the journal about public endpoints at times.
    fn ask(&self, questions: &[(SocketAddr, u64, Option<SocketAddr>)], slack_s: u64) -> Vec<Value> {
        let lines = questions.iter().map(|(endpoint, at, peer)| {
            let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
            format!("{endpoint} @{}.{:09} {peer}\n", at / NS, at % NS)
        });
        let mut who = ctrecorder();
        who.args(["who", "-", "--slack", &format!("{slack_s}s")]).arg(self.directory.path());
        let answered = answer(who.write_stdin(lines.collect::<String>()));
        assert_eq!(answered.status, 0, "{}", answered.stderr);
        answered.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The flows that the endpoint truly had while the wall clock showed a time of this span.
    fn truly(&self, endpoint: SocketAddr, peer: Option<SocketAddr>, from: u64, to: u64) -> Vec<&Flow> {
        let alive = |flow: &&Flow| {
            // Between its start, each time the clock was set, and its end, the clock went on as it should.
            let within = self.set_at.iter().filter(|at| flow.start < **at && **at <= flow.end);
            let turns: Vec<_> = within.flat_map(|at| [at - 1, *at]).collect();
            let moments = [&[flow.start], &turns[..], &[flow.end]].concat();
            let mut spans = moments.chunks(2).map(|span| (self.clock.shows(span[0]), self.clock.shows(span[1])));
            spans.any(|(start, end)| start <= to && from <= end)
        };
        let meant = |flow: &&Flow| flow.public == endpoint && peer.is_none_or(|peer| flow.peer == peer);
        self.flows.iter().filter(meant).filter(alive).collect()
    }

    /// Questions about flows that there were, at times when they were alive or nearly so.
    fn questions(&self, with_peer: bool) -> Vec<(SocketAddr, u64, Option<SocketAddr>)> {
        let flows = self.flows.iter().step_by(3).enumerate();
        flows
            .map(|(index, flow)| {
                let (start, end) = (self.clock.shows(flow.start), self.clock.shows(flow.end));
                let length = end.saturating_sub(start);
                let at = match index % 4 {
                    0 => start + length / 2,
                    1 => start.saturating_sub(NS),
                    2 => end + NS,
                    _ => end,
                };
                (flow.public, at, with_peer.then_some(flow.peer))
            })
            .collect()
    }
}

fn insides(answer: &Value) -> BTreeSet<IpAddr> {
    answer["inside"].as_array().unwrap().iter().map(|ip| ip.as_str().unwrap().parse().unwrap()).collect()
}

/// Asks of a world, and holds against the truth what is certain. Returns how many answers had no doubt.
fn hold_against_truth(world: &World, slack_s: u64, with_peer: bool, exactly: bool) -> usize {
    let questions = world.questions(with_peer);
    let answers = world.ask(&questions, slack_s);
    assert_eq!(answers.len(), questions.len());
    let mut certain = 0;
    for ((endpoint, at, peer), answer) in questions.into_iter().zip(&answers) {
        let truth = world.truly(endpoint, peer, at.saturating_sub(slack_s * NS), at + slack_s * NS);
        let truly: BTreeSet<_> = truth.iter().map(|flow| flow.inside.ip()).collect();
        let found = insides(answer);
        let verdict = answer["verdict"].as_str().unwrap();
        let told = match found.len() {
            0 => ["NONE", "UNKNOWN"].as_slice(),
            1 => &["UNIQUE"],
            _ => &["AMBIGUOUS"],
        };
        assert!(told.contains(&verdict), "{answer}");
        let doubtless = answer["doubts"].as_array().unwrap().is_empty();
        certain += usize::from(doubtless);
        assert!(doubtless || verdict != "NONE", "{answer}");
        assert!(!doubtless || found.is_superset(&truly), "{endpoint} at {at}: {truth:#?} {answer:#}");
        if exactly && doubtless {
            assert_eq!(found, truly, "{endpoint} at {at}: {truth:#?} {answer:#}");
            assert_eq!(answer["flows"].as_array().unwrap().len(), truth.len(), "{truth:#?} {answer:#}");
        }
    }
    certain
}

#[test]
fn where_nothing_went_wrong_the_answer_is_the_truth() {
    for (seed, slack_s) in [(1, 0), (2, 1), (3, 60), (4, 7)] {
        let world = World::new(seed, 60, seed % 2 == 0, vec![]);
        for with_peer in [false, true] {
            let certain = hold_against_truth(&world, slack_s, with_peer, true);
            assert!(certain > 500, "{certain}");
        }
    }
}

#[test]
fn whatever_went_wrong_no_one_is_missed_where_nothing_is_said_to_be_missing() {
    for seed in 10..16 {
        let (begin, length) = World::new(seed, 60, false, vec![]).span();
        let at = |share: u64| begin + length / 100 * share;
        let incidents = vec![
            Incident::Overrun { from: at(10), to: at(12) },
            Incident::Stop { at: at(30), back: at(33) },
            Incident::Crash { at: at(50), back: at(52) },
            Incident::Overrun { from: at(60), to: at(60) + NS },
            Incident::Crash { at: at(80), back: at(81) },
        ];
        for stamps in [false, true] {
            let world = World::new(seed, 45, stamps, incidents.clone());
            let certain = hold_against_truth(&world, seed % 3 * 5, seed % 2 == 0, false);
            assert!(certain > 300, "{certain}");
        }
    }
}

/// What a recorder that was killed left open, the next one knows to be over.
#[test]
fn flows_do_not_outlive_the_recorder_that_is_killed() {
    for seed in 30..33 {
        let (begin, length) = World::new(seed, 60, true, vec![]).span();
        let at = |share: u64| begin + length / 100 * share;
        let incidents = vec![Incident::Crash { at: at(30), back: at(33) }, Incident::Stop { at: at(60), back: at(62) }];
        let world = World::new(seed, 60, true, incidents);
        for slack_s in [0, 5] {
            let certain = hold_against_truth(&world, slack_s, false, true);
            assert!(certain > 400, "{certain}");
        }
    }
}

#[test]
fn no_one_is_missed_where_the_clock_was_set() {
    for (seed, by) in [(20, 3_600), (21, -3_600), (22, -20), (23, 20)] {
        let (begin, length) = World::new(seed, 60, false, vec![]).span();
        let step = Incident::ClockStep { at: begin + length / 2, by: by * NS.cast_signed() };
        let world = World::new(seed, 45, false, vec![step]);
        // Of one that was set back by more than it recorded, each time came once more: before the journal, or behind it.
        let is_in_doubt = u64::try_from(-by).is_ok_and(|back| back * NS > length);
        for (slack_s, with_peer) in [(5, false), (0, true)] {
            let certain = hold_against_truth(&world, slack_s, with_peer, false);
            assert!(if is_in_doubt { certain == 0 } else { certain > 300 }, "{certain}");
        }
    }
}
