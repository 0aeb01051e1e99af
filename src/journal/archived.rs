//! Which archives tell only of what the files beside them tell of, and which files only of what an archive does.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::iter::once;

use ctrecorder_format::{Digest, Header, MadeFrom};

use super::{Member, Source, Version};
use crate::archive::{Archive, SourceFile};

/// What a file of an archive tells of where it comes from.
#[derive(Clone)]
struct Archived {
    /// The name of the file.
    name: String,
    export: String,
    part: u64,
    is_last: bool,
    is_of_open: bool,
    /// It belongs to an archive that grows: what it left open is in a file of its own.
    grows: bool,
    /// How many exports came before its own.
    earlier: u64,
    /// Something that it was made from was damaged then, and may be whole in a copy.
    is_of_damaged: bool,
    /// From here on its bytes tell it from others.
    checksums: u64,
    header: Header,
    sources: Vec<SourceFile>,
}

impl Archived {
    /// Of this file, which is an archive.
    fn of(source: &Source, archive: &Archive) -> Option<Self> {
        let about = archive.about();
        Some(Self {
            name: source.path().file_name()?.to_string_lossy().into_owned(),
            export: about.export.clone(),
            part: about.part,
            is_last: about.is_last,
            is_of_open: about.is_of_open,
            grows: about.archive_from.is_some(),
            earlier: about.earlier,
            is_of_damaged: about.damaged > 0,
            checksums: about.checksums,
            header: archive.header().clone(),
            sources: about.sources.clone(),
        })
    }

    /// Whether it is of the export whose files are called so.
    fn is_of(&self, export: &str) -> bool {
        !self.is_of_open && self.name.starts_with(export)
    }

    /// What the names of all files of its export begin with.
    fn begin(&self) -> Option<&str> {
        self.name.rsplit_once('-').map(|(begin, _)| begin)
    }
}

/// The files of a journal as archives name them.
pub(super) struct Named<'f> {
    files: &'f [Member],
    known: Vec<Option<Known>>,
    /// The places of those with a footer, by the digest in it, and of all by their numbers.
    by_digest: HashMap<Digest, usize>,
    by_number: HashMap<Numbered, Vec<usize>>,
    /// What files were made from that archives name: of each export it is told once.
    made_from: HashMap<Digest, Vec<Option<Digest>>>,
    /// What somebody asked for: of files without a footer, as if they had so many bytes.
    contents: HashMap<(usize, u64), Digest>,
}

/// What is known of a file.
struct Known {
    own: MadeFrom,
    /// Of an archive.
    archived: Option<Archived>,
}

impl Known {
    fn of(source: &Source) -> Option<Self> {
        let version = source.parse().ok()?;
        let length = source.length();
        let (own, archived) = match &version {
            Version::Two(_) => (MadeFrom::version_2(version.begun(), length), None),
            Version::Three(segment) => (MadeFrom::segment(segment.header().ok()?, segment.footer(), length), None),
            Version::Archive(archive) => {
                (MadeFrom::segment(archive.header(), None, length), Archived::of(source, archive))
            }
        };
        Some(Self { own, archived })
    }

    /// Where it stands among others of its host.
    const fn numbered(&self) -> Numbered {
        (self.own.boot_id, self.own.recorder_started.get(), self.own.segment_number.get())
    }
}

/// A file's run, by the boot id and when that was started, and its number there.
type Numbered = ([u8; 16], u64, u64);

