//! Divides a file into parcels.
//!
//! A segment is divided by its directory, where it has one: then nothing of the blocks themselves is touched but the last
//! head of each parcel. What a directory says is not taken for granted: whoever reads a parcel finds out whether a walk would
//! come from its beginning to its end. Where it would not, the rest of the segment is divided by walking from head to head, as
//! are segments without a directory. So damage is told as that walk finds it.
//!
//! A file that may grow is divided by walking, up to where what comes next depends on bytes that are not there yet.
//!
//! An archive is divided into its groups of rows.
//!
//! Files of version 2 are divided by the length of their records, in the same hope; where it fails, a walk has to find
//! the step again.

use std::sync::Arc;

use ctrecorder_format::block::flags;
use ctrecorder_format::{BlockKind, Content, DirectoryEntry, Place, Segment, legacy};

use super::super::Version;
use super::super::directory::{end_of_entry, has_sane_directory};
use super::super::keyframe::State;
use super::super::opened::Opened;
use super::Select;
use super::entries::is_passed_over;
use super::leg::Standing;
use super::parcel::{Parcel, Part};
use super::plan::Task;
use super::ruled_out::RuledOut;

/// A parcel is at least so many bytes, if there are as many: enough to make the handing over cheap, few enough to be
/// still in a near cache when another thread takes what was found.
const PARCEL_BYTES: usize = if cfg!(test) { TESTED_BYTES as usize } else { 1024 * 1024 };

/// A parcel of blocks whose index is to be asked first is so long: what is left of it is mostly little.
const ASKED_BYTES: usize = 16 * PARCEL_BYTES;

/// In tests files are small, and still to be of many parcels.
pub(super) const TESTED_BYTES: u64 = 700;

/// A file that is being divided.
pub(super) struct Division {
    file: Opened,
    /// The number of the file in its journal, from 0.
    number: usize,
    /// What need not be read of a segment without a directory.
    ruled_out: Arc<RuledOut>,
    /// The file may yet grow: it is divided as far as what is there stays so.
    grows: bool,
    /// It is a segment of flows, and a later one goes on with what it leaves open.
    is_gone_on_with: bool,
    stage: Stage,
}

/// How far a file is divided.
#[derive(Clone, Copy)]
enum Stage {
    /// Its beginning is not told yet.
    Begin,
    /// It was read up to this place; that it goes on is not told yet.
    Resume {
        place: Standing,
        keyframes: State,
    },
    /// By its directory, up to this entry, whose first block has this number.
    Entries {
        index: usize,
        sequence: u32,
    },
    /// By walking, up to this place.
    Blocks(Place),
    /// Of version 2, up to this place.
    Records(legacy::Place),
    /// Of an archive, up to this group of rows.
    Groups(usize),
    /// Of version 2, up to its end, which is not told yet; more of it would begin at this place.
    End(legacy::Place),
    /// Up to this place, behind which nothing is sure; that is not told yet.
    Pause(Standing),
    Done,
}

impl Division {
    /// Of a whole file.
    pub(super) fn of(file: Opened, number: usize) -> Self {
        Self { file, number, ruled_out: Arc::default(), grows: false, is_gone_on_with: false, stage: Stage::Begin }
    }

    /// The same of a segment of flows with which a later one goes on, or not.
    pub(super) fn gone_on_with(self, is_gone_on_with: bool) -> Self {
        Self { is_gone_on_with, ..self }
    }

    /// Of the rest of a file from a place on.
    pub(super) fn rest(file: Opened, number: usize, place: Standing, keyframes: State) -> Self {
        Self { stage: Stage::Resume { place, keyframes }, ..Self::of(file, number) }
    }

    /// The same of a file that may yet grow, or not.
    pub(super) fn growing(self, grows: bool) -> Self {
        Self { grows, ..self }
    }

    /// Of what a parcel of a segment holds, and the rest behind it, by walking from its begin.
    pub(super) fn from_block(parcel: &Parcel, place: Place) -> Self {
        Self::behind(parcel, Stage::Blocks(place))
    }

    /// Of the rest of a file of version 2, up to where nothing is sure if that is at `place`.
    pub(super) fn from_record(parcel: &Parcel, place: legacy::Place, waits: bool) -> Self {
        let stage = if waits { Stage::Pause(Standing::Records(place)) } else { Stage::Records(place) };
        Self::behind(parcel, stage)
    }

