//! The time zone of a command: the option, and what it stands for.

use super::Report;
use crate::output::Zone;
use crate::query::time::local_zone;
use crate::query::{Clock, ClockZone, parse_zone};

/// The zone of times that are typed and shown.
#[derive(clap::Args)]
pub(super) struct InZone {
    /// Show times, and read those of other options that name no zone, in this time zone rather than in the local one: UTC,
    /// Europe/Warsaw, or an offset such as +01:00. Formats for other programs tell times in UTC, whatever this says
    #[arg(long, value_name = "ZONE", value_parser = parse_zone, allow_hyphen_values = true)]
    tz: Option<ClockZone>,
}

impl InZone {
    /// What reads the times of other options.
    pub(super) fn clock(&self) -> Clock {
        Clock::new(self.tz)
    }

    /// The zone that times are shown in.
    pub(super) fn zone(&self) -> Zone {
        self.tz.map_or_else(Zone::local, Zone::of)
    }

    /// Says what is wrong with the local zone, if that is the one.
    pub(super) fn tell(&self, report: &Report) {
        if let Some(problem) = local_zone().1.filter(|_| self.tz.is_none()) {
            report.line(problem);
        }
    }
}
