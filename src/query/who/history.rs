//! When flows began and ended, as far as a journal tells that beside their records.

use std::collections::HashMap;
use std::ops::Range;

use ctrecorder_format::record::flags::{CLOCK_SET, END_AT_LATEST, RECOVERED, START_FROM_KERNEL};
use ctrecorder_format::{Address, Content, Damage, Fault, Kind, Note, Record};

use super::Wanted;
use super::flow::{Identity, Known};
use super::heard::Heard;
use super::readings::Readings;
use crate::journal::{SetBack, SetBacks, Version, notes_of};
use crate::query::Steps;
use crate::query::coverage::Span;
use crate::query::pair::{Told, may_go_on};

/// What a journal has told so far. It follows the pairing of the same records, and has to be in step with it.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The flows that are open.
    open: HashMap<Identity, Begun>,
    /// Records came of version 3, which have ids, and of version 2, which have none.
    has_named: bool,
    has_nameless: bool,
    /// The file that is read is of version 2; it is of flows; it tells which of these were alive when the clock was set.
    is_version_2: bool,
    is_of_flows: bool,
    marks_clock_sets: bool,
    /// Its notes, which are read before its flows, are all that tells of the clock while these were alive.
    has_all_notes: bool,
    /// How often the clock had been set before all that the file was made with: of that, its marks say nothing.
    before_made: usize,
    readings: Readings,
    /// Of each start that was found in the kernel's table, not before which moment its flow began, if that is known.
    found: Vec<Option<u64>>,
    /// So many of the last of these were found by a reading that goes on.
    unread: usize,
    steps: Steps,
    heard: Heard,
    /// Number of flows that began so far.
    begun: u64,
    set_backs: SetBacks,
}

/// A flow that is open.
#[derive(Clone, Copy, Debug)]
struct Begun {
    /// Whoever asks for a time from this one on, ns since the epoch, needs to know its end: from its start on, or 0 if that is not
    /// known. `None`: nobody, as it has no endpoint that is asked for where that is public.
    needed_from: Option<u64>,
    /// So many had begun when a record was the first to tell of it.
    number: u64,
    /// The same of the first record of events that told of it; `None` if none did. In a file of flows those that it leaves open stand in
    /// the order of their starts, which says nothing where the clock was set back.
    order: Option<u64>,
    /// How often the clock had been set before, at the least, and at the most.
    steps: usize,
    most_steps: usize,
    /// Its place among the starts that were found, if it is one.
    found: Option<usize>,
}

/// What is known of a flow beside its record.
#[derive(Clone, Debug)]
pub(super) struct Past {
    /// Its place among those that began; `None` if no record of events told of it before its end.
    pub(super) order: Option<u64>,
    /// How often the clock had been set when it began, at the least, and when it ended.
    pub(super) steps: Range<usize>,
    /// How often when it began, at the most.
    pub(super) most_steps: usize,
    /// Its place among the starts that were found, if it is one.
    found: Option<usize>,
    /// That the clock was set while it was alive is known, and not when: files that tell it may yet come.
    is_guess: bool,
}

impl History {
    /// A file begins. Returned is the note that would have told that the clock was set back before it, if that is so.
    pub(super) fn begin(&mut self, file: &Version<'_>) -> Option<Note> {
        self.is_version_2 = matches!(file, Version::Two(_));
        self.is_of_flows = file.content() == Content::Flows;
        self.marks_clock_sets = file.header().is_some_and(|header| header.marks_clock_sets);
        self.has_all_notes = match file {
            Version::Archive(archive) => archive.about().part == 0 && archive.about().is_last,
            Version::Two(_) | Version::Three(_) => false,
        };
        let set_back = self.set_backs.follow(file).map(SetBack::note);
        set_back.iter().for_each(|note| self.clock_set(note));
        if begins_anew(file) {
            self.before_made = self.steps.count();
        }
        self.heard.begin(file);
        self.steps.hear_from(self.heard.from());
        self.steps.tell_until(told_until(file), &all_notes(file));
        self.forget_reading();
        set_back
    }

    /// What is found from here on is of another reading, or of one of which nobody knows what it said.
    const fn forget_reading(&mut self) {
        self.unread = 0;
    }

