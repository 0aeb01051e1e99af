//! Which files tell of the same flows: segments of flows, and what they were made from. docs/format.md, section "Sources".

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use ctrecorder_format::header::family_bit;
use ctrecorder_format::{Content, Digest, Family, Header, MadeFrom};

use super::archived::{Named, digest_of_hex};
use super::{Journal, Member, Shown, Source, Version};

/// Files that tell of the same. It says so in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Repeats {
    /// Some are passed over, since others tell of the same.
    #[error("{}{} passed over: {}", Shown(first), others(*count), beside.why())]
    PassedOver {
        /// The first of them.
        first: PathBuf,
        /// How many they are.
        count: usize,
        /// What else is there.
        beside: Beside,
    },
    /// Two are read that tell of the same.
    #[error("{} and {} tell of the same: flows are there twice", Shown(first), Shown(second))]
    Twice {
        /// The one that is read first.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
}

/// What is there beside a file that is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The same, as good or better.
    Copy,
    /// What it was made from.
    Sources,
    /// What was squeezed from it.
    Squeezed,
    /// An archive that was made from it.
    Archive,
}

fn others(count: usize) -> String {
    match count {
        1 => String::new(),
        2 => " and 1 other file".into(),
        count => format!(" and {} other files", count - 1),
    }
}

impl Beside {
    const fn why(self) -> &'static str {
        match self {
            Self::Copy => "a copy of it is there",
            Self::Sources => "what it was made from is there",
            Self::Squeezed => "a squeezed file that was made from it is there",
            Self::Archive => "an archive that was made from it is there",
        }
    }
}

impl Repeats {
    fn passed_over<'p>(mut paths: impl Iterator<Item = &'p Path>, beside: Beside) -> Option<Self> {
        let first = paths.next()?.to_path_buf();
        Some(Self::PassedOver { first, count: paths.count() + 1, beside })
    }
}

impl Journal {
    /// The journal without files that only tell of what others in it tell of. Of copies one is read. A segment of flows is passed over if
    /// all that it was made from is there, for events know more; what a segment of flows was made from is, if not all of that is there,
    /// and the segment has all of it. An archive is passed over if all that it was made from is there, and what it was made from if not, and it has all of that. That is told to `told`.
    ///
    /// Of the segments of flows that are left it is known from here on whether what they leave open is told by a later one.
    pub fn told_once(mut self, mut told: impl FnMut(Repeats)) -> Self {
        if self.files.len() < 2 {
            return self;
        }
        let passed_over = |paths: Vec<PathBuf>| {
            Repeats::passed_over(paths.iter().map(PathBuf::as_path), Beside::Copy).into_iter().for_each(&mut told);
        };
        self = self.without_copies(passed_over);
        if self.files.iter().any(Member::is_archive) {
            self = self.without_archived(&mut told);
        }
        if self.files.iter().any(Member::is_of_flows) {
            self = self.without_sources(&mut told);
        }
        self.twice().into_iter().for_each(told);
        self
    }

    /// The first two files that tell of the same, by what they were made from; parts of one archive tell of each row once.
    fn twice(&self) -> Option<Repeats> {
        // Segments of events alone never do.
        if !self.files.iter().any(Member::is_made) {
            return None;
        }
        let mut known: HashMap<Digest, (Option<String>, &Path)> = HashMap::new();
        for file in &self.files {
            let Some(Origin { export, digests }) = file.open().ok().and_then(|source| Origin::of(&source)) else {
                continue;
            };
            for digest in digests {
                let (other, first) = known.entry(digest).or_insert_with(|| (export.clone(), file.path()));
                if *first != file.path() && (export.is_none() || *other != export) {
                    return Some(Repeats::Twice { first: first.to_path_buf(), second: file.path().to_path_buf() });
                }
            }
        }
        None
    }

    /// The journal without archives beside all that they were made from, and without files beside an archive that has all of them.
    fn without_archived(mut self, told: &mut impl FnMut(Repeats)) -> Self {
        let mut named = Named::of(&self.files);
        let needless = named.take_needless();
        let archived = self.wholly_in(&named.archived());
        let paths = |are: &[bool]| {
            let files = self.files.iter().zip(are).filter(|(_, is)| **is);
            files.map(|(file, _)| file.path()).collect::<Vec<_>>()
        };
        for (beside, are) in [(Beside::Sources, &needless), (Beside::Archive, &archived)] {
            Repeats::passed_over(paths(are).into_iter(), beside).into_iter().for_each(&mut *told);
        }
        for (file, _) in self.files.iter().zip(&needless).filter(|(_, is)| **is) {
            // It could be read a moment ago.
            let Ok(source) = file.open() else { continue };
            source.parse().iter().for_each(|version| self.needless.add(file.path(), version));
        }
        let mut places = needless.into_iter().zip(archived);
        self.files.retain(|_| places.next() == Some((false, false)));
        self
    }

