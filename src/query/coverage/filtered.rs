//! What filters left out of the files of a journal, by what their headers say.

use super::{Span, complement};
use crate::journal::{UNEVEN, Version};
use crate::query::Filter;

/// What stands between the filters of a file that was made of a filtered one.
const BETWEEN: &str = "; ";

/// Gathers by which filters flows were chosen, and of which times.
#[derive(Clone, Debug, Default)]
pub struct Filtered {
    texts: Vec<String>,
    /// Of the files with a filter.
    spans: Vec<Span>,
    /// Of which nothing was left out for its time.
    kept: Vec<Span>,
}

impl Filtered {
    /// Adds what the header of a file says.
    pub fn add(&mut self, version: &Version<'_>) {
        let span = Span { from: version.begun(), to: version.ended() };
        let filters = version.header().map_or("", |header| &header.filters);
        if filters.is_empty() {
            self.kept.push(span);
            return;
        }
        self.spans.push(span);
        self.kept.extend(within(span, filters));
        if !self.texts.iter().any(|text| text == filters) {
            self.texts.push(filters.to_owned());
        }
    }

    /// The filters, each once, as the language of `--where` has them, several of one file with semicolons between.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Whether a filter left out flows that were recorded.
    pub fn left_flows_out(&self) -> bool {
        self.texts.iter().any(|text| text != UNEVEN)
    }

    /// Takes what others say as well.
    pub fn join(&mut self, other: &Self) {
        self.spans.extend(&other.spans);
        self.kept.extend(&other.kept);
        let new = other.texts.iter().filter(|text| !self.texts.contains(text)).cloned();
        self.texts.extend(new.collect::<Vec<_>>());
    }

    /// The times of which filters kept nothing, although files are of them. None of these spans meets another one.
    pub(super) fn left_out(&self) -> Vec<Span> {
        let mut kept = self.kept.clone();
        kept.sort_unstable();
        let left_out = self.spans.iter().flat_map(|span| complement(kept.iter().copied(), span.from, span.to));
        Span::apart(left_out.collect())
    }
}

/// What of a span these filters kept, as far as they are about times; `None`: nothing.
fn within(span: Span, filters: &str) -> Option<Span> {
    // What limits a file and is no filter of today says nothing of times.
    let filters = filters.split(BETWEEN).filter_map(|text| text.parse::<Filter>().ok());
    filters.map(|filter| filter.times()).try_fold(span, |span, times| times.and_then(|times| span.common(times)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_times_keep_their_times() {
        let span = Span { from: 1_000_000_000, to: 90_000_000_000 };
        let kept = |text| within(span, text).map(|kept| (kept.from / 1_000_000_000, kept.to / 1_000_000_000));
        for (text, expected) in [
            ("port 1", Some((1, 90))),
            ("something else", Some((1, 90))),
            ("before @40.0 and port 1", Some((1, 40))),
            ("after 1970-01-01T00:00:20Z; before 1970-01-01T00:00:40Z", Some((20, 40))),
            ("after @50.0 and before @40.0", None),
            ("at @50.0", Some((50, 50))),
            ("after @50.0 or before @40.0", Some((1, 90))),
            ("not after @50.0", Some((1, 50))),
            ("not before @50.0", Some((50, 90))),
            ("not (port 1 and before @50.0)", Some((1, 90))),
            ("(at @20.0 or at @30.0) and lasts 5s", Some((20, 30))),
            ("after @100.0", None),
        ] {
            assert_eq!(kept(text), expected, "{text}");
        }
    }
}
