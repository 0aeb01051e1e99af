//! What the heads and notes of one file say of time.

use ctrecorder_format::block::flags;
use ctrecorder_format::legacy;
use ctrecorder_format::{
    BlockHeader, BlockKind, Body, Cause, Closing, Content, Damage, DirectoryEntry, Fault, Head, Header, Note,
    Retirement, Segment,
};

use super::times::Times;
use super::{Gap, GapCause, Span};
use crate::archive::Archive;
use crate::journal::{Passage, Recorder, Source, Version, has_sane_directory};

/// Blocks that are longer than this on the average are skipped from head to head, not read through.
const WORTH_SKIPPING_BYTES: u64 = 16 * 1024;

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In order, and the recorder went on in another segment.
    WentOn,
    /// In order, and there is no more.
    Closed,
    /// A recorder is writing it.
    BeingWritten,
    /// Without a footer.
    CutOff,
    /// With something that cannot be read.
    Damaged,
    /// As every file of version 2: with the last record.
    Version2,
}

/// What one file tells of its own place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The least time of anything in it, ns since the epoch; but open flows may have begun earlier.
    pub least: u64,
    /// The greatest time of anything in it.
    pub greatest: u64,
    /// Whether it tells of every flow that was alive when it was begun (docs/format.md, "The table").
    pub has_whole_keyframe: bool,
}

impl Extent {
    /// Of which nothing is known.
    pub const UNKNOWN: Self = Self { least: 0, greatest: u64::MAX, has_whole_keyframe: false };

    /// From the least time to the greatest.
    pub const fn span(&self) -> Span {
        Span { from: self.least, to: self.greatest }
    }

    /// Makes it hold a span.
    fn reach(&mut self, from: u64, to: u64) {
        self.least = self.least.min(from);
        self.greatest = self.greatest.max(to);
    }
}

/// How closely a file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// At the head of each block.
    Heads,
    /// Where there is a directory, at that, and at what is not records: damage to the heads of records is not seen.
    Directory,
}

/// What one file tells of time.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The host that recorded; `None` if the header is damaged.
    pub(super) host: Option<String>,
    /// The network namespace that was recorded, 0 if not known.
    pub(super) namespace: u64,
    pub(super) content: Content,
    /// The run of the recorder that wrote the file; `None` if it is of no run, or nobody knows.
    pub(super) run: Option<Recorder>,
    /// Its number in that run, from 0.
    pub(super) number: u64,
    /// From when on it tells, ns since the epoch.
    pub(super) from: u64,
    /// Until when, not before `from`.
    pub(super) to: u64,
    /// The first moment that it tells of, and the last one. Where the clock was set back, they are not the least and the greatest.
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) end: End,
    pub(super) extent: Extent,
    /// Its gaps and accounts, the readings of the kernel's table, what was recorded and what was
    /// removed, and when the clock was set back, in order.
    pub(super) notes: Vec<Note>,
    /// What could not be read in the middle of it.
    pub(super) damaged: Vec<Gap>,
}

impl Part {
    /// Reads the heads and notes of a file. Damage is told to `told`, but for an end that is cut off. `None` if nothing in it
    /// tells of any time.
    pub(super) fn of(
        source: &Source,
        version: &Version<'_>,
        look: Look,
        told: &mut dyn FnMut(&Damage),
    ) -> Option<Self> {
        match version {
            Version::Two(file) => Some(Self::of_legacy(source, file, version.begun(), told)),
            Version::Archive(archive) => Some(Self::of_archive(archive)),
            Version::Three(segment) => {
                let by_directory = look == Look::Directory && has_sane_directory(segment);
                if by_directory {
                    // What it tells of is not touched.
                } else if let Some(footer) = segment.footer()
                    && segment.length() / (footer.totals.blocks.saturating_add(1)) > WORTH_SKIPPING_BYTES
                {
                    source.expect_reads_at(footer.directory.iter().map(|entry| entry.offset.get()));
                }
                let end = if source.is_being_written() { End::BeingWritten } else { End::CutOff };
                let mut walk = Walk::begin(Self::blank(segment.header().ok(), version.begun(), end), told);
                walk.segment(source, segment, by_directory);
                let part = walk.part.in_order();
                (segment.header().is_ok() || part.to > 0).then_some(part)
            }
        }
    }

