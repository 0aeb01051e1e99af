//! Short names of times, such as `EST`: people write them, and several zones go by most of them.

use super::zone::{ClockZone, parse_zone};

/// What somebody may mean by a short name: an offset from UTC, and a zone of which it is.
type Readings = &'static [(&'static str, &'static str)];

/// Those that complaints have, the most likely reading first.
const NAMES: &[(&str, Readings)] = &[
    ("EST", &[("-0500", "America/New_York")]),
    ("EDT", &[("-0400", "America/New_York")]),
    ("CST", &[("-0600", "America/Chicago"), ("+0800", "Asia/Shanghai")]),
    ("CDT", &[("-0500", "America/Chicago")]),
    ("MST", &[("-0700", "America/Denver")]),
    ("MDT", &[("-0600", "America/Denver")]),
    ("PST", &[("-0800", "America/Los_Angeles")]),
    ("PDT", &[("-0700", "America/Los_Angeles")]),
    ("WET", &[("+0000", "Europe/Lisbon")]),
    ("WEST", &[("+0100", "Europe/Lisbon")]),
    ("BST", &[("+0100", "Europe/London")]),
    ("CET", &[("+0100", "Europe/Berlin")]),
    ("CEST", &[("+0200", "Europe/Berlin")]),
    ("EET", &[("+0200", "Europe/Athens")]),
    ("EEST", &[("+0300", "Europe/Athens")]),
    ("MSK", &[("+0300", "Europe/Moscow")]),
    ("IST", &[("+0530", "Asia/Kolkata"), ("+0200", "Asia/Jerusalem"), ("+0100", "Europe/Dublin")]),
    ("JST", &[("+0900", "Asia/Tokyo")]),
    ("AEST", &[("+1000", "Australia/Sydney")]),
    ("AEDT", &[("+1100", "Australia/Sydney")]),
];

/// Whether this is one of them, in letters of either case.
pub(super) fn is_known(text: &str) -> bool {
    readings(text).is_some()
}

/// What to say instead of a short name, known or not.
pub(super) fn instead(text: &str) -> String {
    let Some(readings) = readings(text) else {
        return "an offset such as +01:00, or a name such as Europe/Warsaw".to_owned();
    };
    let readings: Vec<_> = readings.iter().map(|(offset, name)| format!("{offset}, or {name}")).collect();
    readings.join("; or ")
}

/// The offsets from UTC that may be meant by one of them; none, if it is not among them.
pub(super) fn offsets(text: &str) -> Vec<ClockZone> {
    let readings = readings(text).unwrap_or_default().iter();
    readings.filter_map(|(offset, _)| parse_zone(offset).ok()).collect()
}

fn readings(text: &str) -> Option<Readings> {
    NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, readings)| *readings)
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, Offset, TimeZone};
    use chrono_tz::{OffsetName, Tz};

    use super::*;

    /// In winter or in summer, in each of the zones.
    #[test]
    fn the_zones_go_by_these_names() {
        for (short, readings) in NAMES {
            for (offset, name) in *readings {
                let zone: Tz = name.parse().unwrap();
                let shown = [1, 7].map(|month| {
                    let noon = NaiveDate::from_ymd_opt(2026, month, 15).unwrap().and_hms_opt(12, 0, 0).unwrap();
                    let at = zone.offset_from_utc_datetime(&noon);
                    (at.abbreviation().map(str::to_owned), at.fix().to_string().replace(':', ""))
                });
                assert!(
                    shown.contains(&(Some((*short).to_owned()), (*offset).to_owned())),
                    "{short} {name}: {shown:?}"
                );
            }
        }
    }

    #[test]
    fn what_to_say_is_told() {
        assert_eq!(instead("est"), "-0500, or America/New_York");
        assert_eq!(instead("CST"), "-0600, or America/Chicago; or +0800, or Asia/Shanghai");
        assert_eq!(instead("XYZ"), "an offset such as +01:00, or a name such as Europe/Warsaw");
    }
}
