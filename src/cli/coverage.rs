//! `ctrecorder coverage`: is a journal complete?

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use clap::ValueEnum;
use ctrecorder_format::{Damage, Fault};

use super::of_netns::OfNetns;
use super::selection::since_until;
use super::{InZone, Misuse, Report, Status, retention, written};
use crate::journal::{Absent, Journal, Member, Shown};
use crate::output::{Zone, bars, coverage};
use crate::query::Coverage;
use crate::query::coverage::{Filtered, GapCause, Look, Reading};
use crate::query::time::parse_duration;

/// Show which spans were recorded without gap
///
/// One line for each span and each gap, with its cause and how many events it lost, and a summary; on a terminal also a
/// bar for each day. Heads of blocks and notes tell it, so that a large journal takes no longer than a small one; whether
/// the records themselves are whole is what --verify finds, as test does. The exit status is 1 if there is any gap, if a filter left flows out, or if
/// later files of an archive are missing, and 5 if there is damage that is no gap.
#[derive(clap::Args)]
pub struct Arguments {
    /// Segments, files of the C program, or directories of them; all of one recorder
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// From this time on, rather than from the begin of the first segment: 2026-11-20T14:13:20Z, or 2026-11-20 14:13:20 with or
    /// without a zone behind it, or a date, @ and the seconds since 1970, or 5 minutes ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Up to this time, rather than to the end of the last segment; a date is its first moment
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// Instead of that, say whether any file tells of what is older than this, such as 180d; the exit status is then 1 if one does
    #[arg(long, value_name = "SPAN", value_parser = parse_duration, conflicts_with_all = ["since", "until"])]
    retention: Option<u64>,

    /// Read all records, too: one that is not as it was written is missing, as it is to whoever lists or squeezes the files. That takes
    /// as long as test does
    #[arg(long, conflicts_with = "retention")]
    verify: bool,

    #[command(flatten)]
    of_netns: OfNetns,

    #[command(flatten)]
    zone: InZone,

    /// How it is written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// A form of the answer.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines
    Text,
    /// One object, times in UTC
    Json,
}

/// Shows what the files the arguments name cover.
pub fn run(arguments: Arguments) -> anyhow::Result<Status> {
    if let Some(age_ns) = arguments.retention {
        let (zone, mut out) = (arguments.zone.zone(), io::stdout().lock());
        let asked = (arguments.paths.as_slice(), arguments.of_netns);
        return retention::run(asked, age_ns, arguments.output, &zone, &mut out);
    }
    let clock = arguments.zone.clock();
    let mut remarks = Vec::new();
    let asked = [arguments.since.as_deref(), arguments.until.as_deref()];
    let [since, until] = since_until(&clock, asked, &mut remarks)?;
    let mut failures = Vec::new();
    let journal = Journal::find(&arguments.paths, |error| failures.push(error));
    let removals = removals(&journal, arguments.of_netns);
    let journal = arguments.of_netns.of(journal, |error| failures.push(error))?;
    let journal = journal.told_once(|repeats| remarks.push(repeats.to_string()));
    let zone = arguments.zone.zone();
    let mut report = Report::new(journal.length(), true).in_zone(zone.clone());
    arguments.zone.tell(&report);
    remarks.iter().for_each(|remark| report.line(remark));
    for failure in failures {
        report.failure(failure);
    }
    let mut told = Told::default();
    let mut has_damage = false;
    let look = if arguments.verify { Look::Records } else { Look::Heads };
    for file in journal.files() {
        has_damage |= read(file, look, &mut told, &mut report);
    }
    let Told { mut reading, filtered } = told;
    reading.heed_removals(&removals);
    reading.heed_needless(journal.needless());
    let absent = reading.absent();
    absent.iter().for_each(|absent| report.line(format_args!("{}: {absent}", Shown(absent.path()))));
    if reading.has_version_2() {
        report.line("files of version 2 do not tell what was lost: what they cover may have gaps");
    }
    let Some(covered) = reading.coverage().map_err(|several| Misuse(several.to_string()))? else {
        return Ok(report.status());
    };
    // At the very end of all there is nothing behind it that would make it a gap.
    let is_gap = covered.gaps.iter().any(|gap| gap.cause == GapCause::Damaged);
    if has_damage && !is_gap {
        report.failed();
    }
    let cut_off = covered.cut_off();
    let covered = within(covered.left_out_by(&filtered), since, until)?;
    cut_off.into_iter().for_each(|end| tell_cut_off(end, &covered, &mut report));
    show(&covered, filtered.texts(), arguments.output, &zone)?;
    Ok(match report.status() {
        Status::Done
            if !covered.gaps.is_empty() || filtered.left_flows_out() || !absent.iter().all(Absent::is_begin) =>
        {
            Status::No
        }
        status => status,
    })
}

