//! File names by strftime, and the moments of rotation.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use chrono::format::{Item, Pad, StrftimeItems};
use chrono::{DateTime, FixedOffset, Local, Offset, TimeZone, Utc};
use glob::MatchOptions;

use super::clock::SECOND;

/// How far ahead a pattern is tried for names that repeat: two days of hours, and never more steps than this.
const STEPS_MAX: u64 = 3000;
const LOOK_AHEAD_SECONDS: u64 = 48 * 3600;

/// Stands in names of files before the id of a network namespace.
const OF_NETNS: &str = ".netns-";
/// A segment may be begun so long after the moment that named it: a disk takes its time.
const LATE_SECONDS: u64 = 60;

/// Where segments go: a path with strftime conversions, and how often a new one begins.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    rotate_minutes: u32,
}

/// Why a pattern is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// There is nothing in it.
    #[error("the pattern is empty")]
    Empty,
    /// A conversion is not known.
    #[error("{0}: not a valid strftime pattern")]
    Invalid(String),
    /// It names a directory, and no files in it.
    #[error("{0}: is a directory: say what the files in it are to be called, as {name}/%Y%m%d-%H%M%S.ct", name = .0.trim_end_matches('/'))]
    Directory(String),
    /// Two segments would have one name.
    #[error(
        "{text}: rotation every {minutes} minutes would come to the same name ({}) twice; add conversions such as %Y%m%d-%H%M",
        name.display()
    )]
    Repeats {
        /// The pattern.
        text: String,
        /// The name that two segments would have.
        name: PathBuf,
        /// The interval of rotation.
        minutes: u32,
    },
}

