//! The output in a thread of its own: while flows are written, further ones are paired.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use ctrecorder_format::{Counters, Family, Note, Record, V4, V6};

use super::output::Output;

/// So many steps are handed over together.
const BATCH: usize = 4096;

/// So many batches wait at most: 800 KB.
const BATCHES_MAX: usize = 3;

/// Something to do for the output.
#[derive(Clone, Copy)]
enum Step {
    /// The next flow of this family, with its counters or without.
    Flow(Family, bool),
    /// The next of what is not a flow.
    Rare,
}

/// What is not a flow, and told as seldom.
enum Rare {
    BeginAt(u64),
    Source(usize),
    Damage(Box<str>, u64),
    Note(Note),
    Reading(Note),
    Part(Note),
}

/// Steps, and what they are about: flows of one family beside each other, so that each takes no more room than it needs.
#[derive(Default)]
struct Steps {
    steps: Vec<Step>,
    ipv4: Vec<(Record<V4>, u64)>,
    ipv6: Vec<(Record<V6>, u64)>,
    counters: Vec<Counters>,
    rare: Vec<Rare>,
}

impl Steps {
    /// None, with room for as many as these are.
    fn with_room_for(others: &Self) -> Self {
        Self {
            steps: Vec::with_capacity(others.steps.len()),
            ipv4: Vec::with_capacity(others.ipv4.len()),
            ipv6: Vec::with_capacity(others.ipv6.len()),
            counters: Vec::with_capacity(others.counters.len()),
            rare: Vec::new(),
        }
    }

    /// A flow of a family comes next. Counters that are zeros are as good as none.
    fn flow(&mut self, family: Family, counters: &Counters) {
        let are_counted = *counters != Counters::default();
        if are_counted {
            self.counters.push(*counters);
        }
        self.steps.push(Step::Flow(family, are_counted));
    }

    /// Does them all.
    fn take(&self, output: &mut impl Output) -> anyhow::Result<()> {
        let (mut ipv4, mut ipv6) = (self.ipv4.iter(), self.ipv6.iter());
        let (mut counters, mut rare) = (self.counters.iter(), self.rare.iter());
        let none = Counters::default();
        for step in &self.steps {
            match step {
                Step::Flow(family, are_counted) => {
                    let counters = if *are_counted { counters.next().unwrap_or(&none) } else { &none };
                    match family {
                        Family::Ipv4 => {
                            ipv4.next().map_or(Ok(()), |(flow, reached)| output.ipv4(flow, counters, *reached))?;
                        }
                        Family::Ipv6 => {
                            ipv6.next().map_or(Ok(()), |(flow, reached)| output.ipv6(flow, counters, *reached))?;
                        }
                    }
                }
                Step::Rare => rare.next().map_or(Ok(()), |rare| rare.take(output))?,
            }
        }
        Ok(())
    }
}

impl Rare {
    fn take(&self, output: &mut impl Output) -> anyhow::Result<()> {
        match self {
            Self::BeginAt(moment) => output.begin_at(*moment),
            Self::Source(number) => output.source(*number),
            Self::Damage(what, records_lost) => output.damage(what, *records_lost),
            Self::Note(note) => return output.note(note),
            Self::Reading(note) => return output.reading(note),
            Self::Part(left) => output.part(left),
        }
        Ok(())
    }
}

/// An output that a thread writes. The functions are those of [`Output`]; what fails in one of them is said by a later one.
pub(super) struct Behind<O> {
    steps: Steps,
    to: SyncSender<Steps>,
    thread: JoinHandle<anyhow::Result<O>>,
}

impl<O: Output> Behind<O> {
    pub(super) fn start(output: O) -> anyhow::Result<Self> {
        let (to, from) = sync_channel(BATCHES_MAX);
        let thread = std::thread::Builder::new().name("write".into()).spawn(move || write(output, &from));
        Ok(Self { steps: Steps::default(), to, thread: thread.context("cannot start a thread")? })
    }

    pub(super) fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        self.steps.ipv4.push((*flow, reached));
        self.steps.flow(Family::Ipv4, counters);
        self.step()
    }

    pub(super) fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        self.steps.ipv6.push((*flow, reached));
        self.steps.flow(Family::Ipv6, counters);
        self.step()
    }

    pub(super) fn begin_at(&mut self, moment: u64) -> anyhow::Result<()> {
        self.rare(Rare::BeginAt(moment))
    }

    pub(super) fn source(&mut self, number: usize) -> anyhow::Result<()> {
        self.rare(Rare::Source(number))
    }

    pub(super) fn damage(&mut self, what: &str, records_lost: u64) -> anyhow::Result<()> {
        self.rare(Rare::Damage(what.into(), records_lost))
    }

    pub(super) fn note(&mut self, note: &Note) -> anyhow::Result<()> {
        self.rare(Rare::Note(*note))
    }

    pub(super) fn reading(&mut self, note: &Note) -> anyhow::Result<()> {
        self.rare(Rare::Reading(*note))
    }

    pub(super) fn part(&mut self, left: &Note) -> anyhow::Result<()> {
        self.rare(Rare::Part(*left))
    }

    fn rare(&mut self, rare: Rare) -> anyhow::Result<()> {
        self.steps.rare.push(rare);
        self.steps.steps.push(Step::Rare);
        self.step()
    }

    /// Hands over what there is, if it is enough.
    fn step(&mut self) -> anyhow::Result<()> {
        if self.steps.steps.len() < BATCH {
            return Ok(());
        }
        let next = Steps::with_room_for(&self.steps);
        let steps = std::mem::replace(&mut self.steps, next);
        // What the thread has to say is said at the end: nobody goes on now.
        self.to.send(steps).map_err(|_| anyhow!(Refused))
    }

    /// Waits until all is written, and ends the output.
    pub(super) fn finish(self, closed: u64) -> anyhow::Result<O::Made> {
        // If nobody takes them, the thread has failed, and says why.
        let _ = self.to.send(self.steps);
        join(self.to, self.thread)?.finish(closed)
    }

    /// Why nothing goes on: what the thread has to say, if that is what this error tells. The output is gone.
    pub(super) fn why(self, error: anyhow::Error) -> anyhow::Error {
        let failed = join(self.to, self.thread).err();
        if error.is::<Refused>() { failed.unwrap_or(error) } else { error }
    }
}

/// The thread takes no more steps.
#[derive(Debug, thiserror::Error)]
#[error("the output is not written any more")]
struct Refused;

fn join<O>(to: SyncSender<Steps>, thread: JoinHandle<anyhow::Result<O>>) -> anyhow::Result<O> {
    drop(to);
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Takes all steps, until one fails or there are no more.
fn write<O: Output>(mut output: O, steps: &Receiver<Steps>) -> anyhow::Result<O> {
    steps.iter().try_for_each(|steps| steps.take(&mut output))?;
    Ok(output)
}
