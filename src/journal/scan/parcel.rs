//! The parts into which the reading of a file is divided, and the reading of one.

use std::ops::Range;
use std::sync::Arc;

use ctrecorder_format::block::flags;
use ctrecorder_format::legacy::Endpoints;
use ctrecorder_format::{Address, BlockKind, Body, DirectoryEntry, Head, Kind, Place, ReadAt, Record, Segment, legacy};

use super::super::Version;
use super::super::directory::end_of_entry;
use super::super::opened::Opened;
use super::found::{Found, Step};
use super::merge::{Batch, Either, merged};
use super::ruled_out::RuledOut;
use super::{Search, Select};

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
                let ruled_out = &RuledOut::by_entries(select, self.file.source(), segment, entries.clone());
                let directory = segment.footer().map_or(&[][..], |footer| footer.directory);
                let reading = Entries { select, ruled_out, file: &self.file, segment, directory };
                reading.read(entries.clone(), *sequence).map_or(Content::Irregular, Content::Regular)
            }
            (Part::Blocks { place, count }, Version::Three(segment)) => {
                let mut reading = Reading::new(select, &self.ruled_out);
                // A walk found them there; should somebody change the file meanwhile, that is what can be read of it.
                reading.blocks(segment, *place, *count);
                Content::Regular(reading.found)
            }
            (Part::Records { place, end }, Version::Two(file)) => {
                let whole = self.grows.then(|| file.whole_from(*place));
                let file = whole.as_ref().unwrap_or(file);
                select.by_endpoints(Records { select, file, place: *place, end: *end })
            }
            // A parcel is of its own file.
            (Part::Entries { .. } | Part::Blocks { .. }, Version::Two(_))
            | (Part::Records { .. }, Version::Three(_)) => Content::Irregular,
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

/// Blocks between others that are passed over are read by themselves up to this length. To map them would cost more: a page
/// fault or two for each, and so much to unmap.
const READ_BYTES: u64 = 512 * 1024;

/// The reading of entries of a directory.
struct Entries<'r, F> {
    select: &'r F,
    ruled_out: &'r RuledOut,
    file: &'r Opened,
    segment: &'r Segment<'r>,
    directory: &'r [DirectoryEntry],
}

impl<F: Select> Entries<'_, F> {
    /// Reads what they tell of, where the first block of the first one has the number `sequence`. `None` if a walk does not
    /// come from each of them to the next one.
    fn read(&self, entries: Range<usize>, mut sequence: u32) -> Option<Found> {
        let mut found = Found::default();
        let mut buffer = Vec::new();
        let mut index = entries.start;
        while index < entries.end {
            let entry = self.directory.get(index)?;
            if is_passed_over(self.select, self.ruled_out, entry, sequence) {
                if entry.flags & flags::OPEN != 0 {
                    found.open();
                }
                (index, sequence) = (index + 1, sequence.checked_add(entry.blocks.get())?);
            } else {
                let first = sequence;
                let run = index;
                (index, sequence) = self.end_of_run(run..entries.end, sequence)?;
                found = self.run(run..index, first, found, &mut buffer)?;
            }
        }
        Some(found)
    }

    /// How far the entries go, from the first on, that are not passed over, and the number of the block behind them.
    fn end_of_run(&self, entries: Range<usize>, mut sequence: u32) -> Option<(usize, u32)> {
        for index in entries.clone() {
            let entry = self.directory.get(index)?;
            if index > entries.start && is_passed_over(self.select, self.ruled_out, entry, sequence) {
                return Some((index, sequence));
            }
            sequence = sequence.checked_add(entry.blocks.get())?;
        }
        Some((entries.end, sequence))
    }

    /// Adds what the blocks of some entries hold.
    fn run(&self, entries: Range<usize>, mut sequence: u32, found: Found, buffer: &mut Vec<u8>) -> Option<Found> {
        let begin = self.directory.get(entries.start)?.offset.get();
        let end = end_of_entry(self.segment, entries.end.checked_sub(1)?);
        let mut bytes = self.bytes(begin, end.checked_sub(begin)?, buffer)?;
        let mut reading = Reading { found, ..Reading::new(self.select, self.ruled_out) };
        for index in entries {
            let mut offset = self.directory.get(index)?.offset.get();
            for _ in 0..self.directory.get(index)?.blocks.get() {
                let head = self.segment.head_in(bytes, offset)?;
                let is_next = head.header.sequence.get() == sequence && head.header.kind() != Some(BlockKind::Footer);
                is_next.then_some(())?;
                reading.block(&head);
                sequence = sequence.checked_add(1)?;
                offset = offset.checked_add(head.header.length())?;
                bytes = bytes.get(usize::try_from(head.header.length()).ok()?..)?;
            }
            (offset == end_of_entry(self.segment, index)).then_some(())?;
        }
        reading.hand_on();
        Some(reading.found)
    }

    /// So many bytes of the file from an offset on.
    fn bytes<'b>(&'b self, offset: u64, length: u64, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        let source = self.file.source();
        let length = usize::try_from(length).ok()?;
        if length as u64 > READ_BYTES {
            return source.bytes().get(usize::try_from(offset).ok()?..)?.get(..length);
        }
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let bytes = buffer.get_mut(..length)?;
        source.read_at(offset, bytes).then_some(bytes)
    }
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

    /// Reads so many blocks from a place on, or as many as a walk finds there.
    fn blocks(&mut self, segment: &Segment<'a>, place: Place, count: u32) {
        let heads = segment.heads_from(place).take(count as usize);
        heads.map_while(Result::ok).for_each(|head| self.block(&head));
        self.hand_on();
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
