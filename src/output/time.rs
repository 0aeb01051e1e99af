//! Moments as text: `2010.09.28 21:15:17.988012`, in a time zone.

use chrono::{DateTime, Datelike};
use ctrecorder_format::NS_PER_SECOND;

use super::digits::pair;
use super::zone::Zone;

const SECONDS_PER_DAY: i64 = 86_400;

/// The length of a moment's text in bytes.
pub(super) const LENGTH: usize = 26;

/// Writes moments in a time zone, as in a classic list.
#[derive(Clone, Debug)]
pub struct Times(Moment<LENGTH>);

impl Times {
    /// A writer of moments in this zone.
    pub const fn new(zone: Zone) -> Self {
        Self(Moment::new(zone, *b"0000.00.00 00:00:00.000000"))
    }

    /// Appends a moment in ns since 1970-01-01T00:00:00Z: local date and time to the microsecond below, 26 bytes.
    pub fn write(&mut self, out: &mut Vec<u8>, ns: u64) {
        let micros = self.0.turn_to(ns) / 1000;
        self.0.put::<20>(micros / 10_000);
        self.0.put::<22>(micros / 100);
        self.0.put::<24>(micros);
        out.extend_from_slice(&self.0.text);
    }

    /// A moment as a text of its own; see [`Times::write`].
    pub fn text(&mut self, ns: u64) -> String {
        let mut out = Vec::with_capacity(LENGTH);
        self.write(&mut out, ns);
        out.into_iter().map(char::from).collect()
    }
}

/// Writes moments as RFC 3339 has them, in UTC: `2010-09-28T21:15:17.988012345Z`.
#[derive(Clone, Debug)]
pub(super) struct Rfc3339(Moment<20>);

impl Rfc3339 {
    /// A writer of moments.
    pub(super) fn new() -> Self {
        Self(Moment::new(Zone::utc(), *b"0000-00-00T00:00:00."))
    }

    /// Appends a moment in ns since 1970-01-01T00:00:00Z, 30 bytes.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, ns: u64) {
        let ns = self.0.turn_to(ns);
        out.extend_from_slice(&self.0.text);
        let [[_, a], [b, c], [d, e], [f, g], [h, i]] =
            [ns / 100_000_000, ns / 1_000_000, ns / 10_000, ns / 100, ns].map(pair);
        out.extend_from_slice(&[a, b, c, d, e, f, g, h, i, b'Z']);
    }
}

/// A text that begins with year, month, day, hour, minute and second at fixed places, with anything in between and
/// behind. What a moment has in common with the one before it is not worked out again.
#[derive(Clone, Debug)]
struct Moment<const N: usize> {
    zone: Zone,
    text: [u8; N],
    /// The second that `text` tells, since the epoch, UTC; before the first one `u64::MAX`, which no time in ns reaches.
    second: u64,
    /// The local day that `text` tells, since 1970-01-01.
    day: i64,
}

impl<const N: usize> Moment<N> {
    const fn new(zone: Zone, text: [u8; N]) -> Self {
        Self { zone, text, second: u64::MAX, day: i64::MIN }
    }

    /// Makes the text tell the second of a moment in ns since the epoch, and returns the nanoseconds since then.
    fn turn_to(&mut self, ns: u64) -> u32 {
        let second = ns / NS_PER_SECOND;
        if second != self.second {
            self.turn_to_second(second);
        }
        (ns % NS_PER_SECOND) as u32
    }

    /// Makes the text tell this second.
    fn turn_to_second(&mut self, second: u64) {
        self.second = second;
        // Nanoseconds of 64 bits reach to the year 2554: neither conversion nor sum overflows.
        let local = second as i64 + i64::from(self.zone.offset(second as i64));
        let (day, time) = (local.div_euclid(SECONDS_PER_DAY), local.rem_euclid(SECONDS_PER_DAY) as u32);
        if day != self.day {
            self.turn_to_day(day);
        }
        self.put::<11>(time / 3600);
        self.put::<14>(time / 60 % 60);
        self.put::<17>(time % 60);
    }

