//! `ctrecorder header`: what files say of themselves.

use std::io::{self, Write};
use std::path::PathBuf;

use super::{InZone, Report, Status, written};
use crate::journal::{Error, Journal, Member, Shown, Version};
use crate::output::{Zone, header};

/// Show what files say of themselves
///
/// Who recorded, where, when and what, one line each; of several files, each after a line with its name.
#[derive(clap::Args)]
pub struct Arguments {
    /// Segments, files of the C program, or directories of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    zone: InZone,
}

/// Shows the headers the arguments ask for.
pub fn run(arguments: Arguments) -> anyhow::Result<Status> {
    let mut report = Report::new(0, false);
    arguments.zone.tell(&report);
    let zone = arguments.zone.zone();
    let journal = Journal::find(&arguments.paths, |error| report.failure(error));
    let mut out = io::stdout().lock();
    let with_names = journal.files().len() > 1;
    for file in journal.files() {
        match show(file, with_names, &zone, &mut out, &mut report) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => report.failure(error),
            Err(error) => return report.stopped(error),
        }
    }
    written(out.flush())?;
    Ok(report.status())
}

fn show(
    file: &Member,
    with_name: bool,
    zone: &Zone,
    out: &mut impl Write,
    report: &mut Report,
) -> io::Result<Result<(), Error>> {
    let source = match file.open() {
        Ok(source) => source,
        Err(error) => return Ok(Err(error)),
    };
    let version = match source.parse() {
        Ok(version) => version,
        Err(error) => return Ok(Err(error)),
    };
    if let Version::Three(segment) = &version
        && let Err(damage) = segment.header()
    {
        report.damage(file.path(), &version, damage);
    }
    if with_name {
        writeln!(out, "{}:", Shown(file.path()))?;
    }
    if let Some(text) = text(&version, zone) {
        out.write_all(text.as_bytes())?;
    }
    Ok(Ok(()))
}

/// The header of a file as text, times in this zone; `None` if it is damaged.
pub fn text(file: &Version<'_>, zone: &Zone) -> Option<String> {
    match file {
        Version::Two(file) => Some(header::v2(file.header(), zone)),
        Version::Three(segment) => {
            Some(header::v3(segment.header().ok()?, segment.footer(), segment.made_from(), zone))
        }
        Version::Archive(archive) => Some(header::archive(archive.header(), archive.about(), zone)),
    }
}
