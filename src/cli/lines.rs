//! How records are to be written: the options, and what they stand for.

use chrono_tz::Tz;
use clap::ValueEnum;

use crate::output::{Lines, Zone};
use crate::query::parse_zone;

/// How records are written.
#[derive(clap::Args)]
pub(super) struct LineOptions {
    /// How records are written
    #[arg(short, long, value_name = "FORMAT", default_value = "classic")]
    output: Format,

    /// Show times, and read those of other options, in this time zone, as UTC or Europe/Warsaw, rather than in the local one.
    /// Those in conntrack, json and csv stay as they are
    #[arg(long, value_name = "ZONE", value_parser = parse_zone)]
    tz: Option<Tz>,
}

/// A form of lines.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As the C program listed them
    Classic,
    /// As conntrack -E -o timestamp,extended,id prints them
    Conntrack,
    /// An object a line, named as in the Elastic Common Schema, times in UTC
    Json,
    /// Every field, below a line of names, times in UTC
    Csv,
}

impl LineOptions {
    /// The zone that times are shown in.
    pub(super) fn zone(&self) -> Zone {
        self.tz.map_or_else(Zone::local, Zone::of)
    }

    /// The zone that was asked for.
    pub(super) const fn tz(&self) -> Option<Tz> {
        self.tz
    }

    /// What writes the lines.
    pub(super) fn lines(&self) -> Lines {
        match self.output {
            Format::Classic => Lines::classic(self.zone()),
            Format::Conntrack => Lines::conntrack(),
            Format::Json => Lines::json(),
            Format::Csv => Lines::csv(),
        }
    }
}
