//! What is kept of a journal, as it is typed: of `capture`, which removes what is beyond that, and of `doctor`, which judges by it.

use std::str::FromStr;

use clap::Args;

use super::size::Size;
use crate::query::time::parse_duration;

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
