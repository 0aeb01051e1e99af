//! The other network namespaces that a recorder hears of (`--all-netns`): each has a queue, a thread that writes and a journal of
//! its own, as if a recorder ran there; only what is heard comes through the one socket.
//!
//! An id is given again to another namespace, and what is heard comes with the id alone. So before anything is filed it is heard which
//! ids were given and lost. What came of an id by the time when that was lost is of the namespace that had it. If the id was given again
//! by then, it is of either, and gets a journal of its own that names neither, until the socket was empty once: from there on it
//! is of the new one. The same holds for every id if such news were lost.
//!
//! | part | what it does |
//! |---|---|
//! | here | to whom goes what is heard |
//! | `ids` | which of them have an id |
//! | `writer` | the queue and the thread of one, seen from the draining side |
//! | `recording` | the recording of one |
//! | `before` | what was recorded of them before this recorder was started |
//! | `ending` | the end of one: what waits for it is written, or noted |
//! | `door` | goes in for a moment, to ask what can be asked only there |

mod before;
mod door;
mod ending;
mod ids;
mod recording;
mod writer;

pub(crate) use door::{Door, Doors};
pub(super) use ids::Ids;

use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use ctrecorder_format::Note;

use super::clock;
use super::convert::Captured;
use super::error::StartError;
use super::queue::{Command, Element, Gone, Queue};
use super::run::Options;
use super::statistics::Statistics;
use crate::netlink::parse::Message;
use ending::Ending;
use writer::{Terms, Writer};

/// So many times is drained, if the load does not let the socket become empty: more than the largest buffer can hold.
const DRAINED: u64 = 8;

/// The recordings of other namespaces, by their ids.
pub(super) struct Others {
    ids: Ids,
    /// What was heard up to now of ids is acted upon.
    is_heard: bool,
    /// Why it could not be heard.
    deaf: Option<io::Error>,
    /// Some news were lost: of any id it is not known who had it when what is on its way was sent.
    missed: Option<Left>,
    terms: Terms,
    writers: HashMap<u32, Writer>,
    /// Those that are given nothing any more, until they have written everything.
    ending: Vec<Ending>,
    /// The ids that were lost and of which something may still be on its way from before.
    left: HashMap<u32, Left>,
    /// How often was drained.
    round: u64,
    /// When the last one was begun, ns since the epoch: it is by this that they are told apart, so no two have the same.
    begun: u64,
    /// Why one of them ended, if it should not have.
    failed: Option<StartError>,
}

/// An id that was lost.
#[derive(Clone, Copy)]
struct Left {
    gone: Gone,
    /// Another namespace has it since, or had it, or that is not known.
    is_taken: bool,
    /// How often had been drained by then.
    round: u64,
}

impl Others {
    pub(super) fn new(ids: Ids, options: Options, statistics: Arc<Statistics>) -> Self {
        Self {
            ids,
            is_heard: false,
            deaf: None,
            missed: None,
            terms: Terms::new(options, statistics),
            writers: HashMap::new(),
            ending: Vec::new(),
            left: HashMap::new(),
            round: 0,
            begun: clock::now(),
            failed: None,
        }
    }