    /// Something of the file that is read cannot be.
    pub(super) fn damage(&mut self, damage: &Damage) {
        self.forget_reading();
        // That a file is cut off at its end hides nothing that a later one goes on with.
        if !matches!(damage.fault, Fault::CutOff(_)) {
            self.damaged();
        }
    }

    /// The note that something could not be read of which this file was made.
    pub(super) fn damaged(&mut self) {
        self.heard.damage();
        self.steps.hear_from(self.heard.from());
    }

    /// A record comes next.
    pub(super) fn expect<A: Address>(&mut self, record: &Record<A>) {
        let has_id = record.id.get() != 0;
        (self.has_named, self.has_nameless) = (self.has_named || has_id, self.has_nameless || !has_id);
    }

    /// Whether records of both versions came.
    pub(super) const fn is_mixed(&self) -> bool {
        self.has_named && self.has_nameless
    }

    /// A record was paired that opens a flow, unless it is open.
    pub(super) fn opened<A: Address>(&mut self, record: &Record<A>, wanted: &Wanted) {
        let is_update = record.kind() == Some(Kind::Update);
        if !is_update && !matches!(record.kind(), Some(Kind::Start | Kind::Open)) && !may_go_on(record) {
            return;
        }
        let own = Identity::of(record);
        let known = self.known_as(&own);
        // Only of version 2 does pairing take an update for the sign of a flow.
        if is_update && known.is_none() && !self.is_version_2 {
            return;
        }
        self.begun += 1;
        let begun = self.beginning(record, wanted);
        match known.filter(|known| *known != own && record.kind() != Some(Kind::Start)) {
            // From here on it goes by its id.
            Some(known) if own.id != 0 => {
                let begun = self.open.remove(&known).unwrap_or(begun);
                self.open.insert(own, begun);
            }
            Some(_) => {}
            None => {
                let known = self.open.entry(own).or_insert(begun);
                known.order = known.order.or(begun.order);
            }
        }
    }

    /// What is known of a flow that a record opens.
    fn beginning<A: Address>(&mut self, record: &Record<A>, wanted: &Wanted) -> Begun {
        // One that was found may have begun long before its start.
        let start = if record.began_earlier() { 0 } else { told_start(record) };
        let is_found = record.kind() == Some(Kind::Start) && record.began_earlier();
        if is_found {
            self.found.push(None);
            self.unread += 1;
        }
        Begun {
            needed_from: wanted.is_public_in(record).then_some(start),
            number: self.begun,
            order: (!self.is_of_flows).then_some(self.begun),
            steps: self.steps_before(record),
            most_steps: self.most_steps_before(record),
            found: self.found.len().checked_sub(1).filter(|_| is_found),
        }
    }

    /// How often the clock had been set, at the least, when a flow began of which this record is the first to tell.
    fn steps_before<A: Address>(&self, record: &Record<A>) -> usize {
        let told = told_start(record);
        match record.kind() {
            Some(Kind::Open | Kind::Flow) if self.is_once(record) => {
                self.unseen(record).map_or(self.steps.count(), |unseen| unseen.start)
            }
            Some(Kind::Start) if record.began_earlier() => self.steps.at_reading(),
            Some(Kind::Start) if record.flags & RECOVERED == 0 => self.steps.count(),
            Some(Kind::Start) => self.steps.least_before(told).max(self.steps.at_reading()),
            _ if record.began_earlier() => {
                self.steps.least_heard(self.readings.since_found(told, &self.steps).unwrap_or(0))
            }
            _ => self.least_at_start(record),
        }
    }

    /// The same at the most.
    fn most_steps_before<A: Address>(&self, record: &Record<A>) -> usize {
        let count = self.steps.count();
        if record.kind() == Some(Kind::Start) { count } else { self.most_at_start(record, count) }
    }

    /// Which times at which the clock was set a flow may have seen of which a record says that it was not set while it was alive: if nobody
    /// heard it begin, those before all that its file was made with.
    fn unseen<A: Address>(&self, record: &Record<A>) -> Option<Range<usize>> {
        let least = self.least_at_start(record);
        (!is_start_heard(record) && least < self.before_made).then_some(least..self.before_made)
    }

