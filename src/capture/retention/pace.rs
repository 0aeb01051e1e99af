//! How fast segments go that are too old: a typo in `--max-age`, or a clock that is wrong by less than that, shall not cost a journal
//! before somebody can put a file named `HOLD` there.

use super::super::clock::SECOND;
use super::{INTERVAL, Limits};

/// So long after a share there is no other one: looks come a minute after each other, a moment more or less, and sooner after a rotation.
const REST_NS: u64 = (INTERVAL.as_secs() - 5) * SECOND;

/// In a share goes at most this part of the segments that there are, and one at least, beside what has grown too old since the last one:
/// half of a long journal takes three hours.
const SHARE: usize = 256;

/// What grew too old before that is behind, and goes slowly like all else: nothing was removed for so long. Looks are hardly two minutes
/// apart, but removing may take its time.
const GROWN_MAX_NS: u64 = 10 * INTERVAL.as_secs() * SECOND;

/// It is said if it takes so many looks or more.
const LOOKS_TOLD: usize = 10;

/// So many segments go at once at most, for whatever reason, or of very many a [`SHARE`]th.
const AT_ONCE: usize = 64;

/// How many segments the limits are broken by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// All that are due.
    pub(super) due: usize,
    /// So many would be due without `--max-age`, for which the pace is none.
    pub(super) demanded: usize,
    /// So many have become due by their age since the last share ([`Pace::since`]).
    pub(super) grown: usize,
    /// So many are there.
    pub(super) there: usize,
}

/// How many go in a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// So many, the oldest.
    pub(super) count: usize,
    /// The next ones may go as soon as these are gone.
    pub(super) is_urgent: bool,
}

/// What was said of it, and done.
#[derive(Debug, Default)]
pub(super) struct Pace {
    said: bool,
    /// When, by a steady clock (ns), there was a share last.
    shared: Option<u64>,
    /// So many of that are still to go.
    left: usize,
}

impl Pace {
    /// Of the last share one could not be removed: others may go for it.
    pub(super) fn give_back(&mut self) {
        (self.shared, self.left) = (None, 0);
    }

    /// How long ago the last share was, in ns: what has grown too old since goes with the next one. As many come there as go, then, however
    /// many journals there are, and however often they begin a segment.
    pub(super) fn since(&self, at: u64) -> u64 {
        let first = INTERVAL.as_secs() * SECOND;
        self.shared.map_or(first, |shared| at.saturating_sub(shared).min(GROWN_MAX_NS))
    }

    /// Of what is due, at a moment of a steady clock (ns).
    pub(super) fn share(&mut self, limits: &Limits, load: Load, at: u64) -> Share {
        let Load { due, demanded, grown, there } = load;
        // Who keeps less than a minute has no minute to lose.
        let is_paced = limits.max_age.is_some_and(|age| age >= INTERVAL);
        let at_once = (there / SHARE).max(AT_ONCE);
        if !is_paced {
            return Share { count: due.min(at_once), is_urgent: due > at_once };
        }
        let slow = (there / SHARE).max(1);
        if self.shared.is_none_or(|shared| at.saturating_sub(shared) >= REST_NS) {
            self.say(due.saturating_sub(demanded.saturating_add(grown)), slow, there);
            self.left = slow.saturating_add(grown);
            if due > 0 {
                self.shared = Some(at);
            }
        }
        let wanted = demanded.max(self.left).min(due);
        let count = wanted.min(at_once);
        self.left = self.left.saturating_sub(count);
        Share { count, is_urgent: wanted > at_once }
    }