    /// What becomes readable when an id is given or lost.
    pub(super) fn news(&self) -> BorrowedFd<'_> {
        self.ids.news()
    }

    /// Begins with every namespace that has an id. `own` is the queue of the recorder's own namespace.
    pub(super) fn begin_all(&mut self, own: &Queue) {
        match self.ids.all() {
            Ok(ids) => ids.into_iter().for_each(|id| self.begin(id, own, Vec::new())),
            Err(error) => tracing::warn!(
                "which other network namespaces there are is not known: {error}; they are recorded once they are heard"
            ),
        }
    }

    /// Events come next that the socket held up to now, which had told everything up to `since` (ns since the epoch).
    pub(super) const fn received(&mut self) {
        self.is_heard = false;
    }

    /// Where the events of the namespace with this id go; `None`: it is the recorder's own.
    pub(super) fn batch(&mut self, id: u32, since: u64, own: &Queue) -> Option<&mut Vec<Captured>> {
        if !self.is_heard {
            // Whatever was given or lost before these events came is heard by now.
            self.deaf = self.hear(since, own).err();
        }
        if !self.writers.contains_key(&id) && !self.ids.was_own(id) {
            self.begin_heard(id, own, Vec::new(), true);
        }
        self.writers.get_mut(&id).map(|writer| &mut writer.batch)
    }

    fn begin(&mut self, id: u32, own: &Queue, waiting: Vec<Element>) {
        let is_heard = !waiting.is_empty();
        self.begin_heard(id, own, waiting, is_heard);
    }

    /// Begins a recording, unless there is one, or the namespace is the recorder's own. What is `waiting` was heard of it.
    fn begin_heard(&mut self, id: u32, own: &Queue, waiting: Vec<Element>, is_heard: bool) {
        if self.writers.contains_key(&id) || self.ids.is_own(id) {
            return;
        }
        let now = clock::now();
        self.begun = begun_after(self.begun, now);
        if let Some(missed) = self.missed {
            self.left.entry(id).or_insert(missed);
        }
        let is_sure = !self.left.contains_key(&id);
        let writer = Writer::new(id, own.beside(waiting), is_heard, is_sure, (self.begun, now));
        self.writers.entry(id).insert_entry(writer).into_mut().start(&mut self.terms);
    }

    /// Takes notice of which ids were given and lost. All events up to `since` (ns since the epoch) were received before.
    ///
    /// # Errors
    /// If it cannot be heard.
    pub(super) fn hear(&mut self, since: u64, own: &Queue) -> io::Result<()> {
        self.is_heard = true;
        if let Some(error) = self.deaf.take() {
            return Err(error);
        }
        for message in self.ids.hear()? {
            match message {
                Message::NetnsId(Some(id)) => self.given(id, own),
                Message::NetnsGone(id) => self.lost(id, since),
                Message::Overrun => self.missed(since),
                _ => {}
            }
        }
        Ok(())
    }

    /// A namespace has this id.
    fn given(&mut self, id: u32, own: &Queue) {
        if self.missed.is_some() {
            // Whoever has an id is asked for once nothing from before is on its way.
            return;
        }
        let Some(left) = self.left.get_mut(&id) else { return self.begin(id, own, Vec::new()) };
        if !std::mem::replace(&mut left.is_taken, true) {
            let command = Command::Gone(left.gone);
            self.end(id, command);
        }
    }

    /// The namespace that had this id has ended: it goes away in no other way.
    fn lost(&mut self, id: u32, since: u64) {
        self.ids.forget(id);
        // Whether it was given again by now is not known where news were lost.
        let left = Left { is_taken: self.missed.is_some(), ..Left::now(since, self.round) };
        self.left.entry(id).or_insert(left);
    }

    /// More came than there was room for: any id may have been given to another namespace.
    fn missed(&mut self, since: u64) {
        let there = self.ids.all().ok();
        let is_there = |id| there.as_ref().is_none_or(|there| there.contains(&id));
        tracing::warn!("news of network namespaces were lost: the recordings of all of them begin anew");
        for id in self.writers.keys().copied().collect::<Vec<_>>() {
            self.lost(id, since);
            let Some(left) = self.left.get_mut(&id) else { continue };
            if !std::mem::replace(&mut left.is_taken, true) {
                let command = if is_there(id) { Command::StopNow } else { Command::Gone(left.gone) };
                self.end(id, command);
            }
        }
        self.left.values_mut().for_each(|left| left.is_taken = true);
        self.missed = Some(Left { is_taken: true, ..Left::now(since, self.round) });
    }

    /// Acts upon what was heard, and takes leave of the recordings that have ended. If the socket was `emptied`, all that was
    /// delivered up to `until` (ns since the epoch) is in their queues.
    pub(super) fn act(&mut self, emptied: bool, until: u64, own: &Queue) {
        self.round += 1;
        self.settle(emptied, own);
        if emptied {
            for writer in self.writers.values().filter(|writer| writer.queue.is_closed()) {
                writer.queue.drained(until);
            }
        }
        self.reap(own);
        if self.terms.may_start() {
            let ending = self.ending.iter_mut().map(Ending::writer);
            self.writers.values_mut().chain(ending).for_each(|writer| writer.start(&mut self.terms));
        }
    }

    /// Of the ids that were lost, nothing from before is on its way any more: what comes from here on is of who has them now.
    fn settle(&mut self, emptied: bool, own: &Queue) {
        let round = self.round;
        let is_settled = |left: &mut Left| emptied || round > left.round + DRAINED;
        let settled: Vec<_> = self.left.extract_if(|_, left| is_settled(left)).collect();
        if self.missed.take_if(is_settled).is_none() && settled.is_empty() {
            return;
        }
        let there = self.ids.all();
        for (id, left) in settled {
            let has_ended = !left.is_taken || there.as_ref().is_ok_and(|there| !there.contains(&id));
            let gone = if left.is_taken { Gone { by: clock::now(), ..left.gone } } else { left.gone };
            self.end(id, if has_ended { Command::Gone(gone) } else { Command::StopNow });
        }
        self.begin_all(own);
    }

    /// Notes what the queues ask before the socket is looked at.
    pub(super) fn note_tickets(&mut self) {
        self.writers.values_mut().for_each(|writer| writer.ticket = writer.queue.asked());
    }

    /// Answers what was asked then: all that had been delivered was handed over.
    pub(super) fn answer(&self) {
        self.writers.values().for_each(|writer| writer.queue.answer(writer.ticket));
    }

    /// Hands over what was received; returns how many events found no room.
    pub(super) fn hand_over(&mut self) -> u64 {
        self.writers.values_mut().map(Writer::hand_over).sum()
    }

    /// How many events the fullest of them was given and did not hand over yet.
    pub(super) fn waiting(&self) -> usize {
        self.writers.values().map(|writer| writer.batch.len()).max().unwrap_or(0)
    }

    /// Tells each of them.
    pub(super) fn note(&self, note: Note) {
        self.writers.values().for_each(|writer| writer.queue.note(note));
    }

    /// Tells each of them to do something.
    pub(super) fn command(&self, command: Command) {
        self.writers.values().for_each(|writer| writer.queue.command(command));
    }
}

impl Left {
    /// Lost by now, after all that was heard up to `since` (ns since the epoch).
    fn now(since: u64, round: u64) -> Self {
        let now = clock::now();
        Self { gone: Gone { since: since.min(now), by: now }, is_taken: false, round }
    }
}

/// When a recording begins that follows one begun then: now, but at no moment that another has. Where the clock was set back since, by
/// seconds or years, it is as it is.
const fn begun_after(last: u64, now: u64) -> u64 {
    if now <= last && last - now < clock::SECOND { last + 1 } else { now }
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