    fn behind(parcel: &Parcel, stage: Stage) -> Self {
        let Parcel { file, number, ruled_out, grows, .. } = parcel;
        let (number, grows, ruled_out) = (*number, *grows, Arc::clone(ruled_out));
        // Its beginning is told already.
        Self { file: file.clone(), number, ruled_out, grows, is_gone_on_with: false, stage }
    }

    /// The same without what it leaves open, if a later segment goes on with that.
    pub(super) fn without_open_told_later(mut self) -> Self {
        let is_of_flows = self.file.version().content() == Content::Flows;
        self.ruled_out = Arc::new(RuledOut::default().with_open(is_of_flows && self.is_gone_on_with));
        self
    }

    /// What comes next in this file; `None` if that was all.
    pub(super) fn next(&mut self, select: &impl Select) -> Option<Task<Parcel>> {
        let file = self.file.clone();
        let (task, stage) = match (self.stage, file.version()) {
            (Stage::Begin, version) => {
                let stage = first_stage(version);
                if let (Version::Three(segment), Stage::Blocks(_)) = (version, stage) {
                    self.ruled_out = Arc::new(RuledOut::by(select, segment).with_open(self.ruled_out.has_open()));
                }
                (Task::Begin { file: file.clone(), is_gone_on_with: self.is_gone_on_with }, stage)
            }
            (Stage::Entries { index, sequence }, Version::Three(segment)) => {
                self.entries(select, segment, index, sequence)
            }
            (Stage::Blocks(place), Version::Three(segment)) => self.blocks(segment, place),
            (Stage::Records(place), Version::Two(records)) => self.records(records, place),
            (Stage::Groups(group), Version::Archive(archive)) if group < archive.groups() => {
                (self.parcel(Part::Group(group), archive.end_of(group)), Stage::Groups(group + 1))
            }
            (Stage::Groups(_), Version::Archive(_)) => (Task::End { file: file.clone(), place: None }, Stage::Done),
            (Stage::Resume { place, keyframes }, _) => {
                let stage = match place {
                    Standing::Blocks(place) => Stage::Blocks(place.reopened()),
                    Standing::Records(place) => Stage::Records(place),
                };
                (Task::Resume { file: file.clone(), keyframes }, stage)
            }
            (Stage::Pause(place), _) => (Task::Pause { file: file.clone(), place }, Stage::Done),
            (Stage::End(place), _) => {
                (Task::End { file: file.clone(), place: Some(Standing::Records(place)) }, Stage::Done)
            }
            // A stage is one of its own version.
            (Stage::Done, _)
            | (Stage::Entries { .. } | Stage::Blocks(_), Version::Two(_) | Version::Archive(_))
            | (Stage::Records(_), Version::Three(_) | Version::Archive(_))
            | (Stage::Groups(_), Version::Two(_) | Version::Three(_)) => return None,
        };
        self.stage = stage;
        Some(task)
    }

    /// The entries of the directory from `index` on that make a parcel. Those that are passed over cost nothing, so that
    /// they count for nothing. Where there are indexes to be asked, much of the others will be, too; then a parcel ends with
    /// one.
    fn entries(
        &self,
        select: &impl Select,
        segment: &Segment<'_>,
        index: usize,
        sequence: u32,
    ) -> (Task<Parcel>, Stage) {
        let Some(footer) = segment.footer() else { return self.blocks(segment, segment.place(0, 0)) };
        let asks = select.asks_indexes();
        let enough = if asks { ASKED_BYTES } else { PARCEL_BYTES } as u64;
        let (mut bytes, mut end, mut next) = (0, index, sequence);
        for entry in footer.directory.iter().skip(index) {
            let first = next;
            let offset = end_of_entry(segment, end);
            (end, next) = (end + 1, next.wrapping_add(entry.blocks.get()));
            let is_passed_over = is_passed_over(select, &self.ruled_out, entry, first);
            if !is_passed_over {
                bytes += offset.saturating_sub(entry.offset.get());
            }
            let is_index = entry.kinds == 1 << BlockKind::Index as u8;
            let may_end = is_index || !asks || bytes >= 2 * enough;
            if bytes >= enough && may_end && (is_passed_over || is_index || ends_batch(segment, entry, first)) {
                break;
            }
        }
        let stage = if end < footer.directory.len() {
            Stage::Entries { index: end, sequence: next }
        } else {
            Stage::Blocks(segment.place(footer.offset, next))
        };
        let part = Part::Entries { entries: index..end, sequence };
        (self.parcel(part, end_of_entry(segment, end.saturating_sub(1))), stage)
    }

