//! The thread that drains the socket. It never touches a disk and never waits for the one that writes.

use std::os::fd::AsFd;

use ctrecorder_format::{Cause, Family, Note};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::clock;
use super::convert::Captured;
use super::error::StartError;
use super::queue::{Command, Queue};
use super::statistics::Statistics;
use crate::netlink::parse::{Message, messages};
use crate::netlink::socket::{EventSocket, Received};
use crate::protocol::Protocols;

/// So many events are handed to the queue at once, if so many are there.
const BATCH: usize = 512;

/// So many system calls are made at most before the signals are looked at again.
const ROUNDS: usize = 4096;

/// The signals that a recorder understands, blocked and turned into a file to poll.
pub(super) fn signals() -> Result<SignalFd, StartError> {
    let wanted: SigSet =
        [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT].into_iter().collect();
    let failed = "cannot wait for signals";
    wanted.thread_block().map_err(StartError::system(failed))?;
    SignalFd::with_flags(&wanted, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(StartError::system(failed))
}

/// What is recorded.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) protocols: Protocols,
    pub(super) families: Vec<Family>,
}

/// The draining side.
pub(super) struct Listener<'a> {
    socket: EventSocket,
    signals: SignalFd,
    wanted: Wanted,
    queue: &'a Queue,
    statistics: &'a Statistics,
    /// The socket's counters when they were last looked at.
    drops: u64,
    foreign: u64,
    truncated: u64,
    /// The last moment at which nothing was missing, ns since the epoch.
    whole_until: u64,
}

impl<'a> Listener<'a> {
    pub(super) fn new(
        socket: EventSocket,
        signals: SignalFd,
        wanted: Wanted,
        queue: &'a Queue,
        statistics: &'a Statistics,
    ) -> Self {
        let whole_until = clock::now();
        Self { socket, signals, wanted, queue, statistics, drops: 0, foreign: 0, truncated: 0, whole_until }
    }

    /// Drains until a signal says to stop; then what the kernel has delivered by that moment is drained, too.
    pub(super) fn run(mut self) -> Result<(), StartError> {
        loop {
            let mut ready = [
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(StartError::system("cannot wait for events")(error)),
            }
            self.drain()?;
            while let Ok(Some(signal)) = self.signals.read_signal() {
                match Signal::try_from(signal.ssi_signo as i32) {
                    Ok(Signal::SIGHUP) => self.queue.command(Command::NewSegment),
                    Ok(Signal::SIGUSR1) => self.queue.command(Command::Flush),
                    _ => return self.drain(),
                }
            }
        }
    }

    /// Takes all that the socket holds, or, under a load that never ends, enough to look at the signals again.
    fn drain(&mut self) -> Result<(), StartError> {
        let mut batch = Batch { events: Vec::with_capacity(BATCH), malformed: 0 };
        let mut overrun = false;
        for _ in 0..ROUNDS {
            let received = self.receive(&mut batch)?;
            if batch.events.len() >= BATCH || received == Received::Nothing {
                let events = std::mem::replace(&mut batch.events, Vec::with_capacity(BATCH));
                self.statistics.lost_in_queue.add(self.queue.push(events) as u64);
            }
            match received {
                Received::Datagrams(_) => {}
                Received::Nothing => break,
                Received::Overrun => overrun = true,
            }
        }
        self.statistics.lost_in_queue.add(self.queue.push(batch.events) as u64);
        self.account(overrun, batch.malformed)
    }

    /// One system call's worth of events.
    fn receive(&mut self, batch: &mut Batch) -> Result<Received, StartError> {
        let (wanted, statistics) = (&self.wanted, self.statistics);
        let take = |datagram: &[u8]| {
            let arrived = clock::now();
            for message in messages(datagram) {
                match message {
                    Ok(Message::Event(event)) => match Captured::new(&event, arrived) {
                        Some(captured) if wanted.holds(&captured, event.protocol) => {
                            statistics.count(event.change);
                            batch.events.push(captured);
                        }
                        Some(_) => statistics.passed_over.add(1),
                        None => {}
                    },
                    Ok(_) => {}
                    Err(_) => batch.malformed += 1,
                }
            }
        };
        self.socket.receive(take).map_err(StartError::system("cannot receive events"))
    }

    /// Notes what was lost since the last time.
    fn account(&mut self, overrun: bool, malformed: u64) -> Result<(), StartError> {
        let now = clock::now();
        if overrun {
            let drops = self.socket.drops().map_err(StartError::system("cannot read the socket's drop counter"))?;
            let lost = drops - self.drops;
            self.drops = drops;
            self.statistics.lost_in_kernel.add(lost);
            self.queue.note(Note::gap(self.whole_until, now, lost, Cause::KernelOverrun));
            tracing::warn!("{lost} events lost: the socket's buffer was full (see -b)");
        }
        let truncated = self.socket.truncated();
        let malformed = malformed + (truncated - self.truncated);
        self.truncated = truncated;
        if malformed > 0 {
            self.statistics.malformed.add(malformed);
            self.queue.note(Note::gap(self.whole_until, now, malformed, Cause::Malformed));
            tracing::warn!("{malformed} messages of the kernel were not understood");
        }
        let foreign = self.socket.foreign();
        self.statistics.forged.add(foreign - self.foreign);
        (self.foreign, self.whole_until) = (foreign, now);
        Ok(())
    }
}

/// What is on the way from the socket to the queue.
struct Batch {
    events: Vec<Captured>,
    malformed: u64,
}

impl Wanted {
    fn holds(&self, captured: &Captured, protocol: u8) -> bool {
        self.protocols.contains(protocol) && self.families.contains(&captured.family())
    }
}
