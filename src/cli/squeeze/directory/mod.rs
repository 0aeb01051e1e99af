//! Into a directory: each input becomes an output of its own, under the same name, that goes on where the one before it ended.
//!
//! An output holds the flows that ended in its input, or were found gone there, and then those that it leaves open. These are all
//! that the next one needs to know of earlier inputs. So it makes no difference where a run begins, or how many it took: what
//! is there is not made again, and what is not comes to be the same.
//!
//! | part | what it does |
//! |---|---|
//! | `line` | which inputs go on with which, and which are complete |
//! | `headless` | inputs that do not tell of which line they are |
//! | `made` | what is in the directory already |
//! | `open` | what an output left open |
//! | `remove` | inputs that are not needed any more |

mod headless;
mod line;
mod made;
mod open;
mod remove;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ctrecorder_format::{Closing, header};

use super::How;
use super::output::Output;
use super::sum::Sum;
use crate::cli::flows::temporary::{self, Maker};
use crate::cli::flows::{Begun, Ending, Plan, Stream};
use crate::cli::{Misuse, Report};
use crate::counted::counted;
use crate::file::{directory_of, sync_directory};
use crate::journal::{Journal, SetBacks, Shown};
use crate::query::coverage::{Gap, GapCause};
use line::{Input, Line, Lines};
use made::{Made, Outputs, There};

/// Whether a path that an output is to be written to is that of a directory: one that is there, or a name that says so.
pub(super) fn is_directory(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// What became of the inputs.
#[derive(Debug, Default)]
struct Counts {
    made: Sum,
    there: usize,
    incomplete: usize,
    removed: usize,
}

/// Squeezes a journal into a directory. What cannot be done is told, and the rest is done.
pub(super) fn squeeze(
    journal: Journal,
    directory: &Path,
    how: &How,
    remove: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    if let Some(input) = journal.files().iter().find(|file| is_in(file.path(), directory)) {
        let what =
            format!("{}: an input in the directory of the outputs would have its output's name", Shown(input.path()));
        bail!(Misuse(what));
    }
    if let Some(archive) = archive_in(directory).with_context(|| Shown(directory).to_string())? {
        bail!(Misuse(format!("{}: the directory holds an archive: {}", Shown(directory), Shown(&archive))));
    }
    if journal.files().is_empty() {
        return Ok(());
    }
    let _lock = begin(directory).with_context(|| Shown(directory).to_string())?;
    let Lines { lines, unbegun } = Lines::of(journal, directory, &how.choice, report);
    let outputs = Outputs::of(directory);
    outputs.tell_unreadable(&lines, report);
    let mut work = Work { outputs, how, report, counts: Counts::default() };
    unbegun.iter().for_each(|path| work.leave(path));
    for mut line in lines {
        for input in line.take_incomplete() {
            work.report.passed(input.journal.length());
            work.leave(&input.path);
        }
        let (done, failed) = work.line(&line);
        if remove {
            work.counts.removed += remove::inputs(line.inputs.iter().take(done), work.report);
        }
        if let Err(error) = failed {
            work.report.failure(format_args!("{error:#}"));
        }
    }
    let Counts { made, there, incomplete, removed } = work.counts;
    if made.files() > 0 {
        work.report.line(format_args!("{}: {made}", Shown(directory)));
    }
    let removed = if remove { format!(", {} removed", counted(removed, "input")) } else { String::new() };
    let there = format!("{there} there already, {incomplete} left for another time");
    work.report.line(format_args!("{}: {} written, {there}{removed}", Shown(directory), made.files()));
    Ok(())
}

/// Whether a file is in this directory.
fn is_in(file: &Path, directory: &Path) -> bool {
    let both = [directory_of(file), directory].map(fs::canonicalize);
    matches!(both, [Ok(own), Ok(other)] if own == other)
}

/// A file of an archive, by its name, if the directory has one: beside it, flows would be there twice.
fn archive_in(directory: &Path) -> io::Result<Option<PathBuf>> {
    if !directory.is_dir() {
        return Ok(None);
    }
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        name.ends_with(b".parquet") || name.starts_with(b"date=")
    };
    let mut paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    paths.find(|path| path.as_ref().map_or(true, is_one)).transpose()
}

