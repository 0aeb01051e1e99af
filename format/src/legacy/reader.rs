//! Reading a version 2 file.

use crate::address::V4;
use crate::damage::Damage;
use crate::legacy::entry::{Combined, Endpoints, Entry, Event};
use crate::legacy::header::{Content, Header, HeaderError};
use crate::legacy::step::{Place, Stretch, Stretches};
use crate::record::Record;

/// A version 2 file, read in place.
#[derive(Clone, Debug)]
pub struct File<'a> {
    bytes: &'a [u8],
    header: Header,
}

/// A part of a file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A whole record.
    Record {
        /// Where it begins: bytes from the start of the file.
        offset: u64,
        /// What it says. Version 2 has no id, mark, zone, status and TCP state: they are 0. The time of an update
        /// is in `start`.
        record: Record<V4>,
    },
    /// Bytes that are no whole record.
    Damage(Damage),
}

/// When records that follow each other happened, each at the time that [`Record::event_time`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Where the first of them begins: bytes from the start of the file.
    pub offset: u64,
    /// When the first one happened, in ns since the epoch.
    pub first: u64,
    /// When the last one happened.
    pub last: u64,
    /// The least of their times.
    pub least: u64,
    /// The greatest of their times.
    pub greatest: u64,
}

impl<'a> File<'a> {
    /// Opens the file that has these bytes.
    ///
    /// # Errors
    /// [`HeaderError`], if it does not begin with the header of a version 2 file. What follows is not looked at.
    pub fn open(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        Ok(Self { bytes, header: Header::decode(bytes)? })
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// All records and all damage. A file without any damage gives no [`Piece::Damage`], one of only a header
    /// gives nothing.
    pub fn pieces(&self) -> Pieces<'a> {
        self.pieces_from(self.begin())
    }

    /// When all records happened, some at a time, and all damage. That is [`File::pieces`], far faster, for who asks for nothing
    /// but times.
    pub fn times(&self) -> impl Iterator<Item = Result<Times, Damage>> + use<'a> {
        let (place, content) = (self.begin(), self.header.content);
        let events = (content == Content::Events).then(|| self.stretches::<Event>(place).map(times));
        let combined = (content == Content::Combined).then(|| self.stretches::<Combined>(place).map(times));
        events.into_iter().flatten().chain(combined.into_iter().flatten())
    }

    /// Where the first record begins.
    pub const fn begin(&self) -> Place {
        Place { position: Header::LENGTH, previous: self.header.started.0 }
    }

    /// All records and all damage from a place of this file on.
    pub fn pieces_from(&self, place: Place) -> Pieces<'a> {
        let protocol = self.header.protocol;
        Pieces(match self.header.content {
            Content::Events => Of::Events(Walk::new(self.stretches(place), protocol)),
            Content::Combined => Of::Combined(Walk::new(self.stretches(place), protocol)),
        })
    }

    /// The place some `bytes` of whole records further on. A walk comes to it if nothing between is out of step, which
    /// [`File::select`] says. It is `place` itself if no whole record fits between that and the end of the file.
    pub fn ahead(&self, place: Place, bytes: usize) -> Place {
        match self.header.content {
            Content::Events => self.stretches::<Event>(place).ahead(bytes),
            Content::Combined => self.stretches::<Combined>(place).ahead(bytes),
        }
    }

    /// The same file without what is behind the last whole record, counted from a place: while it is written, that may be the
    /// beginning of a record, which must not tell against those before it.
    #[must_use]
    pub fn whole_from(&self, place: Place) -> Self {
        let end = self.ahead(place, usize::MAX).position;
        Self { bytes: self.bytes.get(..end).unwrap_or(self.bytes), header: self.header.clone() }
    }

    /// Length in bytes.
    pub const fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Hands out the records between two places whose endpoints may be of interest; the others are not even put together.
    /// `end` is one [`ahead`](File::ahead). Returns whether [`File::pieces_from`] would have handed out just these records,
    /// each at its place, no damage among them, and come to stand at `end`; if not, what was handed out means nothing.
    #[inline]
    pub fn select(
        &self,
        place: Place,
        end: Place,
        may_matter: impl Fn(&Endpoints<'a>) -> bool,
        found: impl FnMut(Record<V4>),
    ) -> bool {
        match self.header.content {
            Content::Events => self.select_of::<Event>(place, end, may_matter, found),
            Content::Combined => self.select_of::<Combined>(place, end, may_matter, found),
        }
    }

    #[inline]
    fn select_of<T: Entry>(
        &self,
        place: Place,
        end: Place,
        may_matter: impl Fn(&Endpoints<'a>) -> bool,
        mut found: impl FnMut(Record<V4>),
    ) -> bool {
        let protocol = self.header.protocol;
        self.stretches::<T>(place).each_up_to(end, |entry| {
            if may_matter(&entry.endpoints()) {
                found(entry.to_record(protocol));
            }
        })
    }

    fn stretches<T: Entry>(&self, place: Place) -> Stretches<'a, T> {
        Stretches::from(self.bytes, self.header.started.0, place)
    }
}

