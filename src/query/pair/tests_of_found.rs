//! Flows that a reading of the kernel's table is the first to name, though all that had begun before were known.

use ctrecorder_format::record::flags::{CLOCK_SET, END_AT_LATEST, RECOVERED};
use ctrecorder_format::{Cause, Content, Damage, Fault, Header, Kind, Note, Record, V4, legacy};

use super::tests_of_readings::{Work, header, tcp, version_2};
use crate::journal::Version;

/// A run that knew all flows that were alive, and heard of all that began, until it was killed at 50.
fn first_run(header: &Header) -> Work {
    let mut work = Work::default();
    work.begin(header, Some(50));
    work.read(1, 2);
    work.push(&tcp(Kind::Start, 1, 10, 0));
    work
}

/// The next run finds the flow of the first one, and one that nobody knew. Since when the reading says that this had begun.
fn second_run(work: &mut Work, header: &Header) -> u64 {
    work.begin(header, None);
    work.push(&tcp(Kind::Open, 1, 0, 0));
    work.push(&tcp(Kind::Open, 2, 0, 0));
    work.read(101, 110)
}

const FOUND: [(u16, u64, u64, u8); 2] = [(1, 10, 0, 0), (2, 110, 0, RECOVERED)];
const UNKNOWN: [(u16, u64, u64, u8); 2] = [(2, 0, 0, 0), (1, 10, 0, 0)];

/// What is known of the second flow behind both runs.
fn both(mut work: Work, second: &Header) -> (u64, Vec<(u16, u64, u64, u8)>) {
    let since = second_run(&mut work, second);
    (since, work.finish())
}

#[test]
fn a_flow_that_the_run_before_did_not_know_began_behind_it() {
    let second = header(100, 0, 100);
    assert_eq!(both(first_run(&header(1, 0, 1)), &second), (50, FOUND.to_vec()));
    // Its end has the start that is known, too, and so has the next run.
    let mut work = first_run(&header(1, 0, 1));
    second_run(&mut work, &second);
    work.push(&tcp(Kind::End, 2, 0, 150));
    assert_eq!(work.finish(), [(2, 110, 150, RECOVERED), (1, 10, 0, 0)]);
    let mut work = first_run(&header(1, 0, 1));
    second_run(&mut work, &second);
    work.begin(&header(300, 0, 300), None);
    work.push(&tcp(Kind::Open, 2, 0, 0));
    assert_eq!(work.read(301, 310), 100);
    assert_eq!(work.finish(), [(1, 10, 310, END_AT_LATEST), (2, 110, 0, RECOVERED)]);
}

#[test]
fn a_gap_that_no_reading_followed_is_since_when_it_may_have_begun() {
    let second = header(100, 0, 100);
    let gap = Note::gap(30, 35, 1, Cause::KernelOverrun);
    let mut work = first_run(&header(1, 0, 1));
    work.pairs.note(&gap, &mut work.flows);
    assert_eq!(both(work, &second), (30, FOUND.to_vec()));
    let mut work = first_run(&header(1, 0, 1));
    work.pairs.note(&gap, &mut work.flows);
    work.read(2, 40);
    let mut again = work;
    again.begin(&header(1, 1, 50), Some(60));
    assert_eq!(second_run(&mut again, &second), 60);
    // Of a segment some of whose records are lost, its begin.
    let mut work = first_run(&header(1, 0, 1));
    work.begin(&header(1, 1, 50), Some(60));
    let lost = Damage { offset: 0, length: 1, fault: Fault::NoBlock, records_lost: None };
    work.pairs.damage(&lost);
    assert_eq!(both(work, &second), (50, FOUND.to_vec()));
}

/// The second run found it, and what that had lost in a gap of its own says nothing of it.
#[test]
fn of_a_flow_that_an_earlier_reading_named_a_later_one_says_nothing() {
    let mut work = Work::default();
    second_run(&mut work, &header(100, 0, 100));
    work.pairs.note(&Note::gap(120, 125, 1, Cause::KernelOverrun), &mut work.flows);
    work.push(&tcp(Kind::Open, 2, 0, 0));
    assert_eq!(work.read(110, 130), 110);
    work.begin(&header(300, 0, 300), None);
    work.push(&tcp(Kind::Open, 1, 0, 0));
    work.push(&tcp(Kind::Open, 2, 0, 0));
    assert_eq!(work.read(301, 310), 301);
    assert_eq!(work.finish(), [(1, 0, 0, 0), (2, 0, 0, 0)]);
}

