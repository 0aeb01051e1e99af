//! Every form, every refusal, and what `list` shows.

use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::output::Zone;
use crate::output::time::Times;

/// 2026-11-20 14:13:20 UTC.
pub(super) const MOMENT: u64 = 1_795_184_000 * NS_PER_SECOND;

/// A clock in a zone that shows [`MOMENT`].
pub(super) fn clock(zone: Option<Tz>) -> Clock {
    Clock { now: DateTime::from_timestamp_nanos(MOMENT as i64).to_utc(), ..Clock::new(zone.map(ClockZone::from)) }
}

pub(super) fn warsaw(text: &str) -> Result<u64, TimeError> {
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
        ("2026-11-20 2:13:20 PM UTC", MOMENT),
        ("2026-11-20 03:13:20pm", MOMENT),
        ("2026-11-20 3:13:20 p.m. +0100", MOMENT),
        ("2026/11/20 02:13:20 PM (UTC)", MOMENT),
        ("Fri, 20 Nov 2026 02:13:20 PM GMT", MOMENT),
        ("Fri Nov 20 02:13:20 PM UTC 2026", MOMENT),
        ("[2026-11-20 2:13:20 PM +00:00]", MOMENT),
        ("2026-11-20T02:13:20 PM UTC", MOMENT),
        ("2026-11-20t3:13:20pm+01:00", MOMENT),
        ("20/Nov/2026:03:13:20 PM +0100", MOMENT),
        ("[20/Nov/2026:02:13:20PM +0000]", MOMENT),
        ("2026-11-20 3 p.m.", MOMENT - 800 * NS_PER_SECOND),
        ("2026-11-20 12:13:20 AM UTC", MOMENT - 14 * 3600 * NS_PER_SECOND),
        ("2026-11-20 15:13:20 UTC+0100", MOMENT),
        ("2026-11-20 15:13:20 utc+01:00", MOMENT),
        ("2026-11-20 15:13:20 (GMT+1)", MOMENT),
        ("2026-11-20 15:13:20 UTC +01", MOMENT),
        ("2026-11-20 08:43:20 UTC-5:30", MOMENT),
        ("Fri, 20 Nov 2026 15:13:20 GMT+0100", MOMENT),
        ("Fri, 20 Nov 2026 15:13:20 +0100 (UTC+1)", MOMENT),
        ("20/Nov/2026:15:13:20 UTC+0100", MOMENT),
        ("Fri, 20 Nov 2026 15:13:20 +0100", MOMENT),
        ("Fri, 20 Nov 2026 14:13:20 (UTC)", MOMENT),
        ("20 Nov 2026 14:13 GMT", MOMENT - 20 * NS_PER_SECOND),
        ("Fri, 20 Nov 2026 09:13:20 EST (New York)", MOMENT),
        ("fri , 20  nov 26 14:13:20 Z", MOMENT),
        ("20 Nov 2026 15:13:20", MOMENT),
        ("20 Nov 126 07:13:20 mst", MOMENT),
        ("20/Nov/2026:14:13:20 +0000", MOMENT),
        ("20/nov/2026:14:13", MOMENT - 3620 * NS_PER_SECOND),
        ("2026-11-20 9:13:20 -05", MOMENT),
        ("2026-11-20T14:13:20.1234567899Z", MOMENT + 123_456_789),
        ("[20/Nov/2026:15:13:20 +0100]", MOMENT),
        ("20/Nov/2026:15:13:20", MOMENT),
        ("2026/11/20 14:13:20 UTC", MOMENT),
        ("2026-11-20 15:13:20,5", MOMENT + NS_PER_SECOND / 2),
        ("2026-11-20 14:13:20 (UTC)", MOMENT),
        ("2026-11-20 14:13 (+00:00)", MOMENT - 20 * NS_PER_SECOND),
        ("Fri Nov 20 15:13:20 2026", MOMENT),
        ("[Fri Nov 20 15:13:20.500000 2026]", MOMENT + NS_PER_SECOND / 2),
        ("Fri Nov 20 14:13:20 UTC 2026", MOMENT),
        ("Fri Nov 20 11:13:20 -03 2026", MOMENT),
        ("Fri Nov 20 19:43:20 +0530 2026", MOMENT),
        ("fri nov  20 14:13:20 2026 (UTC)", MOMENT),
        ("20 Nov 2026, 14:13:20 GMT", MOMENT),
        ("Fri, 20 Nov 2026, 9:13:20 AM EST", MOMENT),
        ("2026-11-20, 14:13:20 UTC", MOMENT),
        ("2026-11-20, 3:13:20 p.m.", MOMENT),
        ("2026-11-20 09:13:20 -0500 (EST)", MOMENT),
        ("2026-11-20T09:13:20-05:00 (Eastern Standard Time)", MOMENT),
        ("Fri Nov 20 15:13:20 2026 GMT+0100 (CET)", MOMENT),
        ("2026-11-20 14:13:20 UTC (GMT)", MOMENT),
        ("2026-11-20 14:13:20 UTC (+0000)", MOMENT),
        ("2026-11-20 14:13:20 UTC (Universal)", MOMENT),
        ("2026-11-20 14:13:20 UTC (as of our firewall)", MOMENT),
        ("2026-11-20 15:13:20 Europe/Berlin (CET)", MOMENT),
        ("2026-11-20 15:13:20 Europe/Berlin (+0100)", MOMENT),
        ("2026-11-20 15:13:20 Europe/Berlin (Europe/Warsaw)", MOMENT),
        ("2026-11-20 22:13:20 +0800 (CST)", MOMENT),
        ("2026-11-20 08:13:20 -0600 (CST)", MOMENT),
        ("2026-11-20 14:13:20 +0000 (UTC)", MOMENT),
        ("2026-11-20 15:13:20 +0100 (UTC+1)", MOMENT),
        ("2026-11-20 14:13:20Z (UTC)", MOMENT),
        ("20/Nov/2026:09:13:20 -0500 (EST)", MOMENT),
        // Beside an offset a short name is a comment, whatever it was taken for.
        ("Sat, 21 Nov 2026 00:13:20 +1000 (EST)", MOMENT),
        ("Fri, 20 Nov 2026 18:13:20 +0400 (MSK)", MOMENT),
        ("Fri, 20 Nov 2026 14:13:20 -0000 (CET)", MOMENT),
        ("20/Nov/2026:14:13:20 +0000 (cet)", MOMENT),
        ("2026-11-20 09:13:20 -0500 (CST)", MOMENT),
        ("2026-11-20 09:13:20-05:00 (MET)", MOMENT),
        ("2026-11-20 16:13:20 UTC+2 (A)", MOMENT),
        ("2026-11-20 15:13:20 CET (+0100)", MOMENT),
        ("2026-11-20 16:13:20 msk (GMT+2)", MOMENT),
        ("Sat, 21 Nov 2026 00:13:20 EST (+1000)", MOMENT),
        ("2026-11-20 14:13:20 UT", MOMENT),
        ("Fri, 20 Nov 2026 14:13:20 ut", MOMENT),
        ("Fri, 20 Nov 2026 09:13:20 (EST)", MOMENT),
        ("Nov 20, 2026 2:13:20 PM UTC", MOMENT),
        ("November 20, 2026, 14:13:20 UTC", MOMENT),
        ("nov 20 2026 15:13:20", MOMENT),
        ("Friday, November 20, 2026 3:13:20 PM +01:00", MOMENT),
        ("Fri, Nov 20, 2026 at 2:13 PM UTC", MOMENT - 20 * NS_PER_SECOND),
        ("Fri Nov 20 2026 09:13:20 GMT-0500 (Eastern Standard Time)", MOMENT),
        ("Friday, 20 November 2026 14:13:20 GMT", MOMENT),
        ("Friday November 20 14:13:20 2026 UTC", MOMENT),
        ("20261120T141320Z", MOMENT),
        ("20261120t151320", MOMENT),
        ("20261120T1413Z", MOMENT - 20 * NS_PER_SECOND),
        ("20261120T151320.5+0100", MOMENT + NS_PER_SECOND / 2),
        ("20261120T091320-05", MOMENT),
        ("20261120T141320 UTC", MOMENT),
        ("now", MOMENT),
        (" Now ", MOMENT),
        ("0s ago", MOMENT),
        ("5 minutes ago", MOMENT - 300 * NS_PER_SECOND),
        ("1h 30m  ago", MOMENT - 5400 * NS_PER_SECOND),
        ("2 days ago", MOMENT - 2 * 86_400 * NS_PER_SECOND),
        ("250ms ago", MOMENT - NS_PER_SECOND / 4),
    ] {
        assert_eq!(warsaw(text), Ok(expected), "{text}");
    }
}