    /// Makes the text tell this local day, since 1970-01-01.
    fn turn_to_day(&mut self, day: i64) {
        self.day = day;
        let date = DateTime::from_timestamp(day * SECONDS_PER_DAY, 0).unwrap_or_default();
        let year = date.year_ce().1;
        self.put::<0>(year / 100);
        self.put::<2>(year);
        self.put::<5>(date.month());
        self.put::<8>(date.day());
    }

    /// Puts the last two digits of a number at a place of the text.
    fn put<const AT: usize>(&mut self, number: u32) {
        const { assert!(AT + 2 <= N) };
        self.text[AT..AT + 2].copy_from_slice(&pair(number));
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use chrono::FixedOffset;
    use chrono_tz::Tz;
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// The two changes of 2026 in Warsaw: each moment in ns and as text.
    const WARSAW: [(u64, &str); 6] = [
        (1_774_745_999_999_999_999, "2026.03.29 01:59:59.999999"),
        (1_774_746_000_000_000_000, "2026.03.29 03:00:00.000000"),
        (1_792_889_999_000_001_000, "2026.10.25 02:59:59.000001"),
        (1_792_890_000_000_000_999, "2026.10.25 02:00:00.000000"),
        (1_792_893_600_000_000_000, "2026.10.25 03:00:00.000000"),
        (1_795_209_124_602_998_000, "2026.11.20 22:12:04.602998"),
    ];

    #[test]
    fn both_changes_of_daylight_saving_time_are_kept() {
        let mut times = Times::new(Zone::of(Tz::Europe__Warsaw));
        for (ns, text) in WARSAW.into_iter().chain(WARSAW.into_iter().rev()) {
            assert_eq!(times.text(ns), text);
        }
    }

    /// The environment belongs to the process: this test starts itself again with another one.
    #[test]
    fn the_local_zone_is_that_of_the_environment() {
        if std::env::var_os("TZ").is_some_and(|zone| zone == "Europe/Warsaw") {
            let mut times = Times::new(Zone::local());
            for (ns, text) in WARSAW {
                assert_eq!(times.text(ns), text);
            }
            times.text(u64::MAX);
            return;
        }
        let own = std::env::current_exe().unwrap();
        let name = "output::time::tests::the_local_zone_is_that_of_the_environment";
        let again = Command::new(own).args(["--exact", name]).env("TZ", "Europe/Warsaw").output().unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn the_ends_of_time_are_written() {
        let mut utc = Times::new(Zone::utc());
        assert_eq!(utc.text(0), "1970.01.01 00:00:00.000000");
        assert_eq!(utc.text(u64::MAX), "2554.07.21 23:34:33.709551");
        let west = FixedOffset::west_opt(5 * 3600 + 1800).unwrap();
        let mut west = Times::new(Zone::of(west));
        assert_eq!(west.text(0), "1969.12.31 18:30:00.000000");
        assert_eq!(west.text(SECOND - 1), "1969.12.31 18:30:00.999999");
    }

    proptest! {
        #[test]
        fn moments_are_as_chrono_writes_them(moments in prop::collection::vec(
            prop_oneof![0..u64::MAX, (0..4_000_000_000_u64).prop_map(|second| second * SECOND), 0..=5 * SECOND], 1..20,
        )) {
            let mut rfc3339 = Rfc3339::new();
            for ns in &moments {
                let mut text = Vec::new();
                rfc3339.write(&mut text, *ns);
                let moment = DateTime::from_timestamp((ns / SECOND) as i64, (ns % SECOND) as u32).unwrap();
                let expected = moment.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
                prop_assert_eq!(String::from_utf8(text).unwrap(), expected);
            }
            for tz in [Tz::UTC, Tz::America__St_Johns, Tz::Asia__Kathmandu] {
                let mut times = Times::new(Zone::of(tz));
                for ns in &moments {
                    let moment = DateTime::from_timestamp((ns / SECOND) as i64, (ns % SECOND) as u32).unwrap();
                    let expected = moment.with_timezone(&tz).format("%Y.%m.%d %H:%M:%S%.6f").to_string();
                    prop_assert_eq!(times.text(*ns), expected);
                }
            }
        }
    }
}
