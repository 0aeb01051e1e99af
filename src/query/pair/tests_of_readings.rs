//! Which flows are gone by what readings of the kernel's table say.

use ctrecorder_format::record::flags::{CLOCK_SET, END_AT_LATEST, RECOVERED};
use ctrecorder_format::{
    Cause, Closing, Content, Counters, Damage, Fault, Header, Kind, NS_PER_SECOND, Note, Record, Segment, Uptime, V4,
    V6, Writer, legacy,
};

use super::{FlowSink, Pairs};
use crate::journal::Version;
use crate::sample::record;

#[derive(Default)]
pub(super) struct Flows {
    ipv4: Vec<Record<V4>>,
    ipv6: Vec<Record<V6>>,
}

impl FlowSink for Flows {
    fn ipv4(&mut self, flow: &Record<V4>, _: &Counters) {
        self.ipv4.push(*flow);
    }

    fn ipv6(&mut self, flow: &Record<V6>, _: &Counters) {
        self.ipv6.push(*flow);
    }
}

/// Pairs at work, and what has left them.
#[derive(Default)]
pub(super) struct Work {
    pub(super) pairs: Pairs,
    pub(super) flows: Flows,
}

impl Work {
    /// A segment begins, which was closed then, or cut off behind its header.
    pub(super) fn begin(&mut self, header: &Header, closed: Option<u64>) {
        self.begin_with(header, closed, &[]);
    }

    /// The same of one that begins with these notes.
    fn begin_with(&mut self, header: &Header, closed: Option<u64>, notes: &[Note]) {
        let bytes = segment(header, closed, notes);
        self.pairs.begin(&Version::Three(Segment::open(&bytes).unwrap()), &mut self.flows);
    }

    pub(super) fn push(&mut self, record: &Record<V4>) {
        self.pairs.ipv4(record, None, &mut self.flows);
    }

    /// The kernel's table was read. Returns since when what is gone was not seen.
    pub(super) fn read(&mut self, from: u64, to: u64) -> u64 {
        self.pairs.note(&Note::gap(from, to, 0, Cause::TableRead), &mut self.flows).note.from.get()
    }

    /// Number, start, end and flags of all flows.
    pub(super) fn finish(mut self) -> Vec<(u16, u64, u64, u8)> {
        self.pairs.finish(&mut self.flows);
        let told = |flow: &Record<V4>| (flow.original.sport.get(), flow.start.get(), flow.end.get(), flow.flags);
        self.flows.ipv4.iter().map(told).collect()
    }
}

fn segment(header: &Header, closed: Option<u64>, notes: &[Note]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    notes.iter().for_each(|note| writer.note(note));
    if let Some(closed) = closed {
        writer.finish(Closing::WentOn, closed).unwrap();
    }
    writer.write_out().unwrap();
    writer.output().clone()
}

/// The segment of this number in the run of a recorder that started then.
pub(super) fn header(started: u64, number: u64, created: u64) -> Header {
    Header {
        host: "nat1".into(),
        namespace: 4_026_531_840,
        recorder_started: started,
        segment_number: number,
        created,
        protocols: vec![6, 17],
        ..Header::blank(Content::Events)
    }
}

pub(super) fn tcp(kind: Kind, number: u16, start: u64, end: u64) -> Record<V4> {
    let (inside, server, public) = (([10, 0, 0, 1], number), ([198, 51, 100, 7], 443), ([203, 0, 113, 1], number));
    record(kind, start, end, [inside, server, server, public])
}

/// Flow 1 began in a run that was killed at 50, and so did flow 2, which the next run finds.
fn killed() -> Work {
    let mut work = Work::default();
    work.begin(&header(1, 0, 1), Some(50));
    work.push(&tcp(Kind::Start, 1, 10, 0));
    work.push(&tcp(Kind::Start, 2, 20, 0));
    work
}

#[test]
fn a_flow_that_a_reading_does_not_name_is_gone() {
    let mut work = killed();
    work.begin(&header(100, 0, 100), None);
    work.push(&tcp(Kind::Open, 2, 20, 0));
    // It may have ended while nobody was there, and not only since the second run began.
    assert_eq!(work.read(101, 110), 50);
    assert_eq!((work.flows.ipv4.len(), work.pairs.open_flows()), (0, 2));
    // A later reading says nothing of it any more.
    assert_eq!(work.read(110, 120), 110);
    assert_eq!((work.flows.ipv4.len(), work.pairs.open_flows()), (1, 1));
    assert_eq!(work.finish(), [(1, 10, 110, END_AT_LATEST), (2, 20, 0, 0)]);
}

