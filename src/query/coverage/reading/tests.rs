//! What journals cover, held against what was left of them.

use std::io::Write;

use ctrecorder_format::{Closing, Content, Header, Kind, Segment, V4, V6, Writer};
use proptest::prelude::*;
use tempfile::NamedTempFile;

use super::super::clock::Shown;
use super::super::uptime::Settings;
use super::*;
use crate::sample::record;

const SECOND: u64 = 1_000_000_000;

/// What became of a segment.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Kept,
    Removed,
    /// So much of its end is missing, and the footer.
    Cut(u64),
}

/// Runs of a recorder: how long it was off before each, and its segments, each with its length and fate.
fn history() -> impl Strategy<Value = Vec<(u64, Vec<(u64, Fate)>)>> {
    let fate = prop_oneof![3 => Just(Fate::Kept), 1 => Just(Fate::Removed), 1 => (0..9_u64).prop_map(Fate::Cut)];
    let run = (1..9_u64, prop::collection::vec((1..9_u64, fate), 1..5));
    prop::collection::vec(run, 1..5)
}

/// The parts that are left of a history, and the spans that they truly cover.
fn left(history: &[(u64, Vec<(u64, Fate)>)]) -> (Vec<Part>, Vec<Span>) {
    let (mut parts, mut spans, mut now) = (Vec::new(), Vec::new(), 100);
    for (off, segments) in history {
        now += off;
        let recorder_started = now;
        for (number, (length, fate)) in segments.iter().enumerate() {
            let (from, last) = (now, number + 1 == segments.len());
            now += length;
            let (to, end) = match fate {
                Fate::Removed => continue,
                Fate::Kept if last => (now, End::Closed),
                Fate::Kept => (now, End::WentOn),
                Fate::Cut(cut) => (from + length.saturating_sub(*cut), End::CutOff),
            };
            let header = Header { recorder_started, host: "nat1".into(), ..Header::blank(Content::Events) };
            let run = Some(Recorder::of(&header));
            let (notes, damaged) = (Vec::new(), Vec::new());
            let (host, number) = (Some(header.host), number as u64);
            let (content, extent) = (Content::Events, Extent::UNKNOWN);
            let (began, ended, namespace) = (from, to, 0);
            let (steps, reached) = (Vec::new(), None);
            let shown = Shown { spans: vec![Span { from, to }], ..Shown::default() };
            parts.push(Part {
                path: parts.len().to_string().into(),
                host,
                namespace,
                content,
                run,
                number,
                began,
                ended,
                steps,
                known_at: Vec::new(),
                reached,
                shown,
                end,
                extent,
                notes,
                damaged,
                settings: Settings::default(),
                place: None,
            });
            spans.push(Span { from, to });
        }
    }
    (parts, spans)
}

proptest! {
    /// Whatever is missing, what is covered is what is left, in whatever order the files are given.
    #[test]
    fn what_is_covered_is_what_is_left(history in history(), turn in 0..9_usize) {
        let (mut parts, truth) = left(&history);
        let turn = turn.min(parts.len());
        parts.rotate_left(turn);
        let Some(coverage) = (Reading { parts, ..Reading::default() }).coverage().unwrap() else {
            prop_assert!(truth.is_empty());
            return Ok(());
        };
        prop_assert_eq!(coverage.from, truth[0].from);
        prop_assert_eq!(Some(coverage.to), truth.iter().map(|span| span.to).max());
        let spans = coverage.spans();
        for moment in coverage.from..coverage.to {
            let holds = |spans: &[Span]| spans.iter().any(|span| span.from <= moment && moment < span.to);
            prop_assert_eq!(holds(&spans), holds(&truth), "at {}", moment);
        }
    }
}

