//! The forms that a time can be typed in, before anything is said of where its clock stands.

use chrono::{FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Weekday};
use ctrecorder_format::NS_PER_SECOND;

use super::half;
use super::part::{Parsed, PartError, date, digits, month, on, time_of_day, weekday};
use super::zone::{ClockZone, ZoneError, is_offset, is_short_name, is_utc, parse_zone};
use super::{TimeError, parse_duration, seconds_of, short};

/// Seconds since 1970 have so many digits from 2001 to 2286; other numbers could be meant for dates.
const EPOCH_DIGITS: usize = 10;

/// Milliseconds since 1970 have so many, as long as seconds have ten.
const MILLISECONDS_DIGITS: usize = EPOCH_DIGITS + 3;

/// Those of a date without marks between its parts.
const DATE_DIGITS: usize = 8;

/// A time as its text says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// ns since the epoch; `None`: more than files can tell.
    Epoch(Option<u64>),
    /// So many ns ago; `None`: more than files can tell.
    Ago(Option<u64>),
    /// What a clock showed in this zone, or in one that is not told.
    Shown(NaiveDateTime, Option<ClockZone>),
}

/// The zone of a time, as it stands behind that.
#[derive(Clone, Copy)]
struct Zone<'t> {
    name: &'t str,
    /// What stands behind it in parentheses.
    again: Option<&'t str>,
}

impl Zone<'_> {
    /// Beside an offset a short name is a comment, as in e-mails (RFC 5322, section 4.3): several zones go by most of them, and the
    /// offsets of some were changed.
    fn by_its_offset(self) -> Self {
        match self.again {
            Some(again) if is_offset(self.name) && is_short_name(again) => Self { again: None, ..self },
            Some(again) if is_offset(again) && is_short_name(self.name) => Self { name: again, again: None },
            _ => self,
        }
    }
}

impl Typed {
    /// What form the text is in, and what it says in it.
    pub(super) fn of(text: &str) -> Result<Self, TimeError> {
        let typed = text.trim();
        if typed.is_empty() {
            return Err(TimeError::Missing);
        }
        let form = || TimeError::Form(text.to_owned());
        if let Some(seconds) = seconds_of_milliseconds(typed.strip_prefix('@').unwrap_or(typed)) {
            return Err(TimeError::Milliseconds { text: text.to_owned(), seconds });
        }
        if let Some(epoch) = typed.strip_prefix('@') {
            return since_epoch(epoch).map(Self::Epoch).ok_or_else(form);
        }
        if typed.split('.').next().is_some_and(|whole| whole.len() == EPOCH_DIGITS && is_digits(whole)) {
            return since_epoch(typed).map(Self::Epoch).ok_or_else(form);
        }
        if typed.eq_ignore_ascii_case("now") {
            return Ok(Self::Ago(Some(0)));
        }
        if let Some(span) = typed.strip_suffix("ago").filter(|span| span.ends_with(char::is_whitespace)) {
            return match parse_duration(span) {
                Ok(span) => Ok(Self::Ago(Some(span))),
                Err(super::DurationError::Range(_)) => Ok(Self::Ago(None)),
                Err(_) => Err(form()),
            };
        }
        let typed = half::joined(without_brackets(typed));
        let (shown, zone) = split_zone(&typed);
        if let Some(parsed) = date_and_time(shown).or_else(|| web_server(shown)).or_else(|| month_first(shown)) {
            return Self::local(text, parsed, zone, ClockZone::parse_behind_time);
        }
        if let Some((parsed, within)) = of_the_c_library(shown)
            && (within.is_none() || zone.is_none())
        {
            let within = within.map(|name| Zone { name, again: None });
            return Self::local(text, parsed, within.or(zone), ClockZone::parse_behind_time);
        }
        Self::local(text, email(shown).ok_or_else(|| formless(text, shown))?, zone, email_zone)
    }

