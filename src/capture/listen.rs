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

/// Even where nothing happens the draining side looks about so often, in ms: a gap then begins no earlier than this
/// before it was noticed.
const QUIET_MS: u16 = 1000;

/// The signals that a recorder understands, blocked and turned into a file to poll. Two more are blocked and never looked
/// at: SIGXFSZ, for a file that may not grow is an error of its write like any other, and SIGUSR2, a neighbour of SIGUSR1
/// that would end the recorder at once.
pub(super) fn signals() -> Result<SignalFd, StartError> {
    let wanted: SigSet =
        [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT].into_iter().collect();
    let failed = "cannot wait for signals";
    let mut blocked = wanted;
    blocked.add(Signal::SIGXFSZ);
    blocked.add(Signal::SIGUSR2);
    blocked.thread_block().map_err(StartError::system(failed))?;
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
    /// What is on the way from the socket to the queue.
    batch: Vec<Captured>,
    /// The kernel had no room for events, and its queue has not been empty since.
    overrun: bool,
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
        let batch = Vec::with_capacity(2 * BATCH);
        Self {
            socket,
            signals,
            wanted,
            queue,
            statistics,
            batch,
            overrun: false,
            drops: 0,
            foreign: 0,
            truncated: 0,
            whole_until,
        }
    }

    /// Drains until a signal says to stop; then what the kernel has delivered by that moment is drained, too.
    pub(super) fn run(mut self) -> Result<(), StartError> {
        loop {
            let mut ready = [
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::from(QUIET_MS)) {
                // Nothing came, so nothing is missing up to now.
                Ok(0) => self.whole_until = clock::now(),
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
        let mut malformed = 0;
        let mut emptied = false;
        for _ in 0..ROUNDS {
            let received = self.receive(&mut malformed)?;
            if self.batch.len() >= BATCH || received == Received::Nothing {
                self.hand_over();
            }
            match received {
                Received::Datagrams(_) => {}
                Received::Nothing => {
                    emptied = true;
                    break;
                }
                Received::Overrun => self.overrun = true,
            }
        }
        self.hand_over();
        self.account(malformed)?;
        // Until its queue is empty the kernel may drop more without saying so again.
        self.overrun &= !emptied;
        Ok(())
    }

    /// Gives what was received to the writing side.
    fn hand_over(&mut self) {
        if !self.batch.is_empty() {
            self.statistics.lost_in_queue.add(self.queue.push(&mut self.batch));
        }
    }

    /// One system call's worth of events.
    fn receive(&mut self, malformed: &mut u64) -> Result<Received, StartError> {
        let (wanted, statistics, batch) = (&self.wanted, self.statistics, &mut self.batch);
        let take = |datagram: &[u8]| {
            let arrived = clock::now();
            for message in messages(datagram) {
                match message {
                    Ok(Message::Event(event)) => match Captured::new(&event, arrived) {
                        Some(captured) if wanted.holds(&captured, event.protocol) => {
                            statistics.count(event.change);
                            batch.push(captured);
                        }
                        Some(_) => statistics.passed_over.add(1),
                        None => {}
                    },
                    Ok(_) => {}
                    Err(_) => *malformed += 1,
                }
            }
        };
        self.socket.receive(take).map_err(StartError::system("cannot receive events"))
    }

    /// Notes what was lost since the last time.
    fn account(&mut self, malformed: u64) -> Result<(), StartError> {
        let now = clock::now();
        if self.overrun {
            let drops = self.socket.drops().map_err(StartError::system("cannot read the socket's drop counter"))?;
            let lost = drops - self.drops;
            self.drops = drops;
            self.statistics.lost_in_kernel.add(lost);
            // The kernel may also report an overrun that it does not count, for want of memory.
            let lost = if lost == 0 { Note::LOST_UNKNOWN } else { lost };
            self.queue.note(Note::gap(self.whole_until, now, lost, Cause::KernelOverrun));
        }
        let truncated = self.socket.truncated();
        let malformed = malformed + (truncated - self.truncated);
        self.truncated = truncated;
        if malformed > 0 {
            self.statistics.malformed.add(malformed);
            self.queue.note(Note::gap(self.whole_until, now, malformed, Cause::Malformed));
        }
        let foreign = self.socket.foreign();
        self.statistics.forged.add(foreign - self.foreign);
        (self.foreign, self.whole_until) = (foreign, now);
        Ok(())
    }
}

impl Wanted {
    fn holds(&self, captured: &Captured, protocol: u8) -> bool {
        self.protocols.contains(protocol) && self.families.contains(&captured.family())
    }
}
