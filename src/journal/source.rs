//! One file, open for reading, of any version.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::iter::once;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ctrecorder_format::legacy::Piece;
use ctrecorder_format::{Content, Digest, Header, NS_PER_SECOND, ReadAt, Refusal, Segment, digest_of_parts, legacy};
use memmap2::Mmap;

use super::Error;
use super::runs::{Ended, last_told, told_to};
use crate::archive::{self, Archive};
use crate::file::{Identity, State, identity, is_locked, map};

const NS_PER_US: u64 = 1_000;

/// What was read of a file is given up in pieces of so many bytes.
const RELEASED_BYTES: u64 = 16 * 1024 * 1024;

/// So much at the end of a version 2 file is looked through for its last record, whatever is out of step there.
const TAIL_BYTES: usize = 16 * 1024;

/// A file whose bytes are at hand: mapped, or read where that is not possible.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    bytes: Bytes,
    /// Whether a recorder held its lock when it was opened.
    being_written: bool,
    /// The file, if it is to be looked at again.
    kept: Option<Arc<File>>,
    /// As what it was opened; `None` of what is no regular file.
    state: Option<State>,
}

/// The bytes of a file.
#[derive(Debug)]
enum Bytes {
    /// The file stays open for small reads, far apart, which would cost a page fault each.
    Mapped(Arc<Mmap>, #[cfg_attr(not(unix), allow(dead_code, reason = "elsewhere the map serves"))] Arc<File>),
    Read(Arc<[u8]>),
}

/// The bytes of a file, for whoever keeps them.
#[derive(Clone)]
enum Shared {
    Mapped(Arc<Mmap>),
    Read(Arc<[u8]>),
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Read(bytes) => bytes,
        }
    }
}

/// A file as what its version makes of it.
#[derive(Debug)]
pub enum Version<'a> {
    /// Version 2, the C program's.
    Two(legacy::File<'a>),
    /// Version 3.
    Three(Segment<'a>),
    /// An archive: flows in Parquet.
    Archive(Box<Archive>),
}

impl Version<'_> {
    /// Whether it holds events, or flows squeezed from them. Where the header is damaged it is taken for events.
    pub fn content(&self) -> Content {
        match self {
            Self::Two(file) => match file.header().content {
                legacy::Content::Events => Content::Events,
                legacy::Content::Combined => Content::Flows,
            },
            Self::Three(segment) => segment.header().map_or(Content::Events, |header| header.content),
            Self::Archive(_) => Content::Flows,
        }
    }

    /// The name of the host that recorded it; empty if that is not known.
    pub fn host(&self) -> &str {
        match self {
            Self::Two(file) => &file.header().host,
            Self::Three(segment) => segment.header().map_or("", |header| &header.host),
            Self::Archive(archive) => &archive.header().host,
        }
    }

    /// Whether no file of its version has such a header: one of version 2.
    pub const fn is_headerless(&self) -> bool {
        matches!(self, Self::Two(_))
    }

    /// The id of the network namespace that was recorded, if that was another one than the recorder's own.
    pub fn netns(&self) -> Option<u32> {
        self.header().and_then(Header::netns)
    }

    /// The header, if it has one of version 3, or what says the same, and it is whole.
    pub fn header(&self) -> Option<&Header> {
        match self {
            Self::Two(_) => None,
            Self::Three(segment) => segment.header().ok(),
            Self::Archive(archive) => Some(archive.header()),
        }
    }

    /// By what the run of which this is the last file is known to the one that comes behind it; `None` if it is no segment with a header,
    /// or one of flows that is not whole.
    pub(crate) fn known_by(&self) -> Option<Ended> {
        match self.header()?.content {
            Content::Events => self.told_to().map(Ended::At),
            Content::Flows => self.digest_of_flows().map(Ended::With),
        }
    }

    /// Up to when it tells of everything, in ns since the epoch; `None` if it is no segment with a header.
    pub fn told_to(&self) -> Option<u64> {
        match self {
            Self::Three(segment) => Some(told_to(segment.header().ok()?, segment)),
            Self::Two(_) | Self::Archive(_) => None,
        }
    }

    /// The digest of a segment of flows that is whole: another one may go on with it.
    pub(crate) fn digest_of_flows(&self) -> Option<Digest> {
        let Self::Three(segment) = self else { return None };
        segment.header().ok().filter(|header| header.content == Content::Flows)?;
        segment.footer().map(|footer| footer.digest)
    }

    /// When the file was begun, in ns since the epoch. Of a segment whose header is damaged, when its first event arrived.
    pub fn begun(&self) -> u64 {
        match self {
            Self::Two(file) => {
                let (seconds, us) = file.header().started;
                u64::from(seconds) * NS_PER_SECOND + u64::from(us) * NS_PER_US
            }
            Self::Three(segment) => segment.header().map_or_else(|_| first_event(segment), |header| header.created),
            Self::Archive(archive) => archive.header().created,
        }
    }

    /// Until when the file tells, in ns since the epoch: when a segment was closed, or, without a footer, when its last event arrived;
    /// in version 2 the time of its last record. Not before [`Version::begun`].
    pub fn ended(&self) -> u64 {
        let ended = match self {
            Self::Two(file) => last_record(file),
            Self::Three(segment) => segment.footer().map_or_else(|| last_event(segment), |footer| footer.totals.closed),
            Self::Archive(archive) => archive.about().to,
        };
        ended.max(self.begun())
    }
}

