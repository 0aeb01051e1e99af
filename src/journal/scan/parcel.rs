//! The parts into which the reading of a file is divided, and the reading of one.

use std::ops::Range;
use std::sync::Arc;

use ctrecorder_format::block::flags;
use ctrecorder_format::legacy::Endpoints;
use ctrecorder_format::{Address, BlockKind, Body, DirectoryEntry, Head, Kind, Place, Record, Segment, legacy};

use super::super::Version;
use super::super::directory::end_of_entry;
use super::super::opened::Opened;
use super::found::{Found, Step};
use super::merge::{Batch, Either, merged};
use super::ruled_out::RuledOut;
use super::{Search, Select, group};

/// A part of a file that can be read by itself.
pub(super) struct Parcel {
    pub(super) file: Opened,
    /// The number of the file in its journal, from 0.
    pub(super) number: usize,
    /// Where it ends: bytes from the start of the file.
    pub(super) end: u64,
    pub(super) part: Part,
    /// What need not be read of blocks that a walk found.
    pub(super) ruled_out: Arc<RuledOut>,
    /// The file may yet grow: what is at its end may turn out to be something else.
    pub(super) grows: bool,
}

/// What is in a [`Parcel`].
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// The blocks of these entries of a segment's directory, the first of which has the number `sequence`.
    Entries { entries: Range<usize>, sequence: u32 },
    /// So many blocks that a walk found at this place.
    Blocks { place: Place, count: u32 },
    /// The records of a file of version 2 between two places.
    Records { place: legacy::Place, end: legacy::Place },
    /// A group of rows of an archive.
    Group(usize),
}

/// What a parcel holds.
pub(super) enum Content {
    /// This, as a walk through the file would find it that came to its beginning.
    Regular(Found),
    /// Something that only a walk through the file from there on can tell.
    Irregular,
}

impl Parcel {
    /// Reads it.
    pub(super) fn read<F: Select>(&self, select: &F) -> Content {
        match (&self.part, self.file.version()) {
            (Part::Entries { entries, sequence }, Version::Three(segment)) => {
                let ruled_out = RuledOut::by_entries(select, self.file.source(), segment, entries.clone());
                let mut reading = Reading::new(select, &ruled_out);
                match reading.entries(segment, entries.clone(), *sequence) {
                    Some(()) => Content::Regular(reading.found),
                    None => Content::Irregular,
                }
            }
            (Part::Blocks { place, count }, Version::Three(segment)) => {
                let mut reading = Reading::new(select, &self.ruled_out);
                // A walk found them there; should somebody change the file meanwhile, that is what can be read of it.
                let _ = reading.blocks(segment, *place, *count);
                reading.hand_on();
                Content::Regular(reading.found)
            }
            (Part::Records { place, end }, Version::Two(file)) => {
                let whole = self.grows.then(|| file.whole_from(*place));
                let file = whole.as_ref().unwrap_or(file);
                select.by_endpoints(Records { select, file, place: *place, end: *end })
            }
            (Part::Group(group), Version::Archive(archive)) => Content::Regular(group::read(select, archive, *group)),
            // A parcel is of its own file.
            (Part::Entries { .. } | Part::Blocks { .. }, Version::Two(_) | Version::Archive(_))
            | (Part::Records { .. }, Version::Three(_) | Version::Archive(_))
            | (Part::Group(_), Version::Two(_) | Version::Three(_)) => Content::Irregular,
        }
    }
}

/// The search for the wanted records of version 2 between two places.
struct Records<'r, 'a, F> {
    select: &'r F,
    file: &'r legacy::File<'a>,
    place: legacy::Place,
    end: legacy::Place,
}

impl<F: Select> Search for Records<'_, '_, F> {
    type Found = Content;

    fn of(self, may_match: impl Fn(&Endpoints<'_>) -> bool) -> Content {
        let mut found = Found::default();
        let is_regular = self.file.select(self.place, self.end, may_match, |record| {
            if self.select.matches(&record) {
                found.ipv4(&record, None);
            }
        });
        if is_regular { Content::Regular(found) } else { Content::Irregular }
    }
}

/// Whether none of the blocks of an entry of a directory, the first of which has the number `sequence`, need be read.
pub(super) fn is_passed_over<F: Select>(
    select: &F,
    ruled_out: &RuledOut,
    entry: &DirectoryEntry,
    sequence: u32,
) -> bool {
    const RECORDS: u8 = 1 << BlockKind::Ipv4 as u8 | 1 << BlockKind::Ipv6 as u8;
    let has_records_only = entry.kinds != 0 && entry.kinds & !RECORDS == 0;
    let blocks = u64::from(sequence)..u64::from(sequence) + u64::from(entry.blocks.get());
    has_records_only && (ruled_out.has(&blocks) || select.rules_out_entry(entry))
}

/// The reading of some blocks that follow each other.
struct Reading<'r, 'a, F> {
    select: &'r F,
    ruled_out: &'r RuledOut,
    batch: Batch<'a>,
    found: Found,
}

impl<'r, 'a, F: Select> Reading<'r, 'a, F> {
    fn new(select: &'r F, ruled_out: &'r RuledOut) -> Self {
        Self { select, ruled_out, batch: Batch::default(), found: Found::default() }
    }