    /// How often the clock had been set, at the least, at the start that a record tells.
    fn least_at_start<A: Address>(&self, record: &Record<A>) -> usize {
        let told = told_start(record);
        if is_start_heard(record) { self.steps.least_heard(told) } else { self.steps.least_before(told) }
    }

    /// Whether a record of flows says that the clock was not set while its flow was alive.
    const fn is_once<A: Address>(&self, record: &Record<A>) -> bool {
        self.marks_clock_sets && record.flags & CLOCK_SET == 0
    }

    /// As what a flow is open: where it is not, under the identity that the other version gives it, as pairing has it.
    fn known_as(&self, own: &Identity) -> Option<Identity> {
        if self.open.contains_key(own) {
            return Some(*own);
        }
        match own.id {
            _ if !self.is_mixed() => None,
            0 if self.is_version_2 => {
                let same = self.open.iter().filter(|(other, _)| other.nameless() == *own);
                same.max_by_key(|(_, begun)| begun.number).map(|(other, _)| *other)
            }
            0 => None,
            _ => Some(own.nameless()).filter(|other| self.open.contains_key(other)),
        }
    }

    /// A flow was paired: it is not open any more.
    pub(super) fn ended<A: Address>(&mut self, flow: &Record<A>) -> Past {
        let begun = self.known_as(&Identity::of(flow)).and_then(|known| self.open.remove(&known));
        // Flows that came whole may stand behind notes of later times: those that lived long, and all of an archive. So it is with those
        // that an earlier part of the journal left open.
        let is_end_heard = flow.end.get() != 0 && flow.flags & END_AT_LATEST == 0;
        let is_whole = begun.is_none() || (self.is_of_flows && is_end_heard);
        if is_whole && self.is_once(flow) {
            let at_end = self.steps.most_before(flow.event_time());
            let (order, found) = begun.map_or((None, None), |begun| (begun.order, begun.found));
            let unseen = self.unseen(flow).filter(|_| begun.is_none());
            // Unless it saw some of these, it had not been set more often when the flow ended than when it began.
            let most = unseen.as_ref().map_or(at_end, |unseen| unseen.end.min(at_end));
            let most_steps = self.most_at_start(flow, most);
            let steps = unseen.map_or(most_steps..most_steps, |unseen| unseen.start..most);
            return Past { order, steps, most_steps, found, is_guess: false };
        }
        let after = match flow.end.get() {
            by if flow.flags & END_AT_LATEST != 0 => self.steps_at_reading(by),
            end if end != 0 && is_whole => self.steps.most_before(end),
            _ => self.steps.count(),
        };
        match begun {
            Some(begun) => Past {
                order: begun.order,
                steps: begun.steps..after,
                most_steps: begun.most_steps,
                found: begun.found,
                is_guess: false,
            },
            None => Past {
                order: None,
                steps: self.steps_before(flow)..after,
                most_steps: self.most_at_start(flow, after),
                found: None,
                is_guess: self.marks_clock_sets && !self.has_all_notes,
            },
        }
    }

    /// How often the clock had been set, at the most, at the start that a record tells, of a flow at whose end it had been so often.
    fn most_at_start<A: Address>(&self, record: &Record<A>, at_end: usize) -> usize {
        match told_start(record) {
            0 => at_end,
            told if record.flags & START_FROM_KERNEL != 0 => self.steps.most_stamped(told).min(at_end),
            told => self.steps.most_before(told).min(at_end),
        }
    }

    /// How often the clock had been set when a reading found that a flow was gone by this moment. It is told of later: by the
    /// next reading, or, squeezed, wherever its note stands.
    fn steps_at_reading(&self, gone_by: u64) -> usize {
        match self.readings.steps(gone_by) {
            Some((read, true)) => read.min(self.steps.most_before(gone_by)),
            Some((read, false)) => read,
            None if self.steps.is_once(gone_by) => self.steps.least_before(gone_by).min(self.steps.count()),
            // No reading ended then: the flow had begun later, by the clock before it was set back.
            None => self.steps.count(),
        }
    }

