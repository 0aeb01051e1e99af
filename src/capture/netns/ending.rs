//! The end of recordings: whatever one was given is written, or is a gap in some journal.
//!
//! A recording that finds nothing to hear ends at once, and something may be heard for it before that is seen. If the namespace is
//! there, that is the begin of another recording of it; if it is not, a late one writes what there is, and ends.

use ctrecorder_format::{Cause, Note};

use super::super::clock;
use super::super::error::StartError;
use super::super::queue::{Command, Element, Gone, Queue};
use super::Others;
use super::writer::Writer;
use crate::counted::{are, counted};

/// A recording that is given nothing any more, until it has written everything.
pub(super) struct Ending {
    id: u32,
    writer: Writer,
    /// How it was told to end.
    command: Command,
}

impl Ending {
    /// What writes it.
    pub(super) const fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

impl Others {
    /// Nothing more goes to this recording.
    pub(super) fn end(&mut self, id: u32, command: Command) {
        if let Some(mut writer) = self.writers.remove(&id) {
            self.terms.statistics.lost_in_queue.add(writer.hand_over());
            self.told_to_end(id, writer, command, clock::now());
        }
    }

    /// The same: all that it gets, up to `until` (ns since the epoch), is in its queue.
    fn told_to_end(&mut self, id: u32, mut writer: Writer, command: Command, until: u64) {
        writer.lose_namespace();
        writer.queue.command(command);
        writer.queue.drained(until);
        self.ending.push(Ending { id, writer, command });
    }

    /// Takes leave of the recordings that have ended. What was heard for one since is the begin of another.
    pub(super) fn reap(&mut self, own: &Queue) {
        let (ended, going_on): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.ending).into_iter().partition(|ending| ending.writer.is_done());
        self.ending = going_on;
        ended.into_iter().for_each(|ending| self.take_leave(ending, own));
        let ended: Vec<_> = self.writers.extract_if(|_, writer| writer.has_run() && writer.has_ended()).collect();
        for (id, mut writer) in ended {
            self.join(id, &mut writer);
            let waiting = writer.take_waiting();
            match Told::by(&waiting) {
                None => {}
                Some(told) if self.ids.is_own(id) => self.write_late(id, waiting, &told, Command::StopNow, own),
                Some(_) => self.begin(id, own, waiting),
            }
        }
    }

    /// Ends all of them: up to `until` (ns since the epoch) everything is in their queues. What cannot be written is noted for the
    /// recorder's `own` journal. Returned is why one of them ended before it should, or could not write everything.
    pub(in crate::capture) fn finish(mut self, until: u64, own: &Queue) -> Result<(), StartError> {
        for (id, left) in std::mem::take(&mut self.left).into_iter().filter(|(_, left)| !left.is_taken) {
            self.end(id, Command::Gone(left.gone));
        }
        let lost = self.hand_over();
        self.terms.statistics.lost_in_queue.add(lost);
        for ending in &self.ending {
            ending.writer.queue.command(Command::StopNow);
        }
        for (id, writer) in std::mem::take(&mut self.writers) {
            self.told_to_end(id, writer, Command::StopNow, until);
        }
        // Each leaves at most one late one, which leaves none.
        while let Some(mut ending) = self.ending.pop() {
            if !ending.writer.is_done() {
                self.terms.ask_again();
                ending.writer.start(&mut self.terms);
            }
            self.take_leave(ending, own);
        }
        self.failed.map_or(Ok(()), Err)
    }

    /// Takes leave of one that was told to end. If it ended before that, it took nothing of what was heard since.
    fn take_leave(&mut self, Ending { id, mut writer, command }: Ending, own: &Queue) {
        let has_run = writer.has_run();
        let error = self.join(id, &mut writer);
        let waiting = writer.take_waiting();
        match Told::by(&waiting) {
            Some(told) if has_run && error.is_none() => self.write_late(id, waiting, &told, command, own),
            Some(told) => self.give_up(id, &told, error.unwrap_or(Cause::QueueFull), own),
            None => {}
        }
    }

    /// Has a recording write what is `waiting`, and nothing else. It began when the first of it was heard, as no other one of this id did.
    fn write_late(&mut self, id: u32, waiting: Vec<Element>, told: &Told, command: Command, own: &Queue) {
        let by = if let Command::Gone(Gone { by, .. }) = command { by } else { clock::now() };
        let created = told.from.min(by);
        let mut writer = Writer::new(id, own.beside(waiting), true, false, (created, created));
        writer.start(&mut self.terms);
        self.told_to_end(id, writer, command, by);
    }

    /// Nobody writes what one was told: the recorder's own journal says so.
    fn give_up(&self, id: u32, told: &Told, cause: Cause, own: &Queue) {
        self.terms.statistics.lost_in_queue.add(told.events);
        own.note(Note::gap(told.from, told.to, told.lost, cause));
        let lost = format!("{} {} lost", counted(told.lost, "event"), are(told.lost));
        tracing::error!("network namespace {id}: {lost}; the recorder's own journal has a gap for that");
    }

    /// Waits until it has ended, and returns what a loss is put down to if it failed.
    fn join(&mut self, id: u32, writer: &mut Writer) -> Option<Cause> {
        let error = writer.join().err()?;
        tracing::error!("network namespace {id}: {error}");
        let cause = if let StartError::System { .. } = error { Cause::QueueFull } else { Cause::DiskError };
        self.failed.get_or_insert(error);
        Some(cause)
    }
}

/// What was told of one network namespace alone.
struct Told {
    events: u64,
    /// These, and those that found no room.
    lost: u64,
    /// When the first and the last arrived, ns since the epoch.
    from: u64,
    to: u64,
}

impl Told {
    /// By what waits; `None` if that is nothing but what was told of all namespaces.
    fn by(waiting: &[Element]) -> Option<Self> {
        let parts = waiting.iter().filter_map(|element| match element {
            Element::Events(events) => {
                let (from, to) = (events.first()?.arrived, events.last()?.arrived);
                let events = events.len() as u64;
                Some(Self { events, lost: events, from, to })
            }
            Element::Note(note) => {
                let is_its_own = matches!(note.cause(), Some(Cause::QueueFull | Cause::DiskFull | Cause::DiskError));
                let (from, to) = (note.from.get(), note.to.get());
                is_its_own.then(|| Self { events: 0, lost: note.lost().unwrap_or(0), from, to })
            }
        });
        parts.reduce(|all, part| Self {
            events: all.events + part.events,
            lost: all.lost + part.lost,
            from: all.from.min(part.from),
            to: all.to.max(part.to),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::convert::tests::captured;
    use super::*;

    #[test]
    fn what_waits_for_one_namespace_is_counted_without_what_all_were_told() {
        let told = |waiting: &[Element]| Told::by(waiting).map(|told| (told.events, told.lost, told.from, told.to));
        let of_all = || Element::Note(Note::gap(1, 90, 7, Cause::KernelOverrun));
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[of_all()]), None);
        let full = Element::Note(Note::gap(30, 40, 5, Cause::QueueFull));
        let events = Element::Events((10..13).map(captured).collect());
        assert_eq!(told(&[of_all(), events, full]), Some((3, 8, 10, 40)));
    }
}
