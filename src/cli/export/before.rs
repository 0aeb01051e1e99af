//! What a directory holds of earlier exports: what these were made from, and the flows that they left open, with which the next one
//! goes on.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ctrecorder_format::{Cause, Counters, Damage, Note, Record, Segment, V4, V6, digest_of};

use super::said::Input;
use crate::archive::{About, SourceFile};
use crate::cli::flows::{Begun, Choice, Nowhere};
use crate::cli::{Misuse, Report};
use crate::journal::{Error, Journal, OpenRecords, Scan, SetBacks, Shown, Sink, Version};
use crate::output::header::hex;
use crate::query::Filter;

/// What earlier exports into a directory leave to the next one.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// What those that are whole were made from, of flows that were chosen in the same way.
    sources: Vec<SourceFile>,
    /// A file of each that is not whole, by its export.
    interrupted: BTreeMap<String, PathBuf>,
    /// The files of flows that were left open.
    open: Vec<PathBuf>,
    /// How many are whole, of flows that were chosen in the same way; and until when the last of these tells, ns since the epoch.
    earlier: u64,
    ended: Option<u64>,
}

/// An export, as far as its files are there.
#[derive(Default)]
struct Export {
    files: u64,
    last: Option<u64>,
    path: PathBuf,
    sources: Vec<SourceFile>,
    is_same: bool,
    /// How many exports came before it, and until when it tells, ns since the epoch.
    place: (u64, u64),
}

impl Export {
    fn add(&mut self, path: &Path, about: &About, chosen: &str) {
        self.files += 1;
        self.path = path.to_owned();
        if about.is_last {
            self.last = Some(about.part);
            self.place = (about.earlier, about.ended.unwrap_or(about.to));
        }
        self.sources.extend(about.sources.iter().cloned());
        self.is_same = about.chosen.as_deref() == Some(chosen);
    }

    fn is_whole(&self) -> bool {
        self.last.is_some_and(|last| last + 1 == self.files)
    }
}

