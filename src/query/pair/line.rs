//! Lines of recording: whose files are read, one after the other, and what their notes tell of flows that ended unheard.

use ctrecorder_format::{Cause, Content, Damage, Fault, Header, Note};

use crate::journal::{Recorder, Version};

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
    /// Up to when files before it told, of the same host and network namespace; 0 if there were none. Ns since the epoch.
    pub(super) told_before: u64,
}

impl Default for Place {
    fn default() -> Self {
        Self { line: NO_LINE, file: 0, is_of_flows: false, is_nameless: true, told_before: 0 }
    }
}

/// All runs of recorders on one network namespace of one host.
#[derive(Debug)]
struct Line {
    host: String,
    namespace: u64,
    /// The run of the file that was read last, and the file's number in it.
    last: (Recorder, u64),
    /// Up to when that file tells, ns since the epoch.
    told_to: u64,
    /// The same of all files before it.
    told_before: u64,
    /// Since when ends may have been missed, as far as no reading of the kernel's table has made up for it.
    unheard: Option<u64>,
}

/// The file that is read.
#[derive(Debug)]
pub(super) struct Here {
    pub(super) header: Header,
    /// No record of it was lost up to now.
    pub(super) is_whole: bool,
}

/// Follows the files of several lines of recording, which may be mixed.
#[derive(Debug, Default)]
pub(super) struct Lines {
    known: Vec<Line>,
    files: u32,
    /// Whose file is read.
    line: Option<usize>,
    here: Option<Here>,
}

impl Lines {
    /// A file begins.
    pub(super) fn begin(&mut self, file: &Version<'_>) -> Place {
        self.files = self.files.wrapping_add(1);
        (self.line, self.here) = (None, None);
        if let Some(header) = file.header() {
            let told_to = file.told_to().unwrap_or_else(|| file.ended());
            self.follow(header, told_to);
        }
        let line = self.line.and_then(|line| u8::try_from(line).ok()).unwrap_or(NO_LINE);
        let is_of_flows = file.content() == Content::Flows;
        let (is_nameless, told_before) = (matches!(file, Version::Two(_)), self.told_before());
        Place { line, file: self.files, is_of_flows, is_nameless, told_before }
    }

    /// A file, which tells up to `told_to`, of flows in some namespace, or of events there: then its readings of the kernel's
    /// table tell of all flows alive there, or of those of some families and protocols.
    fn follow(&mut self, header: &Header, told_to: u64) {
        let is_known = !header.host.is_empty() && header.namespace != 0;
        let is_of_events = header.content == Content::Events;
        if !is_known || (is_of_events && !header.filters.is_empty()) {
            return;
        }
        let last = (Recorder::of(header), header.segment_number);
        let same = |line: &Line| line.host == header.host && line.namespace == header.namespace;
        let place = if let Some(place) = self.known.iter().position(same) {
            self.known.iter_mut().skip(place).take(1).for_each(|line| line.goes_on(last.clone(), told_to));
            place
        } else {
            let (host, namespace) = (header.host.clone(), header.namespace);
            self.known.push(Line { host, namespace, last, told_to, told_before: 0, unheard: None });
            self.known.len() - 1
        };
        // Of more lines than have a number, the rest is paired like files of version 2.
        if place < usize::from(NO_LINE) {
            self.line = Some(place);
            self.here = is_of_events.then(|| Here { header: header.clone(), is_whole: true });
        }
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
        let (from, to) = (note.from.get(), note.to.get());
        if let Some(line) = self.line() {
            line.told_before = line.told_before.max(to);
            line.unheard = (from < to).then_some(from);
        }
    }

    /// What [`Lines::left_open`] is to be told of the file that is read, which tells up to `end`.
    pub(super) fn left(&mut self, end: u64) -> Note {
        let (told, unheard) = self.line().map_or((0, None), |line| (line.told_before.max(line.told_to), line.unheard));
        let to = told.max(end);
        Note::gap(unheard.unwrap_or(to).min(to), to, 0, Cause::LeftOpen)
    }

    /// Events may be missing.
    pub(super) fn gap(&mut self, note: &Note) {
        // Of the gaps that a segment of flows tells of, its end says what they came to.
        if self.here.is_some()
            && let Some(line) = self.line()
        {
            line.miss(note.from.get());
        }
    }

    /// Something could not be read. That a file is cut off at its end is for the next one to say.
    pub(super) fn damage(&mut self, damage: &Damage) {
        if damage.records_lost == Some(0) || matches!(damage.fault, Fault::CutOff(_)) {
            return;
        }
        if let Some(here) = &mut self.here {
            here.is_whole = false;
            let created = here.header.created;
            self.gap(&Note::at(created, Cause::Damaged));
        }
    }

    /// Up to when the files told that were read before this one, ns since the epoch.
    pub(super) fn told_before(&mut self) -> u64 {
        self.line().map_or(0, |line| line.told_before)
    }

    /// Since when ends may have been missed, ns since the epoch; `None`: none was.
    pub(super) fn unheard(&mut self) -> Option<u64> {
        self.line()?.unheard
    }

    /// A reading has told of all ends that were missed.
    pub(super) fn made_up(&mut self) {
        if let Some(line) = self.line() {
            line.unheard = None;
        }
    }
}

impl Line {
    /// Its next file begins.
    fn goes_on(&mut self, next: (Recorder, u64), told_to: u64) {
        let (run, number) = &self.last;
        if (run, number.checked_add(1)) != (&next.0, Some(next.1)) {
            self.miss(self.told_to);
        }
        self.told_before = self.told_before.max(self.told_to);
        (self.last, self.told_to) = (next, told_to);
    }

    fn miss(&mut self, since: u64) {
        self.unheard = Some(self.unheard.map_or(since, |before| before.min(since)));
    }
}
