//! `export --add`: an archive that grows.
//!
//! All of it happens while nobody else is at work in the directory. First comes a look at what is there, which changes nothing, and
//! whatever is refused is refused then. Then what an interrupted run left is removed, and what this one exports is written down. The
//! numbered files come next, and last of all of them the one that says that it is the last: with that name the run is done, and not
//! before. Only then the flows that it has gone on with are removed. So at any moment there is either what was there before, and
//! something that is known not to count, or what is there now.
//!
//! | part | what it does |
//! |---|---|
//! | `there` | what is in the directory |
//! | `known` | which inputs it has already, and which may be put behind these |
//! | `left` | the flows that were left open |
//! | `intent` | what is written down first |

mod intent;
mod known;
mod left;
mod there;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ctrecorder_format::ClockWasSet;

use super::sources::{End, Source, Sources};
use crate::archive::SourceFile;
use crate::cli::flows::{Begun, Plan};
use crate::cli::{Misuse, Report};
use crate::counted::counted;
use crate::file::{directory_of, sync_directory};
use crate::journal::{Journal, Shown};
use crate::query::coverage::{Gap, GapCause};
use intent::{Intent, Wanted};
use known::{Late, Manner, Verdict};
use there::There;

pub(super) use intent::of_interrupted;
pub(super) use left::export_of_open;

/// The archive that an export is put to.
pub(super) struct Added {
    directory: PathBuf,
    there: There,
}

impl Added {
    /// Looks at an archive, to which flows are to be put that this filter chooses. Nothing is changed.
    ///
    /// # Errors
    /// If a file of the directory cannot be read: nobody knows what it tells of.
    pub(super) fn look(directory: &Path, chosen: &str) -> anyhow::Result<Self> {
        let there = There::look(directory)?;
        there.check_chosen(chosen)?;
        Ok(Self { directory: directory.to_owned(), there })
    }

    /// Which of the inputs are to be exported, by their places. What is passed over and what waits is told.
    ///
    /// # Errors
    /// If something cannot be put behind what is there: nothing is exported then, for what comes behind it would be out of order, too.
    pub(super) fn choose(&mut self, sources: &Sources, report: &mut Report) -> anyhow::Result<Vec<usize>> {
        self.there.check_recorder(sources)?;
        let readable: Vec<_> = sources.readable().collect();
        self.there.check_interrupted(&readable)?;
        let mut chosen = Chosen::default();
        for (place, source) in sources.files().iter().enumerate() {
            match source {
                Ok(source) => {
                    let verdict = self.there.known.verdict(source, || sources.run_ended(source));
                    let verdict = verdict.with_context(|| Shown(&source.path).to_string())?;
                    if verdict == Verdict::New {
                        self.there.known.accept(source);
                    }
                    chosen.take(place, source, verdict, may_grow(place, sources), report);
                }
                Err(error) => report.failure(error),
            }
        }
        chosen.end(readable.len(), report)
    }

    /// Removes what an interrupted run left. What is not among the inputs any more, and was exported by that, is told: its flows are gone.
    pub(super) fn clean(&self, sources: &Sources, report: &mut Report) -> anyhow::Result<()> {
        if let Some(interrupted) = &self.there.interrupted {
            let readable: Vec<_> = sources.readable().collect();
            for gone in interrupted.missing(&readable) {
                let what =
                    "an export of it was interrupted, and it is not there any more: its flows are not in the archive";
                report.failure(format_args!("{}: {what}", Shown(Path::new(&gone.file.name))));
            }
            interrupted.files.iter().try_for_each(|path| remove(path))?;
            report.line(format_args!("{}: an export that was interrupted is made again", Shown(&self.directory)));
        }
        self.there.over.iter().try_for_each(|path| remove(path))?;
        Intent::remove(&self.directory).with_context(|| Shown(&self.directory).to_string())
    }

    /// The files of open flows that the export goes on with.
    pub(super) fn open(&self) -> Vec<SourceFile> {
        let told = |path: &PathBuf| {
            let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
            SourceFile { name: there::name(path), length, ..SourceFile::default() }
        };
        self.there.open.iter().map(told).collect()
    }

    /// Where segments are missing between what is there and the first file of a journal: no other one tells of that time.
    pub(super) fn gaps(&self, journal: &Journal) -> Vec<Gap> {
        let archive = Journal::find(std::slice::from_ref(&self.directory), |_| ());
        let ended = self.there.last().map_or(u64::MAX, |(_, ended)| ended);
        let first = journal.only([0]);
        let gaps = Plan::untold_between(&archive, &first);
        gaps.filter(|gap| gap.cause == GapCause::SegmentMissing && ended <= gap.from).collect()
    }

    /// How many exports it goes on with.
    pub(super) fn earlier(&self) -> u64 {
        self.there.last().map_or(0, |(earlier, _)| earlier + 1)
    }