/// But for one of which a record comes all the same.
#[test]
fn a_flow_that_is_gone_was_not_there_when_the_clock_was_set_later() {
    for comes_back in [None, Some(Kind::Open), Some(Kind::End)] {
        let mut work = killed();
        work.begin(&header(100, 0, 100), None);
        work.push(&tcp(Kind::Open, 2, 20, 0));
        work.read(101, 110);
        work.pairs.note(&Note::clock_step(60, -55), &mut work.flows);
        let mark = comes_back.map_or(0, |_| CLOCK_SET);
        comes_back.into_iter().for_each(|kind| work.push(&tcp(kind, 1, 10, if kind == Kind::End { 70 } else { 0 })));
        let (end, gone) = match comes_back {
            Some(Kind::Open) => (0, 0),
            Some(_) => (70, 0),
            None => (110, END_AT_LATEST),
        };
        let mut flows = work.finish();
        flows.sort_unstable();
        assert_eq!(flows, [(1, 10, end, gone | mark), (2, 20, 0, CLOCK_SET)], "{comes_back:?}");
    }
}

/// Its network namespace has the same number as that of the other machine: both are those of process 1.
#[test]
fn a_flow_that_a_reading_found_was_not_there_when_the_clock_was_set_before_the_last_one() {
    for (is_set, mark) in [(false, 0), (true, CLOCK_SET)] {
        let mut work = Work::default();
        work.begin(&header(1, 0, 1), Some(200));
        let set = |work: &mut Work| work.pairs.note(&Note::clock_step(90, -40), &mut work.flows);
        set(&mut work);
        work.read(95, 100);
        if is_set {
            set(&mut work);
        }
        work.push(&Record { flags: RECOVERED, ..tcp(Kind::Start, 1, 110, 0) });
        work.read(100, 110);
        assert_eq!(work.finish(), [(1, 110, 0, RECOVERED | mark)]);
    }
}

#[test]
fn the_reading_of_another_machine_of_that_name_says_nothing() {
    for (first, second, gone) in [(1, 2, false), (1, 1, true), (0, 1, true), (1, 0, true)] {
        let of = |machine: u8, header| Header { machine: [machine; 16], ..header };
        let mut work = Work::default();
        work.begin(&of(first, header(1, 0, 1)), Some(50));
        work.push(&tcp(Kind::Start, 1, 10, 0));
        work.begin(&of(second, header(100, 0, 100)), None);
        work.read(101, 110);
        let end = if gone { (1, 10, 110, END_AT_LATEST) } else { (1, 10, 0, 0) };
        assert_eq!(work.finish(), [end], "{first} {second}");
    }
}

/// The recorder tells of the ends that its reading found behind the note.
#[test]
fn an_end_that_comes_behind_the_note_wins() {
    let mut work = killed();
    work.begin(&header(100, 0, 100), None);
    work.read(101, 110);
    work.push(&tcp(Kind::End, 1, 0, 108));
    work.push(&tcp(Kind::End, 2, 0, 110));
    assert_eq!(work.finish(), [(1, 10, 108, 0), (2, 20, 110, 0)]);
}

#[test]
fn what_is_gone_leaves_when_the_next_file_begins() {
    let mut work = killed();
    work.begin(&header(100, 0, 100), Some(200));
    work.read(101, 110);
    work.begin(&header(100, 1, 200), None);
    let ends: Vec<_> = work.flows.ipv4.iter().map(|flow| flow.end.get()).collect();
    assert_eq!(ends, [110, 110]);
}

/// Its tuples and even its id may be those of a flow that ended.
#[test]
fn a_flow_that_begins_behind_the_note_is_another_one() {
    for (again, flows) in [
        (tcp(Kind::Start, 1, 115, 0), vec![(1, 10, 110, END_AT_LATEST), (2, 20, 110, END_AT_LATEST), (1, 115, 0, 0)]),
        (tcp(Kind::Open, 1, 115, 0), vec![(1, 10, 110, END_AT_LATEST), (2, 20, 110, END_AT_LATEST), (1, 115, 0, 0)]),
        // One that is still there was not gone.
        (tcp(Kind::Open, 1, 10, 0), vec![(2, 20, 110, END_AT_LATEST), (1, 10, 0, 0)]),
        (tcp(Kind::Open, 1, 0, 0), vec![(2, 20, 110, END_AT_LATEST), (1, 10, 0, 0)]),
    ] {
        let mut work = killed();
        work.begin(&header(100, 0, 100), None);
        work.read(101, 110);
        work.push(&again);
        assert_eq!(work.finish(), flows, "{again:?}");
    }
}

/// The flow that stays open, and nothing is said of when it ended.
fn stays_open(mut work: Work, why: &str) {
    assert_eq!(work.read(101, 110), 101, "{why}");
    assert_eq!(work.finish(), [(1, 10, 0, 0), (2, 20, 0, 0)], "{why}");
}

