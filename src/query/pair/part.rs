//! Parts of a journal that were squeezed or exported one by one: what each tells of the flows that the ones before it left open.
//!
//! A part names each flow that was alive when it first read the kernel's table: whole, or open. So a flow that an earlier part left
//! open, and of which this one tells nothing, was gone by then. That is known once all of the part was read.

use ctrecorder_format::{Content, Header, Note};

use super::pairing::Reading;
use crate::journal::{UNEVEN, Version};

/// A part of a line of recording, as far as it was read: a segment of flows, or the files of one export.
#[derive(Debug)]
pub(super) struct Part {
    /// The number of its line.
    line: usize,
    header: Header,
    /// The number of its first file among all that were read.
    first: u32,
    /// The number that its next file has, if there is one: only exports have several.
    next: Option<u64>,
    /// Up to when the files told that were read before it, and since when ends may have been missed. Ns since the epoch.
    told_before: u64,
    since: u64,
    /// When its first reading was at its end, if it tells of one, ns since the epoch.
    read: Option<u64>,
    /// Nothing of it was lost up to now.
    is_whole: bool,
    /// The begin of the first gap in it, ns since the epoch.
    missed: Option<u64>,
}

impl Part {
    /// The part that a file begins, the how many-th that is read, of a line with this number; `None` if it is none, or does not tell of
    /// all flows. Ends may have been missed `since` then, before it.
    pub(super) fn begun_by(file: &Version<'_>, first: u32, line: usize, told_before: u64, since: u64) -> Option<Self> {
        let next = next_of(file, 0)?;
        let header = file.header().filter(|header| header.content == Content::Flows)?;
        let tells_of_all = header.filters.is_empty() || header.filters == UNEVEN;
        let header = tells_of_all.then(|| header.clone())?;
        Some(Self { line, header, first, next, told_before, since, read: None, is_whole: true, missed: None })
    }

    /// Whether this file is the next one of it.
    pub(super) fn goes_on_in(&mut self, file: &Version<'_>) -> bool {
        let is_its = file.header().is_some_and(|header| header.boot_id == self.header.boot_id);
        let next = self.next.filter(|_| is_its).and_then(|number| next_of(file, number));
        next.map(|next| self.next = next).is_some()
    }

    /// Whether it ends with the file that is read.
    pub(super) const fn ends(&mut self) -> bool {
        self.next.is_none()
    }

    /// Its note of the first reading. Returned is since when those flows may have ended that it did not find any more, ns since the epoch.
    pub(super) const fn first_read(&mut self, note: &Note) -> u64 {
        if self.read.is_none() {
            self.read = Some(note.to.get());
        }
        self.since
    }

    /// Events may be missing in it.
    pub(super) fn gap(&mut self, note: &Note) {
        let from = note.from.get();
        self.missed = Some(self.missed.map_or(from, |before| before.min(from)));
    }

    /// Something of it could not be read.
    pub(super) const fn damage(&mut self) {
        self.is_whole = false;
    }

    /// What it says of flows that were open before it, now that it was read: nothing, if it has no note of a reading or is not whole.
    pub(super) fn reading(&self) -> Option<Reading> {
        let to = self.read.filter(|_| self.is_whole)?;
        Some(Reading { to, told_to: self.told_before, part: Some(self.first) })
    }

    /// Which flows it tells of.
    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    /// The number of its line.
    pub(super) const fn line(&self) -> usize {
        self.line
    }

    /// Since when ends may have been missed in it, ns since the epoch; `None`: none was.
    pub(super) const fn missed(&self) -> Option<u64> {
        self.missed
    }

    /// Whether it says itself, at its end, since when ends may have been missed: one that tells what it leaves open does.
    pub(super) const fn says_missed(&self) -> bool {
        self.header.closing_keyframe
    }
}

/// The number behind that of a file, if more of its part comes. `None` if this is not the file of a part with this number, or not all
/// of it is there.
fn next_of(file: &Version<'_>, number: u64) -> Option<Option<u64>> {
    match file {
        Version::Two(_) => None,
        Version::Three(segment) => (number == 0 && segment.footer().is_some()).then_some(None),
        Version::Archive(archive) => {
            let about = archive.about();
            let is_it = about.part == number && !about.is_of_open;
            is_it.then(|| number.checked_add(1).filter(|_| !about.is_last))
        }
    }
}
