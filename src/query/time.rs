//! The one parser of times as they are typed.

use chrono::{DateTime, FixedOffset, Local, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use ctrecorder_format::NS_PER_SECOND;

/// What is wrong with a time. Each message begins with the text as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// It is in none of the forms.
    #[error(
        "{0} is no time: say 2026-11-20T14:13:20Z, or 2026-11-20 14:13:20 in the local time zone, or a date, or @ and \
         the seconds since 1970"
    )]
    Form(String),
    /// No file can hold it.
    #[error("{0} lies before 1970 or behind 2554-07-21, further than files can tell")]
    Range(String),
    /// The clocks were set forward over it.
    #[error("{0} did not exist in the local time zone, whose clocks were set forward over it: say it in UTC")]
    Skipped(String),
    /// The clocks were set back, and showed it twice.
    #[error("{text} came twice in the local time zone, whose clocks were set back: say {first} or {second}")]
    Twice {
        /// The text as typed.
        text: String,
        /// The first of the two moments, with its offset from UTC.
        first: String,
        /// The second one.
        second: String,
    },
}

/// Reads a moment, in ns since 1970-01-01T00:00:00Z:
///
/// - RFC 3339, with its offset from UTC: `2026-11-20T14:13:20.5Z`, `2026-11-20 15:13:20+01:00`;
/// - date and time in the local time zone, as `list` shows them: `2026.11.20 15:13:20.602998`, or `2026-11-20 15:13`;
/// - a date alone: when it began in the local time zone;
/// - `@` and the seconds since 1970: `@1795184000.25`.
///
/// # Errors
/// [`TimeError`], whose message begins with the text. A local time that did not exist, or came twice, is refused.
pub fn parse_time(text: &str) -> Result<u64, TimeError> {
    parse_time_in(text, &Local)
}

/// [`parse_time`] with another time zone for the local one.
fn parse_time_in<Z: TimeZone>(text: &str, zone: &Z) -> Result<u64, TimeError> {
    let typed = text.trim();
    if let Some(epoch) = typed.strip_prefix('@') {
        return since_epoch(epoch).ok_or_else(|| TimeError::Form(text.to_owned()))?.ok_or_else(|| out_of_range(text));
    }
    let moment = match DateTime::parse_from_rfc3339(typed) {
        Ok(moment) => moment,
        Err(_) => local(text, typed, zone)?,
    };
    nanoseconds(&moment).ok_or_else(|| out_of_range(text))
}

fn out_of_range(text: &str) -> TimeError {
    TimeError::Range(text.to_owned())
}

/// A moment in ns since the epoch, if files can hold it.
fn nanoseconds(moment: &DateTime<FixedOffset>) -> Option<u64> {
    let seconds = u64::try_from(moment.timestamp()).ok()?;
    seconds.checked_mul(NS_PER_SECOND)?.checked_add(moment.timestamp_subsec_nanos().into())
}

/// Seconds since the epoch with up to nine decimals, in ns. The outer `None`: it is no such number; the inner one: it is
/// too large.
fn since_epoch(text: &str) -> Option<Option<u64>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let ns: u64 = format!("{fraction:0<9}").parse().ok()?;
    let whole = whole.parse::<u64>().ok();
    Some(whole.and_then(|seconds| seconds.checked_mul(NS_PER_SECOND)?.checked_add(ns)))
}

/// A date, and maybe a time, in a zone.
fn local<Z: TimeZone>(text: &str, typed: &str, zone: &Z) -> Result<DateTime<FixedOffset>, TimeError> {
    let naive = date_and_time(typed).ok_or_else(|| TimeError::Form(text.to_owned()))?;
    match zone.from_local_datetime(&naive) {
        LocalResult::Single(moment) => Ok(moment.fixed_offset()),
        LocalResult::None => Err(TimeError::Skipped(text.to_owned())),
        LocalResult::Ambiguous(first, second) => {
            // Which of the two is named first depends on who knows the zone.
            let mut moments = [first, second].map(|moment| moment.fixed_offset());
            moments.sort_unstable();
            let [first, second] = moments.map(|moment| moment.to_rfc3339());
            Err(TimeError::Twice { text: text.to_owned(), first, second })
        }
    }
}

/// `2026-11-20` or `2026.11.20`, then nothing or a time of day behind a space or a `T`.
fn date_and_time(typed: &str) -> Option<NaiveDateTime> {
    let (date, time) = match typed.split_once([' ', 'T']) {
        Some((date, time)) => (date, time_of_day(time)?),
        None => (typed, NaiveTime::MIN),
    };
    let separator = if date.contains('.') { '.' } else { '-' };
    let mut parts = date.split(separator).map(|part| part.bytes().all(|byte| byte.is_ascii_digit()).then_some(part));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if (year.len(), month.len(), day.len(), parts.next()) != (4, 2, 2, None) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    Some(date.and_time(time))
}

