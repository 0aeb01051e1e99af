//! What is missing between files of one start of the machine, whatever others tell of the same times.

use ctrecorder_format::{Cause, Closing, Content, Header, NS_PER_SECOND, Note, Uptime, Writer};

use super::super::{GapCause, Look, Reading};
use super::Settings;
use crate::journal::Source;

/// What the clock showed, for how long the machine had been up then, both in seconds, and after how many starts.
type Moment = (u64, u64, u8);

/// A file that tells from one moment to another one.
fn file(header: &Header, told: &[Moment], closed: u64, closing: Closing) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    for (wall, up, boot) in told {
        let [moment, up] = [wall, up].map(|seconds| seconds * NS_PER_SECOND);
        writer.note(&Uptime { moment, up, boot: u64::from(*boot) }.note());
    }
    writer.finish(closing, closed * NS_PER_SECOND).unwrap();
    writer.write_out().unwrap();
    writer.output().clone()
}

fn header(content: Content, created: u64) -> Header {
    Header { host: "nat1".into(), created: created * NS_PER_SECOND, ..Header::blank(content) }
}

/// A segment of a run by when it was started, and its number there.
fn segment((started, number): (u64, u64), from: Moment, to: Moment, closing: Closing) -> Vec<u8> {
    let header = header(Content::Events, from.0);
    let recorder_started = started * NS_PER_SECOND;
    let header = Header { recorder_started, segment_number: number, boot_id: [from.2; 16], ..header };
    file(&header, &[from, to], to.0, closing)
}

/// What was made of others.
fn squeezed(told: &[Moment], from: u64, to: u64) -> Vec<u8> {
    file(&header(Content::Flows, from), told, to, Closing::Stopped)
}

/// Begin and end of each gap, in seconds, and its cause.
fn gaps(files: &[Vec<u8>]) -> Vec<(u64, u64, GapCause)> {
    let directory = tempfile::tempdir().unwrap();
    let mut reading = Reading::default();
    for (number, bytes) in files.iter().enumerate() {
        let path = directory.path().join(number.to_string());
        std::fs::write(&path, bytes).unwrap();
        let source = Source::open(&path).unwrap();
        reading.add(&source, &source.parse().unwrap(), Look::Heads, &mut |_| ());
    }
    let gaps = reading.coverage().unwrap().unwrap().gaps;
    gaps.iter().map(|gap| (gap.from / NS_PER_SECOND, gap.to / NS_PER_SECOND, gap.cause)).collect()
}

/// The first and the third segment of a run; the second one told from 4950 to 5322.
fn second_is_missing() -> [Vec<u8>; 2] {
    [
        segment((4846, 0), (4846, 596, 1), (4950, 700, 1), Closing::WentOn),
        segment((4846, 2), (5322, 1072, 1), (5400, 1150, 1), Closing::Stopped),
    ]
}

const MISSING: (u64, u64, GapCause) = (4950, 5322, GapCause::SegmentMissing);

#[test]
fn what_was_recorded_of_the_same_times_before_the_clock_was_set_back_tells_nothing_of_a_segment_that_is_missing() {
    let earlier = segment((5000, 0), (5000, 50, 1), (5300, 350, 1), Closing::Stopped);
    let [first, third] = second_is_missing();
    let told = gaps(&[earlier, first.clone(), third.clone()]);
    assert!(told.contains(&MISSING), "{told:?}");
    let made = squeezed(&[(5000, 50, 1), (5300, 350, 1)], 5000, 5300);
    let told = gaps(&[made, first, third]);
    assert!(told.contains(&MISSING), "{told:?}");
}

#[test]
fn nor_of_what_nobody_recorded_between_two_runs() {
    let told = gaps(&[
        segment((5000, 0), (5000, 100, 1), (5600, 700, 1), Closing::Stopped),
        segment((4900, 0), (4900, 1000, 1), (5000, 1100, 1), Closing::Stopped),
        segment((5100, 0), (5100, 1200, 1), (5650, 1750, 1), Closing::Stopped),
    ]);
    assert!(told.contains(&(5000, 5100, GapCause::NotRunning)), "{told:?}");
}