    /// Says once that so many are `behind`, if that takes long.
    fn say(&mut self, behind: usize, slow: usize, there: usize) {
        let is_told = behind >= slow * LOOKS_TOLD;
        if is_told && !self.said {
            tracing::warn!(
                "{behind} of {there} files are older than --max-age allows: they go slowly, {slow} a minute; a file named HOLD stops that"
            );
        }
        self.said = is_told;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Of which none has grown too old just now.
    const fn load(due: usize, demanded: usize, there: usize) -> Load {
        Load { due, demanded, grown: 0, there }
    }

    fn limits(age_s: u64) -> Limits {
        Limits { max_age: Some(Duration::from_secs(age_s)), ..Limits::default() }
    }

    fn share(age_s: u64, due: usize, demanded: usize, there: usize) -> (usize, bool) {
        let Share { count, is_urgent } = Pace::default().share(&limits(age_s), load(due, demanded, there), 0);
        (count, is_urgent)
    }

    #[test]
    fn what_is_too_old_goes_a_small_part_at_a_time_and_one_at_least() {
        assert_eq!(share(3600, 8000, 0, 8760), (34, false));
        assert_eq!(share(3600, 300, 0, 365), (1, false));
        assert_eq!(share(3600, 1, 0, 2), (1, false));
        assert_eq!(share(3600, 0, 0, 8760), (0, false));
        assert_eq!(share(3600, 100_000, 0, 100_000), (390, false));
    }

    #[test]
    fn there_is_one_share_a_minute_however_often_it_is_looked() {
        let (limits, mut pace) = (limits(3600), Pace::default());
        let mut count = |second: u64, demanded| pace.share(&limits, load(50, demanded, 600), second * SECOND).count;
        assert_eq!([0, 4, 9, 50].map(|second| count(second, 0)), [2, 0, 0, 0]);
        assert_eq!(count(51, 40), 40, "what the disk demands goes all the same");
        assert_eq!([59, 60, 119].map(|second| count(second, 0)), [2, 0, 2]);
        pace.give_back();
        assert_eq!(pace.share(&limits, load(50, 0, 600), 120 * SECOND).count, 2);
    }

    /// A hundred journals with a segment a minute each.
    #[test]
    fn what_has_grown_too_old_since_the_last_share_goes_with_the_next_however_much_that_is() {
        let (limits, mut pace) = (limits(3600), Pace::default());
        let mut behind = 300;
        for minute in 0..12 {
            behind += 100;
            let mut grown = 100;
            for look in 0.. {
                let at = (60 * minute + look) * SECOND;
                assert!(pace.since(at) <= 60 * SECOND);
                let Share { count, is_urgent } =
                    pace.share(&limits, Load { due: behind, demanded: 0, grown, there: 6000 }, at);
                assert!(count <= AT_ONCE);
                (behind, grown) = (behind - count, 0);
                if !is_urgent {
                    break;
                }
            }
        }
        // Of what was behind, a 256th of all in each minute.
        assert_eq!(behind, 300 - 12 * (6000 / 256));
    }

    #[test]
    fn what_grew_too_old_while_nothing_was_removed_goes_slowly() {
        let mut pace = Pace::default();
        pace.share(&limits(3600), load(5, 0, 600), 0);
        assert_eq!(pace.since(60 * SECOND), 60 * SECOND);
        assert_eq!(pace.since(86_400 * SECOND), GROWN_MAX_NS, "a file named HOLD was there for a day");
        pace.give_back();
        assert_eq!(pace.since(86_400 * SECOND), 60 * SECOND);
    }

    #[test]
    fn what_the_disk_demands_goes_at_once() {
        assert_eq!(share(3600, 50, 40, 60), (40, false));
        assert_eq!(share(3600, 8000, 7000, 8760), (64, true));
        assert_eq!(share(3600, 900_000, 900_000, 1_000_000), (3906, true));
        let none = Limits::default();
        assert_eq!(Pace::default().share(&none, load(50, 50, 60), 0), Share { count: 50, is_urgent: false });
    }

    #[test]
    fn who_keeps_less_than_a_minute_keeps_no_more_for_that() {
        assert_eq!(share(5, 50, 0, 60), (50, false));
        assert_eq!(share(60, 50, 0, 60), (1, false));
    }
}
