//! The one parser of times as they are typed. docs/reading.md, section "Times", is its manual.
//!
//! No input makes it panic, and it allocates in proportion to its input only.

mod error;
mod forms;
mod zone;

use chrono::{DateTime, Local, LocalResult, NaiveDateTime, Offset, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use ctrecorder_format::NS_PER_SECOND;

pub use error::{DurationError, TimeError};
use forms::Typed;
use zone::Place;
pub use zone::{ZoneError, parse_zone};

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
    /// `None`: the machine's own zone, or that of the environment variable `TZ`.
    zone: Option<Tz>,
    now: DateTime<Utc>,
}

impl Clock {
    /// Times that name no zone are in this one; if there is none, in the machine's own, which the answer then says.
    pub fn new(zone: Option<Tz>) -> Self {
        Self { zone, now: Utc::now() }
    }

    /// Reads a moment:
    ///
    /// - RFC 3339, with its offset from UTC: `2026-11-20T14:13:20.5Z`, `2026-11-20 15:13:20+01:00`;
    /// - a date, with or without a time, with or without a zone behind it: `2026.11.20 15:13:20.602998`,
    ///   `2026-11-20 15:13 Europe/Warsaw`, `2026-11-20 UTC`; without a time it is when that day began there;
    /// - the date of an e-mail (RFC 2822): `Fri, 20 Nov 2026 15:13:20 +0100`;
    /// - the date of a web server's log: `20/Nov/2026:15:13:20 +0100`, brackets around it or not;
    /// - the seconds since 1970: `@1795184000.25`, and without the `@` where they have ten digits;
    /// - a span of time and `ago`: `5 minutes ago`, `1h 30m ago`.
    ///
    /// # Errors
    /// [`TimeError`], whose message begins with the text. A local time that did not exist, or came twice, is refused.
    pub fn read(&self, text: &str) -> Result<Moment, TimeError> {
        let out_of_range = || TimeError::Range(text.to_owned());
        let given = |ns: Option<u64>| Ok(Moment { ns: ns.ok_or_else(out_of_range)?, zone_assumed: false });
        match Typed::of(text)? {
            Typed::Epoch(ns) => given(ns),
            Typed::Moment(moment) => given(nanoseconds(&moment)),
            Typed::Ago(span) => given(nanoseconds(&self.now).and_then(|now| now.checked_sub(span?))),
            Typed::Local(naive, Some(Place::Offset(offset))) => given(resolve(text, naive, &offset, "")?),
            Typed::Local(naive, Some(Place::Named(tz))) => given(resolve(text, naive, &tz, tz.name())?),
            Typed::Local(naive, None) => self.local(text, naive).and_then(|(ns, zone_assumed)| {
                let ns = ns.ok_or_else(out_of_range)?;
                Ok(Moment { ns, zone_assumed })
            }),
        }
    }

    /// The moment at which a clock in this one's zone showed the date and time that stand in a text, whatever zone the text
    /// says they are of. `None` if there is no one such moment, or the text has no date.
    pub fn read_as_local(&self, text: &str) -> Option<u64> {
        let shown = Typed::of(text).ok()?.shown()?;
        self.local(text, shown).ok()?.0
    }

    /// The same for a clock that shows UTC.
    pub fn read_as_utc(&self, text: &str) -> Option<u64> {
        nanoseconds(&Typed::of(text).ok()?.shown()?.and_utc())
    }

    /// A date and time that name no zone, and whether one was assumed.
    fn local(&self, text: &str, naive: NaiveDateTime) -> Result<(Option<u64>, bool), TimeError> {
        match self.zone {
            Some(tz) => Ok((resolve(text, naive, &tz, tz.name())?, false)),
            None => Ok((resolve(text, naive, &Local, "the local time zone")?, true)),
        }
    }
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
    let span = humantime::parse_duration(text.trim()).map_err(|_| DurationError::Form(text.to_owned()))?;
    u64::try_from(span.as_nanos()).map_err(|_| DurationError::Range(text.to_owned()))
}

/// A moment in ns since the epoch, as RFC 3339 in UTC; with as many decimals as it takes.
pub fn utc(ns: u64) -> String {
    // Nanoseconds of 64 bits end in the year 2554, which is no end for chrono.
    let moment = DateTime::from_timestamp((ns / NS_PER_SECOND) as i64, (ns % NS_PER_SECOND) as u32);
    moment.unwrap_or_default().to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A moment in ns since the epoch, if files can hold it.
fn nanoseconds<Z: TimeZone>(moment: &DateTime<Z>) -> Option<u64> {
    let seconds = u64::try_from(moment.timestamp()).ok()?;
    seconds.checked_mul(NS_PER_SECOND)?.checked_add(moment.timestamp_subsec_nanos().into())
}

/// The moment at which a clock in this zone showed this, in ns since the epoch if files can hold it. `name` is what to
/// call the zone.
fn resolve<Z: TimeZone>(text: &str, naive: NaiveDateTime, zone: &Z, name: &str) -> Result<Option<u64>, TimeError> {
    let (text, zone_name) = (|| text.to_owned(), || name.to_owned());
    match zone.from_local_datetime(&naive) {
        LocalResult::Single(moment) => Ok(nanoseconds(&moment)),
        LocalResult::None => Err(TimeError::Skipped { text: text(), zone: zone_name() }),
        LocalResult::Ambiguous(first, second) => {
            // Which of the two is named first depends on who knows the zone.
            let mut moments = [first, second].map(|moment| moment.with_timezone(&moment.offset().fix()));
            moments.sort_unstable();
            let [first, second] = moments.map(|moment| moment.to_rfc3339());
            Err(TimeError::Twice { text: text(), zone: zone_name(), first, second })
        }
    }
}

#[cfg(test)]
mod tests;
