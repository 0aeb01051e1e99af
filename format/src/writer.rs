//! Writes a segment, block by block, and never anything twice.
//!
//! A writer takes records without touching its output: full blocks wait in memory until [`Writer::write_out`]
//! hands them on. When the output fails in the middle of a block (a full disk), the rest waits, and the next call
//! goes on at exactly that byte; so a segment is in step however often writing failed.

use std::collections::VecDeque;
use std::io::{self, Write};

use sha2::{Digest as _, Sha256};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, IntoBytes};

use crate::address::{Address, V4, V6};
use crate::block::{self, BlockHeader, BlockKind, flags};
use crate::encode::{self, CodecError};
use crate::footer::{Closing, Directory, DirectoryEntry, TAIL, TAIL_MAGIC, Tail, Totals};
use crate::header::{Digest, Header};
use crate::index::Indexer;
use crate::made_from::{self, MadeFrom};
use crate::note::Note;
use crate::record::{Counters, Kind, Record};
use crate::{ALIGNMENT, Family, align};

/// Records are gathered until they fill about this many bytes.
pub const BLOCK_BYTES: usize = 32 * 1024;

/// Writes one segment.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// Sealed bytes; those before `written` are in the output already.
    waiting: Vec<u8>,
    written: usize,
    /// The blocks in `waiting`.
    ends: VecDeque<Waiting>,
    blocks: Sealer,
    ipv4: Gathering,
    ipv6: Gathering,
    totals: Totals,
}

impl<W: Write> Writer<W> {
    /// A writer of the segment with this header. Nothing is written before [`Writer::write_out`].
    pub fn new(out: W, header: &Header) -> Result<Self, CodecError> {
        let waiting = header.encode()?;
        let mut digest = Sha256::new();
        digest.update(&waiting);
        let position = waiting.len() as u64;
        let gathering = |family| Gathering::new(header.record_size(family), header.counters);
        Ok(Self {
            out,
            waiting,
            written: 0,
            ends: VecDeque::new(),
            blocks: Sealer {
                tag: header.tag,
                sequence: 0,
                position,
                digest,
                directory: Directory::default(),
                index: Indexer::default(),
            },
            ipv4: gathering(Family::Ipv4),
            ipv6: gathering(Family::Ipv6),
            totals: Totals::default(),
        })
    }

    /// Takes a record that arrived at `arrived` (ns since the epoch). The counters are kept if the header says so;
    /// zeros stand for those that are not known.
    pub fn push<A: Address>(&mut self, record: &Record<A>, counters: Option<&Counters>, arrived: u64) {
        let gathering = match A::FAMILY {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        };
        gathering.push(record, counters, arrived);
        let full = gathering.records.len() >= BLOCK_BYTES;
        self.totals.count_record(A::FAMILY, record.kind());
        if full {
            self.seal();
        }
    }

    /// Takes a note. It stands after everything pushed before it.
    pub fn note(&mut self, note: &Note) {
        self.seal();
        self.totals.count_note(note);
        let block = Content {
            kind: BlockKind::Notes,
            flags: 0,
            record_size: size_of::<Note>(),
            count: 1,
            records: note.as_bytes(),
            span: Span { first: note.from.get(), last: note.to.get(), ..Span::default() },
        };
        let header = self.blocks.seal(&block, &mut self.waiting);
        self.totals.count_block(&header);
        // What is no gap is news of its end only, however long before its span began.
        let (since, events) = if note.is_gap() { (note.from.get(), note.lost()) } else { (note.to.get(), Some(0)) };
        self.ends.push_back(Waiting { end: self.waiting.len(), since, events });
    }

    /// Takes what the segment, one of flows, was made from, at its end: `closed` is the time that [`Writer::finish`] is told.
    pub fn made_from(&mut self, sources: &[MadeFrom], closed: u64) {
        self.seal();
        for sources in sources.chunks(made_from::IN_A_BLOCK) {
            let block = Content {
                kind: BlockKind::Sources,
                flags: 0,
                record_size: size_of::<MadeFrom>(),
                count: sources.len() as u32,
                records: sources.as_bytes(),
                span: Span { first: closed, last: closed, ..Span::default() },
            };
            let header = self.blocks.seal(&block, &mut self.waiting);
            self.totals.count_block(&header);
        }
    }

