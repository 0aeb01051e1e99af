//! Blocks that cannot hold a match are ruled out: not only is it safe, it is done.

use ctrecorder_format::{BlockKind, Closing, Content, Head, Header, Kind, Record, Segment, V4, Writer};

use super::{filter, v4, v6};

/// A segment of these records, and as many of IPv6, in one batch.
fn segment(records: impl Iterator<Item = Record<V4>>) -> Vec<u8> {
    let mut writer =
        Writer::new(Vec::new(), &Header { host: "nat1".into(), ..Header::blank(Content::Events) }).unwrap();
    for (index, record) in records.enumerate() {
        writer.push(&record, None, 1);
        writer.push(&Record { start: record.start, end: record.end, kind: record.kind, ..v6(index as u8) }, None, 1);
    }
    writer.finish(Closing::Stopped, 2).unwrap();
    writer.write_out().unwrap();
    writer.output().clone()
}

/// Which blocks of records the filter leaves, by their heads and by the index: `4`, `6`, both or none.
fn left(bytes: &[u8], text: &str) -> String {
    let filter = filter(text);
    let segment = Segment::open(bytes).unwrap();
    let indexes: Vec<_> = segment.indexes().filter_map(|head| head.index()).collect();
    let is_left = |head: &Head<'_>| {
        let by_index = indexes.iter().any(|index| {
            let column = index.column_of(head.header.sequence.get());
            column.is_some_and(|column| !filter.columns(index).contains(column))
        });
        !by_index && !filter.rules_out(head)
    };
    let kinds = segment.heads().map(Result::unwrap).filter(is_left).map(|head| head.header.kind());
    let shown = kinds.filter_map(|kind| match kind {
        Some(BlockKind::Ipv4) => Some('4'),
        Some(BlockKind::Ipv6) => Some('6'),
        _ => None,
    });
    shown.collect()
}

#[test]
fn addresses_and_families_rule_out() {
    let bytes = segment((0..100).map(v4));
    for (text, expected) in [
        ("ip 0.0.0.0/0 or ip ::/0", "46"),
        ("port 1", "46"),
        ("not port 0:65535", ""),
        ("ip 172.16.0.0/12", "4"),
        ("ip 2001:db8::/32", "6"),
        ("not ip 0.0.0.0/0", "6"),
        ("not (ip 0.0.0.0/0 or ip ::/0)", ""),
        ("ip 10.0.0.1 and ip ::/0", ""),
        ("ip 10.0.0.1 or ip 2001:db8::1", "46"),
        ("not (ip 10.0.0.1 and ip ::/0)", "46"),
        ("not not ip ::/0", "6"),
        ("proto udp and ip 10.0.0.5", "4"),
    ] {
        assert_eq!(left(&bytes, text), expected, "{text}");
    }
    for inside in 0..100 {
        assert_eq!(left(&bytes, &format!("ip 10.0.0.{inside} and port 2048")), "4");
        assert_eq!(left(&bytes, &format!("ip 2001:db8::{inside:x}")), "6");
        assert_eq!(left(&bytes, &format!("pre src ip 10.0.0.{inside} and pre src port 1024")), "4");
    }
}

/// Of a segment whose blocks have filters of their own. A Bloom filter is wrong now and then: of a hundred questions that have no answer
/// nearly all are ruled out.
#[test]
fn what_the_bloom_filter_does_not_have_is_ruled_out() {
    let bytes = include_bytes!("../../../../tests/data/v3/big.ct");
    for question in [
        "ip 172.16.0.X",
        "ip 172.16.0.X and port 1024",
        "ip 172.16.0.X or ip 172.17.0.X",
        "ip 172.16.0.X and not ip 100.64.0.1",
        "pre src ip 100.64.0.1 and pre src port 50X",
        "nat and post src port 50X and proto tcp and post src ip 203.0.113.6",
        "(pre src ip 100.64.0.1 and pre src port 50X) or (post src ip 203.0.113.6 and post src port 51X)",
    ] {
        let asked = (100..200).map(|number| question.replace('X', &number.to_string()));
        let out = asked.filter(|question| left(bytes, question).is_empty()).count();
        assert!(out > 80, "{question}: {out}");
    }
    // What may be of different endpoints is not asked for as one.
    for question in [
        "ip 100.64.0.1 and port 5000",
        "pre ip 100.64.0.1 and pre port 5000",
        "pre src ip 100.64.0.1 and pre dst port 5000",
    ] {
        assert_eq!(left(bytes, question), "4");
    }
}

#[test]
fn times_rule_out_what_the_head_knows() {
    let all = |kind, start: u64, end: u64| {
        let start = move |inside: u64| if start == 0 { 0 } else { start + inside };
        segment((0..20).map(move |inside| Record {
            kind: kind as u8,
            start: start(inside.into()).into(),
            end: end.into(),
            ..v4(inside)
        }))
    };
    let flows = all(Kind::Flow, 1_000, 2_000);
    for (text, expected) in [
        ("before @0.000000999", ""),
        ("before @0.000001", "46"),
        ("after @0.000002", "46"),
        ("after @0.000002001", ""),
        ("at @0.000000999", ""),
        ("at @0.000002001", ""),
        ("at @0.0000015", "46"),
        ("between @0 @0.000000999", ""),
        ("between @0.000002001 @1", ""),
        ("not after @0.000002001", "46"),
        ("lasts 5s", "46"),
    ] {
        assert_eq!(left(&flows, text), expected, "{text}");
    }
    // Starts know no end: whether a flow of theirs was alive later, the head does not say.
    let starts = all(Kind::Start, 1_000, 0);
    assert_eq!(left(&starts, "at @0.000002001"), "46");
    assert_eq!(left(&starts, "before @0.000000999"), "");
    assert_eq!(left(&starts, "lasts 5s"), "");
    let ends = all(Kind::End, 0, 2_000);
    assert_eq!(left(&ends, "before @0.000000999"), "46");
    assert_eq!(left(&ends, "after @0.000002001"), "");
    assert_eq!(left(&ends, "lasts 5s"), "");
}

/// A directory knows families and times, but no addresses.
#[test]
fn what_the_directory_says_rules_out() {
    let bytes = segment((0..100).map(v4));
    let segment = Segment::open(&bytes).unwrap();
    let directory = segment.footer().unwrap().directory;
    let both = directory[0].joined(&directory[1]);
    for (text, [ipv4, ipv6, together]) in [
        ("ip 10.0.0.0/8", [false, true, false]),
        ("ip 2001:db8::1", [true, false, false]),
        ("ip 10.0.0.1 and ip 2001:db8::1", [true, true, true]),
        ("before @0.5", [false, false, false]),
        ("lasts 1s", [true, true, true]),
        ("port 1", [false, false, false]),
    ] {
        let filter = filter(text);
        let out = [directory[0], directory[1], both].map(|entry| filter.rules_out_entry(&entry));
        assert_eq!(out, [ipv4, ipv6, together], "{text}");
    }
}
