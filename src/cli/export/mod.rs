//! `ctrecorder export`: flows for other programs, in files of a directory. docs/archive.md is its manual.
//!
//! | part | what it does |
//! |---|---|
//! | `stream` | from the records of a journal to flows |
//! | `behind` | hands them to a thread |
//! | `parts` | divides them into files |
//! | `output` | writes one of these, whole or not at all |
//! | `directory` | what is in the directory already |
//! | `sources` | what is exported, and by what name it goes |

mod behind;
mod directory;
mod output;
mod parts;
mod sources;
mod stream;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;

use super::of_netns::OfNetns;
use super::squeeze::{Choice, Plan};
use super::{Misuse, Report, Selected, Selection, Status, Threads};
use crate::journal::{Journal, OpenRecords, Scan, Shown};
use crate::query::{Clock, Filter};
use directory::Directory;
use parts::{Parts, Settings};
use sources::Sources;
use stream::Stream;

/// Export flows: to Parquet for DuckDB, Spark and others, to NDJSON, or to CSV
///
/// Starts and ends become flows, as by squeeze, a row or a line each, in files of a directory. A file has its name only once it is
/// whole. Archives in Parquet are read by list, who, coverage, test and squeeze as well. Inputs are never changed, and nothing is
/// overwritten: a directory that holds another export is refused; what is missing of this one is added.
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

    /// Add to the exports of other journals that are in the directory
    #[arg(long)]
    add: bool,

    /// Leave out the kernel's ids of flows, a quarter of an archive
    #[arg(long)]
    without_ids: bool,

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
    let Selected { filter, remarks } = arguments.selection.selected(&Clock::new(None))?;
    let mut failures = Vec::new();
    let journal = Journal::find(&arguments.paths, |error| failures.push(error));
    let journal = arguments.of_netns.of(journal, |error| failures.push(error));
    let mut report = Report::new(journal.length(), true);
    remarks.iter().for_each(|remark| report.line(remark));
    for failure in failures {
        report.failure(failure);
    }
    let how = How {
        form: arguments.to,
        partition: arguments.partition,
        without_ids: arguments.without_ids,
        filter,
        threads: arguments.threads.number(),
    };
    let sources = Sources::of(&journal, &how);
    sources.check_host()?;
    let directory = Directory::open(&arguments.output, &sources.name(), arguments.add)?;
    if let Err(error) = export(&journal, &how, &sources, directory, &mut report) {
        report.failure(format_args!("{}: not exported: {error:#}", Shown(&arguments.output)));
    }
    Ok(report.status())
}

/// What is exported of a journal, and how.
struct How {
    form: Form,
    partition: bool,
    without_ids: bool,
    filter: Filter,
    threads: NonZeroUsize,
}

/// Exports a journal. What fails leaves nothing behind.
fn export(
    journal: &Journal,
    how: &How,
    sources: &Sources,
    directory: Directory,
    report: &mut Report,
) -> anyhow::Result<()> {
    let choice = Choice::of_flows(how.filter.clone());
    let Some(plan) = Plan::for_journal(journal, &choice, report)? else {
        bail!("there is nothing to export");
    };
    let settings = Settings {
        form: how.form,
        partition: how.partition,
        without_ids: how.without_ids,
        export: sources.export().to_owned(),
        name: sources.name(),
        header: plan.header(),
        end: plan.end(),
    };
    let parts = Parts::new(settings, directory);
    let mut stream = Stream::start(parts, plan, how.filter.clone(), journal, sources, report)?;
    let mut scan = Scan::new(how.filter.before_pairing(), OpenRecords::All).with_threads(how.threads);
    if let ControlFlow::Break(error) = scan.run(journal, &mut stream) {
        return Err(stream.why(error));
    }
    stream.finish()
}
