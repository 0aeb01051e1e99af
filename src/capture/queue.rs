//! The bounded queue between the thread that drains the socket and the one that writes.
//!
//! The draining side never waits: what does not fit is counted into a gap that stands in the queue where the events
//! would have stood.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ctrecorder_format::{Cause, Note};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::convert::Captured;

/// The writing side is woken early when so many events wait, or the queue is half full; else it wakes by its own clock.
const WAKE_AT: usize = 4096;

/// A vector of waiting events takes no more once it has so many.
const CHUNK: usize = 4096;

/// What the writing side takes from the queue, in order of arrival.
#[derive(Debug)]
pub(super) enum Element {
    /// Events.
    Events(Vec<Captured>),
    /// A gap, or something else to note.
    Note(Note),
}

/// What the writing side is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Begin a new segment.
    NewSegment,
    /// Write all there is, and log statistics.
    Flush,
    /// Find out what was lost, if that is open, write all there is, and end.
    Stop,
    /// Write all there is, and end at once.
    StopNow,
    /// The same, for the network namespace that is recorded has ended.
    Gone(Gone),
}

/// When a network namespace ended: not before everything was heard up to `since`, and `by` that moment at the latest, both ns since the
/// epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) since: u64,
    pub(super) by: u64,
}

/// What [`Queue::take`] found.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) elements: VecDeque<Element>,
    pub(super) commands: Vec<Command>,
    pub(super) standing: Standing,
}

/// Where the draining side stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The last ticket that it has answered: what was delivered before that was asked for has been taken.
    pub(super) answered: u64,
    /// Starts that found no room in the queue up to now.
    pub(super) lost_starts: u64,
    /// Ends that found no room in the queue up to now.
    pub(super) lost_ends: u64,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    room: Arc<Room>,
    wake_at: usize,
    state: Mutex<State>,
    wake: Condvar,
    /// Wakes the draining side, which waits for its socket.
    bell: Arc<EventFd>,
    /// The last ticket handed out.
    asked: AtomicU64,
    /// How often the draining side has come round.
    rounds: AtomicU64,
    closed: AtomicBool,
}

/// The room that queues filled by one draining side have in common: whatever they hold, memory has one bound.
#[derive(Debug)]
struct Room {
    limit: usize,
    /// How many events wait.
    taken: AtomicUsize,
}

impl Room {
    fn left(&self) -> usize {
        self.limit.saturating_sub(self.taken.load(Ordering::Relaxed))
    }

    fn take(&self, events: usize) {
        self.taken.fetch_add(events, Ordering::Relaxed);
    }

    fn give_back(&self, events: usize) {
        self.taken.fetch_sub(events, Ordering::Relaxed);
    }

    fn is_half_full(&self) -> bool {
        self.left() <= self.limit / 2
    }
}

#[derive(Debug, Default)]
struct State {
    elements: VecDeque<Element>,
    events: usize,
    commands: Vec<Command>,
    /// Why the writing side does not take events at present.
    stalled: Option<Cause>,
    standing: Standing,
    /// The last answer has not been taken yet.
    news: bool,
    /// The draining side has ended, and had taken all that was delivered up to this moment.
    drained: Option<u64>,
}

