//! What is kept of a journal, as it is typed: of `capture`, which removes what is beyond that, and of `doctor`, which judges by it.

use std::str::FromStr;

use clap::Args;

use super::size::Size;
use crate::query::time::parse_duration;

/// No segment is smaller than this once there is traffic: a journal that may not have so much has none.
#[cfg(all(target_os = "linux", feature = "capture"))]
const SIZE_LEAST: u64 = 1 << 20;

/// The limits of a journal.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct LimitArguments {
    /// Nothing is to be older than this, such as 180d: the oldest files are removed; never the one being written, nor anything
    /// while there is a file named HOLD beside them. none: no such limit, whatever is set elsewhere
    #[arg(long, value_name = "SPAN", value_parser = limit(parse_duration))]
    max_age: Option<Limit<u64>>,

    /// All files together are to have no more than this, such as 50G: the oldest are removed; none: no such limit
    #[arg(long, value_name = "SIZE", value_parser = limit(Size::from_str))]
    max_size: Option<Limit<Size>>,

    /// So much of the file system is to stay free, such as 2G: the oldest files are removed; none: no such limit
    #[arg(long, value_name = "SIZE", value_parser = limit(Size::from_str))]
    min_free: Option<Limit<Size>>,
}

#[cfg(all(target_os = "linux", feature = "capture"))]
impl LimitArguments {
    /// Those that there are.
    pub(super) fn limits(self) -> crate::capture::Limits {
        crate::capture::Limits {
            max_age: self.max_age.and_then(Limit::get).map(std::time::Duration::from_nanos),
            max_size: self.max_size.and_then(Limit::get).map(|size| size.0),
            min_free: self.min_free.and_then(Limit::get).map(|size| size.0),
        }
    }

    /// The same for journals of this pattern, in which a new file begins every so many minutes (0: never).
    ///
    /// # Errors
    /// Why they make no sense: with them, nothing would be kept.
    pub(super) fn checked(
        self,
        pattern: &crate::capture::Pattern,
        rotate: u32,
    ) -> Result<crate::capture::Limits, String> {
        let limits = self.limits();
        if limits.max_size.is_some_and(|size| size < SIZE_LEAST) {
            return Err("--max-size: less than 1 MiB is smaller than one file: nothing would be kept".into());
        }
        let least = std::time::Duration::from_secs(60 * u64::from(rotate));
        if limits.max_age.is_some_and(|age| age.is_zero() || age <= least) {
            return Err(format!(
                "--max-age must be longer than --rotate ({rotate} min): each file would be removed as soon as it is closed"
            ));
        }
        if let Some(all) = limits.beyond_the_disk(pattern) {
            return Err(format!(
                "--min-free is no less than the {all} bytes that the whole file system has: every closed file would be removed"
            ));
        }
        Ok(limits)
    }
}

/// A limit, as it is typed: `none` takes back one that is set elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit<T> {
    /// There is none.
    None,
    /// This one.
    Of(T),
}

impl<T> Limit<T> {
    /// The limit, if there is one.
    #[cfg(all(target_os = "linux", feature = "capture"))]
    fn get(self) -> Option<T> {
        match self {
            Self::None => None,
            Self::Of(limit) => Some(limit),
        }
    }
}

/// Reads a limit of which this reads all but `none`.
fn limit<T, E>(parse: fn(&str) -> Result<T, E>) -> impl Fn(&str) -> Result<Limit<T>, E> + Clone {
    move |text| if text == "none" { Ok(Limit::None) } else { parse(text).map(Limit::Of) }
}
