//! In which zone a time is told.

use chrono_tz::Tz;

use super::tests::{MOMENT, clock, warsaw};
use super::*;

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
        ("now", false),
        ("20261120T151320", true),
        ("2026-11-20 09:13:20 -0500 (EST)", false),
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
    refused("2026-11-20 12:00:00 (EST)", ZoneError::ShortName("EST".into()));
    refused("20261120T120000 est", ZoneError::ShortName("est".into()));
    refused("Nov 20, 2026 6:33 PM EST", ZoneError::ShortName("EST".into()));
    refused("2026-11-20 12:00:00 CET (UTC)", ZoneError::ShortName("CET".into()));
    refused("2026-11-20 12:00:00 CET (Brussels)", ZoneError::ShortName("CET".into()));
    refused("20 Nov 2026 14:13:20 +25 (EST)", ZoneError::OffsetRange("+25".into()));
    refused("2026-11-20 (Friday)", ZoneError::Unknown("Friday".into()));
    refused("2026-11-20 12:00 Europe/Warschau", ZoneError::Unknown("Europe/Warschau".into()));
    for offset in ["+1:00", "+01:0", "+1", "+", "-", "+01:00:00", "+0é0"] {
        refused(&format!("2026-11-20 {offset}"), ZoneError::Offset(offset.into()));
    }
    for offset in ["+24:00", "+01:60", "-2500", "+99"] {
        refused(&format!("2026-11-20 {offset}"), ZoneError::OffsetRange(offset.into()));
    }
    refused("2026-11-20T14:13:20+25:00", ZoneError::OffsetRange("+25:00".into()));
    refused("20 Nov 2026 14:13:20 +2500", ZoneError::OffsetRange("+2500".into()));
    refused("20 Nov 2026 14:13:20 A", ZoneError::ShortName("A".into()));
    assert_eq!(parse_zone("Europe/Warsaw"), Ok(Tz::Europe__Warsaw.into()));
    assert_eq!(parse_zone("CST"), Err(ZoneError::ShortName("CST".into())));
    assert_eq!(parse_zone("CET"), Ok(Tz::CET.into()));
    assert_eq!(parse_zone("Mars"), Err(ZoneError::Unknown("Mars".into())));
    assert_eq!(parse_zone("+25:00"), Err(ZoneError::OffsetRange("+25:00".into())));
    assert_eq!(parse_zone("UTC+25"), Err(ZoneError::OffsetRange("UTC+25".into())));
    assert_eq!(parse_zone("GMT+"), Err(ZoneError::Offset("GMT+".into())));
    assert_eq!(parse_zone("UTC1"), Err(ZoneError::Unknown("UTC1".into())));
}

#[test]
fn two_zones_that_contradict_each_other_are_refused() {
    for (shown, zone, again) in [
        ("2026-11-20 14:13:20", "UTC", "CET"),
        ("2026-11-20 14:13:20", "UTC", "EST"),
        ("2026-11-20 14:13:20", "UTC", "+0100"),
        ("2026-11-20 14:13:20", "UTC", "GMT+1"),
        ("2026-11-20 14:13:20", "UTC", "Europe/Berlin"),
        ("2026-11-20 14:13:20", "Europe/Berlin", "UTC"),
        ("2026-11-20 14:13:20", "Europe/Berlin", "ut"),
        ("2026-11-20 14:13:20", "Europe/Berlin", "CEST"),
        ("2026-07-20 14:13:20", "Europe/Berlin", "CET"),
        ("2026-11-20 14:13:20", "Europe/Berlin", "HST"),
        ("2026-11-20 14:13:20", "-0500", "UTC"),
        ("2026-11-20 14:13:20", "-0500", "Z"),
        ("2026-11-20 14:13:20", "-0500", "UT"),
        ("2026-11-20 14:13:20", "+0100", "GMT"),
        ("2026-11-20 14:13:20", "+0100", "+0200"),
        ("2026-11-20 14:13:20", "+0100", "UTC+2"),
        ("2026-11-20 14:13:20", "+0100", "Europe/Moscow"),
        ("2026-11-20 14:13:20", "Europe/Berlin", "+0200"),
        ("20 Nov 2026 14:13:20", "EST", "UTC"),
        ("20 Nov 2026 14:13:20", "EST", "CST"),
    ] {
        let text = format!("{shown} {zone} ({again})");
        let error = ZoneError::Contradiction(zone.into(), again.into());
        assert_eq!(warsaw(&text), Err(TimeError::Zone { text: text.clone(), error }), "{text}");
    }
    let error = warsaw("2026-11-20T14:13:20Z (CET)").unwrap_err().to_string();
    assert_eq!(error, "2026-11-20T14:13:20Z (CET): Z is not CET, and the time is another one in each: say one of them");
    // Where the clocks were set, a comment cannot contradict.
    let twice = warsaw("2026-10-25 02:30 Europe/Berlin (CET)");
    assert!(matches!(twice, Err(TimeError::Twice { .. })), "{twice:?}");
    let skipped = warsaw("2026-03-29 02:30 Europe/Berlin (UTC)");
    assert!(matches!(skipped, Err(TimeError::Skipped { .. })), "{skipped:?}");
}

/// A zone of an option: by name, or as an offset.
#[test]
fn zones_are_names_or_offsets() {
    for (text, offset) in [
        ("+01:00", 3600),
        ("-0330", -12_600),
        ("+05", 18_000),
        ("Z", 0),
        ("utc", 0),
        ("GMT", 0),
        ("UTC+0100", 3600),
        ("GMT-3:30", -12_600),
        ("utc+5", 18_000),
        ("Asia/Kathmandu", 20_700),
    ] {
        let zone = parse_zone(text).unwrap();
        assert_eq!(zone.offset_at((MOMENT / NS_PER_SECOND) as i64), offset, "{text}");
        let (plain, moment) = ("2026-11-20 14:13:20", MOMENT as i64 - i64::from(offset) * NS_PER_SECOND as i64);
        let read = Clock::new(Some(zone)).read(plain);
        assert_eq!(read, Ok(Moment { ns: moment as u64, zone_assumed: false }), "{text}");
    }
}

/// To the second: clocks went from 1:59:59 to 3:00:00, and from 2:59:59 to 2:00:00.
#[test]
fn the_seconds_of_a_change_are_told_apart() {
    for (text, is) in [
        ("2026-03-29 01:59:59", Some("2026-03-29T00:59:59Z")),
        ("2026-03-29 02:00:00", None),
        ("2026-03-29 02:59:59.999", None),
        ("2026-03-29 03:00:00", Some("2026-03-29T01:00:00Z")),
        ("2026-10-25 01:59:59", Some("2026-10-24T23:59:59Z")),
        ("2026-10-25 02:00:00", None),
        ("2026-10-25 02:59:59", None),
        ("2026-10-25 03:00:00", Some("2026-10-25T02:00:00Z")),
    ] {
        assert_eq!(warsaw(text).ok().map(utc).as_deref(), is, "{text}");
    }
    // A whole day was left out.
    let apia = clock(Some(Tz::Pacific__Apia));
    assert!(matches!(apia.read("2011-12-30 12:00"), Err(TimeError::Skipped { .. })));
    assert_eq!(apia.read("2011-12-31").map(|moment| utc(moment.ns)).as_deref(), Ok("2011-12-30T10:00:00Z"));
    assert_eq!(apia.read("2011-12-29 23:59:59").map(|moment| utc(moment.ns)).as_deref(), Ok("2011-12-30T09:59:59Z"));
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