/// It may have been set back several times in a segment that is missing, also one that comes before what the file behind was made from.
#[test]
fn where_the_clock_was_set_back_in_a_missing_segment_it_may_have_shown_all_between() {
    let (from, to) = ((5200, 1000, 1), (5250, 1050, 1));
    let made = |number| {
        file(&Header { segment_number: number, ..header(Content::Flows, from.0) }, &[from, to], to.0, Closing::Stopped)
    };
    let recorded = |number| segment((4000, number), from, to, Closing::Stopped);
    for (number, reached) in [(0, 5200), (1, 5600)] {
        for behind in [recorded(number), made(number)] {
            let told = gaps(&[segment((5000, 0), (5000, 100, 1), (5600, 700, 1), Closing::Stopped), behind]);
            assert_eq!(told, [(5000, reached, GapCause::SetBack)], "{number}");
        }
    }
}

#[test]
fn what_tells_of_a_missing_segment_all_the_same_leaves_no_gap() {
    let [first, third] = second_is_missing();
    let with = |other: Vec<u8>| gaps(&[first.clone(), other, third.clone()]);
    // Another recorder at the same time.
    assert_eq!(with(segment((4000, 0), (4900, 650, 1), (5350, 1100, 1), Closing::Stopped)), []);
    // What was made of it, and of others of other starts of the machine.
    assert_eq!(with(squeezed(&[(4950, 700, 1), (5322, 1072, 1)], 4950, 5322)), []);
    assert_eq!(with(squeezed(&[(4000, 9, 7), (4950, 700, 1), (5322, 1072, 1), (6000, 9, 3)], 4000, 6000)), []);
    // What does not tell for how long the machine had been up.
    assert_eq!(with(squeezed(&[], 4950, 5322)), []);
}

#[test]
fn a_part_of_a_missing_segment_is_told_of() {
    let [first, third] = second_is_missing();
    let part = squeezed(&[(5000, 750, 1), (5300, 1050, 1)], 5000, 5300);
    let cause = GapCause::SegmentMissing;
    assert_eq!(gaps(&[first, part, third]), [(4950, 5000, cause), (5300, 5322, cause)]);
}

#[test]
fn what_a_note_tells_already_is_not_told_again() {
    let first = segment((4000, 0), (4000, 100, 1), (4500, 600, 1), Closing::Stopped);
    let mut writer = Writer::new(Vec::new(), &header(Content::Flows, 4600)).unwrap();
    let [from, to] = [4500, 4600].map(|second| second * NS_PER_SECOND);
    writer.note(&Uptime { moment: to, up: 700 * NS_PER_SECOND, boot: 1 }.note());
    writer.note(&Note::gap(from, to, Note::LOST_UNKNOWN, Cause::Damaged));
    writer.finish(Closing::Stopped, 4700 * NS_PER_SECOND).unwrap();
    writer.write_out().unwrap();
    let damaged = GapCause::Noted(Cause::Damaged as u16);
    assert_eq!(gaps(&[first, writer.output().clone()]), [(4500, 4600, damaged)]);
}

/// That the clock was set is noted when it is noticed: whether a file was begun before it was set, what it shows does not tell.
#[test]
fn whether_the_clock_had_been_set_when_a_file_was_begun_shows_by_how_long_the_machine_had_been_up() {
    let told = |(wall, up, boot): Moment| {
        Uptime { moment: wall * NS_PER_SECOND, up: up * NS_PER_SECOND, boot: u64::from(boot) }.note()
    };
    let set_back = Note::clock_step(49 * NS_PER_SECOND, -5 * NS_PER_SECOND.cast_signed());
    let was_set = |notes: &[Note]| {
        let mut settings = Settings::default();
        notes.iter().for_each(|note| settings.note(note, 50 * NS_PER_SECOND));
        settings.was_set_at_begin()
    };
    assert_eq!(was_set(&[told((50, 100, 1)), set_back, told((49, 104, 1))]), Some(false));
    assert_eq!(was_set(&[told((50, 105, 1)), set_back, told((49, 104, 1))]), Some(true));
    assert_eq!(was_set(&[told((50, 100, 1)), set_back, told((49, 104, 2))]), None, "of another start of the machine");
    assert_eq!(was_set(&[set_back, told((49, 104, 1))]), None);
    assert_eq!(was_set(&[told((50, 100, 1)), set_back, set_back, told((49, 104, 1))]), None);
    let by_less = Note::clock_step(49 * NS_PER_SECOND, -NS_PER_SECOND.cast_signed() / 2);
    let half = |up| Uptime { up: up * NS_PER_SECOND / 2, ..Uptime::of(&told((49, 0, 1))).unwrap() }.note();
    assert_eq!([199, 198].map(|up| was_set(&[told((50, 100, 1)), by_less, half(up)])), [Some(false), Some(true)]);
}
