//! The one parser of times as they are typed. docs/reading.md, section "Times", is its manual.
//!
//! No input makes it panic, and it allocates in proportion to its input only.

mod error;
mod forms;
mod half;
mod local;
mod part;
mod short;
mod zone;

use chrono::{DateTime, FixedOffset, NaiveDateTime, SecondsFormat, Timelike, Utc};
use ctrecorder_format::NS_PER_SECOND;

pub use error::{DurationError, TimeError};
use forms::Typed;
pub use local::{LocalError, local_zone};
pub use part::PartError;
pub use zone::{ClockZone, ZoneError, parse_zone};

const SECONDS_PER_DAY: i64 = 86_400;

/// A moment that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// ns since 1970-01-01T00:00:00Z.
    pub ns: u64,
    /// Nobody said a zone, neither the text nor an option: the time was taken as one of the machine's own.
    pub zone_assumed: bool,
}

/// What a time as it is typed depends on: the zone of times that name none, and the present.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zone: ClockZone,
    /// Nobody said that zone: it is the machine's own, or that of the environment variable `TZ`.
    zone_assumed: bool,
    now: DateTime<Utc>,
}

impl Clock {
    /// Times that name no zone are in this one; if there is none, in the machine's own, which the answer then says.
    pub fn new(zone: Option<ClockZone>) -> Self {
        Self { zone: zone.unwrap_or_else(|| local_zone().0), zone_assumed: zone.is_none(), now: Utc::now() }
    }

    /// The same clock as it is now: spans of time that are `ago` end at the present.
    pub fn at_present(self) -> Self {
        Self { now: Utc::now(), ..self }
    }

    /// Reads a moment:
    ///
    /// - RFC 3339, with its offset from UTC: `2026-11-20T14:13:20.5Z`, `2026-11-20 15:13:20+01:00`;
    /// - a date, with or without a time, with or without a zone behind it: `2026.11.20 15:13:20.602998`,
    ///   `2026-11-20 15:13 Europe/Warsaw`, `2026-11-20 UTC`; without a time it is when that day began there;
    /// - the basic form of ISO 8601: `20261120T141320Z`;
    /// - the date of an e-mail (RFC 2822): `Fri, 20 Nov 2026 15:13:20 +0100`;
    /// - the date of a web server's log: `20/Nov/2026:15:13:20 +0100`, brackets around it or not;
    /// - the date of the C library and of date(1): `Fri Nov 20 14:13:20 2026`, `Fri Nov 20 14:13:20 UTC 2026`;
    /// - one of these with the hours of half a day, `2:13:20 PM`;
    /// - the seconds since 1970: `@1795184000.25`, and without the `@` where they have ten digits;
    /// - a span of time and `ago`: `5 minutes ago`, `1h 30m ago`; and `now`.
    ///
    /// A leap second, 23:59:60 UTC, is read as the second behind it: seconds since 1970 know none.
    ///
    /// # Errors
    /// [`TimeError`], whose message begins with the text. A local time that did not exist, or came twice, is refused.
    pub fn read(&self, text: &str) -> Result<Moment, TimeError> {
        let (ns, zone_assumed) = match Typed::of(text)? {
            Typed::Epoch(ns) => (ns, false),
            Typed::Ago(span) => (ns_of(self.now.timestamp(), self.now.nanosecond()).zip(span).and_then(before), false),
            Typed::Shown(shown, Some(zone)) => (resolve(text, shown, zone, false)?, false),
            Typed::Shown(shown, None) => (resolve(text, shown, self.zone, self.zone_assumed)?, self.zone_assumed),
        };
        Ok(Moment { ns: ns.ok_or_else(|| TimeError::Range(text.to_owned()))?, zone_assumed })
    }

    /// Whether a text is the date of a day, with a zone behind it or not, and no time of that day.
    pub fn is_date(text: &str) -> bool {
        forms::is_date(text)
    }

    /// The moment at which a clock in this one's zone showed the date and time that stand in a text, whatever zone the text
    /// says they are of. `None` if there is no one such moment, or the text has no date.
    pub fn read_as_local(&self, text: &str) -> Option<u64> {
        resolve(text, Typed::of(text).ok()?.shown()?, self.zone, self.zone_assumed).ok()?
    }

    /// The same for a clock that shows UTC.
    pub fn read_as_utc(&self, text: &str) -> Option<u64> {
        resolve(text, Typed::of(text).ok()?.shown()?, ClockZone::UTC, false).ok()?
    }
}

