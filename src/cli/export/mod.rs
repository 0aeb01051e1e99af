//! `ctrecorder export`: flows for other programs, in files of a directory. docs/archive.md is its manual.
//!
//! | part | what it does |
//! |---|---|
//! | `parts` | divides flows into files |
//! | `bounds` | what readings of the kernel's table say of their times |
//! | `said` | what each file says of the journal |
//! | `file` | writes one file, whole or not at all |
//! | `directory` | what is in the directory already |
//! | `add` | puts an export to an archive: what it was made from, and what it left open |
//! | `made` | how much was made |
//! | `sources` | what is exported, and by what name it goes |

mod add;
mod bounds;
mod directory;
mod file;
mod made;
mod part;
mod parts;
mod said;
mod settings;
mod sources;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::ValueEnum;
use ctrecorder_format::Header;

use super::flows::{Begun, Choice, Ending, Plan, Stream};
use super::of_netns::OfNetns;
use super::size::Size;
use super::{Misuse, Report, Selected, Selection, Status, Threads};
use crate::counted::counted;
use crate::journal::{Journal, Shown};
use crate::query::{Allowance, Clock, Pairs};
use add::Added;
use directory::{Directory, Names};
use made::Made;
use parts::Parts;
use settings::Settings;
use sources::{Recorder, Sources, check_elsewhere};

/// Export flows: to Parquet for DuckDB, Spark and others, to NDJSON, or to CSV
///
/// Starts and ends become flows, as by squeeze, a row or a line each, in files of a directory. A file has its name only once it is
/// whole. Archives in Parquet are read by list, who, coverage, test and squeeze as well. Inputs are never changed, and nothing is
/// overwritten: a directory that holds another export is refused; what is missing of this one is added. With --add an archive grows:
/// each run exports what came since the last one.
#[derive(clap::Args)]
pub struct Arguments {
    /// Segments, files of the C program, archives, or directories of them; all of one host
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The form of the files
    #[arg(long, value_name = "FORMAT", default_value = "parquet")]
    to: Form,

    /// The directory to write to, which is made if it is not there
    #[arg(short, long, value_name = "DIRECTORY")]
    output: PathBuf,

    /// Put flows into directories by the hour in which they ended, in UTC: date=2026-11-20/hour=14
    #[arg(long)]
    partition: bool,

    /// Go on where the last export into the directory ended: inputs that it has are passed over, those that are not complete wait, and
    /// the flows that it left open are taken up. Text is put beside the exports that are there
    #[arg(long)]
    add: bool,

    /// Leave out the kernel's ids of flows, a quarter of an archive
    #[arg(long)]
    without_ids: bool,

    /// How much memory what is known of open flows may take (KiB, MiB, GiB): 64 bytes for one of IPv4, 128 for IPv6. The rest goes
    /// to a file without a name in the directory, or in the one it is made in
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    memory: Size,

    #[command(flatten)]
    of_netns: OfNetns,

    #[command(flatten)]
    threads: Threads,

    #[command(flatten)]
    selection: Box<Selection>,
}

/// A form of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Rows in Apache Parquet
    Parquet,
    /// An object a line, as list -s -o json
    Ndjson,
    /// Every field, below a line of names, as list -s -o csv
    Csv,
}