#[test]
fn readings_of_others_say_nothing() {
    let second = header(100, 0, 100);
    for (why, other) in [
        ("host", Header { host: "nat2".into(), ..second.clone() }),
        ("namespace", Header { namespace: 7, ..second.clone() }),
        ("protocols", Header { protocols: vec![17], ..second.clone() }),
        ("families", Header { families: 2, ..second.clone() }),
        ("filters", Header { filters: "some".into(), ..second.clone() }),
        ("content", Header { content: Content::Flows, ..second.clone() }),
    ] {
        let mut work = killed();
        work.begin(&other, None);
        stays_open(work, why);
    }
    // All protocols are these as well.
    let mut work = killed();
    work.begin(&Header { protocols: vec![], ..second }, None);
    work.read(101, 110);
    assert_eq!(work.finish(), [(1, 10, 110, END_AT_LATEST), (2, 20, 110, END_AT_LATEST)]);
}

#[test]
fn nothing_is_said_of_flows_of_others() {
    let old = header(1, 0, 1);
    for (why, old) in [
        ("namespace not known", Header { namespace: 0, ..old.clone() }),
        ("host not known", Header { host: String::new(), ..old }),
    ] {
        let mut work = Work::default();
        work.begin(&old, Some(50));
        work.push(&tcp(Kind::Start, 1, 10, 0));
        work.push(&tcp(Kind::Start, 2, 20, 0));
        work.begin(&header(100, 0, 100), None);
        stays_open(work, why);
    }
    let bytes = version_2();
    let mut work = Work::default();
    work.pairs.begin(&Version::Two(legacy::File::open(&bytes).unwrap()), &mut work.flows);
    work.push(&tcp(Kind::Start, 1, 10, 0));
    work.push(&tcp(Kind::Start, 2, 20, 0));
    work.begin(&header(100, 0, 100), None);
    stays_open(work, "version 2");
}

#[test]
fn a_damaged_segment_says_nothing_and_the_next_one_does() {
    let lost = |count| Damage { offset: 0, length: 1, fault: Fault::NoBlock, records_lost: count };
    for count in [Some(1), None] {
        let mut work = killed();
        work.begin(&header(100, 0, 100), Some(200));
        work.pairs.damage(&lost(count));
        stays_open(work, "damage");
    }
    let mut work = killed();
    work.begin(&header(1, 1, 50), Some(200));
    work.pairs.damage(&lost(Some(1)));
    work.read(60, 70);
    work.begin(&header(1, 2, 200), None);
    // The record of its end may be among those that were lost.
    assert_eq!(work.read(70, 210), 50);
    // If no record was, nothing is missing.
    let mut whole = killed();
    whole.begin(&header(1, 1, 50), Some(200));
    whole.pairs.damage(&lost(Some(0)));
    assert_eq!(whole.read(60, 70), 60);
    for (work, end) in [(work, 210), (whole, 70)] {
        assert_eq!(work.finish(), [(1, 10, end, END_AT_LATEST), (2, 20, end, END_AT_LATEST)]);
    }

    // A segment whose header is damaged is nobody's.
    let mut bytes = segment(&header(100, 0, 100), None, &[]);
    bytes[70] ^= 1;
    let mut work = killed();
    work.pairs.begin(&Version::Three(Segment::open(&bytes).unwrap()), &mut work.flows);
    stays_open(work, "damaged header");
}

/// Of files that are not in the order of time.
#[test]
fn a_reading_says_nothing_of_later_flows() {
    let mut work = Work::default();
    work.begin(&header(200, 0, 200), Some(300));
    work.push(&tcp(Kind::Start, 1, 210, 0));
    work.push(&tcp(Kind::Open, 2, 0, 0));
    work.begin(&header(100, 0, 100), None);
    assert_eq!(work.read(101, 110), 101);
    assert_eq!(work.finish(), [(2, 0, 0, 0), (1, 210, 0, 0)]);
}

/// The clock was set back meanwhile, and shows earlier times than those at which the flows began.
#[test]
fn a_reading_in_a_file_that_was_written_later_says_which_flows_are_gone_whatever_its_time() {
    let up = |moment, up| Uptime { moment, up, boot: 7 }.note();
    for (why, header, notes) in [
        ("the same run", header(200, 1, 100), [up(100, 0), Note::at(100, Cause::Quiet)]),
        ("it says so", header(100, 0, 100), [up(100, 0), Note::not_running(300, 100)]),
        ("the machine had been up longer", header(100, 0, 100), [up(100, 50), Note::at(100, Cause::Started)]),
    ] {
        let mut work = Work::default();
        work.begin_with(&self::header(200, 0, 200), Some(300), &[up(200, 40)]);
        work.push(&tcp(Kind::Start, 1, 210, 0));
        work.push(&tcp(Kind::Open, 2, 0, 0));
        work.push(&tcp(Kind::Start, 3, 250, 0));
        work.begin_with(&header, None, &notes);
        work.push(&tcp(Kind::Open, 3, 250, 0));
        work.read(101, 110);
        // A record of one that is gone, which began later than the reading by that clock.
        work.push(&tcp(Kind::Open, 1, 210, 0));
        let flows = work.finish();
        assert_eq!(flows, [(2, 0, 110, END_AT_LATEST), (1, 210, 0, 0), (3, 250, 0, 0)], "{why}");
    }
}