    /// Ends the blocks that are being gathered, so that the next [`Writer::write_out`] writes all that was pushed.
    ///
    /// Both families end together: the blocks of a batch cover the same span, and a reader merges no more than two.
    pub fn seal(&mut self) {
        if self.blocks.index.is_full_with(self.ipv4.records.len() + self.ipv6.records.len()) {
            self.end_column();
        }
        let both = self.ipv4.count > 0 && self.ipv6.count > 0;
        let continues = if both { flags::CONTINUES } else { 0 };
        let ipv4 = self.ipv4.seal::<V4>(continues, &mut self.blocks, &mut self.waiting);
        self.count(ipv4);
        let ipv6 = self.ipv6.seal::<V6>(0, &mut self.blocks, &mut self.waiting);
        self.count(ipv6);
        self.ipv4.clear();
        self.ipv6.clear();
        if self.blocks.index.is_full_with(1) {
            self.end_column();
        }
    }

    /// Ends a column of the index, and writes the index that this makes due.
    fn end_column(&mut self) {
        let due = self.blocks.index.end_column();
        self.index(due);
    }

    /// Appends an index of so many columns, if it is not of none. It tells of no event: nobody waits for it.
    fn index(&mut self, columns: usize) {
        if let Some(header) = self.blocks.index(columns, &mut self.waiting) {
            self.totals.count_block(&header);
        }
    }

    /// Counts the block that was sealed last, if there was one.
    fn count(&mut self, block: Option<BlockHeader>) {
        if let Some(header) = block {
            self.totals.count_block(&header);
            let (since, events) = (header.first_event.get(), Some(header.count.get().into()));
            self.ends.push_back(Waiting { end: self.waiting.len(), since, events });
        }
    }

    /// Writes what is sealed. After an error the rest still waits, and a later call goes on where this one failed.
    pub fn write_out(&mut self) -> io::Result<()> {
        while self.written < self.waiting.len() {
            match self.out.write(&self.waiting[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.written += count;
                    while self.ends.front().is_some_and(|block| block.end <= self.written) {
                        self.ends.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.waiting.clear();
        self.written = 0;
        self.out.flush()
    }

    /// Sealed bytes that are not in the output yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len() - self.written
    }

    /// What the output does not tell of yet: how many events, and when the first of them arrived. Events are records
    /// that are not in it with their whole block, and the losses that such a note counts; `None` if one does not know.
    pub fn unwritten(&self) -> Unwritten {
        let gathered = [&self.ipv4, &self.ipv6].into_iter().filter(|gathering| gathering.count > 0);
        let gathered = gathered.map(|gathering| (gathering.span.first, Some(gathering.count.into())));
        let waiting = self.ends.iter().map(|block| (block.since, block.events));
        waiting.chain(gathered).fold(Unwritten { since: None, events: Some(0) }, |sum, (since, events)| Unwritten {
            since: Some(sum.since.unwrap_or(since).min(since)),
            events: sum.events.zip(events).map(|(sum, more): (u64, u64)| sum.saturating_add(more)),
        })
    }

    /// Whether records were pushed that are not sealed yet.
    pub fn is_gathering(&self) -> bool {
        self.ipv4.count + self.ipv6.count > 0
    }

    /// What was pushed up to now.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Bytes of the segment up to now, those waiting included, those still gathered not.
    pub const fn length(&self) -> u64 {
        self.blocks.position
    }

    /// The output.
    pub const fn output(&self) -> &W {
        &self.out
    }

    /// The output, once all is written.
    pub fn into_output(self) -> W {
        self.out
    }

    /// The output, for what has to be done to it beside writing.
    pub const fn output_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Seals everything and adds the footer; `closed` is the present time. The caller still has to call
    /// [`Writer::write_out`] until nothing waits, and must push nothing more. Returns the segment's digest.
    pub fn finish(&mut self, closing: Closing, closed: u64) -> Result<Digest, CodecError> {
        self.seal();
        self.end_column();
        self.index(self.blocks.index.rest());
        self.totals.closing = closing;
        self.totals.closed = closed;
        self.blocks.footer(&self.totals, &mut self.waiting)
    }
}

/// What is on its way to the output. See [`Writer::unwritten`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritten {
    /// When the first of its events arrived, ns since the epoch; `None` if there is nothing.
    pub since: Option<u64>,
    /// How many events, where that is known.
    pub events: Option<u64>,
}

/// A sealed block on its way to the output.
#[derive(Debug)]
struct Waiting {
    /// Where it ends in the waiting bytes.
    end: usize,
    /// When the first of its events arrived, or the span of its note begins.
    since: u64,
    /// How many events it tells of, where that is known.
    events: Option<u64>,
}

/// What the header of a block says of times.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: u64,
    last: u64,
    least_start: u64,
    greatest_end: u64,
}

impl Default for Span {
    fn default() -> Self {
        Self { first: u64::MAX, last: 0, least_start: u64::MAX, greatest_end: 0 }
    }
}

/// Records of one family on the way to a block.
#[derive(Debug)]
struct Gathering {
    record_size: usize,
    counters: bool,
    records: Vec<u8>,
    count: u32,
    flags: u8,
    span: Span,
}

impl Gathering {
    fn new(record_size: usize, counters: bool) -> Self {
        Self { record_size, counters, records: Vec::new(), count: 0, flags: 0, span: Span::default() }
    }

