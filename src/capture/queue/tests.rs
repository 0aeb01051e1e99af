use std::time::Duration;

use super::*;
use crate::capture::convert::tests::captured;

fn events(times: std::ops::Range<u64>) -> Vec<Captured> {
    times.map(captured).collect()
}

fn summary(elements: &VecDeque<Element>) -> Vec<String> {
    let text = |element: &Element| match element {
        Element::Events(events) => {
            format!("{}..={}", events[0].arrived, events[events.len() - 1].arrived)
        }
        Element::Note(note) => format!("{:?} {} {}-{}", note.cause(), note.lost.get(), note.from, note.to),
    };
    elements.iter().map(text).collect()
}

#[test]
fn what_does_not_fit_is_a_gap_in_its_place() {
    let queue = Queue::new(10).unwrap();
    assert_eq!(queue.push(&mut events(0..6)), 0);
    assert_eq!(queue.push(&mut events(6..14)), 4);
    assert_eq!(queue.push(&mut events(14..20)), 6);
    let taken = queue.take(Instant::now(), None);
    assert_eq!(summary(&taken.elements), ["0..=9", "Some(QueueFull) 10 10-19"]);
    assert_eq!(queue.push(&mut events(20..22)), 0);
    assert_eq!(summary(&queue.take_all()), ["20..=21"]);
}

#[test]
fn while_the_disk_is_full_events_stay_and_losses_are_put_down_to_it() {
    let queue = Queue::new(3).unwrap();
    assert!(queue.take(Instant::now(), Some(Cause::DiskFull)).elements.is_empty());
    assert_eq!(queue.push(&mut events(0..5)), 2);
    assert!(queue.take(Instant::now(), Some(Cause::DiskFull)).elements.is_empty());
    assert_eq!(summary(&queue.take(Instant::now(), None).elements), ["0..=2", "Some(DiskFull) 2 3-4"]);
}

#[test]
fn a_small_queue_wakes_the_writing_side_before_it_is_full() {
    let queue = Queue::new(10).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| queue.push(&mut events(0..6)));
        let taken = queue.take(Instant::now() + Duration::from_secs(60), None);
        assert_eq!(summary(&taken.elements), ["0..=5"]);
    });
}

#[test]
fn events_that_come_one_by_one_wait_in_little_memory() {
    let queue = Queue::new(100_000).unwrap();
    let mut batch = Vec::with_capacity(512);
    for time in 0..10_000 {
        batch.push(captured(time));
        queue.push(&mut batch);
    }
    let room = |element: &Element| match element {
        Element::Events(events) => events.capacity(),
        Element::Note(_) => 0,
    };
    let elements = queue.take_all();
    assert!(elements.iter().map(room).sum::<usize>() <= 20_000);
    assert_eq!(summary(&elements), ["0..=4095", "4096..=8191", "8192..=9999"]);
}

#[test]
fn gaps_of_one_cause_are_one_until_an_event_follows() {
    let queue = Queue::new(3).unwrap();
    queue.take(Instant::now(), Some(Cause::DiskFull));
    queue.push(&mut events(0..3));
    for time in 3..100 {
        queue.push(&mut events(time..time + 1));
        queue.note(Note::gap(time, time + 1, 2, Cause::KernelOverrun));
    }
    let expected = ["0..=2", "Some(DiskFull) 97 3-99", "Some(KernelOverrun) 194 3-100"];
    assert_eq!(summary(&queue.take_all()), expected);
}

/// By what the clock showed, it would begin or end at another time than it did.
#[test]
fn no_gap_goes_on_over_a_clock_that_was_set() {
    let queue = Queue::new(3).unwrap();
    let lost = |from, to| Note::gap(from, to, 1, Cause::KernelOverrun);
    for note in [lost(100, 110), lost(110, 120), Note::clock_step(50, -70), lost(50, 60), lost(60, 70)] {
        queue.note(note);
    }
    let expected = ["Some(KernelOverrun) 2 100-120", "Some(ClockStep) 0 50-50", "Some(KernelOverrun) 2 50-70"];
    assert_eq!(summary(&queue.take_all()), expected);
}

#[test]
fn an_answer_comes_with_all_that_was_pushed_before() {
    let queue = Queue::new(100).unwrap();
    let ticket = queue.ask();
    assert_eq!(queue.take(Instant::now(), None).standing.answered, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let asked = queue.asked();
            queue.push(&mut events(0..5));
            queue.answer(asked);
        });
        let taken = queue.take(Instant::now() + Duration::from_secs(60), None);
        assert_eq!((taken.standing.answered, summary(&taken.elements)), (ticket, vec!["0..=4".to_owned()]));
    });
}

#[test]
fn what_found_no_room_is_counted_by_kind() {
    let queue = Queue::new(2).unwrap();
    queue.push(&mut events(0..5));
    let standing = queue.take(Instant::now(), None).standing;
    assert_eq!((standing.lost_starts, standing.lost_ends), (3, 0));
}

#[test]
fn a_command_wakes_the_writing_side_at_once() {
    let queue = Queue::new(3).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| queue.command(Command::Flush));
        let taken = queue.take(Instant::now() + Duration::from_secs(60), Some(Cause::DiskFull));
        assert_eq!(taken.commands, [Command::Flush]);
    });
}
