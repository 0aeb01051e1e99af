//! Warns when nothing is heard while flows are alive: then events may be off, or go elsewhere.

use std::time::{Duration, Instant};

use super::settings;
use crate::counted::counted;

/// Watches whether events are heard.
#[derive(Debug)]
pub(super) struct Silence {
    /// How long one may last.
    patience: Duration,
    heard: u64,
    /// When something was heard last, or its silence was last found to be without meaning.
    since: Instant,
    /// That nothing is heard was said.
    told: bool,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// Nothing was heard for so long, though so many flows are alive.
    Silent(Duration, u64),
    /// Events are heard again, after so long.
    HeardAgain(Duration),
}

impl Silence {
    pub(super) fn begin(patience: Duration) -> Self {
        Self { patience, heard: 0, since: Instant::now(), told: false }
    }

    /// To be called about once a second with the number of events `heard` so far.
    pub(super) fn watch(&mut self, heard: u64) {
        match self.word(heard, Instant::now(), settings::table_count) {
            None => {}
            Some(Word::Silent(time, flows)) => tracing::warn!(
                "no event was heard for {} s, though the kernel's table holds {}; ctrecorder doctor tells whether \
                 events are on",
                time.as_secs(),
                counted(flows, "flow")
            ),
            Some(Word::HeardAgain(time)) => {
                tracing::info!("events are heard again, after {} s without any", time.as_secs());
            }
        }
    }

    fn word(&mut self, heard: u64, now: Instant, table: impl FnOnce() -> Option<u64>) -> Option<Word> {
        let silent = now.saturating_duration_since(self.since);
        if heard != self.heard {
            (self.heard, self.since) = (heard, now);
            return std::mem::take(&mut self.told).then_some(Word::HeardAgain(silent));
        }
        if self.told || silent < self.patience {
            return None;
        }
        match table() {
            Some(flows) if flows > 0 => {
                self.told = true;
                Some(Word::Silent(silent, flows))
            }
            // Where no flow is alive there is nothing to be heard.
            _ => {
                self.since = now;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_and_again_when_something_is_heard() {
        let mut silence = Silence::begin(Duration::from_secs(300));
        let begun = silence.since;
        let mut at = |second, heard, flows| silence.word(heard, begun + Duration::from_secs(second), || flows);
        let (silent, again) = (|s, flows| Some(Word::Silent(Duration::from_secs(s), flows)), Duration::from_secs);
        assert_eq!(at(299, 0, Some(7)), None);
        assert_eq!(at(300, 0, Some(7)), silent(300, 7));
        assert_eq!(at(900, 0, Some(7)), None, "it was said");
        assert_eq!(at(1000, 1, Some(7)), Some(Word::HeardAgain(again(1000))));
        assert_eq!(at(1299, 1, Some(7)), None);
        assert_eq!(at(1300, 1, Some(8)), silent(300, 8));
    }

    #[test]
    fn an_empty_table_is_silent_for_good_reason() {
        let mut silence = Silence::begin(Duration::from_secs(300));
        let begun = silence.since;
        let mut at = |second, flows| silence.word(0, begun + Duration::from_secs(second), || flows);
        assert_eq!(at(300, Some(0)), None);
        assert_eq!(at(599, Some(1)), None, "flows may have begun just now");
        assert_eq!(at(600, None), None, "it is not known");
        assert_eq!(at(900, Some(1)), Some(Word::Silent(Duration::from_secs(300), 1)));
    }
}