/// Makes the directory, if it is not there, sees to it that nobody else is at work in it, and cleans up.
fn begin(directory: &Path) -> anyhow::Result<Option<File>> {
    if !directory.is_dir() {
        fs::create_dir(directory).context("cannot make the directory")?;
        sync_directory(directory_of(directory))?;
    }
    let lock = temporary::lock(directory, "squeeze")?;
    temporary::remove_leftovers(directory, &[Maker::Segment, Maker::Squeeze])
        .context("cannot remove what was left over")?;
    Ok(lock)
}

/// Why a line ends before its end.
#[derive(Debug, thiserror::Error)]
#[error("{}: not written, nor what comes after it: {why:#}", Shown(output))]
struct Stopped {
    output: PathBuf,
    why: anyhow::Error,
}

/// What is done with one line after the other.
struct Work<'w> {
    /// What is in the directory.
    outputs: Outputs,
    how: &'w How,
    report: &'w mut Report,
    counts: Counts,
}

impl Work<'_> {
    /// Leaves an input for another time.
    fn leave(&mut self, path: &Path) {
        self.report.line(format_args!("{}: left for another time: more may be written to it", Shown(path)));
        self.counts.incomplete += 1;
    }

    /// Makes the outputs of a line that are not there, in their order. How many inputs have theirs now, and why not all.
    fn line(&mut self, line: &Line) -> (usize, Result<(), Stopped>) {
        let mut there = There::of(line, &self.outputs);
        let mut before: Option<Made> = None;
        for (place, input) in line.inputs.iter().enumerate() {
            before = there.before(input).or(before);
            match self.input(input, before.as_ref(), &there) {
                Ok(made) => before = Some(made),
                Err(why) => return (place, Err(Stopped { output: input.output.clone(), why })),
            }
        }
        (line.inputs.len(), Ok(()))
    }

    /// The output of an input, which goes on with what was made before. It is made if it is not there.
    fn input(&mut self, input: &Input, before: Option<&Made>, there: &There) -> anyhow::Result<Made> {
        if let Some(made) = made::of(input)? {
            there.check_follows(&made, before)?;
            self.counts.there += 1;
            self.report.passed(input.journal.length());
            return Ok(made);
        }
        there.check_first(before)?;
        let made = self.make(input, before)?;
        self.outputs.add(input.plan.kept(), &made);
        Ok(made)
    }

    /// Makes the output of an input, which goes on with what was made before. What is missing between the two is told.
    fn make(&mut self, input: &Input, before: Option<&Made>) -> anyhow::Result<Made> {
        let mut begun = Begun::with(self.how.pairs(&input.output));
        let mut gaps = Vec::new();
        if let Some(before) = before {
            let end = open::left_by(&before.path, self.how.threads, &mut begun)?;
            // No clock was set between the two but as they tell.
            if input.made_from.follows(&before.made_from) {
                begun.set_backs = SetBacks::new();
            }
            gaps = gaps_between(before, input);
            // Where the clock was set back, what is given may seem to leave out times that other inputs tell of.
            gaps.retain(|gap| end <= gap.from && gap.to <= input.plan.kept().created);
        }
        self.report.missing_before(&input.path, &gaps);
        let plan = Plan::for_journal(&input.journal, &self.how.choice, self.report)?.context("it cannot be read")?;
        let made_from = plan.made_from().first().copied().unwrap_or(input.made_from);
        let previous = before.map(|before| before.digest);
        let plan = plan.going_on(previous, gaps)?;
        let output = Output::segment(&input.output, &plan)?;
        let (choice, ending) = (&self.how.choice, Ending::Open(begun));
        let stream = Stream::start(output, plan, choice, &input.journal, ending, self.report)?;
        let made = stream.run(choice, self.how.threads)?;
        self.counts.made.wrote(&made, input.journal.length());
        let (path, digest) = (input.output.clone(), made.digest.context("it has no digest")?);
        Ok(Made { path, digest, previous, made_from, place: input.place.clone(), has_input: true })
    }
}

/// The gaps between an output and the input of the next one that no note tells of.
fn gaps_between(before: &Made, input: &Input) -> Vec<Gap> {
    let source = &before.made_from;
    if source.closing().is_some() && input.made_from.follows(source) {
        return Vec::new();
    }
    let first = Journal::find(std::slice::from_ref(&before.path), |_| ());
    // The output does not tell how its input ended.
    let cause = |gap: Gap| match source.closing() {
        _ if source.version.get() != header::VERSION => GapCause::Version2,
        Some(Closing::WentOn) => GapCause::SegmentMissing,
        _ => gap.cause,
    };
    Plan::untold_between(&first, &input.journal).map(|gap| Gap { cause: cause(gap), ..gap }).collect()
}
