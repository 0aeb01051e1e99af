//! Time zones as they are typed: by name, or as an offset from UTC.

use std::fmt;

use chrono::{FixedOffset, Local, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

use super::short;

/// What is wrong with a zone. Each message begins with the text as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The IANA database has no such name.
    #[error("{0} is no time zone: say a name such as Europe/Warsaw, or UTC, or an offset such as +01:00")]
    Unknown(String),
    /// It is the short name of some zone's time, and several may go by it.
    #[error("{0} is the short name of a time, and not clear: say {instead}", instead = short::instead(.0))]
    ShortName(String),
    /// It is no offset from UTC.
    #[error("{0} is no offset from UTC, such as +01:00 or -0530")]
    Offset(String),
    /// It is written as an offset from UTC, and no clock is so far from it.
    #[error("{0} is no offset from UTC: its hours go up to 23 and its minutes up to 59")]
    OffsetRange(String),
    /// What stands behind it in parentheses is another one: that is the second text.
    #[error("{0} is not {1}, and the time is another one in each: say one of them")]
    Contradiction(String, String),
}

/// The zone of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockZone {
    /// So much east of UTC.
    Offset(FixedOffset),
    /// By its name in the IANA database.
    Named(Tz),
    /// That of the environment variable `TZ` as `chrono` understands it, else of the machine.
    Machine,
}

/// Reads a zone: a name of the IANA database, such as `Europe/Warsaw`; `Z`, `UTC`, `GMT` or `UT`; or an offset from UTC, `+01:00`, `+0100`
/// or `+01`, with UTC or GMT in front of it or not: `UTC+0100`, `GMT+1`. What is east of Greenwich has a plus, as people write it.
///
/// # Errors
/// [`ZoneError`], whose message begins with the text.
pub fn parse_zone(text: &str) -> Result<ClockZone, ZoneError> {
    if text.eq_ignore_ascii_case("Z") || is_utc(text) {
        return Ok(ClockZone::UTC);
    }
    if text.starts_with(['+', '-']) {
        return offset(text, text).map(ClockZone::Offset);
    }
    if let Some((utc, behind)) = text.split_at_checked(3)
        && is_utc(utc)
        && behind.starts_with(['+', '-'])
    {
        return offset(text, &with_two_digits(behind)).map(ClockZone::Offset);
    }
    text.parse().map(ClockZone::Named).map_err(|_| {
        let error = if short::is_known(text) { ZoneError::ShortName } else { ZoneError::Unknown };
        error(text.to_owned())
    })
}

impl ClockZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self::Named(Tz::UTC);

    /// Reads the zone that stands behind a time: as [`parse_zone`], but for short names.
    pub(super) fn parse_behind_time(text: &str) -> Result<Self, ZoneError> {
        let is_short = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        match parse_zone(text) {
            Ok(Self::UTC) => Ok(Self::UTC),
            // The database has "CET", and means by it the time of Brussels, in summer too: whoever writes it rarely does.
            _ if is_short => Err(ZoneError::ShortName(text.to_owned())),
            parsed => parsed,
        }
    }

    /// Local time less UTC, in seconds, at a moment in seconds since 1970-01-01T00:00:00Z.
    pub(super) fn offset_at(&self, second: i64) -> i32 {
        let moment = chrono::DateTime::from_timestamp(second, 0).unwrap_or_default();
        self.offset_from_utc_datetime(&moment.naive_utc()).local_minus_utc()
    }
}

impl From<Tz> for ClockZone {
    fn from(tz: Tz) -> Self {
        Self::Named(tz)
    }
}

/// What to call it in a sentence.
impl fmt::Display for ClockZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => offset.fmt(f),
            Self::Named(tz) => f.write_str(tz.name()),
            Self::Machine => f.write_str("the local time zone"),
        }
    }
}

impl TimeZone for ClockZone {
    type Offset = FixedOffset;

    fn from_offset(offset: &FixedOffset) -> Self {
        Self::Offset(*offset)
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<FixedOffset> {
        match self {
            Self::Offset(offset) => offset.offset_from_local_date(local),
            Self::Named(tz) => tz.offset_from_local_date(local).map(|offset| offset.fix()),
            Self::Machine => Local.offset_from_local_date(local),
        }
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<FixedOffset> {
        match self {
            Self::Offset(offset) => offset.offset_from_local_datetime(local),
            Self::Named(tz) => tz.offset_from_local_datetime(local).map(|offset| offset.fix()),
            Self::Machine => Local.offset_from_local_datetime(local),
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> FixedOffset {
        self.offset_from_utc_datetime(&utc.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
        match self {
            Self::Offset(offset) => *offset,
            Self::Named(tz) => tz.offset_from_utc_datetime(utc).fix(),
            Self::Machine => Local.offset_from_utc_datetime(utc),
        }
    }
}

/// Whether this is an offset from UTC, in any of its forms.
pub(super) fn is_offset(text: &str) -> bool {
    matches!(parse_zone(text), Ok(ClockZone::Offset(_)))
}

/// Whether this is the short name of a time. Those of UTC are clear, and none.
pub(super) fn is_short_name(text: &str) -> bool {
    short::is_known(text) || matches!(ClockZone::parse_behind_time(text), Err(ZoneError::ShortName(_)))
}

/// Whether this is a name of UTC. (RFC 822 has `UT`.)
pub(super) fn is_utc(text: &str) -> bool {
    ["UTC", "GMT", "UT"].iter().any(|utc| utc.eq_ignore_ascii_case(text))
}

/// An offset behind the name of UTC, where `GMT+1` is usual: with a zero in front of an hour of one digit.
fn with_two_digits(offset: &str) -> String {
    let (sign, digits) = offset.split_at_checked(1).unwrap_or((offset, ""));
    let zero = if digits.find(':').unwrap_or(digits.len()) == 1 { "0" } else { "" };
    format!("{sign}{zero}{digits}")
}

/// `+01:00`, `+0100` or `+01`, less than a day; `typed` is the whole zone.
fn offset(typed: &str, text: &str) -> Result<FixedOffset, ZoneError> {
    let (hours, minutes) = hours_and_minutes(text).ok_or_else(|| ZoneError::Offset(typed.to_owned()))?;
    let seconds = Some(hours * 3600 + minutes * 60).filter(|_| minutes < 60);
    let seconds = seconds.map(|seconds| if text.starts_with('-') { -seconds } else { seconds });
    seconds.and_then(FixedOffset::east_opt).ok_or_else(|| ZoneError::OffsetRange(typed.to_owned()))
}

/// The two numbers, each of two digits, behind a sign.
fn hours_and_minutes(text: &str) -> Option<(i32, i32)> {
    let (_, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = match digits.len() {
        2 => (digits, "00"),
        4 => digits.split_at_checked(2)?,
        _ => digits.split_once(':')?,
    };
    let number = |digits: &str| {
        let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        two.then(|| digits.parse().ok()).flatten()
    };
    Some((number(hours)?, number(minutes)?))
}