/// When the last of the records at the end of a version 2 file happened; events are in order there.
fn last_record(file: &legacy::File<'_>) -> u64 {
    let length = usize::try_from(file.length()).unwrap_or(usize::MAX);
    let tail = file.ahead(file.begin(), length.saturating_sub(TAIL_BYTES));
    let time = |piece| match piece {
        Piece::Record { record, .. } => record.event_time(),
        Piece::Damage(_) => 0,
    };
    file.pieces_from(tail).map(time).max().unwrap_or(0)
}

/// When the last thing happened of which a segment tells, as its blocks say; 0 if there is none.
fn last_event(segment: &Segment<'_>) -> u64 {
    segment.heads().filter_map(|head| Some(last_told(head.ok()?))).max().unwrap_or(0)
}

/// When the first event of a segment arrived, as its first block says; 0 if it has none.
fn first_event(segment: &Segment<'_>) -> u64 {
    segment.heads().find_map(|head| Some(head.ok()?.header.first_event.get())).unwrap_or(0)
}

impl Source {
    /// Opens a regular file by mapping it. Anything else (a pipe, a terminal) is read to its end.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::of(path, &Arc::new(File::open(path).map_err(Error::at(path))?))
    }

    /// The same, and keeps a regular file open, so that it is found again whatever becomes of its name.
    pub(super) fn open_kept(path: &Path) -> Result<Self, Error> {
        Self::of_kept(path, Arc::new(File::open(path).map_err(Error::at(path))?))
    }

    /// What was kept open, as it is now.
    pub(super) fn of_kept(path: &Path, file: Arc<File>) -> Result<Self, Error> {
        let source = Self::of(path, &file)?;
        let is_file = file.metadata().map_err(Error::at(path))?.is_file();
        Ok(Self { kept: is_file.then_some(file), ..source })
    }

    /// What was opened, as it is now.
    fn of(path: &Path, file: &Arc<File>) -> Result<Self, Error> {
        let failed = Error::at(path);
        let metadata = file.metadata().map_err(&failed)?;
        if !metadata.is_file() {
            return Ok(Self::in_memory(path, read(&mut &**file).map_err(&failed)?));
        }
        // A recorder locks its file before it writes to it. Who asks earlier is in its way.
        let being_written = metadata.len() > 0 && is_locked(file);
        let bytes = match map(file) {
            Ok(map) => Bytes::Mapped(Arc::new(map), Arc::clone(file)),
            Err(_) => {
                let mut file = &**file;
                Bytes::Read(file.seek(SeekFrom::Start(0)).and_then(|_| read(&mut file)).map_err(&failed)?)
            }
        };
        Ok(Self { path: path.to_path_buf(), bytes, being_written, kept: None, state: Some(State::of(&metadata)) })
    }

    /// A file that was kept open, as it is now.
    pub(super) fn again(&self) -> Option<Result<Self, Error>> {
        Some(Self::of_kept(&self.path, Arc::clone(self.kept.as_ref()?)))
    }

    /// What tells the file from others, if it was kept open.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.kept.as_ref().and_then(|file| file.metadata().ok()).as_ref().map(identity)
    }

    /// The file, if it was kept open.
    pub(super) const fn kept(&self) -> Option<&Arc<File>> {
        self.kept.as_ref()
    }

    /// As what a regular file was opened.
    pub(super) const fn state(&self) -> Option<State> {
        self.state
    }

    /// A file that was read already.
    pub(super) fn in_memory(path: &Path, bytes: Arc<[u8]>) -> Self {
        Self { path: path.to_path_buf(), bytes: Bytes::Read(bytes), being_written: false, kept: None, state: None }
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map, _) => map,
            Bytes::Read(bytes) => bytes,
        }
    }

    /// The same, for whoever keeps them.
    fn shared(&self) -> Shared {
        match &self.bytes {
            Bytes::Mapped(map, _) => Shared::Mapped(Arc::clone(map)),
            Bytes::Read(bytes) => Shared::Read(Arc::clone(bytes)),
        }
    }

    /// Length in bytes when it was opened; a segment that is being written has grown since.
    pub fn length(&self) -> u64 {
        self.bytes().len() as u64
    }

    /// Finds out the version, and reads the header and the footer.
    pub fn parse(&self) -> Result<Version<'_>, Error> {
        self.version(Segment::open(self.bytes()))
    }

    /// The same without a look at the end of a segment, as if it had no footer.
    pub(crate) fn parse_front(&self) -> Result<Version<'_>, Error> {
        self.version(Segment::open_front(self.bytes()))
    }

    fn version<'a>(&'a self, segment: Result<Segment<'a>, Refusal>) -> Result<Version<'a>, Error> {
        match segment {
            Ok(segment) => Ok(Version::Three(segment)),
            // The reader of version 2 also knows what to say of version 1.
            Err(Refusal::Version(1 | 2)) => {
                legacy::File::open(self.bytes()).map(Version::Two).map_err(Error::at(&self.path))
            }
            Err(Refusal::NotASegment) if self.bytes().starts_with(&archive::MAGIC) => {
                let archive = Archive::open(self.shared()).map_err(Error::at(&self.path))?;
                Ok(Version::Archive(Box::new(archive)))
            }
            Err(refusal) => Err(Error::at(&self.path)(refusal)),
        }
    }

    /// Says that little of the file will be read, at these places, so that the system reads them all at once and not what
    /// lies between. That is a hint, of no consequence but for speed.
    pub fn expect_reads_at(&self, places: impl IntoIterator<Item = u64>) {
        #[cfg(unix)]
        if let Bytes::Mapped(map, _) = &self.bytes {
            use memmap2::Advice;
            let _ = map.advise(Advice::Random);
            for place in places.into_iter().filter(|place| *place < self.length()) {
                // It is below the length of a map, and so fits.
                let _ = map.advise_range(Advice::WillNeed, place as usize, 1);
            }
        }
        #[cfg(not(unix))]
        drop(places.into_iter());
    }

    /// Says that what lies between two places will hardly be read again.
    fn passed(&self, from: u64, to: u64) {
        #[cfg(unix)]
        if let Bytes::Mapped(map, _) = &self.bytes
            && let Ok(from) = usize::try_from(from)
            && let Ok(to) = usize::try_from(to)
            && from < to
            && to <= map.len()
        {
            // SAFETY: the map is one of a file, and nothing is ever written to it: a page that is dropped is the same page of the
            // file when it is touched again.
            let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, from, to - from) };
        }
        #[cfg(not(unix))]
        let _ = (from, to);
    }

    /// The SHA-256 of some parts of the file, in this order; `None` if it does not go so far.
    pub fn digest(&self, parts: impl IntoIterator<Item = Range<usize>>) -> Option<Digest> {
        let parts = parts.into_iter().map(|part| Some((part.start, self.bytes().get(part)?)));
        let parts: Vec<_> = parts.collect::<Option<_>>()?;
        Some(digest_of_parts(parts.into_iter().flat_map(|(begin, part)| self.passing(begin, part))))
    }

    /// The same of its first bytes, so many.
    pub fn digest_to(&self, length: u64) -> Option<Digest> {
        self.digest(once(0..usize::try_from(length).ok()?))
    }

    /// Bytes of the file that begin at this place, piece by piece; what is before a piece is done.
    fn passing<'s>(&'s self, begin: usize, bytes: &'s [u8]) -> impl Iterator<Item = &'s [u8]> {
        let mut passage = Passage::from(begin as u64);
        let pieces = bytes.chunks(RELEASED_BYTES as usize);
        pieces.zip((begin as u64..).step_by(RELEASED_BYTES as usize)).map(move |(piece, place)| {
            passage.reached(self, place);
            piece
        })
    }

    /// Whether a recorder held the file's lock when it was opened: then it has no footer, and may end in the middle of a
    /// block.
    pub const fn is_being_written(&self) -> bool {
        self.being_written
    }
}

