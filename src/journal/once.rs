//! Which files tell of the same flows: segments of flows, and what they were made from. docs/format.md, section "Sources".

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use ctrecorder_format::header::family_bit;
use ctrecorder_format::{Content, Digest, Family, Header, MadeFrom};

use super::{Journal, Member, Shown, Source, Version};

/// Files that are passed over since others tell of the same. It says so in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{} passed over: {}", Shown(first), others(*count), self.why())]
pub struct Repeats {
    first: PathBuf,
    count: usize,
    /// They are of flows, and what they were made from is there; else what was made from them.
    are_of_flows: bool,
}

fn others(count: usize) -> String {
    match count {
        1 => String::new(),
        2 => " and 1 other file".into(),
        count => format!(" and {} other files", count - 1),
    }
}

impl Repeats {
    const fn why(&self) -> &'static str {
        if self.are_of_flows {
            "what it was made from is there"
        } else {
            "a squeezed file that was made from it is there"
        }
    }

    fn of<'p>(mut paths: impl Iterator<Item = &'p Path>, are_of_flows: bool) -> Option<Self> {
        let first = paths.next()?.to_path_buf();
        Some(Self { first, count: paths.count() + 1, are_of_flows })
    }
}

impl Journal {
    /// The journal without files that only tell of what others in it tell of: a segment of flows is passed over if all that it
    /// was made from is there, for events know more; what a segment of flows was made from is, if not all of that is there, and
    /// the segment has all of it. That is told to `told`.
    ///
    /// Of the segments of flows that are left it is known from here on whether what they leave open is told by a later one.
    pub fn told_once(mut self, mut told: impl FnMut(Repeats)) -> Self {
        if self.files.len() < 2 || !self.files.iter().any(Member::is_of_flows) {
            return self;
        }
        let facts: Vec<_> = self.files.iter().map(|file| file.open().ok().and_then(|file| Facts::of(&file))).collect();
        let repeated = repeated(&facts);
        for are_of_flows in [true, false] {
            let files = self.files.iter().zip(&facts).zip(&repeated).filter(|((_, facts), repeated)| {
                **repeated && facts.as_ref().is_some_and(|facts| facts.made_from.is_empty() != are_of_flows)
            });
            Repeats::of(files.map(|((file, _), _)| file.path()), are_of_flows).into_iter().for_each(&mut told);
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
        // That other files recorded less says nothing of this one.
        let filters = made.filters.strip_suffix(UNEVEN).unwrap_or(&made.filters).trim_end_matches("; ");
        let (families, protocols, own_filters) = match &self.recorded {
            Recorded::As(own) => (own.families, own.protocols.as_slice(), own.filters.as_str()),
            Recorded::Version2(protocol) => (family_bit(Family::Ipv4), std::slice::from_ref(protocol), ""),
        };
        let has = |protocol| made.protocols.contains(protocol);
        let has_all = made.protocols.is_empty() || (!protocols.is_empty() && protocols.iter().all(has));
        filters == own_filters && families & !made.families == 0 && has_all
    }
}

/// Which of the files tell only of what others tell of.
fn repeated(files: &[Option<Facts>]) -> Vec<bool> {
    let known = files.iter().enumerate().filter_map(|(place, facts)| Some((place, facts.as_ref()?)));
    let mut places: HashMap<_, Vec<usize>> = HashMap::new();
    for (place, facts) in known.clone() {
        places.entry(key(&facts.own)).or_default().push(place);
    }
    let mut repeated = vec![false; files.len()];
    let mut in_part = Vec::new();
    for (place, facts) in known.filter(|(_, facts)| !facts.made_from.is_empty()) {
        let sources = facts.made_from.iter().map(|source| places.get(&key(source)).map_or(&[][..], Vec::as_slice));
        if sources.clone().all(|places| !places.is_empty()) {
            repeated[place] = true;
        } else {
            in_part.extend(sources.flatten().map(|source| (*source, facts)));
        }
    }
    for (source, made) in in_part {
        if files.get(source).is_some_and(|facts| facts.as_ref().is_some_and(|facts| facts.is_wholly_in(made))) {
            repeated[source] = true;
        }
    }
    repeated
}

/// What tells one file from others: its digest, or where it has none, whose it is, and its length.
fn key(file: &MadeFrom) -> MadeFrom {
    let mut key = *file;
    if key.digest().is_some() {
        key.length = 0.into();
    }
    key
}