#[test]
fn a_run_that_did_not_know_all_flows_bounds_none() {
    let (first, second) = (header(1, 0, 1), header(100, 0, 100));
    let unread = |header: &Header| {
        let mut work = Work::default();
        work.begin(header, Some(50));
        work.push(&tcp(Kind::Start, 1, 10, 0));
        work
    };
    // Namespaces with an id: in the low bits the inode's number, which another one has that was there before it had the id.
    let with_id = |number: u64, header: &Header| Header { namespace: 1 << 32 | number, ..header.clone() };
    for (why, work, second) in [
        ("the table was not read", unread(&first), second.clone()),
        ("families", first_run(&Header { families: 2, ..first.clone() }), second.clone()),
        ("protocols", first_run(&Header { protocols: vec![17], ..first.clone() }), second.clone()),
        ("filters", first_run(&Header { filters: "some".into(), ..first.clone() }), second.clone()),
        ("another one with this id", first_run(&with_id(7, &first)), with_id(8, &second)),
    ] {
        let (_, told) = both(work, &second);
        assert_eq!(told, UNKNOWN, "{why}");
    }
    assert_eq!(both(first_run(&with_id(7, &first)), &with_id(7, &second)).1, FOUND);
    for (why, second) in [
        ("host", Header { host: "nat2".into(), ..second.clone() }),
        ("namespace", Header { namespace: 7, ..second.clone() }),
        ("machine", Header { machine: [2; 16], ..second.clone() }),
        ("filters", Header { filters: "some".into(), ..second }),
    ] {
        let first = Header { machine: [1; 16], ..first.clone() };
        assert_eq!(both(first_run(&first), &second).1, UNKNOWN, "{why}");
    }
}

#[test]
fn of_two_kinds_that_which_both_runs_recorded_is_bound() {
    let mut work = first_run(&Header { protocols: vec![6], ..header(1, 0, 1) });
    work.begin(&Header { protocols: vec![], ..header(100, 0, 100) }, None);
    let udp = |record: Record<V4>| Record { protocol: 17, ..record };
    work.push(&tcp(Kind::Open, 2, 0, 0));
    work.push(&udp(tcp(Kind::Open, 3, 0, 0)));
    assert_eq!(work.read(101, 110), 50);
    assert_eq!(work.finish(), [(1, 10, 110, END_AT_LATEST), (3, 0, 0, 0), (2, 110, 0, RECOVERED)]);
}

/// It had shown 50, and shows 45 after all flows were named.
#[test]
fn a_clock_that_was_set_back_bounds_none() {
    let mut work = first_run(&header(1, 0, 1));
    work.begin(&header(40, 0, 40), None);
    work.push(&tcp(Kind::Open, 1, 0, 0));
    work.push(&tcp(Kind::Open, 2, 0, 0));
    assert_eq!(work.read(41, 45), 41);
    assert_eq!(work.finish(), UNKNOWN);
    // That is not known to the next run, which takes the time at which it begins for the end of the one before.
    let mut work = first_run(&header(1, 0, 1));
    work.begin(&header(40, 0, 40), None);
    work.pairs.note(&Note::gap(40, 40, Note::LOST_UNKNOWN, Cause::NotRunning), &mut work.flows);
    work.push(&tcp(Kind::Open, 2, 0, 0));
    assert_eq!(work.read(41, 60), 40);
    assert_eq!(work.finish(), [(1, 10, 60, END_AT_LATEST), (2, 0, 0, 0)]);
}

/// Of which no file tells by an id what became of it.
#[test]
fn a_file_of_version_2_between_bounds_none() {
    let bytes = version_2();
    let mut work = first_run(&header(1, 0, 1));
    work.pairs.begin(&Version::Two(legacy::File::open(&bytes).unwrap()), &mut work.flows);
    assert_eq!(both(work, &header(100, 0, 100)).1, UNKNOWN);
}