/// A moment that was so many ns before another one.
fn before((moment, span): (u64, u64)) -> Option<u64> {
    moment.checked_sub(span)
}

/// Reads a moment, in ns since 1970-01-01T00:00:00Z; one that names no zone is in the machine's own. See [`Clock::read`].
///
/// # Errors
/// [`TimeError`], whose message begins with the text.
pub fn parse_time(text: &str) -> Result<u64, TimeError> {
    Clock::new(None).read(text).map(|moment| moment.ns)
}

/// Reads a span of time, in ns: `90s`, `5 minutes`, `1h 30m`, `250ms`. A number alone is none: of what, it does not say.
///
/// # Errors
/// [`DurationError`], whose message begins with the text.
pub fn parse_duration(text: &str) -> Result<u64, DurationError> {
    let typed = text.trim();
    let span = humantime::parse_duration(typed).map_err(|_| {
        let (own, unsigned) = (typed.to_owned(), typed.trim_start_matches(['-', '+']));
        match typed {
            _ if unsigned != typed && humantime::parse_duration(unsigned).is_ok() => DurationError::Signed(own),
            _ if !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_digit()) => DurationError::Bare(own),
            _ => DurationError::Form(text.to_owned()),
        }
    })?;
    u64::try_from(span.as_nanos()).map_err(|_| DurationError::Range(text.to_owned()))
}

/// A moment in ns since the epoch, as a date and a time of day in UTC.
pub fn date_time(ns: u64) -> DateTime<Utc> {
    // Nanoseconds of 64 bits end in the year 2554, which is no end for chrono.
    DateTime::from_timestamp((ns / NS_PER_SECOND) as i64, (ns % NS_PER_SECOND) as u32).unwrap_or_default()
}

/// A moment in ns since the epoch, as RFC 3339 in UTC; with as many decimals as it takes.
pub fn utc(ns: u64) -> String {
    date_time(ns).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A moment in ns since the epoch, if files can hold it.
fn ns_of(second: i64, ns: u32) -> Option<u64> {
    u64::try_from(second).ok()?.checked_mul(NS_PER_SECOND)?.checked_add(ns.into())
}

/// The moment at which a clock in this zone showed this, in ns since the epoch if files can hold it. A zone that was assumed
/// is called the local one.
fn resolve(text: &str, shown: NaiveDateTime, zone: ClockZone, zone_assumed: bool) -> Result<Option<u64>, TimeError> {
    let (text, name) = (|| text.to_owned(), || if zone_assumed { ClockZone::Machine } else { zone }.to_string());
    let local = shown.and_utc().timestamp();
    match seconds_of(shown, zone)[..] {
        [] => Err(TimeError::Skipped { text: text(), zone: name() }),
        [second] => {
            part::leap(&shown, second).map_err(|error| TimeError::Part { text: text(), error })?;
            Ok(ns_of(second, shown.nanosecond()))
        }
        [first, .., second] => {
            let [first, second] = [first, second].map(|second| rfc3339(second, local));
            Err(TimeError::Twice { text: text(), zone: name(), first, second })
        }
    }
}

/// The moments at which a clock in this zone showed this, in order, in seconds since the epoch: one, or none or two where clocks were changed.
fn seconds_of(shown: NaiveDateTime, zone: ClockZone) -> Vec<i64> {
    let local = shown.and_utc().timestamp();
    // No zone's clocks were ever changed twice within six days: a day before and a day behind are the two sides of a change,
    // if there is one near. What chrono says of local times itself is wrong at the very second of a change (0.4.45).
    let sides = [local - SECONDS_PER_DAY, local + SECONDS_PER_DAY].map(|second| zone.offset_at(second));
    let mut seconds: Vec<_> = sides.map(|offset| local - i64::from(offset)).to_vec();
    seconds.retain(|second| second + i64::from(zone.offset_at(*second)) == local);
    seconds.sort_unstable();
    seconds.dedup();
    seconds
}

/// A moment as a clock told it that showed these seconds since the epoch.
fn rfc3339(second: i64, local: i64) -> String {
    let offset = i32::try_from(local - second).ok().and_then(FixedOffset::east_opt);
    let moment = DateTime::from_timestamp(second, 0).unwrap_or_default();
    offset.map_or_else(|| moment.to_rfc3339(), |offset| moment.with_timezone(&offset).to_rfc3339())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_zones;
