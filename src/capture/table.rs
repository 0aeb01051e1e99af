//! Follows the kernel's table of flows: reads it at the head of each segment and after gaps, while events go on.
//!
//! A reading goes in small steps between the events that are written, and none of it is believed before all events
//! that were made until then have been taken: so no flow is missing, and none is doubled.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use ctrecorder_format::{Cause, Family, Note, Totals, Writer};

use super::account::Account;
use super::clock;
use super::convert::Captured;
use super::listen::Wanted;
use super::mirror::Mirror;
use super::netns::Door;
use super::queue::{Gone, Queue, Standing};
use super::statistics::Statistics;
use crate::counted::{are, counted};
use crate::netlink::kernel::nfnl::{NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_UNSPEC};
use crate::netlink::kernel::status::IPS_DYING;
use crate::netlink::socket::RequestSocket;
use crate::netlink::{Event, request};

/// How long to wait for the start of a flow that was found and is not known: the kernel reports it a moment after it shows it.
const GRACE: Duration = Duration::from_millis(50);

/// So many datagrams of some hundred flows are read in one step; events wait no longer than that takes, a few ms.
const STEP: usize = 16;

/// How long to wait before the table is read again, after a reading that was not whole: at first, and at most. While events
/// are lost without end, readings would only make it worse.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The same when the recorder is to end.
const HURRIED: Duration = Duration::from_millis(100);

/// What the writing side knows of the kernel's table.
pub(super) struct Table<'a> {
    mirror: Mirror,
    account: Account,
    wanted: Wanted,
    /// The way to another network namespace's table.
    door: Option<Door>,
    queue: &'a Queue,
    statistics: &'a Statistics,
    reading: Option<Reading>,
    /// The table is to be read, from this moment on.
    due: Option<Instant>,
    pause: Duration,
    /// How often to look for ends that are not reported; never if `None`.
    poll: Option<Duration>,
    /// The last whole reading: when it began, and when it was over.
    began: u64,
    over: Instant,
    failed: bool,
    /// Losses that only accounts in this segment tell of.
    accounted_in_segment: u64,
    /// An account that is not logged yet.
    settled: Option<Note>,
}

/// A reading of the table in progress.
struct Reading {
    socket: RequestSocket,
    phase: Phase,
    /// When it began, ns since the epoch.
    began: u64,
    /// When the last flow was read.
    read: u64,
    /// How many gaps there had been when it began.
    gaps: u64,
    /// The answer to wait for before going on.
    ticket: Option<u64>,
    /// When to ask again for events, if flows still wait at the end.
    rest: Option<Instant>,
    /// How many flows there are whose end the kernel holds back.
    held: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The events up to now are awaited.
    Opening,
    /// The flows alive are read.
    Alive,
    /// The flows are read whose end the kernel holds back.
    Held,
    /// All is read, and the last events are awaited.
    Closing,
}

impl<'a> Table<'a> {
    /// Nothing is known yet; the table is to be read. `prior_audible`: see [`Mirror::new`].
    pub(super) fn new(
        wanted: Wanted,
        poll: Option<Duration>,
        prior_audible: bool,
        queue: &'a Queue,
        statistics: &'a Statistics,
    ) -> Self {
        let now = Instant::now();
        Self {
            mirror: Mirror::new(prior_audible),
            account: Account::default(),
            wanted,
            door: None,
            queue,
            statistics,
            reading: None,
            due: Some(now),
            pause: PAUSE,
            poll,
            began: clock::now(),
            over: now,
            failed: false,
            accounted_in_segment: 0,
            settled: None,
        }
    }

    /// The same of the network namespace behind this door.
    pub(super) fn behind(self, door: Door) -> Self {
        Self { door: Some(door), ..self }
    }

    /// How many flows are alive, as far as the journal tells.
    pub(super) fn len(&self) -> usize {
        self.mirror.len()
    }

    /// Writes an event.
    pub(super) fn event(&mut self, event: &Captured, to: &mut Writer<File>) {
        self.mirror.event(event, to);
    }

    /// Events are missing: the table will tell what became of them.
    pub(super) fn gap(&mut self, note: &Note) {
        // Where the kernel holds ends back, it loses starts alone.
        let starts_alone = note.cause() == Some(Cause::KernelOverrun) && note.lost().is_none();
        self.mirror.gap(note.from.get(), !starts_alone);
        self.account.gap(note);
        let soonest = if self.failed { self.over + self.pause } else { Instant::now() };
        self.due.get_or_insert(soonest);
    }

    /// A segment begins: it is to tell of every flow that is alive.
    pub(super) fn begin_segment(&mut self) {
        self.mirror.begin_segment();
        self.accounted_in_segment = 0;
        // What has been read of a reading that goes on was told in the segment before.
        self.abandon();
        self.due = Some(Instant::now());
    }