    /// The note of a reading of the kernel's table, and what it tells of the flows that left here
    /// ([`Pairs::note`](crate::query::Pairs::note)).
    pub(super) fn table_read(&mut self, note: &Note, told: &Told) {
        // Of flows that began unknown to an earlier run the note itself does not tell.
        for from in [note.from.get(), told.note.from.get()].into_iter().skip(usize::from(told.is_of_starts)) {
            self.readings.add(Span { from, to: note.to.get() }, self.steps.count());
        }
        let unread = std::mem::take(&mut self.unread);
        let since = if told.is_of_starts { told.note.from.get() } else { note.from.get() };
        self.found.iter_mut().rev().take(unread).for_each(|found| *found = Some(since));
        self.steps.table_read();
    }

    /// The note of the first reading of a part of the journal, and what it tells of the flows that left here
    /// ([`Pairs::note`](crate::query::Pairs::note)). Those that it found have another note.
    pub(super) fn first_read(&mut self, note: &Note, told: &Note) {
        for from in [note.from.get(), told.from.get()] {
            self.readings.add_of_ends(Span { from, to: note.to.get() }, self.steps.count());
        }
    }

    /// The note that the clock was set.
    pub(super) fn clock_set(&mut self, note: &Note) {
        self.steps.add(note);
        if let Some([_, after]) = note.clock_shown().filter(|_| note.sets_back()) {
            // Whoever asks for a time that it shows from here on needs to know when they end.
            let needed = self.open.values_mut().filter_map(|begun| begun.needed_from.as_mut());
            needed.for_each(|from| *from = after.min(*from));
        }
    }

    /// The least time for which the end of an open flow is needed, ns since the epoch; `None` if none is.
    pub(super) fn needed_from(&self) -> Option<u64> {
        self.open.values().filter_map(|begun| begun.needed_from).min()
    }

    /// What a flow's record says, and what is known of its begin besides; what is known beside it may become more by that.
    pub(super) fn known<A: Address>(&self, record: &Record<A>, past: &mut Past) -> Known {
        let exact = || self.readings.since_found(record.start.get(), &self.steps);
        // Where something is lost between, a note that ends as it was found is that of its reading.
        let since = past.found.and_then(|place| self.found.get(place).copied().flatten()).or_else(exact);
        if past.is_guess {
            past.steps.start = past.steps.start.min(self.least_at_start(record));
            past.steps.end = past.steps.end.max(self.steps.most_before(record.event_time()));
            past.most_steps = past.most_steps.max(self.most_at_start(record, past.steps.end));
        }
        // The file of the reading before may not be there: then only the time tells that the clock had been set by then.
        if let Some(since) = since.filter(|_| record.began_earlier()) {
            past.steps.start = past.steps.start.max(self.steps.least_heard(since));
        }
        Known::of(record, since, &self.readings)
    }

    /// The times at which the clock was set.
    pub(super) const fn steps(&self) -> &Steps {
        &self.steps
    }
}

/// The start that a record tells; 0 if it tells none, in ns since the epoch. The time of an update is not that of its flow's begin.
fn told_start<A: Address>(record: &Record<A>) -> u64 {
    if record.kind() == Some(Kind::Update) { 0 } else { record.start.get() }
}

/// Until when a file tells, by what the clock showed then, ns since the epoch.
fn told_until(file: &Version<'_>) -> u64 {
    let told = match file {
        Version::Archive(archive) => archive.about().ended,
        Version::Two(_) | Version::Three(_) => file.told_to(),
    };
    told.unwrap_or_else(|| file.ended())
}

/// All notes of a file.
fn all_notes(file: &Version<'_>) -> Vec<Note> {
    match file {
        Version::Two(_) => Vec::new(),
        Version::Three(segment) => notes_of(segment),
        Version::Archive(archive) => archive.notes().to_vec(),
    }
}

/// Whether a record tells a start that was heard: then by the recorder's clock, and not by the kernel's stamp.
fn is_start_heard<A: Address>(record: &Record<A>) -> bool {
    told_start(record) != 0 && record.flags & (START_FROM_KERNEL | RECOVERED) == 0
}

/// Whether a file of flows was made without what comes before it: it goes on with no other one.
fn begins_anew(file: &Version<'_>) -> bool {
    match file {
        Version::Two(_) => false,
        Version::Three(_) => file.header().is_some_and(|header| header.previous.is_none()),
        Version::Archive(archive) => (archive.about().earlier, archive.about().part) == (0, 0),
    }
}