/// A recorder has none end before it began.
#[test]
fn an_end_that_a_reading_found_is_told_as_by_that_though_the_clock_was_set_back_since_the_start() {
    for (read_by, end) in [(110, 110), (230, 210)] {
        let mut work = Work::default();
        work.begin(&header(200, 0, 200), Some(300));
        work.push(&tcp(Kind::Start, 1, 210, 0));
        work.read(101, read_by);
        work.push(&Record { flags: END_AT_LATEST, ..tcp(Kind::End, 1, 210, 210) });
        assert_eq!(work.finish(), [(1, 210, end, END_AT_LATEST)]);
    }
}

#[test]
fn a_gap_before_the_crash_is_when_it_may_have_ended() {
    let mut work = killed();
    work.pairs.note(&Note::gap(30, 35, 1, Cause::KernelOverrun), &mut work.flows);
    work.begin(&header(100, 0, 100), None);
    work.pairs.note(&Note::gap(50, 100, Note::LOST_UNKNOWN, Cause::NotRunning), &mut work.flows);
    assert_eq!(work.read(101, 110), 30);
}

/// A reading with its begin for its end says that the clock, which was set back, did not show that then.
#[test]
fn what_tells_no_moment_of_a_reading_tells_none_of_what_was_missed_before() {
    for (by, since) in [(-70, 110), (70, 30)] {
        let mut work = killed();
        work.pairs.note(&Note::gap(30, 35, 1, Cause::KernelOverrun), &mut work.flows);
        work.pairs.note(&Note::clock_step(40, by * NS_PER_SECOND.cast_signed()), &mut work.flows);
        work.begin(&header(1, 1, 45), None);
        assert_eq!(work.read(110, 110), since);
    }
}

/// A run that recorded other protocols in between did not make up for what was missed.
#[test]
fn what_a_reading_does_not_speak_of_is_left_to_a_later_one() {
    let mut work = killed();
    work.begin(&Header { protocols: vec![17], ..header(100, 0, 100) }, Some(200));
    work.read(101, 110);
    work.begin(&header(300, 0, 300), None);
    assert_eq!(work.read(301, 310), 50);
    assert_eq!(work.finish(), [(1, 10, 310, END_AT_LATEST), (2, 20, 310, END_AT_LATEST)]);
}

#[test]
fn both_families_keep_the_order_of_their_records() {
    let mut work = Work::default();
    work.begin(&header(1, 0, 1), Some(50));
    let v6 = |kind, start, end| record(kind, start, end, [([1_u8; 16], 1), ([2; 16], 2), ([2; 16], 2), ([1; 16], 1)]);
    for second in 1..200 {
        work.push(&tcp(Kind::Start, second as u16, second, 0));
        work.pairs.ipv6(&v6(Kind::Start, second, 0), None, &mut work.flows);
        work.push(&tcp(Kind::End, second as u16, 0, second + 1));
        work.pairs.ipv6(&v6(Kind::End, 0, second + 1), None, &mut work.flows);
    }
    assert!(work.pairs.open_flows() > 0);
    work.pairs.settle(&mut work.flows);
    assert_eq!(work.pairs.open_flows(), 0);
    assert!(work.flows.ipv4.iter().zip(1..).all(|(flow, second)| flow.start == second && flow.end == second + 1));
    assert!(work.flows.ipv6.iter().zip(1..).all(|(flow, second)| flow.start == second && flow.end == second + 1));
    assert_eq!((work.flows.ipv4.len(), work.flows.ipv6.len()), (199, 199));
}

/// A file of version 2 without a record.
pub(super) fn version_2() -> Vec<u8> {
    let old = legacy::Header {
        content: legacy::Content::Events,
        protocol: 6,
        host: "nat1".into(),
        flags: 0,
        started: (0, 0),
        ended: (0, 0),
        tz_minutes_west: 0,
        tz_dst: 0,
        utc_offset_seconds: 0,
        local_start: legacy::LocalTime::default(),
    };
    legacy::Writer::new(Vec::new(), &old).unwrap().finish().unwrap()
}
