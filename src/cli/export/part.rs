//! A file of an export while flows come in for it.

use std::path::PathBuf;

use chrono::{DateTime, Timelike};
use ctrecorder_format::NS_PER_SECOND;

use super::file::File;
use super::said::Read;
use crate::archive::GROUP_ROWS;
use crate::query::coverage::Span;

/// In ns.
pub(super) const HOUR: u64 = 3_600 * NS_PER_SECOND;

/// A file that is written.
pub(super) struct Part {
    pub(super) number: u64,
    /// The hour of its flows since the epoch, if it is of one.
    pub(super) hour: Option<u64>,
    pub(super) from: u64,
    /// `None`: where the next one begins.
    pub(super) to: Option<u64>,
    pub(super) flows: u64,
    /// How many of them are not written yet.
    pub(super) held: usize,
    pub(super) read: Read,
    pub(super) file: Target,
}

/// Where flows go.
pub(super) enum Target {
    New(Box<File>),
    /// It is there already, with so many bytes.
    There {
        file: PathBuf,
        length: u64,
    },
}

impl Part {
    /// Counts a flow. Returns whether as many wait as make a group of rows.
    pub(super) const fn took(&mut self) -> bool {
        self.flows += 1;
        self.held += 1;
        self.held >= GROUP_ROWS
    }

    /// Writes the flows that wait; a file that is there already has them.
    pub(super) fn write_held(&mut self) -> anyhow::Result<()> {
        self.held = 0;
        match &mut self.file {
            Target::New(file) => file.write_held(),
            Target::There { .. } => Ok(()),
        }
    }

    /// What it is asked about, where it tells up to a moment: one of an hour that came late is asked about that hour all the same.
    pub(super) fn span(&self, to: u64) -> Span {
        let own = Span { from: self.from, to };
        let of_hour =
            |hour: u64| Span { from: hour.saturating_mul(HOUR), to: hour.saturating_add(1).saturating_mul(HOUR) };
        self.hour.map_or(own, |hour| of_hour(hour).joined(own))
    }
}

/// The directory of an hour since the epoch.
pub(super) fn folder(hour: u64) -> PathBuf {
    let moment =
        DateTime::from_timestamp(i64::try_from(hour).unwrap_or(0).saturating_mul(3_600), 0).unwrap_or_default();
    PathBuf::from(format!("date={}", moment.format("%Y-%m-%d"))).join(format!("hour={:02}", moment.hour()))
}
