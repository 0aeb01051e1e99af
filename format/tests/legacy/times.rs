//! Files whose times jump: no record in step is dropped for its time, and cuts are found all the same.

use ctrecorder_format::legacy::{Content, Header};
use ctrecorder_format::{Record, Tuple, V4};
use proptest::prelude::*;

use super::damaged::check_every_cut;
use super::made::{Clock, Made, SECOND, event, file, files, flow};
use super::{COMBINED, EVENT, TCP, read, read_whole};

const START_S: u64 = 1_795_209_130;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn tuples() -> [Tuple<V4>; 2] {
    let inside = Tuple { src: [10, 0, 0, 1], dst: [8, 8, 8, 8], sport: 1024.into(), dport: 53.into() };
    let public = Tuple { src: [8, 8, 8, 8], dst: [203, 0, 113, 10], sport: 53.into(), dport: 1024.into() };
    [inside, public]
}

fn events_at(seconds: impl IntoIterator<Item = u64>) -> Made {
    let event_at = |at| event(1, at * SECOND, tuples());
    file(Content::Events, seconds.into_iter().map(event_at).collect())
}

/// Flows that each lasted so many seconds up to their end.
fn flows_of(spans: impl IntoIterator<Item = (u64, u64)>) -> Made {
    let flow_of = |(end, lasted): (u64, u64)| flow(3, end * SECOND, lasted * 1_000_000, tuples());
    file(Content::Combined, spans.into_iter().map(flow_of).collect())
}

fn assert_all_shown(made: &Made) {
    // The lists are too long to be printed.
    assert!(read_whole(&made.bytes, made.size) == made.records);
}

#[test]
fn a_clock_may_be_set_and_a_router_may_be_silent() {
    let set_right = [5, 6, 7, START_S, START_S + 1, START_S + 2];
    let set_back = [START_S, START_S + 1, START_S - 900 * DAY, START_S - 900 * DAY + 1];
    let silent: [u64; 20] = std::array::from_fn(|index| START_S + 3 * DAY * index as u64);
    let years: [u64; 5] = std::array::from_fn(|index| START_S + 365 * DAY * index as u64);
    for seconds in [&set_right[..], &set_back, &silent, &years] {
        let made = events_at(seconds.iter().copied());
        assert_eq!(read_whole(&made.bytes, EVENT), made.records);
        for index in 0..seconds.len() - 1 {
            check_every_cut(&made, index);
        }
    }
}

#[test]
fn any_one_record_of_a_real_file_may_be_far_in_time() {
    let count = read_whole(TCP, EVENT).len();
    for index in 0..count {
        let mut bytes = TCP.to_vec();
        let at = Header::LENGTH + index * EVENT + 1;
        let seconds: &mut [u8; 4] = (&mut bytes[at..at + 4]).try_into().unwrap();
        *seconds = (u32::from_be_bytes(*seconds) + 2 * DAY as u32).to_be_bytes();
        assert_eq!(read_whole(&bytes, EVENT).len(), count);
    }
}

#[test]
fn a_single_record_at_an_impossible_time_is_shown() {
    assert_all_shown(&events_at((0..20).map(|index| START_S + index + if index == 7 { 1 << 30 } else { 0 })));
}

#[test]
fn a_router_may_have_an_event_every_25_hours() {
    // From 1970 on, as long as the format has times.
    assert_all_shown(&events_at((0..47_000).map(|index| HOUR + index * 25 * HOUR)));
}

#[test]
fn a_clock_may_jump_to_and_fro() {
    for jump in [2 * DAY, 40 * DAY, 20_000 * DAY] {
        assert_all_shown(&events_at((0..1_000).map(|index| START_S + index + index % 2 * jump)));
        assert_all_shown(&flows_of((0..1_000).map(|index| (START_S + index + index % 2 * jump, 1))));
    }
}

#[test]
fn flows_may_last_for_months() {
    for lasted in [40 * DAY, 1_000 * DAY] {
        assert_all_shown(&flows_of((0..20_000).map(|index| (START_S + index, lasted))));
        assert_all_shown(&flows_of((0..1_000).map(|index| (START_S + index % 3 * 50 * DAY, lasted))));
    }
}

/// The records with these times instead of theirs, as far as they have one.
fn at_any_times(made: Made, times: &[(u32, u32)]) -> Made {
    let set = |mut record: Record<V4>, &(start, end): &(u32, u32)| {
        for (time, seconds) in [(&mut record.start, start), (&mut record.end, end)] {
            if *time != 0 {
                *time = (u64::from(seconds) * SECOND + time.get() % SECOND).into();
            }
        }
        record
    };
    let content = if made.size == EVENT { Content::Events } else { Content::Combined };
    file(content, made.records.into_iter().zip(times).map(|(record, times)| set(record, times)).collect())
}

/// Files each record of which has any time at all.
fn wild_files() -> impl Strategy<Value = Made> {
    let seconds = || prop_oneof![3 => 1..=u32::MAX, 1 => 1..100_000u32];
    (1..300usize).prop_flat_map(move |count| {
        let times = prop::collection::vec((seconds(), seconds()), count);
        (files(count, Clock::Steady), times).prop_map(|(made, times)| at_any_times(made, &times))
    })
}

/// How many whole records end with the file, read in the step that its end gives, as if one before them had been cut short.
fn records_up_to_the_end(bytes: &[u8], size: usize) -> usize {
    let (header, rest) = bytes.split_at(Header::LENGTH);
    // A single record is shown at any time, if the bytes can be one at all.
    let is_record = |bytes: &&[u8]| !read(&[header, bytes].concat(), size).0.is_empty();
    rest.rchunks_exact(size).take_while(is_record).count()
}

proptest! {
    #[test]
    fn any_file_is_read_as_written(made in files(1..1500, Clock::SetOnce)) {
        prop_assert!(read_whole(&made.bytes, made.size) == made.records);
    }

    #[test]
    fn any_times_are_shown(made in wild_files()) {
        prop_assert!(made.size == EVENT || made.size == COMBINED);
        prop_assert!(read_whole(&made.bytes, made.size) == made.records);
    }

    #[test]
    fn with_any_times_a_file_may_end_anywhere(made in wild_files(), cut in any::<prop::sample::Index>()) {
        let length = Header::LENGTH + cut.index(made.bytes.len() - Header::LENGTH);
        let whole = (length - Header::LENGTH) / made.size;
        let (records, damages) = read(&made.bytes[..length], made.size);
        // The last records, with what stands cut off behind them, may also pass for one cut short and as many whole ones: one
        // always, more of them where addresses and ports look like types and times near each other.
        let sure = whole.saturating_sub(records_up_to_the_end(&made.bytes[..length], made.size).max(1));
        prop_assert!(records.get(..sure) == Some(&made.records[..sure]));
        prop_assert!(damages.iter().all(|damage| damage.offset >= made.offset(sure) as u64));
    }
}
