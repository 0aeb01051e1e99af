//! Opens the file of an archive, and reads its groups of rows.

use std::fmt;

use bytes::Bytes;
use ctrecorder_format::block::flags;
use ctrecorder_format::{BlockKind, Damage, DirectoryEntry, Fault, Header, Note};
use parquet::errors::Result;
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy, RowGroupMetaData,
};
use parquet::file::statistics::Statistics;
use zerocopy::FromZeros;

use super::about::About;
use super::bytes::Checked;
use super::keys::{ABOUT_KEY, SEAL_KEY, VERSION, VERSION_KEY};
use super::places::check_places;
use super::quiet::quietly;
use super::rows::Rows;
use super::schema::{FIRST_COLUMNS, place, schema};
use super::seal::{SEAL, place_of_digits, seal};
use super::sought::Sought;
use super::{MAGIC, Refusal, seek};

/// Length of the length of the metadata, and of the magic behind it.
const TRAILER: usize = 8;

/// An archive's file, open for reading.
pub struct Archive {
    bytes: Checked,
    metadata: ParquetMetaData,
    about: About,
    header: Header,
    notes: Vec<Note>,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("about", &self.about).finish_non_exhaustive()
    }
}

impl Archive {
    /// Opens a file that begins with [`MAGIC`].
    ///
    /// # Errors
    /// If it is no archive, of a later version, or damaged where it says what is in it.
    pub fn open(bytes: impl AsRef<[u8]> + Send + 'static) -> Result<Self, Refusal> {
        let bytes = Bytes::from_owner(bytes);
        // What passes its checksums was written by us; what was written to deceive is not to end the program.
        quietly(|| Self::parse(bytes)).unwrap_or_else(|| Err(damaged("it makes no sense")))
    }

    fn parse(bytes: Bytes) -> Result<Self, Refusal> {
        let metadata = metadata(&bytes)?;
        let said = |key: &str| {
            let all = metadata.file_metadata().key_value_metadata().into_iter().flatten();
            all.filter(|pair| pair.key == key).find_map(|pair| pair.value.as_deref())
        };
        let version = said(VERSION_KEY).ok_or(Refusal::Foreign)?;
        if version.split('.').next() != VERSION.split('.').next() {
            return Err(Refusal::Version(version.escape_debug().to_string()));
        }
        let about = said(ABOUT_KEY).ok_or_else(|| damaged("it does not say what is in it"))?;
        let about: About = serde_json::from_str(about).map_err(damaged)?;
        check_seal(&bytes, &about, said(SEAL_KEY))?;
        check_schema(&metadata)?;
        check_places(&metadata, &about, bytes.len() as u64).map_err(damaged)?;
        let table = usize::try_from(about.checksums).map_err(damaged)?;
        let marks_clock_sets = metadata.file_metadata().schema_descr().num_columns() > place("clock_set");
        let header = Header { marks_clock_sets, ..about.header() };
        let notes = about.notes.iter().map(super::about::NoteText::note).collect();
        Ok(Self { bytes: Checked::new(bytes, table), metadata, header, notes, about })
    }

    /// What it says of itself.
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// The same as the header of a segment of flows.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The notes of the journal, but for readings of the kernel's table: what these tell of flows stands in their rows.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// How many groups of rows there are.
    pub fn groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// What is known of a group without reading it, in the terms of a segment's directory. Its flows arrived, as far as
    /// that tells, while they were alive.
    pub fn entry(&self, group: usize) -> Option<DirectoryEntry> {
        let group = self.metadata.row_groups().get(group)?;
        let mut entry = DirectoryEntry::new_zeroed();
        let rows = group.num_rows().max(0) as u64;
        let times = |name| Times::of(group, place(name), rows);
        let (start, end) = (times("start"), times("end"));
        entry.offset = offset(group).into();
        entry.records = rows.into();
        entry.blocks = 1.into();
        entry.least_start = start.least.into();
        entry.greatest_end = end.greatest.into();
        entry.first_event = start.least.min(end.least).into();
        entry.last_event = start.greatest.max(end.greatest).into();
        entry.flags = if start.some_unknown { flags::START_UNKNOWN } else { 0 }
            | if end.some_unknown { flags::END_UNKNOWN } else { 0 };
        let ipv6 = rows.saturating_sub(nulls(group, place("inside_ip6")).unwrap_or(0));
        let ipv4 = rows.saturating_sub(nulls(group, place("inside_ip")).unwrap_or(0));
        entry.kinds = u8::from(ipv4 > 0) << BlockKind::Ipv4 as u8 | u8::from(ipv6 > 0) << BlockKind::Ipv6 as u8;
        Some(entry)
    }

