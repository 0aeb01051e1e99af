//! Dates and times of day, from their parts; what is wrong with one is told by the part.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

use super::half;

/// A leap second as `chrono` has it: more than a second of nanoseconds behind second 59.
const LEAP_NS: u32 = 1_000_000_000;

/// What is wrong with one part of a time that is otherwise in a form that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// A year of more than four digits.
    #[error("the year {0} is further than files can tell: they end in 2554")]
    Year(String),
    /// A month other than 1 to 12.
    #[error("there is no month {0}")]
    Month(u32),
    /// A day that its month does not have.
    #[error("{month} {year} has no day {day}")]
    Day {
        /// The year.
        year: i32,
        /// The month's name.
        month: &'static str,
        /// The day that was said.
        day: u32,
    },
    /// A day of the week that is not that of the date.
    #[error("{date} is a {is}, and not a {said}")]
    Weekday {
        /// The date.
        date: NaiveDate,
        /// What was said.
        said: &'static str,
        /// What it is.
        is: &'static str,
    },
    /// The hour 24, or a later one.
    #[error("there is no hour {0}: hours go from 0 to 23, and a day ends with 00:00 of the next one")]
    Hour(u32),
    /// The hour 0, or one after 12, with AM or PM behind it.
    #[error("there is no hour {0} in half a day: before AM and PM, hours go from 1 to 12")]
    HalfDay(u32),
    /// A minute after 59.
    #[error("there is no minute {0}: minutes go from 0 to 59")]
    Minute(u32),
    /// A second after 60.
    #[error("there is no second {0}: seconds go from 0 to 59")]
    Second(u32),
    /// A second 60 that is no leap second.
    #[error("there is no second 60 but the leap second, which comes at 23:59:60 UTC")]
    NoLeapSecond,
}

/// `None`: it is not in this form. An error: it is, and something is wrong with a part of it.
pub(super) type Parsed<T> = Option<Result<T, PartError>>;

/// The names of months and days of the week; of each the first three letters are its short name.
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Number in a list of a name, whole or short.
fn number(names: &[&str], word: &str) -> Option<usize> {
    let is = |name: &str| name.eq_ignore_ascii_case(word);
    names.iter().position(|name| is(name) || name.get(..3).is_some_and(is))
}

/// The month, from 1, with this name, such as `November` or `Nov`.
pub(super) fn month(word: &str) -> Option<u32> {
    number(&MONTHS, word).map(|number| number as u32 + 1)
}

/// The day of the week with this name, such as `Friday` or `Fri`.
pub(super) fn weekday(word: &str) -> Option<Weekday> {
    number(&WEEKDAYS, word).and_then(|number| Weekday::try_from(number as u8).ok())
}

/// The number that these ASCII digits are, so many of them.
pub(super) fn digits(text: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let fits = lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

/// The date with these parts, the year still as digits: four of them, or more in vain.
pub(super) fn date(year: &str, month: u32, day: u32) -> Parsed<NaiveDate> {
    let digits_only = year.len() >= 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    digits_only.then(|| {
        let year = year.parse().ok().filter(|_| year.len() == 4).ok_or_else(|| PartError::Year(year.to_owned()))?;
        day_of(year, month, day)
    })
}

fn day_of(year: i32, month: u32, day: u32) -> Result<NaiveDate, PartError> {
    let index = usize::try_from(month).ok().and_then(|month| month.checked_sub(1));
    let name = index.and_then(|index| MONTHS.get(index)).ok_or(PartError::Month(month))?;
    NaiveDate::from_ymd_opt(year, month, day).ok_or(PartError::Day { year, month: name, day })
}

/// Holds a date against the day of the week that was said of it.
pub(super) fn on(date: NaiveDate, said: Weekday) -> Result<NaiveDate, PartError> {
    let name = |day: Weekday| WEEKDAYS.get(day.num_days_from_monday() as usize).copied().unwrap_or_default();
    if date.weekday() == said {
        return Ok(date);
    }
    Err(PartError::Weekday { date, said: name(said), is: name(date.weekday()) })
}

/// `14:13`, `14:13:20`, `14:13:20.602998` or, as ISO 8601 has it and some logs do, `14:13:20,602`; of more than nine decimals the first nine count.
/// With AM or PM right behind it, it has the hours of half a day, and may have no minutes: `02:13:20PM`, `2pm`.
pub(super) fn time_of_day(text: &str) -> Parsed<NaiveTime> {
    let (text, half) = half::split(text).map_or((text, None), |(text, half)| (text, Some(half)));
    let (whole, fraction) =
        text.split_once(['.', ',']).map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut parts = whole.split(':');
    let hour = digits(parts.next()?, 1..=2)?;
    let minute = match (parts.next(), half) {
        (Some(minute), _) => digits(minute, 2..=2)?,
        (None, Some(_)) => 0,
        (None, None) => return None,
    };
    let second = parts.next().map(|second| digits(second, 2..=2));
    if parts.next().is_some() || (fraction.is_some() && second.is_none()) {
        return None;
    }
    let second = second.unwrap_or(Some(0))?;
    let ns = fraction.map_or(Some(0), decimals)?;
    let hour = half.map_or(Ok(hour), |half| half.in_24_hours(hour));
    Some(hour.and_then(|hour| time(hour, minute, second, ns)))
}

/// What stands behind the point, in ns.
fn decimals(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<9}").get(..9)?.parse().ok()
}

/// The time of day with these parts; a second 60 may yet turn out to be none.
fn time(hour: u32, minute: u32, second: u32, ns: u32) -> Result<NaiveTime, PartError> {
    match (hour, minute, second) {
        (24.., ..) => Err(PartError::Hour(hour)),
        (_, 60.., _) => Err(PartError::Minute(minute)),
        (_, _, 61..) => Err(PartError::Second(second)),
        (_, _, 60) => NaiveTime::from_hms_nano_opt(hour, minute, 59, LEAP_NS + ns).ok_or(PartError::NoLeapSecond),
        _ => NaiveTime::from_hms_nano_opt(hour, minute, second, ns).ok_or(PartError::Second(second)),
    }
}

/// Holds a second 60 against when it was, in seconds since the epoch, UTC, of the second before it.
pub(super) fn leap(shown: &NaiveDateTime, second: i64) -> Result<(), PartError> {
    let is_leap = chrono::Timelike::nanosecond(shown) >= LEAP_NS;
    if is_leap && second.rem_euclid(86_400) != 86_399 { Err(PartError::NoLeapSecond) } else { Ok(()) }
}
