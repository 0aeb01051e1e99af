//! The walk from block to block. docs/format.md, section "Reading": where no block begins, it looks for the next one whose
//! header matches its checksum, carries the segment's tag and a later number.

use super::{Head, Segment};
use crate::block::{self, BlockHeader, BlockKind};
use crate::damage::{Damage, Fault};

/// Where a walk from block to block stands; see [`Heads::place`].
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The tag that blocks must carry; that of the first one found if the header is damaged.
    pub(super) tag: Option<u32>,
    pub(super) position: usize,
    /// Where to look for the next block if none begins at `position`: within the payload before it, which may have lost bytes.
    pub(super) searched_from: usize,
    pub(super) sequence: u32,
    /// The footer was handed out: nothing that follows belongs to the segment.
    pub(super) closed: bool,
    pub(super) done: bool,
}

impl Place {
    /// Where the next block should begin: bytes from the start of the file.
    pub const fn offset(&self) -> u64 {
        self.position as u64
    }

    /// The number that the next block should have.
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The same place of a segment that may have grown, for a walk that came to its end there.
    pub const fn reopened(self) -> Self {
        Self { done: false, ..self }
    }
}

/// Walks a segment from block to block. See [`Segment::heads`].
#[derive(Debug)]
pub struct Heads<'s, 'a> {
    pub(super) segment: &'s Segment<'a>,
    pub(super) place: Place,
}

impl<'a> Iterator for Heads<'_, 'a> {
    type Item = Result<Head<'a>, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.place.done {
            return None;
        }
        let bytes = self.segment.bytes;
        if self.place.position >= bytes.len() {
            self.place.done = true;
            return None;
        }
        if self.place.closed {
            return Some(Err(self.end()));
        }
        match self.at(self.place.position) {
            Some(header) if header.sequence.get() == self.place.sequence => {
                self.take(self.place.position, header).map(Ok)
            }
            Some(header) => {
                let found = header.sequence.get();
                Some(Err(self.jump(self.place.position, found, self.place.position)))
            }
            None => Some(Err(self.search())),
        }
    }
}

impl<'a> Heads<'_, 'a> {
    /// Where the walk stands: one from there goes on as this one would.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// What comes next in a segment that is still being written: `None` where that depends on bytes that may still come. The
    /// walk then stands where it stood.
    pub fn next_settled(&mut self) -> Option<Result<Head<'a>, Damage>> {
        let before = self.place;
        let next = self.next();
        let is_settled = match &next {
            Some(Ok(_)) => true,
            Some(Err(_)) => !self.place.done && !Heads { place: before, ..*self }.waits_before(self.place.position),
            None => false,
        };
        if is_settled {
            return next;
        }
        self.place = before;
        None
    }

    /// Whether a block that begins before `found` and is of no use yet may be one that is half written.
    fn waits_before(&self, found: usize) -> bool {
        let bytes = self.segment.bytes;
        let from = self.place.searched_from.min(self.place.position);
        let skipped = bytes.get(from..found).unwrap_or_default();
        let begun = memchr::memmem::find_iter(skipped, &block::MAGIC).map(|at| from + at);
        self.place.position.saturating_add(block::HEADER) > bytes.len()
            || begun.chain([self.place.position]).any(|at| self.begun_at(at).is_some() && self.at(at).is_none())
    }

    /// The header of a block of this segment that begins and ends within the file, numbered as expected or later.
    fn at(&self, position: usize) -> Option<&'a BlockHeader> {
        let ends_within = |header: &&BlockHeader| position as u64 + header.length() <= self.segment.bytes.len() as u64;
        self.begun_at(position).filter(ends_within)
    }

    /// The same, wherever it ends.
    fn begun_at(&self, position: usize) -> Option<&'a BlockHeader> {
        let header = BlockHeader::parse(self.segment.bytes.get(position..)?)?;
        let fits =
            self.place.tag.is_none_or(|tag| tag == header.tag.get()) && header.sequence.get() >= self.place.sequence;
        fits.then_some(header)
    }

    /// Hands out the block and goes on behind it.
    fn take(&mut self, position: usize, header: &'a BlockHeader) -> Option<Head<'a>> {
        self.place.tag = Some(header.tag.get());
        self.place.closed = header.kind() == Some(BlockKind::Footer);
        self.place.sequence = header.sequence.get().wrapping_add(1);
        self.place.searched_from = position + block::HEADER;
        self.place.position = usize::try_from(position as u64 + header.length()).ok()?;
        let bytes = self.segment.bytes.get(position..)?;
        Some(Head { offset: position as u64, header, bytes, sizes: self.segment.sizes })
    }

    /// Looks for the next block, since none begins here. What lies between is damage.
    fn search(&mut self) -> Damage {
        let bytes = self.segment.bytes;
        let from = self.place.searched_from.min(self.place.position);
        let candidates = memchr::memmem::find_iter(&bytes[from..], &block::MAGIC).map(|at| from + at);
        // A block that lost bytes swallows the beginning of the next one: that one begins before `position`.
        let found =
            candidates.filter(|at| *at != self.place.position).find_map(|at| self.at(at).map(|header| (at, header)));
        match found {
            Some((at, header)) => {
                let from = self.place.position.min(at);
                self.jump(from, header.sequence.get(), at)
            }
            None => self.end(),
        }
    }

    /// The damage between `from` and the block numbered `found` at `at`; the walk goes on there.
    fn jump(&mut self, from: usize, found: u32, at: usize) -> Damage {
        let expected = self.place.sequence;
        let fault = match (at - from, found > expected) {
            (0, true) => Fault::Missing { first: expected, last: found - 1 },
            _ => Fault::NoBlock,
        };
        (self.place.position, self.place.sequence) = (at, found);
        Damage {
            offset: from as u64,
            length: (at - from) as u64,
            fault,
            records_lost: if found == expected { Some(0) } else { self.segment.records_between(expected, found) },
        }
    }

    /// The damage to the end of the file: a block that was being written, or worse.
    fn end(&mut self) -> Damage {
        self.place.done = true;
        let rest = &self.segment.bytes[self.place.position..];
        let begun = BlockHeader::parse(rest).filter(|_| !self.place.closed);
        let cut = rest.len() < block::HEADER || begun.is_some();
        let fault = match (self.place.closed, cut) {
            (true, _) => Fault::BehindFooter,
            (false, true) => Fault::CutOff("block"),
            (false, false) => Fault::NoBlock,
        };
        Damage {
            offset: self.place.position as u64,
            length: rest.len() as u64,
            fault,
            records_lost: begun
                .map(|header| if header.kind() == Some(BlockKind::Footer) { 0 } else { header.count.get().into() }),
        }
    }
}