impl Pattern {
    /// The pattern `text`, made absolute, with a new segment every `rotate_minutes` (0: never). `now` is in ns since
    /// the epoch: from there on, successive names are held against each other.
    pub fn new(text: &str, rotate_minutes: u32, now: u64) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if StrftimeItems::new(text).any(|item| matches!(item, Item::Error)) {
            return Err(PatternError::Invalid(text.into()));
        }
        if text.ends_with('/') || Path::new(text).is_dir() {
            return Err(PatternError::Directory(text.into()));
        }
        let text = absolute(text).ok_or_else(|| PatternError::Invalid(text.into()))?;
        let pattern = Self { text, rotate_minutes };
        pattern.names_differ(now)?;
        Ok(pattern)
    }

    /// The pattern of what is recorded of another network namespace, by the id that it has in the recorder's own:
    /// `ct.netns-3.log` for `ct.log`, and `ct.netns-3-2.log` if one file of that name is to be `passed_over`.
    pub(crate) fn of_netns(&self, id: u32, passed_over: u32) -> Self {
        let (stem, suffix) = self.around_netns();
        let number = if passed_over > 0 { format!("-{}", passed_over + 1) } else { String::new() };
        Self { text: format!("{stem}{OF_NETNS}{id}{number}{suffix}"), ..self.clone() }
    }

    /// What stands before the id of a network namespace, and what behind it.
    fn around_netns(&self) -> (&str, &str) {
        let is_whole = |text: &str| !StrftimeItems::new(text).any(|item| matches!(item, Item::Error));
        let name = self.text.rfind('/').map_or(0, |slash| slash + 1);
        // A point may belong to a conversion, as in %.3f.
        let dot = self.text.rfind('.').filter(|dot| *dot > name && self.text.get(..*dot).is_some_and(is_whole));
        self.text.split_at(dot.unwrap_or(self.text.len()))
    }

    /// Globs that fit every name [`Pattern::of_netns`] can give for this id, or for any.
    pub(super) fn globs_of_netns(&self, id: Option<u32>) -> Vec<String> {
        let (stem, suffix) = self.around_netns();
        let [stem, suffix] = [stem, suffix].map(glob_of);
        let ids = id.map_or_else(|| vec!["[0-9]*".into()], |id| vec![id.to_string(), format!("{id}-[0-9]*")]);
        ids.into_iter().map(|id| format!("{stem}{OF_NETNS}{id}{suffix}")).collect()
    }

    /// The names that the pattern gives for other network namespaces, and not for the recorder's own.
    pub(crate) fn names_of_netns(&self) -> Names {
        Names::of(&self.globs_of_netns(None))
    }

    /// The file name at a moment, in local time.
    pub fn name(&self, moment: u64) -> PathBuf {
        PathBuf::from(self.name_in(&Local, moment))
    }

    fn name_in<Z: TimeZone<Offset: std::fmt::Display>>(&self, zone: &Z, moment: u64) -> String {
        match moment_of(moment) {
            Some(utc) => utc.with_timezone(zone).format(&self.text).to_string(),
            None => self.text.clone(),
        }
    }

    /// Whether this path is what the pattern gives for a segment that was begun at `created`, when local time was so many seconds east
    /// of UTC.
    pub(super) fn gave(&self, path: &Path, created: u64, utc_offset_seconds: i32) -> bool {
        let late = (0..=LATE_SECONDS).filter_map(|seconds| created.checked_sub(seconds * SECOND));
        let mut moments = late.chain(self.last_rotation(created));
        let zone = FixedOffset::east_opt(utc_offset_seconds);
        moments.any(|moment| {
            // It may have been named just before local time changed.
            let in_zone = zone.is_some_and(|zone| Path::new(&self.name_in(&zone, moment)) == path);
            in_zone || self.name(moment) == path
        })
    }

    /// The same of a segment of another network namespace, by the id that this has in the recorder's own.
    pub(super) fn gave_for_netns(&self, id: u32, path: &Path, created: u64, utc_offset_seconds: i32) -> bool {
        let name = path.to_string_lossy();
        let numbered = name.rsplit_once(&format!("{OF_NETNS}{id}-")).map_or("", |(_, number)| number);
        let number =
            numbered.split(|digit: char| !digit.is_ascii_digit()).next().and_then(|number| number.parse().ok());
        let passed_over = number.and_then(|number: u32| number.checked_sub(1));
        let mut patterns = passed_over.into_iter().chain([0]).map(|passed_over| self.of_netns(id, passed_over));
        patterns.any(|pattern| pattern.gave(path, created, utc_offset_seconds))
    }

    /// The last moment of rotation, `now` included. `None` if there is none.
    pub(super) fn last_rotation(&self, now: u64) -> Option<u64> {
        let interval = u64::from(self.rotate_minutes) * 60 * SECOND;
        now.checked_div(interval)?.checked_mul(interval)
    }

    /// The next moment of rotation after `now`: a multiple of the interval in UTC. `None` if there is none.
    pub fn next_rotation(&self, now: u64) -> Option<u64> {
        let interval = u64::from(self.rotate_minutes) * 60 * SECOND;
        now.checked_div(interval)?.checked_add(1)?.checked_mul(interval)
    }

    /// The directory that segments are created in at a moment.
    pub fn directory(&self, moment: u64) -> PathBuf {
        self.name(moment).parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf)
    }

    /// Whether new segments begin by the clock.
    pub(super) const fn rotates(&self) -> bool {
        self.rotate_minutes > 0
    }

    /// The directory that all segments are in, or beneath: that in front of the first conversion.
    pub(crate) fn fixed_directory(&self) -> PathBuf {
        let mut fixed = String::new();
        for item in StrftimeItems::new(&self.text) {
            let (Item::Literal(text) | Item::Space(text)) = item else { break };
            fixed.push_str(text);
        }
        // The text begins with a slash, see `absolute`.
        fixed.truncate(fixed.rfind('/').unwrap_or_default());
        if fixed.is_empty() { PathBuf::from("/") } else { PathBuf::from(fixed) }
    }

    /// A glob that fits every name the pattern can give: a conversion stands for anything within a part of the path, one of a
    /// number for what begins with a digit.
    pub(crate) fn glob(&self) -> String {
        glob_of(&self.text)
    }

    /// Holds the names of the next days against each other, all by the present offset from UTC: that the end of summer
    /// time repeats an hour is no fault of the pattern.
    fn names_differ(&self, now: u64) -> Result<(), PatternError> {
        let offset = moment_of(now).map_or_else(|| Utc.fix(), |utc| *utc.with_timezone(&Local).offset());
        let mut names = HashSet::from([self.name_in(&offset, now)]);
        let mut moment = now;
        for step in 0..STEPS_MAX {
            let Some(next) = self.next_rotation(moment) else { break };
            if step > 0 && next > now.saturating_add(LOOK_AHEAD_SECONDS * SECOND) {
                break;
            }
            let name = self.name_in(&offset, next);
            if !names.insert(name.clone()) {
                let (text, name) = (self.text.clone(), name.into());
                return Err(PatternError::Repeats { text, name, minutes: self.rotate_minutes });
            }
            moment = next;
        }
        Ok(())
    }
}

