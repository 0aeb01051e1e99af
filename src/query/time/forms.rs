//! The forms that a time can be typed in, before anything is said of where its clock stands.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};
use ctrecorder_format::NS_PER_SECOND;

use super::zone::Place;
use super::{TimeError, parse_duration};

/// Seconds since 1970 have so many digits from 2001 to 2286; other numbers could be meant for dates.
const EPOCH_DIGITS: usize = 10;

/// A time as its text says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// ns since the epoch; `None`: more than files can tell.
    Epoch(Option<u64>),
    /// A moment, by a clock whose offset from UTC is told.
    Moment(DateTime<FixedOffset>),
    /// So many ns ago; `None`: more than files can tell.
    Ago(Option<u64>),
    /// What a clock showed in this place, or in one that is not told.
    Local(NaiveDateTime, Option<Place>),
}

impl Typed {
    /// What form the text is in, and what it says in it.
    pub(super) fn of(text: &str) -> Result<Self, TimeError> {
        let typed = text.trim();
        let form = || TimeError::Form(text.to_owned());
        if let Some(epoch) = typed.strip_prefix('@') {
            return since_epoch(epoch).map(Self::Epoch).ok_or_else(form);
        }
        if typed.split('.').next().is_some_and(|whole| whole.len() == EPOCH_DIGITS && is_digits(whole)) {
            return since_epoch(typed).map(Self::Epoch).ok_or_else(form);
        }
        if let Some(span) = typed.strip_suffix("ago").filter(|span| span.ends_with(char::is_whitespace)) {
            return match parse_duration(span) {
                Ok(span) => Ok(Self::Ago(Some(span))),
                Err(super::DurationError::Range(_)) => Ok(Self::Ago(None)),
                Err(super::DurationError::Form(_)) => Err(form()),
            };
        }
        if let Some(moment) = DateTime::parse_from_rfc3339(typed).ok().or_else(|| email(typed)) {
            return Ok(Self::Moment(moment));
        }
        let typed = typed.strip_prefix('[').and_then(|typed| typed.strip_suffix(']')).unwrap_or(typed);
        let (shown, zone) = split_zone(typed);
        let shown = date_and_time(shown).or_else(|| web_server(shown)).ok_or_else(form)?;
        let zone = zone.map(Place::parse).transpose();
        let zone = zone.map_err(|error| TimeError::Zone { text: text.to_owned(), error })?;
        Ok(Self::Local(shown, zone))
    }

    /// The date and time that stand in the text, if any do.
    pub(super) fn shown(&self) -> Option<NaiveDateTime> {
        match self {
            Self::Epoch(_) | Self::Ago(_) => None,
            Self::Moment(moment) => Some(moment.naive_local()),
            Self::Local(shown, _) => Some(*shown),
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Seconds since the epoch with up to nine decimals, in ns. The outer `None`: it is no such number; the inner one: it is
/// too large.
fn since_epoch(text: &str) -> Option<Option<u64>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !is_digits(whole) || !is_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let ns: u64 = format!("{fraction:0<9}").parse().ok()?;
    let whole = whole.parse::<u64>().ok();
    Some(whole.and_then(|seconds| seconds.checked_mul(NS_PER_SECOND)?.checked_add(ns)))
}

/// The date of an e-mail. RFC 2822, section 3.3, and the short zone names that section 4.3 gives a meaning; but not its
/// letters for zones, which many have used the wrong way round.
fn email(typed: &str) -> Option<DateTime<FixedOffset>> {
    let zone = typed.rsplit(' ').next()?;
    let letter = zone.len() == 1 && !zone.eq_ignore_ascii_case("Z");
    (!letter).then(|| DateTime::parse_from_rfc2822(typed).ok())?
}

/// Parts what the clock showed from the zone behind it: a word behind a space, or an offset or a `Z` right behind the time.
fn split_zone(typed: &str) -> (&str, Option<&str>) {
    if let Some((shown, word)) = typed.rsplit_once(char::is_whitespace)
        && word.starts_with(|first: char| first.is_alphabetic() || "+-".contains(first))
    {
        return (shown.trim_end(), Some(word));
    }
    let shown = typed.trim_end_matches(['Z', 'z']);
    if typed.len() == shown.len() + 1 && shown.ends_with(|last: char| last.is_ascii_digit()) {
        return (shown, Some("Z"));
    }
    // Before a colon, the signs are those between the parts of a date.
    let time = typed.find(':').unwrap_or(typed.len());
    match typed.get(time..).and_then(|rest| rest.find(['+', '-'])) {
        Some(sign) => {
            let (shown, zone) = typed.split_at(time + sign);
            (shown, Some(zone))
        }
        None => (typed, None),
    }
}

/// `20/Nov/2026:14:13:20`, as web servers log it.
fn web_server(shown: &str) -> Option<NaiveDateTime> {
    let (date, time) = shown.split_once(':')?;
    let date = NaiveDate::parse_from_str(date, "%d/%b/%Y").ok().filter(|_| date.len() == "20/Nov/2026".len())?;
    Some(date.and_time(time_of_day(time)?))
}

/// `2026-11-20` or `2026.11.20`, then nothing or a time of day behind a space or a `T`.
fn date_and_time(shown: &str) -> Option<NaiveDateTime> {
    let (date, time) = match shown.split_once([' ', 'T']) {
        Some((date, time)) => (date, time_of_day(time.trim_start())?),
        None => (shown, NaiveTime::MIN),
    };
    let separator = if date.contains('.') { '.' } else { '-' };
    let mut parts = date.split(separator).map(|part| is_digits(part).then_some(part));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if (year.len(), month.len(), day.len(), parts.next()) != (4, 2, 2, None) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    Some(date.and_time(time))
}

/// `14:13`, `14:13:20` or `14:13:20.602998`.
fn time_of_day(text: &str) -> Option<NaiveTime> {
    let digits_first = text.starts_with(|character: char| character.is_ascii_digit());
    let parsed = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"));
    parsed.ok().filter(|_| digits_first)
}