impl Before {
    /// What is in a directory, for an export of the flows that this filter chooses. Files of open flows that an export left there which
    /// was killed are removed: those with which it had gone on, and, if it is not whole, its own, which it makes again.
    ///
    /// # Errors
    /// If a file of the directory cannot be read: nobody knows what it tells of.
    pub(super) fn look(directory: &Path, chosen: &str) -> anyhow::Result<Self> {
        let mut before = Self::default();
        let mut failed = None;
        if !directory.is_dir() {
            return Ok(before);
        }
        let journal = Journal::find(&[directory.to_path_buf()], |error| {
            failed = Some(error).filter(|error| error.path != directory);
        });
        if let Some(error) = failed {
            bail!(error);
        }
        let (mut exports, mut open): (BTreeMap<String, Export>, Vec<_>) = Default::default();
        for file in journal.files() {
            let source = file.open()?;
            let Version::Archive(archive) = source.parse()? else { continue };
            let about = archive.about();
            if about.is_of_open {
                open.push((file.path().to_owned(), about.export.clone()));
            } else {
                exports.entry(about.export.clone()).or_default().add(file.path(), about, chosen);
            }
        }
        let (mut gone_on_with, mut whole, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (name, export) in exports {
            if !export.is_whole() {
                before.interrupted.insert(name, export.path);
                continue;
            }
            whole.push(export_of_open(&name));
            gone_on_with.extend(export.sources.iter().map(|source| source.name.clone()));
            if export.is_same {
                before.sources.extend(export.sources);
                places.push(export.place);
            }
        }
        before.earlier = places.len() as u64;
        before.ended = places.into_iter().max().map(|(_, ended)| ended);
        let is_open =
            |(path, export): &(PathBuf, String)| whole.contains(export) && !gone_on_with.contains(&name(path));
        let (open, over): (Vec<_>, Vec<_>) = open.into_iter().partition(is_open);
        before.open = open.into_iter().map(|(path, _)| path).collect();
        over.iter().try_for_each(|(path, _)| remove(path))?;
        Ok(before)
    }

    /// Refuses to begin another export beside one that was interrupted: of that, nobody knows what it lacks.
    pub(super) fn check(&self, export: &str) -> anyhow::Result<()> {
        if let Some((_, path)) = self.interrupted.iter().find(|(name, _)| *name != export) {
            let what = "an export to this directory was interrupted: make it again as it was, or remove its files";
            bail!(Misuse(format!("{}: {what}", Shown(path))));
        }
        Ok(())
    }

    /// The files of a journal that no export has yet, up to the first to which more may be written; `inputs` are what is told of
    /// them. The others are told of.
    pub(super) fn rest_of(
        &self,
        journal: &Journal,
        inputs: &[Option<Input>],
        report: &mut Report,
    ) -> anyhow::Result<Journal> {
        let last = journal.files().len().saturating_sub(1);
        let incomplete = journal.files().iter().enumerate().position(|(place, file)| {
            let Ok(source) = file.open() else { return false };
            let has_no_footer = |version| matches!(version, Ok(Version::Three(segment)) if segment.footer().is_none());
            source.is_being_written() || (place == last && has_no_footer(source.parse()))
        });
        let complete = incomplete.unwrap_or(journal.files().len());
        let mut rest = Vec::new();
        for (place, (file, input)) in journal.files().iter().zip(inputs).enumerate() {
            let is_known = match input {
                Some(input) => self.knows(&input.file).with_context(|| Shown(file.path()).to_string())?,
                None => false,
            };
            if !is_known && place < complete {
                rest.push(place);
            } else if !is_known {
                report.line(format_args!("{}: left for another time: more may be written to it", Shown(file.path())));
            }
        }
        let known = complete - rest.len();
        if known > 0 {
            report.line(format_args!("{known} of {} inputs are exported already", journal.files().len()));
        }
        Ok(journal.only(rest))
    }

    /// Whether an export was made from this file.
    fn knows(&self, file: &SourceFile) -> anyhow::Result<bool> {
        let mut same = self.sources.iter().filter(|known| known.name == file.name && known.segment == file.segment);
        if same.any(|known| known.digest.is_none() && known.length < file.length) {
            bail!(Misuse("it was exported when it was shorter, so that its flows would be there twice".into()));
        }
        Ok(self.sources.iter().any(|known| match (&known.digest, &file.digest) {
            (Some(known), Some(own)) => known == own,
            (None, None) => known == file,
            _ => false,
        }))
    }

    /// What the export is made from besides: the files of open flows.
    pub(super) fn open(&self) -> impl Iterator<Item = SourceFile> {
        let told = |path: &PathBuf| {
            let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
            SourceFile { name: name(path), length, segment: None, digest: None }
        };
        self.open.iter().map(told)
    }

    /// How many exports there are that the next one goes on with.
    pub(super) const fn earlier(&self) -> u64 {
        self.earlier
    }

    /// Whether a segment goes on with one that was exported: no clock was set between the two but as they tell.
    fn is_followed_by(&self, segment: &Segment<'_>) -> bool {
        let previous = segment.header().ok().and_then(|header| header.previous).map(|digest| hex(&digest));
        previous.is_some_and(|previous| self.sources.iter().any(|source| source.digest.as_ref() == Some(&previous)))
    }

    /// What is known of the clock before the first file of a journal.
    fn set_backs(&self, journal: &Journal) -> anyhow::Result<SetBacks> {
        let Some((ended, file)) = self.ended.zip(journal.files().first()) else { return Ok(SetBacks::new()) };
        let source = file.open()?;
        Ok(match source.parse()? {
            Version::Three(segment) if self.is_followed_by(&segment) => SetBacks::new(),
            _ => SetBacks::after(ended),
        })
    }

    /// Begins with the flows that were left open, and with what is known of the clock before the first file of a journal.
    pub(super) fn begin(&self, journal: &Journal, begun: &mut Begun, threads: NonZeroUsize) -> anyhow::Result<()> {
        begun.set_backs = self.set_backs(journal)?;
        for path in &self.open {
            let journal = Journal::find(std::slice::from_ref(path), |_| ());
            let choice = Choice::of_flows(Filter::default());
            let mut scan = Scan::new(&choice, OpenRecords::All).with_threads(threads);
            if let ControlFlow::Break(error) = scan.run(&journal, &mut Left(begun)) {
                return Err(error).with_context(|| format!("{}, with which it goes on", Shown(path)));
            }
        }
        Ok(())
    }

    /// The export is whole, and tells of the flows that were left open.
    pub(super) fn over(self) -> anyhow::Result<()> {
        self.open.iter().try_for_each(|path| remove(path))
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn remove(path: &Path) -> anyhow::Result<()> {
    fs::remove_file(path).with_context(|| Shown(path).to_string())
}

/// As what export the file goes that has the open flows of one: not as one of its numbered files, for it is removed one day.
pub(super) fn export_of_open(export: &str) -> String {
    hex(digest_of(format!("{export} open").as_bytes()).get(..16).unwrap_or_default())
}

/// Takes the flows that were left open.
struct Left<'b>(&'b mut Begun);

impl Sink for Left<'_> {
    type Stop = anyhow::Error;

    fn begin(&mut self, _path: &Path, file: &Version<'_>) -> ControlFlow<anyhow::Error> {
        self.0.pairs.begin(file, &mut Nowhere);
        ControlFlow::Continue(())
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.0.pairs.ipv4(record, counters, &mut Nowhere);
        ControlFlow::Continue(())
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<anyhow::Error> {
        self.0.pairs.ipv6(record, counters, &mut Nowhere);
        ControlFlow::Continue(())
    }

    /// Which reading found a flow, it has to be told again.
    fn note(&mut self, _path: &Path, note: &Note) -> ControlFlow<anyhow::Error> {
        match note.cause() {
            Some(Cause::TableRead) => self.0.readings.push(*note),
            Some(Cause::LeftOpen) => {
                self.0.pairs.note(note, &mut Nowhere);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn damage(&mut self, _path: &Path, damage: &Damage) -> ControlFlow<anyhow::Error> {
        ControlFlow::Break(anyhow::anyhow!("{damage}"))
    }

    fn error(&mut self, error: Error) -> ControlFlow<anyhow::Error> {
        ControlFlow::Break(error.into())
    }

    fn passed(&mut self, _bytes: u64) {}
}