/// The ids of the network namespaces that a file with this name may be of, as [`Pattern::of_netns`] makes names: mostly one.
pub(super) fn netns_of(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let behind = name.match_indices(OF_NETNS).filter_map(|(place, mark)| name.get(place + mark.len()..));
    let digits = behind.filter_map(|behind| behind.split(|digit: char| !digit.is_ascii_digit()).next());
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

/// See [`Pattern::glob`].
fn glob_of(text: &str) -> String {
    let mut glob = String::new();
    for item in StrftimeItems::new(text) {
        match item {
            Item::Literal(text) | Item::Space(text) => glob.push_str(&glob::Pattern::escape(text)),
            Item::Numeric(_, Pad::None | Pad::Zero) => glob.push_str("[0-9]*"),
            // Two neighbouring stars would mean directories. A star of the pattern's own stands in brackets.
            _ if glob.ends_with('*') => {}
            _ => glob.push('*'),
        }
    }
    glob
}

/// How a conversion is to be understood in a glob: it stands for nothing with a slash in it.
pub(super) const GLOB_OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// Names that globs fit.
#[derive(Debug)]
pub(crate) struct Names(Vec<glob::Pattern>);

impl Names {
    /// Those that one of these fits.
    pub(super) fn of(globs: &[String]) -> Self {
        Self(globs.iter().filter_map(|glob| glob::Pattern::new(glob).ok()).collect())
    }

    /// Whether this path is one of them.
    pub(crate) fn have(&self, path: &Path) -> bool {
        self.0.iter().any(|glob| glob.matches_path_with(path, GLOB_OPTIONS))
    }
}

/// A moment in chrono's terms; all that 64 bits of nanoseconds can say is one.
fn moment_of(moment: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp((moment / SECOND) as i64, 0)
}

/// The pattern from the root on, each slash but once, as in the paths that are found. The present directory's name is no pattern, whatever
/// is in it.
fn absolute(pattern: &str) -> Option<String> {
    let here = match pattern.starts_with('/') {
        true => String::new(),
        false => std::env::current_dir().ok()?.into_os_string().into_string().ok()?.replace('%', "%%"),
    };
    let parts = here.split('/').chain(pattern.split('/')).filter(|part| !part.is_empty());
    Some(parts.fold(String::new(), |path, part| path + "/" + part))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn at(hour: u32, minute: u32) -> u64 {
        let time = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap().and_hms_opt(hour, minute, 7).unwrap();
        time.and_utc().timestamp_nanos_opt().unwrap().try_into().unwrap()
    }

    #[test]
    fn names_follow_the_zone_and_rotation_follows_utc() {
        let pattern = Pattern::new("/var/ct.%Y%m%d-%H%M", 360, at(13, 5)).unwrap();
        assert_eq!(pattern.name_in(&Utc, at(13, 5)), "/var/ct.20261120-1305");
        assert_eq!(pattern.name_in(&FixedOffset::east_opt(19800).unwrap(), at(13, 5)), "/var/ct.20261120-1835");
        assert_eq!(pattern.next_rotation(at(13, 5)), Some(at(18, 0) - 7 * SECOND));
        assert_eq!(pattern.next_rotation(at(18, 0) - 7 * SECOND), Some(at(23, 0) + 3593 * SECOND));
    }

    #[test]
    fn files_of_another_network_namespace_have_its_id_before_the_suffix() {
        for (text, name) in [
            ("/var/%H.ct", "/var/13.netns-3.ct"),
            ("/var/ct.%H", "/var/ct.netns-3.13"),
            ("/var.d/ct", "/var.d/ct.netns-3"),
            ("/var/.ct", "/var/.ct.netns-3"),
            ("/var/ct%.3f", "/var/ct.000.netns-3"),
        ] {
            let pattern = Pattern::new(text, 0, at(13, 5)).unwrap();
            let other = pattern.of_netns(3, 0);
            assert_eq!(other.name_in(&Utc, at(13, 5)), name);
            assert!(pattern.names_of_netns().have(Path::new(name)), "{name}");
            assert!(!pattern.names_of_netns().have(&pattern.name(at(13, 5))));
            assert_eq!(netns_of(Path::new(name)), [3]);
            assert!(netns_of(&pattern.name(at(13, 5))).is_empty());
            assert!(!other.names_of_netns().have(Path::new(name)), "{name} is the own one of such a pattern");
        }
        let pattern = Pattern::new("/ct.log", 0, 0).unwrap();
        assert_eq!(pattern.of_netns(12, 1).name_in(&Utc, 0), "/ct.netns-12-2.log");
        assert_eq!(netns_of(Path::new("/ct.netns-12-2.log")), [12]);
        assert_eq!(netns_of(Path::new("/x.netns-3/ct.netns-7.netns-8")), [7, 8]);
        let doubled = Pattern::new("/var//log///ct.%s", 0, 0).unwrap();
        assert_eq!((doubled.name_in(&Utc, 0), doubled.glob()), ("/var/log/ct.0".into(), "/var/log/ct.[0-9]*".into()));
        assert!(!pattern.names_of_netns().have(Path::new("/x.netns-3/ct.netns-")));
        let of_one = Names::of(&pattern.globs_of_netns(Some(1)));
        assert!(["/ct.netns-1.log", "/ct.netns-1-2.log"].iter().all(|name| of_one.have(Path::new(name))));
        assert!(!["/ct.netns-12.log", "/ct.log"].iter().any(|name| of_one.have(Path::new(name))));
    }

    #[test]
    fn no_interval_means_no_rotation() {
        assert_eq!(Pattern::new("/var/ct", 0, at(1, 0)).unwrap().next_rotation(at(1, 0)), None);
    }

    #[test]
    fn a_relative_pattern_is_made_absolute() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(Pattern::new("x/ct", 0, at(1, 0)).unwrap().directory(at(1, 0)), here.join("x"));
    }

    #[test]
    fn the_present_directory_is_no_pattern() {
        let escaped = "/50%%/ct.%H";
        let pattern = Pattern { text: escaped.into(), rotate_minutes: 0 };
        assert_eq!(pattern.name_in(&Utc, at(13, 5)), "/50%/ct.13");
    }

    #[test]
    fn names_that_repeat_are_refused_whatever_the_hour_of_the_start() {
        for (text, minutes) in
            [("/ct", 60), ("/ct.%Y%m%d", 60), ("/ct.%Y%m%d-%H", 30), ("/ct.%Y", 1440), ("/ct.%H", 60)]
        {
            for now in [at(0, 1), at(13, 5), at(23, 50)] {
                assert!(
                    matches!(Pattern::new(text, minutes, now), Err(PatternError::Repeats { .. })),
                    "{text} at {now}"
                );
            }
        }
        for (text, minutes) in [("/ct.%Y%m%d", 1440), ("/ct.%s", 1), ("/ct.%d%H", 60), ("/ct.%Y%m%d-%H%M", 1)] {
            Pattern::new(text, minutes, at(23, 50)).unwrap();
        }
    }

    #[test]
    fn a_glob_fits_every_name_and_no_conversion_reaches_into_another_directory() {
        for (text, glob) in [
            ("/var/ct", "/var/ct"),
            ("/var/%Y/%m/ct.%d-%H%M", "/var/[0-9]*/[0-9]*/ct.[0-9]*-[0-9]*[0-9]*"),
            ("/var/%Y%m%d%%.ct", "/var/[0-9]*[0-9]*[0-9]*%.ct"),
            ("/var/%a%B.ct", "/var/*.ct"),
            ("/var/[a]*%s?", "/var/[[]a[]][*][0-9]*[?]"),
            ("/%D", "/[0-9]*/[0-9]*/[0-9]*"),
            ("/ct.%T", "/ct.[0-9]*:[0-9]*:[0-9]*"),
        ] {
            let pattern = Pattern { text: text.into(), rotate_minutes: 0 };
            assert_eq!(pattern.glob(), glob);
            let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
            let matcher = glob::Pattern::new(glob).unwrap();
            assert!(matcher.matches_with(&pattern.name_in(&Utc, at(13, 5)), options), "{text}");
            assert!(!matcher.matches_with("/var/2026/11/20/ct.20-1305/more", options), "{text}");
        }
    }

    #[test]
    fn a_segment_has_the_name_of_the_moment_it_was_begun_at_and_no_longer_one() {
        let pattern = |text: &str, rotate_minutes| Pattern { text: text.into(), rotate_minutes };
        let seconds = pattern("/var/ct.%s", 0);
        let (begun, path) = (at(13, 5), seconds.name(at(13, 5)));
        assert!(seconds.gave(&path, begun + 900_000_000, 0));
        assert!(seconds.gave(&path, begun + 9 * SECOND, 0), "the disk took its time");
        assert!(!seconds.gave(&path, begun + 100 * SECOND, 0));
        assert!(!seconds.gave(&path, begun - SECOND, 0));
        let longer = PathBuf::from(format!("{}-b", path.display()));
        assert!(!seconds.gave(&longer, begun, 0) && pattern("/var/ct.%s-b", 0).gave(&longer, begun, 0));
        // In a zone that is no longer the local one.
        let minutes = pattern("/var/ct.%H%M", 60);
        assert!(minutes.gave(Path::new("/var/ct.1835"), at(13, 5), 19800));
        assert!(!minutes.gave(Path::new("/var/ct.1835"), at(13, 5), 3600));
        // Named by the rotation, and begun much later.
        assert!(
            minutes.gave(Path::new("/var/ct.1300"), at(13, 5), 0)
                && !pattern("/var/ct.%H%M", 0).gave(Path::new("/var/ct.1300"), at(13, 5), 0)
        );
    }

    #[test]
    fn segments_of_other_namespaces_have_names_by_the_moment_their_ids_and_how_many_there_were_before() {
        let pattern = Pattern { text: "/var/ct.%s".into(), rotate_minutes: 0 };
        let begun = at(13, 5);
        let gave = |id, name: &str| {
            let path = PathBuf::from(format!("/var/{name}.{}", begun / SECOND));
            pattern.gave_for_netns(id, &path, begun, 0)
        };
        assert!(gave(3, "ct.netns-3") && gave(3, "ct.netns-3-2") && gave(3, "ct.netns-3-12"));
        assert!(!gave(3, "ct.netns-4") && !gave(3, "ct.netns-3-02") && !gave(3, "ct.netns-3-1") && !gave(3, "ct"));
        assert!(!gave(3, "old.netns-3"), "of another pattern");
    }

    #[test]
    fn all_names_are_beneath_the_fixed_directory() {
        for (text, directory) in [
            ("/var/log/ct/ct", "/var/log/ct"),
            ("/var/log/ct/%Y/%m/ct.%d", "/var/log/ct"),
            ("/var/log/ct.%Y/ct", "/var/log"),
            ("/50%%/my logs/ct.%H", "/50%/my logs"),
            ("/ct.%H", "/"),
            ("/%Y/%m/ct", "/"),
        ] {
            let pattern = Pattern { text: text.into(), rotate_minutes: 0 };
            assert_eq!(pattern.fixed_directory(), Path::new(directory));
            assert!(pattern.name_in(&Utc, at(13, 5)).starts_with(directory), "{text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(Pattern::new("", 0, 0).unwrap_err(), PatternError::Empty);
        assert_eq!(Pattern::new("/ct.%", 0, 0).unwrap_err(), PatternError::Invalid("/ct.%".into()));
        assert_eq!(Pattern::new("/ct.%Q", 0, 0).unwrap_err(), PatternError::Invalid("/ct.%Q".into()));
        for text in ["/", "/no/such/", "/no/such/%Y/", "/proc"] {
            assert_eq!(Pattern::new(text, 0, 0).unwrap_err(), PatternError::Directory(text.into()));
        }
        let told = PatternError::Directory("/var/log/ct/".into()).to_string();
        assert!(told.ends_with(", as /var/log/ct/%Y%m%d-%H%M%S.ct"), "{told}");
    }
}
