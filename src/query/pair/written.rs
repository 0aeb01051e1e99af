//! Which file was written behind which other one, as far as they tell: a clock that is set back tells another order.

use ctrecorder_format::{Header, Uptime};

use crate::journal::{Recorder, Version, begun_behind, begun_up, last_uptime};

/// What a file tells of its place among others of its line.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// The how many-th that is read.
    file: u32,
    /// Its run, and its number there.
    run: Recorder,
    number: u64,
    /// Up to when it tells, ns since the epoch.
    pub(super) told_to: u64,
    /// When the run ended that its own came behind, if it is the first of that, ns since the epoch.
    behind: Option<u64>,
    /// The number of the segment of flows that it goes on with.
    goes_on_with: Option<u32>,
    /// For how long the machine had been up when it was begun, and by the last that it tells of that.
    up: [Option<Uptime>; 2],
}

impl Written {
    /// The how many-th file that is read, with this header, which goes on with another one.
    pub(super) fn of(version: &Version<'_>, header: &Header, file: u32, goes_on_with: Option<u32>) -> Self {
        let up = match version {
            Version::Two(_) => [None; 2],
            Version::Three(segment) => [begun_up(version), last_uptime(segment)],
            Version::Archive(archive) => [begun_up(version), archive.notes().iter().filter_map(Uptime::of).next_back()],
        };
        Self {
            file,
            run: Recorder::of(header),
            number: header.segment_number,
            told_to: version.told_to().unwrap_or_else(|| version.ended()),
            behind: begun_behind(version),
            goes_on_with,
            up,
        }
    }

    /// Whether it goes on where the other one ended, and nothing is missing between them.
    pub(super) fn follows(&self, before: &Self) -> bool {
        (&self.run, Some(self.number)) == (&before.run, before.number.checked_add(1))
    }

    /// Whether all that it tells happened behind all that the other one does.
    pub(super) fn is_behind(&self, before: &Self) -> bool {
        let is_of_run = self.run == before.run && before.number < self.number;
        let ([_, ended], [begun, _]) = (before.up, self.up);
        let is_up_longer = ended.zip(begun).is_some_and(|(ended, begun)| begun.is_behind(ended));
        is_of_run || is_up_longer || self.behind == Some(before.told_to) || self.goes_on_with == Some(before.file)
    }
}
