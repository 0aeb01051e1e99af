//! A segment on disk read piece by piece, as much as is asked for and never all of it. A recorder maps no file: one that shrinks
//! meanwhile would end it (SIGBUS).

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ctrecorder_format::block::{FOOTER_MAX, PAYLOAD_MAX};
use ctrecorder_format::{BlockHeader, BlockKind, Body, Footer, Note, Segment};

use crate::journal::last_told;

/// No header of a segment is longer, and no header of a block.
const FRONT_BYTES: u64 = 64 * 1024;
const BLOCK_HEADER_BYTES: u64 = 64;

/// The end of a segment that was cut off is looked for in so many bytes first, and the next block behind damage: a whole block lies in
/// them, unless the disk left something else there.
pub(super) const WINDOW_BYTES: u64 = 4 * PAYLOAD_MAX as u64;

/// Of so many blocks at the end of a segment that was cut off, the last one that is whole is taken for its end. After a
/// power cut there may be blocks whose header alone reached the disk.
const LAST_BLOCKS: usize = 64;

/// The beginning of a file, in which a segment's header is: for [`Segment::open_front`].
pub(super) fn front(file: &File) -> io::Result<Vec<u8>> {
    read_at(file, 0, FRONT_BYTES)
}

/// So many bytes from there on, or what there is of them.
fn read_at(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let there = file.metadata()?.len().saturating_sub(offset).min(length);
    let mut bytes = vec![0; usize::try_from(there).map_err(io::Error::other)?];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

/// A file whose first bytes are this segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pieces<'a> {
    pub(super) file: &'a File,
    pub(super) front: &'a Segment<'a>,
    /// Its length when it was opened.
    pub(super) length: u64,
}

impl<'a> Pieces<'a> {
    /// When it was closed, by its footer; `None` if there is none that is whole.
    pub(super) fn closed(&self) -> io::Result<Option<u64>> {
        let Some(tail) = self.length.checked_sub(Footer::TAIL as u64) else { return Ok(None) };
        let Some(offset) = Footer::offset_by(&read_at(self.file, tail, Footer::TAIL as u64)?) else { return Ok(None) };
        let bytes = read_at(self.file, offset, u64::from(FOOTER_MAX) + FRONT_BYTES)?;
        let block = self.front.head_in(&bytes, offset).and_then(|head| head.verify().ok());
        Ok(block
            .and_then(|block| if let Body::Footer(footer) = block.body { Some(footer.totals.closed) } else { None }))
    }

    /// The `last_event` of the last whole block that tells of events; `None` if there is none.
    ///
    /// It is looked for in the last bytes first: a part of a segment is read as one that lost its beginning
    /// (docs/format.md, section "Reading", 5), and a long one is not gone through.
    pub(super) fn last_event(&self) -> io::Result<Option<u64>> {
        let from = self.length.saturating_sub(WINDOW_BYTES).max(self.begin());
        let window = read_at(self.file, from, WINDOW_BYTES)?;
        match self.last_event_of(self.heads_in(&window, from))? {
            None if from > self.begin() => self.last_event_of(self.blocks()),
            found => Ok(found),
        }
    }

    fn last_event_of(&self, blocks: impl Iterator<Item = (u64, BlockHeader)>) -> io::Result<Option<u64>> {
        let mut last = VecDeque::with_capacity(LAST_BLOCKS);
        // An index repeats the times of blocks before it, and a footer, which is not the last thing in a file that has more behind it, has none.
        let tells = |header: &BlockHeader| !matches!(header.kind(), Some(BlockKind::Index | BlockKind::Footer));
        for block in blocks.filter(|(_, header)| tells(header)) {
            if last.len() == LAST_BLOCKS {
                last.pop_front();
            }
            last.push_back(block);
        }
        for (offset, header) in last.iter().rev() {
            let bytes = read_at(self.file, *offset, header.length())?;
            let whole = self.front.head_in(&bytes, *offset).filter(|head| head.verify().is_ok());
            // As whoever reads it has it: that one tells by this which run came behind which.
            if let Some(told) = whole.map(last_told).filter(|told| *told != 0) {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }

    /// The notes in it, as far as it can be read.
    pub(super) fn notes(&self) -> Vec<Note> {
        let blocks = self.blocks().filter(|(_, header)| header.kind() == Some(BlockKind::Notes));
        blocks.flat_map(|(offset, header)| self.notes_of(offset, &header)).collect()
    }

    fn notes_of(&self, offset: u64, header: &BlockHeader) -> Vec<Note> {
        let bytes = read_at(self.file, offset, header.length()).unwrap_or_default();
        match self.front.head_in(&bytes, offset).and_then(|head| head.verify().ok()).map(|block| block.body) {
            Some(Body::Notes(notes)) => notes.to_vec(),
            _ => Vec::new(),
        }
    }

    /// Where the first block begins.
    fn begin(&self) -> u64 {
        self.front.heads().place().offset()
    }

    /// The headers of the blocks, and where each begins. Behind damage it goes on with the next one that is not far.
    fn blocks(self) -> impl Iterator<Item = (u64, BlockHeader)> {
        let mut position = self.begin();
        std::iter::from_fn(move || {
            let found = self.block_at(position).or_else(|| self.block_behind(position))?;
            position = found.0 + found.1.length();
            Some(found)
        })
    }

    fn block_at(&self, offset: u64) -> Option<(u64, BlockHeader)> {
        let bytes = read_at(self.file, offset, BLOCK_HEADER_BYTES).ok()?;
        let header = *self.front.begun_in(&bytes)?;
        (offset + header.length() <= self.length).then_some((offset, header))
    }

    fn block_behind(&self, offset: u64) -> Option<(u64, BlockHeader)> {
        let window = read_at(self.file, offset, WINDOW_BYTES).ok()?;
        self.heads_in(&window, offset).find(|(found, _)| *found > offset)
    }

    /// The blocks of this segment that lie in these bytes of it, which begin at `offset`.
    fn heads_in(&self, bytes: &[u8], offset: u64) -> impl Iterator<Item = (u64, BlockHeader)> {
        let part = Segment::open_front(bytes).ok().zip(self.front.header().ok());
        let heads = part.map(|(part, header)| {
            let tag = header.tag;
            let heads = part.heads().filter_map(Result::ok).filter(|head| head.header.tag.get() == tag);
            heads.map(|head| (offset + head.offset, *head.header)).collect::<Vec<_>>()
        });
        heads.unwrap_or_default().into_iter()
    }
}
