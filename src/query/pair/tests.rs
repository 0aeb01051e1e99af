//! What pairing makes of records.

use std::collections::HashSet;

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Counters, Kind, NS_PER_SECOND, Note, Record, V4, V6};
use proptest::prelude::*;

use super::Pairing;
use super::open::are_of_one_flow;
use crate::output::{Classic, Zone};
use crate::sample::{data, record, recorded};

const INSIDE: ([u8; 4], u16) = ([10, 0, 0, 1], 1024);
const SERVER: ([u8; 4], u16) = ([198, 51, 100, 7], 443);
const PUBLIC: ([u8; 4], u16) = ([203, 0, 113, 1], 2048);

fn tcp(kind: Kind, start: u64, end: u64) -> Record<V4> {
    record(kind, start, end, [INSIDE, SERVER, SERVER, PUBLIC])
}

/// What pairing makes of these records: the flows that leave by the way, and those that leave at the finish.
fn paired<A: Address>(records: &[Record<A>]) -> (Vec<Record<A>>, Vec<Record<A>>) {
    let (mut flows, mut pairing) = (Vec::new(), Pairing::new());
    for record in records {
        pairing.push(record, None, &mut |flow, _| flows.push(flow));
    }
    let mut left = Vec::new();
    pairing.finish(&mut |flow, _| left.push(flow));
    (flows, left)
}

