//! AM and PM, behind the hours of half a day: `2:13 PM`.

use super::part::PartError;

/// Which half of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Morning,
    Afternoon,
}

impl Half {
    /// An hour of this half, counted to 24.
    pub(super) const fn in_24_hours(self, hour: u32) -> Result<u32, PartError> {
        match (hour, self) {
            (1..=12, Self::Morning) => Ok(hour % 12),
            (1..=12, Self::Afternoon) => Ok(hour % 12 + 12),
            _ => Err(PartError::HalfDay(hour)),
        }
    }
}

/// What stands before AM or PM at the end of a text.
pub(super) fn split(text: &str) -> Option<(&str, Half)> {
    const NAMES: [(&str, Half); 4] =
        [("am", Half::Morning), ("pm", Half::Afternoon), ("a.m.", Half::Morning), ("p.m.", Half::Afternoon)];
    NAMES.into_iter().find_map(|(name, half)| {
        let (before, own) = text.split_at_checked(text.len().checked_sub(name.len())?)?;
        own.eq_ignore_ascii_case(name).then_some((before, half))
    })
}

/// Whether a word is AM or PM.
fn is_half(word: &str) -> bool {
    split(word).is_some_and(|(before, _)| before.is_empty())
}

/// Whether a word of a text is AM or PM.
pub(super) fn is_in(typed: &str) -> bool {
    typed.split_whitespace().any(is_half)
}

/// A text without the space before AM or PM, so that a time of day is one word.
pub(super) fn joined(typed: &str) -> String {
    let mut text = String::new();
    for word in typed.split_whitespace() {
        if !text.is_empty() && !is_half(word) {
            text.push(' ');
        }
        text += word;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_of_the_word_before_it() {
        for (typed, expected) in [
            ("2026-11-20 2:13:20 PM UTC", "2026-11-20 2:13:20PM UTC"),
            ("5 a.m.", "5a.m."),
            ("2026-11-20  2:13\u{202f}pm", "2026-11-20 2:13pm"),
            ("PM 2:13", "PM 2:13"),
            ("2:13 Europe/Amsterdam", "2:13 Europe/Amsterdam"),
            ("", ""),
        ] {
            assert_eq!(joined(typed), expected, "{typed}");
        }
        assert_eq!(
            ["2:13 P.M.", "am", "2:13pm", "2:13 Europe/Amsterdam", "é"].map(is_in),
            [true, true, false, false, false]
        );
    }

    #[test]
    fn hours_are_counted_to_24() {
        let of = |half: Half| [0, 1, 11, 12, 13].map(|hour| half.in_24_hours(hour).ok());
        assert_eq!(of(Half::Morning), [None, Some(1), Some(11), Some(0), None]);
        assert_eq!(of(Half::Afternoon), [None, Some(13), Some(23), Some(12), None]);
    }
}