    /// What a clock showed, and the zone that stands behind it.
    fn local(
        text: &str,
        shown: Result<NaiveDateTime, PartError>,
        zone: Option<Zone<'_>>,
        parse_zone: fn(&str) -> Result<ClockZone, ZoneError>,
    ) -> Result<Self, TimeError> {
        let shown = shown.map_err(|error| TimeError::Part { text: text.to_owned(), error })?;
        let zone = zone.map(Zone::by_its_offset);
        let zone = zone.map(|zone| one_zone(shown, parse_zone(zone.name)?, zone)).transpose();
        let zone = zone.map_err(|error| TimeError::Zone { text: text.to_owned(), error })?;
        Ok(Self::Shown(shown, zone))
    }

    /// The date and time that stand in the text, if any do.
    pub(super) fn shown(&self) -> Option<NaiveDateTime> {
        match self {
            Self::Epoch(_) | Self::Ago(_) => None,
            Self::Shown(shown, _) => Some(*shown),
        }
    }
}

/// Whether a text is the date of some day, without a time of day.
pub(super) fn is_date(text: &str) -> bool {
    let (shown, _) = split_zone(without_brackets(text.trim()));
    !shown.contains([' ', 'T', 't']) && date_and_time(shown).is_some_and(|date| date.is_ok())
}

/// Takes off the brackets that logs of web servers have around a time.
fn without_brackets(typed: &str) -> &str {
    typed.strip_prefix('[').and_then(|typed| typed.strip_suffix(']')).unwrap_or(typed)
}

/// A number that looks as milliseconds since 1970, in seconds.
fn seconds_of_milliseconds(text: &str) -> Option<String> {
    let (seconds, ms) = text.split_at_checked(EPOCH_DIGITS)?;
    (text.len() == MILLISECONDS_DIGITS && is_digits(text)).then(|| format!("{seconds}.{ms}"))
}

/// What is wrong with a text that is in none of the forms; `shown` is what is left of it without the zone.
fn formless(text: &str, shown: &str) -> TimeError {
    if time_of_day(shown).is_some() {
        return TimeError::NoDay(text.to_owned());
    }
    match (parse_duration(text), with_year_first(text.trim())) {
        (Ok(_), _) => TimeError::Span(text.trim().to_owned()),
        (Err(_), None) if half::is_in(text) => TimeError::Half(text.to_owned()),
        (Err(_), None) => TimeError::Form(text.to_owned()),
        (Err(_), Some(readings)) => TimeError::YearLast { text: text.to_owned(), readings },
    }
}

/// What `20.11.2026 14:13`, `11/20/2026 14:13` or `3-4-2026` can mean, the year put first; `None` if that is no such date, or no
/// calendar has it.
fn with_year_first(typed: &str) -> Option<Vec<String>> {
    let (day, rest) = typed.split_at(typed.find(char::is_whitespace).unwrap_or(typed.len()));
    let mut parts = day.split(day.chars().find(|mark| "./-".contains(*mark))?);
    let (one, other, year) =
        (digits(parts.next()?, 1..=2)?, digits(parts.next()?, 1..=2)?, digits(without_comma(parts.next()?), 4..=4)?);
    if parts.next().is_some() {
        return None;
    }
    let read = |month, day| Some(format!("{}{rest}", NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day)?));
    let mut readings: Vec<_> = [read(other, one), read(one, other)].into_iter().flatten().collect();
    readings.dedup();
    (!readings.is_empty()).then_some(readings)
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

/// Parts what the clock showed from the zone behind it. That may stand in parentheses; behind another one these say it once more, or are
/// any comment, as in e-mails: `-0500 (EST)`.
fn split_zone(typed: &str) -> (&str, Option<Zone<'_>>) {
    let (plain, comment) = match typed.strip_suffix(')').and_then(|typed| typed.split_once('(')) {
        Some((before, comment)) => (before.trim_end(), Some(comment.trim())),
        None => (typed, None),
    };
    let (shown, name) = split_plain_zone(plain);
    let (name, again) = if name.is_some() { (name, comment) } else { (comment, None) };
    (shown, name.map(|name| Zone { name, again }))
}

