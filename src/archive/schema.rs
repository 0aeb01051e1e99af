//! The columns of an archive: the one list of them. docs/archive.md says what they mean.

use std::sync::Arc;

use ctrecorder_format::Family;
use ctrecorder_format::record::flags;
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{
    BloomFilterPosition, EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::{ColumnPath, Type};

use super::GROUP_ROWS;
use super::row::{CALLED, Facts, INSIDE, PEER, PUBLIC};

/// A column.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) what: What,
}

/// What is in a column: its type, and its place in a row.
pub(super) enum What {
    /// A time, ns since the epoch; null where it is 0, not known.
    Moment { get: fn(&Facts) -> u64, set: fn(&mut Facts, u64) },
    /// Whether one of a record's flags is set.
    Flag(u8),
    /// A number without sign, of so many bits.
    Number { bits: i8, get: fn(&Facts) -> u32, set: fn(&mut Facts, u32) },
    /// The same, null where the function says so.
    Maybe { bits: i8, get: fn(&Facts) -> Option<u32>, set: fn(&mut Facts, u32) },
    /// A number of packets or bytes, null where nothing was counted.
    Count { get: fn(&Facts) -> u64, set: fn(&mut Facts, u64) },
    /// An address of this family, null in a flow of the other one.
    Address(Family, usize),
    /// [`Translation`](super::row::Translation), as text.
    Translation,
    /// The name of the host that recorded, the same in every row.
    Host,
}

impl What {
    pub(super) const fn is_optional(&self) -> bool {
        match self {
            Self::Moment { .. } | Self::Maybe { .. } | Self::Count { .. } | Self::Address(..) => true,
            Self::Flag(_) | Self::Number { .. } | Self::Translation | Self::Host => false,
        }
    }
}

macro_rules! moment {
    ($name:literal, $field:ident) => {
        Column { name: $name, what: What::Moment { get: |row| row.$field, set: |row, value| row.$field = value } }
    };
}

macro_rules! flag {
    ($name:literal, $flag:ident) => {
        Column { name: $name, what: What::Flag(flags::$flag) }
    };
}

macro_rules! number {
    ($name:literal, $bits:literal, $($field:tt)+) => {
        Column {
            name: $name,
            what: What::Number {
                bits: $bits,
                get: |row| row.$($field)+.into(),
                // What is read was written as a number of so many bits.
                set: |row, value| row.$($field)+ = value as _,
            },
        }
    };
}

macro_rules! maybe {
    ($name:literal, $bits:literal, $known:expr, $($field:tt)+) => {
        Column {
            name: $name,
            what: What::Maybe {
                bits: $bits,
                get: |row| { let known: fn(&Facts) -> bool = $known; known(row).then(|| row.$($field)+.into()) },
                set: |row, value| row.$($field)+ = value as _,
            },
        }
    };
}

macro_rules! count {
    ($name:literal, $field:ident) => {
        Column {
            name: $name,
            what: What::Count {
                get: |row| row.counters.$field.get(),
                set: |row, value| row.counters.$field = value.into(),
            },
        }
    };
}

macro_rules! address {
    ($name:literal, $family:ident, $place:ident) => {
        Column { name: $name, what: What::Address(Family::$family, $place) }
    };
}

const IS_QUERY: fn(&Facts) -> bool = |row| crate::protocol::has_queries(row.protocol);

/// All columns, in their order. Within version 1 of archives columns may come behind these.
pub(super) const COLUMNS: [Column; 36] = [
    moment!("start", start),
    moment!("end", end),
    moment!("start_after", start_after),
    moment!("end_after", end_after),
    flag!("start_from_kernel", START_FROM_KERNEL),
    flag!("end_from_kernel", END_FROM_KERNEL),
    flag!("start_at_latest", RECOVERED),
    flag!("end_at_latest", END_AT_LATEST),
    flag!("reply_seen", REPLY_SEEN),
    number!("protocol", 8, protocol),
    Column { name: "translation", what: What::Translation },
    address!("inside_ip", Ipv4, INSIDE),
    address!("inside_ip6", Ipv6, INSIDE),
    number!("inside_port", 16, ports[INSIDE]),
    address!("public_ip", Ipv4, PUBLIC),
    address!("public_ip6", Ipv6, PUBLIC),
    number!("public_port", 16, ports[PUBLIC]),
    address!("peer_ip", Ipv4, PEER),
    address!("peer_ip6", Ipv6, PEER),
    number!("peer_port", 16, ports[PEER]),
    address!("called_ip", Ipv4, CALLED),
    address!("called_ip6", Ipv6, CALLED),
    maybe!("called_port", 16, Facts::is_both, ports[CALLED]),
    maybe!("icmp_original", 16, IS_QUERY, types[0]),
    maybe!("icmp_reply", 16, IS_QUERY, types[1]),
    number!("zone", 16, zone),
    number!("mark", 32, mark),
    maybe!("id", 32, |row| row.id != 0, id),
    number!("status", 16, status),
    number!("tcp_state", 8, tcp_state),
    count!("original_packets", original_packets),
    count!("original_bytes", original_bytes),
    count!("reply_packets", reply_packets),
    count!("reply_bytes", reply_bytes),
    Column { name: "host", what: What::Host },
    flag!("clock_set", CLOCK_SET),
];

/// So many of them every archive has; the ones behind came later.
pub(super) const FIRST_COLUMNS: usize = 35;

