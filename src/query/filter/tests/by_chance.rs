//! Filters and records by chance, of few different values, so that they meet often.

use ctrecorder_format::legacy::{self, Piece};
use ctrecorder_format::{Address, Closing, Content, DirectoryEntry, Header, Kind, Record, Segment, V4, V6, Writer};
use ctrecorder_format::{Body, Head, NS_PER_SECOND};
use proptest::prelude::*;

use super::naive;
use crate::journal::Search;
use crate::query::filter::{Mark, Ports};
use crate::query::{Clock, Condition, Filter, Pairing, Places, Where, parse_network};
use crate::sample::record;

/// Addresses end in one of these.
const HOSTS: [u8; 6] = [0, 1, 2, 3, 9, 200];
const PORTS: [u16; 5] = [0, 80, 443, 1024, 65535];

fn place() -> impl Strategy<Value = Places> {
    (0..Places::NAMES.len()).prop_map(|index| Places::NAMES[index].1)
}

fn condition() -> impl Strategy<Value = Condition> {
    let host = || prop::sample::select(HOSTS.as_slice());
    let network = prop_oneof![
        4 => host().prop_map(|host| format!("10.0.0.{host}")),
        4 => host().prop_map(|host| format!("fd00::{host:x}")),
        1 => (host(), 0..=32).prop_map(|(host, prefix)| format!("10.0.0.{host}/{prefix}")),
        1 => (host(), 0..=128).prop_map(|(host, prefix)| format!("fd00::{host:x}/{prefix}")),
    ];
    let network = network.prop_map(|text| parse_network(&text).unwrap());
    let port = || prop::sample::select(PORTS.as_slice());
    let ports = prop_oneof![
        3 => port().prop_map(Ports::from),
        1 => (port(), port()).prop_map(|(a, b)| Ports::try_from(a.min(b)..=a.max(b)).unwrap()),
    ];
    let mark = prop::sample::select(["0", "1", "0x10/0xf0", "3/1"].as_slice());
    prop_oneof![
        6 => (place(), network).prop_map(|(place, network)| Condition::Address(place, network.into())),
        4 => (place(), ports).prop_map(|(place, ports)| Condition::Port(place, ports)),
        1 => prop::sample::select([1_u8, 6, 17, 99].as_slice()).prop_map(Condition::Protocol),
        1 => (0..2_u16).prop_map(Condition::Zone),
        1 => mark.prop_map(|mark| Condition::Mark(mark.parse::<Mark>().unwrap())),
        1 => (0..3_u32).prop_map(Condition::Id),
        1 => Just(Condition::Translated),
        1 => moment().prop_map(Condition::Lasted),
        2 => moment().prop_map(Condition::After),
        2 => moment().prop_map(Condition::Before),
        2 => moment().prop_map(Condition::At),
    ]
}

fn moment() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..12_u64, 1 => any::<u64>()]
}

