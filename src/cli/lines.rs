//! How records are to be written: the options, and what they stand for.

use clap::ValueEnum;

use super::InZone;
use crate::output::Lines;

/// How records are written.
#[derive(clap::Args)]
pub(super) struct LineOptions {
    /// How records are written
    #[arg(short, long, value_name = "FORMAT", default_value = "classic")]
    output: Format,

    #[command(flatten)]
    pub(super) zone: InZone,
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
    /// What writes the lines.
    pub(super) fn lines(&self) -> Lines {
        match self.output {
            Format::Classic => Lines::classic(self.zone.zone()),
            Format::Conntrack => Lines::conntrack(),
            Format::Json => Lines::json(),
            Format::Csv => Lines::csv(),
        }
    }
}
