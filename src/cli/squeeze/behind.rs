//! The output in a thread of its own: while flows are written, further ones are paired.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use ctrecorder_format::{Counters, Digest, Family, Note, Record, V4, V6};

use super::output::Output;

/// So many steps are handed over together.
const BATCH: usize = 1024;

/// So many batches wait at most: 300 KB.
const BATCHES_MAX: usize = 3;

/// Something to do for the output.
#[derive(Clone, Copy)]
enum Step {
    /// The next flow of this family, with its counters or without.
    Flow(Family, bool),
    Note,
    Reading,
    Part,
}

/// Steps, and what they are about: flows of one family beside each other, so that each takes no more room than it needs.
#[derive(Default)]
struct Steps {
    steps: Vec<Step>,
    ipv4: Vec<(Record<V4>, u64)>,
    ipv6: Vec<(Record<V6>, u64)>,
    counters: Vec<Counters>,
    notes: Vec<Note>,
}

impl Steps {
    /// A flow of a family comes next. Counters that are zeros are as good as none.
    fn flow(&mut self, family: Family, counters: &Counters) {
        let are_counted = *counters != Counters::default();
        if are_counted {
            self.counters.push(*counters);
        }
        self.steps.push(Step::Flow(family, are_counted));
    }

    /// Does them all.
    fn take(&self, output: &mut Output) -> anyhow::Result<()> {
        let (mut ipv4, mut ipv6) = (self.ipv4.iter(), self.ipv6.iter());
        let (mut counters, mut notes) = (self.counters.iter(), self.notes.iter());
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
                Step::Note => notes.next().map_or(Ok(()), |note| output.note(note))?,
                Step::Reading => notes.next().into_iter().for_each(|note| output.reading(note)),
                Step::Part => output.part(),
            }
        }
        Ok(())
    }
}

/// An output that a thread writes. The functions are those of [`Output`]; what fails in one of them is said by a later one.
pub(super) struct Behind {
    steps: Steps,
    to: SyncSender<Steps>,
    thread: JoinHandle<anyhow::Result<Output>>,
}

impl Behind {
    pub(super) fn start(output: Output) -> anyhow::Result<Self> {
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

    pub(super) fn note(&mut self, note: &Note) -> anyhow::Result<()> {
        self.steps.notes.push(*note);
        self.steps.steps.push(Step::Note);
        self.step()
    }

    pub(super) fn reading(&mut self, note: &Note) -> anyhow::Result<()> {
        self.steps.notes.push(*note);
        self.steps.steps.push(Step::Reading);
        self.step()
    }

    pub(super) fn part(&mut self) -> anyhow::Result<()> {
        self.steps.steps.push(Step::Part);
        self.step()
    }

    /// Hands over what there is, if it is enough.
    fn step(&mut self) -> anyhow::Result<()> {
        if self.steps.steps.len() < BATCH {
            return Ok(());
        }
        let steps = std::mem::take(&mut self.steps);
        // What the thread has to say is said at the end: nobody goes on now.
        self.to.send(steps).map_err(|_| anyhow!(Refused))
    }

    /// Waits until all is written, and ends the output; its digest is returned.
    pub(super) fn finish(self, closed: u64) -> anyhow::Result<Option<Digest>> {
        // If nobody takes them, the thread has failed, and says why.
        let _ = self.to.send(self.steps);
        join(self.to, self.thread)?.finish(closed)
    }

    /// Why the thread did not go on, if that is what this error tells.
    pub(super) fn why(self, error: anyhow::Error) -> anyhow::Error {
        if error.is::<Refused>() { join(self.to, self.thread).err().unwrap_or(error) } else { error }
    }
}

/// The thread takes no more steps.
#[derive(Debug, thiserror::Error)]
#[error("the output is not written any more")]
struct Refused;

fn join(to: SyncSender<Steps>, thread: JoinHandle<anyhow::Result<Output>>) -> anyhow::Result<Output> {
    drop(to);
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Takes all steps, until one fails or there are no more.
fn write(mut output: Output, steps: &Receiver<Steps>) -> anyhow::Result<Output> {
    steps.iter().try_for_each(|steps| steps.take(&mut output))?;
    Ok(output)
}