    /// Where a group ends: bytes from the start of the file.
    pub fn end_of(&self, group: usize) -> u64 {
        let next = self.metadata.row_groups().get(group + 1).map(offset);
        next.unwrap_or(self.about.checksums)
    }

    /// The rows of a group that may have one of those `sought`, by public endpoint; without them all.
    ///
    /// # Errors
    /// If something of it that is needed is damaged.
    pub fn read(&self, group: usize, sought: Option<&[Sought]>) -> Result<Rows, Box<Damage>> {
        let Some(metadata) = self.metadata.row_groups().get(group) else { return Ok(Rows::default()) };
        let reading = || {
            let reader = Group { bytes: &self.bytes, metadata };
            let rows = reader.rows();
            let wanted = match sought {
                Some(sought) => seek::rows(&reader, sought)?,
                None => std::iter::once(0..rows).collect(),
            };
            if wanted.is_empty() { Ok(Rows::default()) } else { Rows::read(&reader, &wanted) }
        };
        let what = match quietly(reading) {
            Some(Ok(rows)) => return Ok(rows),
            Some(Err(error)) => error.to_string(),
            None => "it makes no sense".into(),
        };
        let offset = offset(metadata);
        let length = self.end_of(group).saturating_sub(offset);
        let records_lost = u64::try_from(metadata.num_rows()).ok();
        Err(Box::new(Damage { offset, length, fault: Fault::Rows { group: group as u32, what }, records_lost }))
    }

    /// The blocks of the file that do not match their checksums, by their places, and of how many. What is behind them is
    /// whole, or the archive would not be open.
    pub fn damaged_blocks(&self) -> (Vec<std::ops::Range<u64>>, u64) {
        let blocks = self.bytes.blocks();
        let damaged = (0..blocks).filter(|block| !self.bytes.is_whole(*block));
        let places = damaged.map(|block| self.bytes.place(block)).map(|place| place.start as u64..place.end as u64);
        (places.collect(), blocks as u64)
    }
}

/// A group of rows, and the bytes it is in.
pub(super) struct Group<'a> {
    pub(super) bytes: &'a Checked,
    pub(super) metadata: &'a RowGroupMetaData,
}

impl Group<'_> {
    /// How many rows it has.
    pub(super) fn rows(&self) -> usize {
        usize::try_from(self.metadata.num_rows()).unwrap_or(0)
    }

    /// Whether no row has a value in a column.
    pub(super) fn is_null(&self, column: usize) -> bool {
        nulls(self.metadata, column) == Some(self.rows() as u64)
    }
}

/// A value that every row of a group has in a column.
pub(super) enum Constant<'s> {
    Flag(bool),
    Int(i32),
    Long(i64),
    Text(&'s [u8]),
}

impl Group<'_> {
    /// The value that every row has in a column, if the statistics tell that it is one and the same.
    pub(super) fn constant(&self, column: usize) -> Option<Constant<'_>> {
        fn one<T: PartialEq>(min: Option<T>, max: Option<T>) -> Option<T> {
            if min == max { min } else { None }
        }
        let statistics = self.metadata.columns().get(column)?.statistics()?;
        let is_told = statistics.null_count_opt() == Some(0) && statistics.min_is_exact() && statistics.max_is_exact();
        match statistics {
            _ if !is_told => None,
            Statistics::Boolean(values) => one(values.min_opt(), values.max_opt()).copied().map(Constant::Flag),
            Statistics::Int32(values) => one(values.min_opt(), values.max_opt()).copied().map(Constant::Int),
            Statistics::Int64(values) => one(values.min_opt(), values.max_opt()).copied().map(Constant::Long),
            Statistics::ByteArray(_) => one(statistics.min_bytes_opt(), statistics.max_bytes_opt()).map(Constant::Text),
            _ => None,
        }
    }
}

