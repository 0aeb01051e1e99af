//! How much room a directory's file system has, and how long that lasts at the rate of the journal's last day.

use std::fs::Metadata;
use std::path::Path;
use std::time::Duration;

use ctrecorder_format::{Content, NS_PER_SECOND};
use nix::sys::statvfs::{Statvfs, statvfs};

use super::finding::{Finding, Verdict};
use crate::capture::clock::ns_of;
use crate::capture::files::free_bytes;
use crate::capture::fitting::of_all_netns;
use crate::capture::{Limits, Pattern};
use crate::counted::counted;
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

/// The room in the directory that `pattern` names at `now` (ns since the epoch), for a journal of these limits; `None` if there is no
/// such directory.
pub(super) fn examine(pattern: &Pattern, limits: &Limits, now: u64) -> Option<Finding> {
    let found = statvfs(&pattern.directory(now)).ok()?;
    let room = Room::of(&found);
    let recorded = Recorded::in_last_day(pattern, now);
    let files = of_all_netns(pattern).filter_map(|path| path.metadata().ok().filter(Metadata::is_file));
    let journal = files.fold(0_u64, |sum, metadata| sum.saturating_add(metadata.len()));
    Some(judge(&room, &recorded, &Kept { limits: *limits, journal }))
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

/// What a recorder keeps.
#[derive(Clone, Copy, Debug)]
struct Kept {
    limits: Limits,
    /// The bytes that the journal has.
    journal: u64,
}

impl Kept {
    /// What the journal comes to at most, at so many bytes a day; `None` if nothing bounds that, as far as can be told.
    fn most(&self, rate: Option<u64>) -> Option<u64> {
        let age = |(age, rate): (Duration, u64)| (age.as_secs_f64() / 86_400.0 * rate as f64) as u64;
        [self.limits.max_size, self.limits.max_age.zip(rate).map(age)].into_iter().flatten().min()
    }

    /// Whether all of that finds room beside what is to stay free.
    fn has_room(&self, free: u64, rate: Option<u64>) -> bool {
        let to_spare = free.saturating_sub(self.limits.min_free.unwrap_or(0));
        self.most(rate).is_some_and(|most| most.saturating_sub(self.journal) <= to_spare)
    }

    /// What there is for the journal where its oldest files make room.
    fn with_min_free(&self, free: u64) -> Option<u64> {
        let limit = self.limits.min_free?;
        Some(free.saturating_add(self.journal).saturating_sub(limit))
    }
}

/// What was recorded in a span of time, of all network namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Recorded {
    bytes: u64,
    /// How long something was recorded, of the recorder's own network namespace: of the others it is at the same times.
    time_ns: u64,
}

impl Recorded {
    /// What the files of this pattern recorded in the day before `now`.
    fn in_last_day(pattern: &Pattern, now: u64) -> Self {
        let since = now.saturating_sub(DAY_NS);
        let of_netns = pattern.names_of_netns();
        let mut all = Self::default();
        for path in of_all_netns(pattern) {
            let Some(metadata) = path.metadata().ok().filter(Metadata::is_file) else { continue };
            let written = metadata.modified().map_or(0, ns_of).min(now);
            if written > since {
                if of_netns.have(&path) {
                    all.add_of_netns(&path, &metadata, written, since);
                } else if let Some((begun, bytes)) = begun(&path) {
                    all.add(begun, written, bytes, since);
                }
            }
        }
        all
    }

