//! Lines of recording: whose files are read, one after the other, and what their notes tell of flows that ended unheard.

use std::collections::HashMap;

use ctrecorder_format::header::split;
use ctrecorder_format::{Cause, Content, Damage, Digest, Fault, Header, Note, Segment};

use super::known::{Kinds, Known};
use super::part::Part;
use super::written::Written;
use crate::journal::Version;

/// No line of recording: what is read tells nothing of flows that it does not name.
const NO_LINE: u8 = u8::MAX;

/// Whose file is read, and the how many-th file it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) line: u8,
    pub(super) file: u32,
    /// It is one of flows: its open records tell what was open at its end.
    pub(super) is_of_flows: bool,
    /// It is of version 2, so that its records know no id.
    pub(super) is_nameless: bool,
    /// It is one of flows, and does not tell which of them were alive when the clock was set.
    pub(super) is_unmarked: bool,
    /// The number of the first file since which of this line each is known to have come behind the one before it: what these told of was
    /// there before anything that this one tells.
    pub(super) in_order_from: u32,
    /// Up to when files before it told, of the same host and network namespace; 0 if there were none. Ns since the epoch.
    pub(super) told_before: u64,
    /// When it was begun, if it is one of events, ns since the epoch: what it tells as open had begun by then, or by its first reading of the
    /// kernel's table. Else 2^64 - 1.
    pub(super) begun: u64,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            line: NO_LINE,
            file: 0,
            is_of_flows: false,
            is_nameless: true,
            is_unmarked: false,
            in_order_from: u32::MAX,
            told_before: 0,
            begun: u64::MAX,
        }
    }
}

/// All runs of recorders on one network namespace of one host; if that is not the recorder's own, on one and those that had its id
/// before: they are gone, with their flows, when another one has it.
#[derive(Debug)]
struct Line {
    host: String,
    namespace: u64,
    /// Zeros as long as none of its files tells.
    machine: [u8; 16],
    /// The file that was read last, and the number of the first one since which each is known to have come behind the one before it.
    last: Written,
    in_order_from: u32,
    /// Up to when all files before it tell, ns since the epoch.
    told_before: u64,
    /// Since when events may have been missed, as far as no reading of the kernel's table has made up for it.
    unheard: Option<u64>,
    /// How often a clock had been set back when the kernel's table was read last.
    turns_read: u32,
    /// The flows of which all that had begun by then are known.
    known: Option<Known>,
}

/// The file that is read.
#[derive(Debug)]
pub(super) struct Here {
    pub(super) header: Header,
    /// No record of it was lost up to now.
    pub(super) is_whole: bool,
}

impl Here {
    /// The flows of which its readings name all that are alive.
    fn known(&self) -> Known {
        Known::of(&self.header)
    }
}

/// Follows the files of several lines of recording, which may be mixed.
#[derive(Debug, Default)]
pub(super) struct Lines {
    known: Vec<Line>,
    files: u32,
    /// How often a clock was set back, or may have been.
    turns: u32,
    /// No reading of the table, nor that the clock was set back, has come since the run began of which the file that is read is the first one.
    is_fresh_run: bool,
    /// Whose file is read.
    line: Option<usize>,
    here: Option<Here>,
    /// Numbers of the segments of flows that tell what they leave open, by the digests that the next one may name.
    leaving: HashMap<Digest, u32>,
    /// The file that is read holds only what a filter kept, and goes on with the segment of flows that has this number.
    filtered: Option<u32>,
    /// It is one of events, begun at this moment, ns since the epoch.
    is_of_events: bool,
    created: u64,
    /// It is one of flows, of these, and nothing of it was lost up to now; whether it has all of them or those that a filter kept.
    of_flows: Option<Known>,
    is_chosen: bool,
    /// It is one of a part of the journal that was squeezed or exported by itself.
    part: Option<Part>,
}

/// Whether two numbers are of one line.
fn goes_on(one: u64, other: u64) -> bool {
    one == other || split(one).1.is_some_and(|id| split(other).1 == Some(id))
}

impl Lines {
    /// A file begins.
    pub(super) fn begin(&mut self, file: &Version<'_>) -> Place {
        self.files = self.files.wrapping_add(1);
        (self.line, self.here, self.filtered, self.is_of_events, self.of_flows) = (None, None, None, false, None);
        if matches!(file, Version::Two(_)) {
            // By its records nobody knows which flow of the same tuples has ended.
            self.known.iter_mut().for_each(|line| line.known = None);
        }
        let goes_on_with = if let Version::Three(segment) = file { self.chain(segment) } else { None };
        self.is_fresh_run = file.header().is_some_and(|header| header.segment_number == 0);
        if let Some(header) = file.header() {
            self.follow(header, Written::of(file, header, self.files, goes_on_with));
        }
        self.begin_part(file);
        let line = self.line.and_then(|line| u8::try_from(line).ok()).unwrap_or(NO_LINE);
        let is_of_flows = file.content() == Content::Flows;
        let marks = file.header().is_some_and(|header| header.marks_clock_sets);
        let (is_nameless, told_before) = (matches!(file, Version::Two(_)), self.told_before());
        let in_order_from = self.line().map_or(u32::MAX, |line| line.in_order_from);
        let is_unmarked = is_of_flows && !is_nameless && !marks;
        let of_events = file.header().filter(|header| header.content == Content::Events);
        let begun = of_events.map_or(u64::MAX, |header| header.created);
        Place { line, file: self.files, is_of_flows, is_nameless, is_unmarked, in_order_from, told_before, begun }
    }

