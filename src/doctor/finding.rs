//! What was found: one thing that was looked at.

use serde::Serialize;
use serde_json::{Map, Value};

/// Whether something is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is.
    Ok,
    /// It could be better, or could not be told.
    Warning,
    /// It would cost records.
    Cost,
}

impl Verdict {
    /// The word for it, as in JSON.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Cost => "cost",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: one of the names of docs/operations.md, which stay the same.
    pub name: &'static str,
    /// Whether it is right.
    pub verdict: Verdict,
    /// What was found, a line.
    pub found: String,
    /// The numbers in that, by names that tell their unit.
    pub values: Map<String, Value>,
    /// A command for a shell that mends it, where there is one.
    pub mend: Option<String>,
}

impl Finding {
    /// Something that is right.
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Verdict::Ok, found)
    }

    /// Something that could be better.
    pub(super) fn warning(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Verdict::Warning, found)
    }

    /// Something that would cost records.
    pub(super) fn cost(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Verdict::Cost, found)
    }

    /// Something with this verdict.
    pub(super) fn new(name: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { name, verdict, found: found.into(), values: Map::new(), mend: None }
    }

    /// The same with a command that mends it.
    pub(super) fn mended_by(self, command: impl Into<String>) -> Self {
        Self { mend: Some(command.into()), ..self }
    }

    /// The same with a number.
    pub(super) fn value(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// All of it on one line, but for its numbers.
    pub fn line(&self) -> String {
        let Self { name, found, .. } = self;
        match &self.mend {
            Some(command) => format!("{name}: {found}; mend it by: {command}"),
            None => format!("{name}: {found}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_was_found_and_what_mends_it() {
        let found = Finding::cost("events", "none");
        assert_eq!(found.line(), "events: none");
        assert_eq!(found.mended_by("sysctl -w a=1").line(), "events: none; mend it by: sysctl -w a=1");
    }
}
