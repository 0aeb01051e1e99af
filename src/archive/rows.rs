//! Rows of a group, put together from its columns.

use std::ops::Range;

use ctrecorder_format::{Address, Family, V4, V6};
use parquet::data_type::{BoolType, ByteArrayType, FixedLenByteArrayType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};

use super::Flow;
use super::column::Values;
use super::read::{Constant, Group};
use super::row::{Facts, INSIDE, Row, Translation};
use super::schema::{COLUMNS, Column, What, place};

/// Rows that were read.
#[derive(Debug, Default)]
pub struct Rows {
    ipv4: Vec<Row<V4>>,
    ipv6: Vec<Row<V6>>,
}

impl Rows {
    /// The IPv4 flows, in the order of the archive.
    pub fn ipv4(&self) -> impl Iterator<Item = Flow<V4>> {
        self.ipv4.iter().map(Row::flow)
    }

    /// The IPv6 flows, in the order of the archive.
    pub fn ipv6(&self) -> impl Iterator<Item = Flow<V6>> {
        self.ipv6.iter().map(Row::flow)
    }

    /// Reads these rows of a group, which are in order.
    pub(super) fn read(group: &Group<'_>, wanted: &[Range<usize>]) -> Result<Self> {
        let count = wanted.iter().map(ExactSizeIterator::len).sum();
        let ipv4 = count_ipv4(group, wanted, count)?;
        let mut rows = Self { ipv4: blank(ipv4), ipv6: blank(count - ipv4) };
        for (number, column) in COLUMNS.iter().enumerate().take(group.metadata.num_columns()) {
            // A column without values leaves rows as they are, and one of the same everywhere needs not be read.
            let is_null = column.what.is_optional() && group.is_null(number);
            let is_done = is_null || group.constant(number).is_some_and(|value| rows.fill(column, &value));
            if !is_done {
                rows.column(group, number, column, wanted)?;
            }
        }
        Ok(rows)
    }

    /// Gives every row the same value in a column. `false`: it is none of that column.
    fn fill(&mut self, column: &Column, value: &Constant<'_>) -> bool {
        match (&column.what, value) {
            (What::Moment { set, .. } | What::Count { set, .. }, Constant::Long(value)) => {
                self.each(|row| set(row, *value as u64));
            }
            (What::Number { set, .. } | What::Maybe { set, .. }, Constant::Int(value)) => {
                self.each(|row| set(row, *value as u32));
            }
            (What::Flag(flag), Constant::Flag(value)) => self.each(|row| row.flags |= if *value { *flag } else { 0 }),
            (What::Translation, Constant::Text(text)) => {
                let Some(translation) = Translation::parse(text) else { return false };
                self.each(|row| row.translation = translation);
            }
            _ => return false,
        }
        true
    }

    fn each(&mut self, mut change: impl FnMut(&mut Facts)) {
        self.ipv4.iter_mut().for_each(|row| change(&mut row.facts));
        self.ipv6.iter_mut().for_each(|row| change(&mut row.facts));
    }

    fn column(&mut self, group: &Group<'_>, number: usize, column: &Column, wanted: &[Range<usize>]) -> Result<()> {
        match &column.what {
            What::Moment { set, .. } | What::Count { set, .. } => {
                let read = group.values::<Int64Type>(number, wanted)?;
                self.set(&read, |row, value| set(row, value as u64));
            }
            What::Number { set, .. } | What::Maybe { set, .. } => {
                let read = group.values::<Int32Type>(number, wanted)?;
                self.set(&read, |row, value| set(row, value as u32));
            }
            What::Flag(flag) => {
                let read = group.values::<BoolType>(number, wanted)?;
                self.set(&read, |row, value| row.flags |= if value { *flag } else { 0 });
            }
            What::Translation => {
                let read = group.values::<ByteArrayType>(number, wanted)?;
                let known: Option<Vec<_>> = read.values.iter().map(|text| Translation::parse(text.data())).collect();
                let values = known.ok_or_else(|| ParquetError::General("a translation that is none".into()))?;
                self.set(&Values { values, levels: read.levels }, |row, value| row.translation = value);
            }
            What::Address(Family::Ipv4, place) => {
                let read = group.values::<Int64Type>(number, wanted)?;
                let addresses = read.rows().map(|value| value.and_then(ipv4));
                set_addresses(&mut self.ipv4, *place, addresses);
            }
            What::Address(Family::Ipv6, place) => {
                let read = group.values::<FixedLenByteArrayType>(number, wanted)?;
                let addresses = read.rows().map(|value| value.and_then(|value| value.data().try_into().ok()));
                set_addresses(&mut self.ipv6, *place, addresses.skip(self.ipv4.len()));
            }
            // It is that of the file.
            What::Host => {}
        }
        Ok(())
    }

    fn set<T: Clone>(&mut self, read: &Values<T>, set: impl Fn(&mut Facts, T)) {
        let (ipv4, ipv6) = (self.ipv4.iter_mut(), self.ipv6.iter_mut());
        let facts = ipv4.map(|row| &mut row.facts).chain(ipv6.map(|row| &mut row.facts));
        for (facts, value) in facts.zip(read.rows()) {
            if let Some(value) = value {
                set(facts, value);
            }
        }
    }
}

fn set_addresses<A: Address>(rows: &mut [Row<A>], place: usize, addresses: impl Iterator<Item = Option<A>>) {
    for (row, address) in rows.iter_mut().zip(addresses) {
        if let (Some(there), Some(address)) = (row.addresses.get_mut(place), address) {
            *there = address;
        }
    }
}

/// The address that stands as a number.
pub(super) fn ipv4(number: i64) -> Option<V4> {
    u32::try_from(number).ok().map(u32::to_be_bytes)
}

/// Rows of which nothing is known yet.
fn blank<A: Address>(count: usize) -> Vec<Row<A>> {
    vec![Row { addresses: [A::new_zeroed(); 4], facts: Facts::blank() }; count]
}

/// How many of the wanted rows are IPv4: these come first.
fn count_ipv4(group: &Group<'_>, wanted: &[Range<usize>], count: usize) -> Result<usize> {
    const { assert!(INSIDE == 0) };
    let column = place("inside_ip");
    if group.is_null(column) {
        return Ok(0);
    }
    if group.is_null(place("inside_ip6")) {
        return Ok(count);
    }
    let levels = group.values::<Int64Type>(column, wanted)?.levels;
    let ipv4 = levels.partition_point(|level| *level > 0);
    let is_mixed = levels.iter().skip(ipv4).any(|level| *level > 0);
    if is_mixed { Err(ParquetError::General("rows of both families are mixed".into())) } else { Ok(ipv4) }
}
