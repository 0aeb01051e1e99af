//! Reads a segment, whole, still being written, cut off or damaged: every block that is there is found.
//!
//! Blocks are found by `walk`; here they are verified and taken apart.

mod walk;

use std::ops::Range;

use sha2::{Digest as _, Sha256};
use zerocopy::FromBytes;

use crate::address::{Address, V4, V6};
use crate::block::{self, BlockHeader, BlockKind, flags};
use crate::damage::{Damage, Fault};
use crate::filter::Filter;
use crate::footer::{Footer, TAIL};
use crate::header::{self, Digest, Header, Parsed, RecordSizes, Refusal};
use crate::index::{Column, Index};
use crate::made_from::MadeFrom;
use crate::note::Note;
use crate::record::{Counters, Record};
pub use walk::{Heads, Place};

/// How much of a file without a header is searched for a first block. More than a header is long, and little enough for a
/// directory full of large files that are none of ours.
const SEARCHED_FOR_BLOCKS: usize = 1024 * 1024;

/// A segment in memory, mapped or read.
#[derive(Debug)]
pub struct Segment<'a> {
    bytes: &'a [u8],
    header: Result<Box<Header>, Damage>,
    /// The sizes that records must have, if the header is whole.
    sizes: Option<RecordSizes>,
    /// Where the first block should begin.
    blocks: usize,
    footer: Option<Footer<'a>>,
}

