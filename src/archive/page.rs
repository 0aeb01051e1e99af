//! What the pages of a column unpack to, by what their heads say: a few bytes may say that they are gigabytes, and room is made for
//! that before anybody sees that they are not. <https://parquet.apache.org/docs/file-format/data-pages/>

use std::ops::Range;

use parquet::basic::Type;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::PageLocation;

use super::bytes::Checked;

/// The head of a page is no longer than this: it has two values of its column at most.
const HEAD_MAX: u64 = 4 * 1024;

/// No value of a column that is read is longer: an address, a number, or one of four words.
const VALUE_MAX: u64 = 16;

/// What pages may take beside their values.
const BESIDE_VALUES: u64 = 64 * 1024;

/// What the head of a page says, in bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    own_length: u64,
    packed: u64,
    unpacked: u64,
    values: u64,
}

/// Refuses a column of which the pages that are needed for these rows of all unpack to more than its rows can take. `pages` are where
/// they are; without that, all are needed.
pub(super) fn check(
    bytes: &Checked,
    column: &ColumnChunkMetaData,
    pages: Option<&[PageLocation]>,
    wanted: &[Range<usize>],
    rows: usize,
) -> Result<()> {
    let (begin, length) = column.byte_range();
    let end = begin.saturating_add(length);
    let mut room = Room::of(column.column_type(), rows as u64);
    let Some(pages) = pages else {
        let mut reached = begin;
        while reached < end {
            let head = head(bytes, reached)?;
            room.take(&head)?;
            reached = reached.saturating_add(head.own_length).saturating_add(head.packed);
        }
        return Ok(());
    };
    let place = |page: &PageLocation| u64::try_from(page.offset).map_err(|_| senseless());
    if let Some(first) = pages.first()
        && place(first)? != begin
    {
        // What is before the first page of values is a dictionary.
        room.take(&head(bytes, begin)?)?;
    }
    let first_row = |page: &PageLocation| usize::try_from(page.first_row_index).unwrap_or(0);
    let ends = pages.iter().skip(1).map(first_row).chain([rows]);
    for (page, end) in pages.iter().zip(ends) {
        let is_wanted = wanted.iter().any(|wanted| wanted.start < end && first_row(page) < wanted.end);
        if is_wanted {
            room.take(&head(bytes, place(page)?)?)?;
        }
    }
    Ok(())
}

/// What the pages of a column may still take.
struct Room {
    bytes: u64,
    rows: u64,
}

impl Room {
    fn of(values: Type, rows: u64) -> Self {
        let width = match values {
            Type::BOOLEAN => 1,
            Type::INT32 | Type::FLOAT => 4,
            Type::INT64 | Type::DOUBLE => 8,
            _ => VALUE_MAX,
        };
        // Each value may stand in a dictionary, too; and for each row it is told whether it has one.
        Self { bytes: rows.saturating_mul(2 * width + 2).saturating_add(BESIDE_VALUES), rows }
    }

    fn take(&mut self, head: &Head) -> Result<()> {
        let too_much = || ParquetError::General("a page says that it unpacks to more than its rows can take".into());
        if head.values > self.rows {
            return Err(too_much());
        }
        self.bytes = self.bytes.checked_sub(head.unpacked).ok_or_else(too_much)?;
        Ok(())
    }
}

/// The head of the page at this place of the file.
fn head(bytes: &Checked, place: u64) -> Result<Head> {
    use parquet::file::reader::Length;
    let end = place.saturating_add(HEAD_MAX).min(bytes.len());
    Head::parse(&bytes.get(place.min(end)..end)?).ok_or_else(senseless)
}

fn senseless() -> ParquetError {
    ParquetError::General("the head of a page makes no sense".into())
}

