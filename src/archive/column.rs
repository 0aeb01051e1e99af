//! Reads the values of one column of a group, at some of its rows.

use std::ops::Range;
use std::sync::Arc;

use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::index_reader::{decode_column_index, decode_offset_index};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::serialized_reader::SerializedPageReader;

use super::page;
use super::read::Group;

/// Values, and for each row whether it has one.
pub(super) struct Values<T> {
    pub(super) values: Vec<T>,
    /// Empty if the column has a value in every row.
    pub(super) levels: Vec<i16>,
}

impl<T: Clone> Values<T> {
    /// For each row its value, if it has one.
    pub(super) fn rows(&self) -> impl Iterator<Item = Option<T>> {
        let mut values = self.values.iter();
        let required = if self.levels.is_empty() { self.values.len() } else { 0 };
        let levels = self.levels.iter().copied().chain(std::iter::repeat_n(1, required));
        levels.map(move |level| if level > 0 { values.next().cloned() } else { None })
    }
}

impl Group<'_> {
    /// The values of a column at these rows, which are in order.
    pub(super) fn values<T: DataType>(&self, column: usize, rows: &[Range<usize>]) -> Result<Values<T::T>> {
        let metadata = self.metadata.columns().get(column).ok_or_else(|| missing(column))?;
        // Whoever wants all of a column needs not know where its pages are.
        let is_whole = matches!(rows, [all] if *all == (0..self.rows()));
        let pages = if is_whole { None } else { Some(self.pages(column)?) };
        page::check(self.bytes, metadata, pages.as_deref(), rows, self.rows())?;
        let reader = SerializedPageReader::new(Arc::new(self.bytes.clone()), metadata, self.rows(), pages)?;
        let descriptor = metadata.column_descr_ptr();
        let is_optional = descriptor.max_def_level() > 0;
        if descriptor.max_rep_level() > 0 || descriptor.physical_type() != T::get_physical_type() {
            return Err(ParquetError::General(format!("column {column} is of another type")));
        }
        let mut reader: ColumnReaderImpl<T> = get_typed_column_reader(get_column_reader(descriptor, Box::new(reader)));
        let mut read = Values { values: Vec::new(), levels: Vec::new() };
        let mut reached = 0;
        for rows in rows {
            let (skip, count) = (rows.start - reached, rows.len());
            let skipped = reader.skip_records(skip)?;
            let levels = is_optional.then_some(&mut read.levels);
            let (got, ..) = reader.read_records(count, levels, None, &mut read.values)?;
            if skipped != skip || got != count {
                return Err(ParquetError::EOF(format!("column {column} has fewer rows than its group")));
            }
            reached = rows.end;
        }
        Ok(read)
    }

    /// Where the pages of a column are.
    pub(super) fn pages(&self, column: usize) -> Result<Vec<PageLocation>> {
        let metadata = self.metadata.columns().get(column).ok_or_else(|| missing(column))?;
        let place = metadata.offset_index_range().ok_or_else(|| missing(column))?;
        Ok(decode_offset_index(&self.bytes.get(place)?)?.page_locations().clone())
    }

    /// What the index says of the pages of a column.
    pub(super) fn index(&self, column: usize) -> Result<ColumnIndexMetaData> {
        let metadata = self.metadata.columns().get(column).ok_or_else(|| missing(column))?;
        let place = metadata.column_index_range().ok_or_else(|| missing(column))?;
        decode_column_index(&self.bytes.get(place)?, metadata.column_type())
    }
}

fn missing(column: usize) -> ParquetError {
    ParquetError::General(format!("nothing tells where column {column} is"))
}