fn segment(times: [u64; 4]) -> Vec<u8> {
    let [created, first, second, closed] = times;
    let header = Header { host: "nat1".into(), created, ..Header::blank(Content::Events) };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    let v4: [(V4, u16); 4] = [([10; 4], 1), ([192; 4], 2), ([192; 4], 2), ([3; 4], 1)];
    let v6: [(V6, u16); 4] = v4.map(|(address, port)| ([address[0]; 16], port));
    writer.note(&Note::at(created, Cause::Started));
    writer.push(&record(Kind::Start, first, 0, v4), None, first);
    writer.push(&record(Kind::Start, second, 0, v6), None, second);
    writer.note(&Note::gap(first, second, 3, Cause::KernelOverrun));
    writer.note(&Note::clock_step(second, -5));
    writer.note(&Note::gap(first, second, 1, Cause::Account).with_value(1));
    writer.push(&record(Kind::Start, second, 0, v6), None, second);
    writer.finish(Closing::WentOn, closed).unwrap();
    writer.write_out().unwrap();
    writer.output().clone()
}

/// Reads bytes as a file.
fn read(bytes: &[u8]) -> Option<Coverage> {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let source = Source::open(file.path()).unwrap();
    let mut reading = Reading::default();
    reading.add(&source, &source.parse().ok()?, Look::Heads, &mut |_| ());
    reading.clone().untold();
    reading.coverage().unwrap()
}

/// Its spans are in order and within it.
fn is_sane(coverage: &Coverage) -> bool {
    let mut reached = coverage.from;
    coverage.spans().iter().all(|span| {
        let before = std::mem::replace(&mut reached, span.to);
        before <= span.from && span.from < span.to && span.to <= coverage.to
    })
}

#[test]
fn no_flipped_byte_and_no_cut_makes_it_panic_or_hides_the_gap_beside_it() {
    let whole = segment([1, 10, 20, 30].map(|second| second * SECOND));
    let gaps = read(&whole).unwrap().gaps;
    assert_eq!(gaps.len(), 1);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        if let Some(coverage) = read(&bytes) {
            assert!(is_sane(&coverage), "byte {at}");
            assert!(!coverage.gaps.is_empty(), "byte {at}");
        }
        if let Some(coverage) = read(&whole[..at]) {
            assert!(is_sane(&coverage), "{at} bytes");
        }
    }
}

/// A segment of two batches, each of both families. The IPv4 block tells of later events than the IPv6 block behind it.
fn two_batches() -> Vec<u8> {
    let header = Header { host: "nat1".into(), created: SECOND, ..Header::blank(Content::Events) };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    let v4: [(V4, u16); 4] = [([10; 4], 1), ([192; 4], 2), ([192; 4], 2), ([3; 4], 1)];
    let v6: [(V6, u16); 4] = v4.map(|(address, port)| ([address[0]; 16], port));
    for second in [10, 40] {
        writer.push(&record(Kind::Start, second * SECOND, 0, v6), None, second * SECOND);
        writer.push(&record(Kind::Start, (second + 10) * SECOND, 0, v4), None, (second + 10) * SECOND);
        writer.seal();
    }
    writer.finish(Closing::Stopped, 60 * SECOND).unwrap();
    writer.write_out().unwrap();
    writer.output().clone()
}

#[test]
fn damage_in_one_half_of_a_batch_reaches_to_the_next_batch() {
    let mut bytes = two_batches();
    let block = Segment::open(&bytes).unwrap().blocks().next().unwrap().unwrap().offset as usize;
    bytes[block] ^= 1;
    let [gap] = read(&bytes).unwrap().gaps[..] else { panic!() };
    assert_eq!((gap.from, gap.to, gap.lost), (SECOND, 50 * SECOND, Some(1)));
}

#[test]
fn half_a_batch_at_an_end_that_is_cut_off_covers_nothing() {
    let bytes = two_batches();
    let offsets: Vec<_> = Segment::open(&bytes).unwrap().heads().map(|head| head.unwrap().offset as usize).collect();
    let until = |length: usize| read(&bytes[..length]).unwrap().to / SECOND;
    assert_eq!([offsets[3], offsets[3] + 1, offsets[4]].map(until), [20, 20, 50]);
    assert_eq!([offsets[1], offsets[1] + 1, offsets[2]].map(until), [1, 1, 20]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn times_may_be_nonsense(times in prop::array::uniform4(prop_oneof![0..3_u64, any::<u64>(), u64::MAX - 2..=u64::MAX])) {
        prop_assert!(is_sane(&read(&segment(times)).unwrap()), "{:?}", times);
    }
}
