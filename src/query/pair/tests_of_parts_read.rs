//! Which flows are gone by what parts of a journal tell that were squeezed one by one.

use ctrecorder_format::record::flags::{CLOCK_SET, END_AT_LATEST, RECOVERED, REPLY_SEEN};
use ctrecorder_format::{
    Cause, ClockWasSet, Closing, Content, Counters, Damage, Fault, Header, Kind, Note, Record, Segment, V4, V6, Writer,
};

use super::{FlowSink, Pairs};
use crate::journal::{UNEVEN, Version};
use crate::sample::record;

#[derive(Default)]
struct Flows(Vec<Record<V4>>);

impl FlowSink for Flows {
    fn ipv4(&mut self, flow: &Record<V4>, _: &Counters) {
        self.0.push(*flow);
    }

    fn ipv6(&mut self, _: &Record<V6>, _: &Counters) {}
}

/// Pairs at work, and what has left them.
#[derive(Default)]
struct Work {
    pairs: Pairs,
    flows: Flows,
}

impl Work {
    fn begin(&mut self, header: &Header, closed: Option<u64>) {
        let mut writer = Writer::new(Vec::new(), header).unwrap();
        if let Some(closed) = closed {
            writer.finish(Closing::Complete, closed).unwrap();
        }
        writer.write_out().unwrap();
        self.pairs.begin(&Version::Three(Segment::open(writer.output()).unwrap()), &mut self.flows);
    }

    fn push(&mut self, record: &Record<V4>) {
        self.pairs.ipv4(record, None, &mut self.flows);
    }

    /// The first reading of the part. Returned is what is said of it.
    fn first_read(&mut self, to: u64) -> Note {
        self.pairs.note(&Note::gap(to - 1, to, 0, Cause::FirstRead), &mut self.flows).note
    }

    /// Number, start, end and flags of all flows.
    fn finish(mut self) -> Vec<(u16, u64, u64, u8)> {
        self.pairs.finish(&mut self.flows);
        let told = |flow: &Record<V4>| (flow.original.sport.get(), flow.start.get(), flow.end.get(), flow.flags);
        self.flows.0.iter().map(told).collect()
    }
}

/// A part of which the first input was begun then.
fn part(created: u64) -> Header {
    Header {
        host: "nat1".into(),
        namespace: 4_026_531_840,
        recorder_started: created,
        created,
        protocols: vec![6, 17],
        marks_clock_sets: true,
        ..Header::blank(Content::Flows)
    }
}

fn tcp(number: u16, start: u64, end: u64) -> Record<V4> {
    let (inside, server, public) = (([10, 0, 0, 1], number), ([198, 51, 100, 7], 443), ([203, 0, 113, 1], number));
    Record { id: u32::from(number).into(), ..record(Kind::Flow, start, end, [inside, server, server, public]) }
}

/// A part that tells up to 50 and left flows 1 and 2 open.
fn left() -> Work {
    let mut work = Work::default();
    work.begin(&part(1), Some(50));
    [tcp(1, 10, 0), tcp(2, 20, 0)].iter().for_each(|flow| work.push(flow));
    work
}

const GONE: (u16, u64, u64, u8) = (1, 10, 110, END_AT_LATEST);

#[test]
fn a_flow_of_which_the_next_part_tells_nothing_was_gone_by_its_first_reading() {
    // The other one is open in it, too, or ended in it.
    for (told, end) in [(tcp(2, 20, 0), 0), (tcp(2, 0, 180), 180)] {
        let mut work = left();
        work.begin(&part(100), Some(200));
        let note = work.first_read(110);
        // It may have ended since the first part ended.
        assert_eq!((note.cause(), note.from.get(), note.to.get()), (Some(Cause::TableRead), 50, 110));
        work.push(&told);
        let mut flows = work.finish();
        flows.sort_unstable();
        assert_eq!(flows, [GONE, (2, 20, end, 0)]);
    }
}

/// One whose begin is told for its end, for the clock was set back since; but not if it is the first one of a run.
#[test]
fn a_first_reading_that_tells_no_moment_stays_one() {
    for (number, since) in [(1, 110), (0, 50)] {
        let mut work = left();
        let left = Note::gap(50, 50, 0, Cause::LeftOpen).with_clock_was_set(ClockWasSet::SinceReading);
        work.pairs.note(&left, &mut work.flows);
        work.begin(&Header { segment_number: number, ..part(100) }, Some(200));
        let read = work.pairs.note(&Note::gap(110, 110, 0, Cause::FirstRead), &mut work.flows).note;
        assert_eq!((read.cause(), read.from.get(), read.to.get()), (Some(Cause::TableRead), since, 110));
    }
}