impl Form {
    /// The suffix of file names.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

/// Exports what the arguments name.
pub fn run(arguments: Arguments) -> anyhow::Result<Status> {
    if cfg!(not(feature = "archive")) && arguments.to == Form::Parquet {
        bail!(Misuse("this program was built without the feature \"archive\": it has --to ndjson and --to csv".into()));
    }
    let clock = Clock::new(None);
    let Selected { filter, mut remarks } = arguments.selection.selected(&clock)?;
    let grows = arguments.add && arguments.to == Form::Parquet;
    if grows && arguments.selection.selected(&clock.at_present())?.filter != filter {
        let what = "--add with a time that is \"ago\" would choose other flows in each run: name the time itself";
        bail!(Misuse(what.into()));
    }
    let mut failures = Vec::new();
    let journal = Journal::find(&arguments.paths, |error| failures.push(error)).fixed();
    let journal = arguments.of_netns.of(journal, |error| failures.push(error))?;
    let mut journal = journal.told_once(|repeats| remarks.push(repeats.to_string())).all_by_time();
    let mut report = Report::new(journal.length(), true);
    remarks.iter().for_each(|remark| report.line(remark));
    for failure in failures {
        report.failure(failure);
    }
    let how = How {
        form: arguments.to,
        partition: arguments.partition,
        without_ids: arguments.without_ids,
        choice: Choice::of_flows(filter),
        threads: arguments.threads.number(),
        memory: Allowance::of(arguments.memory.0, existing(&arguments.output)),
        grows,
    };
    let mut sources = Sources::of(&journal);
    sources.check_recorder()?;
    let (_lock, mut directory) = Directory::lock(&arguments.output)?;
    check_elsewhere(&journal, &arguments.output)?;
    let mut added = None;
    if how.grows {
        let mut archive = Added::look(&arguments.output, &how.choice.filter_text().unwrap_or_default())?;
        let chosen = archive.choose(&sources, &mut report)?;
        archive.clean(&sources, &mut report)?;
        if chosen.is_empty() {
            return Ok(report.status());
        }
        (journal, sources) = (journal.only(chosen.iter().copied()), sources.only(&chosen));
        added = Some(archive);
    }
    let export = sources.export(&how, &added.as_ref().map(Added::open).unwrap_or_default());
    let name = sources.name(&export);
    directory.find(Names { export: &export, begin: &name, form: arguments.to }, arguments.add)?;
    if let Some(complete) = directory.complete() {
        let there = format!("all of this export is there already, in {}", counted(complete.files, "file"));
        report.line(format_args!("{}: {there}", Shown(&arguments.output)));
        unread(&arguments.output, complete.damaged, &mut report);
        return Ok(report.status());
    }
    match make(&journal, &how, (&sources, &export), directory, added.as_ref(), &mut report) {
        Ok(made) => {
            report.line(format_args!("{}: {made}", Shown(&arguments.output)));
            unread(&arguments.output, sources.damaged(), &mut report);
            if let Some(added) = added {
                added.over()?;
            }
        }
        Err(error) if error.is::<Misuse>() => return Err(error),
        Err(error) => report.failure(format_args!("{}: not exported: {error:#}", Shown(&arguments.output))),
    }
    Ok(report.status())
}

/// Says how much was not to be read when that was made which is exported, or is there.
fn unread(directory: &Path, damaged: u64, report: &mut Report) {
    if damaged > 0 {
        let what = "what could not be read of its inputs is missing";
        report.failure(format_args!("{}: {what}: {damaged} times", Shown(directory)));
    }
}

/// The directory, or the one that it will be made in.
fn existing(directory: &Path) -> &Path {
    let own = directory.ancestors().find(|path| path.is_dir());
    own.unwrap_or(Path::new("."))
}

/// What is exported of a journal, and how.
struct How {
    form: Form,
    partition: bool,
    without_ids: bool,
    choice: Choice,
    threads: NonZeroUsize,
    memory: Allowance,
    /// Another export will go on with what this one leaves open.
    grows: bool,
}

/// Makes the export of a journal, which goes by this name; returns what was made. What fails leaves nothing half written behind.
fn make(
    journal: &Journal,
    how: &How,
    (sources, export): (&Sources, &str),
    directory: Directory,
    added: Option<&Added>,
    report: &mut Report,
) -> anyhow::Result<Made> {
    let Some(plan) = Plan::for_journal(journal, &how.choice, report)? else {
        bail!("there is nothing to export");
    };
    // A row does not tell more of its recorder than the host.
    let plan = plan.of_one_recorder().map_err(|several| Misuse(several.to_string()))?;
    let gaps = added.map(|added| added.gaps(journal)).unwrap_or_default();
    if let Some(first) = journal.files().first() {
        report.missing_before(first.path(), &gaps);
    }
    let plan = plan.behind(gaps);
    let mut header = plan.header();
    if let Some(Recorder { host, namespace, machine, .. }) = sources.recorder() {
        header = Header { host, namespace, machine, ..header };
    }
    let settings = Settings {
        form: how.form,
        partition: how.partition,
        without_ids: how.without_ids,
        export: export.to_owned(),
        name: sources.name(export),
        chosen: how.choice.filter_text().unwrap_or_default(),
        leaves_open: how.grows && !how.without_ids,
        archive_from: added.map(Added::from),
        goes_on_with: added.map(Added::open).unwrap_or_default(),
        earlier: added.map_or(0, Added::earlier),
        header,
        is_of_flows: sources.is_of_flows(),
        end: plan.end(),
        inputs: sources.told(),
    };
    let mut begun = Begun::with(Pairs::within(&how.memory));
    if let Some(added) = added {
        added.begin(export, (journal, sources), &mut begun, how.threads)?;
    }
    let ending = if settings.leaves_open { Ending::Left(begun) } else { Ending::HalfFlows(begun) };
    let parts = Parts::new(settings, directory);
    Stream::start(parts, plan, &how.choice, journal, ending, report)?.run(&how.choice, how.threads)
}
