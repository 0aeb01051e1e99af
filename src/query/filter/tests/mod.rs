//! What a filter keeps, what it rules out, and what is said of one that is wrong.

mod blocks;
mod by_chance;
mod language;
mod naive;

use ctrecorder_format::{Kind, Record, V4, V6};

use super::*;
use crate::sample::record;

fn filter(text: &str) -> Filter {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// A flow from 10.0.0.x:1024 to 198.51.100.7:443, by way of 203.0.113.1:2048.
fn v4(inside: u8) -> Record<V4> {
    let (inside, server, public) = (([10, 0, 0, inside], 1024), ([198, 51, 100, 7], 443), ([203, 0, 113, 1], 2048));
    record(Kind::Start, 1, 0, [inside, server, server, public])
}

/// A flow from 2001:db8::x, likewise.
fn v6(inside: u8) -> Record<V6> {
    let host = |last| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    record(Kind::Start, 1, 0, [(host(inside), 1024), (host(200), 443), (host(200), 443), (host(201), 2048)])
}

#[test]
fn an_address_or_port_counts_wherever_it_stands() {
    for network in
        ["10.0.0.1", "198.51.100.7", "203.0.113.1", "10.0.0.0/31", "203.0.113.255/24", "0.0.0.0/0", "::ffff:10.0.0.1"]
    {
        assert!(filter(&format!("ip {network}")).matches(&v4(1)), "{network}");
    }
    for network in ["10.0.0.2", "10.0.0.2/31", "::/0", "::ffff:10.0.0.2"] {
        assert!(!filter(&format!("ip {network}")).matches(&v4(1)), "{network}");
    }
    for network in ["2001:db8::1", "2001:db8::/32", "::/0"] {
        assert!(filter(&format!("ip {network}")).matches(&v6(1)), "{network}");
    }
    assert!(!filter("ip 0.0.0.0/0").matches(&v6(1)));
    for (port, expected) in [(1024, true), (443, true), (2048, true), (0, false), (444, false)] {
        assert_eq!(filter(&format!("port {port}")).matches(&v4(1)), expected);
    }
    assert!(Filter::default().matches(&v6(1)));
}

#[test]
fn address_and_port_may_be_of_different_endpoints() {
    assert!(filter("ip 10.0.0.1 and port 2048").matches(&v4(1)));
    assert!(!filter("ip 10.0.0.1 and port 2049").matches(&v4(1)));
    assert!(!filter("ip 10.0.0.2 and port 2048").matches(&v4(1)));
}

/// Behind translation, the source of a flow is where its answers go.
#[test]
fn places_are_those_of_the_flow() {
    for (place, inside, server, public) in [
        ("pre src", true, false, false),
        ("pre dst", false, true, false),
        ("post src", false, false, true),
        ("post dst", false, true, false),
        ("pre", true, true, false),
        ("post", false, true, true),
        ("src", true, false, true),
        ("dst", false, true, false),
        ("", true, true, true),
    ] {
        for (condition, expected) in [
            ("ip 10.0.0.1", inside),
            ("port 1024", inside),
            ("ip 198.51.100.7", server),
            ("port 443", server),
            ("ip 203.0.113.1", public),
            ("port 2000:2100", public),
        ] {
            assert_eq!(filter(&format!("{place} {condition}")).matches(&v4(1)), expected, "{place} {condition}");
        }
    }
}

#[test]
fn what_is_translated_is_told_from_the_tuples() {
    let (inside, server, public) = (([10, 0, 0, 1], 7), ([198, 51, 100, 7], 9), ([203, 0, 113, 1], 7));
    let translated = |endpoints, protocol| is_translated(&Record { protocol, ..record(Kind::Start, 1, 0, endpoints) });
    for protocol in [6, 17, 47] {
        assert!(!translated([inside, server, server, inside], protocol));
        assert!(translated([inside, server, server, public], protocol));
        assert!(translated([inside, server, server, (inside.0, 8)], protocol));
        assert!(translated([inside, server, (public.0, 9), inside], protocol));
        assert!(translated([inside, server, (server.0, 8), inside], protocol));
    }
    // An echo: id 77, type 8 and code 0; the answer has type 0.
    let (ask, asked) = ((inside.0, 77), (server.0, 8 * 256));
    for protocol in [1, 58] {
        assert!(!translated([ask, asked, (server.0, 77), (inside.0, 0)], protocol));
        assert!(translated([ask, asked, (server.0, 78), (inside.0, 0)], protocol));
        assert!(translated([ask, asked, (server.0, 77), (public.0, 0)], protocol));
    }
}

/// The table of docs/reading.md: of which of the moments 1 to 5 a record is news, and at which its flow was alive.
#[test]
fn times_are_those_that_the_record_tells() {
    for (kind, start, end, news, alive) in [
        (Kind::Start, 3, 0, vec![3], vec![3, 4, 5]),
        (Kind::Update, 3, 0, vec![3], vec![3, 4, 5]),
        (Kind::End, 0, 3, vec![3], vec![1, 2, 3]),
        (Kind::End, 2, 3, vec![3], vec![2, 3]),
        (Kind::Flow, 2, 4, vec![2, 3, 4], vec![2, 3, 4]),
        (Kind::Flow, 3, 0, vec![3, 4, 5], vec![3, 4, 5]),
        (Kind::Flow, 0, 3, vec![1, 2, 3], vec![1, 2, 3]),
        (Kind::Open, 3, 0, vec![3, 4, 5], vec![3, 4, 5]),
        (Kind::Open, 0, 0, vec![1, 2, 3, 4, 5], vec![1, 2, 3, 4, 5]),
    ] {
        let record: Record<V4> = Record { kind: kind as u8, start: start.into(), end: end.into(), ..v4(1) };
        let keeps = |condition| Filter::from(condition).matches(&record);
        let at: Vec<_> = (1..=5).filter(|moment| keeps(Condition::At(*moment))).collect();
        assert_eq!(at, alive, "{kind:?} {start} {end}");
        for (begin, end) in (1..=5).flat_map(|begin| (begin..=5).map(move |end| (begin, end))) {
            let within = keeps(Condition::After(begin)) && keeps(Condition::Before(end));
            assert_eq!(within, news.iter().any(|moment| (begin..=end).contains(moment)), "{kind:?} {begin} {end}");
        }
        let lasted = |span| start != 0 && end != 0 && end - start >= span;
        assert!((0..4).all(|span| keeps(Condition::Lasted(span)) == lasted(span)), "{kind:?} {start} {end}");
    }
}
