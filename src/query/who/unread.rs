//! Files that could not be read: may one of them matter?

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::recorder::Recorder;
use super::survey::Recorded;
use crate::journal::Journal;
use crate::query::coverage::{Extent, Span};

/// Which recorder's files lie in each directory.
#[derive(Debug, Default)]
pub(super) struct Directories<'j> {
    /// The recorder's number; `None` where there are those of several.
    whose: HashMap<&'j Path, Option<usize>>,
}

impl<'j> Directories<'j> {
    pub(super) fn of(journal: &'j Journal, recorded: &[Recorded]) -> Self {
        let mut whose = HashMap::new();
        for (number, recorder) in recorded.iter().enumerate() {
            // Of one of which nothing can be read nobody knows whose it is.
            let readable = recorder.files.iter().filter(|file| file.extent != Extent::UNKNOWN);
            let files = readable.filter_map(|file| journal.files().get(file.place));
            for directory in files.filter_map(|file| file.path().parent()) {
                let known = whose.entry(directory).or_insert(Some(number));
                *known = known.filter(|other| *other == number);
            }
        }
        Self { whose }
    }
}

/// The files that could not be read.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// The recorders, by their numbers, among whose files some lie; `None`: some may be anybody's.
    whose: BTreeSet<Option<usize>>,
}

impl Unread {
    /// What these paths may have been.
    pub(super) fn of<'p>(paths: impl IntoIterator<Item = &'p Path>, directories: &Directories<'_>) -> Self {
        let whose = |path: &'p Path| {
            // What is not there, and a whole directory, may have held anything.
            let directory = path.parent().filter(|_| path.is_file())?;
            directories.whose.get(directory).copied().flatten()
        };
        Self { whose: paths.into_iter().map(whose).collect() }
    }

    /// Whether one of them may tell of a time. Among the files of one recorder that are numbered, and all there of that time, it
    /// is none of them.
    pub(super) fn may_tell_of(&self, span: Span, recorders: &[Recorder]) -> bool {
        let may_tell = |whose: &Option<usize>| {
            whose.and_then(|number| recorders.get(number)).is_none_or(|recorder| !recorder.is_numbered_in(span))
        };
        self.whose.iter().any(may_tell)
    }
}