    /// A file of which later ones tell what became of its flows: those of events at their readings of the
    /// kernel's table, of all flows alive in some namespace, or of those of some families and protocols.
    fn follow(&mut self, header: &Header, file: Written) {
        let is_known = !header.host.is_empty() && header.namespace != 0;
        let is_of_events = header.content == Content::Events;
        if !is_known {
            return;
        }
        let known = self.known.iter_mut().enumerate().find(|(_, line)| line.is_of(header));
        let place = if let Some((place, line)) = known {
            line.goes_on(file, self.files, header.machine);
            place
        } else {
            let Header { host, namespace, machine, .. } = header.clone();
            self.known.push(Line {
                host,
                namespace,
                machine,
                last: file,
                in_order_from: self.files,
                told_before: 0,
                unheard: None,
                turns_read: 0,
                known: None,
            });
            self.known.len() - 1
        };
        // Of more lines than have a number, the rest is paired like files of version 2.
        if place < usize::from(NO_LINE) {
            self.line = Some(place);
            (self.is_of_events, self.created) = (is_of_events, header.created);
            let tells_of_all = is_of_events && header.filters.is_empty();
            self.here = tells_of_all.then(|| Here { header: header.clone(), is_whole: true });
            self.of_flows = (!is_of_events).then(|| Known::of(header));
            self.is_chosen = !header.filters.is_empty();
        }
    }

    /// A segment of flows that goes on with another one, and ends with what it leaves open itself. Returned is the number of the other one.
    fn chain(&mut self, segment: &Segment<'_>) -> Option<u32> {
        let (header, footer) = (segment.header().ok()?, segment.footer()?);
        if header.content != Content::Flows || !header.closing_keyframe {
            return None;
        }
        let before = header.previous.and_then(|previous| self.leaving.remove(&previous));
        self.filtered = before.filter(|_| !header.filters.is_empty());
        // What was made from it goes on with what was made from the one before it.
        let source = segment.made_from().last().and_then(|source| source.digest());
        self.leaving.extend([Some(footer.digest), source].into_iter().flatten().map(|digest| (digest, self.files)));
        before
    }

    /// The file may be one of a part that was begun already, or begin another one.
    fn begin_part(&mut self, file: &Version<'_>) {
        if let Some(given_up) = self.part.take_if(|part| !part.goes_on_in(file)) {
            self.missed(&given_up, true);
        }
        if self.part.is_none()
            && let Some(line) = self.line
        {
            let told_before = self.told_before();
            let since = self.unheard().unwrap_or(told_before);
            self.part = Part::begun_by(file, self.files, line, told_before, since);
        }
    }

    /// The first reading of the part that is read. Returned is the reading of which flows may tell that it did not find any more.
    pub(super) fn first_read(&mut self, note: &Note) -> Note {
        let is_no_moment = self.is_no_moment(note);
        let Some(part) = &mut self.part else { return *note };
        let (since, from) = (part.first_read(note), note.from.get());
        // Not behind the begin of the reading itself, which bounds the starts that it found.
        let from = if is_no_moment { from } else { since.min(from) };
        Note::gap(from, note.to.get(), 0, Cause::TableRead)
    }

    /// The part that is read, if it ends with the file that does.
    pub(super) fn end_part(&mut self) -> Option<Part> {
        self.part.take_if(Part::ends)
    }

    /// A part was read: since when ends may have been missed behind it. `left`: it did not tell of all that were missed before.
    pub(super) fn missed(&mut self, part: &Part, left: bool) {
        if let Some(line) = self.known.get_mut(part.line()).filter(|_| !part.says_missed()) {
            let before = line.unheard.filter(|_| left);
            line.unheard = before.into_iter().chain(part.missed()).min();
        }
    }

    /// The number of the file with which the one that is read goes on, if this holds only what a filter kept: what that one left
    /// open, and this one neither has nor leaves open, ended and was not kept.
    pub(super) const fn filtered(&self) -> Option<u32> {
        self.filtered
    }

    /// The file that is read, if its readings of the kernel's table tell of flows that it does not name.
    pub(super) const fn here(&self) -> Option<&Here> {
        self.here.as_ref()
    }

    fn line(&mut self) -> Option<&mut Line> {
        self.known.get_mut(self.line?)
    }

    /// The segment, one of flows, says up to when all files of its line told, and since when ends may have been missed.
    pub(super) fn left_open(&mut self, note: &Note) {
        if self.is_chosen {
            self.of_flows = None;
        }
        self.go_on(note);
    }