/// A filter as a `--where` could have said it.
fn filter() -> impl Strategy<Value = Filter> {
    condition().prop_map(Filter::If).prop_recursive(4, 24, 4, |inner| {
        let several = || prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several().prop_map(Filter::All),
            several().prop_map(Filter::Any),
            inner.clone().prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

/// A record of any kind, also one that no recorder would write.
fn any_record<A: Address>(address: fn(u8) -> A) -> impl Strategy<Value = Record<A>> {
    let endpoint = move || {
        let chosen = (prop::sample::select(HOSTS.as_slice()), prop::sample::select(PORTS.as_slice()));
        chosen.prop_map(move |(host, port)| (address(host), port))
    };
    let endpoints = (endpoint(), endpoint(), endpoint(), endpoint(), any::<bool>());
    let endpoints = endpoints.prop_map(|(a, b, c, d, plain)| if plain { [a, b, b, a] } else { [a, b, c, d] });
    let others = (prop::sample::select([1_u8, 6, 17].as_slice()), 0..2_u16, 0..20_u32, 0..3_u32, 0..16_u8);
    (1..=5_u8, 0..10_u64, 0..10_u64, endpoints, others).prop_map(|(kind, start, end, endpoints, others)| {
        let (protocol, zone, mark, id, flags) = others;
        let (zone, mark, id) = (zone.into(), mark.into(), id.into());
        Record { kind, protocol, zone, mark, id, flags, ..record(Kind::Start, start, end, endpoints) }
    })
}

fn any_v4() -> impl Strategy<Value = Record<V4>> {
    any_record(|host| [10, 0, 0, host])
}

fn any_v6() -> impl Strategy<Value = Record<V6>> {
    any_record(|host| [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host])
}

/// A segment of these records, in blocks of so many of each family.
fn segment(v4: &[Record<V4>], v6: &[Record<V6>], each: usize) -> Vec<u8> {
    let mut writer =
        Writer::new(Vec::new(), &Header { host: "nat1".into(), ..Header::blank(Content::Events) }).unwrap();
    for (index, (v4, v6)) in v4.iter().zip(v6).enumerate() {
        writer.push(v4, None, v4.event_time());
        writer.push(v6, None, v6.event_time());
        if index % each == each - 1 {
            writer.seal();
        }
    }
    writer.finish(Closing::Stopped, 20).unwrap();
    writer.write_out().unwrap();
    writer.output().clone()
}

/// A file of version 2 with the endpoints of these records.
fn version2(records: &[Record<V4>]) -> Vec<u8> {
    let protocol = 6;
    let header = legacy::Header {
        content: legacy::Content::Combined,
        protocol,
        host: "nat1".into(),
        flags: 0,
        started: (1, 0),
        ended: (0, 0),
        tz_minutes_west: 0,
        tz_dst: 0,
        utc_offset_seconds: 0,
        local_start: legacy::LocalTime { year_since_1900: 70, month_from_0: 0, day: 1, hour: 0, minute: 0, second: 1 },
    };
    let mut bytes = Vec::new();
    let mut writer = legacy::Writer::new(&mut bytes, &header).unwrap();
    for record in records {
        let times = (NS_PER_SECOND.into(), (2 * NS_PER_SECOND).into());
        writer.push(&Record { kind: Kind::Flow as u8, start: times.0, end: times.1, protocol, ..*record }).unwrap();
    }
    bytes
}

/// Searches a file of version 2 for what a filter keeps.
struct Matching<'m, 'a> {
    filter: &'m Filter,
    file: &'m legacy::File<'a>,
}

impl Search for Matching<'_, '_> {
    type Found = Vec<Record<V4>>;

    fn of(self, may_match: impl Fn(&legacy::Endpoints<'_>) -> bool) -> Self::Found {
        let (begin, mut found) = (self.file.begin(), Vec::new());
        let end = self.file.ahead(begin, usize::MAX);
        let keep = |record| found.extend(self.filter.matches(&record).then_some(record));
        assert!(self.file.select(begin, end, may_match, keep));
        found
    }
}

/// How many of the block's records the filter keeps.
fn kept(filter: &Filter, head: &Head<'_>) -> usize {
    match head.verify().unwrap().body {
        Body::Ipv4(records) => records.iter().filter(|(record, _)| naive::keeps(filter, record)).count(),
        Body::Ipv6(records) => records.iter().filter(|(record, _)| naive::keeps(filter, record)).count(),
        Body::Notes(_) | Body::Footer(_) | Body::Index(_) | Body::Sources(_) | Body::Unknown => 0,
    }
}

/// What pairing makes of those records that `select` keeps, as far as `filter` keeps it.
fn paired(records: &[Record<V4>], select: &Filter, filter: &Filter) -> Vec<Record<V4>> {
    let (mut flows, mut pairing) = (Vec::new(), Pairing::new());
    let mut emit = |flow: Record<V4>, _| flows.extend(filter.matches(&flow).then_some(flow));
    for record in records.iter().filter(|record| select.matches(record)) {
        pairing.push(record, None, &mut emit);
    }
    pairing.finish(&mut emit);
    flows
}

proptest! {
    #[test]
    fn what_is_kept_is_what_the_plainest_way_keeps(filter in filter(), v4 in any_v4(), v6 in any_v6()) {
        prop_assert_eq!(filter.matches(&v4), naive::keeps(&filter, &v4));
        prop_assert_eq!(filter.matches(&v6), naive::keeps(&filter, &v6));
    }

    /// Blocks are large enough for a Bloom filter, and too small for one.
    #[test]
    fn a_block_that_holds_a_match_is_never_ruled_out(
        filters in prop::collection::vec(filter(), 20),
        records in prop::collection::vec((any_v4(), any_v6()), 0..60),
        each in 1..30_usize,
    ) {
        let (v4, v6): (Vec<_>, Vec<_>) = records.into_iter().unzip();
        let bytes = segment(&v4, &v6, each);
        let segment = Segment::open(&bytes).unwrap();
        let heads: Vec<_> = segment.heads().map(Result::unwrap).collect();
        for filter in &filters {
            for head in &heads {
                prop_assert!(!filter.rules_out(head) || kept(filter, head) == 0, "{}", filter);
            }
            // An entry of a directory tells of some neighbouring blocks.
            let entries = heads.chunks(3).map(|some| {
                let each = some.iter().map(|head| DirectoryEntry::of(head.offset, head.header));
                (some, each.reduce(|entry, next| entry.joined(&next)).unwrap())
            });
            for (some, entry) in entries {
                let kept: usize = some.iter().map(|head| kept(filter, head)).sum();
                prop_assert!(!filter.rules_out_entry(&entry) || kept == 0, "{}", filter);
            }
        }
    }

    /// What is asked of endpoints alone leaves out no record of version 2 that matches.
    #[test]
    fn no_match_is_left_out_for_its_endpoints(
        filters in prop::collection::vec(filter(), 20),
        records in prop::collection::vec(any_v4(), 0..20),
    ) {
        let bytes = version2(&records);
        let file = legacy::File::open(&bytes).unwrap();
        let records = file.pieces().map(|piece| match piece {
            Piece::Record { record, .. } => record,
            Piece::Damage(damage) => panic!("{damage}"),
        });
        let records: Vec<_> = records.collect();
        for filter in &filters {
            let expected: Vec<_> = records.iter().filter(|record| naive::keeps(filter, record)).copied().collect();
            prop_assert_eq!(filter.by_endpoints(Matching { filter, file: &file }), expected, "{}", filter);
        }
    }

    #[test]
    fn what_is_printed_is_read_back(filter in filter()) {
        let text = filter.to_string();
        prop_assert_eq!(text.parse::<Filter>(), Ok(filter), "{}", text);
    }

    /// Only flows of whole journals: starts and ends have what they have in common by the same hand.
    #[test]
    fn pairing_what_is_kept_before_it_makes_the_same_flows(
        filter in filter(),
        records in prop::collection::vec(any_v4(), 0..40),
    ) {
        // No file has records with ids and without: what is left out would tell that files of both versions are read.
        let named = |record: &Record<V4>| Record { id: (record.id.get() + 1).into(), ..*record };
        let records: Vec<_> = records.iter().map(named).collect();
        let kept = paired(&records, &filter.before_pairing(), &filter);
        prop_assert_eq!(kept, paired(&records, &Filter::default(), &filter), "{}", filter);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", words in "(pre |src |ip |port |not |and |\\(|\\)|between |at |\"|'|@5 |é| |10.0.0.1 ){0,20}") {
        for text in [text, words] {
            if let Err(error) = Where::parse(&text, &Clock::new(None)) {
                prop_assert!(text.get(error.at.clone()).is_some(), "{}", error);
                prop_assert_eq!(error.to_string().lines().count(), error.message.lines().count() + 2);
            }
        }
    }
}