/// The place of a column by its name. The names that are asked for are those above.
pub(super) fn place(name: &str) -> usize {
    COLUMNS.iter().position(|column| column.name == name).unwrap_or(COLUMNS.len())
}

/// So many rows of a column make a page, the least that is read of it.
const PAGE_ROWS: usize = 32 * 1024;

/// So many rows make one of the columns that are looked through for a public endpoint, and of those that, read at a few places, cost
/// most and lose least by it.
const SOUGHT_PAGE_ROWS: usize = PAGE_ROWS / 4;

/// These columns.
const SOUGHT: [&str; 6] = ["public_ip", "public_port", "inside_port", "peer_ip", "end", "id"];

/// Zstandard's level, and that of the columns in whose plain values it finds what repeats: there it takes a seventh off, and no time that
/// is seen. (Still higher ones cost more than they save, or save less.)
const LEVEL: i32 = 3;
const LEVEL_OF_REPEATS: i32 = 6;

/// Bloom filters take one address for another so often.
const BLOOM_ERRORS: f64 = 0.1;

/// The schema.
pub(super) fn schema() -> Result<Arc<Type>> {
    let fields: Result<Vec<_>> = COLUMNS.iter().map(|column| Ok(Arc::new(field(column)?))).collect();
    Ok(Arc::new(Type::group_type_builder("flow").with_fields(fields?).build()?))
}

fn field(column: &Column) -> Result<Type> {
    let (physical, logical, length) = match column.what {
        What::Moment { .. } => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::NANOS)), 0),
        What::Flag(_) => (Physical::BOOLEAN, None, 0),
        What::Number { bits, .. } | What::Maybe { bits, .. } => {
            (Physical::INT32, Some(LogicalType::integer(bits, false)), 0)
        }
        What::Count { .. } => (Physical::INT64, Some(LogicalType::integer(64, false)), 0),
        // Not all engines read numbers without sign; half of the bytes are zeros, which take no room.
        What::Address(Family::Ipv4, _) => (Physical::INT64, None, 0),
        What::Address(Family::Ipv6, _) => (Physical::FIXED_LEN_BYTE_ARRAY, None, 16),
        What::Translation | What::Host => (Physical::BYTE_ARRAY, Some(LogicalType::String), 0),
    };
    let repetition = if column.what.is_optional() { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    Type::primitive_type_builder(column.name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .with_length(length)
        .build()
}

/// How columns are written. What stands behind each choice is in docs/archive.md, "Sizes".
pub(super) fn properties() -> Result<WriterProperties> {
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_created_by(concat!("ctrecorder ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(zstd(LEVEL)?)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(SOUGHT_PAGE_ROWS)
        .set_data_page_size_limit(usize::MAX)
        .set_dictionary_enabled(false)
        .set_bloom_filter_position(BloomFilterPosition::AfterRowGroup)
        .set_bloom_filter_for_dictionary_encoded_chunks(true)
        .set_max_row_group_row_count(None);
    Ok(COLUMNS.iter().try_fold(properties, write_column)?.build())
}

fn zstd(level: i32) -> Result<Compression> {
    Ok(Compression::ZSTD(ZstdLevel::try_new(level)?))
}

fn write_column(properties: WriterPropertiesBuilder, column: &Column) -> Result<WriterPropertiesBuilder> {
    let path = ColumnPath::new(vec![column.name.to_owned()]);
    let properties = if SOUGHT.contains(&column.name) {
        properties.set_column_data_page_row_count_limit(path.clone(), SOUGHT_PAGE_ROWS)
    } else {
        properties
    };
    let set = |properties: WriterPropertiesBuilder, encoding| properties.set_column_encoding(path.clone(), encoding);
    let plain =
        |properties, compression| set(properties, Encoding::PLAIN).set_column_compression(path.clone(), compression);
    Ok(match (column.name, &column.what) {
        // Of few values.
        ("protocol" | "status" | "tcp_state" | "zone" | "mark" | "icmp_original" | "icmp_reply", _)
        | (_, What::Translation | What::Host) => properties.set_column_dictionary_enabled(path, true),
        (_, What::Flag(_)) => set(properties, Encoding::RLE),
        // No order is seen in it, and nothing makes it shorter.
        ("id", _) => plain(properties, Compression::UNCOMPRESSED),
        // Those of some services over and over, and others that come once, which a dictionary would hold, too.
        ("peer_port", _) => plain(properties, zstd(LEVEL_OF_REPEATS)?),
        (_, What::Moment { .. } | What::Number { .. } | What::Maybe { .. } | What::Count { .. }) => {
            set(properties, Encoding::DELTA_BINARY_PACKED)
        }
        (_, What::Address(..)) => {
            let encoded = match column.what {
                // DuckDB does not know streams of bytes of these, nor, before version 2, of numbers.
                What::Address(Family::Ipv6, _) => properties.set_column_dictionary_enabled(path.clone(), true),
                // One host has many ports one after the other, in the order of which rows are.
                _ if column.name == "inside_ip" => plain(properties, zstd(LEVEL_OF_REPEATS)?),
                _ => set(properties, Encoding::DELTA_BINARY_PACKED),
            };
            encoded
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_ERRORS)
                .set_column_bloom_filter_max_ndv(path, GROUP_ROWS as u64)
        }
    })
}