    /// The same where the files that come are of the same choice of flows: none that is left out here comes there.
    pub(super) fn go_on(&mut self, note: &Note) {
        let (from, to, begun_to) = (note.from.get(), note.to.get(), note.lost.get());
        let known = self.of_flows.take().filter(|_| begun_to != 0);
        if let Some(line) = self.line() {
            let from = if known.is_some() { from.min(begun_to) } else { from };
            line.told_before = line.told_before.max(to);
            line.unheard = (from < to).then_some(from);
            line.known = known;
        }
    }

    /// What [`Lines::left_open`] is to be told of the file that is read, which tells up to `end`.
    pub(super) fn left(&mut self, end: u64) -> Note {
        let line = self.line();
        let told = line.as_ref().map_or(0, |line| line.told_before.max(line.last.told_to));
        let (unheard, is_known) = line.map_or((None, false), |line| (line.unheard, line.known.is_some()));
        let to = told.max(end);
        let from = unheard.unwrap_or(to).min(to);
        Note::gap(from, to, if is_known { from } else { 0 }, Cause::LeftOpen)
    }

    /// Events may be missing.
    pub(super) fn gap(&mut self, note: &Note) {
        // Of the gaps that a segment of flows tells of, its end says what they came to, or what comes behind it.
        if let Some(part) = &mut self.part {
            part.gap(note);
        }
        if self.is_of_events
            && let Some(line) = self.line()
        {
            line.miss(note.from.get());
        }
    }

    /// Something could not be read. That a file is cut off at its end is for the next one to say.
    pub(super) fn damage(&mut self, damage: &Damage) {
        if damage.records_lost == Some(0) {
            return;
        }
        if let Some(part) = &mut self.part {
            part.damage();
        }
        if matches!(damage.fault, Fault::CutOff(_)) {
            return;
        }
        // What it does not tell of may have been lost.
        self.filtered = None;
        if !self.is_of_events {
            self.of_flows = None;
            self.line().into_iter().for_each(|line| line.known = None);
        }
        if let Some(here) = &mut self.here {
            here.is_whole = false;
        }
        let created = self.created;
        self.gap(&Note::at(created, Cause::Damaged));
    }

    /// Up to when the files told that were read before this one, ns since the epoch.
    pub(super) fn told_before(&mut self) -> u64 {
        self.line().map_or(0, |line| line.told_before)
    }

    /// Since when ends may have been missed, ns since the epoch; `None`: none was.
    pub(super) fn unheard(&mut self) -> Option<u64> {
        self.line()?.unheard
    }

    /// The clock was set back, or may have been: in the file that is read, or `before` that.
    pub(super) const fn set_back(&mut self, before: bool) {
        self.turns = self.turns.saturating_add(1);
        self.is_fresh_run &= before;
    }

    /// Whether the clock did not show that moment when a reading was at its end: it was set back since the begin of the reading, which then is
    /// told for the end, too. The first one of a run begins and ends by one clock.
    pub(super) fn is_no_moment(&mut self, reading: &Note) -> bool {
        let (turns, may_be) = (self.turns, reading.from == reading.to && !self.is_fresh_run);
        may_be && self.line().is_some_and(|line| line.turns_read < turns)
    }

    /// The kinds of flows of which those that a reading in this file is the first to name began after [`Lines::unheard`]: it was at its
    /// end at this moment, ns since the epoch. `None`: nobody knows.
    pub(super) fn unbegun(&self, to: u64) -> Option<Kinds> {
        let here = self.here.as_ref().filter(|here| here.is_whole)?;
        let line = self.known.get(self.line?)?;
        // Where the clock was set back it may have shown earlier times since.
        line.unheard.filter(|after| *after <= to && line.told_before <= self.created)?;
        line.known.as_ref()?.common(&here.known())
    }

    /// A reading was at its end; it has told of all ends that were missed, unless of some flows it `left` that open.
    pub(super) fn read(&mut self, left: bool) {
        let known = self.here.as_ref().filter(|here| here.is_whole).map(Here::known);
        let turns = self.turns;
        self.is_fresh_run = false;
        if let Some(line) = self.line() {
            line.turns_read = turns;
            line.known = known.or(line.known.take());
            if !left {
                line.unheard = None;
            }
        }
    }
}

impl Line {
    /// Whether a segment with this header is of it. Machines may have one name, and the same number for the namespace that they
    /// begin with.
    fn is_of(&self, header: &Header) -> bool {
        self.host == header.host && goes_on(self.namespace, header.namespace) && header.may_be_of_machine(self.machine)
    }

    /// Its next file begins.
    fn goes_on(&mut self, next: Written, number: u32, machine: [u8; 16]) {
        if self.machine == [0; 16] {
            self.machine = machine;
        }
        if !next.follows(&self.last) {
            self.miss(self.last.told_to);
        }
        if !next.is_behind(&self.last) {
            self.in_order_from = number;
        }
        self.told_before = self.told_before.max(self.last.told_to);
        self.last = next;
    }

    fn miss(&mut self, since: u64) {
        self.unheard = Some(self.unheard.map_or(since, |before| before.min(since)));
    }
}