/// `14:13`, `14:13:20` or `14:13:20.602998`.
fn time_of_day(text: &str) -> Option<NaiveTime> {
    let shape = text.trim_start();
    let digits_first = shape.starts_with(|character: char| character.is_ascii_digit());
    let parsed = NaiveTime::parse_from_str(shape, "%H:%M:%S%.f").or_else(|_| NaiveTime::parse_from_str(shape, "%H:%M"));
    parsed.ok().filter(|_| digits_first)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use proptest::prelude::*;

    use super::*;
    use crate::output::Zone;
    use crate::output::time::Times;

    /// 2026-11-20 14:13:20 UTC.
    const MOMENT: u64 = 1_795_184_000 * NS_PER_SECOND;

    fn warsaw(text: &str) -> Result<u64, TimeError> {
        parse_time_in(text, &Tz::Europe__Warsaw)
    }

    #[test]
    fn every_form_is_read() {
        for (text, expected) in [
            ("2026-11-20T14:13:20Z", MOMENT),
            ("2026-11-20t14:13:20z", MOMENT),
            ("2026-11-20 14:13:20Z", MOMENT),
            ("2026-11-20T15:13:20+01:00", MOMENT),
            ("2026-11-20T08:43:20.000000001-05:30", MOMENT + 1),
            ("2026-11-20 15:13:20", MOMENT),
            ("2026-11-20T15:13:20", MOMENT),
            ("2026-11-20 15:13:20.5", MOMENT + NS_PER_SECOND / 2),
            ("2026.11.20 15:13:20.602998", MOMENT + 602_998_000),
            ("2026-11-20 15:13", MOMENT - 20 * NS_PER_SECOND),
            (" 2026-11-20  15:13 ", MOMENT - 20 * NS_PER_SECOND),
            ("2026-11-20", MOMENT - (15 * 3600 + 13 * 60 + 20) * NS_PER_SECOND),
            ("2026.11.20", MOMENT - (15 * 3600 + 13 * 60 + 20) * NS_PER_SECOND),
            ("@1795184000", MOMENT),
            ("@1795184000.25", MOMENT + NS_PER_SECOND / 4),
            ("@0", 0),
            ("@18446744073.709551615", u64::MAX),
        ] {
            assert_eq!(warsaw(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "yesterday",
            "14:13:20",
            "2026",
            "2026-11",
            "2026-11-31",
            "2026-13-01",
            "20-11-2026",
            "2026-1-2",
            "2026-11.20",
            "2026-11-20-1",
            "+2026-11-20",
            "2026-11-20 25:00",
            "2026-11-20 12:60",
            "2026-11-20 12:00:",
            "2026-11-20 12:00:00 CET",
            "2026-11-20 +1:00",
            "1795184000",
            "@",
            "@-1",
            "@1.",
            "@.5",
            "@1.0000000001",
            "@1e9",
            "@0x10",
            "２０２６-11-20",
        ] {
            assert_eq!(warsaw(text), Err(TimeError::Form(text.into())), "{text:?}");
        }
        for text in
            ["1969-12-31T23:59:59Z", "2554-07-22T00:00:00Z", "@18446744074", "@99999999999999999999", "0001-01-01"]
        {
            assert_eq!(warsaw(text), Err(TimeError::Range(text.into())), "{text:?}");
        }
    }

    #[test]
    fn a_local_time_that_never_was_or_came_twice_is_refused() {
        assert_eq!(warsaw("2026-03-29 02:30"), Err(TimeError::Skipped("2026-03-29 02:30".into())));
        let twice = TimeError::Twice {
            text: "2026-10-25 02:30".into(),
            first: "2026-10-25T02:30:00+02:00".into(),
            second: "2026-10-25T02:30:00+01:00".into(),
        };
        assert_eq!(warsaw("2026-10-25 02:30"), Err(twice.clone()));
        let TimeError::Twice { first, second, .. } = twice else { unreachable!() };
        assert_eq!(warsaw(&second).unwrap() - warsaw(&first).unwrap(), 3600 * NS_PER_SECOND);
        // A date that began with such an hour.
        assert!(matches!(parse_time_in("2018-11-04", &Tz::America__Sao_Paulo), Err(TimeError::Skipped(_))));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,40}", digits in "[-0-9.:@TZ +]{0,40}") {
            let _ = (warsaw(&text), warsaw(&digits));
        }

        /// What `list` shows is understood, to the microsecond.
        #[test]
        fn times_as_they_are_shown_are_read(us in 0..18_446_744_073_709_551_u64) {
            for tz in [Tz::UTC, Tz::Asia__Kathmandu, Tz::America__St_Johns] {
                let text = Times::new(Zone::of(tz)).text(us * 1000);
                match parse_time_in(&text, &tz) {
                    Ok(ns) => prop_assert_eq!(ns, us * 1000),
                    Err(error) => prop_assert!(matches!(error, TimeError::Twice { .. }), "{}", error),
                }
            }
        }
    }
}
