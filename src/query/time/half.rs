//! Hours of half a day, `2:13 PM`, as those of a whole one.

use super::part::{PartError, digits};

/// A text in which a time of day stands with AM or PM behind it, with the hours counted to 24 and without that; `None` if it is no such
/// text.
pub(super) fn in_24_hours(typed: &str) -> Option<Result<String, PartError>> {
    let words: Vec<_> = typed.split_whitespace().collect();
    (0..words.len()).find_map(|last| {
        let (time, half) = split(words.get(last)?)?;
        let (first, time) = match time {
            "" => (last.checked_sub(1)?, *words.get(last.checked_sub(1)?)?),
            time => (last, time),
        };
        let (hour, minute) = time.split_once(':').unwrap_or((time, "00"));
        let hour = match digits(hour, 1..=2)? {
            hour @ 1..=12 => hour % 12 + if half == Half::Afternoon { 12 } else { 0 },
            hour => return Some(Err(PartError::HalfDay(hour))),
        };
        let time = format!("{hour:02}:{minute}");
        let (before, behind) = (words.get(..first)?, words.get(last + 1..)?);
        Some(Ok([before, &[time.as_str()], behind].concat().join(" ")))
    })
}

/// Which half of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Morning,
    Afternoon,
}

/// What stands before AM or PM in a word: a time, or nothing.
fn split(word: &str) -> Option<(&str, Half)> {
    const NAMES: [(&str, Half); 4] =
        [("am", Half::Morning), ("pm", Half::Afternoon), ("a.m.", Half::Morning), ("p.m.", Half::Afternoon)];
    NAMES.into_iter().find_map(|(name, half)| {
        let (time, own) = word.split_at_checked(word.len().checked_sub(name.len())?)?;
        own.eq_ignore_ascii_case(name).then_some((time, half))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_counted_to_24() {
        for (typed, expected) in [
            ("2026-11-20 2:13:20 PM UTC", "2026-11-20 14:13:20 UTC"),
            ("2:13pm", "14:13"),
            ("5 a.m.", "05:00"),
            ("12:00:00.5 AM", "00:00:00.5"),
            ("12:30 P.M. +01:00", "12:30 +01:00"),
            ("Fri Nov 20 02:13:20 PM UTC 2026", "Fri Nov 20 14:13:20 UTC 2026"),
            ("11:59 pm", "23:59"),
            ("2026-11-20 2:13 PM Europe/Amsterdam", "2026-11-20 14:13 Europe/Amsterdam"),
        ] {
            assert_eq!(in_24_hours(typed), Some(Ok(expected.to_owned())), "{typed}");
        }
        for (typed, hour) in [("14:13 PM", 14), ("0:13 am", 0), ("13 PM", 13)] {
            assert_eq!(in_24_hours(typed), Some(Err(PartError::HalfDay(hour))), "{typed}");
        }
        for typed in [
            "",
            "PM",
            "2026-11-20 PM",
            "ampm",
            "at 1:00",
            "2026-11-20T02:13:20PM",
            "14:13 Europe/Amsterdam",
            "é",
            "123 pm",
        ] {
            assert_eq!(in_24_hours(typed), None, "{typed}");
        }
    }
}
