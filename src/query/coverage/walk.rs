//! The way from head to head through a segment, and what is learned on it.

use ctrecorder_format::block::flags;
use ctrecorder_format::{
    BlockHeader, BlockKind, Body, Cause, Closing, Content, Damage, DirectoryEntry, Fault, Head, Note, Segment,
};

use super::Gap;
use super::clock::{Step, is_later};
use super::part::{End, Look, Part, tells};
use super::times::Times;
use crate::journal::{Passage, Source};

/// The way from head to head through a segment.
pub(super) struct Walk<'w> {
    pub(super) part: Part,
    look: Look,
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
    /// All flows that are alive are known: the kernel's table was read, and nothing was lost since.
    are_known: bool,
    /// The greatest time of anything since the clock was set last.
    reached: u64,
    /// The least time of events before the clock was set at all.
    least: u64,
}

impl<'w> Walk<'w> {
    pub(super) fn begin(part: Part, look: Look, told: &'w mut dyn FnMut(&Damage)) -> Self {
        let solid = part.began;
        Self {
            part,
            look,
            told,
            solid,
            missing: None,
            is_fresh: false,
            unbegun: true,
            are_known: false,
            reached: solid,
            least: solid,
        }
    }

    pub(super) fn segment(&mut self, source: &Source, segment: &Segment<'_>, by_directory: bool) {
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
                self.part.ended = footer.totals.closed;
                self.part.reached = Some(self.reached);
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
            Some(lost) if !self.is_fresh => self.part.damage(self.solid, self.part.ended, lost),
            Some(_) => {}
            // The other half of the last batch is not there.
            None => self.part.ended = self.solid,
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
            self.are_known = false;
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
            if self.look == Look::Records
                && let Err(damage) = head.verify()
            {
                (self.told)(&damage);
                self.part.damaged.push(Gap::of_block(block, damage.records_lost));
            }
            return self.times(&Times::from(block), block.has(flags::CONTINUES));
        }
        // A note's span may have begun long before the file.
        self.part.extent.reach(last, last.max(block.greatest_end.get()));
        let body = head.verify().map(|block| block.body);
        if !matches!(&body, Ok(Body::Notes(notes)) if notes.iter().all(|note| self.is_of_a_later_clock(note))) {
            self.reach(last, block.has(flags::CONTINUES));
        }
        match body {
            Ok(Body::Notes(notes)) => notes.iter().for_each(|note| self.note(note)),
            Ok(_) => {}
            // It may have told of any gap in its span.
            Err(damage) => {
                self.are_known = false;
                (self.told)(&damage);
                self.part.damage(first, last, None);
            }
        }
    }

    /// Whether a note says only that its span began by a clock that was ahead, and was set back since: such a span ends where it begins,
    /// whatever the clock shows by now.
    fn is_of_a_later_clock(&self, note: &Note) -> bool {
        const MOMENTS: [Cause; 6] = [
            Cause::Started,
            Cause::Stopped,
            Cause::ClockStep,
            Cause::Uptime,
            Cause::LossyDelivery,
            Cause::ReliableDelivery,
        ];
        let has_span = note.cause().is_none_or(|cause| !MOMENTS.contains(&cause));
        let to = note.to.get();
        has_span && note.from == to && if note.is_gap() { is_later(to, self.reached) } else { self.reached < to }
    }

    /// The file tells up to here; the block goes on with the next one of its batch, or not.
    fn reach(&mut self, last: u64, continues: bool) {
        self.part.ended = self.part.ended.max(last);
        self.reached = self.reached.max(last);
        if !continues && self.missing.is_none() {
            self.solid = self.part.ended;
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
        if self.part.steps.is_empty() {
            self.least = self.least.min(times.first);
        }
    }

    /// From when on, behind damage, all events are there again: nothing of the batch of this block is missing.
    fn resumed(&self, block: &BlockHeader) -> u64 {
        let (first, last) = (block.first_event.get(), block.last_event.get());
        // A note's span may have begun long before.
        if first < self.solid { last } else { first }
    }

    /// From here on times are those that the clock shows now.
    fn clock_set(&mut self, note: &Note) {
        if let Some(step) = Step::of(note, self.reached) {
            self.part.steps.push(step);
            self.reached = step.after;
            if step.after < step.before {
                self.part.ended = step.after;
                self.solid = step.after;
            }
        }
    }

    /// What was learned.
    pub(super) fn done(self) -> Part {
        let Self { mut part, least, .. } = self;
        // Events that waited while the disk refused may be older than the file that they came into at last. But what came shortly
        // before the note that the clock was set back is by the clock as it was then.
        let is_set_back = |step: &Step| step.has_shown(least);
        if part.is_later() && !part.steps.first().is_some_and(is_set_back) {
            part.began = part.began.min(least);
        }
        part.told()
    }

    fn note(&mut self, note: &Note) {
        self.part.settings.note(note, self.part.began);
        if tells(note) {
            self.part.notes.push(*note);
        }
        if self.part.content == Content::Events {
            self.know(note);
        }
        match note.cause() {
            Some(Cause::TableRead) => self.part.extent.has_whole_keyframe |= self.part.content == Content::Events,
            // The file is there before the recorder is at work.
            Some(Cause::Started) if self.unbegun && self.part.number == 0 => {
                self.unbegun = false;
                self.part.began = self.part.began.max(note.from.get());
                self.part.ended = self.part.ended.max(self.part.began);
                self.solid = self.part.ended;
            }
            Some(Cause::ClockStep) => self.clock_set(note),
            _ => {}
        }
    }

    /// Whether all flows are known that are alive, and when, by this note of a segment of events.
    fn know(&mut self, note: &Note) {
        let moment = match note.cause() {
            Some(Cause::TableRead) => (note.from == note.to).then_some(self.reached),
            Some(Cause::ClockStep) => self.are_known.then_some(note.to.get()),
            _ => None,
        };
        self.part.known_at.extend(moment);
        self.are_known = note.cause() == Some(Cause::TableRead) || (self.are_known && !note.is_gap());
    }
}

/// Whether the last of what a squeezed segment was made from went on in another one.
fn went_on(segment: &Segment<'_>) -> bool {
    segment.made_from().last().is_some_and(|source| source.closing() == Some(Closing::WentOn))
}

/// A loss with a further one. One of nothing is none: then only bytes were put in.
pub(super) fn add(missing: Option<Option<u64>>, lost: Option<u64>) -> Option<Option<u64>> {
    match (missing, lost) {
        (None, Some(0)) => None,
        (before, lost) => Some(before.unwrap_or(Some(0)).zip(lost).map(|(before, more)| before.saturating_add(more))),
    }
}
