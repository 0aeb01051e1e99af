//! The output in a thread of its own: while flows are written, further ones are paired.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use ctrecorder_format::{Counters, Digest, Note, Record, V4, V6};

use super::output::Output;

/// So many steps are handed over together.
const BATCH: usize = 512;

/// So many batches wait at most: 300 KB.
const BATCHES_MAX: usize = 4;

/// Something to do for the output.
enum Step {
    Ipv4(Record<V4>, Counters, u64),
    Ipv6(Record<V6>, Counters, u64),
    Note(Note),
    Reading(Note),
    Part,
}

/// An output that a thread writes. The functions are those of [`Output`]; what fails in one of them is said by a later one.
pub(super) struct Behind {
    steps: Vec<Step>,
    to: SyncSender<Vec<Step>>,
    thread: JoinHandle<anyhow::Result<Output>>,
}

impl Behind {
    pub(super) fn start(output: Output) -> anyhow::Result<Self> {
        let (to, from) = sync_channel(BATCHES_MAX);
        let thread = std::thread::Builder::new().name("write".into()).spawn(move || write(output, &from));
        Ok(Self { steps: Vec::with_capacity(BATCH), to, thread: thread.context("cannot start a thread")? })
    }

    pub(super) fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        self.step(Step::Ipv4(*flow, *counters, reached))
    }

    pub(super) fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        self.step(Step::Ipv6(*flow, *counters, reached))
    }

    pub(super) fn note(&mut self, note: &Note) -> anyhow::Result<()> {
        self.step(Step::Note(*note))
    }

    pub(super) fn reading(&mut self, note: &Note) -> anyhow::Result<()> {
        self.step(Step::Reading(*note))
    }

    pub(super) fn part(&mut self) -> anyhow::Result<()> {
        self.step(Step::Part)
    }

    fn step(&mut self, step: Step) -> anyhow::Result<()> {
        self.steps.push(step);
        if self.steps.len() < BATCH {
            return Ok(());
        }
        let steps = std::mem::replace(&mut self.steps, Vec::with_capacity(BATCH));
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

fn join(to: SyncSender<Vec<Step>>, thread: JoinHandle<anyhow::Result<Output>>) -> anyhow::Result<Output> {
    drop(to);
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Takes all steps, until one fails or there are no more.
fn write(mut output: Output, steps: &Receiver<Vec<Step>>) -> anyhow::Result<Output> {
    for step in steps.iter().flatten() {
        match step {
            Step::Ipv4(flow, counters, reached) => output.ipv4(&flow, &counters, reached)?,
            Step::Ipv6(flow, counters, reached) => output.ipv6(&flow, &counters, reached)?,
            Step::Note(note) => output.note(&note)?,
            Step::Reading(note) => output.reading(&note),
            Step::Part => output.part(),
        }
    }
    Ok(output)
}
