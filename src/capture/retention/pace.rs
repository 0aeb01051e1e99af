//! How fast segments go that are too old: a typo in `--max-age`, or a clock that is wrong by less than that, shall not cost a journal
//! before somebody can put a file named `HOLD` there.

use super::super::clock::SECOND;
use super::{INTERVAL, Limits};

/// So long after a share there is no other one: looks come a minute after each other, a moment more or less, and sooner after a rotation.
const REST_NS: u64 = (INTERVAL.as_secs() - 5) * SECOND;

/// At once goes at most this part of the segments that there are, and one at least: half of a long journal takes three hours. That is
/// far more than grows too old meanwhile.
const SHARE: usize = 256;

/// It is said if it takes so many looks or more.
const LOOKS_TOLD: usize = 10;

/// So many segments go at once at most, for whatever reason.
const AT_ONCE_MAX: usize = 64;

/// How many go in a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// So many, the oldest.
    pub(super) count: usize,
    /// The next ones may go as soon as these are gone.
    pub(super) is_urgent: bool,
}

/// What was said of it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    said: bool,
    /// When, by a steady clock (ns), there was a share last.
    shared: Option<u64>,
}

impl Pace {
    /// Of the last share one could not be removed: others may go for it.
    pub(super) fn give_back(&mut self) {
        self.shared = None;
    }

    /// Of `due` segments among all that are `there`, at a moment of a steady clock (ns). `demanded`: so many would be due without
    /// `--max-age`, for which the pace is none.
    pub(super) fn share(&mut self, limits: &Limits, due: usize, demanded: usize, there: usize, at: u64) -> Share {
        // Who keeps less than a minute has no minute to lose.
        let is_paced = limits.max_age.is_some_and(|age| age >= INTERVAL);
        let demanded = if is_paced { demanded } else { due };
        let slow = (there / SHARE).clamp(1, AT_ONCE_MAX);
        let is_told = due.saturating_sub(demanded) >= slow * LOOKS_TOLD;
        if is_told && !self.said {
            tracing::warn!(
                "{due} of {there} files are older than --max-age allows: they go slowly, {slow} a minute; a file named HOLD stops that"
            );
        }
        self.said = is_told;
        let has_rested = self.shared.is_none_or(|shared| at.saturating_sub(shared) >= REST_NS);
        let share = if !is_paced || has_rested { due.min(slow) } else { 0 };
        if share > 0 {
            self.shared = Some(at);
        }
        Share { count: demanded.max(share).min(AT_ONCE_MAX), is_urgent: demanded > AT_ONCE_MAX }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn share(age_s: u64, due: usize, demanded: usize, there: usize) -> (usize, bool) {
        let limits = Limits { max_age: Some(Duration::from_secs(age_s)), ..Limits::default() };
        let Share { count, is_urgent } = Pace::default().share(&limits, due, demanded, there, 0);
        (count, is_urgent)
    }

    #[test]
    fn what_is_too_old_goes_a_small_part_at_a_time_and_one_at_least() {
        assert_eq!(share(3600, 8000, 0, 8760), (34, false));
        assert_eq!(share(3600, 300, 0, 365), (1, false));
        assert_eq!(share(3600, 1, 0, 2), (1, false));
        assert_eq!(share(3600, 0, 0, 8760), (0, false));
        assert_eq!(share(3600, 100_000, 0, 100_000), (64, false));
    }

    #[test]
    fn there_is_one_share_a_minute_however_often_it_is_looked() {
        let (limits, mut pace) =
            (Limits { max_age: Some(Duration::from_secs(3600)), ..Limits::default() }, Pace::default());
        let mut count = |second: u64, demanded| pace.share(&limits, 50, demanded, 600, second * SECOND).count;
        assert_eq!([0, 4, 9, 50].map(|second| count(second, 0)), [2, 0, 0, 0]);
        assert_eq!(count(51, 40), 40, "what the disk demands goes all the same");
        assert_eq!([59, 60, 119].map(|second| count(second, 0)), [2, 0, 2]);
        pace.give_back();
        assert_eq!(pace.share(&limits, 50, 0, 600, 120 * SECOND).count, 2);
    }

    #[test]
    fn what_the_disk_demands_goes_at_once() {
        assert_eq!(share(3600, 50, 40, 60), (40, false));
        assert_eq!(share(3600, 8000, 7000, 8760), (64, true));
        let none = Limits::default();
        assert_eq!(Pace::default().share(&none, 50, 50, 60, 0), Share { count: 50, is_urgent: false });
    }

    #[test]
    fn who_keeps_less_than_a_minute_keeps_no_more_for_that() {
        assert_eq!(share(5, 50, 0, 60), (50, false));
        assert_eq!(share(60, 50, 0, 60), (1, false));
    }
}
