//! What pairing makes of files of flows that were made of a journal part by part.

use ctrecorder_format::record::flags::{END_FROM_KERNEL, START_FROM_KERNEL};
use ctrecorder_format::{Kind, Record, V4};

use super::line::Place;
use super::pairing::Pairing;
use crate::sample::record;

const INSIDE: ([u8; 4], u16) = ([10, 0, 0, 1], 1024);
const SERVER: ([u8; 4], u16) = ([198, 51, 100, 7], 443);
const PUBLIC: ([u8; 4], u16) = ([203, 0, 113, 1], 2048);

/// A record of one flow, with the kernel's id.
fn named(kind: Kind, start: u64, end: u64) -> Record<V4> {
    Record { id: 9.into(), ..record(kind, start, end, [INSIDE, SERVER, SERVER, PUBLIC]) }
}

/// The same with the kernel's stamps.
fn stamped(kind: Kind, start: u64, end: u64) -> Record<V4> {
    let flags = START_FROM_KERNEL | if end == 0 { 0 } else { END_FROM_KERNEL };
    Record { flags, ..named(kind, start, end) }
}

/// What pairing makes of files one behind the other, of flows or of events: each tells from when the one before it ended,
/// 100, 200, ..., in its records.
fn paired(are_of_flows: bool, files: &[&[Record<V4>]]) -> Vec<Record<V4>> {
    let (mut flows, mut pairing) = (Vec::new(), Pairing::new());
    for (number, records) in (0..).zip(files) {
        let place = Place { file: number + 1, is_of_flows: are_of_flows, is_nameless: false, ..Place::default() };
        pairing.enter(Place { told_before: u64::from(number) * 100, ..place });
        for record in *records {
            pairing.push(record, None, &mut |flow, _| flows.push(flow));
        }
    }
    pairing.finish(&mut |flow, _| flows.push(flow));
    flows
}

/// A start has the kernel's stamp of its event, what tells of the flow later has that of the flow.
#[test]
fn what_began_by_the_end_of_a_file_is_the_flow_that_it_left_open_whatever_its_stamp() {
    let (early, late) = (stamped(Kind::Open, 50, 0), stamped(Kind::Open, 53, 0));
    for start in [47, 50, 53] {
        let whole = stamped(Kind::Flow, start, 250);
        for opens in [[early, early], [early, late], [late, early]] {
            assert_eq!(paired(true, &[&opens[..1], &opens[1..], &[whole]]), [whole]);
        }
    }
}

#[test]
fn what_began_later_than_a_file_told_is_another_flow_than_it_left_open() {
    let (open, next) = (stamped(Kind::Open, 50, 0), stamped(Kind::Flow, 110, 150));
    assert_eq!(paired(true, &[&[open], &[next]]), [next, stamped(Kind::Flow, 50, 0)]);
    // Where the output between them is missing, the next one is open.
    let later = stamped(Kind::Open, 110, 0);
    assert_eq!(paired(true, &[&[open], &[later]]), [stamped(Kind::Flow, 50, 0), stamped(Kind::Flow, 110, 0)]);
}

#[test]
fn the_halves_that_parts_tell_of_one_flow_are_one_flow() {
    let (begun, open) = (named(Kind::Flow, 50, 0), named(Kind::Flow, 0, 0));
    let whole = named(Kind::Flow, 50, 250);
    for parts in [[begun, open, named(Kind::Flow, 0, 250)], [begun, begun, whole]] {
        assert_eq!(paired(true, &parts.each_ref().map(std::slice::from_ref)), [whole]);
    }
    assert_eq!(paired(true, &[&[begun], &[open]]), [begun]);
    assert_eq!(paired(true, &[&[open], &[named(Kind::Flow, 0, 150)]]), [named(Kind::Flow, 0, 150)]);
}

/// What is in one file was paired when that was made.
#[test]
fn the_halves_that_one_file_tells_of_are_of_two_flows() {
    let (begun, ended) = (named(Kind::Flow, 50, 0), named(Kind::Flow, 0, 70));
    assert_eq!(paired(true, &[&[begun, ended]]), [ended, begun]);
    // Set back between them, the clock shows less where the kernel has given the id again.
    let (first, again) = (named(Kind::Flow, 90, 0), named(Kind::Open, 50, 0));
    assert_eq!(paired(true, &[&[first, again]]), [first, Record { kind: Kind::Flow as u8, ..again }]);
    // But two recorders at a time tell of the same start.
    assert_eq!(paired(true, &[&[first, named(Kind::Open, 90, 0)]]), [first]);
}

/// Of version 2, where nothing but the order tells flows of the same tuples apart.
#[test]
fn a_half_without_an_id_stays_one() {
    let nameless = |start, end| Record { id: 0.into(), ..named(Kind::Flow, start, end) };
    let parts = [nameless(50, 0), nameless(0, 150)];
    assert_eq!(paired(true, &[&parts[..1], &parts[1..]]), parts);
}

#[test]
fn a_flow_has_the_stamp_that_keyframe_and_end_have_of_its_start() {
    let (start, open) = (stamped(Kind::Start, 50, 0), stamped(Kind::Open, 53, 0));
    assert_eq!(paired(false, &[&[start], &[open]]), [stamped(Kind::Flow, 53, 0)]);
    let end = stamped(Kind::End, 53, 250);
    assert_eq!(paired(false, &[&[start], &[open], &[end]]), [stamped(Kind::Flow, 53, 250)]);
    // What the recorder's clock showed of a start is not the kernel's.
    let found = named(Kind::Open, 53, 0);
    assert_eq!(paired(false, &[&[start], &[found]]), [stamped(Kind::Flow, 50, 0)]);
}
