//! Which files are there twice: the same file by two paths, or a copy of it, perhaps of an earlier day.

use std::collections::{HashMap, HashSet};

use ctrecorder_format::{Content, Digest};

use crate::journal::{Journal, Recorder, Source, Version};

/// Finds the files that others make needless. Pairing would take what comes again for something new.
pub(super) struct Copies<'j> {
    journal: &'j Journal,
    /// By what each file is known, those that are known so: each with its place among the files, and how good a copy it is.
    known: HashMap<Known, Vec<(usize, Merit)>>,
}

/// What all copies of a file have in common.
#[derive(PartialEq, Eq, Hash)]
enum Known {
    /// A segment of events: its run, number and tag. A copy that was made while it was being written is a shorter one.
    Segment(Recorder, u64, u32),
    /// Any other segment that was closed.
    Digest(Digest),
    /// Of others the bytes have to be compared. These have as many, and were begun at the same time.
    Bytes(u64, u64),
}

/// The better copy is the one that was closed, and of others the longer one.
type Merit = (bool, u64);

impl<'j> Copies<'j> {
    pub(super) fn of(journal: &'j Journal) -> Self {
        Self { journal, known: HashMap::new() }
    }

    /// The file at this place is this one.
    pub(super) fn add(&mut self, place: usize, source: &Source, version: &Version<'_>) {
        let footer = if let Version::Three(segment) = version { segment.footer() } else { None };
        let bytes = Known::Bytes(source.length(), version.begun());
        let known = match (version, version.header(), footer) {
            (Version::Three(_), Some(header), _) if header.content == Content::Events => {
                Known::Segment(Recorder::of(header), header.segment_number, header.tag)
            }
            (Version::Three(_), Some(_), Some(footer)) => Known::Digest(footer.digest),
            _ => bytes,
        };
        self.known.entry(known).or_default().push((place, (footer.is_some(), source.length())));
    }

    /// The places of the files that are needless.
    pub(super) fn repeated(self) -> HashSet<usize> {
        let mut repeated = HashSet::new();
        for (known, mut files) in self.known.into_iter().filter(|(_, files)| files.len() > 1) {
            if let Known::Bytes(..) = known {
                repeated.extend(same_bytes(self.journal, files.iter().map(|(place, _)| *place)));
                continue;
            }
            // Of equal ones the first.
            files.sort_by_key(|(place, merit)| (std::cmp::Reverse(*merit), *place));
            repeated.extend(files.iter().skip(1).map(|(place, _)| *place));
        }
        repeated
    }
}

/// Those of some files that have the bytes of one before them.
fn same_bytes(journal: &Journal, places: impl Iterator<Item = usize>) -> Vec<usize> {
    let (mut kept, mut repeated): (Vec<Source>, _) = (Vec::new(), Vec::new());
    for place in places {
        let Some(source) = journal.files().get(place).and_then(|file| file.open().ok()) else { continue };
        if kept.iter().any(|other| other.bytes() == source.bytes()) {
            repeated.push(place);
        } else {
            kept.push(source);
        }
    }
    repeated
}
