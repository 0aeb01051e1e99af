//! Of each flow the truth is told, whenever its recorder is killed and started again.

use std::collections::BTreeMap;

use ctrecorder_format::Kind;
use ctrecorder_format::record::flags::END_AT_LATEST;
use proptest::prelude::*;

use super::tests_of_readings::{Work, header, tcp};

/// A kernel's table, and a recorder of it that is killed and started again.
#[derive(Default)]
struct World {
    work: Work,
    now: u64,
    /// Start and end of each flow that a recorder told of, and the end as it is to be told: what it was, or until when and
    /// since when it was not seen.
    truth: BTreeMap<u16, (u64, u64, Told)>,
    flows: u16,
    run: Option<(u64, u64)>,
    runs: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Open,
    Heard,
    Unheard,
    Gone { since: u64, by: u64 },
}

impl World {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    fn begin_flow(&mut self) {
        let now = self.tick();
        if self.run.is_some() {
            self.flows += 1;
            self.truth.insert(self.flows, (now, 0, Told::Open));
            self.work.push(&tcp(Kind::Start, self.flows, now, 0));
        }
    }

    fn end_flow(&mut self, which: usize) {
        let now = self.tick();
        let alive: Vec<_> = self.truth.iter().filter(|(_, told)| told.2 == Told::Open).map(|(flow, _)| *flow).collect();
        let Some(flow) = alive.get(which % alive.len().max(1)) else { return };
        let told = self.truth.get_mut(flow).unwrap();
        told.1 = now;
        told.2 = if self.run.is_some() { Told::Heard } else { Told::Unheard };
        if self.run.is_some() {
            self.work.push(&tcp(Kind::End, *flow, 0, now));
        }
    }

    /// The segment with this number of a run begins.
    fn segment(&mut self, started: u64, number: u64, whole: bool) {
        let created = self.tick();
        // Where it ends is known to whoever reads it: here, that is never before it is over.
        self.work.begin(&header(started, number, created), None);
        for (flow, told) in &self.truth {
            if told.2 == Told::Open {
                self.work.push(&tcp(Kind::Open, *flow, told.0, 0));
            }
        }
        if whole {
            let to = self.tick();
            let since = self.work.read(created, to);
            for told in self.truth.values_mut().filter(|told| told.2 == Told::Unheard) {
                told.2 = Told::Gone { since, by: to };
            }
        }
    }

    fn step(&mut self, step: u8, which: usize) {
        match (step, self.run) {
            (0..3, _) => self.begin_flow(),
            (3..6, _) => self.end_flow(which),
            (6, Some(_)) => self.run = None,
            (6.., None) => {
                self.runs += 1;
                self.run = Some((self.runs, 0));
                self.segment(self.runs, 0, step != 7);
            }
            (_, Some((started, number))) => {
                self.run = Some((started, number + 1));
                self.segment(started, number + 1, step != 7);
            }
        }
    }
}

proptest! {
    /// Whatever happens, each flow leaves once; an end that was heard is told as it was, and of one that was not, the two
    /// times between which it was, once there was a reading.
    #[test]
    fn of_each_flow_the_truth_is_told(steps in prop::collection::vec((0..10_u8, 0..8_usize), 0..200)) {
        let mut world = World::default();
        for (step, which) in steps {
            world.step(step, which);
        }
        let mut told = world.work.finish();
        told.sort();
        let mut expected = Vec::new();
        for (flow, (start, end, truth)) in world.truth {
            if let Told::Gone { since, by } = truth {
                prop_assert!(since <= end && end <= by, "{flow}: {since} <= {end} <= {by}");
            }
            expected.push(match truth {
                Told::Open | Told::Unheard => (flow, start, 0, 0),
                Told::Heard => (flow, start, end, 0),
                Told::Gone { by, .. } => (flow, start, by, END_AT_LATEST),
            });
        }
        prop_assert_eq!(told, expected);
    }
}