impl<'a> Segment<'a> {
    /// The segment in these bytes: a whole file, or what there is of one. A damaged header is no hindrance.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut segment = Self::open_front(bytes)?;
        segment.footer = segment.find_footer();
        Ok(segment)
    }

    /// The same without a look at its end, so that it has no footer, whatever is there: for who asks only which segment it
    /// is, and does not want to read, and check, the directory of each.
    pub fn open_front(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let damaged = |length: usize, fault| {
            (Err(Damage { offset: 0, length: length as u64, fault, records_lost: Some(0) }), length)
        };
        let (header, blocks) = match Header::parse(bytes) {
            Ok(Parsed::Whole(header, length, sizes)) => (Ok((header, sizes)), length),
            Ok(Parsed::CutOff) if first_block(bytes) == bytes.len() => damaged(bytes.len(), Fault::CutOff("header")),
            Ok(Parsed::Damaged | Parsed::CutOff) => damaged(first_block(bytes), Fault::Header),
            // Whatever became of its beginning: what has our blocks is ours.
            Err(Refusal::NotASegment) if is_headless(bytes) => damaged(first_block(bytes), Fault::Header),
            Err(refusal) => return Err(refusal),
        };
        let sizes = header.as_ref().ok().map(|(_, sizes)| *sizes);
        Ok(Self { bytes, header: header.map(|(header, _)| header), sizes, blocks, footer: None })
    }

    /// The header, or what became of it.
    pub fn header(&self) -> Result<&Header, &Damage> {
        self.header.as_deref()
    }

    /// The footer, if the segment was closed in order and its footer is whole.
    pub const fn footer(&self) -> Option<&Footer<'a>> {
        self.footer.as_ref()
    }

    /// Length of the file in bytes.
    pub const fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The blocks from the first to the footer, whose headers alone have been verified, and the damage between them.
    pub fn heads(&self) -> Heads<'_, 'a> {
        self.heads_from(Place { done: self.blocks == self.bytes.len(), ..self.place(self.blocks as u64, 0) })
    }

    /// The blocks from a place of this segment on, and the damage between them.
    pub const fn heads_from(&self, place: Place) -> Heads<'_, 'a> {
        Heads { segment: self, place }
    }

    /// Where a walk stands that came in order to the block numbered `sequence`, at `offset`.
    pub fn place(&self, offset: u64, sequence: u32) -> Place {
        // What cannot be addressed is behind the end.
        let position = usize::try_from(offset).unwrap_or(usize::MAX);
        let tag = self.header().ok().map(|header| header.tag);
        Place { tag, position, searched_from: position, sequence, closed: false, done: false }
    }

    /// The verified blocks from the first to the footer, and the damage among them. Blocks of a later version's kinds are
    /// passed over.
    pub fn blocks(&self) -> impl Iterator<Item = Result<Block<'a>, Damage>> + '_ {
        self.heads().map(|head| head?.verify())
    }

    /// The head of the block that begins at this offset, if one does that is of this segment and ends within the file.
    pub fn head_at(&self, offset: u64) -> Option<Head<'a>> {
        self.head_in(self.bytes.get(usize::try_from(offset).ok()?..)?, offset)
    }

    /// The same in bytes that were read from this offset on by themselves; it ends within these.
    pub fn head_in<'b>(&self, bytes: &'b [u8], offset: u64) -> Option<Head<'b>> {
        let header = BlockHeader::parse(bytes)?;
        let tag_fits = self.header().map_or(true, |own| own.tag == header.tag.get());
        let fits = tag_fits && header.length() <= bytes.len() as u64;
        fits.then_some(Head { offset, header, bytes, sizes: self.sizes })
    }

    /// The header of the block that begins with these bytes, if one of this segment does, wherever it ends: for who
    /// reads on piece by piece.
    pub fn begun_in<'b>(&self, bytes: &'b [u8]) -> Option<&'b BlockHeader> {
        let header = BlockHeader::parse(bytes)?;
        self.header().map_or(true, |own| own.tag == header.tag.get()).then_some(header)
    }

    /// The blocks of a column, one after the other, as far as they are where its index says.
    pub fn heads_of(&self, column: &Column) -> impl Iterator<Item = Head<'a>> + use<'_, 'a> {
        self.following(column.offset.get())
            .zip(column.sequences())
            .take_while(|(head, sequence)| u64::from(head.header.sequence.get()) == *sequence)
            .map(|(head, _)| head)
    }

    /// The blocks that follow each other from this offset on, up to where none begins.
    fn following(&self, offset: u64) -> impl Iterator<Item = Head<'a>> + use<'_, 'a> {
        std::iter::successors(self.head_at(offset), |head| self.head_at(head.offset + head.header.length()))
    }

    /// The heads of the blocks that are indexes, in the order of the file: by the directory, or, without a footer, by
    /// walking along all blocks. One that lies in damage is left out.
    pub fn indexes(&self) -> impl Iterator<Item = Head<'a>> + '_ {
        let is_index = |head: &Head<'_>| head.header.kind() == Some(BlockKind::Index);
        let listed = self.footer().map(|footer| {
            let entries = footer.directory.iter().filter(|entry| entry.kinds & (1 << BlockKind::Index as u8) != 0);
            entries.flat_map(|entry| self.following(entry.offset.get()).take(entry.blocks.get() as usize))
        });
        let walked = self.footer().is_none().then(|| self.heads().filter_map(Result::ok));
        listed.into_iter().flatten().chain(walked.into_iter().flatten()).filter(is_index)
    }

    /// What this segment was made from, if it is one of flows that tells. What lies in damage is left out, and without a footer
    /// it is not looked for.
    pub fn made_from(&self) -> impl Iterator<Item = &'a MadeFrom> + '_ {
        let directory = self.footer().map_or(&[][..], |footer| footer.directory);
        let entries = directory.iter().filter(|entry| entry.kinds & (1 << BlockKind::Sources as u8) != 0);
        let heads = entries.flat_map(|entry| self.following(entry.offset.get()).take(entry.blocks.get() as usize));
        let sources = heads.filter(|head| head.header.kind() == Some(BlockKind::Sources));
        sources.flat_map(|head| match head.verify().map(|block| block.body) {
            Ok(Body::Sources(sources)) => sources,
            _ => &[],
        })
    }

    /// The digest that the footer of this segment should hold; `None` without a footer.
    pub fn digest(&self) -> Option<Digest> {
        let parts = self.digested()?.map(|part| self.bytes.get(part).unwrap_or_default());
        Some(digest_of_parts(parts))
    }

    /// Of which bytes that is the digest: all before the footer, and what this holds before the digest; `None` without a footer.
    pub fn digested(&self) -> Option<[Range<usize>; 2]> {
        let footer = usize::try_from(self.footer()?.offset).ok()?;
        let held = footer + block::HEADER..self.footer_end()? - size_of::<Digest>();
        self.bytes.get(held.clone()).map(|_| [0..footer, held])
    }

    /// The end of the footer's block, if there is a footer.
    fn footer_end(&self) -> Option<usize> {
        let footer = usize::try_from(self.footer()?.offset).ok()?;
        let header = BlockHeader::parse(self.bytes.get(footer..)?)?;
        usize::try_from(footer as u64 + header.length()).ok()
    }

    /// The footer that the last bytes of the file point to.
    fn find_footer(&self) -> Option<Footer<'a>> {
        let start = self.bytes.len().checked_sub(TAIL)?;
        match self.head_at(Footer::offset_by(&self.bytes[start..])?)?.verify().ok()?.body {
            Body::Footer(footer) => Some(*footer),
            _ => None,
        }
    }

    /// How many records the directory says are in the blocks numbered `first..end`.
    fn records_between(&self, first: u32, end: u32) -> Option<u64> {
        let mut number = 0u64;
        let mut records = 0;
        for entry in self.footer()?.directory {
            let next = number + u64::from(entry.blocks.get());
            if number >= u64::from(first) && next <= u64::from(end) {
                records = entry.records.get().checked_add(records)?;
            } else if next > u64::from(first) && number < u64::from(end) {
                return None;
            }
            number = next;
        }
        (number >= u64::from(end)).then_some(records)
    }
}

