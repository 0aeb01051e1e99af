//! Every form, every refusal, and what `list` shows.

use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::output::Zone;
use crate::output::time::Times;

/// 2026-11-20 14:13:20 UTC.
const MOMENT: u64 = 1_795_184_000 * NS_PER_SECOND;

/// A clock in a zone that shows [`MOMENT`].
fn clock(zone: Option<Tz>) -> Clock {
    Clock { zone, now: DateTime::from_timestamp_nanos(MOMENT as i64).to_utc() }
}

fn warsaw(text: &str) -> Result<u64, TimeError> {
    clock(Some(Tz::Europe__Warsaw)).read(text).map(|moment| moment.ns)
}

#[test]
fn every_form_is_read() {
    for (text, expected) in [
        ("2026-11-20T14:13:20Z", MOMENT),
        ("2026-11-20t14:13:20z", MOMENT),
        ("2026-11-20 14:13:20Z", MOMENT),
        ("2026-11-20T15:13:20+01:00", MOMENT),
        ("2026-11-20T08:43:20.000000001-05:30", MOMENT + 1),
        ("2026-11-20 15:13:20", MOMENT),
        ("2026-11-20T15:13:20", MOMENT),
        ("2026-11-20 15:13:20.5", MOMENT + NS_PER_SECOND / 2),
        ("2026.11.20 15:13:20.602998", MOMENT + 602_998_000),
        ("2026-11-20 15:13", MOMENT - 20 * NS_PER_SECOND),
        (" 2026-11-20  15:13 ", MOMENT - 20 * NS_PER_SECOND),
        ("2026-11-20", MOMENT - (15 * 3600 + 13 * 60 + 20) * NS_PER_SECOND),
        ("2026.11.20", MOMENT - (15 * 3600 + 13 * 60 + 20) * NS_PER_SECOND),
        ("@1795184000", MOMENT),
        ("@1795184000.25", MOMENT + NS_PER_SECOND / 4),
        ("@0", 0),
        ("@18446744073.709551615", u64::MAX),
        ("1795184000", MOMENT),
        ("1795184000.25", MOMENT + NS_PER_SECOND / 4),
        ("2026-11-20 14:13:20 UTC", MOMENT),
        ("2026-11-20 14:13:20 gmt", MOMENT),
        ("2026-11-20T14:13:20Z", MOMENT),
        ("2026-11-20 15:13+0100", MOMENT - 20 * NS_PER_SECOND),
        ("2026-11-20 15:13:20 +01", MOMENT),
        ("2026.11.20 19:58:20.5 Asia/Kathmandu", MOMENT + NS_PER_SECOND / 2),
        ("2026-11-20 08:43:20 -05:30", MOMENT),
        ("2026-11-20 +01:00", MOMENT - (15 * 3600 + 13 * 60 + 20) * NS_PER_SECOND),
        ("2026-11-20 America/New_York", MOMENT - (9 * 3600 + 13 * 60 + 20) * NS_PER_SECOND),
        ("2026-11-20Z", MOMENT - (14 * 3600 + 13 * 60 + 20) * NS_PER_SECOND),
        ("Fri, 20 Nov 2026 15:13:20 +0100", MOMENT),
        ("20 Nov 2026 14:13 GMT", MOMENT - 20 * NS_PER_SECOND),
        ("Fri, 20 Nov 2026 09:13:20 EST (New York)", MOMENT),
        ("20/Nov/2026:14:13:20 +0000", MOMENT),
        ("[20/Nov/2026:15:13:20 +0100]", MOMENT),
        ("20/Nov/2026:15:13:20", MOMENT),
        ("0s ago", MOMENT),
        ("5 minutes ago", MOMENT - 300 * NS_PER_SECOND),
        ("1h 30m  ago", MOMENT - 5400 * NS_PER_SECOND),
        ("2 days ago", MOMENT - 2 * 86_400 * NS_PER_SECOND),
        ("250ms ago", MOMENT - NS_PER_SECOND / 4),
    ] {
        assert_eq!(warsaw(text), Ok(expected), "{text}");
    }
}

/// Only a time that needs a zone, and names none, is said to have been given one; and then only the machine's own.
#[test]
fn it_is_told_whether_the_zone_was_assumed() {
    for (text, needs_one) in [
        ("2026-11-20 15:13:20", true),
        ("2026-11-20", true),
        ("20/Nov/2026:15:13:20", true),
        ("2026-11-20T14:13:20Z", false),
        ("2026-11-20 15:13:20 Europe/Warsaw", false),
        ("Fri, 20 Nov 2026 15:13:20 +0100", false),
        ("20/Nov/2026:14:13:20 +0000", false),
        ("@1795184000", false),
        ("5 minutes ago", false),
    ] {
        assert_eq!(clock(None).read(text).map(|moment| moment.zone_assumed), Ok(needs_one), "{text}");
        assert_eq!(clock(Some(Tz::UTC)).read(text).map(|moment| moment.zone_assumed), Ok(false), "{text}");
    }
}

