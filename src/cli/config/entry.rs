//! What is set for an option outside of the command line, and where.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::journal::Shown;

/// An option that a variable or the file sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The command that is named there.
    pub command: String,
    /// The long name of the option, without dashes.
    pub option: String,
    /// One value, or of an option that may be repeated, any number. Of a flag: `true` or `false`.
    pub values: Vec<OsString>,
    /// Where it is set.
    pub place: Place,
}

impl Entry {
    /// Whether it says no more than that a flag is not wanted, or that a list is empty: nothing contradicts that.
    pub fn is_nothing(&self, is_flag: bool) -> bool {
        self.values.is_empty() || is_flag && self.values.iter().all(|value| value == "false")
    }

    /// The entry as it would be typed: one word for each value, so that none is taken for an option.
    pub fn words(&self, is_flag: bool) -> Vec<OsString> {
        let name = format!("--{}", self.option);
        match is_flag {
            true if self.is_nothing(true) => Vec::new(),
            true => vec![name.into()],
            false => self
                .values
                .iter()
                .map(|value| [name.as_ref(), "=".as_ref(), value.as_os_str()].into_iter().collect())
                .collect(),
        }
    }
}

/// Where an option is set, if that is not the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The environment variable of this name.
    Variable(String),
    /// A place in the file; line and column (in characters) count from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", Shown(path)),
        }
    }
}
