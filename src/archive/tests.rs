//! Archives in memory: what is written is read, what is sought is found, and no damage goes unnoticed.

use std::net::IpAddr;
use std::panic::catch_unwind;

use ctrecorder_format::{Address, Cause, Counters, Kind, Note, V4, V6};
use parquet::file::metadata::{ColumnChunkMetaDataBuilder, ParquetMetaDataWriter, RowGroupMetaData};
use proptest::prelude::*;

use super::*;
use crate::sample::record;

/// An archive of these flows, in groups of so many.
fn written(ipv4: &[Flow<V4>], ipv6: &[Flow<V6>], of: usize, about: &About) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), "nat1").unwrap();
    for group in 0..ipv4.len().max(ipv6.len()).div_ceil(of) {
        let mut rows = Group::default();
        ipv4.iter().skip(group * of).take(of).for_each(|flow| rows.ipv4(flow));
        ipv6.iter().skip(group * of).take(of).for_each(|flow| rows.ipv6(flow));
        writer.write(&mut rows).unwrap();
    }
    let patch = |bytes: &mut Vec<u8>, at: u64, seal: &[u8]| {
        bytes[at as usize..][..seal.len()].copy_from_slice(seal);
        Ok(())
    };
    writer.finish(about, patch).unwrap()
}

fn flow<A: Address>(ends: [(A, u16); 4], protocol: u8, times: (u64, u64), counted: u64) -> Flow<A> {
    let mut record = record(Kind::Flow, times.0, times.1, ends);
    record.protocol = protocol;
    let counters = Counters { reply_bytes: counted.into(), ..Counters::default() };
    Flow { record, counters: (counted > 0).then_some(counters), start_after: times.0 / 3, end_after: times.1 / 4 }
}

fn address<A: Address>(host: u8) -> A {
    let mut address = A::new_zeroed();
    if let Some(last) = address.as_mut_bytes().last_mut() {
        *last = host;
    }
    address
}

fn flows<A: Address>() -> impl Strategy<Value = Vec<Flow<A>>> {
    let end = (0..6_u8, 0..4_u16).prop_map(|(host, port)| (address::<A>(host), port));
    let flow =
        (prop::array::uniform4(end), prop::sample::select(vec![1_u8, 6, 17, 58]), (0..9_u64, 0..9_u64), 0..3_u64);
    prop::collection::vec(
        flow.prop_map(|(ends, protocol, times, counted)| flow_of(ends, protocol, times, counted)),
        0..30,
    )
}

use flow as flow_of;

/// What was read, in an order of its own.
fn read(archive: &Archive, sought: Option<&[Sought]>) -> (Vec<Flow<V4>>, Vec<Flow<V6>>) {
    let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
    for group in 0..archive.groups() {
        let rows = archive.read(group, sought).unwrap();
        ipv4.extend(rows.ipv4());
        ipv6.extend(rows.ipv6());
    }
    (sorted(ipv4), sorted(ipv6))
}

fn sorted<A: Address>(mut flows: Vec<Flow<A>>) -> Vec<Flow<A>> {
    flows.sort_by_key(|flow| format!("{flow:?}"));
    flows
}

