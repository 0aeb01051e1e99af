//! Which inputs a directory has already, and which of the others may be put behind what it has.

use std::collections::{HashMap, HashSet};

use anyhow::Context;
use ctrecorder_format::Uptime;

use crate::archive::{Place, SourceFile};
use crate::cli::export::sources::{Source, ids, without_digest};
use crate::journal;
use crate::output::header::hex;
use crate::query::coverage::Span;

/// What the exports in a directory were made from.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Those that have no digest, each with how it was exported.
    without: Vec<(SourceFile, Manner)>,
    /// Digests of these, and of what they were made from themselves: of that, through which archive, if it was one. The parts of one
    /// archive were made from the same files, and hold other flows.
    digests: HashMap<String, HashSet<Option<String>>>,
    /// By what those are known that have no digest, where something was made from them.
    without_digest: HashSet<String>,
    /// The last number of each run.
    runs: HashMap<String, u64>,
    /// What begins before this comes too late, unless it belongs to a run of these; ns since the epoch. The last file says so: where the
    /// clock was set back, it may have been later for one before.
    next_from: u64,
    /// When the last run was started of which something is there, or is put behind it, if that is known; ns since the epoch.
    started: Option<u64>,
    /// Runs of which inputs are put behind what is there.
    accepted: HashSet<String>,
    /// Until when the last of what is there tells, or of what is put behind it, by what the clock showed then; ns since the epoch.
    ended: Option<u64>,
    /// For how long the machine had been up by the last that the same says of that.
    up: Option<Uptime>,
    /// Of which time the archive tells that is there, and from when on it told when its first files were there.
    told: Option<(Span, u64)>,
}

/// How something was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// To an archive that grows: what more might be written to was left for another time.
    Added,
    /// By itself, as far as it had been written by then.
    Alone,
}

/// What becomes of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is not there.
    New,
    /// Its flows are there.
    Exported,
    /// The archive had told of its time, and these files of it were removed.
    Over,
    /// It was exported when it was shorter.
    Grown(Manner),
    /// Some of what it was made from is there, or something that was made from it.
    InPart,
    /// It begins before the end of what is there.
    Late(Late),
}

/// Why an input comes too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// A later segment of its run is there, with this number.
    Number(u64),
    /// What was begun at this moment is there, ns since the epoch.
    Begun(u64),
}

impl Known {
    /// Takes what a file of an export names: in the order of exports, and in theirs.
    pub(super) fn add(&mut self, source: &SourceFile, manner: Manner) {
        let SourceFile { digest, content, made_from, place, length, .. } = source;
        let archive = place.as_ref().filter(|_| digest.is_none()).map(|place| place.run.clone());
        for own in digest.iter().chain(content) {
            self.digests.entry(own.clone()).or_default().insert(None);
        }
        for other in made_from {
            self.digests.entry(other.clone()).or_default().insert(archive.clone());
        }
        if let Some(place) = place.as_ref().filter(|_| digest.is_none()) {
            self.without_digest.insert(without_digest(&place.run, place.number, *length));
        }
        if let Some(place) = place {
            self.started = started(place);
            let before = self.runs.get(&place.run).copied();
            // Several files of an export may name one of its sources.
            if before.is_none_or(|last| last < place.number) {
                self.runs.insert(place.run.clone(), place.number);
                // Of the later files of an archive nobody knows.
                self.next_from = if place.next_from == 0 { self.next_from } else { place.next_from };
            }
        }
        if digest.is_none() {
            self.without.push((source.clone(), manner));
        }
    }

    /// An input is put behind what is there: so are others of its run, and what began behind it or behind its end, whatever the clock
    /// showed. Of inputs that are exported together, none comes too late for another one.
    pub(super) fn accept(&mut self, source: &Source) {
        let place = source.told.file.place.as_ref();
        self.accepted.extend(place.map(|place| place.run.clone()));
        self.started = place.and_then(started);
        self.next_from = self.next_from.min(source.begun);
        self.ended = Some(source.told_to);
        self.up = source.up.or(self.up);
    }

    /// The last of the exports that are there tells until this moment, by what the clock showed then, ns since the epoch, and last of all for
    /// how long the machine had been up.
    pub(super) const fn ended(&mut self, ended: Option<u64>, up: Option<Uptime>) {
        (self.ended, self.up) = (ended, up);
    }

    /// An export that begins at this moment has files that tell of this span, of an archive that begins at `archive_from`.
    pub(super) fn tells(&mut self, span: Span, archive_from: u64) {
        let (told, from) = self.told.unwrap_or((span, archive_from));
        self.told = Some((told.joined(span), from.min(archive_from)));
    }

    /// Nothing that begins before this comes behind what is there, if its sources do not tell themselves.
    pub(super) fn begun(&mut self, moment: u64) {
        self.next_from = self.next_from.max(moment);
    }

    /// When the archive began, ns since the epoch; `None` if there is none.
    pub(super) fn archive_from(&self) -> Option<u64> {
        self.told.map(|(_, from)| from)
    }

    /// What becomes of an input, of a run that tells until `run_ended`, ns since the epoch, as far as it is given.
    ///
    /// # Errors
    /// If it has to be read, and cannot be.
    pub(super) fn verdict(&self, source: &Source, run_ended: impl Fn() -> u64) -> anyhow::Result<Verdict> {
        let file = &source.told.file;
        Ok(if self.has(file) {
            Verdict::Exported
        } else if let Some(manner) = self.has_grown(source)? {
            Verdict::Grown(manner)
        } else if self.is_over(source) {
            Verdict::Over
        } else if self.has_some(file) {
            Verdict::InPart
        } else {
            self.late(source, run_ended).map_or(Verdict::New, Verdict::Late)
        })
    }