    /// Which files, by their places, are wholly in what was made from them, and has this header.
    fn wholly_in(&self, made: &[(usize, Header)]) -> Vec<bool> {
        let mut are_in = vec![false; self.files.len()];
        for (place, made) in made {
            let recorded = self.files.get(*place).and_then(|file| Recorded::of(&file.open().ok()?));
            if let Some(is_in) = are_in.get_mut(*place) {
                *is_in |= recorded.is_some_and(|recorded| recorded.is_wholly_in(made));
            }
        }
        are_in
    }

    /// The journal without files of flows beside what they were made from, and the other way round.
    fn without_sources(mut self, told: &mut impl FnMut(Repeats)) -> Self {
        let facts: Vec<_> = self.files.iter().map(|file| file.open().ok().and_then(|file| Facts::of(&file))).collect();
        let repeated = repeated(&self.files, &facts);
        for beside in [Beside::Sources, Beside::Squeezed] {
            let files = self.files.iter().zip(&facts).zip(&repeated).filter(|((_, facts), repeated)| {
                **repeated
                    && facts.as_ref().is_some_and(|facts| facts.made_from.is_empty() == (beside == Beside::Squeezed))
            });
            Repeats::passed_over(files.map(|((file, _), _)| file.path()), beside).into_iter().for_each(&mut *told);
        }
        let left = || facts.iter().zip(&repeated).filter(|(_, repeated)| !**repeated).map(|(facts, _)| facts);
        let gone_on_with: HashSet<Digest> = left().flatten().filter_map(|facts| facts.goes_on_with).collect();
        let files = self.files.into_iter().zip(&repeated).filter(|(_, repeated)| !**repeated).map(|(file, _)| file);
        self.files = files
            .zip(left())
            .map(|(mut file, facts)| {
                let digest = facts.as_ref().and_then(|facts| facts.own.digest());
                file.is_gone_on_with = digest.is_some_and(|digest| gone_on_with.contains(&digest));
                file
            })
            .collect();
        self
    }
}

/// Stands last in `filters` of a segment of flows whose inputs did not all record what its header names (docs/format.md,
/// "Header").
pub const UNEVEN: &str = "some of its inputs recorded less";

/// What a file was made from, and itself, as far as digests tell.
struct Origin {
    /// The export that it is a part of.
    export: Option<String>,
    digests: Vec<Digest>,
}

impl Origin {
    fn of(source: &Source) -> Option<Self> {
        Some(match source.parse().ok()? {
            Version::Three(segment) => {
                let own = segment.footer().map(|footer| footer.digest);
                let sources = segment.made_from().filter_map(|source| source.digest());
                Self { export: None, digests: sources.chain(own).collect() }
            }
            Version::Archive(archive) => {
                let sources = archive.about().sources.iter();
                let digests = sources.flat_map(|source| source.digest.iter().chain(&source.made_from));
                let digests = digests.filter_map(|digest| digest_of_hex(digest)).collect();
                Self { export: Some(archive.about().export.clone()), digests }
            }
            Version::Two(_) => return None,
        })
    }
}

/// What a file tells of itself.
struct Facts {
    /// What it is called where something was made from it.
    own: MadeFrom,
    made_from: Vec<MadeFrom>,
    /// The segment of flows before it.
    goes_on_with: Option<Digest>,
    recorded: Recorded,
}

/// What is in a file.
enum Recorded {
    /// What the header says.
    As(Box<Header>),
    /// Version 2: this protocol over IPv4.
    Version2(u8),
}

