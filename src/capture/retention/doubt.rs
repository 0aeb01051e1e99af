//! Whether the clock may be believed when it says that segments are too old: a machine that comes up with a clock that is years ahead
//! would lose all of them.

use std::time::Duration;

use super::INTERVAL;

/// A doubt holds no longer than this, be it of one run or, where only nobody keeps the clock, of several, nor longer than `--max-age`
/// itself, and with one shorter than the time between two looks not at all: what must not be kept has to go where no clock is ever
/// synchronised, too.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// A moment by the wall clock, and by a steady one that nobody sets; ns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) wall: u64,
    pub(super) steady: u64,
}

/// What there is against the clock, of one run.
#[derive(Debug)]
pub(super) struct Doubt {
    max_age: Duration,
    /// The first look, and until when the journal told then.
    first: Option<(u64, u64)>,
    /// Since when, by the steady clock, there has been a doubt.
    since: Option<u64>,
    /// What was said last.
    said: Option<&'static str>,
}

impl Doubt {
    pub(super) fn new(max_age: Duration) -> Self {
        Self { max_age, first: None, since: None, said: None }
    }

    /// Whether there is a doubt for which nothing is removed for its age now. `newest`: until when the newest segment but the current one
    /// tells; `recorded_ns`: how much of the last week is in segments, of whichever runs; `synchronised`: whether the kernel's clock is,
    /// if that can be told; `is_due`: whether there is anything to be removed.
    pub(super) fn holds(
        &mut self,
        now: Moment,
        (newest, recorded_ns): (Option<u64>, u64),
        synchronised: Option<bool>,
        is_due: bool,
    ) -> bool {
        let (begun, told_until) = *self.first.get_or_insert((now.steady, newest.unwrap_or(now.wall)));
        // When this run began, by the clock as it is now.
        let began = now.wall.saturating_sub(now.steady.saturating_sub(begun));
        let why = if began > told_until.saturating_add(nanoseconds(self.max_age)) {
            "by the clock, nothing was recorded for longer than --max-age before this start"
        } else if synchronised == Some(false) && recorded_ns < nanoseconds(PATIENCE.min(self.max_age / 2)) {
            "the clock is not synchronised"
        } else {
            (self.since, self.said) = (None, None);
            return false;
        };
        let doubted = now.steady.saturating_sub(*self.since.get_or_insert(now.steady));
        let patience = nanoseconds(PATIENCE.min(self.max_age));
        let holds = patience >= nanoseconds(INTERVAL) && doubted < patience;
        if holds && is_due && self.said != Some(why) {
            tracing::warn!(
                "{why}: nothing is removed for its age for a day, or for --max-age if that is less, unless that changes"
            );
            self.said = Some(why);
        }
        holds
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * 1_000_000_000;
    const NOW: u64 = 500_000 * HOUR;
    const AGE: Duration = Duration::from_secs(100 * 3600);

    /// A moment so many hours after the first one, as the clock was set so many hours ahead meanwhile.
    fn after(hours: u64, ahead: u64) -> Moment {
        Moment { wall: NOW + (hours + ahead) * HOUR, steady: (5 + hours) * HOUR }
    }

    #[test]
    fn a_clock_that_is_not_synchronised_is_doubted_for_a_day() {
        let mut doubt = Doubt::new(AGE);
        let mut holds = |hours, synchronised| doubt.holds(after(hours, 0), (Some(NOW - HOUR), 0), synchronised, true);
        assert!(!holds(0, Some(true)) && !holds(0, None));
        assert!(holds(1, Some(false)) && holds(24, Some(false)));
        assert!(!holds(25, Some(false)), "where there is no time, things must go, too");
        assert!(!holds(26, Some(true)) && holds(27, Some(false)));
        let mut short = Doubt::new(Duration::from_secs(3600));
        assert!(short.holds(after(0, 0), (None, 0), Some(false), true));
        assert!(!short.holds(after(1, 0), (None, 0), Some(false), true), "no longer than --max-age");
    }

    #[test]
    fn what_runs_before_have_recorded_for_a_day_need_not_be_waited_for_again() {
        let holds = |recorded_h, age_h: u64| {
            let mut doubt = Doubt::new(Duration::from_secs(age_h * 3600));
            doubt.holds(after(0, 0), (Some(NOW - HOUR), recorded_h * HOUR), Some(false), true)
        };
        assert!(holds(23, 100) && !holds(24, 100));
        assert!(holds(2, 6) && !holds(3, 6), "of a short time there is never more");
        let mut far = Doubt::new(AGE);
        assert!(far.holds(after(0, 101), (Some(NOW), 24 * HOUR), Some(false), true), "far ahead of all");
    }

    #[test]
    fn a_clock_far_ahead_of_the_journal_is_doubted_until_it_is_set_right() {
        let mut doubt = Doubt::new(AGE);
        let mut holds = |hours, ahead| doubt.holds(after(hours, ahead), (Some(NOW - HOUR), 0), Some(true), true);
        assert!(holds(0, 100) && holds(23, 100));
        assert!(!holds(23, 0), "set right");
        assert!(!holds(400, 0), "a long run");
        assert!(holds(401, 200), "set wrong within the run");
    }

    #[test]
    fn without_a_journal_the_first_look_counts() {
        let mut doubt = Doubt::new(AGE);
        assert!(!doubt.holds(after(0, 0), (None, 0), Some(true), true));
        assert!(doubt.holds(after(1, 101), (Some(NOW), 0), Some(true), true));
    }
}
