//! Time zones as they are typed: by name, or as an offset from UTC behind a time.

use chrono::FixedOffset;
use chrono_tz::Tz;

/// What is wrong with a zone. Each message begins with the text as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The IANA database has no such name.
    #[error("{0} is no time zone: say a name such as Europe/Warsaw, or UTC")]
    Unknown(String),
    /// It is the short name of some zone's time, and several may go by it.
    #[error(
        "{0} is the short name of a time, and not clear: say an offset such as +01:00, or a name such as Europe/Warsaw"
    )]
    ShortName(String),
    /// It is no offset from UTC.
    #[error("{0} is no offset from UTC, such as +01:00 or -0530")]
    Offset(String),
}

/// The zone of the IANA database with this name, such as `Europe/Warsaw` or `UTC`.
///
/// # Errors
/// [`ZoneError::Unknown`], whose message begins with the text.
pub fn parse_zone(text: &str) -> Result<Tz, ZoneError> {
    text.parse().map_err(|_| ZoneError::Unknown(text.to_owned()))
}

/// The zone that stands behind a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// So much east of UTC.
    Offset(FixedOffset),
    /// By its name.
    Named(Tz),
}

impl Place {
    /// Reads `Z`, `UTC`, `GMT`, `+01:00`, `+0100`, `+01`, or a name of the IANA database.
    pub(super) fn parse(text: &str) -> Result<Self, ZoneError> {
        if ["Z", "UTC", "GMT"].iter().any(|utc| utc.eq_ignore_ascii_case(text)) {
            return Ok(Self::Named(Tz::UTC));
        }
        if text.starts_with(['+', '-']) {
            return offset(text).map(Self::Offset).ok_or_else(|| ZoneError::Offset(text.to_owned()));
        }
        // The database has "CET", and means by it the time of Brussels, in summer too: whoever writes it rarely does.
        if text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(ZoneError::ShortName(text.to_owned()));
        }
        parse_zone(text).map(Self::Named)
    }
}

/// `+01:00`, `+0100` or `+01`, less than a day.
fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = match digits.len() {
        2 => (digits, "00"),
        4 => digits.split_at_checked(2)?,
        _ => digits.split_once(':')?,
    };
    let number = |digits: &str| {
        let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        two.then(|| digits.parse::<i32>().ok()).flatten()
    };
    let minutes = number(minutes).filter(|minutes| *minutes < 60)?;
    let seconds = number(hours)? * 3600 + minutes * 60;
    FixedOffset::east_opt(if sign == "-" { -seconds } else { seconds })
}
