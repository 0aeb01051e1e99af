//! What the heads and notes of one file say of time.

use std::path::PathBuf;

use ctrecorder_format::block::flags;
use ctrecorder_format::legacy;
use ctrecorder_format::{Cause, Content, Damage, Header, Note, Retirement};

use super::clock::{Shown, Step};
use super::times::Times;
use super::uptime::Settings;
use super::walk::{Walk, add};
use super::{Gap, GapCause, Span};
use crate::archive::Archive;
use crate::journal::{Passage, Place, Recorder, Source, Version, ended_later, has_sane_directory};

/// Blocks that are longer than this on the average are skipped from head to head, not read through.
const WORTH_SKIPPING_BYTES: u64 = 16 * 1024;

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In order, and the recorder went on in another segment.
    WentOn,
    /// In order, and there is no more.
    Closed,
    /// In order, and what was open then is in a file of its own, until another export goes on with that.
    LeftOpen,
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
    pub(super) fn reach(&mut self, from: u64, to: u64) {
        self.least = self.least.min(from);
        self.greatest = self.greatest.max(to);
    }
}

/// How closely a file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// At the head of each block, and at all records: whether they are as they were written.
    Records,
    /// At the head of each block.
    Heads,
    /// Where there is a directory, at that, and at what is not records: damage to the heads of records is not seen.
    Directory,
}

