//! The other network namespaces that a recorder hears of (`--all-netns`): each has a queue, a thread that writes and a journal of
//! its own, as if a recorder ran there; only what is heard comes through the one socket.
//!
//! | part | what it does |
//! |---|---|
//! | here | which of them have an id, and to whom goes what is heard |
//! | `recording` | the recording of one |
//! | `door` | goes in for a moment, to ask what can be asked only there |

mod door;
mod recording;

pub(crate) use door::Door;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use ctrecorder_format::Note;

use super::clock;
use super::convert::Captured;
use super::error::StartError;
use super::queue::{Command, Element, Queue};
use super::run::Options;
use super::statistics::Statistics;
use crate::netlink::parse::Message;
use crate::netlink::socket::{NetnsSocket, RequestSocket};
use recording::{Elsewhere, End};

/// Which namespaces have an id, heard and asked.
pub(super) struct Ids {
    news: NetnsSocket,
    all: RequestSocket,
    /// The id that the recorder's own namespace has in itself, if somebody gave it one, when that was last asked.
    own: Option<u32>,
}

impl Ids {
    /// Hears of every id that is given from here on.
    pub(super) fn open() -> Result<Self, StartError> {
        Ok(Self { news: NetnsSocket::open()?, all: RequestSocket::open_for_netns_ids()?, own: None })
    }

    /// Whether this is the id that the recorder's own namespace has now.
    fn is_own(&mut self, id: u32) -> bool {
        let own = File::open("/proc/thread-self/ns/net").and_then(|own| self.all.netns_id(own.as_fd()));
        self.own = own.ok().flatten();
        self.own == Some(id)
    }
}

/// The recordings of other namespaces, by their ids.
pub(super) struct Others {
    ids: Ids,
    options: Arc<Options>,
    statistics: Arc<Statistics>,
    /// What was heard of ids and not acted upon yet.
    heard: Vec<Message>,
    recordings: HashMap<u32, Recording>,
    /// Those whose namespace has lost its id, until they have written everything: another one may have it by then.
    ending: Vec<(u32, Recording)>,
    /// When the last one was begun, ns since the epoch: it is by this that they are told apart, so no two have the same.
    begun: u64,
    /// Why one of them ended, if it should not have.
    failed: Option<StartError>,
}

/// One of them.
struct Recording {
    queue: Arc<Queue>,
    /// What is on its way from the socket to the queue.
    batch: Vec<Captured>,
    /// What its queue had asked when the socket was last looked at.
    ticket: u64,
    thread: io::Result<JoinHandle<Result<End, StartError>>>,
}

impl Others {
    pub(super) fn new(ids: Ids, options: Options, statistics: Arc<Statistics>) -> Self {
        let (options, begun) = (Arc::new(options), clock::now());
        let (heard, recordings, ending) = (Vec::new(), HashMap::new(), Vec::new());
        Self { ids, options, statistics, heard, recordings, ending, begun, failed: None }
    }

