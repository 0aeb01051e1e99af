//! A bar for each day: which parts of it were recorded.

use std::collections::BTreeMap;

use ctrecorder_format::NS_PER_SECOND;

use super::zone::Zone;
use crate::query::Coverage;

/// What one character of a bar stands for, in seconds. Offsets from UTC change by multiples of it, so that it is the same
/// part of every day.
const CELL_SECONDS: i64 = 1800;

const DAY_SECONDS: i64 = 86_400;

/// There are no bars for a longer range: a clock was wrong, and nobody reads on.
const DAYS_MAX: u64 = 3660;

/// How much of a cell was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Nothing,
    Partly,
    Full,
}

/// The characters of a bar: for nothing, partly, full.
#[derive(Clone, Copy, Debug)]
pub struct Style([char; 3]);

impl Style {
    /// For terminals that show UTF-8, as the environment's locale tells, and for others.
    pub fn of_locale() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") { Self(['·', '▒', '█']) } else { Self::ASCII }
    }

    /// For every terminal.
    pub const ASCII: Self = Self(['.', '+', '#']);
}

/// A line for each local day of the range: its date, and half an hour a character, which is 46 to 50
/// of them where clocks are set. A last line says what the characters mean.
pub fn text(coverage: &Coverage, zone: &Zone, style: Style) -> String {
    let Style([nothing, partly, full]) = style;
    let mut text = String::new();
    if coverage.to.saturating_sub(coverage.from) / NS_PER_SECOND > DAYS_MAX * DAY_SECONDS as u64 {
        return text;
    }
    for (day, cells) in days(coverage, zone.clone()) {
        let date = chrono::DateTime::from_timestamp(day * DAY_SECONDS, 0).unwrap_or_default();
        let bar: String = cells
            .into_iter()
            .map(|cell| match cell {
                Cell::Nothing => nothing,
                Cell::Partly => partly,
                Cell::Full => full,
            })
            .collect();
        text += &format!("{} {bar}\n", date.format("%Y.%m.%d"));
    }
    if !text.is_empty() {
        text += &format!("half an hour each: {full} recorded, {partly} partly, {nothing} not\n");
    }
    text
}

/// The cells of each local day of the range, by the days since 1970-01-01.
fn days(coverage: &Coverage, mut zone: Zone) -> BTreeMap<i64, Vec<Cell>> {
    let mut recorded: BTreeMap<i64, u64> = BTreeMap::new();
    for span in coverage.spans() {
        let mut begin = cell_of(&mut zone, (span.from / NS_PER_SECOND) as i64);
        while ns(begin) < span.to {
            let end = begin + CELL_SECONDS;
            let part = span.to.min(ns(end)) - span.from.max(ns(begin));
            *recorded.entry(begin).or_default() += part;
            begin = end;
        }
    }
    let mut days = BTreeMap::new();
    let mut begin = cell_of(&mut zone, (coverage.from / NS_PER_SECOND) as i64);
    while ns(begin) < coverage.to {
        let day = local_day(&mut zone, begin);
        days.entry(day).or_insert_with(|| cells_of_day(&mut zone, begin, day, &recorded));
        begin += CELL_SECONDS;
    }
    days
}

/// The cells of the local day that the moment `within` lies in.
fn cells_of_day(zone: &mut Zone, within: i64, day: i64, recorded: &BTreeMap<i64, u64>) -> Vec<Cell> {
    let mut begin = within;
    while local_day(zone, begin - CELL_SECONDS) == day {
        begin -= CELL_SECONDS;
    }
    let mut cells = Vec::new();
    while local_day(zone, begin) == day {
        cells.push(match recorded.get(&begin) {
            None => Cell::Nothing,
            Some(part) if *part == ns(CELL_SECONDS) => Cell::Full,
            Some(_) => Cell::Partly,
        });
        begin += CELL_SECONDS;
    }
    cells
}

/// When the cell of a moment begins, both in seconds since the epoch.
fn cell_of(zone: &mut Zone, second: i64) -> i64 {
    let local = second + i64::from(zone.offset(second));
    second - local.rem_euclid(CELL_SECONDS)
}

fn local_day(zone: &mut Zone, second: i64) -> i64 {
    (second + i64::from(zone.offset(second))).div_euclid(DAY_SECONDS)
}

/// Seconds in ns; what lies before 1970 is 1970.
fn ns(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(NS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;
    use crate::query::coverage::{Gap, GapCause};
    use crate::query::time::parse_time;

    fn at(text: &str) -> u64 {
        parse_time(text).unwrap()
    }

    fn bars(from: &str, to: &str, gaps: &[(&str, &str)], tz: Tz) -> String {
        let gap = |(from, to): &(&str, &str)| Gap { from: at(from), to: at(to), cause: GapCause::CutOff, lost: None };
        let coverage = Coverage::sample(at(from), at(to), gaps.iter().map(gap).collect());
        text(&coverage, &Zone::of(tz), Style::ASCII)
    }

    const MEANING: &str = "half an hour each: # recorded, + partly, . not\n";

    #[test]
    fn each_character_is_half_an_hour() {
        let gaps = [("2026-11-20T12:10:00Z", "2026-11-20T14:00:00Z"), ("2026-11-20T23:59:59Z", "2026-11-23T00:00:00Z")];
        let expected = format!(
            "2026.11.20 {}{}{}{}\n2026.11.21 {none}\n2026.11.22 {none}\n2026.11.23 {}{}\n{MEANING}",
            "#".repeat(24),
            "+...",
            "#".repeat(19),
            "+",
            "##",
            ".".repeat(46),
            none = ".".repeat(48),
        );
        assert_eq!(bars("2026-11-20T00:00:00Z", "2026-11-23T01:00:00Z", &gaps, Tz::UTC), expected);
    }

    #[test]
    fn days_are_local_and_may_have_another_length() {
        let lengths = |from, to, tz| {
            let bars = bars(from, to, &[], tz);
            bars.lines().take(3).map(|line| line.split_once(' ').unwrap().1.len()).collect::<Vec<_>>()
        };
        assert_eq!(lengths("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z", Tz::Europe__Warsaw), [48, 46, 48]);
        assert_eq!(lengths("2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z", Tz::Europe__Warsaw), [48, 50, 48]);
        // Half-hour changes, and an offset that is no multiple of half an hour.
        assert_eq!(lengths("2026-04-03T12:00:00Z", "2026-04-06T12:00:00Z", Tz::Australia__Lord_Howe)[1], 48);
        let kathmandu = bars("2026-11-19T18:15:00Z", "2026-11-20T18:15:00Z", &[], Tz::Asia__Kathmandu);
        assert_eq!(kathmandu, format!("2026.11.20 {}\n{MEANING}", "#".repeat(48)));
    }

    #[test]
    fn a_cell_with_a_gap_of_no_length_or_of_the_first_second_of_all_is_sane() {
        let moment = [("2026-11-20T12:10:00Z", "2026-11-20T12:10:00Z")];
        let whole = bars("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", &moment, Tz::UTC);
        assert_eq!(whole, format!("2026.11.20 {}\n{MEANING}", "#".repeat(48)));
        assert_eq!(bars("@0", "@0", &[], Tz::UTC), "");
        assert_eq!(bars("@0", "@18446744073", &[], Tz::UTC), "");
        assert!(bars("@0", "@1", &[], Tz::America__St_Johns).starts_with("1969.12.31 "));
        assert!(bars("@18446744000", "@18446744073", &[], Tz::Europe__Warsaw).starts_with("2554.07.22 "));
    }
}