/// What one file tells of time.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The file.
    pub(super) path: PathBuf,
    /// The host that recorded; `None` if the header is damaged.
    pub(super) host: Option<String>,
    /// The network namespace that was recorded, 0 if not known.
    pub(super) namespace: u64,
    pub(super) content: Content,
    /// The run of the recorder that wrote the file; `None` if it is of no run, or nobody knows.
    pub(super) run: Option<Recorder>,
    /// Its number in that run, from 0.
    pub(super) number: u64,
    /// The first moment that it tells of, and the last one. Where the clock was set back, they are not the least and the greatest.
    pub(super) began: u64,
    pub(super) ended: u64,
    /// When the clock was set meanwhile, in order.
    pub(super) steps: Vec<Step>,
    /// The moments to which it was set while all flows were known that were alive, which are as good as readings of the kernel's table; and when
    /// it was read where the reading itself does not tell, for the clock was set back meanwhile. Ns since the epoch.
    pub(super) known_at: Vec<u64>,
    /// The greatest time of anything behind the last step; `None` if `ended` is that.
    pub(super) reached: Option<u64>,
    /// The times that it tells of.
    pub(super) shown: Shown,
    pub(super) end: End,
    pub(super) extent: Extent,
    /// Its gaps and accounts, the readings of the kernel's table, what was recorded and what was removed, in order.
    pub(super) notes: Vec<Note>,
    /// What could not be read in the middle of it.
    pub(super) damaged: Vec<Gap>,
    /// How its clock was set, as far as it tells.
    pub(super) settings: Settings,
    /// Of one of flows, its place among others; of one of an archive, that of its export.
    pub(super) place: Option<Place>,
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
        Self::read(source, version, look, told).map(|part| Self { path: source.path().to_owned(), ..part })
    }

    fn read(source: &Source, version: &Version<'_>, look: Look, told: &mut dyn FnMut(&Damage)) -> Option<Self> {
        match version {
            Version::Two(file) => Some(Self::of_legacy(source, file, version.begun(), told)),
            Version::Archive(archive) => Some(Self::of_archive(archive, look, told)),
            Version::Three(segment) => {
                let by_directory = look == Look::Directory && has_sane_directory(segment);
                if look == Look::Heads
                    && let Some(footer) = segment.footer()
                    && segment.length() / (footer.totals.blocks.saturating_add(1)) > WORTH_SKIPPING_BYTES
                {
                    source.expect_reads_at(footer.directory.iter().map(|entry| entry.offset.get()));
                }
                let end = if source.is_being_written() { End::BeingWritten } else { End::CutOff };
                let mut walk = Walk::begin(Self::blank(segment.header().ok(), version.begun(), end), look, told);
                walk.segment(source, segment, by_directory);
                let mut part = walk.done();
                if part.content == Content::Flows {
                    part.place = Some(Place { ended: version.known_by(), ..Place::of(version) });
                }
                (segment.header().is_ok() || part.hull().to > 0).then_some(part)
            }
        }
    }

    /// A part of which nothing is known but its header.
    fn blank(header: Option<&Header>, begun: u64, end: End) -> Self {
        Self {
            path: PathBuf::new(),
            host: header.map(|header| header.host.clone()),
            namespace: header.map_or(0, |header| header.namespace),
            content: header.map_or(Content::Events, |header| header.content),
            // Squeezed segments have the header of their first input, and are no part of its run.
            run: header.filter(|header| header.content == Content::Events).map(Recorder::of),
            number: header.map_or(0, |header| header.segment_number),
            began: begun,
            ended: begun,
            steps: Vec::new(),
            known_at: Vec::new(),
            reached: None,
            shown: Shown::default(),
            end,
            extent: Extent { least: begun, greatest: begun, has_whole_keyframe: false },
            notes: Vec::new(),
            damaged: Vec::new(),
            settings: Settings::default(),
            place: None,
        }
    }

    /// An archive tells what the journal did that it was made from. Whether its rows are whole shows when they are read.
    fn of_archive(archive: &Archive, look: Look, told: &mut dyn FnMut(&Damage)) -> Self {
        let (header, about) = (archive.header(), archive.about());
        let end = match about.left_open {
            _ if !about.is_last => End::WentOn,
            Some(true) => End::LeftOpen,
            Some(false) | None => End::Closed,
        };
        let mut part = Self { run: Some(Recorder::of(header)), ..Self::blank(Some(header), about.from, end) };
        // Up to the end of the export, behind it is told of all of it: where the clock was set back, by an earlier time.
        part.ended = about.ended.filter(|_| about.is_last || about.is_of_open).unwrap_or(about.to);
        part.place = Some(Place::of_export(archive));
        part.extent.reach(about.from, about.to);
        for (group, entry) in (0..archive.groups()).filter_map(|group| Some((group, archive.entry(group)?))) {
            let times = Times::from(&entry);
            part.extent.reach(times.least_start, times.greatest_end);
            if look == Look::Records
                && let Err(damage) = archive.read(group, None)
            {
                told(&damage);
                // Its flows that have no end were alive up to then.
                let open = entry.flags & flags::END_UNKNOWN != 0;
                let last = if open { times.last.max(about.to) } else { times.last };
                part.damage(times.first, last, damage.records_lost);
            }
        }
        part.notes = archive.notes().iter().filter(|note| tells(note)).copied().collect();
        archive.notes().iter().for_each(|note| part.settings.note(note, about.from));
        part.steps = archive.notes().iter().filter_map(|note| Step::of(note, u64::MAX)).collect();
        part.told()
    }

    fn of_legacy(source: &Source, file: &legacy::File<'_>, begun: u64, told: &mut dyn FnMut(&Damage)) -> Self {
        let mut part = Self { host: Some(file.header().host.clone()), ..Self::blank(None, begun, End::Version2) };
        let (mut missing, mut passage, mut reached) = (None, Passage::default(), begun);
        // Flows that were squeezed are in no order; events are, whatever was done to the clock meanwhile.
        let in_order = file.header().content == legacy::Content::Events;
        for times in file.times() {
            match times {
                Ok(times) => {
                    passage.reached(source, times.offset);
                    if let Some(lost) = missing.take() {
                        part.damage(part.ended, times.first, lost);
                    }
                    part.ended = if in_order { times.last } else { part.ended.max(times.greatest) };
                    reached = reached.max(times.greatest);
                    part.extent.reach(times.least, times.greatest);
                }
                Err(damage) => {
                    told(&damage);
                    part.extent = Extent::UNKNOWN;
                    missing = add(missing, damage.records_lost);
                }
            }
        }
        part.reached = Some(reached);
        let (least, ended) = (part.extent.least, part.ended);
        if !in_order {
            // They may have begun at any time, and none of version 2 says who was alive.
            part.extent.least = 0;
        }
        let mut part = part.told();
        if ended < begun {
            // No note tells from when on it showed these times.
            part.shown.spans.push(Span { from: least.min(ended), to: ended });
            part.shown.spans = Span::apart(part.shown.spans);
        }
        part
    }

    /// Whether its recorder had written other segments before it.
    pub(super) const fn is_later(&self) -> bool {
        self.run.is_some() && self.number > 0
    }

    /// When the run before its own ended, as the first segment of a run tells, ns since the epoch.
    pub(super) fn behind(&self) -> Option<u64> {
        self.first_notes().iter().find_map(Note::run_before_ended)
    }

    /// From when on that run ended, if the clock was set back since, and nothing more is told; ns since the epoch.
    pub(super) fn behind_later(&self) -> Option<u64> {
        self.first_notes().iter().find_map(ended_later)
    }

    /// Its notes, if it is the first segment of a run.
    fn first_notes(&self) -> &[Note] {
        let is_first = self.run.is_some() && self.content == Content::Events && self.number == 0;
        if is_first { &self.notes } else { &[] }
    }

    /// Notes that something could not be read between two times, whichever is the earlier one.
    pub(super) fn damage(&mut self, from: u64, to: u64, lost: Option<u64>) {
        self.damaged.push(Gap { from: from.min(to), to: from.max(to), cause: GapCause::Damaged, lost });
    }

    /// Once all is known of it: which times it tells of.
    pub(super) fn told(mut self) -> Self {
        let reached = self.reached.unwrap_or(self.ended);
        self.shown = match self.content {
            Content::Events => {
                let was_set = self.settings.was_set_at_begin();
                Shown::while_written((self.began, self.ended), &self.steps, reached, was_set)
            }
            Content::Flows if self.is_turned() => self.made_turned(),
            Content::Flows => Shown::between(self.began, self.ended, &self.steps),
        };
        self
    }

    /// Whether the clock was set back meanwhile.
    pub(super) fn is_turned(&self) -> bool {
        self.ended < self.began || self.steps.iter().any(|step| step.after < step.before)
    }

    /// What was made of others, the clock set back meanwhile, tells from when to when these told. What was made by programs that did
    /// not know that does not; but its flows were alive up to then.
    fn made_turned(&self) -> Shown {
        let recorded = self.notes.iter().filter(|note| note.cause() == Some(Cause::Recorded));
        let mut spans: Vec<_> = recorded.map(|note| Span { from: note.from.get(), to: note.to.get() }).collect();
        spans.retain(|span| span.from <= span.to);
        if spans.is_empty() {
            let ends = Span { from: self.began.min(self.ended), to: self.began.max(self.ended) };
            let after = self.steps.iter().map(|step| step.after).fold(ends.from, u64::min);
            spans.push(Span { from: after, to: ends.to.max(self.extent.greatest) });
        }
        Shown { spans: Span::apart(spans), ..Shown::between(self.began, self.began, &self.steps) }
    }

    /// Has it tell of no time that the clock was set over, as the file behind it notes.
    pub(super) fn set_over(&mut self, over: Span) {
        self.shown = std::mem::take(&mut self.shown).without(vec![over]);
    }

    /// The least span that holds all that it tells of.
    pub(super) fn hull(&self) -> Span {
        let ends = Span { from: self.began, to: self.began };
        self.shown.spans.iter().copied().reduce(Span::joined).unwrap_or(ends)
    }

    /// The greatest moment that it tells of.
    pub(super) fn reaches(&self) -> u64 {
        self.hull().to
    }

    /// Whether it tells of a moment of this span.
    pub(super) fn meets(&self, span: Span) -> bool {
        self.shown.spans.iter().any(|own| own.meets(span))
    }
}

/// Whether a note tells of a gap, of what was known or recorded of flows then, of what was removed, or that there is nothing more to tell.
pub(super) fn tells(note: &Note) -> bool {
    const TELLING: [Cause; 5] =
        [Cause::Account, Cause::TableRead, Cause::NotRead, Cause::Recorded, Cause::NamespaceGone];
    let is_telling = note.cause().is_some_and(|cause| TELLING.contains(&cause));
    note.is_gap() || is_telling || Retirement::of(note).is_some()
}
