//! Whether the footer of an archive says what can be: where things are in the file, and how many rows there are. What it says
//! is used to find and to make room for what is read, so nothing is read before.

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::GROUP_ROWS;
use super::about::About;

/// Why not, of the footer of a file of so many bytes.
pub(super) fn check_places(metadata: &ParquetMetaData, about: &About, length: u64) -> Result<(), &'static str> {
    const OUTSIDE: &str = "something of it is outside the file";
    let mut rows = 0_u64;
    for group in metadata.row_groups() {
        match u64::try_from(group.num_rows()) {
            Ok(own) if own <= GROUP_ROWS as u64 => rows = rows.saturating_add(own),
            _ => return Err("it has more rows than an archive may have in a group"),
        }
        for column in group.columns() {
            let has_places = values(column, about.checksums).zip(further(column, length));
            has_places.ok_or(OUTSIDE)?;
            // There are no lists: a row has one value, or none.
            if column.num_values() != group.num_rows() {
                return Err("a column has not as many values as its group has rows");
            }
        }
    }
    if rows == about.rows && about.rows_ipv6 <= rows { Ok(()) } else { Err("it has other rows than it says") }
}

/// The values of a column are before `end`.
fn values(column: &ColumnChunkMetaData, end: u64) -> Option<()> {
    let data = u64::try_from(column.data_page_offset()).ok()?;
    let dictionary = column.dictionary_page_offset().map_or(Some(data), |offset| u64::try_from(offset).ok())?;
    let length = u64::try_from(column.compressed_size()).ok()?;
    let is_there = data < end && dictionary.checked_add(length)? <= end;
    is_there.then_some(())
}

/// What else there is of a column, its indexes and its Bloom filter, is in a file of this length.
fn further(column: &ColumnChunkMetaData, length: u64) -> Option<()> {
    let places = [
        column.column_index_offset().map(|offset| (offset, column.column_index_length().unwrap_or(0))),
        column.offset_index_offset().map(|offset| (offset, column.offset_index_length().unwrap_or(0))),
        column.bloom_filter_offset().map(|offset| (offset, column.bloom_filter_length().unwrap_or(0))),
    ];
    places.into_iter().flatten().try_for_each(|(offset, own)| {
        let end = u64::try_from(offset).ok()?.checked_add(u64::try_from(own).ok()?)?;
        (end <= length).then_some(())
    })
}
