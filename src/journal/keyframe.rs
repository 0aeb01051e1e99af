//! Which open records of a journal, and which notes of its archives, say something new.

use std::collections::{HashMap, HashSet};

use ctrecorder_format::{Cause, Content, Digest, Header, Note, Segment};

/// Which open records are handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRecords {
    /// Of consecutive segments only those of the first one, and those after a gap: the others repeat what was said.
    New,
    /// All: a flow whose start was lost to damage is in the next keyframe.
    All,
}

/// Follows the segments of a journal, and knows which of them repeat what others said.
#[derive(Debug)]
pub(super) struct Keyframes {
    which: OpenRecords,
    /// The last segment of each chain by its digest, and whether something in it is still waiting for its open records.
    chains: HashMap<Digest, bool>,
    /// The notes of the archives that were read: the export, and the bytes of the note.
    notes: HashSet<([u8; 16], [u8; size_of::<Note>()])>,
}

/// What is known of open records at a place of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    shown: bool,
    /// There was a gap, and neither open records nor a reading of the kernel's table since.
    waiting: bool,
    /// Records of this segment were lost to damage: what the recorder said of flows may be among them, so that the next
    /// keyframe is needed whatever was read of the table.
    damaged: bool,
    /// It is a segment of flows: its open records are what it leaves open, whatever stands before them.
    is_of_flows: bool,
}

impl Keyframes {
    pub(super) fn new(which: OpenRecords) -> Self {
        Self { which, chains: HashMap::new(), notes: HashSet::new() }
    }

    /// A segment begins. What it leaves open, if it is one of flows, a later one tells of, or not.
    pub(super) fn begin(&mut self, header: Option<&Header>, is_gone_on_with: bool) -> State {
        if header.is_some_and(|header| header.content == Content::Flows) {
            let shown = !is_gone_on_with || self.which == OpenRecords::All;
            return State { shown, is_of_flows: true, ..State::default() };
        }
        let previous = header.and_then(|header| header.previous);
        let follows = previous.and_then(|digest| self.chains.remove(&digest));
        let waiting = follows.unwrap_or(false);
        let shown = follows.is_none() || waiting || self.which == OpenRecords::All;
        State { shown, waiting, ..State::default() }
    }

    /// Which open records are handed on.
    pub(super) const fn which(&self) -> OpenRecords {
        self.which
    }

    /// The notes of an archive that no file of the same export has told yet: each stands in every file of whose time it tells.
    pub(super) fn news<'n>(&mut self, archive: &Header, notes: &'n [Note]) -> Vec<&'n Note> {
        let key =
            |note: &Note| -> ([u8; 16], [u8; size_of::<Note>()]) { (archive.boot_id, zerocopy::transmute!(*note)) };
        let news: Vec<_> = notes.iter().filter(|note| !self.notes.contains(&key(note))).collect();
        self.notes.extend(notes.iter().map(key));
        news
    }

    /// A segment is at its end, where this is known.
    pub(super) fn end(&mut self, segment: &Segment<'_>, state: &State) {
        let waiting = state.waiting || state.damaged;
        // What goes on with what it was made from goes on with a segment of flows, too: that has told of what was open.
        let told_open = state.is_of_flows && segment.header().is_ok_and(|header| header.closing_keyframe);
        let last = told_open.then(|| segment.made_from().last().and_then(|last| last.digest()));
        let own = segment.footer().map(|footer| footer.digest);
        self.chains.extend(last.flatten().into_iter().chain(own).map(|digest| (digest, waiting)));
    }
}

impl Default for State {
    /// Before anything is known, everything is news.
    fn default() -> Self {
        Self { shown: true, waiting: false, damaged: false, is_of_flows: false }
    }
}

impl State {
    /// A note: behind a gap the flows that are open are news, until the segment has told of all flows in the kernel's table.
    pub(super) fn note(&mut self, note: &Note) {
        if self.is_of_flows {
            return;
        }
        if note.is_gap() {
            (self.shown, self.waiting) = (true, true);
        } else if note.cause() == Some(Cause::TableRead) {
            self.waiting = false;
        }
    }

    /// Records were lost to damage: the flows that are open behind it may be news.
    pub(super) const fn damage(&mut self) {
        (self.shown, self.damaged) = (self.shown || !self.is_of_flows, true);
    }

    /// Whether an open record at this place is to be handed on.
    pub(super) const fn shows(&self) -> bool {
        self.shown
    }

    /// There are open records at this place.
    pub(super) const fn open(&mut self) {
        self.waiting = false;
    }
}