#[test]
fn spans_of_time_are_read() {
    for (text, seconds) in [("90s", 90), ("5 minutes", 300), ("1h 30m", 5400), ("1h30m", 5400), (" 2 days ", 172_800)] {
        assert_eq!(parse_duration(text), Ok(seconds * NS_PER_SECOND), "{text}");
    }
    assert_eq!(parse_duration("250ms"), Ok(NS_PER_SECOND / 4));
    for text in ["", "minutes", "-5", "5 fortnights", "1.h"] {
        assert_eq!(parse_duration(text), Err(DurationError::Form(text.into())), "{text}");
    }
    assert_eq!(parse_duration("5"), Err(DurationError::Bare("5".into())));
    assert_eq!(parse_duration("-5s"), Err(DurationError::Signed("-5s".into())));
    assert_eq!(parse_duration("600 years"), Err(DurationError::Range("600 years".into())));
    for text in ["100 years ago", "600 years ago"] {
        assert_eq!(warsaw(text), Err(TimeError::Range(text.into())));
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "tomorrow",
        "yesterday",
        "now ago",
        "2026",
        "2026-11",
        "2026-1-2",
        "2026-11.20",
        "2026-11-20-1",
        "+2026-11-20",
        "2026-11-20 12:0",
        "2026-11-20 12:00:0",
        "2026-11-20 12:00.5",
        "2026-11-20 12:00:00:00",
        "2026-11-20 12:00:",
        "179518400",
        "17951840001",
        "1795184000.",
        "20261120",
        "20261120T14",
        "20261120T141",
        "20261120T14132",
        "20261120T1413200",
        "20261120 141320",
        "2026112T141320",
        "20 Nov 2026",
        "20 Now 2026 14:13:20 +0000",
        "Fry, 20 Nov 2026 14:13:20 +0000",
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
    for text in ["", " "] {
        assert_eq!(warsaw(text), Err(TimeError::Missing), "{text:?}");
    }
    for text in ["1795184000250", "@1795184000250"] {
        let seconds = "1795184000.250".into();
        assert_eq!(warsaw(text), Err(TimeError::Milliseconds { text: text.into(), seconds }), "{text:?}");
    }
    for text in ["14:13:20", "9:05", "14:13 UTC", "25:61", "2:13 PM"] {
        assert_eq!(warsaw(text), Err(TimeError::NoDay(text.into())), "{text:?}");
    }
    for (text, readings) in [
        ("20-11-2026", &["2026-11-20"][..]),
        ("20.11.2026 14:13:20 UTC", &["2026-11-20 14:13:20 UTC"]),
        ("11/20/2026  2:13", &["2026-11-20  2:13"]),
        ("3/4/2026 14:13 +0100", &["2026-04-03 14:13 +0100", "2026-03-04 14:13 +0100"]),
        ("04/04/2026", &["2026-04-04"]),
        ("11/20/2026 2:13 am", &["2026-11-20 2:13 am"]),
        ("11/20/2026, 2:13:20 PM", &["2026-11-20 2:13:20 PM"]),
    ] {
        let readings = readings.iter().map(ToString::to_string).collect();
        assert_eq!(warsaw(text), Err(TimeError::YearLast { text: text.into(), readings }), "{text:?}");
    }
    for text in [
        "Fri Nov 20 14:13:20 UTC 2026 UTC",
        "Fri Nov 20 2026",
        "Nov 20 14:13:20 2026",
        "Nov 20, 2026",
        "Nove 20, 2026 14:13",
        "Nov 20, 26 14:13",
        "1pm2",
        "2026-11-20 123pm",
        "2026-11-20 2:pm",
    ] {
        assert_eq!(warsaw(text), Err(TimeError::Form(text.into())), "{text:?}");
    }
    for text in ["PM", "2026-11-20 PM", "2026-11-20 PM 2:13", "Fri Nov 20 PM 14:13:20 2026", "Nov 20 2:13 pm 2026"] {
        assert_eq!(warsaw(text), Err(TimeError::Half(text.into())), "{text:?}");
    }
    for text in ["30/30/2026", "1.2.3.2026", "1/2/26", "1-2-02026"] {
        assert_eq!(warsaw(text), Err(TimeError::Form(text.into())), "{text:?}");
    }
    for text in ["1h", "5 minutes", "1h 30m"] {
        assert_eq!(warsaw(text), Err(TimeError::Span(text.into())), "{text:?}");
    }
    for text in ["1969-12-31T23:59:59Z", "2554-07-22T00:00:00Z", "@18446744074", "@99999999999999999999", "0001-01-01"]
    {
        assert_eq!(warsaw(text), Err(TimeError::Range(text.into())), "{text:?}");
    }
}

/// What is wrong with a time that is in a form that is known.
#[test]
fn the_part_that_is_wrong_is_told() {
    let month = "there is no month 13";
    let hour =
        |hour| format!("there is no hour {hour}: hours go from 0 to 23, and a day ends with 00:00 of the next one");
    let leap = "there is no second 60 but the leap second, which comes at 23:59:60 UTC";
    for (text, wrong) in [
        ("2026-02-30", "February 2026 has no day 30"),
        ("20260230T141320Z", "February 2026 has no day 30"),
        ("20261120T1460Z", "there is no minute 60: minutes go from 0 to 59"),
        ("2026-11-31", "November 2026 has no day 31"),
        ("2027.02.29 12:00", "February 2027 has no day 29"),
        ("2026-11-00 12:00 UTC", "November 2026 has no day 0"),
        ("31/Apr/2026:14:13:20 +0000", "April 2026 has no day 31"),
        ("30 Feb 2026 14:13:20 GMT", "February 2026 has no day 30"),
        ("2026-13-01", month),
        ("2026-13-40T99:99:99Z", month),
        ("2026-00-01", "there is no month 0"),
        ("12026-11-20 12:00", "the year 12026 is further than files can tell: they end in 2554"),
        ("Fri, 20 Nov 12026 14:13:20 +0000", "the year 12026 is further than files can tell: they end in 2554"),
        ("Thu, 20 Nov 2026 14:13:20 +0000", "2026-11-20 is a Friday, and not a Thursday"),
        ("Thu, Nov 20, 2026 2:13 PM UTC", "2026-11-20 is a Friday, and not a Thursday"),
        ("Nov 31, 2026 2:13 PM UTC", "November 2026 has no day 31"),
        ("2026-11-20 24:00", &hour(24)),
        (
            "Fri, 20 Nov 2026 14:13:20 pm +0000",
            "there is no hour 14 in half a day: before AM and PM, hours go from 1 to 12",
        ),
        ("20/Nov/2026:14:13:20 PM +0100", "there is no hour 14 in half a day: before AM and PM, hours go from 1 to 12"),
        ("2026-11-20 0:13 AM", "there is no hour 0 in half a day: before AM and PM, hours go from 1 to 12"),
        ("20/Nov/2026:25:00:00 +0000", &hour(25)),
        ("2026-11-20 12:60", "there is no minute 60: minutes go from 0 to 59"),
        ("2026-11-20T14:13:61Z", "there is no second 61: seconds go from 0 to 59"),
        ("Fri, 20 Nov 2026 14:13:61 +0000", "there is no second 61: seconds go from 0 to 59"),
        ("2026-11-20T14:00:60Z", leap),
        ("2026-11-20T14:13:60Z", leap),
        ("2016-12-31T23:59:60+01:00", leap),
        ("2016-12-31 23:59:60", leap),
        ("Sat, 31 Dec 2016 22:59:60 GMT", leap),
    ] {
        assert_eq!(warsaw(text).map_err(|error| error.to_string()), Err(format!("{text}: {wrong}")), "{text}");
    }
}

/// Seconds since 1970 have no place for it: it is told as the second behind it, wherever the clock stood.
#[test]
fn a_leap_second_is_the_second_behind_it() {
    let behind = warsaw("2017-01-01T00:00:00Z").unwrap();
    for text in [
        "2016-12-31T23:59:60Z",
        "2017-01-01T05:29:60+05:30",
        "2017-01-01 00:59:60",
        "Sat, 31 Dec 2016 18:59:60 EST",
        "31/Dec/2016:23:59:60 +0000",
    ] {
        assert_eq!(warsaw(text), Ok(behind), "{text}");
    }
    assert_eq!(warsaw("2016-12-31T23:59:60.25Z"), Ok(behind + NS_PER_SECOND / 4));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "\\PC{0,40}", digits in "[-0-9.:@TZ +]{0,40}", words in "[-0-9:/+\\[\\], a-zA-Z]{0,40}") {
        let _ = (warsaw(&text), warsaw(&digits), warsaw(&words), warsaw(&(digits.clone() + " ago")));
        let _ = (parse_duration(&text), parse_duration(&words));
    }

    /// As `chrono` writes a moment, in both forms that it has a writer of, it is read.
    #[test]
    fn what_chrono_writes_is_read(second in 0..18_446_744_073_i64, ns in 0..1_000_000_000_u32, minutes in -840..=840) {
        let offset = FixedOffset::east_opt(minutes * 60).unwrap();
        let moment = DateTime::from_timestamp(second, ns).unwrap().with_timezone(&offset);
        prop_assert_eq!(warsaw(&moment.to_rfc3339()).ok(), ns_of(second, ns));
        prop_assert_eq!(warsaw(&moment.to_rfc2822()).ok(), ns_of(second, 0));
        for form in ["[%d/%b/%Y:%H:%M:%S %z]", "%Y%m%dT%H%M%S%z", "%-d %b %Y, %H:%M:%S %z", "%Y-%m-%d %H:%M:%S %z (Some Time)"] {
            prop_assert_eq!(warsaw(&moment.format(form).to_string()).ok(), ns_of(second, 0), "{}", form);
        }
    }

    /// Read by a zone's offsets as by what `chrono-tz` knows of its local times.
    #[test]
    fn local_times_are_those_of_the_database(seconds in prop::collection::vec(0..4_000_000_000_i64, 20)) {
        for (second, tz) in seconds.into_iter().zip([Tz::Europe__Warsaw, Tz::America__St_Johns, Tz::Australia__Lord_Howe].into_iter().cycle()) {
            let shown = DateTime::from_timestamp(second, 0).unwrap().naive_utc();
            let known = chrono::TimeZone::from_local_datetime(&tz, &shown).single().map(|moment| moment.timestamp());
            let read = resolve("", shown, tz.into(), false).ok().flatten();
            prop_assert_eq!(read, known.and_then(|second| ns_of(second, 0)));
        }
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