/// The way through a file from its begin to its end, or from wherever: the pages of what was read need not stay with this
/// process. The system may keep them all the same. That is a hint, of no consequence but for memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passage {
    /// Up to here they are given up.
    released: u64,
}

impl Passage {
    /// From this place on, in bytes.
    pub const fn from(offset: u64) -> Self {
        Self { released: offset }
    }

    /// What is before this place was read.
    pub fn reached(&mut self, source: &Source, offset: u64) {
        if offset.saturating_sub(self.released) >= RELEASED_BYTES {
            source.passed(self.released, offset);
            self.released = offset;
        }
    }
}

impl ReadAt for Source {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> bool {
        #[cfg(unix)]
        if let Bytes::Mapped(_, file) = &self.bytes {
            use std::os::unix::fs::FileExt;
            return file.read_exact_at(into, offset).is_ok();
        }
        let bytes = usize::try_from(offset).ok().and_then(|begin| self.bytes().get(begin..)?.get(..into.len()));
        bytes.is_some_and(|bytes| {
            into.copy_from_slice(bytes);
            true
        })
    }
}

/// Reads to the end.
pub(super) fn read(from: &mut impl Read) -> std::io::Result<Arc<[u8]>> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ctrecorder_format::digest_of;

    use super::*;

    #[test]
    fn a_digest_is_of_the_parts_that_were_asked_for_however_long_they_are() {
        let length = RELEASED_BYTES as usize + 10_000;
        let bytes: Vec<_> = (0..length).map(|number| (number / 7 % 251) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let source = Source::open(file.path()).unwrap();
        assert_eq!(source.digest_to(length as u64), Some(digest_of(&bytes)));
        assert_eq!(source.digest_to(5_000), Some(digest_of(&bytes[..5_000])));
        let parts = [3..length - 2, length - 2..length];
        assert_eq!(source.digest(parts), Some(digest_of(&bytes[3..])));
        assert_eq!(source.digest_to(length as u64 + 1), None);
    }
}