fn lines(flows: &[Record<V4>]) -> Vec<String> {
    let (mut classic, mut out) = (Classic::new(Zone::utc()), Vec::new());
    flows.iter().for_each(|flow| classic.event(&mut out, flow));
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_c_programs_pairs_are_found_in_its_order_and_the_starts_it_dropped() {
    let golden = String::from_utf8(data("tcp.combined.list.utc.txt")).unwrap();
    let udp_golden = lines(&recorded("udp.combined.ct"));
    let tcp_golden: Vec<_> = golden.lines().map(str::to_owned).collect();
    for (file, golden, starts) in [("tcp.ct", tcp_golden, 137), ("udp.ct", udp_golden, 42)] {
        let (flows, left) = paired(&recorded(file));
        let (flows, left) = (lines(&flows), lines(&left));
        let (whole, half) = golden.split_at(flows.len());
        assert_eq!(flows, whole, "{file}");
        assert!(left.is_sorted() && half.iter().all(|line| left.contains(line)), "{file}");
        assert_eq!(flows.len() + left.len(), starts, "{file}");
        // One hash bucket of the C program's squeeze ended with a start of its own: that one it dropped.
        assert_eq!(left.len(), half.len() + 1, "{file}");
    }
}

#[test]
fn a_flow_takes_from_each_side_what_that_knows() {
    let mut start = tcp(Kind::Start, 5, 0);
    (start.mark, start.status, start.tcp_state) = (7.into(), 1.into(), 1);
    start.flags = flags::START_FROM_KERNEL | flags::RECOVERED | flags::END_AT_LATEST;
    let mut update = tcp(Kind::Update, 6, 0);
    (update.status, update.tcp_state, update.flags) = (8.into(), 3, flags::REPLY_SEEN);
    let mut end = tcp(Kind::End, 0, 9);
    end.flags = flags::END_FROM_KERNEL;

    let mut flow = tcp(Kind::Flow, 5, 9);
    (flow.mark, flow.status, flow.tcp_state) = (7.into(), 9.into(), 3);
    flow.flags = flags::START_FROM_KERNEL | flags::RECOVERED | flags::REPLY_SEEN | flags::END_FROM_KERNEL;
    assert_eq!(paired(&[start, update, end]), (vec![flow], vec![]));

    (end.mark, end.status, end.tcp_state) = (1.into(), 2.into(), 4);
    (flow.mark, flow.status, flow.tcp_state) = (1.into(), 2.into(), 4);
    assert_eq!(paired(&[start, update, end]), (vec![flow], vec![]));
}

/// A start that was found and an end that was not heard stay marked as such, whoever knew the times.
#[test]
fn what_was_found_stays_marked() {
    let flagged = |mut record: Record<V4>, flags| {
        record.flags = flags;
        record
    };
    let found = flagged(tcp(Kind::Start, 5, 0), flags::RECOVERED);
    let gone = |start, flags| flagged(tcp(Kind::End, start, 9), flags | flags::END_AT_LATEST);
    for (end, flow) in [(gone(0, 0), tcp(Kind::Flow, 5, 9)), (gone(4, flags::START_FROM_KERNEL), tcp(Kind::Flow, 4, 9))]
    {
        let flow = flagged(flow, end.flags | flags::RECOVERED);
        assert_eq!(paired(&[found, tcp(Kind::Open, 5, 0), end]), (vec![flow], vec![]));
    }
    let half = flagged(tcp(Kind::Flow, 5, 0), flags::RECOVERED);
    assert_eq!(paired(&[found]), (vec![], vec![half]));
    // Where the start is lost, what repeats it is marked; what was heard is not, whatever an end says.
    let (open, end) =
        (flagged(tcp(Kind::Open, 5, 0), flags::RECOVERED), flagged(tcp(Kind::End, 5, 9), flags::RECOVERED));
    let flow = flagged(tcp(Kind::Flow, 5, 9), flags::RECOVERED);
    for records in [&[end][..], &[open, tcp(Kind::End, 0, 9)], &[tcp(Kind::Open, 0, 0), open, tcp(Kind::End, 0, 9)]] {
        assert_eq!(paired(records), (vec![flow], vec![]));
    }
    assert_eq!(paired(&[tcp(Kind::Start, 5, 0), end]), (vec![tcp(Kind::Flow, 5, 9)], vec![]));
}

#[test]
fn a_repeated_open_record_gives_the_start_that_was_not_known() {
    let mut knowing = tcp(Kind::Open, 3, 0);
    knowing.flags = flags::START_FROM_KERNEL;
    let mut flow = tcp(Kind::Flow, 3, 9);
    flow.flags = flags::START_FROM_KERNEL;
    assert_eq!(paired(&[tcp(Kind::Open, 0, 0), knowing, tcp(Kind::End, 0, 9)]), (vec![flow], vec![]));
    // One that is known is not changed.
    assert_eq!(paired(&[tcp(Kind::Start, 5, 0), knowing, tcp(Kind::End, 0, 9)]).0, [tcp(Kind::Flow, 5, 9)]);
}

#[test]
fn an_open_record_tells_how_far_its_flow_has_come() {
    let mut start = tcp(Kind::Start, 5, 0);
    (start.mark, start.status, start.tcp_state) = (7.into(), 1.into(), 1);
    let mut open = tcp(Kind::Open, 5, 0);
    (open.status, open.tcp_state, open.flags) = (10.into(), 3, flags::REPLY_SEEN);
    let mut half = tcp(Kind::Flow, 5, 0);
    (half.mark, half.status, half.tcp_state, half.flags) = (7.into(), 11.into(), 3, flags::REPLY_SEEN);
    assert_eq!(paired(&[start, open]), (vec![], vec![half]));
}

#[test]
fn an_update_changes_the_half_flow_and_alone_makes_one_of_no_times() {
    let mut update = tcp(Kind::Update, 6, 0);
    (update.mark, update.flags) = (9.into(), flags::REPLY_SEEN);
    let half = |start| Record { mark: 9.into(), flags: flags::REPLY_SEEN, ..tcp(Kind::Flow, start, 0) };
    assert_eq!(paired(&[tcp(Kind::Start, 5, 0), update]), (vec![], vec![half(5)]));
    assert_eq!(paired(&[update, update]), (vec![], vec![half(0)]));
    assert_eq!(paired(&[update, tcp(Kind::End, 0, 9)]).0.len(), 1);
}

/// The same as version 3 has it.
fn named(mut record: Record<V4>) -> Record<V4> {
    (record.id, record.zone) = (7.into(), 3.into());
    record
}

#[test]
fn a_flow_of_which_files_of_both_versions_tell_is_one() {
    let (start, end) = (tcp(Kind::Start, 5_000, 0), tcp(Kind::End, 0, 9_000));
    let (open, flow) = (named(tcp(Kind::Open, 5_321, 0)), tcp(Kind::Flow, 5_000, 9_000));
    assert_eq!(paired(&[start, named(end)]), (vec![named(flow)], vec![]));
    assert_eq!(paired(&[named(start), end]), (vec![flow], vec![]));
    assert_eq!(paired(&[start, open, named(end)]), (vec![named(flow)], vec![]));
    assert_eq!(paired(&[start, open]), (vec![], vec![named(tcp(Kind::Flow, 5_000, 0))]));
    assert_eq!(paired(&[start, open, end]), (vec![flow], vec![]));
    assert_eq!(paired(&[named(start), tcp(Kind::Update, 6_000, 0), named(end)]), (vec![named(flow)], vec![]));
}

#[test]
fn flows_of_both_versions_that_began_at_other_times_are_two() {
    let (start, other) = (tcp(Kind::Start, 5_000, 0), named(tcp(Kind::Start, 7_000, 0)));
    let (end, other_end) = (tcp(Kind::End, 0, 9_000), named(tcp(Kind::End, 7_000, 8_000)));
    let whole = [named(tcp(Kind::Flow, 7_000, 8_000)), tcp(Kind::Flow, 5_000, 9_000)];
    assert_eq!(paired(&[start, other, other_end, end]), (whole.to_vec(), vec![]));
    assert_eq!(paired(&[start, other_end]), (vec![whole[0]], vec![tcp(Kind::Flow, 5_000, 0)]));
}

#[test]
fn the_kernels_start_wins() {
    let kernel = |mut record: Record<V4>| {
        record.flags = flags::START_FROM_KERNEL;
        record
    };
    let start = tcp(Kind::Start, 5, 0);
    let (end, flow) = (|start| tcp(Kind::End, start, 9), |start| tcp(Kind::Flow, start, 9));
    for (records, expected) in [
        (vec![start, kernel(end(4))], kernel(flow(4))),
        (vec![start, end(4)], flow(5)),
        (vec![kernel(start), end(4)], kernel(flow(5))),
        (vec![start, kernel(end(0))], flow(5)),
        (vec![tcp(Kind::Open, 0, 0), end(4)], flow(4)),
        (vec![kernel(end(4))], kernel(flow(4))),
        (vec![end(0)], flow(0)),
    ] {
        assert_eq!(paired(&records), (vec![expected], vec![]), "{records:?}");
    }
}

#[test]
fn a_stamp_that_is_later_than_what_is_known_is_of_another_flow() {
    let s = |second: u64| second * NS_PER_SECOND;
    let kernel = |mut record: Record<V4>| {
        record.flags = flags::START_FROM_KERNEL;
        record
    };
    let start = tcp(Kind::Start, s(50), 0);
    let ended = |flags| Record { flags: flags | flags::END_AT_LATEST, ..tcp(Kind::Flow, s(50), s(70)) };
    let (open, end) = (kernel(tcp(Kind::Open, s(70), 0)), kernel(tcp(Kind::End, s(70), s(90))));
    let second = kernel(tcp(Kind::Flow, s(70), s(90)));
    for (start, first) in [(start, ended(0)), (kernel(start), ended(flags::START_FROM_KERNEL))] {
        assert_eq!(paired(&[start, end]), (vec![first, second], vec![]));
        assert_eq!(paired(&[start, open, end]), (vec![first, second], vec![]));
        assert_eq!(paired(&[start, open]), (vec![first], vec![kernel(tcp(Kind::Flow, s(70), 0))]));
    }
    // It may be that of the event, some time before or after that of the flow.
    let soon = kernel(tcp(Kind::End, s(51), s(90)));
    assert_eq!(paired(&[kernel(start), soon]), (vec![kernel(tcp(Kind::Flow, s(51), s(90)))], vec![]));
    // Nobody knows which clock an end without the kernel's stamp has its start from, nor, where it was set, which one that of the recorder was.
    assert_eq!(paired(&[start, tcp(Kind::End, s(70), s(90))]), (vec![tcp(Kind::Flow, s(50), s(90))], vec![]));
    let (mut flows, mut pairing) = (Vec::new(), Pairing::new());
    pairing.push(&start, None, &mut |flow, _| flows.push(flow));
    pairing.clock_set(&Note::clock_step(NS_PER_SECOND, -1), false);
    pairing.push(&end, None, &mut |flow, _| flows.push(flow));
    assert_eq!(flows.len(), 1);
}

#[test]
fn counters_are_those_of_the_end() {
    let counted = |number: u64| Counters { original_bytes: number.into(), ..Counters::default() };
    let mut all = Vec::new();
    let mut pairing = Pairing::new();
    for (record, number) in
        [(tcp(Kind::Open, 5, 0), 1), (tcp(Kind::End, 0, 9), 2), (tcp(Kind::Flow, 1, 2), 3), (tcp(Kind::Open, 9, 0), 4)]
    {
        pairing.push(&record, Some(&counted(number)), &mut |_, counters| all.push(counters));
    }
    pairing.finish(&mut |_, counters| all.push(counters));
    assert_eq!(all, [counted(2), counted(3), Counters::default()]);
}

#[test]
fn whatever_is_not_the_same_flow_stays_apart() {
    let start = tcp(Kind::Start, 5, 0);
    let (own, other_id) = (named(start), Record { id: 1.into(), ..named(tcp(Kind::End, 0, 9)) });
    let half = Record { kind: Kind::Flow as u8, ..other_id };
    assert_eq!(paired(&[own, other_id]), (vec![half], vec![named(tcp(Kind::Flow, 5, 0))]));
    let others = [
        Record { protocol: 17, ..tcp(Kind::End, 0, 9) },
        Record { zone: 1.into(), ..tcp(Kind::End, 0, 9) },
        record(Kind::End, 0, 9, [INSIDE, SERVER, SERVER, (PUBLIC.0, 2049)]),
        record(Kind::End, 0, 9, [(INSIDE.0, 1025), SERVER, SERVER, PUBLIC]),
    ];
    for other in others {
        let half = Record { kind: Kind::Flow as u8, ..other };
        assert_eq!(paired(&[start, other]), (vec![half], vec![tcp(Kind::Flow, 5, 0)]));
    }
}

#[test]
fn a_kind_of_a_later_version_is_kept() {
    let unknown = Record { kind: 77, ..tcp(Kind::Start, 5, 0) };
    assert_eq!(paired(&[unknown, tcp(Kind::Flow, 1, 2)]), (vec![unknown, tcp(Kind::Flow, 1, 2)], vec![]));
}

/// The rules of [`Pairing::push`] without updates and flags, the plainest way: a list of what is open.
fn plainly(records: &[Record<V6>]) -> (Vec<Record<V6>>, Vec<Record<V6>>) {
    let (mut flows, mut open) = (Vec::new(), Vec::<Record<V6>>::new());
    let flow = |start: u64, end: u64, like: &Record<V6>| Record {
        start: start.into(),
        end: end.into(),
        kind: Kind::Flow as u8,
        ..*like
    };
    for record in records {
        let found = open.iter().position(|other| are_of_one_flow(other, record));
        match (record.kind().unwrap(), found) {
            (Kind::Start, Some(at)) => {
                flows.push(flow(open.remove(at).start.get(), 0, record));
                open.push(*record);
            }
            (Kind::Start | Kind::Open, None) => open.push(*record),
            (Kind::End, Some(at)) => flows.push(flow(open.remove(at).start.get(), record.end.get(), record)),
            (Kind::End | Kind::Flow, _) => flows.push(flow(record.start.get(), record.end.get(), record)),
            _ => {}
        }
    }
    open.sort_by_key(|record| record.start.get());
    (flows, open.iter().map(|record| flow(record.start.get(), 0, record)).collect())
}

proptest! {
    #[test]
    fn pairing_is_what_the_rules_say(steps in prop::collection::vec((0..5_u8, 0..4_u8, 0..3_u64), 0..60)) {
        let kinds = [Kind::Start, Kind::Start, Kind::End, Kind::Open, Kind::Flow];
        let mut time = 0;
        let records: Vec<Record<V6>> = steps.into_iter().map(|(kind, host, pause)| {
            time += pause;
            let kind = kinds[usize::from(kind)];
            let (start, end) = match kind {
                Kind::End => (0, time + 1),
                Kind::Flow => (time, time + 1),
                _ => (time + 1, 0),
            };
            let host = ([host; 16], 1024);
            record(kind, start, end, [host, ([9; 16], 443), ([9; 16], 443), host])
        }).collect();
        prop_assert_eq!(paired(&records), plainly(&records));
    }
}

/// Bounded by the flows open at once, not by the flows there were.
#[test]
fn memory_does_not_grow_with_the_journal() {
    let mut pairing = Pairing::new();
    let mut flows = HashSet::new();
    for number in 0..100_000_u64 {
        let port = (number % 60_000) as u16;
        let endpoints = [(INSIDE.0, port), SERVER, SERVER, (PUBLIC.0, port)];
        let mut emit = |flow: Record<V4>, _| assert!(flows.insert((flow.start.get(), flow.end.get())));
        pairing.push(&record(Kind::Start, number + 1, 0, endpoints), None, &mut emit);
        pairing.push(&record(Kind::End, 0, number + 2, endpoints), None, &mut emit);
    }
    assert_eq!(flows.len(), 100_000);
    assert!(pairing.capacity() < 100, "{}", pairing.capacity());
}

/// A flow whose start was heard, and that ended, while the clock was not set, says nothing of that.
#[test]
fn flows_that_were_open_when_the_clock_was_set_are_marked() {
    let with_id = |record: Record<V4>, id: u32| Record { id: id.into(), ..record };
    let mut flows = Vec::new();
    let mut emit = |flow: Record<V4>, _: Counters| flows.push((flow.id.get(), flow.flags & flags::CLOCK_SET != 0));
    let mut pairing = Pairing::new();
    for record in [tcp(Kind::Start, 1, 0), with_id(tcp(Kind::Start, 1, 0), 1), with_id(tcp(Kind::Start, 1, 0), 2)] {
        pairing.push(&record, None, &mut emit);
    }
    pairing.push(&tcp(Kind::End, 0, 2), None, &mut emit);
    pairing.clock_set(&Note::clock_step(9, -1), false);
    pairing.push(&with_id(tcp(Kind::End, 0, 3), 1), None, &mut emit);
    pairing.push(&with_id(tcp(Kind::Start, 4, 0), 3), None, &mut emit);
    pairing.push(&with_id(tcp(Kind::End, 0, 5), 3), None, &mut emit);
    // Nobody knows when these began.
    pairing.push(&with_id(tcp(Kind::End, 0, 6), 4), None, &mut emit);
    pairing.push(&with_id(tcp(Kind::Open, 0, 0), 5), None, &mut emit);
    pairing.finish(&mut emit);
    assert_eq!(flows, [(0, false), (1, true), (3, false), (4, true), (5, true), (2, true)]);
}