impl<'f> Named<'f> {
    /// Those files.
    pub(super) fn of(files: &'f [Member]) -> Self {
        let known: Vec<_> = files.iter().map(|file| file.open().ok().and_then(|source| Known::of(&source))).collect();
        let digests = known.iter().enumerate();
        let by_digest = digests.filter_map(|(place, known)| Some((known.as_ref()?.own.digest()?, place))).collect();
        let mut by_number: HashMap<_, Vec<_>> = HashMap::new();
        for (place, known) in known.iter().enumerate() {
            known.iter().for_each(|known| by_number.entry(known.numbered()).or_default().push(place));
        }
        let sources = archives(&known).flat_map(|archive| &archive.sources);
        let made = sources.filter(|source| !source.made_from.is_empty());
        let made_from = made.filter_map(|source| {
            Some((id(source)?, source.made_from.iter().map(|digest| digest_of_hex(digest)).collect()))
        });
        let (made_from, contents) = (made_from.collect(), HashMap::new());
        Self { files, by_digest, by_number, made_from, contents, known }
    }

    /// The file, by its place, that a source is, or that it was the begin of when somebody still wrote to it.
    fn place_of(&mut self, source: &SourceFile) -> Option<usize> {
        let own = id(source)?;
        let Some(at) = source.place.as_ref().filter(|_| source.digest.is_none()) else {
            return self.by_digest.get(&own).copied();
        };
        let may_be = |place: &usize| {
            let known = self.known.get(*place).and_then(Option::as_ref);
            known.is_some_and(|known| known.own.length.get() >= source.length)
        };
        let there = at.numbered().and_then(|numbered| self.by_number.get(&numbered)).into_iter().flatten();
        let places: Vec<_> = there.copied().filter(may_be).collect();
        places.into_iter().find(|place| self.content(*place, source.length) == Some(own))
    }

    /// What a source is known by that is this file, and had so many bytes.
    fn content(&mut self, place: usize, length: u64) -> Option<Digest> {
        if let Some(known) = self.contents.get(&(place, length)) {
            return Some(*known);
        }
        let source = self.files.get(place)?.open().ok()?;
        let number = |number| usize::try_from(number).ok();
        let part = match self.archive(place) {
            Some(archive) => number(archive.checksums)?..number(source.length())?,
            None => 0..number(length)?,
        };
        let digest = source.digest(once(part))?;
        self.contents.insert((place, length), digest);
        Some(digest)
    }

    fn archive(&self, place: usize) -> Option<&Archived> {
        self.known.get(place)?.as_ref()?.archived.as_ref()
    }

    /// Whether a source is there, or all that it was made from itself, or what an export left open that is there.
    fn is_there(&mut self, source: &SourceFile) -> bool {
        if let Some(export) = source.open_of() {
            return archives(&self.known).any(|other| other.is_of(export));
        }
        if self.place_of(source).is_some() {
            return true;
        }
        let made_from = id(source).and_then(|id| self.made_from.get(&id));
        let has = |digest: &Option<Digest>| digest.is_some_and(|digest| self.by_digest.contains_key(&digest));
        made_from.is_some_and(|digests| digests.iter().all(has))
    }

    /// Whether each file is an archive, and all is there that those of its recorder were made from: then they are needless. What one
    /// export left open and another one went on with counts by what that one was made from. One that was made of archives is needless
    /// beside these. Needless ones are none of the files any more.
    pub(super) fn take_needless(&mut self) -> Vec<bool> {
        let archived: Vec<_> = archives(&self.known).cloned().collect();
        let (mut of_archives, mut of_others) = (HashSet::new(), HashSet::new());
        for archive in &archived {
            for source in &archive.sources {
                let is_archive = self.place_of(source).is_some_and(|place| self.archive(place).is_some());
                let exports = if is_archive { &mut of_archives } else { &mut of_others };
                exports.insert(&archive.export);
            }
        }
        let is_of_archives =
            |archive: &Archived| of_archives.contains(&archive.export) && !of_others.contains(&archive.export);
        let recorder = |archive: &Archived| (archive.header.host.clone(), archive.header.namespace);
        let (mut lacking, mut naming) = (HashSet::new(), HashSet::new());
        for archive in archived.iter().filter(|archive| !is_of_archives(archive)) {
            if !archive.sources.iter().all(|source| self.is_there(source)) {
                lacking.insert(recorder(archive));
            }
            if archive.sources.iter().any(|source| id(source).is_some()) {
                naming.insert(recorder(archive));
            }
        }
        let is_needless = |archive: &Archived| {
            let recorder = recorder(archive);
            is_of_archives(archive) || (!lacking.contains(&recorder) && naming.contains(&recorder))
        };
        let mut needless = Vec::new();
        for known in &mut self.known {
            let own = known.as_ref().and_then(|known| known.archived.as_ref());
            needless.push(own.is_some_and(is_needless));
            known.take_if(|known| known.archived.as_ref().is_some_and(is_needless));
        }
        needless
    }