/// How many rows of a group have no value in a column, if that is known.
fn nulls(group: &RowGroupMetaData, column: usize) -> Option<u64> {
    group.columns().get(column)?.statistics()?.null_count_opt()
}

/// Where a group begins. That its columns are in the file was looked at when that was opened.
fn offset(group: &RowGroupMetaData) -> u64 {
    group.columns().iter().map(|column| column.byte_range().0).min().unwrap_or(0)
}

/// What the statistics of a column of times say. What they do not tell may be anything.
struct Times {
    least: u64,
    greatest: u64,
    some_unknown: bool,
}

impl Times {
    fn of(group: &RowGroupMetaData, column: usize, rows: u64) -> Self {
        let statistics = group.columns().get(column).and_then(|column| column.statistics());
        let Some(Statistics::Int64(values)) = statistics else {
            return Self { least: 0, greatest: u64::MAX, some_unknown: true };
        };
        let some_unknown = values.null_count_opt() != Some(0);
        if values.null_count_opt() == Some(rows) {
            return Self { least: u64::MAX, greatest: 0, some_unknown };
        }
        match (values.min_opt(), values.max_opt()) {
            // Times beyond 2262 are written as those before 1970.
            (Some(0..), Some(max @ 0..)) => {
                let least = values.min_opt().map_or(0, |min| *min as u64);
                Self { least, greatest: *max as u64, some_unknown }
            }
            _ => Self { least: 0, greatest: u64::MAX, some_unknown: true },
        }
    }
}

fn damaged(what: impl ToString) -> Refusal {
    Refusal::Damaged(what.to_string())
}

/// What the footer of a file says.
pub(super) fn metadata(bytes: &[u8]) -> Result<ParquetMetaData, Refusal> {
    let Some((front, trailer)) = bytes.split_last_chunk::<TRAILER>() else { return Err(Refusal::CutOff) };
    let [l0, l1, l2, l3, magic @ ..] = *trailer;
    if magic != MAGIC {
        return Err(Refusal::CutOff);
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let begin = front.len().checked_sub(length).ok_or_else(|| damaged("it is longer than the file"))?;
    let footer = front.get(begin..).unwrap_or_default();
    // What the footer says of how columns were written is of no use here.
    let options = ParquetMetaDataOptions::new()
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
    ParquetMetaDataReader::decode_metadata_with_options(footer, Some(&options)).map_err(damaged)
}

fn check_seal(bytes: &[u8], about: &About, said: Option<&str>) -> Result<(), Refusal> {
    let begin = usize::try_from(about.checksums).map_err(damaged)?;
    let tail = bytes.get(begin..).ok_or_else(|| damaged("it is longer than the file"))?;
    let said = said.and_then(|said| said.strip_prefix(SEAL)).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match place_of_digits(tail) {
        Some(place) if said == Some(seal(tail, &place)) => Ok(()),
        _ => Err(damaged("it does not match its checksum")),
    }
}

/// The columns known here are there, but for later ones at most; others may stand behind them.
fn check_schema(metadata: &ParquetMetaData) -> Result<(), Refusal> {
    let known = schema().map_err(damaged)?;
    let there = metadata.file_metadata().schema_descr().root_schema();
    let fields = there.get_fields();
    let are_known = fields.iter().zip(known.get_fields()).all(|(field, known)| {
        field.name() == known.name()
            && field.is_primitive()
            && field.get_physical_type() == known.get_physical_type()
            && field.is_optional() == known.is_optional()
    });
    let are_there = fields.len() >= FIRST_COLUMNS && are_known;
    let is_flat = there.get_fields().iter().all(|field| field.is_primitive());
    if are_there && is_flat { Ok(()) } else { Err(damaged("its columns are others than those of an archive")) }
}
