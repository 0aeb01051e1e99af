//! The thread that drains the socket. It never touches a disk and never waits for the one that writes.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ctrecorder_format::{Cause, Family, Note};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::clock::{self, Moment, StepWatch};
use super::convert::Captured;
use super::delivery::Delivery;
use super::error::StartError;
use super::netns::Others;
use super::queue::{Command, Queue};
use super::statistics::{Statistics, Tally};
use crate::netlink::parse::{Message, messages};
use crate::netlink::socket::{EventSocket, Received};
use crate::protocol::Protocols;

/// So many events are handed to the queue at once, if so many are there.
const BATCH: usize = 512;

/// So many system calls are made at most before the signals are looked at again.
const ROUNDS: usize = 4096;

/// So many times is drained at the end, if the load does not: more than the largest buffer can hold.
const LAST_ROUNDS: usize = 8;

/// Even where nothing happens the draining side looks about so often, in ms: a gap then begins no earlier than this
/// before it was noticed.
const QUIET_MS: u16 = 1000;

/// What counts as load: so many events at once; how long the next ones may gather then; and the bytes of buffer from
/// which on that is no danger, at millions of events a second.
const BUSY: usize = 16;
const LULL: Duration = Duration::from_micros(500);
const ROOMY: usize = 8 << 20;

/// Overruns are noted no more often than this, but for the first one.
const GAP_INTERVAL: Duration = Duration::from_secs(1);

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
    delivery: Delivery,
    /// What is on the way from the socket to the queue.
    batch: Vec<Captured>,
    /// What was counted of it.
    tally: Tally,
    /// Other network namespaces, if they are heard, too.
    others: Option<Others>,
    /// The kernel had no room for events, and its queue has not been empty since.
    overrun: bool,
    /// It said so since the last account.
    told: bool,
    /// Datagrams since the last lull.
    taken: usize,
    /// An overrun that is still to be noted, and when the last one was.
    gap: Option<Note>,
    gap_told: Option<Instant>,
    /// The socket's counters when they were last looked at.
    drops: u64,
    foreign: u64,
    truncated: u64,
    /// The last moment at which nothing was missing.
    whole_until: Moment,
    clock: StepWatch,
}

impl<'a> Listener<'a> {
    pub(super) fn new(
        socket: EventSocket,
        delivery: Delivery,
        signals: SignalFd,
        wanted: Wanted,
        queue: &'a Queue,
        statistics: &'a Statistics,
    ) -> Self {
        let whole_until = Moment::now();
        let batch = Vec::with_capacity(2 * BATCH);
        Self {
            socket,
            signals,
            wanted,
            queue,
            statistics,
            delivery,
            batch,
            tally: Tally::default(),
            others: None,
            overrun: false,
            told: false,
            taken: 0,
            gap: None,
            gap_told: None,
            drops: 0,
            foreign: 0,
            truncated: 0,
            whole_until,
            clock: StepWatch::begin(),
        }
    }

    /// Hears the other network namespaces, too.
    pub(super) fn hear(&mut self, others: Option<Others>) {
        self.others = others;
    }

    /// Drains until the writing side says that it is for the last time. When a signal says to stop, what the kernel has
    /// delivered by that moment is drained before the writing side is told.
    pub(super) fn run(mut self) -> Result<(), StartError> {
        let listened = self.listen();
        let until = *listened.as_ref().unwrap_or(&self.whole_until.wall);
        self.hand_over_gap(true);
        // Whatever failed, what was received of other namespaces is written; what cannot be, the own journal tells.
        let finished = self.others.map_or(Ok(()), |others| others.finish(until, self.queue));
        self.queue.drained(until);
        listened.map(drop).and(finished)
    }