/// The zone of a clock that showed this, if what stands behind its name does not name another one: whether `UTC (+0100)` is what a clock showed
/// in London or in Berlin, nobody can say.
fn one_zone(shown: NaiveDateTime, zone: ClockZone, Zone { name, again }: Zone<'_>) -> Result<ClockZone, ZoneError> {
    let meant = again.map_or(Vec::new(), meant);
    let seconds = seconds_of(shown, zone);
    let is_same = |other: &ClockZone| seconds.iter().any(|second| zone.offset_at(*second) == other.offset_at(*second));
    match again {
        Some(again) if !meant.is_empty() && !seconds.is_empty() && !meant.iter().any(is_same) => {
            Err(ZoneError::Contradiction(name.to_owned(), again.to_owned()))
        }
        _ => Ok(zone),
    }
}

/// Which zones a comment may mean: a short name, any of several; most other words, none.
fn meant(comment: &str) -> Vec<ClockZone> {
    let offsets = short::offsets(comment);
    if offsets.is_empty() {
        email_zone(comment).or_else(|_| parse_zone(comment)).into_iter().collect()
    } else {
        offsets
    }
}

/// The same without parentheses: a word behind a space, or an offset or a `Z` right behind the time. In front of an offset, `UTC` and
/// `GMT` say what it is an offset from.
fn split_plain_zone(typed: &str) -> (&str, Option<&str>) {
    if let Some((shown, word)) = typed.rsplit_once(char::is_whitespace)
        && (is_signed(word) || word.starts_with(char::is_alphabetic))
    {
        let from_utc = shown.trim_end().rsplit_once(char::is_whitespace).filter(|(_, utc)| is_utc(utc));
        let from_utc = from_utc.filter(|_| is_signed(word));
        return (from_utc.map_or(shown, |(shown, _)| shown).trim_end(), Some(word));
    }
    let shown = typed.trim_end_matches(['Z', 'z']);
    if typed.len() == shown.len() + 1 && shown.ends_with(|last: char| last.is_ascii_digit()) {
        return (shown, Some("Z"));
    }
    // Before a colon, the signs are those between the parts of a date, if it has any.
    let digits = typed.find(|character: char| !character.is_ascii_digit()).unwrap_or(typed.len());
    let time = if digits == DATE_DIGITS { digits } else { typed.find(':').unwrap_or(typed.len()) };
    let sign = typed.get(time..).and_then(|rest| rest.find(['+', '-']));
    match sign.map(|sign| typed.split_at(time + sign)) {
        // Else more comes behind the zone.
        Some((shown, zone)) if !zone.contains(char::is_whitespace) => (shown, Some(zone)),
        Some(_) | None => (typed, None),
    }
}

fn is_signed(zone: &str) -> bool {
    zone.starts_with(['+', '-'])
}

/// A word without the comma behind it: some write one between date and time.
fn without_comma(word: &str) -> &str {
    word.strip_suffix(',').unwrap_or(word)
}

/// `2026-11-20`, `2026.11.20` or `2026/11/20`, then nothing or a time of day behind a space or a `T`.
fn date_and_time(shown: &str) -> Parsed<NaiveDateTime> {
    if let Some(basic) = basic(shown) {
        return Some(basic);
    }
    let (day, time) = match shown.split_once([' ', 'T', 't']) {
        Some((day, time)) => (without_comma(day), time_of_day(time.trim_start())?),
        None => (shown, Ok(NaiveTime::MIN)),
    };
    let mut parts = day.split(['.', '/'].into_iter().find(|mark| day.contains(*mark)).unwrap_or('-'));
    let (year, month, day) = (parts.next()?, digits(parts.next()?, 2..=2)?, digits(parts.next()?, 2..=2)?);
    if parts.next().is_some() {
        return None;
    }
    Some(together(date(year, month, day)?, time))
}

/// `20261120T141320`, as ISO 8601 has it in its basic form: the `T` tells it from a number.
fn basic(shown: &str) -> Parsed<NaiveDateTime> {
    let (day, time) = shown.split_once(['T', 't'])?;
    digits(day, DATE_DIGITS..=DATE_DIGITS)?;
    let (year, day) = day.split_at_checked(4)?;
    let (month, day) = day.split_at_checked(2)?;
    let (hour, time) = time.split_at_checked(2)?;
    let (minute, time) = time.split_at_checked(2)?;
    let seconds = if time.starts_with(|first: char| first.is_ascii_digit()) { ":" } else { "" };
    let time = time_of_day(&format!("{hour}:{minute}{seconds}{time}"))?;
    Some(together(date(year, digits(month, 2..=2)?, digits(day, 2..=2)?)?, time))
}