    /// A part of which nothing is known but its header.
    fn blank(header: Option<&Header>, begun: u64, end: End) -> Self {
        Self {
            host: header.map(|header| header.host.clone()),
            namespace: header.map_or(0, |header| header.namespace),
            content: header.map_or(Content::Events, |header| header.content),
            // Squeezed segments have the header of their first input, and are no part of its run.
            run: header.filter(|header| header.content == Content::Events).map(Recorder::of),
            number: header.map_or(0, |header| header.segment_number),
            from: begun,
            to: begun,
            began: begun,
            ended: begun,
            end,
            extent: Extent { least: begun, greatest: begun, has_whole_keyframe: false },
            notes: Vec::new(),
            damaged: Vec::new(),
        }
    }

    /// An archive tells what the journal did that it was made from. Whether its rows are whole shows when they are read.
    fn of_archive(archive: &Archive) -> Self {
        let (header, about) = (archive.header(), archive.about());
        let end = if about.is_last { End::Closed } else { End::WentOn };
        let mut part = Self { run: Some(Recorder::of(header)), ..Self::blank(Some(header), about.from, end) };
        part.to = about.to;
        part.extent.reach(about.from, about.to);
        for entry in (0..archive.groups()).filter_map(|group| archive.entry(group)) {
            let times = Times::from(&entry);
            part.extent.reach(times.least_start, times.greatest_end);
        }
        part.notes = archive.notes().iter().filter(|note| tells(note)).copied().collect();
        part.in_order()
    }

    fn of_legacy(source: &Source, file: &legacy::File<'_>, begun: u64, told: &mut dyn FnMut(&Damage)) -> Self {
        let mut part = Self { host: Some(file.header().host.clone()), ..Self::blank(None, begun, End::Version2) };
        let (mut missing, mut passage) = (None, Passage::default());
        // Flows that were squeezed are in no order; events are, whatever was done to the clock meanwhile.
        let in_order = file.header().content == legacy::Content::Events;
        for times in file.times() {
            match times {
                Ok(times) => {
                    passage.reached(source, times.offset);
                    if let Some(lost) = missing.take() {
                        part.damage(part.to, times.first, lost);
                    }
                    part.to = if in_order { times.last } else { part.to.max(times.greatest) };
                    part.extent.reach(times.least, times.greatest);
                }
                Err(damage) => {
                    told(&damage);
                    part.extent = Extent::UNKNOWN;
                    missing = add(missing, damage.records_lost);
                }
            }
        }
        if !in_order {
            // They may have begun at any time, and none of version 2 says who was alive.
            part.extent.least = 0;
        }
        part.in_order()
    }

    /// Whether its recorder had written other segments before it.
    pub(super) const fn is_later(&self) -> bool {
        self.run.is_some() && self.number > 0
    }

    /// Notes that something could not be read between two times, whichever is the earlier one.
    fn damage(&mut self, from: u64, to: u64, lost: Option<u64>) {
        self.damaged.push(Gap { from: from.min(to), to: from.max(to), cause: GapCause::Damaged, lost });
    }

    /// A clock that was set back makes no span that ends before it begins: all is in it that it showed since.
    fn in_order(mut self) -> Self {
        (self.began, self.ended) = (self.from, self.to);
        let least = self.notes.iter().filter(|note| note.sets_back()).map(|note| note.to.get()).min();
        self.from = self.from.min(self.to).min(least.unwrap_or(u64::MAX));
        self.to = self.began.max(self.to);
        if self.content == Content::Flows && least.is_some() {
            self.made_in_order();
        }
        self
    }

    /// Likewise of what was made of others: these tell from when to when it tells, whatever the clock showed at last. Those that
    /// were made first do not; but their flows were alive up to then.
    fn made_in_order(&mut self) {
        let recorded = self.notes.iter().filter(|note| note.cause() == Some(Cause::Recorded));
        let spans = recorded.map(|note| Span { from: note.from.get(), to: note.to.get() });
        match spans.reduce(Span::joined) {
            Some(told) => (self.from, self.to) = (told.from, told.to.max(told.from)),
            None => self.to = self.to.max(self.extent.greatest),
        }
    }
}

