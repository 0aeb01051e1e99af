//! When segments were begun by the clock as it was set later: a machine that comes up in 1970, and is set right by the network, has
//! not recorded for fifty years.

use std::path::Path;

use ctrecorder_format::{Cause, Note};

use super::super::clock::SECOND;

/// A segment that tells of no longer span than this was not begun by a clock far from the one that it ended by. What tells of a
/// longer one, or ends before it begins, is asked for notes that the clock was set.
const SPAN_MAX_NS: u64 = 25 * 3600 * SECOND;

/// A segment, and its place in the run of a recorder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link<'p> {
    pub(super) path: &'p Path,
    /// The network namespace and the begin of the run.
    pub(super) run: (Option<u32>, u64),
    pub(super) number: u64,
    /// When it was begun, by the clock as it was then; ns since the epoch.
    pub(super) created: u64,
    /// Until when it tells.
    pub(super) end: u64,
}

/// When each of these was begun, by the clock as it was when the last one of its run ended. By how many ns the clock was set in one of
/// them `set_in` knows; it is asked only where that matters.
pub(super) fn begun(links: &[Link<'_>], mut set_in: impl FnMut(&Link<'_>) -> i64) -> Vec<u64> {
    let mut latest_first: Vec<_> = (0..).zip(links).collect();
    latest_first.sort_by_key(|(_, link)| (link.run, std::cmp::Reverse(link.number)));
    let mut begun: Vec<_> = links.iter().map(|link| link.created).collect();
    let mut run = None;
    let mut set_since = 0_i64;
    for (place, link) in latest_first {
        if run.replace(link.run) != Some(link.run) {
            set_since = 0;
        }
        if link.end.checked_sub(link.created).is_none_or(|span| span > SPAN_MAX_NS) {
            set_since = set_since.saturating_add(set_in(link));
        }
        let place: usize = place;
        if let Some(begun) = begun.get_mut(place) {
            *begun = link.created.saturating_add_signed(set_since);
        }
    }
    begun
}

/// By how many ns the clock was set, as these notes tell.
pub(super) fn set_by(notes: &[Note]) -> i64 {
    let steps = notes.iter().filter(|note| note.cause() == Some(Cause::ClockStep)).map(|note| note.value.get());
    steps.fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * SECOND;
    const YEARS: u64 = 50 * 365 * 24 * HOUR;

    fn link(path: &str, number: u64, created: u64, end: u64) -> Link<'_> {
        Link { path: Path::new(path), run: (None, 1), number, created, end }
    }

    #[test]
    fn what_was_begun_before_the_clock_was_set_right_was_begun_just_before_that() {
        let links = [
            link("a", 0, HOUR, 2 * HOUR),
            link("b", 1, 2 * HOUR, YEARS + 3 * HOUR),
            link("c", 2, YEARS + 3 * HOUR, YEARS + 4 * HOUR),
        ];
        let set_in = |link: &Link<'_>| if link.number == 1 { YEARS as i64 } else { panic!("{link:?} is as it seems") };
        assert_eq!(begun(&links, set_in), [YEARS + HOUR, YEARS + 2 * HOUR, YEARS + 3 * HOUR]);
    }

    #[test]
    fn what_was_begun_by_a_clock_ahead_is_older_and_other_runs_are_as_they_are() {
        let ahead = link("b", 0, YEARS + HOUR, 2 * HOUR);
        let other = Link { run: (Some(3), 1), ..link("x", 0, YEARS, YEARS + HOUR) };
        assert_eq!(begun(&[other, ahead], |_| -(YEARS as i64)), [YEARS, HOUR]);
        assert_eq!(begun(&[ahead], |_| i64::MIN), [0]);
    }

    #[test]
    fn a_long_segment_in_which_nobody_set_the_clock_is_as_old_as_it_says() {
        let long = link("a", 0, HOUR, YEARS);
        assert_eq!(begun(&[long], |_| set_by(&[Note::at(5, Cause::Quiet)])), [HOUR]);
        let steps = [Note::clock_step(5, 7), Note::at(6, Cause::Quiet), Note::clock_step(5, -2)];
        assert_eq!(set_by(&steps), 5);
    }
}