/// What a recorder's own files tell, if those of another network namespace are asked for: what was removed of these.
fn removals(journal: &Journal, of_netns: OfNetns) -> Reading {
    let mut reading = Reading::default();
    if !of_netns.is_another() {
        return reading;
    }
    for file in journal.files() {
        // What cannot be read is told where it is asked for.
        let _ = file.open().and_then(|source| {
            let version = source.parse()?;
            if version.header().is_some_and(|header| header.netns().is_none()) {
                reading.add(&source, &version, Look::Directory, &mut |_| {});
            }
            Ok(())
        });
    }
    reading
}

/// What was asked for. Who asks since a time behind the end of all asks up to now.
fn within(covered: Coverage, since: Option<u64>, until: Option<u64>) -> Result<Coverage, Misuse> {
    let late = since.is_some_and(|since| since > covered.to);
    let until = until.or_else(|| late.then(now));
    let asked = covered.within(since, until);
    if asked.from > asked.to {
        let what = if late {
            "--since lies in the future"
        } else {
            "--until is before the begin of what is given: say --since, too"
        };
        return Err(Misuse(what.into()));
    }
    Ok(asked)
}

/// Says that the last segment was cut off at this moment, if it was asked for that, and no gap tells it.
fn tell_cut_off(end: u64, covered: &Coverage, report: &mut Report) {
    let is_told = covered.gaps.iter().any(|gap| gap.cause == GapCause::CutOff && gap.to > end);
    if (covered.from..=covered.to).contains(&end) && !is_told {
        let end = report.time(end);
        report.line(format_args!(
            "the last segment was not closed, as where a recorder was killed: it tells up to {end}, and no further"
        ));
    }
}

/// Now, in ns since the epoch.
pub(super) fn now() -> u64 {
    UNIX_EPOCH.elapsed().map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// What files tell.
#[derive(Default)]
struct Told {
    reading: Reading,
    filtered: Filtered,
}

/// Reads what a file tells, or says why it cannot be read. Returns whether something in it could not be, which was said.
fn read(file: &Member, look: Look, Told { reading, filtered }: &mut Told, report: &mut Report) -> bool {
    let shown = Shown(file.path());
    let mut has_damage = false;
    let added = file.open().and_then(|source| {
        let version = source.parse()?;
        report.file(&version);
        filtered.add(&version);
        if let Some(filters) = version.header().map(|header| &header.filters).filter(|text| !text.is_empty()) {
            let filters = filters.escape_debug();
            report.line(format_args!("{shown}: it has only what a filter kept of the times below: {filters}"));
        }
        let mut told = |damage: &Damage| {
            // Where the end is cut off, what is told ends earlier.
            has_damage |= !matches!(damage.fault, Fault::CutOff(_));
            // Of no record it is no gap, which would be the answer, and no failure of the question.
            let is_no_gap =
                damage.records_lost == Some(0) || matches!(damage.fault, Fault::Header | Fault::BehindFooter);
            match is_no_gap {
                true => report.failure(format_args!("{shown}: {damage}")),
                false => report.line(format_args!("{shown}: {damage}")),
            }
        };
        if reading.add(&source, &version, look, &mut told).is_none() {
            report.failure(format_args!("{shown}: neither its header nor a block is whole"));
        }
        report.passed(source.length());
        Ok(())
    });
    if let Err(error) = added {
        report.failure(error);
    }
    has_damage
}

fn show(covered: &Coverage, filters: &[String], format: Format, zone: &Zone) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let text = match format {
        Format::Json => coverage::json(covered, filters)? + "\n",
        Format::Text if out.is_terminal() => {
            coverage::text(covered, filters, zone) + &bars::text(covered, zone, bars::Style::of_locale())
        }
        Format::Text => coverage::text(covered, filters, zone),
    };
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}