    fn push<A: Address>(&mut self, record: &Record<A>, counters: Option<&Counters>, arrived: u64) {
        self.records.extend_from_slice(record.as_bytes());
        if self.counters {
            self.records.extend_from_slice(counters.unwrap_or(&Counters::default()).as_bytes());
        }
        self.count += 1;
        let span = &mut self.span;
        span.first = span.first.min(arrived);
        span.last = span.last.max(arrived);
        if record.kind() == Some(Kind::Open) {
            self.flags |= flags::OPEN;
        }
        match record.start.get() {
            0 => self.flags |= flags::START_UNKNOWN,
            start => span.least_start = span.least_start.min(start),
        }
        match record.end.get() {
            0 => self.flags |= flags::END_UNKNOWN,
            end => span.greatest_end = span.greatest_end.max(end),
        }
    }

    fn seal<A: Address>(&self, more: u8, blocks: &mut Sealer, out: &mut Vec<u8>) -> Option<BlockHeader> {
        let kind = match A::FAMILY {
            Family::Ipv4 => BlockKind::Ipv4,
            Family::Ipv6 => BlockKind::Ipv6,
        };
        let counters = if self.counters { flags::COUNTERS } else { 0 };
        let content = Content {
            kind,
            flags: self.flags | counters | more,
            record_size: self.record_size,
            count: self.count,
            records: &self.records,
            span: self.span,
        };
        (self.count > 0).then(|| {
            blocks.index.insert(records_of::<A>(&content));
            let offset = blocks.position;
            let header = blocks.seal(&content, out);
            blocks.index.add(offset, &header, content.records.len());
            header
        })
    }

    fn clear(&mut self) {
        self.records.clear();
        (self.count, self.flags, self.span) = (0, 0, Span::default());
    }
}

/// The records of a block.
fn records_of<'r, A: Address>(content: &Content<'r>) -> impl Iterator<Item = &'r Record<A>> {
    let records = content.records.chunks_exact(content.record_size);
    records.filter_map(|record| Record::ref_from_prefix(record).ok().map(|(record, _)| record))
}

/// A block before it has a place.
struct Content<'a> {
    kind: BlockKind,
    flags: u8,
    record_size: usize,
    count: u32,
    records: &'a [u8],
    span: Span,
}

/// Gives blocks their number, place and checksums.
#[derive(Debug)]
struct Sealer {
    tag: u32,
    sequence: u32,
    /// Length of the segment up to now.
    position: u64,
    /// Of the segment up to now.
    digest: Sha256,
    directory: Directory,
    index: Indexer,
}

impl Sealer {
    /// Appends a block to `out`.
    fn seal(&mut self, content: &Content<'_>, out: &mut Vec<u8>) -> BlockHeader {
        let begin = out.len();
        out.resize(begin + block::HEADER, 0);
        out.extend_from_slice(content.records);
        self.place(content, begin, out)
    }