    /// Nothing can be written for now: what is read would wait, and so would the namespace that it is read in. It is read later.
    pub(super) fn pause(&mut self) {
        if self.reading.is_some() {
            self.abandon();
            self.due = Some(Instant::now());
        }
    }

    /// What was lost is to be found out without delay.
    pub(super) fn hurry(&mut self) {
        self.due = self.due.map(|_| Instant::now());
        self.pause = HURRIED;
    }

    /// How many events the present segment tells of, whose records are summed up in `totals`: recorded, or known to be lost.
    pub(super) const fn events(&self, totals: &Totals) -> u64 {
        let heard = totals.starts.saturating_add(totals.ends).saturating_sub(self.mirror.found_in_segment());
        heard.saturating_add(totals.lost).saturating_add(self.accounted_in_segment)
    }

    /// Adds what only the table knows to the statistics.
    pub(super) fn count(&mut self) {
        self.statistics.repeated.add(self.mirror.take_repeated());
    }

    /// Whether the kernel's table was read whole once.
    pub(super) const fn is_known(&self) -> bool {
        self.mirror.is_known()
    }

    /// Whether it is known what was lost.
    pub(super) fn is_settled(&self) -> bool {
        !self.account.is_open()
    }

    /// When to come again with [`Self::work`]; `None` if nothing is to be done at present.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.reading {
            // An answer wakes the writing side.
            Some(Reading { ticket: Some(_), .. }) => None,
            Some(Reading { rest, .. }) => Some(rest.unwrap_or_else(Instant::now)),
            None => self.due.into_iter().chain(self.next_poll()).min(),
        }
    }

    fn next_poll(&self) -> Option<Instant> {
        self.poll.filter(|_| self.mirror.prior() > 0).map(|poll| self.over + poll)
    }

    /// Goes on with a reading, or begins one, if that is due. All events in front of `standing` must have been handed to
    /// [`Self::event`].
    pub(super) fn work(&mut self, standing: Standing, to: &mut Writer<File>) {
        if let Err(error) = self.try_work(standing, to) {
            self.abandon();
            self.over = Instant::now();
            if !std::mem::replace(&mut self.failed, true) {
                tracing::warn!("the kernel's table cannot be read: {error}; trying again");
            }
            self.try_later();
        }
    }

    fn try_work(&mut self, standing: Standing, to: &mut Writer<File>) -> io::Result<()> {
        let Some(reading) = &mut self.reading else {
            return if self.is_due() { self.begin() } else { Ok(()) };
        };
        if let Some(ticket) = reading.ticket {
            if standing.answered < ticket {
                return Ok(());
            }
            reading.ticket = None;
            if reading.phase == Phase::Opening {
                self.mirror.begin_reading();
                return reading.open(&self.wanted, self.account.gaps());
            }
            self.mirror.decide(GRACE, to);
            if reading.phase == Phase::Closing {
                if self.mirror.is_waiting() {
                    reading.rest = Some(Instant::now() + GRACE);
                } else {
                    self.end(standing, to);
                }
                return Ok(());
            }
        }
        if reading.phase == Phase::Closing {
            if reading.rest.is_none_or(|until| Instant::now() >= until) {
                reading.ticket = Some(self.queue.ask());
            }
            return Ok(());
        }
        self.mirror.step();
        for _ in 0..STEP {
            if reading.step(&mut self.mirror, &self.wanted, to)? {
                reading.next_phase()?;
                break;
            }
        }
        if self.mirror.is_waiting() || reading.phase == Phase::Closing {
            reading.ticket = Some(self.queue.ask());
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.due.into_iter().chain(self.next_poll()).any(|moment| moment <= Instant::now())
    }

    /// Begins by taking the events up to now: what is heard of later has begun since.
    fn begin(&mut self) -> io::Result<()> {
        self.due = None;
        let socket = match &mut self.door {
            None => RequestSocket::open(),
            Some(door) => door.within(RequestSocket::open)?,
        };
        let socket = socket.map_err(io::Error::other)?;
        let ticket = Some(self.queue.ask());
        self.reading =
            Some(Reading { socket, phase: Phase::Opening, began: 0, read: 0, gaps: 0, ticket, rest: None, held: 0 });
        Ok(())
    }

    fn abandon(&mut self) {
        if self.reading.take().is_some() {
            self.mirror.end_reading(false);
        }
    }

    /// The network namespace has ended, and with it every flow that is alive as far as is known: tells of that. Returns how many these
    /// are.
    pub(super) fn vanish(&mut self, gone: Gone, to: &mut Writer<File>) -> usize {
        self.abandon();
        let flows = self.mirror.len();
        // Where all that was alive is known this says what a reading would: that none is left.
        if self.mirror.is_known() && !self.account.is_open() {
            let from = if self.mirror.prior() == 0 { gone.since.max(self.began) } else { self.began };
            to.note(&Note::gap(from.min(gone.by), gone.by, 0, Cause::TableRead));
        }
        self.mirror.end_all(gone.by, to);
        to.note(&Note::at(gone.by, Cause::NamespaceGone).with_value(flows as u64));
        flows
    }

    fn try_later(&mut self) {
        let later = Instant::now() + self.pause;
        self.due = Some(self.due.map_or(later, |due| due.max(later)));
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    /// The table was read to its end, and so were the events up to then.
    fn end(&mut self, standing: Standing, to: &mut Writer<File>) {
        let Some(reading) = self.reading.take() else { return };
        self.failed = false;
        self.over = Instant::now();
        if self.account.gaps() != reading.gaps {
            self.mirror.end_reading(false);
            return self.try_later();
        }
        self.statistics.readings.add(1);
        let was_known = self.mirror.is_known();
        self.bury(&reading, to);
        // While the kernel holds ends back, it is not known of which flows the start was lost, too.
        if reading.held == 0 || !self.account.is_open() {
            self.settle(was_known, &reading, standing, to);
            self.pause = PAUSE;
        } else {
            self.try_later();
        }
        self.mirror.end_reading(true);
        self.began = reading.began;
        if !was_known {
            self.greet();
        }
    }

    /// Tells which flows the reading did not find any more.
    fn bury(&mut self, reading: &Reading, to: &mut Writer<File>) {
        let gone = self.mirror.gone();
        let from = match self.account.from() {
            Some(from) if !gone.unheard => from,
            _ => self.began,
        };
        let alive = self.mirror.len() - gone.flows;
        to.note(&Note::gap(from, reading.read, 0, Cause::TableRead).with_value(alive as u64));
        self.mirror.bury(reading.read.max(from), clock::now(), to);
    }

    /// Tells what the gaps came to, now that it can be known.
    fn settle(&mut self, was_known: bool, reading: &Reading, standing: Standing, to: &mut Writer<File>) {
        let tally = self.mirror.take_tally();
        let is_news = self.account.is_unknown();
        let Some(settled) = self.account.settle(tally, standing, was_known, reading.read) else { return };
        to.note(&settled);
        if let Some(lost) = settled.lost().filter(|_| is_news) {
            self.statistics.lost_in_kernel.add(lost);
            self.accounted_in_segment += lost;
        }
        self.settled = Some(settled);
    }

    /// The account of gaps that was made since the last call, to be logged behind them.
    pub(super) const fn take_settled(&mut self) -> Option<Note> {
        self.settled.take()
    }

    /// After the first reading.
    fn greet(&self) {
        let (flows, prior) = (self.mirror.len(), self.mirror.prior());
        let polled = self.poll.map_or_else(
            || "they are not looked for, either".into(),
            |poll| format!("they are looked for every {} s", poll.as_secs()),
        );
        let alive = format!("{} {} alive", counted(flows, "flow"), are(flows));
        if prior == 0 {
            tracing::info!("{alive}");
        } else {
            tracing::info!("{alive}; {prior} began before, and may end unheard: {polled}");
        }
    }
}

impl Reading {
    /// Takes the next datagram; returns whether it was the last one of its phase.
    fn step(&mut self, mirror: &mut Mirror, wanted: &Wanted, to: &mut Writer<File>) -> io::Result<bool> {
        let now = clock::now();
        let Self { socket, phase, held, .. } = self;
        let done = socket.continue_dump(|flow: Event| {
            let Some(found) = Captured::found(&flow, now).filter(|found| wanted.holds(found, flow.protocol)) else {
                return;
            };
            match *phase {
                Phase::Held => {
                    *held += 1;
                    mirror.held(&found);
                }
                // Its end is reported just now, before it leaves the table.
                _ if flow.status & IPS_DYING != 0 => mirror.held(&found),
                _ => mirror.found(&found, to),
            }
        })?;
        if done && self.phase == Phase::Alive {
            self.read = clock::now();
        }
        Ok(done)
    }

    /// Asks for the table. There have been so many `gaps` up to now.
    fn open(&mut self, wanted: &Wanted, gaps: u64) -> io::Result<()> {
        let mut dump = Vec::new();
        request::dump(&mut dump, wanted.netlink_family());
        self.began = clock::now();
        (self.read, self.gaps, self.phase) = (self.began, gaps, Phase::Alive);
        self.socket.begin_dump(&dump)
    }

    fn next_phase(&mut self) -> io::Result<()> {
        self.phase = match self.phase {
            Phase::Opening | Phase::Alive => {
                let mut dump = Vec::new();
                request::dump_dying(&mut dump);
                self.socket.begin_dump(&dump)?;
                Phase::Held
            }
            Phase::Held | Phase::Closing => Phase::Closing,
        };
        Ok(())
    }
}

impl Wanted {
    /// What to ask the kernel's table for.
    fn netlink_family(&self) -> u8 {
        match self.families.as_slice() {
            [Family::Ipv4] => NFPROTO_IPV4,
            [Family::Ipv6] => NFPROTO_IPV6,
            _ => NFPROTO_UNSPEC,
        }
    }
}