    /// What becomes readable when an id is given or lost.
    pub(super) fn news(&self) -> BorrowedFd<'_> {
        self.ids.news.as_fd()
    }

    /// Begins with every namespace that has an id. `own` is the queue of the recorder's own namespace.
    pub(super) fn begin_all(&mut self, own: &Queue) {
        match self.ids.all.netns_ids() {
            Ok(ids) => ids.into_iter().for_each(|id| self.begin(id, own, Vec::new())),
            Err(error) => tracing::warn!(
                "which other network namespaces there are is not known: {error}; they are recorded once they are heard"
            ),
        }
    }

    /// Where the events of the namespace with this id go; `None`: it is the recorder's own.
    pub(super) fn batch(&mut self, id: u32, own: &Queue) -> Option<&mut Vec<Captured>> {
        if !self.recordings.contains_key(&id) && self.ids.own != Some(id) {
            self.begin_heard(id, own, Vec::new(), true);
        }
        self.recordings.get_mut(&id).map(|recording| &mut recording.batch)
    }

    fn begin(&mut self, id: u32, own: &Queue, events: Vec<Captured>) {
        let is_heard = !events.is_empty();
        self.begin_heard(id, own, events, is_heard);
    }

    /// Begins a recording, unless there is one, or the namespace is the recorder's own.
    fn begin_heard(&mut self, id: u32, own: &Queue, mut events: Vec<Captured>, is_heard: bool) {
        if self.recordings.contains_key(&id) || self.ids.is_own(id) {
            return;
        }
        self.begun = begun_after(self.begun, clock::now());
        let queue = Arc::new(own.beside(self.options.queue));
        self.statistics.lost_in_queue.add(queue.push(&mut events));
        let elsewhere = Elsewhere {
            id,
            options: Arc::clone(&self.options),
            statistics: Arc::clone(&self.statistics),
            queue: Arc::clone(&queue),
            begun: self.begun,
            is_heard,
        };
        let thread = Builder::new().name(format!("netns {id}")).spawn(move || elsewhere.record());
        if let Err(error) = &thread {
            tracing::error!("network namespace {id}: no thread can be started: {error}; trying again");
        }
        self.recordings.insert(id, Recording { queue, batch: Vec::new(), ticket: 0, thread });
    }

    /// Takes notice of which ids were given and lost, for [`Self::act`].
    pub(super) fn hear(&mut self) -> io::Result<()> {
        self.ids.news.receive(|message| self.heard.push(message))
    }

    /// Begins and ends recordings as ids were given and lost, and takes leave of those that have ended. All that was delivered
    /// before that was heard, and up to `until` (ns since the epoch), is in their queues.
    pub(super) fn act(&mut self, until: u64, own: &Queue) {
        for message in std::mem::take(&mut self.heard) {
            match message {
                Message::NetnsId(Some(id)) => self.begin(id, own, Vec::new()),
                Message::NetnsGone(id) => {
                    self.ids.own = self.ids.own.filter(|own| *own != id);
                    if let Some(recording) = self.recordings.remove(&id) {
                        recording.queue.command(Command::StopNow);
                        self.ending.push((id, recording));
                    }
                }
                Message::Overrun => self.begin_all(own),
                _ => {}
            }
        }
        let ending = self.ending.iter().map(|(_, recording)| recording);
        for recording in self.recordings.values().chain(ending).filter(|recording| recording.queue.is_closed()) {
            recording.queue.drained(until);
        }
        self.reap(own);
    }

    /// Takes leave of the recordings that have ended. What was heard for one since is the begin of another.
    fn reap(&mut self, own: &Queue) {
        let ended: Vec<_> =
            self.recordings.iter().filter(|(_, recording)| recording.has_ended()).map(|(id, _)| *id).collect();
        let (ending, going_on): (Vec<_>, _) =
            std::mem::take(&mut self.ending).into_iter().partition(|(_, recording)| recording.has_ended());
        self.ending = going_on;
        let threads = ending.into_iter().filter_map(|(id, recording)| Some((id, recording.thread.ok()?)));
        threads.for_each(|(id, thread)| self.join(id, thread));
        for id in ended {
            let Some(recording) = self.recordings.remove(&id) else { continue };
            let mut events = Vec::new();
            for element in recording.queue.take_all() {
                if let Element::Events(more) = element {
                    events.extend(more);
                }
            }
            events.extend(recording.batch);
            if let Ok(thread) = recording.thread {
                self.join(id, thread);
            }
            if !events.is_empty() {
                self.begin(id, own, events);
            }
        }
    }

    fn join(&mut self, id: u32, thread: JoinHandle<Result<End, StartError>>) {
        let result = thread.join().unwrap_or_else(|_| {
            let error = io::Error::other("it panicked; this is a defect");
            Err(StartError::System { what: "the writing thread of a network namespace ended early", error })
        });
        if let Err(error) = result {
            tracing::error!("network namespace {id}: {error}");
            self.failed.get_or_insert(error);
        }
    }

    /// Notes what the queues ask before the socket is looked at.
    pub(super) fn note_tickets(&mut self) {
        self.recordings.values_mut().for_each(|recording| recording.ticket = recording.queue.asked());
    }

    /// Answers what was asked then: all that had been delivered was handed over.
    pub(super) fn answer(&self) {
        self.recordings.values().for_each(|recording| recording.queue.answer(recording.ticket));
    }

    /// Hands over what was received; returns how many events found no room.
    pub(super) fn hand_over(&mut self) -> u64 {
        let waiting = self.recordings.values_mut().filter(|recording| !recording.batch.is_empty());
        waiting.map(|recording| recording.queue.push(&mut recording.batch)).sum()
    }

    /// How many events the fullest of them was given and did not hand over yet.
    pub(super) fn waiting(&self) -> usize {
        self.recordings.values().map(|recording| recording.batch.len()).max().unwrap_or(0)
    }

    /// Tells each of them.
    pub(super) fn note(&self, note: Note) {
        self.recordings.values().for_each(|recording| recording.queue.note(note));
    }

    /// Tells each of them to do something.
    pub(super) fn command(&self, command: Command) {
        self.recordings.values().for_each(|recording| recording.queue.command(command));
    }

    /// Ends all of them: up to `until` (ns since the epoch) everything is in their queues. Returned is why one of them ended before
    /// it should, or could not write everything.
    pub(super) fn finish(mut self, until: u64) -> Result<(), StartError> {
        let recordings = std::mem::take(&mut self.recordings).into_iter().chain(std::mem::take(&mut self.ending));
        let recordings: Vec<_> = recordings.collect();
        for (_, recording) in &recordings {
            recording.queue.command(Command::StopNow);
            recording.queue.drained(until);
        }
        for (id, recording) in recordings {
            if let Ok(thread) = recording.thread {
                self.join(id, thread);
            }
        }
        self.failed.map_or(Ok(()), Err)
    }
}

/// When a recording begins that follows one begun then: now, but at no moment that another has. Where the clock was set back since, by
/// seconds or years, it is as it is.
const fn begun_after(last: u64, now: u64) -> u64 {
    if now <= last && last - now < clock::SECOND { last + 1 } else { now }
}

impl Recording {
    /// Whether its thread has ended, or never began.
    fn has_ended(&self) -> bool {
        self.thread.as_ref().map_or(true, JoinHandle::is_finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_recordings_begin_at_one_moment_and_none_in_a_year_that_the_clock_has_left() {
        const YEAR: u64 = 365 * 86_400 * clock::SECOND;
        let now = 50 * YEAR;
        assert_eq!(begun_after(now - 5, now), now);
        assert_eq!(begun_after(now, now), now + 1);
        assert_eq!(begun_after(now + 1, now), now + 2);
        assert_eq!(begun_after(now + YEAR, now), now);
    }
}