    /// When the archive began; `None` if the export is its first one.
    pub(super) fn from(&self) -> Option<u64> {
        self.there.known.archive_from()
    }

    /// Begins the export of these sources: writes down what it is, and takes up the flows that were left open, and what is known of the
    /// clock before its first file.
    pub(super) fn begin(
        &self,
        export: &str,
        (journal, sources): (&Journal, &Sources),
        begun: &mut Begun,
        threads: NonZeroUsize,
    ) -> anyhow::Result<()> {
        let inputs = sources.readable().map(|source| Wanted::of(&source.told.file, &source.path)).collect();
        Intent { export: export.to_owned(), inputs }.write(&self.directory)?;
        begun.set_backs = self.there.set_backs(journal)?;
        if self.there.may_have_seen_clock_set() {
            begun.pairs.know_clock_set(ClockWasSet::SinceReading);
        }
        left::begin(&self.there.open, begun, threads)
    }

    /// The export is whole, and tells of the flows that were left open.
    pub(super) fn over(&self) -> anyhow::Result<()> {
        self.there.open.iter().try_for_each(|path| remove(path))?;
        Intent::remove(&self.directory).with_context(|| Shown(&self.directory).to_string())
    }
}

/// Whether more may be written to the file in this place.
fn may_grow(place: usize, sources: &Sources) -> bool {
    let mut behind = sources.files().get(place + 1..).unwrap_or_default().iter().flatten();
    match sources.files().get(place) {
        Some(Ok(Source { end: End::BeingWritten, .. })) => true,
        Some(Ok(Source { end: End::Open, .. })) => behind.next().is_none(),
        Some(Ok(Source { end: End::Version2(own), .. })) => !behind.any(|source| source.replaces_version_2(*own)),
        _ => false,
    }
}

/// What is chosen of the inputs.
#[derive(Default)]
struct Chosen {
    rest: Vec<usize>,
    exported: usize,
    over: usize,
    /// From the first input on to which more may be written, all that is new waits.
    waits: bool,
    /// The first input of which the archive has the begin for good.
    begun: Option<String>,
    refused: Vec<String>,
}

impl Chosen {
    /// Takes an input.
    fn take(&mut self, place: usize, source: &Source, verdict: Verdict, may_grow: bool, report: &mut Report) {
        let path = Shown(&source.path);
        match verdict {
            Verdict::Exported => self.exported += 1,
            Verdict::Over => self.over += 1,
            Verdict::Grown(Manner::Alone) => {
                self.begun.get_or_insert_with(|| path.to_string());
            }
            Verdict::Grown(Manner::Added) => {
                let what = "it was exported when it was shorter, so that its flows would be there twice";
                report.failure(format_args!("{path}: not exported: {what}"));
            }
            Verdict::InPart => {
                self.refused.push(format!("{path}: some of what it tells of is exported already, and some is not"))
            }
            Verdict::Late(late) => {
                let why = match late {
                    Late::Number(number) => format!("segment {number} of its run"),
                    Late::Begun(moment) => {
                        format!("it begins at {}, and what began at {}", report.time(source.begun), report.time(moment))
                    }
                };
                let what = "is exported already: flows of both would be wrong";
                self.refused.push(format!("{path}: it comes too late: {why} {what}"));
            }
            Verdict::New if may_grow || self.waits => {
                let why = if may_grow { "more may be written to it" } else { "it comes behind one that waits" };
                report.line(format_args!("{path}: left for another time: {why}"));
                self.waits = true;
            }
            Verdict::New => self.rest.push(place),
        }
    }

    fn end(self, inputs: usize, report: &Report) -> anyhow::Result<Vec<usize>> {
        if let Some(path) = self.begun {
            let what = "it was exported before it was complete, and without --add: what has come since cannot be put behind that; \
                        export to a new directory, with --add from the first time on";
            bail!(Misuse(format!("{path}: {what}")));
        }
        if let Some(first) = self.refused.first() {
            let others = match self.refused.len() - 1 {
                0 => String::new(),
                others => format!("; {others} more likewise"),
            };
            let what = "leave it out, or export it to a directory of its own, which who and list -s read together with this one; \
                        several recorders have one archive only if the files of all are given each time";
            bail!(Misuse(format!("{first}; {what}{others}")));
        }
        if self.exported > 0 {
            report.line(format_args!("exported already: {} of {}", self.exported, counted(inputs, "input")));
        }
        if self.over > 0 {
            let what = "older than what is left of the archive, and passed over";
            report.line(format_args!("{what}: {} of {}", self.over, counted(inputs, "input")));
        }
        Ok(self.rest)
    }
}

/// Removes a file for good.
fn remove(path: &Path) -> anyhow::Result<()> {
    fs::remove_file(path).and_then(|()| sync_directory(directory_of(path))).with_context(|| Shown(path).to_string())
}