    /// The blocks that a walk finds from `place` on and that make a parcel, or the damage that it finds there.
    fn blocks(&self, segment: &Segment<'_>, place: Place) -> (Task<Parcel>, Stage) {
        let mut heads = segment.heads_from(place);
        let mut count = 0;
        // What ends with a batch is sure to stay as it is.
        let mut batches = (0, place);
        loop {
            let before = heads.place();
            let next = if self.grows { heads.next_settled() } else { heads.next() };
            let is_batch = match next {
                Some(Ok(head)) => !head.header.has(flags::CONTINUES),
                None if self.grows => return self.up_to(place, batches),
                _ if count > 0 => {
                    return (self.parcel(Part::Blocks { place, count }, before.offset()), Stage::Blocks(before));
                }
                Some(Err(damage)) => {
                    let task = Task::Damage { file: self.file.clone(), damage };
                    return (task, Stage::Blocks(heads.place()));
                }
                None => {
                    let end = segment.footer().is_none().then_some(Standing::Blocks(before));
                    return (Task::End { file: self.file.clone(), place: end }, Stage::Done);
                }
            };
            count += 1;
            let end = heads.place();
            if is_batch {
                batches = (count, end);
            }
            if is_batch && end.offset() - place.offset() >= PARCEL_BYTES as u64 {
                return (self.parcel(Part::Blocks { place, count }, end.offset()), Stage::Blocks(end));
            }
        }
    }

    /// So many blocks from `place` to `end`, behind which nothing is sure yet.
    fn up_to(&self, place: Place, (count, end): (u32, Place)) -> (Task<Parcel>, Stage) {
        let pause = Standing::Blocks(end);
        if count == 0 {
            return (Task::Pause { file: self.file.clone(), place: pause }, Stage::Done);
        }
        (self.parcel(Part::Blocks { place, count }, end.offset()), Stage::Pause(pause))
    }

    /// The records of version 2 from `place` on that make a parcel.
    fn records(&self, file: &legacy::File<'_>, place: legacy::Place) -> (Task<Parcel>, Stage) {
        let end = file.ahead(place, PARCEL_BYTES);
        if end == place && self.grows {
            return (Task::Pause { file: self.file.clone(), place: Standing::Records(place) }, Stage::Done);
        }
        if end == place {
            return (Task::Rest { file: self.file.clone(), place }, Stage::End(place));
        }
        (self.parcel(Part::Records { place, end }, end.offset()), Stage::Records(end))
    }

    fn parcel(&self, part: Part, end: u64) -> Task<Parcel> {
        let ruled_out = Arc::clone(&self.ruled_out);
        Task::Read(Parcel { file: self.file.clone(), number: self.number, end, part, ruled_out, grows: self.grows })
    }
}

/// How a file is divided first.
fn first_stage(version: &Version<'_>) -> Stage {
    match version {
        Version::Two(file) => Stage::Records(file.begin()),
        Version::Three(segment) if has_sane_directory(segment) => Stage::Entries { index: 0, sequence: 0 },
        Version::Three(segment) => Stage::Blocks(segment.heads().place()),
        Version::Archive(_) => Stage::Groups(0),
    }
}

/// Whether the blocks of an entry, the first of which has the number `sequence`, end with a whole batch.
fn ends_batch(segment: &Segment<'_>, entry: &DirectoryEntry, sequence: u32) -> bool {
    let blocks = entry.blocks.get() as usize;
    let heads = segment.heads_from(segment.place(entry.offset.get(), sequence));
    // Where a walk does not find them, nothing follows from what is there.
    heads.take(blocks).last().is_none_or(|last| last.is_ok_and(|head| !head.header.has(flags::CONTINUES)))
}

/// Where a walk stands that came to an entry of the directory, whose first block has the number `sequence`. If the blocks
/// before it were passed over and are damaged, it stands behind the last ones that are not, for damage is told in one piece.
pub(super) fn place_of_entry(segment: &Segment<'_>, index: usize, mut sequence: u32) -> Place {
    let directory = segment.footer().map_or(&[][..], |footer| footer.directory);
    let before = directory.get(..index).unwrap_or_default();
    for (index, entry) in before.iter().enumerate().rev() {
        let end = sequence;
        sequence = sequence.wrapping_sub(entry.blocks.get());
        let mut heads = segment.heads_from(segment.place(entry.offset.get(), sequence));
        let are_whole = heads.by_ref().take(entry.blocks.get() as usize).all(|head| head.is_ok());
        let place = heads.place();
        if are_whole && place.sequence() == end && place.offset() == end_of_entry(segment, index) {
            return place;
        }
    }
    segment.heads().place()
}