#[test]
fn a_zone_that_is_none_is_named() {
    let refused = |text: &str, zone: ZoneError| {
        assert_eq!(warsaw(text), Err(TimeError::Zone { text: text.into(), error: zone }), "{text}");
    };
    refused("2026-11-20 12:00:00 CET", ZoneError::ShortName("CET".into()));
    refused("2026-07-20 12:00:00 CEST", ZoneError::ShortName("CEST".into()));
    refused("2026-11-20 12:00 Europe/Warschau", ZoneError::Unknown("Europe/Warschau".into()));
    for offset in ["+1:00", "+24:00", "+01:60", "+01:0", "+1", "+", "-", "+01:00:00", "+0é0"] {
        refused(&format!("2026-11-20 {offset}"), ZoneError::Offset(offset.into()));
    }
    assert_eq!(parse_zone("Europe/Warsaw"), Ok(Tz::Europe__Warsaw));
    assert_eq!(parse_zone("Mars"), Err(ZoneError::Unknown("Mars".into())));
}

#[test]
fn spans_of_time_are_read() {
    for (text, seconds) in [("90s", 90), ("5 minutes", 300), ("1h 30m", 5400), ("1h30m", 5400), (" 2 days ", 172_800)] {
        assert_eq!(parse_duration(text), Ok(seconds * NS_PER_SECOND), "{text}");
    }
    assert_eq!(parse_duration("250ms"), Ok(NS_PER_SECOND / 4));
    for text in ["", "5", "minutes", "-5s", "5 fortnights", "1.h"] {
        assert_eq!(parse_duration(text), Err(DurationError::Form(text.into())), "{text}");
    }
    assert_eq!(parse_duration("600 years"), Err(DurationError::Range("600 years".into())));
    for text in ["100 years ago", "600 years ago"] {
        assert_eq!(warsaw(text), Err(TimeError::Range(text.into())));
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        "now",
        "yesterday",
        "14:13:20",
        "2026",
        "2026-11",
        "2026-11-31",
        "2026-13-01",
        "20-11-2026",
        "2026-1-2",
        "2026-11.20",
        "2026-11-20-1",
        "+2026-11-20",
        "2026-11-20 25:00",
        "2026-11-20 12:60",
        "2026-11-20 12:00:",
        "179518400",
        "17951840001",
        "1795184000.",
        "20261120",
        "20 Nov 2026 14:13:20 A",
        "Thu, 20 Nov 2026 14:13:20 +0000",
        "20/Nov/2026",
        "20/Nov/2026 14:13:20",
        "20/11/2026:14:13:20",
        "ago",
        "minutes ago",
        "5 minutesago",
        "in 5 minutes",
        "@",
        "@-1",
        "@1.",
        "@.5",
        "@1.0000000001",
        "@1e9",
        "@0x10",
        "２０２６-11-20",
    ] {
        assert_eq!(warsaw(text), Err(TimeError::Form(text.into())), "{text:?}");
    }
    for text in ["1969-12-31T23:59:59Z", "2554-07-22T00:00:00Z", "@18446744074", "@99999999999999999999", "0001-01-01"]
    {
        assert_eq!(warsaw(text), Err(TimeError::Range(text.into())), "{text:?}");
    }
}

#[test]
fn a_local_time_that_never_was_or_came_twice_is_refused() {
    let zone = || "Europe/Warsaw".to_owned();
    let skipped = |text: &str| TimeError::Skipped { text: text.into(), zone: zone() };
    assert_eq!(warsaw("2026-03-29 02:30"), Err(skipped("2026-03-29 02:30")));
    let twice = TimeError::Twice {
        text: "2026-10-25 02:30".into(),
        zone: zone(),
        first: "2026-10-25T02:30:00+02:00".into(),
        second: "2026-10-25T02:30:00+01:00".into(),
    };
    assert_eq!(warsaw("2026-10-25 02:30"), Err(twice.clone()));
    let TimeError::Twice { first, second, .. } = twice else { unreachable!() };
    assert_eq!(warsaw(&second).unwrap() - warsaw(&first).unwrap(), 3600 * NS_PER_SECOND);
    // A date that began with such an hour.
    for (zone, text) in [(Some(Tz::America__Sao_Paulo), "2018-11-04"), (None, "2018-11-04 America/Sao_Paulo")] {
        assert!(matches!(clock(zone).read(text), Err(TimeError::Skipped { .. })));
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "\\PC{0,40}", digits in "[-0-9.:@TZ +]{0,40}", words in "[-0-9:/+\\[\\], a-zA-Z]{0,40}") {
        let _ = (warsaw(&text), warsaw(&digits), warsaw(&words), warsaw(&(digits.clone() + " ago")));
        let _ = (parse_duration(&text), parse_duration(&words));
    }

    /// What `list` shows is understood, to the microsecond.
    #[test]
    fn times_as_they_are_shown_are_read(us in 0..18_446_744_073_709_551_u64) {
        for tz in [Tz::UTC, Tz::Asia__Kathmandu, Tz::America__St_Johns] {
            let text = Times::new(Zone::of(tz)).text(us * 1000);
            match clock(Some(tz)).read(&text) {
                Ok(moment) => prop_assert_eq!(moment.ns, us * 1000),
                Err(error) => prop_assert!(matches!(error, TimeError::Twice { .. }), "{}", error),
            }
        }
    }
}