#[test]
fn what_was_missed_at_the_end_of_a_part_bounds_what_the_next_one_says() {
    let mut work = left();
    work.pairs.note(&Note::gap(30, 35, 1, Cause::KernelOverrun), &mut work.flows);
    work.begin(&part(100), Some(200));
    assert_eq!(work.first_read(110).from.get(), 30);
    // That part has made up for it, and a third one begins with what it missed itself.
    work.pairs.note(&Note::gap(150, 151, 1, Cause::KernelOverrun), &mut work.flows);
    work.begin(&part(300), Some(400));
    assert_eq!(work.first_read(310).from.get(), 150);
}

#[test]
fn parts_that_do_not_tell_of_all_flows_say_nothing() {
    let second = part(100);
    for (why, other) in [
        ("host", Header { host: "nat2".into(), ..second.clone() }),
        ("namespace", Header { namespace: 7, ..second.clone() }),
        ("namespace not known", Header { namespace: 0, ..second.clone() }),
        ("protocols", Header { protocols: vec![17], ..second.clone() }),
        ("families", Header { families: 2, ..second.clone() }),
        ("filters", Header { filters: "nat".into(), ..second.clone() }),
    ] {
        let mut work = left();
        work.begin(&other, Some(200));
        work.first_read(110);
        assert_eq!(work.finish(), [(1, 10, 0, 0), (2, 20, 0, 0)], "{why}");
    }
    // That some inputs recorded less says nothing of those of the reading.
    let mut work = left();
    work.begin(&Header { filters: UNEVEN.into(), ..second }, Some(200));
    work.first_read(110);
    assert_eq!(work.finish()[0], GONE);
}

#[test]
fn a_part_without_the_note_or_of_which_something_is_lost_says_nothing() {
    let open = [(1, 10, 0, 0), (2, 20, 0, 0)];
    let mut work = left();
    work.begin(&part(100), Some(200));
    assert_eq!(work.finish(), open, "the note is not there");
    let mut work = left();
    work.begin(&part(100), None);
    work.first_read(110);
    assert_eq!(work.finish(), open, "it has no footer");
    let mut work = left();
    work.begin(&part(100), Some(200));
    work.first_read(110);
    work.pairs.damage(&Damage { offset: 0, length: 1, fault: Fault::NoBlock, records_lost: Some(1) });
    assert_eq!(work.finish(), open, "it is damaged");
}

#[test]
fn a_part_says_nothing_of_what_cannot_be_known_again_or_began_later() {
    let nameless = Record { id: 0.into(), kind: Kind::Open as u8, ..tcp(1, 10, 0) };
    let begun = Record { kind: Kind::Start as u8, ..tcp(3, 10, 0) };
    let mut work = Work::default();
    work.begin(&part(1), Some(50));
    work.push(&nameless);
    work.push(&tcp(2, 115, 0));
    work.begin(&Header { content: Content::Events, ..part(51) }, Some(60));
    work.push(&begun);
    work.begin(&part(100), Some(200));
    work.first_read(110);
    let mut flows = work.finish();
    flows.sort_unstable();
    assert_eq!(flows, [(1, 10, 0, 0), (2, 115, 0, 0), (3, 10, 0, 0)]);
}

#[test]
fn a_flow_that_comes_whole_has_what_was_known_of_it() {
    let mut work = Work::default();
    work.begin(&part(1), Some(50));
    work.push(&Record { flags: RECOVERED | REPLY_SEEN, ..tcp(1, 10, 0) });
    work.push(&Record { flags: CLOCK_SET, ..tcp(2, 20, 0) });
    work.push(&tcp(3, 30, 0));
    work.begin(&part(100), Some(200));
    work.first_read(110);
    // It says of its flows itself which of them were alive then.
    work.pairs.note(&Note::clock_step(120, -5), &mut work.flows);
    [tcp(1, 0, 111), tcp(2, 0, 112), tcp(3, 0, 113)].iter().for_each(|flow| work.push(flow));
    assert_eq!(work.finish(), [(1, 10, 111, RECOVERED | REPLY_SEEN), (2, 20, 112, CLOCK_SET), (3, 30, 113, 0)]);
}
