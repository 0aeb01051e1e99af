//! The time zone that moments are shown in.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Offset, TimeZone, Utc};

use crate::query::time::local_zone;

/// An offset is looked up for a day at a time, in seconds.
///
/// No zone of the IANA database has ever changed its offset twice within six days since 1970 (the shortest span is
/// 601,200 s, in America/Noronha in October 2000), so that a day that begins and ends with the same offset has no other.
/// Smaller units that all changes would fall between do not exist: until 2011 St. John's changed one minute past the hour.
const DAY: i64 = 86_400;

/// A time zone, and the span around the moment last asked for in which its offset from UTC does not change.
///
/// A clone is cheap, and has a span of its own.
#[derive(Clone)]
pub struct Zone {
    /// The offset at a moment. Asking it takes long: it may read the environment and search a table.
    rule: Arc<dyn Fn(i64) -> i32 + Send + Sync>,
    /// The seconds since the epoch, UTC, in which `offset` holds.
    span: Range<i64>,
    offset: i32,
}

impl Zone {
    /// The zone of the environment variable `TZ`, else of the machine; UTC where `TZ` is not understood.
    pub fn local() -> Self {
        Self::of(local_zone().0)
    }

    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self::of(Utc)
    }

    /// Any zone that chrono knows how to ask.
    pub fn of<Z: TimeZone + Send + Sync + 'static>(zone: Z) -> Self {
        let rule = move |second| match DateTime::from_timestamp(second, 0) {
            Some(moment) => zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc(),
            None => 0,
        };
        Self { rule: Arc::new(rule), span: 0..0, offset: 0 }
    }

    /// Local time less UTC, in seconds, at a moment in seconds since 1970-01-01T00:00:00Z.
    pub fn offset(&mut self, second: i64) -> i32 {
        if !self.span.contains(&second) {
            (self.span, self.offset) = self.look_up(second);
        }
        self.offset
    }

    /// The span around `second` in which the offset does not change, and the offset.
    fn look_up(&self, second: i64) -> (Range<i64>, i32) {
        let begin = second.saturating_sub(second.rem_euclid(DAY));
        let end = begin.saturating_add(DAY);
        let (before, after) = ((self.rule)(begin), (self.rule)(end));
        let change = if before == after { end } else { self.change(begin..end, before) };
        if second < change { (begin..change, before) } else { (change..end, after) }
    }

    /// The first second of the span, which begins with the offset `before`, that has another; else its end.
    fn change(&self, span: Range<i64>, before: i32) -> i64 {
        let Range { mut start, mut end } = span;
        while end - start > 1 {
            let middle = start + (end - start) / 2;
            if (self.rule)(middle) == before {
                start = middle;
            } else {
                end = middle;
            }
        }
        end
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zone").field("span", &self.span).field("offset", &self.offset).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use chrono::FixedOffset;
    use chrono_tz::Tz;

    use super::*;

    fn direct(zone: &impl TimeZone, second: i64) -> i32 {
        let moment = DateTime::from_timestamp(second, 0).unwrap();
        zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc()
    }

    /// Compares at the first of the steps (in seconds), and at the finer ones where the offset changes within a step.
    /// Returns the number of changes.
    fn compare(zone: &mut Zone, tz: Tz, span: Range<i64>, steps: &[usize]) -> usize {
        let Some((step, finer)) = steps.split_first() else {
            return 1;
        };
        let mut changes = 0;
        for second in span.step_by(*step) {
            let next = second + *step as i64;
            assert_eq!(zone.offset(second), direct(&tz, second), "{tz} {second}");
            if direct(&tz, second) != direct(&tz, next) {
                changes += compare(zone, tz, second..next, finer);
            }
        }
        changes
    }

    /// The zones whose changes are the oddest, at each change between 1970 and 2038 and around it.
    #[test]
    fn every_change_of_odd_zones_is_met_to_the_second() {
        let zones = [
            Tz::Europe__Warsaw,
            Tz::America__St_Johns,
            Tz::Africa__Monrovia,
            Tz::Asia__Gaza,
            Tz::Antarctica__Casey,
            Tz::Antarctica__Troll,
            Tz::Australia__Lord_Howe,
            Tz::Pacific__Apia,
            Tz::Pacific__Kiritimati,
            Tz::America__Noronha,
            Tz::Africa__Casablanca,
            Tz::Asia__Kathmandu,
        ];
        for tz in zones {
            let changes = compare(&mut Zone::of(tz), tz, 0..i64::from(i32::MAX), &[21_600, 60, 1]);
            assert!(changes > 0, "{tz}");
        }
    }

    #[test]
    fn one_day_asks_the_rule_twice() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let mut zone = Zone::utc();
        zone.rule = Arc::new(|_| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            0
        });
        for second in 0..DAY {
            zone.offset(second);
        }
        assert_eq!(ASKED.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn any_second_has_an_offset() {
        let half_past_eight_west = FixedOffset::west_opt(30_600).unwrap();
        for (mut zone, offset) in [(Zone::of(half_past_eight_west), -30_600), (Zone::utc(), 0)] {
            for second in [-1, 0, 1, i64::from(u32::MAX), (u64::MAX / 1_000_000_000) as i64] {
                assert_eq!(zone.offset(second), offset, "{second}");
            }
            for second in [i64::MIN, i64::MAX] {
                zone.offset(second);
                Zone::local().offset(second);
            }
        }
    }
}