/// `20/Nov/2026:14:13:20`, as web servers log it.
fn web_server(shown: &str) -> Parsed<NaiveDateTime> {
    let (day, time) = shown.split_once(':')?;
    let mut parts = day.split('/');
    let (day, month, year) = (digits(parts.next()?, 2..=2)?, month(parts.next()?)?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    Some(together(date(year, month, day)?, time_of_day(time)?))
}

/// `Fri Nov 20 14:13:20 2026`, as ctime(3) and Apache's error log have it, or with the zone before the year, as date(1) has it.
fn of_the_c_library(shown: &str) -> Option<(Result<NaiveDateTime, PartError>, Option<&str>)> {
    let words: Vec<_> = shown.split_whitespace().collect();
    let (said, name, day, time, zone, year) = match *words.as_slice() {
        [said, name, day, time, year] => (said, name, day, time, None, year),
        [said, name, day, time, zone, year] => (said, name, day, time, Some(zone), year),
        _ => return None,
    };
    Some((named(Some(weekday(said)?), [name, day, year], time)?, zone))
}

/// `Fri, 20 Nov 2026 14:13:20`, as e-mails have it (RFC 2822, section 3.3); the day of the week may be missing.
fn email(shown: &str) -> Parsed<NaiveDateTime> {
    let said = shown.split_once(',').and_then(|(name, rest)| Some((weekday(name.trim())?, rest)));
    let (said, rest) = said.map_or((None, shown), |(said, rest)| (Some(said), rest));
    let words: Vec<_> = rest.split_whitespace().collect();
    let &[day, name, year, time] = words.as_slice() else { return None };
    named(said, [name, day, &full_year(without_comma(year))], time)
}

/// `Nov 20, 2026 14:13:20`, as people of the United States write it, `Fri, Nov 20, 2026 at 2:13 PM`, as mail programs quote, or
/// `Fri Nov 20 2026 14:13:20`, as browsers have it.
fn month_first(shown: &str) -> Parsed<NaiveDateTime> {
    let words: Vec<_> = shown.split_whitespace().map(without_comma).filter(|word| *word != "at").collect();
    match *words.as_slice() {
        [name, day, year, time] => named(None, [name, day, year], time),
        [said, name, day, year, time] => named(Some(weekday(said)?), [name, day, year], time),
        _ => None,
    }
}

/// A date by the name of its month, and the day and the year, on the day of the week that was said of it, with a time of day.
fn named(said: Option<Weekday>, [name, day, year]: [&str; 3], time: &str) -> Parsed<NaiveDateTime> {
    let (time, month, day) = (time_of_day(time)?, month(name)?, digits(day, 1..=2)?);
    let date = date(year, month, day)?.and_then(|date| said.map_or(Ok(date), |said| on(date, said)));
    Some(together(date, time))
}

/// A year of an e-mail, of which old ones had two or three digits (RFC 2822, section 4.3).
fn full_year(year: &str) -> String {
    match digits(year, 2..=3) {
        Some(short @ 0..50) if year.len() == 2 => (2000 + short).to_string(),
        Some(short) => (1900 + short).to_string(),
        None => year.to_owned(),
    }
}

/// The zone of an e-mail, with the short names that RFC 2822, section 4.3, gives a meaning; but not its single letters, which many
/// have used the wrong way round.
fn email_zone(text: &str) -> Result<ClockZone, ZoneError> {
    let hours = match text.to_ascii_uppercase().as_str() {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => return ClockZone::parse_behind_time(text),
    };
    FixedOffset::east_opt(hours * 3600).map(ClockZone::Offset).ok_or_else(|| ZoneError::Unknown(text.to_owned()))
}

fn together(
    date: Result<NaiveDate, PartError>,
    time: Result<NaiveTime, PartError>,
) -> Result<NaiveDateTime, PartError> {
    Ok(date?.and_time(time?))
}