    /// Adds a file of another network namespace. There may be very many: they are not opened where the file system tells when they were made.
    fn add_of_netns(&mut self, path: &Path, metadata: &Metadata, written: u64, since: u64) {
        let made = metadata.created().map(ns_of).ok().filter(|made| *made < written).map(|made| (made, metadata.len()));
        if let Some((begun, bytes)) = made.or_else(|| begun(path)) {
            let time_ns = self.time_ns;
            self.add(begun, written, bytes, since);
            self.time_ns = time_ns;
        }
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

fn judge(room: &Room, recorded: &Recorded, kept: &Kept) -> Finding {
    let name = "space";
    let free = size(room.bytes);
    if room.no_more_files {
        return Finding::cost(name, format!("{free} free, but no room for another file: all inodes are in use"))
            .value("free_bytes", room.bytes);
    }
    let rate = recorded.bytes_per_day();
    let lasts = if kept.has_room(room.bytes, rate) {
        let most = size(kept.most(rate).unwrap_or(0));
        Lasts { verdict: Verdict::Ok, text: format!("enough for the {most} that the limits keep at most"), value: None }
    } else if let Some(room) = kept.with_min_free(room.bytes) {
        kept_days(room, rate)
    } else {
        lasts(room.bytes, rate, recorded)
    };
    let mut found =
        Finding::new(name, lasts.verdict, format!("{free} free, {}", lasts.text)).value("free_bytes", room.bytes);
    if let Some(rate) = rate {
        found = found.value("bytes_per_day", rate);
    }
    match lasts.value {
        Some((name, days)) => found.value(name, (days * 10.0).floor() / 10.0),
        None => found,
    }
}

/// How long room lasts.
struct Lasts {
    verdict: Verdict,
    text: String,
    /// A number of days, by its name.
    value: Option<(&'static str, f64)>,
}

/// Room that the oldest files make: nothing is lost but they.
fn kept_days(room: u64, rate: Option<u64>) -> Lasts {
    let Some(rate) = rate else {
        let text = "and the oldest files make room: for how long they are kept cannot be told".into();
        return Lasts { verdict: if room < BYTES_WARNING { Verdict::Warning } else { Verdict::Ok }, text, value: None };
    };
    let days = room as f64 / rate.max(1) as f64;
    let verdict = if days < DAYS_WARNING { Verdict::Warning } else { Verdict::Ok };
    let text = format!("and the oldest files make room: {} for what is kept, {}", size(room), at_rate(days, rate));
    Lasts { verdict, text, value: Some(("days_kept", days)) }
}

/// Room that nothing makes.
fn lasts(free: u64, rate: Option<u64>, recorded: &Recorded) -> Lasts {
    let Some(rate) = rate else {
        let verdict = judged(free, BYTES_COST, BYTES_WARNING);
        let minutes = counted(recorded.time_ns / NS_PER_SECOND / 60, "minute");
        let text = format!("for how long cannot be told: {minutes} recorded within the last day");
        return Lasts { verdict, text, value: None };
    };
    let days = free as f64 / rate.max(1) as f64;
    let verdict = judged(days, DAYS_COST, DAYS_WARNING);
    Lasts { verdict, text: at_rate(days, rate), value: Some(("days_left", days)) }
}

/// What less than these would be.
fn judged<N: PartialOrd>(number: N, cost: N, warning: N) -> Verdict {
    if number < cost {
        Verdict::Cost
    } else if number < warning {
        Verdict::Warning
    } else {
        Verdict::Ok
    }
}

fn at_rate(days: f64, rate: u64) -> String {
    format!("{} at the last day's rate of {} a day", lasting(days), size(rate))
}

/// How many days, for a person.
fn lasting(days: f64) -> String {
    if days < 1.0 {
        format!("enough for {}", counted((days * 24.0).floor(), "hour"))
    } else if days > 3650.0 {
        "enough for more than 10 years".into()
    } else {
        format!("enough for {}", counted(days.floor(), "day"))
    }
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

    const NO_LIMITS: Kept = Kept { limits: Limits { max_age: None, max_size: None, min_free: None }, journal: 0 };

    fn within(limits: Limits, free: u64, recorded: &Recorded) -> Finding {
        judge(&Room { bytes: free, no_more_files: false }, recorded, &Kept { limits, journal: 10 << 30 })
    }

    fn verdict(free: u64, recorded: &Recorded) -> Verdict {
        judge(&Room { bytes: free, no_more_files: false }, recorded, &NO_LIMITS).verdict
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
    fn what_is_recorded_of_other_network_namespaces_at_the_same_time_takes_room_and_no_time() {
        use ctrecorder_format::{Closing, Header, Writer};
        let begun = 1_795_209_124;
        let header = Header { created: begun * NS_PER_SECOND, ..Header::blank(Content::Events) };
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        writer.finish(Closing::Stopped, begun * NS_PER_SECOND + HOUR).unwrap();
        writer.write_out().unwrap();
        let bytes = writer.output();
        for text in ["ct.%s", "%s.ct"] {
            let directory = tempfile::tempdir().unwrap();
            let pattern = Pattern::new(&format!("{}/{text}", directory.path().display()), 0, 0).unwrap();
            let own = pattern.name(begun * NS_PER_SECOND);
            let others = [3, 4].map(|id| pattern.of_netns(id, 0).name(begun * NS_PER_SECOND));
            for path in others.iter().chain([&own]) {
                std::fs::write(path, bytes).unwrap();
                let written = std::time::UNIX_EPOCH + Duration::from_secs(begun + 3600);
                std::fs::File::options().write(true).open(path).unwrap().set_modified(written).unwrap();
            }
            let found = Recorded::in_last_day(&pattern, begun * NS_PER_SECOND + 2 * HOUR);
            assert_eq!(found, recorded(3 * bytes.len() as u64, 1), "{text}");
        }
    }

    #[test]
    fn less_than_an_hour_tells_nothing() {
        assert_eq!(Recorded { bytes: 5, time_ns: HOUR - 1 }.bytes_per_day(), None);
        assert_eq!(recorded(5, 1).bytes_per_day(), Some(120));
        assert_eq!(Recorded::default().bytes_per_day(), None);
        let found = judge(&Room { bytes: 1 << 40, no_more_files: false }, &Recorded::default(), &NO_LIMITS);
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
        assert_eq!(judge(&full, &day, &NO_LIMITS).verdict, Verdict::Cost);
    }

    #[test]
    fn what_the_limits_keep_at_most_finds_room_or_does_not() {
        let (day, none) = (recorded(1 << 30, 24), Limits::default());
        let size = Limits { max_size: Some(12 << 30), ..none };
        let found = within(size, 2 << 30, &day);
        assert_eq!(found.found, "2.0 GiB free, enough for the 12.0 GiB that the limits keep at most");
        assert_eq!((found.verdict, found.values.contains_key("days_left")), (Verdict::Ok, false));
        assert_eq!(
            within(size, (2 << 30) - 1, &day).verdict,
            Verdict::Warning,
            "it does not stop before the disk is full"
        );
        assert_eq!(within(size, 2 << 30, &Recorded::default()).verdict, Verdict::Ok);
        let age = Limits { max_age: Some(Duration::from_secs(11 * 86_400)), ..none };
        assert_eq!(within(age, 1 << 30, &day).verdict, Verdict::Ok);
        assert_eq!(within(age, (1 << 30) - 1, &day).verdict, Verdict::Cost);
        // Without a rate, nobody knows what an age comes to.
        assert_eq!(within(age, 1 << 20, &Recorded::default()).verdict, Verdict::Cost);
        let both = Limits { min_free: Some(1 << 30), ..size };
        assert!(within(both, 3 << 30, &day).found.contains("that the limits keep at most"));
        assert!(within(both, (3 << 30) - 1, &day).found.contains("make room"));
    }

    #[test]
    fn where_the_oldest_make_room_it_is_told_how_long_they_are_kept() {
        let (day, limits) = (recorded(1 << 30, 24), Limits { min_free: Some(2 << 30), ..Limits::default() });
        let found = within(limits, 2 << 30, &day);
        let words = "2.0 GiB free, and the oldest files make room: 10.0 GiB for what is kept, enough for 10 days at the last day's rate of 1.0 GiB a day";
        assert_eq!(
            (found.verdict, found.found.as_str(), &found.values["days_kept"]),
            (Verdict::Ok, words, &10.0.into())
        );
        assert_eq!(within(limits, 0, &recorded(2 << 30, 24)).verdict, Verdict::Warning);
        let unknown = within(limits, 2 << 30, &Recorded::default());
        assert_eq!((unknown.verdict, unknown.values.len()), (Verdict::Ok, 1));
    }

    #[test]
    fn a_person_reads_days_and_sizes() {
        assert_eq!([0, 1536, 3 << 40].map(size), ["0.0 KiB", "1.5 KiB", "3.0 TiB"]);
        assert_eq!(lasting(0.99), "enough for 23 hours");
        assert_eq!(lasting(1.99), "enough for 1 day");
        assert_eq!(lasting(1e9), "enough for more than 10 years");
        let found = judge(&Room { bytes: 10 << 30, no_more_files: false }, &recorded(1 << 30, 24), &NO_LIMITS);
        assert_eq!(found.found, "10.0 GiB free, enough for 10 days at the last day's rate of 1.0 GiB a day");
        assert_eq!(found.values["days_left"], 10.0);
    }
}
