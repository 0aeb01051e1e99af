//! The files in a thread of its own: while flows are written, further ones are paired.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use ctrecorder_format::{Note, V4, V6};

use super::parts::Parts;
use crate::archive::{Flow, SourceFile};

/// So many steps are handed over together.
const BATCH: usize = 512;

/// So many batches wait at most: a MiB.
const BATCHES_MAX: usize = 8;

/// Something to do for the files. With a flow comes the time up to which the journal was read.
pub(super) enum Step {
    BeginAt(u64),
    Ipv4(Flow<V4>, u64),
    Ipv6(Flow<V6>, u64),
    Note(Note),
    Source(Box<SourceFile>),
    Damage(Box<str>, u64),
}

/// Files that a thread writes. What fails there is said by a later step.
pub(super) struct Behind {
    steps: Vec<Step>,
    to: SyncSender<Vec<Step>>,
    thread: JoinHandle<(Parts, anyhow::Result<()>)>,
}

/// The thread takes no more steps.
#[derive(Debug, thiserror::Error)]
#[error("the output is not written any more")]
struct Refused;

impl Behind {
    pub(super) fn start(parts: Parts) -> anyhow::Result<Self> {
        let (to, from) = sync_channel(BATCHES_MAX);
        let thread = std::thread::Builder::new().name("write".into()).spawn(move || write(parts, &from));
        Ok(Self { steps: Vec::with_capacity(BATCH), to, thread: thread.context("cannot start a thread")? })
    }

    pub(super) fn step(&mut self, step: Step) -> anyhow::Result<()> {
        self.steps.push(step);
        if self.steps.len() < BATCH {
            return Ok(());
        }
        let steps = std::mem::replace(&mut self.steps, Vec::with_capacity(BATCH));
        // What the thread has to say is said at the end: nobody goes on now.
        self.to.send(steps).map_err(|_| anyhow!(Refused))
    }

    /// Waits until all is written, and ends the files.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        // If nobody takes them, the thread has failed, and says why.
        let _ = self.to.send(self.steps);
        let (parts, done) = join(self.to, self.thread);
        match done {
            Ok(()) => parts.finish(),
            failed => parts.withdraw_unless(failed),
        }
    }

    /// Why the export ended before its end: by this error, or by what the thread has to say of it.
    pub(super) fn why(self, error: anyhow::Error) -> anyhow::Error {
        let (parts, done) = join(self.to, self.thread);
        let why = if error.is::<Refused>() { done.err().unwrap_or(error) } else { error };
        parts.withdraw_unless(Err(why)).err().unwrap_or_else(|| anyhow!(Refused))
    }
}

fn join(to: SyncSender<Vec<Step>>, thread: JoinHandle<(Parts, anyhow::Result<()>)>) -> (Parts, anyhow::Result<()>) {
    drop(to);
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Takes all steps, until one fails or there are no more.
fn write(mut parts: Parts, steps: &Receiver<Vec<Step>>) -> (Parts, anyhow::Result<()>) {
    let done = steps.iter().flatten().try_for_each(|step| {
        match step {
            Step::BeginAt(moment) => parts.begin_at(moment),
            Step::Ipv4(flow, reached) => parts.ipv4(&flow, reached)?,
            Step::Ipv6(flow, reached) => parts.ipv6(&flow, reached)?,
            Step::Note(note) => parts.note(&note),
            Step::Source(source) => parts.source(*source),
            Step::Damage(what, lost) => parts.damage(what.into(), lost),
        }
        Ok(())
    });
    (parts, done)
}