    /// Reads what some entries of the directory tell of. `None` if a walk does not come from each of them to the next one.
    fn entries(&mut self, segment: &Segment<'a>, range: Range<usize>, mut sequence: u32) -> Option<()> {
        let footer = segment.footer()?;
        for index in range {
            let entry = footer.directory.get(index)?;
            if is_passed_over(self.select, self.ruled_out, entry, sequence) {
                self.hand_on();
                if entry.flags & flags::OPEN != 0 {
                    self.found.open();
                }
            } else {
                let place = segment.place(entry.offset.get(), sequence);
                let place = self.blocks(segment, place, entry.blocks.get())?;
                (place.offset() == end_of_entry(segment, index)).then_some(())?;
            }
            sequence = sequence.checked_add(entry.blocks.get())?;
        }
        self.hand_on();
        Some(())
    }

    /// Reads so many blocks from a place on, and says where they end. `None` if a walk does not find them there.
    fn blocks(&mut self, segment: &Segment<'a>, place: Place, count: u32) -> Option<Place> {
        let mut heads = segment.heads_from(place);
        for _ in 0..count {
            self.block(&heads.next()?.ok()?);
        }
        Some(heads.place())
    }

    /// Takes a block into the batch, and hands the batch on when it is whole.
    fn block(&mut self, head: &Head<'a>) {
        if !self.batch.goes_on_with(head.header) {
            self.hand_on();
        }
        self.batch.joined_by(head.header);
        if self.is_ruled_out(head) {
            if head.header.has(flags::OPEN) {
                self.found.open();
            }
        } else {
            self.body(head);
        }
        if self.batch.is_whole() {
            self.hand_on();
        }
    }

    fn is_ruled_out(&self, head: &Head<'_>) -> bool {
        match head.header.kind() {
            Some(BlockKind::Ipv4 | BlockKind::Ipv6) => {
                let number = u64::from(head.header.sequence.get());
                self.ruled_out.has(&(number..number + 1)) || self.select.rules_out(head)
            }
            // It has no records; whether it is whole is for `test` to say.
            Some(BlockKind::Index) => true,
            Some(BlockKind::Notes | BlockKind::Footer) | None => self.select.rules_out(head),
        }
    }

    fn body(&mut self, head: &Head<'a>) {
        match head.verify().map(|block| block.body) {
            Ok(Body::Ipv4(records)) => {
                // A third block in a batch is nothing that our writer makes; it is read all the same.
                if self.batch.ipv4.is_some() {
                    self.hand_on();
                }
                self.batch.ipv4 = Some(records);
            }
            Ok(Body::Ipv6(records)) => {
                if self.batch.ipv6.is_some() {
                    self.hand_on();
                }
                self.batch.ipv6 = Some(records);
            }
            Ok(Body::Notes(notes)) => {
                self.hand_on();
                self.found.steps.extend(notes.iter().map(|note| Step::Note(*note)));
            }
            Ok(Body::Footer(_) | Body::Index(_) | Body::Unknown) => {}
            Err(damage) => self.found.steps.push(Step::Damage(damage)),
        }
    }

    /// Finds the wanted records of the batch, and begins a new one.
    fn hand_on(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let (select, found) = (self.select, &mut self.found);
        let mut has_open = false;
        match (batch.ipv4, batch.ipv6) {
            (None, None) => {}
            // Nearly always: there is nothing to be merged, and the loop is as short as it can be.
            (Some(ipv4), None) => {
                let wanted = ipv4.iter().filter(|(record, _)| is_wanted(select, *record, &mut has_open));
                wanted.for_each(|(record, counters)| found.ipv4(record, counters));
            }
            (None, Some(ipv6)) => {
                let wanted = ipv6.iter().filter(|(record, _)| is_wanted(select, *record, &mut has_open));
                wanted.for_each(|(record, counters)| found.ipv6(record, counters));
            }
            (Some(ipv4), Some(ipv6)) => {
                for record in merged(ipv4, ipv6) {
                    match record {
                        Either::Ipv4(record, counters) if is_wanted(select, record, &mut has_open) => {
                            found.ipv4(record, counters);
                        }
                        Either::Ipv6(record, counters) if is_wanted(select, record, &mut has_open) => {
                            found.ipv6(record, counters);
                        }
                        Either::Ipv4(..) | Either::Ipv6(..) => {}
                    }
                }
            }
        }
        if has_open {
            found.open();
        }
    }
}

/// Whether a record is wanted. One of a later version's kind is not: nobody here knows what it says. Notes whether it is an
/// open one.
fn is_wanted<F: Select, A: Address>(select: &F, record: &Record<A>, has_open: &mut bool) -> bool {
    *has_open |= record.kind() == Some(Kind::Open);
    record.kind().is_some() && select.matches(record)
}