/// Whether a flow has what is sought.
fn has<A: Address>(flow: &Flow<A>, sought: &Sought) -> bool {
    let row = super::row::Row::of(flow);
    let own = row.flow().record;
    let of_endpoints = row.addresses.iter().zip(row.facts.ports).take(if row.facts.is_both() { 4 } else { 3 });
    let address = |ip: A| ip.to_ip() == sought.address;
    match sought.port {
        None => own.endpoints().iter().any(|(ip, _)| address(*ip)),
        Some(Port::OfTuple(port)) => own.endpoints().iter().any(|(ip, own)| address(*ip) && *own == port),
        Some(Port::OfEndpoint(port)) => of_endpoints.into_iter().any(|(ip, own)| address(*ip) && own == port),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read_and_what_is_sought_is_found(
        ipv4 in flows::<V4>(), ipv6 in flows::<V6>(), of in 1..20_usize,
        (host, port, is_ipv6, kind) in (0..7_u8, 0..5_u16, any::<bool>(), 0..3_u8),
    ) {
        let archive = Archive::open(written(&ipv4, &ipv6, of, &About::default())).unwrap();
        prop_assert_eq!(read(&archive, None), (sorted(ipv4.clone()), sorted(ipv6.clone())));
        let address: IpAddr = if is_ipv6 { address::<V6>(host).to_ip() } else { address::<V4>(host).to_ip() };
        let port = match kind {
            0 => None,
            1 => Some(Port::OfTuple(port)),
            _ => Some(Port::OfEndpoint(port)),
        };
        let sought = Sought { address, port };
        let (found4, found6) = read(&archive, Some(&[sought]));
        // It may find more than is sought, and never less.
        let missed4 = ipv4.iter().any(|flow| has(flow, &sought) && !found4.contains(flow));
        let missed6 = ipv6.iter().any(|flow| has(flow, &sought) && !found6.contains(flow));
        prop_assert!(!missed4 && !missed6);
        // Of an endpoint as rows have it, it finds no more.
        if kind == 2 {
            prop_assert!(found4.iter().all(|flow| has(flow, &sought)) && found6.iter().all(|flow| has(flow, &sought)));
        }
    }
}

fn sample() -> Vec<u8> {
    let end = |host: u8, port: u16| (address::<V4>(host), port);
    let ipv4: Vec<_> = (0..40)
        .map(|port| flow([end(1, port), end(9, 80), end(9, 80), end(3, port)], 6, (10, 20 + u64::from(port)), 0))
        .collect();
    let ipv6 = [flow([(address::<V6>(1), 5); 4], 17, (1, 2), 7)];
    let notes = vec![NoteText::of(&Note::gap(5, 9, 3, Cause::QueueFull))];
    written(&ipv4, &ipv6, 25, &About { host: "nat1".into(), notes, to: 90, is_last: true, ..About::default() })
}

/// Whether everything can be read, and is as it was written.
fn is_whole(bytes: Vec<u8>) -> bool {
    let Ok(archive) = Archive::open(bytes) else { return false };
    archive.damaged_blocks().0.is_empty() && (0..archive.groups()).all(|group| archive.read(group, None).is_ok())
}

#[test]
fn a_flipped_bit_does_not_go_unnoticed() {
    let whole = sample();
    assert!(is_whole(whole.clone()));
    // Not each, for there are many, and each takes reading all.
    for at in (0..whole.len()).step_by(11) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let noticed = catch_unwind(|| !is_whole(bytes));
        // The magic is asked for by whoever opens a file.
        assert!(noticed.unwrap() || at < MAGIC.len(), "byte {at}");
    }
}

#[test]
fn a_cut_does_not_go_unnoticed() {
    let whole = sample();
    for length in (0..whole.len()).step_by(3) {
        assert!(!is_whole(whole[..length].to_vec()), "{length} bytes");
    }
}

#[test]
fn what_it_says_of_itself_is_read() {
    let archive = Archive::open(sample()).unwrap();
    let About { rows, rows_ipv6, is_last, .. } = archive.about();
    assert_eq!((*rows, *rows_ipv6, *is_last, archive.groups()), (41, 1, true, 2));
    assert_eq!(archive.header().host, "nat1");
    assert_eq!(archive.notes(), [Note::gap(5, 9, 3, Cause::QueueFull)]);
    let entry = archive.entry(0).unwrap();
    assert_eq!((entry.least_start.get(), entry.greatest_end.get()), (1, 44));
}

#[test]
fn of_a_later_version_or_of_others_it_is_refused() {
    let changed = |from: &[u8], to: &[u8]| {
        let mut bytes = sample();
        let at = bytes.windows(from.len()).rposition(|window| window == from).unwrap();
        bytes[at..][..to.len()].copy_from_slice(to);
        Archive::open(bytes).unwrap_err()
    };
    assert_eq!(changed(b"\x031.0", b"\x032.0"), Refusal::Version("2.0".into()));
    assert_eq!(changed(b"ctrecorder.version", b"somebody's.version"), Refusal::Foreign);
    assert!(matches!(changed(b"\x031.0", b"\x031.1"), Refusal::Damaged(_)), "the seal is of other bytes");
}

/// The sample with another footer, and the seal of that.
fn forged(change: impl FnOnce(&mut Vec<RowGroupMetaData>)) -> Vec<u8> {
    let mut bytes = sample();
    let metadata = super::read::metadata(&bytes).unwrap();
    let table = Archive::open(bytes.clone()).unwrap().about().checksums as usize;
    let (front, trailer) = bytes.split_last_chunk::<8>().unwrap();
    let length = u32::from_le_bytes(*trailer.first_chunk().unwrap()) as usize;
    let footer = front.len() - length;
    let mut groups = metadata.row_groups().to_vec();
    change(&mut groups);
    let metadata = metadata.into_builder().set_row_groups(groups).build();
    bytes.truncate(footer);
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
    let tail = &mut bytes[table..];
    let digits = super::seal::place_of_digits(tail).unwrap();
    let seal = format!("{:08x}", super::seal::seal(tail, &digits));
    tail[digits].copy_from_slice(seal.as_bytes());
    bytes
}

