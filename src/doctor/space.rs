//! How much room a directory's file system has, and how long that lasts at the rate of the journal's last day.

use std::path::Path;

use ctrecorder_format::{Content, NS_PER_SECOND};
use nix::sys::statvfs::{Statvfs, statvfs};

use super::finding::{Finding, Verdict};
use crate::capture::clock::ns_of;
use crate::capture::files::free_bytes;
use crate::capture::{Pattern, neighbours};
use crate::journal::Source;

const DAY_NS: u64 = 24 * 3600 * NS_PER_SECOND;

/// What was recorded in less time than this tells nothing of a day.
const ENOUGH_NS: u64 = 3600 * NS_PER_SECOND;

/// With room for less than a day nobody will have seen to it in time; a week goes by while someone is away.
const DAYS_COST: f64 = 1.0;
const DAYS_WARNING: f64 = 7.0;

/// Where the rate is not known: room for some 150,000 and 2,500,000 flows, start and end.
const BYTES_COST: u64 = 16 << 20;
const BYTES_WARNING: u64 = 256 << 20;

/// The room in the directory that `pattern` names at `now` (ns since the epoch); `None` if there is no such directory.
pub(super) fn examine(pattern: &Pattern, now: u64) -> Option<Finding> {
    let found = statvfs(&pattern.directory(now)).ok()?;
    let room = Room::of(&found);
    let recorded = Recorded::in_last_day(&pattern.glob(), now);
    Some(judge(&room, &recorded))
}

/// What a file system has left for others than root.
#[derive(Clone, Copy, Debug)]
struct Room {
    bytes: u64,
    /// It may not have one more file.
    no_more_files: bool,
}

impl Room {
    fn of(found: &Statvfs) -> Self {
        Self { bytes: free_bytes(found), no_more_files: found.files() > 0 && found.files_available() == 0 }
    }
}

/// What was recorded in a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Recorded {
    bytes: u64,
    /// How long something was recorded.
    time_ns: u64,
}

impl Recorded {
    /// What the files that fit `glob` recorded in the day before `now`.
    fn in_last_day(glob: &str, now: u64) -> Self {
        let since = now.saturating_sub(DAY_NS);
        let mut all = Self::default();
        for (written, path) in neighbours::fitting(glob) {
            let written = ns_of(written).min(now);
            if written > since
                && let Some((begun, bytes)) = begun(&path)
            {
                all.add(begun, written, bytes, since);
            }
        }
        all
    }

    /// Adds what a file has since a moment that was begun and written to last at these; as much in each second as in any other.
    fn add(&mut self, begun: u64, written: u64, bytes: u64, since: u64) {
        let whole = written.saturating_sub(begun);
        let part = written.saturating_sub(begun.max(since));
        if whole > 0 {
            // At most `bytes`.
            self.bytes += (u128::from(bytes) * u128::from(part) / u128::from(whole)) as u64;
            self.time_ns += part;
        }
    }

