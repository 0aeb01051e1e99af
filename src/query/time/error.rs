//! What is wrong with a time, or with a span of time.

use super::{PartError, ZoneError};

/// What is wrong with a time. Each message begins with the text as it was typed, if there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// There is none.
    #[error("the time is missing")]
    Missing,
    /// A number of 13 digits: it may be milliseconds, and the seconds since 1970 it is not.
    #[error("{text} has as many digits as milliseconds since 1970 have: say @{seconds}")]
    Milliseconds {
        /// The text as typed.
        text: String,
        /// The same in seconds.
        seconds: String,
    },
    /// It is in none of the forms.
    #[error(
        "{0} is no time: say 2026-11-20T14:13:20Z, or 2026-11-20 14:13:20 with or without a zone behind it, or a date, \
         the date of an e-mail or of a web server's log, @ and the seconds since 1970, 5 minutes ago, or now"
    )]
    Form(String),
    /// It is in none of the forms, and has AM or PM.
    #[error("{0} is no time: say it with AM or PM behind the time of day, as 2026-11-20 02:13:20 PM UTC")]
    Half(String),
    /// Its date is in numbers, with the year last: in one country the day stands first, in another one the month.
    #[error("{text} has the year last, and people differ on which number in front of it is the month: say {}", readings.join(" or "))]
    YearLast {
        /// The text as typed.
        text: String,
        /// What it can mean, one text or two, with the year first.
        readings: Vec<String>,
    },
    /// It is a span of time.
    #[error("{0} is a span of time, and no time: say {0} ago")]
    Span(String),
    /// It is a time of day, and of which day it does not say.
    #[error("{0} is a time of some day: say of which, as 2026-11-20 14:13:20")]
    NoDay(String),
    /// No file can hold it.
    #[error("{0} lies before 1970 or behind 2554-07-21, further than files can tell")]
    Range(String),
    /// It is in a form that is known, and a part of it cannot be.
    #[error("{text}: {error}")]
    Part {
        /// The text as typed.
        text: String,
        /// What is wrong with it.
        error: PartError,
    },
    /// What stands behind it is no zone.
    #[error("{text}: {error}")]
    Zone {
        /// The text as typed.
        text: String,
        /// What is wrong with its zone.
        error: ZoneError,
    },
    /// The clocks were set forward over it.
    #[error("{text} did not exist in {zone}, where clocks were set forward over it: say it in UTC")]
    Skipped {
        /// The text as typed.
        text: String,
        /// The zone that it was taken for a time of.
        zone: String,
    },
    /// The clocks were set back, and showed it twice.
    #[error("{text} came twice in {zone}, where clocks were set back: say {first} or {second}")]
    Twice {
        /// The text as typed.
        text: String,
        /// The zone that it was taken for a time of.
        zone: String,
        /// The first of the two moments, with its offset from UTC.
        first: String,
        /// The second one.
        second: String,
    },
}

/// What is wrong with a span of time. Each message begins with the text as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is in no form that is known.
    #[error("{0} is no span of time: say 90s, 5 minutes or 1h 30m")]
    Form(String),
    /// It is a number, and of what, it does not say.
    #[error("{0} is no span of time: say {0}s for seconds, {0}d for days")]
    Bare(String),
    /// It has a sign.
    #[error("{0} is no span of time: it has no sign")]
    Signed(String),
    /// It is longer than times can tell.
    #[error("{0} is longer than 584 years")]
    Range(String),
}
