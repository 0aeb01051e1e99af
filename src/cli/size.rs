//! How many bytes, as it is typed: of memory, of a disk.

use std::str::FromStr;

/// So many bytes: a number with KiB, MiB, GiB or TiB, or one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Size(pub(in crate::cli) u64);

/// What is no size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a size: a number with KiB, MiB, GiB or TiB is wanted, such as 512MiB")]
pub(super) struct NoSize;

impl FromStr for Size {
    type Err = NoSize;

    fn from_str(text: &str) -> Result<Self, NoSize> {
        let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim_start() {
            "" | "B" => 1,
            "KiB" | "K" => 1 << 10,
            "MiB" | "M" => 1 << 20,
            "GiB" | "G" => 1 << 30,
            "TiB" | "T" => 1 << 40,
            _ => return Err(NoSize),
        };
        let number: u64 = number.parse().map_err(|_| NoSize)?;
        number.checked_mul(factor).map(Self).ok_or(NoSize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_its_unit() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("12 KiB", 12_288), ("256MiB", 256 << 20), ("1G", 1 << 30), ("2T", 2 << 40)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "MiB", "1.5GiB", "-1", "1TB", "17179869184GiB", "1 MiB x"] {
            assert_eq!(text.parse::<Size>(), Err(NoSize), "{text}");
        }
    }
}