/// Whether the last of what a squeezed segment was made from went on in another one.
fn went_on(segment: &Segment<'_>) -> bool {
    segment.made_from().last().is_some_and(|source| source.closing() == Some(Closing::WentOn))
}

/// Whether a note tells of a gap, of what was known or recorded of flows then, of what was removed, that the same times came again, or
/// that there is nothing more to tell.
fn tells(note: &Note) -> bool {
    const TELLING: [Cause; 5] =
        [Cause::Account, Cause::TableRead, Cause::NotRead, Cause::Recorded, Cause::NamespaceGone];
    let is_telling = note.cause().is_some_and(|cause| TELLING.contains(&cause));
    note.is_gap() || note.sets_back() || is_telling || Retirement::of(note).is_some()
}

/// A loss with a further one. One of nothing is none: then only bytes were put in.
fn add(missing: Option<Option<u64>>, lost: Option<u64>) -> Option<Option<u64>> {
    match (missing, lost) {
        (None, Some(0)) => None,
        (before, lost) => Some(before.unwrap_or(Some(0)).zip(lost).map(|(before, more)| before.saturating_add(more))),
    }
}

/// The way from head to head through a segment.
struct Walk<'w> {
    part: Part,
    told: &'w mut dyn FnMut(&Damage),
    /// Up to when all events are in the blocks before this one. The two blocks of a batch cover the same span: the first
    /// one alone says nothing.
    solid: u64,
    /// Something before the next head could not be read, with so many records, where that is known.
    missing: Option<Option<u64>>,
    /// No block came behind that yet.
    is_fresh: bool,
    /// Neither records nor the note that the recorder was started came yet.
    unbegun: bool,
}

impl<'w> Walk<'w> {
    fn begin(part: Part, told: &'w mut dyn FnMut(&Damage)) -> Self {
        let solid = part.from;
        Self { part, told, solid, missing: None, is_fresh: false, unbegun: true }
    }

    fn segment(&mut self, source: &Source, segment: &Segment<'_>, by_directory: bool) {
        if let Err(damage) = segment.header() {
            self.damage(damage);
        }
        match segment.footer().filter(|_| by_directory) {
            Some(footer) => self.directory(segment, footer.directory),
            None => {
                let mut passage = Passage::default();
                for head in segment.heads() {
                    head.iter().for_each(|head| passage.reached(source, head.offset));
                    self.head(head);
                }
            }
        }
        match segment.footer() {
            Some(footer) => {
                self.part.end = match footer.totals.closing {
                    Closing::WentOn => End::WentOn,
                    Closing::Complete if went_on(segment) => End::WentOn,
                    Closing::Stopped | Closing::Complete => End::Closed,
                };
                self.part.to = footer.totals.closed;
                self.part.extent.reach(footer.totals.closed, footer.totals.closed);
                if let Some(lost) = self.missing {
                    self.part.damage(self.solid, footer.totals.closed, lost);
                }
            }
            None => self.end_without_footer(),
        }
    }

    fn end_without_footer(&mut self) {
        match self.missing {
            // It tells up to its last whole block; what stood behind that is no gap within it.
            Some(_) if self.is_fresh && self.part.end == End::CutOff => self.part.end = End::Damaged,
            Some(lost) if !self.is_fresh => self.part.damage(self.solid, self.part.to, lost),
            Some(_) => {}
            // The other half of the last batch is not there.
            None => self.part.to = self.solid,
        }
    }

    /// Takes what a directory says of blocks of records, and walks through the others.
    fn directory(&mut self, segment: &Segment<'_>, directory: &[DirectoryEntry]) {
        const KNOWN: u8 = 1 << BlockKind::Ipv4 as u8 | 1 << BlockKind::Ipv6 as u8 | 1 << BlockKind::Index as u8;
        let mut sequence = 0_u32;
        for entry in directory {
            if entry.kinds & !KNOWN != 0 {
                let heads = segment.heads_from(segment.place(entry.offset.get(), sequence));
                heads.take(entry.blocks.get() as usize).for_each(|head| self.head(head));
            } else if entry.kinds != 1 << BlockKind::Index as u8 {
                self.times(&Times::from(entry), false);
            }
            sequence = sequence.wrapping_add(entry.blocks.get());
        }
    }