impl Facts {
    /// `None` if nobody can tell.
    fn of(source: &Source) -> Option<Self> {
        let version = source.parse().ok()?;
        let segment = match &version {
            Version::Three(segment) => segment,
            Version::Two(file) => {
                let own = MadeFrom::version_2(version.begun(), source.length());
                let recorded = Recorded::Version2(file.header().protocol);
                return Some(Self { own, made_from: Vec::new(), goes_on_with: None, recorded });
            }
            // Nothing is made from it that names it, and it names nothing itself.
            Version::Archive(_) => return None,
        };
        let header = segment.header().ok()?;
        let is_of_flows = header.content == Content::Flows;
        Some(Self {
            own: MadeFrom::segment(header, segment.footer(), source.length()),
            made_from: segment.made_from().copied().collect(),
            goes_on_with: header.previous.filter(|_| is_of_flows),
            recorded: Recorded::As(Box::new(header.clone())),
        })
    }

    /// Whether a segment that was made from this file has all that is in it.
    fn is_wholly_in(&self, made: &Self) -> bool {
        let Recorded::As(made) = &made.recorded else { return false };
        self.recorded.is_wholly_in(made)
    }
}

impl Recorded {
    /// `None` if nobody can tell.
    fn of(source: &Source) -> Option<Self> {
        Some(match source.parse().ok()? {
            Version::Two(file) => Self::Version2(file.header().protocol),
            version => Self::As(Box::new(version.header()?.clone())),
        })
    }

    /// Whether what was made from it, and has this header, has all of it.
    fn is_wholly_in(&self, made: &Header) -> bool {
        // That other files recorded less says nothing of this one.
        let filters = made.filters.strip_suffix(UNEVEN).unwrap_or(&made.filters).trim_end_matches("; ");
        let (families, protocols, own_filters) = match self {
            Self::As(own) => (own.families, own.protocols.as_slice(), own.filters.as_str()),
            Self::Version2(protocol) => (family_bit(Family::Ipv4), std::slice::from_ref(protocol), ""),
        };
        let has = |protocol| made.protocols.contains(protocol);
        let has_all = made.protocols.is_empty() || (!protocols.is_empty() && protocols.iter().all(has));
        filters == own_filters && families & !made.families == 0 && has_all
    }
}

/// Which of the files tell only of what others tell of.
fn repeated(files: &[Member], facts: &[Option<Facts>]) -> Vec<bool> {
    let known = facts.iter().enumerate().filter_map(|(place, facts)| Some((place, facts.as_ref()?)));
    let mut contents = Contents::of(files);
    let mut places: HashMap<_, Vec<usize>> = HashMap::new();
    for (place, facts) in known.clone() {
        places.entry(key(&facts.own)).or_default().push(place);
    }
    let mut repeated = vec![false; facts.len()];
    let mut in_part = Vec::new();
    for (place, facts) in known.filter(|(_, facts)| !facts.made_from.is_empty()) {
        let mut there = |source: &MadeFrom| -> Vec<usize> {
            let places = places.get(&key(source)).into_iter().flatten().copied();
            places.filter(|place| contents.may_be(*place, source)).collect()
        };
        let sources: Vec<_> = facts.made_from.iter().map(&mut there).collect();
        if sources.iter().all(|places| !places.is_empty()) {
            repeated[place] = true;
        } else {
            in_part.extend(sources.into_iter().flatten().map(|source| (source, facts)));
        }
    }
    for (source, made) in in_part {
        if facts.get(source).is_some_and(|facts| facts.as_ref().is_some_and(|facts| facts.is_wholly_in(made))) {
            repeated[source] = true;
        }
    }
    repeated
}

/// The digests of the bytes of files, of those for which somebody asks.
struct Contents<'f> {
    files: &'f [Member],
    known: HashMap<usize, Option<Digest>>,
}

impl<'f> Contents<'f> {
    fn of(files: &'f [Member]) -> Self {
        Self { files, known: HashMap::new() }
    }

    /// Whether the file at this place, which has the key of a source, is that source: of one without a footer only its bytes tell,
    /// if the source says what they were.
    fn may_be(&mut self, place: usize, source: &MadeFrom) -> bool {
        let Some(content) = source.content() else { return true };
        let digest = || {
            let source = self.files.get(place)?.open().ok()?;
            source.digest_to(source.length())
        };
        *self.known.entry(place).or_insert_with(digest) == Some(content)
    }
}

/// What tells one file from others: its digest, or where it has none, whose it is, and its length. See [`Contents::may_be`].
fn key(file: &MadeFrom) -> MadeFrom {
    let mut key = file.without_content();
    if key.digest().is_some() {
        key.length = 0.into();
    }
    key
}