    /// The same without the end; returns up to when all was handed over, ns since the epoch.
    fn listen(&mut self) -> Result<u64, StartError> {
        let mut stopping = false;
        if let Some(others) = &mut self.others {
            others.begin_all(self.queue);
        }
        while !self.queue.is_closed() {
            let watched = [self.socket.as_fd(), self.signals.as_fd(), self.queue.bell()].into_iter();
            let watched = watched.chain(self.others.as_ref().map(Others::news));
            let mut ready: Vec<_> = watched.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
            match poll(&mut ready, PollTimeout::from(QUIET_MS)) {
                // Nothing came, so nothing is missing up to now.
                Ok(0) => self.whole_until = Moment::now(),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(StartError::system("cannot wait for events")(error)),
            }
            self.queue.hush();
            let (whole_until, queue) = (self.whole_until.wall, self.queue);
            let heard = self.others.as_mut().map_or(Ok(()), |others| others.hear(whole_until, queue));
            heard.map_err(StartError::system("cannot hear which network namespaces there are"))?;
            let emptied = self.drain()?;
            if let Some(others) = &mut self.others {
                others.act(emptied, self.whole_until.wall, self.queue);
            }
            self.lull();
            while let Ok(Some(signal)) = self.signals.read_signal() {
                match Signal::try_from(signal.ssi_signo as i32) {
                    Ok(Signal::SIGHUP) => self.command(Command::NewSegment),
                    Ok(Signal::SIGUSR1) => self.command(Command::Flush),
                    _ => {
                        self.drain()?;
                        self.hand_over_gap(true);
                        // Whoever says it twice means it.
                        self.command(if stopping { Command::StopNow } else { Command::Stop });
                        stopping = true;
                    }
                }
            }
        }
        let until = clock::now();
        for _ in 0..LAST_ROUNDS {
            if self.drain()? {
                break;
            }
        }
        Ok(until)
    }

    /// Tells every writing side to do something.
    fn command(&self, command: Command) {
        self.queue.command(command);
        if let Some(others) = &self.others {
            others.command(command);
        }
    }

    /// Tells every writing side something.
    fn note(&self, note: Note) {
        self.queue.note(note);
        if let Some(others) = &self.others {
            others.note(note);
        }
    }

    /// Takes all that the socket holds, or, under a load that never ends, enough to look at the signals again; returns
    /// whether it was all.
    fn drain(&mut self) -> Result<bool, StartError> {
        let ticket = self.queue.asked();
        if let Some(others) = &mut self.others {
            others.note_tickets();
        }
        let mut malformed = 0;
        let mut emptied = false;
        for _ in 0..ROUNDS {
            self.watch_clock();
            let received = self.receive(&mut malformed)?;
            if self.batch.len() >= BATCH
                || self.others.as_ref().is_some_and(|others| others.waiting() >= BATCH)
                || received == Received::Nothing
            {
                self.hand_over();
            }
            match received {
                Received::Datagrams(count) => self.taken += count,
                Received::Nothing => {
                    emptied = true;
                    break;
                }
                Received::Overrun => (self.overrun, self.told) = (true, true),
            }
        }
        self.hand_over();
        self.account(malformed)?;
        if emptied {
            // Until its queue is empty the kernel may drop more without saying so again.
            self.overrun = false;
        }
        if self.gap.is_some() {
            self.hand_over_gap(emptied && self.queue.awaits(ticket));
        }
        if emptied {
            self.queue.answer(ticket);
            if let Some(others) = &self.others {
                others.answer();
            }
        }
        Ok(emptied)
    }

    /// Under load, lets some events gather before they are looked for again: to be woken for a few costs more than they do.
    /// Not with a small buffer, which they would fill.
    fn lull(&mut self) {
        let busy = std::mem::take(&mut self.taken) >= BUSY;
        if busy && self.socket.receive_buffer() >= ROOMY {
            std::thread::sleep(LULL);
        }
    }

    /// Notes that the clock was set, behind all that was received before, and before all that is received by the clock as it is now.
    fn watch_clock(&mut self) {
        if let Some(step) = self.clock.step() {
            self.hand_over();
            self.hand_over_gap(true);
            self.note(Note::clock_step(self.clock.arrival(), step));
        }
    }