    fn head(&mut self, head: Result<Head<'_>, Damage>) {
        match head {
            // An index repeats the times of blocks before it, and sources have none.
            Ok(head)
                if matches!(head.header.kind(), Some(BlockKind::Footer | BlockKind::Index | BlockKind::Sources)) => {}
            Ok(head) => self.block(&head),
            Err(damage) => self.damage(&damage),
        }
    }

    fn damage(&mut self, damage: &Damage) {
        // An end that is cut off is what a segment without a footer is; nothing belongs to it behind a footer.
        if matches!(damage.fault, Fault::CutOff(_)) {
            return;
        }
        (self.told)(damage);
        if damage.fault != Fault::BehindFooter {
            self.missing = add(self.missing, damage.records_lost);
            self.is_fresh = true;
        }
    }

    fn block(&mut self, head: &Head<'_>) {
        let (block, first, last) = (head.header, head.header.first_event.get(), head.header.last_event.get());
        // The IPv4 block of its batch may be what is missing, with events later than its own: they came before the next batch.
        let may_be_half = block.kind() == Some(BlockKind::Ipv6) && std::mem::take(&mut self.is_fresh);
        if !may_be_half && let Some(lost) = self.missing.take() {
            self.part.damage(self.solid, self.resumed(block), lost);
        }
        if block.kind() != Some(BlockKind::Notes) {
            return self.times(&Times::from(block), block.has(flags::CONTINUES));
        }
        self.reach(last, block.has(flags::CONTINUES));
        // A note's span may have begun long before the file.
        self.part.extent.reach(last, last.max(block.greatest_end.get()));
        match head.verify().map(|block| block.body) {
            Ok(Body::Notes(notes)) => notes.iter().for_each(|note| self.note(note)),
            Ok(_) => {}
            // It may have told of any gap in its span.
            Err(damage) => {
                (self.told)(&damage);
                self.part.damage(first, last, None);
            }
        }
    }

    /// The file tells up to here; the block goes on with the next one of its batch, or not.
    fn reach(&mut self, last: u64, continues: bool) {
        self.part.to = self.part.to.max(last);
        if !continues && self.missing.is_none() {
            self.solid = self.part.to;
        }
    }

    /// What is known of one block of records, or of several.
    fn times(&mut self, times: &Times, continues: bool) {
        self.reach(times.last, continues);
        self.part.extent.reach(times.first, times.last.max(times.greatest_end));
        // Flows are there by their ends: they may have been alive long before the first that ended.
        if self.part.content == Content::Flows {
            self.part.extent.least = self.part.extent.least.min(times.least_start);
        }
        self.unbegun = false;
        // Events that waited while the disk refused may be older than the file that they came into at last.
        if self.part.is_later() {
            self.part.from = self.part.from.min(times.first);
        }
    }

    /// From when on, behind damage, all events are there again: nothing of the batch of this block is missing.
    fn resumed(&self, block: &BlockHeader) -> u64 {
        let (first, last) = (block.first_event.get(), block.last_event.get());
        // A note's span may have begun long before.
        if first < self.solid { last } else { first }
    }

    fn note(&mut self, note: &Note) {
        if tells(note) {
            self.part.notes.push(*note);
        }
        match note.cause() {
            Some(Cause::TableRead) => self.part.extent.has_whole_keyframe |= self.part.content == Content::Events,
            // The file is there before the recorder is at work.
            Some(Cause::Started) if self.unbegun && self.part.number == 0 => {
                self.unbegun = false;
                self.part.from = self.part.from.max(note.from.get());
                self.part.to = self.part.to.max(self.part.from);
                self.solid = self.part.to;
            }
            // Later times are those of a clock that was wrong.
            _ if note.sets_back() => {
                self.part.to = note.to.get();
                self.solid = note.to.get();
            }
            _ => {}
        }
    }
}