    /// Whether the flows of a file are there.
    pub(super) fn has(&self, file: &SourceFile) -> bool {
        let own = file.digest.as_ref().or(file.content.as_ref());
        own.is_some_and(|own| self.digests.contains_key(own))
            || (!file.made_from.is_empty() && file.made_from.iter().all(|id| self.has_made(file, id)))
            || (file.digest.is_none() && self.alike(file).any(|(known, _)| known.length == file.length))
    }

    /// Whether a file with this digest is there.
    pub(super) fn has_digest(&self, digest: &str) -> bool {
        self.digests.contains_key(digest)
    }

    /// Whether something that the file was made from is there for certain, by its digest, and not only through the archive that the
    /// file is of.
    fn has_made(&self, file: &SourceFile, id: &str) -> bool {
        let own = file.place.as_ref().map(|place| &place.run);
        let is_another = |archive: &Option<String>| archive.is_none() || archive.as_ref() != own;
        !id.contains(' ') && self.digests.get(id).is_some_and(|through| through.iter().any(is_another))
    }

    fn has_some(&self, file: &SourceFile) -> bool {
        let own = file.place.as_ref().map(|place| without_digest(&place.run, place.number, file.length));
        file.made_from.iter().any(|id| self.has_made(file, id) || self.without_digest.contains(id))
            || own.is_some_and(|own| self.digests.contains_key(&own))
    }

    /// What older programs named that may be this file: by name and number alone.
    fn alike(&self, file: &SourceFile) -> impl Iterator<Item = &(SourceFile, Manner)> {
        let is_alike = |known: &SourceFile| known.name == file.name && known.segment == file.segment;
        self.without.iter().filter(move |(known, _)| known.content.is_none() && is_alike(known))
    }

    /// How the begin of a file was exported that is there; `None` if none is.
    fn has_grown(&self, source: &Source) -> anyhow::Result<Option<Manner>> {
        let file = &source.told.file;
        let is_shorter = |(known, _): &&(SourceFile, Manner)| known.length < file.length;
        if let Some((_, manner)) = self.alike(file).find(is_shorter) {
            return Ok(Some(*manner));
        }
        let named = |(known, _): &&(SourceFile, Manner)| known.name == file.name && known.made_from.is_empty();
        for (known, manner) in self.without.iter().filter(named).filter(is_shorter) {
            let source = journal::Source::open(&source.path).context("it cannot be read again")?;
            let begin = source.digest_to(known.length);
            if begin.is_some_and(|begin| known.content == Some(hex(&begin))) {
                return Ok(Some(*manner));
            }
        }
        Ok(None)
    }

    /// Whether the archive told of all of a file once.
    fn is_over(&self, source: &Source) -> bool {
        let has_lost =
            |(told, from): &(Span, u64)| *from < told.from && source.begun < told.from && source.ended <= told.to;
        self.told.as_ref().is_some_and(has_lost)
    }

    /// Whether what came behind a file is there. A recorder numbers its files; of two runs that one came first that ended at the moment
    /// at which the other one says that it had, or else had begun first, by how long the machine had been up if both tell that.
    fn late(&self, source: &Source, run_ended: impl Fn() -> u64) -> Option<Late> {
        let place = source.told.file.place.as_ref()?;
        match self.runs.get(&place.run).filter(|_| source.told.file.segment.is_some()) {
            Some(last) => (place.number <= *last).then_some(Late::Number(*last)),
            None if self.accepted.contains(&place.run) || self.is_behind(source, run_ended) => None,
            None => {
                let begun = source.begun.max(source.behind.unwrap_or(0));
                (begun < self.next_from).then_some(Late::Begun(self.next_from))
            }
        }
    }

    /// Whether a run tells that it came behind the last one of what is there: when that had ended; or, if both tell, for how long the machine
    /// had been up. If the clock was set back since, it may tell no more than that the one before ended at a later time: then the last one
    /// was there at that moment already, or had ended when this one did.
    fn is_behind(&self, source: &Source, run_ended: impl Fn() -> u64) -> bool {
        if self.up.zip(source.up).is_some_and(|(last, own)| last.boot == own.boot && last.up <= own.up) {
            return true;
        }
        let Some(ended) = self.ended else { return false };
        let is_before = |moment: u64| {
            moment <= ended && (ended <= run_ended() || self.started.is_some_and(|started| started <= moment))
        };
        source.behind == Some(ended) || source.behind_later.is_some_and(is_before)
    }
}

/// When the run of a file was started, if that is known.
fn started(place: &Place) -> Option<u64> {
    place.numbered().map(|(_, started, _)| started)
}

/// Whether an input has what an export was made from.
pub(super) fn is_given(wanted: &SourceFile, inputs: &[&Source]) -> bool {
    let own: Vec<_> = ids(wanted).take(1).collect();
    let is_it = |input: &&&Source| match own.first() {
        Some(own) => ids(&input.told.file).any(|id| id == *own),
        None => input.told.file.name == wanted.name && input.told.file.length >= wanted.length,
    };
    inputs.iter().any(|input| is_it(&input))
}