/// Where the first block begins that matches its checksum; the end of the file if there is none within reach.
fn first_block(bytes: &[u8]) -> usize {
    let within = &bytes[..bytes.len().min(SEARCHED_FOR_BLOCKS)];
    let mut candidates = memchr::memmem::find_iter(within, &block::MAGIC);
    candidates.find(|at| BlockHeader::parse(&bytes[*at..]).is_some()).unwrap_or(bytes.len())
}

/// Whether these bytes are a segment that lost its header, and not a file that holds whole segments, as an archive does.
fn is_headless(bytes: &[u8]) -> bool {
    let block = first_block(bytes);
    block < bytes.len() && memchr::memmem::find(&bytes[..block], &header::PREFIX).is_none()
}

/// A block whose header was verified, but not yet its payload.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Where it begins: bytes from the start of the file.
    pub offset: u64,
    /// Its header.
    pub header: &'a BlockHeader,
    /// The block from its header on, and perhaps more.
    bytes: &'a [u8],
    /// The sizes that records must have, if the segment's header is whole.
    sizes: Option<RecordSizes>,
}

impl<'a> Head<'a> {
    /// The payload, with its padding and without.
    fn payload(&self) -> Option<(&'a [u8], &'a [u8])> {
        let padded = self.bytes.get(block::HEADER..usize::try_from(self.header.length()).ok()?)?;
        Some((padded, padded.get(..self.header.payload_length.get() as usize)?))
    }