#[test]
fn a_reading_of_which_records_are_lost_bounds_none() {
    let mut work = first_run(&header(1, 0, 1));
    work.begin(&header(100, 0, 100), Some(200));
    work.push(&tcp(Kind::Open, 2, 0, 0));
    work.pairs.damage(&Damage { offset: 0, length: 1, fault: Fault::NoBlock, records_lost: Some(1) });
    assert_eq!(work.read(101, 110), 101);
    assert_eq!(work.finish(), UNKNOWN);
}

/// What goes on with a segment of flows is told by the note before what that leaves open.
#[test]
fn what_a_segment_of_flows_leaves_open_says_whether_it_is_all() {
    let flows = Header { content: Content::Flows, marks_clock_sets: true, ..header(1, 0, 1) };
    let goes_on = |note: &Note, header: &Header, damage: bool| {
        let mut work = Work::default();
        work.begin(header, Some(50));
        if damage {
            work.pairs.damage(&Damage { offset: 0, length: 1, fault: Fault::NoBlock, records_lost: Some(1) });
        }
        work.pairs.note(note, &mut work.flows);
        work.push(&tcp(Kind::Open, 1, 10, 0));
        both(work, &self::header(100, 0, 100))
    };
    let mut work = first_run(&header(1, 0, 1));
    let all = work.pairs.leave(50, &mut work.flows);
    assert_eq!(all, Note::gap(50, 50, 50, Cause::LeftOpen).with_value(1));
    assert_eq!(goes_on(&all, &flows, false), (50, FOUND.to_vec()));
    work.pairs.note(&Note::gap(30, 35, 1, Cause::KernelOverrun), &mut work.flows);
    let since = work.pairs.leave(50, &mut work.flows);
    assert_eq!(since, Note::gap(30, 50, 30, Cause::LeftOpen).with_value(1));
    assert_eq!(goes_on(&since, &flows, false), (30, FOUND.to_vec()));
    let not_all = Note::at(50, Cause::LeftOpen);
    assert_eq!(goes_on(&not_all, &flows, false).1, UNKNOWN);
    assert_eq!(goes_on(&all, &flows, true).1, UNKNOWN);
    let chosen = Header { filters: "some".into(), ..flows };
    assert_eq!(goes_on(&all, &chosen, false).1, UNKNOWN);
    // What is left out there is left out here, too.
    let mut work = Work::default();
    work.begin(&chosen, Some(50));
    work.pairs.go_on(&all);
    work.push(&tcp(Kind::Open, 1, 10, 0));
    assert_eq!(both(work, &self::header(100, 0, 100)), (50, FOUND.to_vec()));
    // Whoever did not know all says so.
    let mut work = Work::default();
    second_run(&mut work, &Header { filters: "some".into(), ..header(100, 0, 100) });
    assert_eq!(work.pairs.leave(200, &mut work.flows).lost.get(), 0);
}

/// What goes on with a segment of flows marks what the journal itself would have.
#[test]
fn a_flow_that_is_found_behind_a_reading_that_came_after_the_clock_was_set_did_not_see_that() {
    for (is_read_again, flags) in [(true, RECOVERED), (false, RECOVERED | CLOCK_SET)] {
        let mut work = Work::default();
        work.begin(&header(1, 0, 1), Some(50));
        work.read(1, 10);
        work.pairs.note(&Note::clock_step(9, -20), &mut work.flows);
        if is_read_again {
            work.read(10, 20);
        }
        let left = work.pairs.leave(50, &mut work.flows);
        let mut next = Work::default();
        next.begin(&header(1, 0, 1), Some(50));
        next.pairs.go_on(&left);
        for mut work in [work, next] {
            work.begin(&header(1, 1, 50), Some(100));
            work.push(&Record { flags: RECOVERED, ..tcp(Kind::Start, 1, 60, 0) });
            assert_eq!(work.finish(), [(1, 60, 0, flags)]);
        }
    }
}
