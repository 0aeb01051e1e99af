//! What earlier exports left in a directory.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::bail;
use ctrecorder_format::{Cause, Uptime};

use super::intent::{Intent, Wanted};
use super::known::{Known, Manner, is_given};
use super::left::export_of_open;
use crate::archive::{About, Archive, SourceFile};
use crate::cli::Misuse;
use crate::cli::export::sources::{Recorder, Source, Sources};
use crate::journal::{Journal, SetBacks, Shown, Version};
use crate::output::header::hex;
use crate::query::coverage::Span;

/// What earlier exports left in a directory.
#[derive(Default)]
pub(super) struct There {
    /// Those that are done.
    exports: Vec<Export>,
    pub(super) known: Known,
    /// The one that was interrupted.
    pub(super) interrupted: Option<Interrupted>,
    /// The files of the flows that are open.
    pub(super) open: Vec<PathBuf>,
    /// Such files with which an export has gone on that was interrupted before it had removed them.
    pub(super) over: Vec<PathBuf>,
}

/// An export, as far as its files are there; or a file of the flows that one left open.
struct Export {
    files: Vec<PathBuf>,
    has_last: bool,
    told: Span,
    manner: Manner,
    archive_from: u64,
    recorder: Recorder,
    chosen: Option<String>,
    sources: Vec<SourceFile>,
    /// How many exports came before it, and until when it tells, ns since the epoch.
    place: (u64, u64),
    /// For how long the machine had been up by the last that it tells of that.
    up: Option<Uptime>,
    /// The clock was set in its time.
    saw_clock_set: bool,
}

/// An export that has no last file.
pub(super) struct Interrupted {
    /// What it left.
    pub(super) files: Vec<PathBuf>,
    inputs: Vec<Wanted>,
}

impl Interrupted {
    /// What is known of it: by what it wrote down, or by the files that it left.
    fn of(left: impl Iterator<Item = Export>, intent: Option<Intent>) -> Self {
        let (mut files, mut sources) = (Vec::new(), Vec::new());
        for export in left {
            files.extend(export.files);
            sources.extend(export.sources);
        }
        let by_files = || {
            // Files of open flows are still there.
            let inputs = sources.into_iter().filter(|source: &SourceFile| !source.name.ends_with("-open.parquet"));
            inputs.map(|file| Wanted { file, path: None }).collect()
        };
        Self { files, inputs: intent.map_or_else(by_files, |intent| intent.inputs) }
    }

    /// What it was made from and is not given any more.
    pub(super) fn missing(&self, inputs: &[&Source]) -> impl Iterator<Item = &Wanted> {
        self.inputs.iter().filter(|wanted| !is_given(&wanted.file, inputs))
    }
}

impl Export {
    fn new(archive: &Archive) -> Self {
        let About { from, to, archive_from, chosen, .. } = archive.about();
        Self {
            files: Vec::new(),
            has_last: false,
            told: Span { from: *from, to: *to },
            manner: if archive_from.is_some() { Manner::Added } else { Manner::Alone },
            archive_from: archive_from.unwrap_or(*from),
            recorder: Recorder::of(archive.header()),
            chosen: chosen.clone(),
            sources: Vec::new(),
            place: (0, 0),
            up: None,
            saw_clock_set: false,
        }
    }

    fn add(&mut self, path: &Path, archive: &Archive) {
        let about = archive.about();
        self.files.push(path.to_owned());
        self.has_last |= about.is_last;
        self.place = self.place.max((about.earlier, about.ended.unwrap_or(about.to)));
        self.told = self.told.joined(Span { from: about.from, to: about.to });
        self.archive_from = self.archive_from.min(about.archive_from.unwrap_or(about.from));
        self.sources.extend(about.sources.iter().cloned());
        self.up = archive.notes().iter().filter_map(Uptime::of).next_back().or(self.up);
        self.saw_clock_set |= about.notes.iter().any(|note| note.cause == Cause::ClockStep as u16);
    }
}