    /// The filter of a block of records, which may rule out what [`Head::verify`] would then not have to read. It checks
    /// itself: a damaged one rules nothing out. Where there is an index it is empty, and rules nothing out.
    pub fn filter(&self) -> Option<Filter<'a>> {
        let (_, payload) = self.payload()?;
        matches!(self.header.kind(), Some(BlockKind::Ipv4 | BlockKind::Ipv6)).then_some(())?;
        self.split(payload).ok().map(|(filter, _)| filter)
    }

    /// The index that this block is, if it is one. It checks itself, when it is asked, and so the payload need not be read:
    /// what is damaged rules nothing out. `None`, too, if the list of its columns is damaged.
    pub fn index(&self) -> Option<Index<'a>> {
        (self.header.kind() == Some(BlockKind::Index)).then_some(())?;
        let (_, payload) = self.payload()?;
        Index::parse(self.header.sequence.get(), payload).ok()
    }

    /// Verifies the payload and says what it is.
    pub fn verify(&self) -> Result<Block<'a>, Damage> {
        let damage = |fault| Damage {
            offset: self.offset,
            length: self.header.length(),
            fault,
            records_lost: match self.header.kind() {
                Some(BlockKind::Footer | BlockKind::Index | BlockKind::Sources) => Some(0),
                _ => Some(self.header.count.get().into()),
            },
        };
        let sequence = self.header.sequence.get();
        let contradiction = |what| damage(Fault::Contradiction { sequence, what });
        let (padded, payload) = self.payload().ok_or_else(|| damage(Fault::CutOff("block")))?;
        if crc32fast::hash(padded) != self.header.payload_crc.get() {
            return Err(damage(Fault::Payload { sequence }));
        }
        let body = match self.header.kind() {
            Some(BlockKind::Ipv4) => {
                Body::Ipv4(self.records::<V4>(payload, self.sizes.map(|sizes| sizes.ipv4)).map_err(contradiction)?)
            }
            Some(BlockKind::Ipv6) => {
                Body::Ipv6(self.records::<V6>(payload, self.sizes.map(|sizes| sizes.ipv6)).map_err(contradiction)?)
            }
            Some(BlockKind::Notes) => Body::Notes(self.notes(payload).map_err(contradiction)?),
            Some(BlockKind::Footer) => {
                Body::Footer(Box::new(Footer::parse(self.offset, self.header, payload).map_err(contradiction)?))
            }
            Some(BlockKind::Index) => {
                Body::Index(Index::parse(sequence, payload).and_then(Index::verify).map_err(contradiction)?)
            }
            Some(BlockKind::Sources) => Body::Sources(self.made_from(payload).map_err(contradiction)?),
            None => Body::Unknown,
        };
        Ok(Block { offset: self.offset, header: self.header, body })
    }

    /// Filter and records of a payload.
    fn split(&self, payload: &'a [u8]) -> Result<(Filter<'a>, &'a [u8]), &'static str> {
        let size = u64::from(self.header.record_size.get());
        let records = u64::from(self.header.count.get()) * size;
        let filter = (payload.len() as u64).checked_sub(records).ok_or("its count goes beyond its end")?;
        let (filter, records) = payload.split_at_checked(filter as usize).ok_or("its count goes beyond its end")?;
        Ok((Filter::new(filter).ok_or("its filter is not a multiple of 32 bytes")?, records))
    }

    fn notes(&self, payload: &'a [u8]) -> Result<&'a [Note], &'static str> {
        if usize::from(self.header.record_size.get()) != size_of::<Note>() {
            return Err("its notes have another size");
        }
        let (notes, _) = <[Note]>::ref_from_prefix_with_elems(payload, self.header.count.get() as usize)
            .map_err(|_| "its count goes beyond its end")?;
        Ok(notes)
    }

    fn made_from(&self, payload: &'a [u8]) -> Result<&'a [MadeFrom], &'static str> {
        if usize::from(self.header.record_size.get()) != size_of::<MadeFrom>() {
            return Err("its sources have another size");
        }
        let (sources, _) = <[MadeFrom]>::ref_from_prefix_with_elems(payload, self.header.count.get() as usize)
            .map_err(|_| "its count goes beyond its end")?;
        Ok(sources)
    }

    fn records<A: Address>(&self, payload: &'a [u8], size: Option<usize>) -> Result<Records<'a, A>, &'static str> {
        let own = usize::from(self.header.record_size.get());
        let counters = self.header.has(flags::COUNTERS);
        let least = size_of::<Record<A>>() + if counters { size_of::<Counters>() } else { 0 };
        if own == 0 {
            return Err("its record size is 0");
        }
        if own < least || size.is_some_and(|size| size != own) {
            return Err("its record size is not that of its segment");
        }
        let (_, records) = self.split(payload)?;
        Ok(Records { bytes: records, size: own, counters, family: std::marker::PhantomData })
    }
}

/// A verified block.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// Where it begins: bytes from the start of the file.
    pub offset: u64,
    /// Its header.
    pub header: &'a BlockHeader,
    /// What it holds.
    pub body: Body<'a>,
}

/// What a block holds.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// Records of IPv4 flows.
    Ipv4(Records<'a, V4>),
    /// Records of IPv6 flows.
    Ipv6(Records<'a, V6>),
    /// Gaps and other notes.
    Notes(&'a [Note]),
    /// The footer.
    Footer(Box<Footer<'a>>),
    /// The index of blocks before it.
    Index(Index<'a>),
    /// What the segment was made from.
    Sources(&'a [MadeFrom]),
    /// Something of a later version, which may be ignored.
    Unknown,
}

/// The records of a block, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a, A> {
    bytes: &'a [u8],
    size: usize,
    counters: bool,
    family: std::marker::PhantomData<A>,
}

impl<'a, A: Address> Records<'a, A> {
    /// The number of records.
    pub const fn len(&self) -> usize {
        self.bytes.len() / self.size
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The records in order, each with its counters if there are any.
    pub fn iter(&self) -> impl Iterator<Item = (&'a Record<A>, Option<&'a Counters>)> + use<'a, A> {
        let counters = self.counters;
        self.bytes.chunks_exact(self.size).filter_map(move |bytes| {
            let (record, rest) = Record::<A>::ref_from_prefix(bytes).ok()?;
            let counters =
                if counters { Counters::ref_from_prefix(rest).ok().map(|(counters, _)| counters) } else { None };
            Some((record, counters))
        })
    }
}

/// The SHA-256 of some bytes, as digests of segments are.
pub fn digest_of(bytes: &[u8]) -> Digest {
    digest_of_parts([bytes])
}

/// The same of bytes that come in parts.
pub fn digest_of_parts<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> Digest {
    let mut digest = Sha256::new();
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finalize().into()
}
