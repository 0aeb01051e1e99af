//! Answers to the question who had an endpoint: docs/who.md, as text for a person and as JSON for programs.

mod hint;
mod json;
mod text;

pub use json::json;
pub use text::text;

use crate::query::who::{Translation, Verdict};

/// A verdict as its word.
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unique => "UNIQUE",
        Verdict::Ambiguous => "AMBIGUOUS",
        Verdict::None => "NONE",
        Verdict::Unknown => "UNKNOWN",
    }
}

/// How an endpoint became another one, in words.
const fn translation(translation: Translation) -> &'static str {
    match translation {
        Translation::Source => "source NAT",
        Translation::Destination => "destination NAT",
        Translation::None => "not translated",
    }
}