impl There {
    /// Looks at a directory.
    pub(super) fn look(directory: &Path) -> anyhow::Result<Self> {
        let mut failed = None;
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
                let mut export = Export::new(&archive);
                export.add(file.path(), &archive);
                open.push((about.export.clone(), export));
            } else {
                exports.entry(about.export.clone()).or_insert_with(|| Export::new(&archive)).add(file.path(), &archive);
            }
        }
        Ok(Self::of(exports, open, Intent::read(directory)?))
    }

    /// Of numbered files by their exports, and of those of open flows.
    fn of(mut exports: BTreeMap<String, Export>, mut open: Vec<(String, Export)>, intent: Option<Intent>) -> Self {
        let mut there = Self::default();
        // Where nothing was written down, a plain export may have been interrupted; of one that others are behind, somebody removed files.
        let newest = || exports.iter().max_by_key(|(_, export)| export.told.from).map(|(name, _)| name.clone());
        let last = intent.as_ref().map(|intent| intent.export.clone()).or_else(newest);
        if let Some(name) = last.filter(|name| !exports.get(name).is_some_and(|export| export.has_last)) {
            let of_open = export_of_open(&name);
            let own = open.extract_if(.., |(export, _)| *export == of_open).map(|(_, open)| open);
            there.interrupted = Some(Interrupted::of(exports.remove(&name).into_iter().chain(own), intent));
        }
        let sources = exports.values().flat_map(|export| &export.sources);
        let gone_on_with: HashSet<_> = sources.map(|source| source.name.clone()).collect();
        let whole: HashSet<_> = exports.keys().map(|name| export_of_open(name)).collect();
        // One whose export has no other file any more is good, unless that of a later one is there.
        let has_whole = open.iter().any(|(export, _)| whole.contains(export));
        for (export, open) in open {
            let is_over = open.files.iter().any(|path| gone_on_with.contains(&name(path)));
            if is_over || (has_whole && !whole.contains(&export)) {
                there.over.extend(open.files);
            } else {
                there.open.extend(open.files.iter().cloned());
                there.exports.push(open);
            }
        }
        there.exports.extend(exports.into_values());
        there.exports.sort_by_key(|export| export.place);
        there.exports.iter().for_each(|export| there.known.take(export));
        there.known.ended(there.last().map(|(_, ended)| ended), there.last_up());
        there
    }

    /// How many exports came before the last one, and until when that tells, ns since the epoch.
    pub(super) fn last(&self) -> Option<(u64, u64)> {
        self.exports.iter().map(|export| export.place).max()
    }

    /// For how long the machine had been up by the last that they tell of that.
    fn last_up(&self) -> Option<Uptime> {
        self.exports.iter().rev().find_map(|export| export.up)
    }

    /// What is known of the clock before the first file of a journal.
    pub(super) fn set_backs(&self, journal: &Journal) -> anyhow::Result<SetBacks> {
        let Some(((_, ended), file)) = self.last().zip(journal.files().first()) else { return Ok(SetBacks::new()) };
        let source = file.open()?;
        let previous = source.parse()?.header().and_then(|header| header.previous).map(|digest| hex(&digest));
        // No clock was set between the two but as they tell.
        let follows = previous.is_some_and(|previous| self.known.has_digest(&previous));
        Ok(if follows { SetBacks::new() } else { SetBacks::after(ended, self.last_up()) })
    }

    /// Whether the clock was set in the time of the archive, or may have been: its first files may be gone.
    pub(super) fn may_have_seen_clock_set(&self) -> bool {
        let began = self.exports.iter().map(|export| export.archive_from).min();
        let told_from = self.exports.iter().map(|export| export.told.from).min();
        began < told_from || self.exports.iter().any(|export| export.saw_clock_set)
    }

    /// Refuses to put flows to an archive of which others were chosen: whoever reads it would not know which.
    pub(super) fn check_chosen(&self, chosen: &str) -> Result<(), Misuse> {
        let is_other = |export: &&Export| export.chosen.as_deref().unwrap_or_default() != chosen;
        let Some(other) = self.exports.iter().find(is_other) else { return Ok(()) };
        let text = |chosen: &str| if chosen.is_empty() { "all flows".to_owned() } else { format!("\"{chosen}\"") };
        let (own, chosen) = (text(chosen), text(other.chosen.as_deref().unwrap_or_default()));
        let path = other.files.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
        Err(Misuse(format!(
            "{}: the archive is of {chosen}, not of {own}: another choice needs a directory of its own",
            Shown(path)
        )))
    }

    /// Refuses what another recorder recorded than what is there.
    pub(super) fn check_recorder(&self, sources: &Sources) -> Result<(), Misuse> {
        for export in &self.exports {
            let there = &export.recorder;
            let others = sources.readable().filter_map(|source| Some((source, source.recorder.as_ref()?)));
            for (source, own) in others {
                let is_beside = own.namespace != there.namespace
                    && ![own.namespace, there.namespace].contains(&0)
                    && source.begun < export.told.to;
                let what = if own.host != there.host {
                    format!(
                        "the archive is of the host \"{}\", not of \"{}\"",
                        there.host.escape_debug(),
                        own.host.escape_debug()
                    )
                } else if own.netns != there.netns || (is_beside && !self.known.has(&source.told.file)) {
                    "the archive is of another network namespace".to_owned()
                } else if own.is_on_another_machine(there) {
                    format!("the archive is of another machine called \"{}\"", own.host.escape_debug())
                } else {
                    continue;
                };
                return Err(Misuse(format!("{}: {what}: each needs a directory of its own", Shown(&source.path))));
            }
        }
        Ok(())
    }

    /// Refuses to drop an export that was interrupted if something that it was made from could be exported again, and is not given.
    pub(super) fn check_interrupted(&self, inputs: &[&Source]) -> Result<(), Misuse> {
        let Some(interrupted) = &self.interrupted else { return Ok(()) };
        for missing in interrupted.missing(inputs) {
            let what = "an export of it to this directory was interrupted: ";
            match (&missing.path, interrupted.files.first()) {
                (Some(path), _) if Path::new(path).exists() => {
                    return Err(Misuse(format!(
                        "{}: {what}give it once more, with what comes behind it",
                        Shown(Path::new(path))
                    )));
                }
                (None, Some(file)) => {
                    let name = Path::new(&missing.file.name);
                    let (name, file) = (Shown(name), Shown(file));
                    return Err(Misuse(format!(
                        "{name}: {what}give it once more, or remove the files of that: {file}"
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Known {
    /// Takes what an export tells.
    fn take(&mut self, export: &Export) {
        export.sources.iter().for_each(|source| self.add(source, export.manner));
        self.tells(export.told, export.archive_from);
        // An older program did not say where they stand.
        if !export.sources.is_empty() && export.sources.iter().all(|source| source.place.is_none()) {
            self.begun(export.told.from);
        }
    }
}

/// The name of a file, without its directory.
pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
