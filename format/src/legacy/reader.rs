//! Reading a version 2 file.

use crate::address::V4;
use crate::damage::Damage;
use crate::legacy::entry::{Combined, Entry, Event};
use crate::legacy::header::{Content, Header, HeaderError};
use crate::legacy::step::{Stretch, Stretches};
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

impl<'a> File<'a> {
    /// Opens the file that has these bytes.
    ///
    /// # Errors
    /// [`HeaderError`], if it does not begin with the header of a version 2 file. What follows is not looked at.
    pub fn open(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        Ok(Self {
            bytes,
            header: Header::decode(bytes)?,
        })
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// All records and all damage. A file without any damage gives no [`Piece::Damage`], one of only a header
    /// gives nothing.
    pub fn pieces(&self) -> Pieces<'a> {
        let started = self.header.started.0;
        let protocol = self.header.protocol;
        Pieces(match self.header.content {
            Content::Events => Of::Events(Walk::new(
                Stretches::new(self.bytes, Header::LENGTH, started),
                protocol,
            )),
            Content::Combined => Of::Combined(Walk::new(
                Stretches::new(self.bytes, Header::LENGTH, started),
                protocol,
            )),
        })
    }
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

/// The stretches of a file, record by record.
#[derive(Clone, Debug)]
struct Walk<'a, T> {
    stretches: Stretches<'a, T>,
    protocol: u8,
    /// Where the first of `entries` begins.
    offset: usize,
    entries: std::slice::Iter<'a, T>,
}

impl<'a, T: Entry> Walk<'a, T> {
    fn new(stretches: Stretches<'a, T>, protocol: u8) -> Self {
        Self {
            stretches,
            protocol,
            offset: 0,
            entries: [].iter(),
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
                return Some(Piece::Record {
                    offset,
                    record: entry.to_record(self.protocol),
                });
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
