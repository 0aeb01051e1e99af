//! A number and what there are so many of, as a person says it.

use std::fmt::Display;

/// So many of these, of words that form their plural with an s: `0 flows`, `1 flow`, `2 flows`.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(number: N, what: &str) -> String {
    let is_one = number == N::from(1);
    format!("{number} {what}{}", if is_one { "" } else { "s" })
}

/// The verb of so many: `1 flow is`, `2 flows are`.
pub(crate) fn are<N: PartialEq + From<u8>>(number: N) -> &'static str {
    if number == N::from(1) { "is" } else { "are" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_one_and_all_other_numbers_are_several() {
        assert_eq!(
            [0_u64, 1, 2, 11].map(|number| counted(number, "flow")),
            ["0 flows", "1 flow", "2 flows", "11 flows"]
        );
        assert_eq!(
            [counted(1_usize, "file"), counted(1.0, "day"), counted(12.0, "day")],
            ["1 file", "1 day", "12 days"]
        );
        assert_eq!([0, 1, 2].map(are), ["are", "is", "are"]);
    }
}