    /// Gives what was received to the writing side.
    fn hand_over(&mut self) {
        self.tally.hand_over(self.statistics);
        if !self.batch.is_empty() {
            self.statistics.lost_in_queue.add(self.queue.push(&mut self.batch));
        }
        if let Some(others) = &mut self.others {
            self.statistics.lost_in_queue.add(others.hand_over());
        }
    }

    /// One system call's worth of events.
    fn receive(&mut self, malformed: &mut u64) -> Result<Received, StartError> {
        let (wanted, tally, queue, since) = (&self.wanted, &mut self.tally, self.queue, self.whole_until.wall);
        let (own, others, clock) = (&mut self.batch, &mut self.others, &self.clock);
        others.iter_mut().for_each(Others::received);
        let take = |datagram: &[u8], netns: Option<u32>| {
            let arrived = clock.arrival();
            let batch = match (netns, others.as_mut()) {
                (Some(id), Some(others)) => others.batch(id, since, queue).unwrap_or(own),
                _ => &mut *own,
            };
            for message in messages(datagram) {
                match message {
                    Ok(Message::Event(event)) => match Captured::new(&event, arrived) {
                        Some(captured) if wanted.holds(&captured, event.protocol) => {
                            tally.count(event.change, event.protocol, arrived);
                            batch.push(captured);
                        }
                        Some(_) => tally.pass_over(),
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
        let now = Moment::now();
        if self.overrun {
            self.account_overrun(now)?;
        }
        let delivery = self.delivery.watch(&self.socket, self.overrun);
        if let Some(note) = delivery.map_err(StartError::system("cannot change the kernel's delivery"))? {
            // What was dropped up to here is told as it was delivered.
            self.hand_over_gap(true);
            self.note(note);
        }
        let truncated = self.socket.truncated();
        let malformed = malformed + (truncated - self.truncated);
        self.truncated = truncated;
        if malformed > 0 {
            self.statistics.malformed.add(malformed);
            let (from, to) = self.whole_until.shown_until(now);
            self.note(Note::gap(from, to, malformed, Cause::Malformed));
        }
        let foreign = self.socket.foreign();
        self.statistics.forged.add(foreign - self.foreign);
        (self.foreign, self.whole_until) = (foreign, now);
        Ok(())
    }

    /// Notes what the kernel could not deliver since the last time.
    fn account_overrun(&mut self, now: Moment) -> Result<(), StartError> {
        let drops = self.socket.drops().map_err(StartError::system("cannot read the socket's drop counter"))?;
        let failed = drops - self.drops;
        self.drops = drops;
        if failed == 0 && !self.told {
            return Ok(());
        }
        self.told = false;
        let lost = if self.delivery.is_reliable() {
            // Each failed attempt was counted, and most will be made up for: a reading of the table tells what was not.
            Note::LOST_UNKNOWN
        } else {
            self.statistics.lost_in_kernel.add(failed);
            // The kernel may also report an overrun that it does not count, for want of memory.
            if failed == 0 { Note::LOST_UNKNOWN } else { failed }
        };
        let (from, to) = self.whole_until.shown_until(now);
        let gap = Note::gap(from, to, lost, Cause::KernelOverrun);
        self.gap = Some(self.gap.map_or(gap, |gap_before| gap_before.joined(&gap)));
        Ok(())
    }

    /// Hands on what was noted of overruns: the first at once, and then once a second, in sum. While the kernel makes up for
    /// an overrun, there is one every few ms.
    fn hand_over_gap(&mut self, urgent: bool) {
        let Some(gap) = self.gap else { return };
        if urgent || self.gap_told.is_none_or(|told| told.elapsed() >= GAP_INTERVAL) {
            self.note(gap);
            (self.gap, self.gap_told) = (None, Some(Instant::now()));
        }
    }
}

impl Wanted {
    pub(super) fn holds(&self, captured: &Captured, protocol: u8) -> bool {
        self.protocols.contains(protocol) && self.families.contains(&captured.family())
    }
}