    /// The files that archives were made from which are whole, each with what an archive says of what was recorded.
    pub(super) fn archived(&mut self) -> Vec<(usize, Header)> {
        let archived: Vec<_> = archives(&self.known).cloned().collect();
        let (whole, mut found) = (whole(&archived), Vec::new());
        for archive in archived.iter().filter(|archive| whole.contains(archive.export.as_str())) {
            for source in &archive.sources {
                // What has grown since has more than was exported of it.
                let own = self.place_of(source).filter(|place| self.has_length(*place, source.length));
                // What was squeezed of less than all hides below it what the archive does not have.
                let has_all = archive.header.filters.is_empty();
                let squeezed = id(source).filter(|_| source.digest.is_some() && has_all);
                let made_from = squeezed.and_then(|id| self.made_from.get(&id)).into_iter().flatten().flatten();
                let below = made_from.filter_map(|digest| self.by_digest.get(digest).copied());
                found.extend(own.into_iter().chain(below).map(|place| (place, archive.header.clone())));
            }
        }
        found
    }

    fn has_length(&self, place: usize, length: u64) -> bool {
        self.known.get(place).is_some_and(|known| known.as_ref().is_some_and(|known| known.own.length.get() == length))
    }
}

/// The archives among some files.
fn archives(known: &[Option<Known>]) -> impl Iterator<Item = &Archived> {
    known.iter().flatten().filter_map(|known| known.archived.as_ref())
}

/// The exports of which all files are there, with the flows that they left open, or a whole export that went on with those: they have all
/// of what they were made from, if nothing of that was damaged.
fn whole(archives: &[Archived]) -> HashSet<&str> {
    let mut exports: HashMap<&str, Vec<&Archived>> = HashMap::new();
    let (open, numbered): (Vec<_>, Vec<_>) = archives.iter().partition(|archive| archive.is_of_open);
    numbered.into_iter().for_each(|archive| exports.entry(&archive.export).or_default().push(archive));
    let mut exports: Vec<_> = exports.into_values().collect();
    // Whether the one that went on with it is whole, is known before.
    exports.sort_by_key(|export| Reverse(export.iter().map(|archive| archive.earlier).max()));
    let mut has_open: HashSet<_> = open.into_iter().filter_map(Archived::begin).collect();
    let mut whole = HashSet::new();
    for export in exports {
        let numbers: HashSet<_> = export.iter().map(|archive| archive.part).collect();
        let has_all = |last: &&&Archived| last.is_last && last.part.checked_add(1) == Some(numbers.len() as u64);
        let Some(last) = export.iter().find(has_all) else { continue };
        let has_open_flows = !last.grows || last.begin().is_some_and(|begin| has_open.contains(begin));
        if has_open_flows && !export.iter().any(|archive| archive.is_of_damaged) {
            let sources = export.iter().flat_map(|archive| &archive.sources);
            has_open.extend(sources.filter_map(SourceFile::open_of).map(|of| of.trim_end_matches('-')));
            whole.insert(last.export.as_str());
        }
    }
    whole
}

/// The digest that a source is known by.
fn id(source: &SourceFile) -> Option<Digest> {
    source.digest.as_deref().or(source.content.as_deref()).and_then(digest_of_hex)
}

/// The digest that these hexadecimal digits are.
pub(super) fn digest_of_hex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if text.len() != 2 * digest.len() {
        return None;
    }
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(digest)
}
