//! Writes the file of an archive, group by group.

use std::io::{self, Write};
use std::sync::Arc;

use ctrecorder_format::{Address, Counters, Family, V4, V6};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

use super::Flow;
use super::about::About;
use super::keys::{ABOUT_KEY, SEAL_KEY, VERSION, VERSION_KEY};
use super::row::{Facts, PUBLIC, Row, Translation};
use super::schema::{COLUMNS, Column, What, properties, schema};
use super::seal::{BLANK, Checked, SEAL, place_of_digits, seal};

/// The rows of the next group.
#[derive(Debug, Default)]
pub struct Group {
    ipv4: Vec<Row<V4>>,
    ipv6: Vec<Row<V6>>,
}

impl Group {
    /// Adds an IPv4 flow.
    pub fn ipv4(&mut self, flow: &Flow<V4>) {
        self.ipv4.push(Row::of(flow));
    }

    /// Adds an IPv6 flow.
    pub fn ipv6(&mut self, flow: &Flow<V6>) {
        self.ipv6.push(Row::of(flow));
    }

    /// Leaves out the ids that the kernel gave to flows.
    pub fn without_ids(&mut self) {
        self.ipv4.iter_mut().for_each(|row| row.facts.id = 0);
        self.ipv6.iter_mut().for_each(|row| row.facts.id = 0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ipv4.len() + self.ipv6.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Rows of one family in the order of an archive: by public endpoint, and then by start.
fn sort<A: Address>(rows: &mut [Row<A>]) {
    let public = |row: &Row<A>| row.addresses.get(PUBLIC).copied();
    let port = |row: &Row<A>| row.facts.ports.get(PUBLIC).copied();
    rows.sort_by_cached_key(|row| (public(row), port(row), row.facts.start));
}

/// A file on its way.
pub struct Writer<W: Write + Send> {
    writer: SerializedFileWriter<Checked<W>>,
    host: ByteArray,
    scratch: Scratch,
    rows: u64,
    rows_ipv6: u64,
}

impl<W: Write + Send> Writer<W> {
    /// A file of flows that this host recorded.
    ///
    /// # Errors
    /// Those of writing.
    pub fn new(to: W, host: &str) -> io::Result<Self> {
        let properties = Arc::new(properties()?);
        let writer = SerializedFileWriter::new(Checked::new(to), schema()?, properties).map_err(of_writing)?;
        Ok(Self { writer, host: host.into(), scratch: Scratch::default(), rows: 0, rows_ipv6: 0 })
    }

    /// Writes a group of rows, and empties it.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&mut self, group: &mut Group) -> io::Result<()> {
        sort(&mut group.ipv4);
        sort(&mut group.ipv6);
        self.columns(group).map_err(of_writing)?;
        self.rows += group.len() as u64;
        self.rows_ipv6 += group.ipv6.len() as u64;
        // What is written at many places at once would keep room for as many full groups.
        *group = Group::default();
        Ok(())
    }

    /// Writes all columns of a group.
    fn columns(&mut self, group: &Group) -> Result<()> {
        let mut writer = self.writer.next_row_group()?;
        for column in &COLUMNS {
            let Some(mut to) = writer.next_column()? else { break };
            self.scratch.column(column, group, &self.host, &mut to)?;
            to.close()?;
        }
        writer.close()?;
        Ok(())
    }

    /// Ends the file with what it says of itself. How many rows it has, and where its checksums are, is known here. `patch`
    /// is to write these bytes at this place of what was written: the seal, which can be known last only.
    ///
    /// # Errors
    /// Those of writing, and of `patch`.
    pub fn finish(mut self, about: &About, patch: impl FnOnce(&mut W, u64, &[u8]) -> io::Result<()>) -> io::Result<W> {
        self.writer.flush()?;
        let table = self.writer.inner().table();
        let checksums = self.writer.bytes_written();
        self.writer.inner_mut().keep();
        self.writer.write_all(&table)?;
        let (rows, rows_ipv6) = (self.rows, self.rows_ipv6);
        let about = About { rows, rows_ipv6, checksums: checksums as u64, ..about.clone() };
        let about = serde_json::to_string(&about).map_err(io::Error::other)?;
        let mut say = |key: &str, value: String| {
            self.writer.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        };
        say(VERSION_KEY, VERSION.into());
        say(ABOUT_KEY, about);
        say(SEAL_KEY, format!("{SEAL}{BLANK}"));
        let checked = self.writer.into_inner().map_err(of_writing)?;
        let (mut to, tail) = checked.into_parts();
        let digits = place_of_digits(&tail).ok_or_else(|| io::Error::other("the footer has no place for the seal"))?;
        let text = format!("{:08x}", seal(&tail, &digits));
        patch(&mut to, checksums as u64 + digits.start as u64, text.as_bytes())?;
        Ok(to)
    }
}

/// What went wrong where it is written to, without what Parquet wraps it in.
fn of_writing(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => cause.downcast().map_or_else(io::Error::other, |cause| *cause),
        other => other.into(),
    }
}

/// The values of one column, and which rows have one, as Parquet takes them.
#[derive(Default)]
struct Scratch {
    levels: Vec<i16>,
    ints: Vec<i32>,
    longs: Vec<i64>,
    flags: Vec<bool>,
    bytes: Vec<ByteArray>,
    fixed: Vec<FixedLenByteArray>,
    /// Each [`Translation`], by its number.
    translations: Option<[ByteArray; 4]>,
}

impl Scratch {
    /// Writes a column of a group.
    fn column(
        &mut self,
        column: &Column,
        group: &Group,
        host: &ByteArray,
        to: &mut SerializedColumnWriter<'_>,
    ) -> Result<()> {
        self.levels.clear();
        let facts = || group.ipv4.iter().map(|row| &row.facts).chain(group.ipv6.iter().map(|row| &row.facts));
        let levels = &mut self.levels;
        match &column.what {
            What::Moment { get, .. } => {
                let values = facts().map(|row| Some(get(row)).filter(|ns| *ns != 0).map(|ns| ns as i64));
                fill(&mut self.longs, levels, values);
                write::<Int64Type>(to, &self.longs, Some(levels))
            }
            What::Count { get, .. } => {
                let counted = |row: &&Facts| row.counters != Counters::default();
                fill(&mut self.longs, levels, facts().map(|row| Some(row).filter(counted).map(|row| get(row) as i64)));
                write::<Int64Type>(to, &self.longs, Some(levels))
            }
            What::Flag(flag) => {
                self.flags.clear();
                self.flags.extend(facts().map(|row| row.has(*flag)));
                write::<BoolType>(to, &self.flags, None)
            }
            What::Number { get, .. } => {
                self.ints.clear();
                self.ints.extend(facts().map(|row| get(row) as i32));
                write::<Int32Type>(to, &self.ints, None)
            }
            What::Maybe { get, .. } => {
                fill(&mut self.ints, levels, facts().map(|row| get(row).map(|value| value as i32)));
                write::<Int32Type>(to, &self.ints, Some(levels))
            }
            What::Address(Family::Ipv4, place) => {
                let values = group.ipv4.iter().map(|row| address(row, *place));
                let values = values.map(|ip| ip.map(|ip| i64::from(u32::from_be_bytes(ip))));
                fill(&mut self.longs, levels, values.chain(group.ipv6.iter().map(|_| None)));
                write::<Int64Type>(to, &self.longs, Some(levels))
            }
            What::Address(Family::Ipv6, place) => {
                let values = group.ipv6.iter().map(|row| address(row, *place));
                let values = values.map(|ip| ip.map(|ip| ByteArray::from(ip.to_vec()).into()));
                fill(&mut self.fixed, levels, group.ipv4.iter().map(|_| None).chain(values));
                write::<FixedLenByteArrayType>(to, &self.fixed, Some(levels))
            }
            What::Translation => {
                let texts = || Translation::ALL.map(|translation| translation.text().into());
                let texts = self.translations.get_or_insert_with(texts);
                self.bytes.clear();
                self.bytes.extend(facts().filter_map(|row| texts.get(row.translation as usize).cloned()));
                write::<ByteArrayType>(to, &self.bytes, None)
            }
            What::Host => {
                self.bytes.clear();
                self.bytes.resize(group.len(), host.clone());
                write::<ByteArrayType>(to, &self.bytes, None)
            }
        }
    }
}

/// The address at this place, where a row has one there.
fn address<A: Address>(row: &Row<A>, place: usize) -> Option<A> {
    let is_there = place < super::row::CALLED || row.facts.is_both();
    row.addresses.get(place).copied().filter(|_| is_there)
}

/// Parts values from which rows have one.
fn fill<T>(values: &mut Vec<T>, levels: &mut Vec<i16>, rows: impl Iterator<Item = Option<T>>) {
    values.clear();
    for value in rows {
        levels.push(value.is_some().into());
        values.extend(value);
    }
}

fn write<T: DataType>(to: &mut SerializedColumnWriter<'_>, values: &[T::T], levels: Option<&Vec<i16>>) -> Result<()> {
    to.typed::<T>().write_batch(values, levels.map(Vec::as_slice), None)?;
    Ok(())
}
