//! How fast segments go that are too old: a typo in `--max-age`, or a clock that is wrong by less than that, shall not cost a journal
//! before somebody can put a file named `HOLD` there.

use super::{INTERVAL, Limits};

/// In a look goes at most this part of the segments that there are, and one at least: half of a long journal takes three hours. That is
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
}

impl Pace {
    /// Of `due` segments among all that are `there`. `demanded`: so many would be due without `--max-age`, for which the pace is none.
    pub(super) fn share(&mut self, limits: &Limits, due: usize, demanded: usize, there: usize) -> Share {
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
        Share { count: demanded.max(due.min(slow)).min(AT_ONCE_MAX), is_urgent: demanded > AT_ONCE_MAX }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn share(age_s: u64, due: usize, demanded: usize, there: usize) -> (usize, bool) {
        let limits = Limits { max_age: Some(Duration::from_secs(age_s)), ..Limits::default() };
        let Share { count, is_urgent } = Pace::default().share(&limits, due, demanded, there);
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
    fn what_the_disk_demands_goes_at_once() {
        assert_eq!(share(3600, 50, 40, 60), (40, false));
        assert_eq!(share(3600, 8000, 7000, 8760), (64, true));
        let none = Limits::default();
        assert_eq!(Pace::default().share(&none, 50, 50, 60), Share { count: 50, is_urgent: false });
    }

    #[test]
    fn who_keeps_less_than_a_minute_keeps_no_more_for_that() {
        assert_eq!(share(5, 50, 0, 60), (50, false));
        assert_eq!(share(60, 50, 0, 60), (1, false));
    }
}
