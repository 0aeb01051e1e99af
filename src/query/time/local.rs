//! What "local time" is: the environment variable `TZ`, else the machine's zone.
//!
//! `chrono` reads `TZ` and does not say whether it understood it: what it did not, it takes for the machine's zone. So it is looked
//! at here first, with the eyes of chrono 0.4 (`offset/local/tz_info`): the name of a zone file, or a rule as POSIX has them,
//! `CET-1CEST,M3.5.0,M10.5.0/3`.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::zone::ClockZone;

/// Where `chrono` looks for zone files, in this order.
const DIRECTORIES: [&str; 4] = ["/usr/share/zoneinfo", "/share/zoneinfo", "/etc/zoneinfo", "/usr/share/lib/zoneinfo"];

/// What is wrong with `TZ`. The C library takes such a one for UTC; so do we.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// It is neither the name of a zone nor a rule.
    #[error("TZ={0} is not understood as a time zone: local times are taken to be UTC")]
    Unknown(String),
    /// It is a rule with a name for daylight saving time, and does not say when that is.
    #[error(
        "TZ={0} does not say when daylight saving time begins and ends, as CET-1CEST,M3.5.0,M10.5.0/3 does: local times are \
         taken to be UTC"
    )]
    NoRule(String),
}

/// The zone of local times, and what is wrong with `TZ`, if anything is.
pub fn local_zone() -> (ClockZone, Option<LocalError>) {
    match env::var_os("TZ").as_deref().map(understand) {
        None => (ClockZone::Machine, None),
        Some(Ok(zone)) => (zone, None),
        Some(Err(error)) => (ClockZone::UTC, Some(error)),
    }
}

/// What `TZ` says.
fn understand(tz: &OsStr) -> Result<ClockZone, LocalError> {
    let unknown = || LocalError::Unknown(tz.to_string_lossy().escape_debug().to_string());
    let text = tz.to_str().ok_or_else(unknown)?;
    if text.is_empty() {
        return Ok(ClockZone::UTC);
    }
    let name = text.strip_prefix(':').unwrap_or(text);
    if cfg!(unix) && (text == "localtime" || is_zone_file(name)) {
        return Ok(ClockZone::Machine);
    }
    // Where the system has no zones, or does not know of TZ, their names are known all the same.
    if let Ok(named) = name.parse().map(ClockZone::Named) {
        return Ok(named);
    }
    match rule(text.trim_matches(|character: char| character.is_ascii_whitespace())) {
        Rule::Whole if cfg!(unix) => Ok(ClockZone::Machine),
        Rule::WithoutDays => Err(LocalError::NoRule(text.to_owned())),
        Rule::Whole | Rule::None => Err(unknown()),
    }
}

/// Whether this is the name of a file that begins as zone files do (RFC 8536, section 3.1).
fn is_zone_file(name: &str) -> bool {
    let begins_so = |path: &Path| {
        let mut magic = [0; 4];
        File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"TZif"
    };
    let path = Path::new(name);
    if path.is_absolute() { begins_so(path) } else { DIRECTORIES.iter().any(|at| begins_so(&Path::new(at).join(path))) }
}

/// What a text is as a rule of POSIX (Base Definitions, chapter 8.3, `TZ`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Whole,
    /// It names daylight saving time, and not the days on which it begins and ends.
    WithoutDays,
    None,
}

/// `std offset [dst [offset] , day [/time] , day [/time]]`.
fn rule(text: &str) -> Rule {
    let Some(rest) = name(text).and_then(offset) else { return Rule::None };
    if rest.is_empty() {
        return Rule::Whole;
    }
    let dst =
        name(rest).and_then(|rest| if rest.is_empty() || rest.starts_with(',') { Some(rest) } else { offset(rest) });
    match dst {
        None => Rule::None,
        Some("") => Rule::WithoutDays,
        Some(days) if day(days).and_then(day) == Some("") => Rule::Whole,
        Some(_) => Rule::None,
    }
}

/// What stands behind a name: letters, or more in angle brackets; three to seven of them.
fn name(text: &str) -> Option<&str> {
    let quoted = text.strip_prefix('<').and_then(|text| text.split_once('>'));
    let (name, rest) = quoted.unwrap_or_else(|| {
        text.split_at(text.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(text.len()))
    });
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte));
    (fits && (3..=7).contains(&name.len())).then_some(rest)
}

/// What stands behind an offset, `[+-]hh[:mm[:ss]]`.
fn offset(text: &str) -> Option<&str> {
    clock(text.strip_prefix(['+', '-']).unwrap_or(text), 23)
}

/// What stands behind `hh[:mm[:ss]]`.
fn clock(text: &str, hours_max: u32) -> Option<&str> {
    let mut rest = number(text, 0, hours_max)?;
    for _ in 0..2 {
        if let Some(part) = rest.strip_prefix(':') {
            rest = number(part, 0, 59)?;
        } else {
            break;
        }
    }
    Some(rest)
}

/// What stands behind a day, `,Mm.w.d`, `,Jn` or `,n`, and the time of day at which the clocks change.
fn day(text: &str) -> Option<&str> {
    let text = text.strip_prefix(',')?;
    let rest = if let Some(month) = text.strip_prefix('M') {
        let week = number(month, 1, 12)?.strip_prefix('.')?;
        let weekday = number(week, 1, 5)?.strip_prefix('.')?;
        number(weekday, 0, 6)?
    } else if let Some(day) = text.strip_prefix('J') {
        number(day, 1, 365)?
    } else {
        number(text, 0, 365)?
    };
    rest.strip_prefix('/').map_or(Some(rest), |time| clock(time, 24))
}

/// What stands behind a number from `min` to `max`.
fn number(text: &str, min: u32, max: u32) -> Option<&str> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    digits.parse().is_ok_and(|number: u32| (min..=max).contains(&number)).then_some(rest)
}