impl Queue {
    /// A queue for at most `limit` events.
    pub(super) fn new(limit: usize) -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let room = Room { limit: limit.max(1), taken: AtomicUsize::new(0) };
        Ok(Self::with_bell(Arc::new(room), Arc::new(bell)))
    }

    /// A queue that is filled from the same socket, so that its bell wakes the same draining side and it shares the room for events,
    /// and that holds what is `waiting` already.
    pub(super) fn beside(&self, waiting: Vec<Element>) -> Self {
        let beside = Self::with_bell(Arc::clone(&self.room), Arc::clone(&self.bell));
        let events = waiting.iter().map(|element| match element {
            Element::Events(events) => events.len(),
            Element::Note(_) => 0,
        });
        let events = events.sum();
        beside.room.take(events);
        *beside.state() = State { elements: waiting.into(), events, ..State::default() };
        beside
    }

    fn with_bell(room: Arc<Room>, bell: Arc<EventFd>) -> Self {
        Self {
            wake_at: WAKE_AT.min(room.limit / 2).max(1),
            room,
            state: Mutex::default(),
            wake: Condvar::new(),
            bell,
            asked: AtomicU64::new(0),
            rounds: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// How many events wait, in this one and those beside it.
    pub(super) fn depth(&self) -> usize {
        self.room.taken.load(Ordering::Relaxed)
    }

    /// How many may wait.
    pub(super) fn limit(&self) -> usize {
        self.room.limit
    }

    /// Whether events wait.
    pub(super) fn holds_events(&self) -> bool {
        self.state().events > 0
    }

    /// Whether nothing waits, neither events nor notes.
    pub(super) fn is_empty(&self) -> bool {
        self.state().elements.is_empty()
    }

    /// Adds the events, and empties their vector for the next ones; returns how many of them, the last ones, found no
    /// room and are counted in a gap.
    pub(super) fn push(&self, events: &mut Vec<Captured>) -> u64 {
        let mut state = self.state();
        let room = self.room.left().min(events.len());
        let lost = &events[room..];
        let count = lost.len() as u64;
        let span = lost.first().zip(lost.last()).map(|(first, last)| (first.arrived, last.arrived));
        let ends = lost.iter().filter(|event| event.is_end()).count() as u64;
        self.room.take(room);
        state.append(events.drain(..room));
        state.standing.lost_ends += ends;
        state.standing.lost_starts += count - ends;
        if let Some((from, to)) = span {
            let cause = state.stalled.unwrap_or(Cause::QueueFull);
            state.note(Note::gap(from, to, count, cause));
        }
        events.clear();
        let wake = self.is_worth_waking(&state) && state.stalled.is_none();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        count
    }

    /// Whether so many events wait that they should be taken at once.
    fn is_worth_waking(&self, state: &State) -> bool {
        state.events >= self.wake_at || (state.events > 0 && self.room.is_half_full())
    }

    /// Adds a note behind the events that wait.
    pub(super) fn note(&self, note: Note) {
        self.state().note(note);
    }

    /// Tells the writing side to do something at once.
    pub(super) fn command(&self, command: Command) {
        self.state().commands.push(command);
        self.wake.notify_one();
    }

    /// For the writing side: asks the draining one to take all that the kernel has delivered up to now, and returns the
    /// number under which it will answer.
    pub(super) fn ask(&self) -> u64 {
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.ring();
        ticket
    }

    /// For the draining side: the last ticket handed out, to be answered once the socket was empty after this call.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// For the draining side: all that had been delivered when [`Self::asked`] returned this was pushed.
    pub(super) fn answer(&self, ticket: u64) {
        let mut state = self.state();
        if state.standing.answered < ticket {
            state.standing.answered = ticket;
            state.news = true;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// For the draining side: whether this ticket has not been answered yet.
    pub(super) fn awaits(&self, ticket: u64) -> bool {
        self.state().standing.answered < ticket
    }

    /// What wakes the draining side; to be emptied by [`Self::hush`].
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Takes notice of the bell. The draining side does so whenever it comes round, about once a second at least.
    pub(super) fn hush(&self) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        // It says EAGAIN if it was not rung.
        let _ = self.bell.read();
    }

    /// How often the draining side has come round: it is alive as long as this changes.
    pub(super) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    fn ring(&self) {
        // It can only fail if it was rung 2^64 times without being heard: then it is ringing.
        let _ = self.bell.write(1);
    }

    /// For the writing side: the draining one is to take what has been delivered for the last time.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// For the draining side: whether it is to take what has been delivered for the last time.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// For the draining side: all that was delivered up to `until` (ns since the epoch) was pushed, and nothing follows.
    pub(super) fn drained(&self, until: u64) {
        self.state().drained.get_or_insert(until);
        self.wake.notify_one();
    }

    /// For the writing side: closes the queue, and waits for the last events; returns up to when these are all.
    pub(super) fn wait_for_the_last(&self) -> u64 {
        self.close();
        let mut state = self.state();
        loop {
            match state.drained {
                Some(until) => return until,
                None => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Waits until there is a command, an answer, many events, or until `deadline`; takes all there is. With `stalled`, events
    /// are left in the queue, and what does not fit from now on is put down to that cause.
    pub(super) fn take(&self, deadline: Instant, stalled: Option<Cause>) -> Taken {
        let mut state = self.state();
        state.stalled = stalled;
        while state.commands.is_empty() && !state.news && (stalled.is_some() || !self.is_worth_waking(&state)) {
            let Some(rest) = deadline.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) else {
                break;
            };
            state = self.wake.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.news = false;
        let commands = std::mem::take(&mut state.commands);
        if stalled.is_some() {
            // Nothing was taken, so nobody may rely on an answer.
            return Taken { commands, ..Taken::default() };
        }
        self.room.give_back(std::mem::take(&mut state.events));
        Taken { elements: std::mem::take(&mut state.elements), commands, standing: state.standing }
    }

    /// Takes all there is, at once, whatever stalls.
    pub(super) fn take_all(&self) -> VecDeque<Element> {
        let mut state = self.state();
        self.room.give_back(std::mem::take(&mut state.events));
        std::mem::take(&mut state.elements)
    }

    /// A thread that panicked while it held the lock cannot have left the state half changed in a way that matters:
    /// every change is a single push, take or addition.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let events = self.state().events;
        self.room.give_back(events);
    }
}

impl State {
    /// Adds events to the last vector there, so that few and large ones wait, whatever they came in.
    fn append(&mut self, events: std::vec::Drain<'_, Captured>) {
        self.events += events.len();
        match self.elements.back_mut() {
            Some(Element::Events(last)) if last.len() < CHUNK => last.extend(events),
            _ if events.len() == 0 => {}
            _ => self.elements.push_back(Element::Events(events.collect())),
        }
    }

    /// Adds a note, or widens the gap of the same cause that waits already with no event behind it, nor that the clock was set: so there are
    /// never more notes than events and causes, and times that it was set.
    fn note(&mut self, note: Note) {
        let mut joinable = self.elements.iter_mut().rev().map_while(|element| match element {
            Element::Note(waiting) => Some(waiting).filter(|waiting| waiting.cause() != Some(Cause::ClockStep)),
            Element::Events(_) => None,
        });
        let same = joinable.find(|waiting| waiting.is_gap() && waiting.cause == note.cause);
        match same {
            Some(waiting) => *waiting = waiting.joined(&note),
            None => self.elements.push_back(Element::Note(note)),
        }
    }
}

#[cfg(test)]
mod tests;