/// A group with one of its columns changed.
fn with_column(
    group: &RowGroupMetaData,
    number: usize,
    change: impl FnOnce(ColumnChunkMetaDataBuilder) -> ColumnChunkMetaDataBuilder,
) -> RowGroupMetaData {
    let mut columns = group.columns().to_vec();
    columns[number] = change(columns[number].clone().into_builder()).build().unwrap();
    group.clone().into_builder().set_column_metadata(columns).build().unwrap()
}

#[test]
fn a_footer_that_says_what_cannot_be_is_refused() {
    assert!(is_whole(forged(|_| ())), "with nothing changed it is read");
    let column = |change: fn(ColumnChunkMetaDataBuilder) -> ColumnChunkMetaDataBuilder| {
        forged(|groups| groups[1] = with_column(&groups[1], 3, change))
    };
    let rows =
        |number| forged(|groups| groups[0] = groups[0].clone().into_builder().set_num_rows(number).build().unwrap());
    for (what, bytes) in [
        ("values before the file", column(|column| column.set_data_page_offset(-1))),
        ("a dictionary before the file", column(|column| column.set_dictionary_page_offset(Some(-1)))),
        ("values behind the file", column(|column| column.set_data_page_offset(1 << 40))),
        ("less than nothing", column(|column| column.set_total_compressed_size(-1))),
        ("more than all", column(|column| column.set_total_compressed_size(1 << 50))),
        ("an index before the file", column(|column| column.set_column_index_offset(Some(-1)))),
        ("an index of less than nothing", column(|column| column.set_offset_index_length(Some(-1)))),
        ("a filter behind the file", column(|column| column.set_bloom_filter_offset(Some(i64::MAX)))),
        ("more values than rows", column(|column| column.set_num_values(1 << 40))),
        ("many rows", rows(1 << 33)),
        ("few rows", rows(1)),
        ("less than no rows", rows(-1)),
        ("a group less", forged(|groups| groups.truncate(1))),
    ] {
        let opened = catch_unwind(|| Archive::open(bytes).map(|_| ()));
        assert!(matches!(opened, Ok(Err(Refusal::Damaged(_)))), "{what}: {opened:?}");
    }
}

/// Whoever makes room for what a page says that it unpacks to may have none left.
#[test]
fn a_page_that_says_that_it_unpacks_to_gigabytes_is_not_unpacked() {
    use super::bytes::Checked;
    use parquet::data_type::Int64Type;
    // A page of 25 values, 2^31 - 1 bytes of them, in 4 bytes.
    let page = [
        &[0x15, 0, 0x15, 0xfe, 0xff, 0xff, 0xff, 0xf, 0x15, 8, 0x2c, 0x15, 50, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0][..],
        b"zstd",
    ];
    let page = page.concat();
    let metadata = super::read::metadata(&sample()).unwrap();
    let column = super::schema::place("start");
    let group = with_column(&metadata.row_groups()[0], column, |column| {
        column.set_data_page_offset(0).set_dictionary_page_offset(None).set_total_compressed_size(page.len() as i64)
    });
    let bytes = Checked::new(page.into(), 0);
    let read = super::read::Group { bytes: &bytes, metadata: &group };
    let rows = 0..read.rows();
    let refused = read.values::<Int64Type>(column, std::slice::from_ref(&rows)).err().unwrap().to_string();
    assert!(refused.contains("unpacks to more than its rows can take"), "{refused}");
}

/// DuckDB before version 2 reads byte streams of numbers with a fraction only.
#[test]
fn no_column_is_encoded_in_a_way_that_common_engines_do_not_know() {
    use parquet::basic::Encoding;
    let metadata = super::read::metadata(&sample()).unwrap();
    for column in metadata.row_groups().iter().flat_map(RowGroupMetaData::columns) {
        assert!(
            !column.encodings().any(|encoding| encoding == Encoding::BYTE_STREAM_SPLIT),
            "{}",
            column.column_path()
        );
    }
}