    /// Bytes in a day at this rate; `None` if it is not enough to tell.
    fn bytes_per_day(&self) -> Option<u64> {
        let bytes = u128::from(self.bytes) * u128::from(DAY_NS) / u128::from(self.time_ns.max(1));
        (self.time_ns >= ENOUGH_NS).then(|| u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

/// When a file of events was begun, and its length; `None` for what is none.
fn begun(path: &Path) -> Option<(u64, u64)> {
    let source = Source::open(path).ok()?;
    let version = source.parse().ok()?;
    (version.content() == Content::Events).then(|| (version.begun(), source.length()))
}

fn judge(room: &Room, recorded: &Recorded) -> Finding {
    let name = "space";
    let free = size(room.bytes);
    if room.no_more_files {
        return Finding::cost(name, format!("{free} free, but no room for another file: all inodes are in use"))
            .value("free_bytes", room.bytes);
    }
    let rate = recorded.bytes_per_day();
    let days = rate.map(|rate| room.bytes as f64 / rate.max(1) as f64);
    let verdict = match days {
        Some(days) if days < DAYS_COST => Verdict::Cost,
        Some(days) if days < DAYS_WARNING => Verdict::Warning,
        None if room.bytes < BYTES_COST => Verdict::Cost,
        None if room.bytes < BYTES_WARNING => Verdict::Warning,
        _ => Verdict::Ok,
    };
    let lasts = match (rate, days) {
        (Some(rate), Some(days)) => format!("{} at the last day's rate of {} a day", lasting(days), size(rate)),
        _ => {
            let minutes = recorded.time_ns / NS_PER_SECOND / 60;
            format!(
                "for how long cannot be told: {} were recorded within the last day",
                count(minutes as f64, "minute")
            )
        }
    };
    let found = Finding::new(name, verdict, format!("{free} free, {lasts}")).value("free_bytes", room.bytes);
    match (rate, days) {
        (Some(rate), Some(days)) => found.value("bytes_per_day", rate).value("days_left", (days * 10.0).floor() / 10.0),
        _ => found,
    }
}

/// How many days, for a person.
fn lasting(days: f64) -> String {
    if days < 1.0 {
        format!("enough for {}", count((days * 24.0).floor(), "hour"))
    } else if days > 3650.0 {
        "enough for more than 10 years".into()
    } else {
        format!("enough for {}", count(days.floor(), "day"))
    }
}

/// A whole number of units.
fn count(number: f64, unit: &str) -> String {
    if number == 1.0 { format!("1 {unit}") } else { format!("{number:.0} {unit}s") }
}

/// A number of bytes, for a person.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * NS_PER_SECOND;

    fn recorded(bytes: u64, hours: u64) -> Recorded {
        Recorded { bytes, time_ns: hours * HOUR }
    }

    fn verdict(free: u64, recorded: &Recorded) -> Verdict {
        judge(&Room { bytes: free, no_more_files: false }, recorded).verdict
    }

    #[test]
    fn of_a_file_that_was_begun_before_the_day_the_days_part_counts() {
        let mut all = Recorded::default();
        let since = 100 * HOUR;
        all.add(90 * HOUR, 110 * HOUR, 1000, since);
        assert_eq!(all, recorded(500, 10));
        all.add(110 * HOUR, 112 * HOUR, 100, since);
        all.add(112 * HOUR, 112 * HOUR, 7, since);
        all.add(114 * HOUR, 113 * HOUR, 7, since);
        assert_eq!(all, recorded(600, 12));
        assert_eq!(all.bytes_per_day(), Some(1200), "what was not recorded does not make it less");
    }

    #[test]
    fn less_than_an_hour_tells_nothing() {
        assert_eq!(Recorded { bytes: 5, time_ns: HOUR - 1 }.bytes_per_day(), None);
        assert_eq!(recorded(5, 1).bytes_per_day(), Some(120));
        assert_eq!(Recorded::default().bytes_per_day(), None);
        let found = judge(&Room { bytes: 1 << 40, no_more_files: false }, &Recorded::default());
        assert!(found.found.contains("for how long cannot be told: 0 minutes"), "{}", found.found);
    }

    #[test]
    fn the_days_left_decide_and_without_them_the_room_does() {
        let day = recorded(1 << 30, 24);
        assert_eq!(verdict((1 << 30) - 1, &day), Verdict::Cost);
        assert_eq!(verdict(1 << 30, &day), Verdict::Warning);
        assert_eq!(verdict(7 << 30, &day), Verdict::Ok);
        assert_eq!(verdict(1 << 20, &recorded(0, 24)), Verdict::Ok, "nothing is written");
        let unknown = Recorded::default();
        assert_eq!(verdict(BYTES_COST - 1, &unknown), Verdict::Cost);
        assert_eq!(verdict(BYTES_COST, &unknown), Verdict::Warning);
        assert_eq!(verdict(BYTES_WARNING, &unknown), Verdict::Ok);
        let full = Room { bytes: 1 << 40, no_more_files: true };
        assert_eq!(judge(&full, &day).verdict, Verdict::Cost);
    }

    #[test]
    fn a_person_reads_days_and_sizes() {
        assert_eq!([0, 1536, 3 << 40].map(size), ["0.0 KiB", "1.5 KiB", "3.0 TiB"]);
        assert_eq!(lasting(0.99), "enough for 23 hours");
        assert_eq!(lasting(1.99), "enough for 1 day");
        assert_eq!(lasting(1e9), "enough for more than 10 years");
        let found = judge(&Room { bytes: 10 << 30, no_more_files: false }, &recorded(1 << 30, 24));
        assert_eq!(found.found, "10.0 GiB free, enough for 10 days at the last day's rate of 1.0 GiB a day");
        assert_eq!(found.values["days_left"], 10.0);
    }
}
