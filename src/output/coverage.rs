//! What a journal covers, as text and as JSON.

use chrono::SecondsFormat;
use ctrecorder_format::NS_PER_SECOND;
use serde::Serialize;

use super::gap;
use super::time::Times;
use super::zone::Zone;
use crate::query::Coverage;
use crate::query::coverage::{Gap, Span};
use crate::query::time::date_time;

/// A line for each span and each gap in the order of time, one for each filter that chose flows, and a summary:
///
/// ```text
/// recorded from 2026.11.20 12:00:00.000412 to 2026.11.20 12:10:03.000412
/// gap from 2026.11.20 12:10:03.000412 to 2026.11.20 12:10:09.127700: disk full, 5120 events lost
/// only what a filter kept: port 443
/// recorded 10 min 3 s, 1 gap, 5120 events lost
/// ```
pub fn text(coverage: &Coverage, filters: &[String], zone: &Zone) -> String {
    let mut times = Times::new(zone.clone());
    let spans = coverage.spans();
    let recorded = spans.iter().map(|span| span.to - span.from).sum();
    let mut lines: Vec<_> = spans
        .iter()
        .map(|span| (*span, format!("recorded from {} to {}\n", times.text(span.from), times.text(span.to))))
        .collect();
    lines.extend(coverage.gaps.iter().map(|found| {
        let Gap { from, to, cause, lost } = *found;
        let (begin, end) = (times.text(from), times.text(to));
        let lost = gap::losing(cause, lost);
        (Span { from, to }, format!("gap from {begin} to {end}: {}{lost}\n", cause.text()))
    }));
    lines.sort_by_key(|(span, _)| *span);
    let mut text: String = lines.into_iter().map(|(_, line)| line).collect();
    for filter in filters {
        text += &format!("only what a filter kept: {}\n", filter.escape_debug());
    }
    text += &format!("recorded {}, {}\n", duration(recorded), gaps(&coverage.gaps));
    text
}

/// How many gaps there are, and what they lost.
fn gaps(gaps: &[Gap]) -> String {
    let known = gaps.iter().filter_map(|gap| gap.lost).fold(0, u64::saturating_add);
    let all_known = gaps.iter().all(|gap| gap.lost.is_some());
    let lost = match (all_known, known) {
        (false, 0) => gap::lost(None),
        (false, known) => format!("at least {}", gap::lost(Some(known))),
        (true, known) => gap::lost(Some(known)),
    };
    match gaps.len() {
        0 => "no gap".to_owned(),
        1 => format!("1 gap, {lost}"),
        count => format!("{count} gaps, {lost}"),
    }
}

/// A length of time in its units, from days to seconds; below a minute to the millisecond.
fn duration(ns: u64) -> String {
    let seconds = ns / NS_PER_SECOND;
    if seconds < 60 {
        return format!("{seconds}.{:03} s", ns % NS_PER_SECOND / 1_000_000);
    }
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let told = units.into_iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}"));
    told.collect::<Vec<_>>().join(" ")
}

/// `{"spans":[{"from","to"}],"gaps":[{"from","to","cause","lost"}],"filters":[]}`, times in RFC 3339, UTC, with nanoseconds; `lost`
/// is null where it is not known; `filters` are those by which flows were chosen, as text.
pub fn json(coverage: &Coverage, filters: &[String]) -> serde_json::Result<String> {
    let spans = coverage.spans().iter().map(JsonSpan::from).collect();
    let gaps = coverage.gaps.iter().map(JsonGap::from).collect();
    serde_json::to_string(&Json { spans, gaps, filters })
}

/// The fields in the order in which they are written.
#[derive(Serialize)]
struct Json<'a> {
    spans: Vec<JsonSpan>,
    gaps: Vec<JsonGap>,
    filters: &'a [String],
}

/// A span as `{"from","to"}`.
#[derive(Serialize)]
pub(super) struct JsonSpan {
    from: String,
    to: String,
}

impl From<&Span> for JsonSpan {
    fn from(span: &Span) -> Self {
        Self { from: moment(span.from), to: moment(span.to) }
    }
}

/// A gap as `{"from","to","cause","lost"}`.
#[derive(Serialize)]
pub(super) struct JsonGap {
    from: String,
    to: String,
    cause: &'static str,
    lost: Option<u64>,
}

impl From<&Gap> for JsonGap {
    fn from(gap: &Gap) -> Self {
        Self { from: moment(gap.from), to: moment(gap.to), cause: gap.cause.text(), lost: gap.lost }
    }
}

/// A moment in ns since the epoch as RFC 3339.
pub(super) fn moment(ns: u64) -> String {
    date_time(ns).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::coverage::GapCause;

    fn gap(lost: Option<u64>) -> Gap {
        Gap { from: 0, to: 1, cause: GapCause::CutOff, lost }
    }

    #[test]
    fn durations_have_their_units() {
        let second = NS_PER_SECOND;
        for (ns, text) in [
            (0, "0.000 s"),
            (59_999_999_999, "59.999 s"),
            (60 * second, "1 min"),
            (3 * 86_400 * second + 4 * 3600 * second + 9 * second, "3 d 4 h 9 s"),
            (u64::MAX, "213503 d 23 h 34 min 33 s"),
        ] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn the_summary_says_what_is_known_of_losses() {
        assert_eq!(gaps(&[]), "no gap");
        assert_eq!(gaps(&[gap(Some(1))]), "1 gap, 1 event lost");
        assert_eq!(gaps(&[gap(Some(u64::MAX)), gap(Some(2))]), format!("2 gaps, {} events lost", u64::MAX));
        assert_eq!(gaps(&[gap(None), gap(Some(2))]), "2 gaps, at least 2 events lost");
        assert_eq!(gaps(&[gap(None), gap(Some(0))]), "2 gaps, number of events lost not known");
    }

    #[test]
    fn the_last_moment_of_all_is_written() {
        assert_eq!(moment(u64::MAX), "2554-07-21T23:34:33.709551615Z");
    }
}