/// Fields of `PageHeader` in Parquet's `parquet.thrift`: two sizes, and the heads of a page of values, of a dictionary, and of a page of
/// values of the second version, each of which begins with the number of values.
const UNPACKED: u64 = 2;
const PACKED: u64 = 3;
const OF_KIND: [u64; 3] = [5, 7, 8];
const VALUES: u64 = 1;

impl Head {
    /// Parses what some bytes begin with.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut head = Self::default();
        let mut thrift = Thrift(bytes);
        let mut is_sane = true;
        thrift.fields(&mut Vec::new(), &mut |path, value| {
            let field = match path {
                [UNPACKED] => &mut head.unpacked,
                [PACKED] => &mut head.packed,
                [kind, VALUES] if OF_KIND.contains(kind) => &mut head.values,
                _ => return,
            };
            match u64::try_from(value) {
                Ok(value) => *field = value,
                Err(_) => is_sane = false,
            }
        })?;
        head.own_length = (bytes.len() - thrift.0.len()) as u64;
        is_sane.then_some(head)
    }
}

/// What is still to be read of something in Thrift's compact protocol.
/// <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>
struct Thrift<'b>(&'b [u8]);

/// Structures are in each other so deep at most.
const DEPTH_MAX: usize = 4;

impl Thrift<'_> {
    /// Hands out the numbers in a structure, and in those in it, by the ids of their fields.
    fn fields(&mut self, path: &mut Vec<u64>, found: &mut dyn FnMut(&[u64], i64)) -> Option<()> {
        if path.len() >= DEPTH_MAX {
            return None;
        }
        let mut id = 0_u64;
        loop {
            let head = self.byte()?;
            let (delta, kind) = (head >> 4, head & 15);
            if kind == 0 {
                return Some(());
            }
            id = if delta == 0 { u64::try_from(self.number()?).ok()? } else { id.checked_add(delta.into())? };
            path.push(id);
            match kind {
                // True and false.
                1 | 2 => {}
                3 => drop(self.byte()?),
                4..=6 => found(path, self.number()?),
                8 => {
                    let length = usize::try_from(self.varint()?).ok()?;
                    self.0 = self.0.get(length..)?;
                }
                12 => self.fields(path, found)?,
                _ => return None,
            }
            path.pop();
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A number with a sign, which stands in the lowest bit.
    fn number(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind 0, 300 bytes unpacked, 20 packed, and a page of 7 values in encoding 0.
    const HEAD: [u8; 16] = [0x15, 0, 0x15, 0xd8, 4, 0x15, 40, 0x2c, 0x15, 14, 0x15, 0, 0x15, 6, 0, 0];

    #[test]
    fn the_head_of_a_page_is_read_and_no_nonsense() {
        let mut bytes = HEAD.to_vec();
        bytes.extend([1, 2, 3]);
        assert_eq!(Head::parse(&bytes), Some(Head { own_length: 16, packed: 20, unpacked: 300, values: 7 }));
        for length in 0..HEAD.len() {
            assert_eq!(Head::parse(&HEAD[..length]), None, "{length}");
        }
        // Less than nothing; a list; a structure in a structure, without end.
        assert_eq!(Head::parse(&[0x25, 1, 0]), None);
        assert_eq!(Head::parse(&[0x19, 0, 0]), None);
        assert_eq!(Head::parse(&[0x1c; 64]), None);
    }

    #[test]
    fn there_is_room_for_what_rows_may_take_and_for_no_more() {
        let head = |unpacked, values| Head { unpacked, values, ..Head::default() };
        let mut room = Room::of(Type::INT64, 1_000);
        assert!(room.take(&head(8_000, 1_000)).is_ok() && room.take(&head(9_000, 1_000)).is_ok());
        assert!(room.take(&head(1, 1_001)).is_err());
        assert!(room.take(&head(BESIDE_VALUES + 1_001, 1)).is_err());
        assert!(room.take(&head(BESIDE_VALUES + 1_000, 1)).is_ok());
        assert!(room.take(&head(1, 1)).is_err());
    }
}