    /// Appends an index of the first columns to `out`, so many of them; `None` if there are none.
    fn index(&mut self, columns: usize, out: &mut Vec<u8>) -> Option<BlockHeader> {
        let blocks = self.index.joined(columns)?;
        let begin = out.len();
        out.resize(begin + block::HEADER, 0);
        self.index.write(columns, out);
        let span = Span {
            first: blocks.first_event.get(),
            last: blocks.last_event.get(),
            least_start: blocks.least_start.get(),
            greatest_end: blocks.greatest_end.get(),
        };
        let flags = blocks.flags & (flags::START_UNKNOWN | flags::END_UNKNOWN);
        let content = Content { kind: BlockKind::Index, flags, record_size: 0, count: 0, records: &[], span };
        Some(self.place(&content, begin, out))
    }

    /// Gives the block whose payload stands behind an empty header at `begin` its header and its place in the segment.
    fn place(&mut self, content: &Content<'_>, begin: usize, out: &mut Vec<u8>) -> BlockHeader {
        let header = self.head(content, begin, out);
        self.directory.push(self.position, &header);
        self.digest.update(&out[begin..]);
        self.position += header.length();
        self.sequence = self.sequence.wrapping_add(1);
        header
    }

    /// Pads the payload that stands behind an empty block header at `begin`, and fills that header in.
    fn head(&self, content: &Content<'_>, begin: usize, out: &mut Vec<u8>) -> BlockHeader {
        let payload = begin + block::HEADER;
        let payload_length = out.len() - payload;
        out.resize(payload + align(payload_length), 0);
        let mut header = BlockHeader {
            magic: block::MAGIC,
            tag: U32::new(self.tag),
            sequence: U32::new(self.sequence),
            kind: content.kind as u8,
            flags: content.flags,
            record_size: U16::new(content.record_size as u16),
            count: U32::new(content.count),
            payload_length: U32::new(payload_length as u32),
            first_event: U64::new(content.span.first),
            last_event: U64::new(content.span.last),
            least_start: U64::new(content.span.least_start),
            greatest_end: U64::new(content.span.greatest_end),
            payload_crc: U32::new(crc32fast::hash(&out[payload..])),
            header_crc: U32::ZERO,
        };
        header.seal();
        out[begin..payload].copy_from_slice(header.as_bytes());
        header
    }

    fn footer(&mut self, totals: &Totals, out: &mut Vec<u8>) -> Result<Digest, CodecError> {
        let encoded = encode::to_bytes(totals)?;
        let begin = out.len();
        let payload = begin + block::HEADER;
        out.resize(payload, 0);
        out.extend_from_slice(&encoded);
        // The directory at a multiple of eight, for readers that care.
        let directory = encoded.len().next_multiple_of(size_of::<u64>());
        out.resize(payload + directory, 0);
        let entries = self.directory.entries();
        out.extend_from_slice(entries.as_bytes());
        out.resize(payload + align(out.len() - payload), 0);
        let tail = Tail {
            magic: TAIL_MAGIC,
            footer: U64::new(self.position),
            directory: U64::new(self.position + (block::HEADER + directory) as u64),
            reserved: U64::ZERO,
            digest: [0; 32],
        };
        out.extend_from_slice(&tail.as_bytes()[..TAIL - tail.digest.len()]);
        self.digest.update(&out[payload..]);
        let digest: Digest = self.digest.clone().finalize().into();
        out.extend_from_slice(&digest);
        let content = Content {
            kind: BlockKind::Footer,
            flags: 0,
            record_size: size_of::<DirectoryEntry>(),
            count: entries.len() as u32,
            records: &[],
            span: Span { first: totals.first_event, last: totals.last_event, ..Span::default() },
        };
        self.position += self.head(&content, begin, out).length();
        self.sequence = self.sequence.wrapping_add(1);
        Ok(digest)
    }
}

// A block of records has hardly more bytes of them than this; an index is ended before it has too many.
const _: () = assert!(2 * BLOCK_BYTES < block::PAYLOAD_MAX as usize && ALIGNMENT == 64);