/// When the records of a stretch happened.
fn times<T: Entry>(stretch: Stretch<'_, T>) -> Result<Times, Damage> {
    let (offset, entries) = match stretch {
        Stretch::Records { offset, entries } => (offset as u64, entries),
        Stretch::Damage(damage) => return Err(damage),
    };
    let mut times = Times { offset, first: 0, last: 0, least: u64::MAX, greatest: 0 };
    for time in entries.iter().map(T::event_time) {
        times.last = time;
        times.least = times.least.min(time);
        times.greatest = times.greatest.max(time);
    }
    times.first = entries.first().map_or(0, T::event_time);
    Ok(times)
}

/// The pieces of a [`File`].
#[derive(Clone, Debug)]
pub struct Pieces<'a>(Of<'a>);

#[derive(Clone, Debug)]
enum Of<'a> {
    Events(Walk<'a, Event>),
    Combined(Walk<'a, Combined>),
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        match &mut self.0 {
            Of::Events(walk) => walk.next(),
            Of::Combined(walk) => walk.next(),
        }
    }
}

impl Pieces<'_> {
    /// Where the walk stands: the pieces [from there on](File::pieces_from) are those that are still to come.
    pub fn place(&self) -> Place {
        match &self.0 {
            Of::Events(walk) => walk.place(),
            Of::Combined(walk) => walk.place(),
        }
    }
}

/// The stretches of a file, record by record.
#[derive(Clone, Debug)]
struct Walk<'a, T> {
    stretches: Stretches<'a, T>,
    protocol: u8,
    /// Where the first of `entries` begins.
    offset: usize,
    entries: std::slice::Iter<'a, T>,
    /// The time of the last record handed out.
    seconds: u32,
}

impl<'a, T: Entry> Walk<'a, T> {
    fn new(stretches: Stretches<'a, T>, protocol: u8) -> Self {
        Self { stretches, protocol, offset: 0, entries: [].iter(), seconds: 0 }
    }

    fn place(&self) -> Place {
        match self.entries.as_slice() {
            [] => self.stretches.place(),
            // In the middle of a stretch a record of it was handed out.
            _ => Place { position: self.offset, previous: self.seconds },
        }
    }
}

impl<T: Entry> Iterator for Walk<'_, T> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some(entry) = self.entries.next() {
                let offset = self.offset as u64;
                self.offset += T::SIZE;
                self.seconds = entry.seconds();
                return Some(Piece::Record { offset, record: entry.to_record(self.protocol) });
            }
            match self.stretches.next()? {
                Stretch::Records { offset, entries } => {
                    self.offset = offset;
                    self.entries = entries.iter();
                }
                Stretch::Damage(damage) => return Some(Piece::Damage(damage)),
            }
        }
    }
}
