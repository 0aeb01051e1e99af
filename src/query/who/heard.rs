//! Since when anything was heard of what a journal tells.

use std::collections::HashMap;

use ctrecorder_format::header::VERSION;
use ctrecorder_format::{Closing, Content, Digest, MadeFrom, Segment};

use crate::archive::{About, Place};
use crate::journal::Version;

/// Follows the files of a journal, in their order. Nothing was heard before the first of its recorders was started; and that a flow
/// began later, which was heard then, is told by its start. That holds as long as of each run all segments are told of up to the last
/// one: where one is missing, or damaged, nobody knows how the clock was set in it, and of a flow that began there a later
/// one may tell any start.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Nothing was heard before this moment, ns since the epoch; 0 if that is not known. `None` before the first file.
    from: Option<u64>,
    /// Of each run, by its boot id and its start, the number that its next segment has.
    next: HashMap<([u8; 16], u64), u64>,
    /// The last segment of flows: another one may go on with it.
    last: Option<Digest>,
    /// The last file of an archive: how many exports came before its own, its number there, and whether it is the last one.
    part: Option<(u64, u64, bool)>,
}

impl Heard {
    /// A file begins.
    pub(super) fn begin(&mut self, file: &Version<'_>) {
        // A network namespace may be recorded from a moment on that the clock shows before the start of its recorder.
        let created = || file.header().map_or(0, |header| header.created);
        // A later run that seems to have been started before that was so by a clock that was set back since.
        let before = self.from;
        let first = |started: u64| before.unwrap_or_else(|| started.min(created()));
        self.from = Some(self.follow(file).map_or(0, first));
    }

    /// Something could not be read, now or when the files were made: the clock may have been set there.
    pub(super) const fn damage(&mut self) {
        self.from = Some(0);
    }

    /// Nothing was heard before this moment, ns since the epoch; 0 if that is not known.
    pub(super) fn from(&self) -> u64 {
        self.from.unwrap_or(0)
    }

    /// When the first of the runs was started of which a file tells, ns since the epoch; `None` if that is not known of all of them, or
    /// something is missing between them.
    fn follow(&mut self, file: &Version<'_>) -> Option<u64> {
        match file {
            Version::Two(_) => None,
            Version::Three(segment) => self.segment(segment),
            Version::Archive(archive) => self.archived(archive.about()),
        }
    }

    fn segment(&mut self, segment: &Segment<'_>) -> Option<u64> {
        let header = segment.header().ok()?;
        if header.content == Content::Events {
            return self.source(&MadeFrom::segment(header, None, 0));
        }
        // It may have flows that were heard by the one that it goes on with.
        let last = std::mem::replace(&mut self.last, segment.footer().map(|footer| footer.digest));
        let is_behind_missing = header.previous.is_some_and(|previous| Some(previous) != last);
        let mut sources = segment.made_from().filter(|_| !is_behind_missing);
        let first = self.source(sources.next()?)?;
        sources.try_fold(first, |first, source| self.source(source).map(|_| first))
    }

    /// What a segment of flows was made from.
    fn source(&mut self, source: &MadeFrom) -> Option<u64> {
        let MadeFrom { boot_id, recorder_started, segment_number, version, .. } = *source;
        let is_of_events = version.get() == VERSION && source.closing() != Some(Closing::Complete);
        is_of_events.then(|| self.told((boot_id, recorder_started.get(), segment_number.get())))?
    }

    fn archived(&mut self, about: &About) -> Option<u64> {
        let before = self.part.replace((about.earlier, about.part, about.is_last));
        let is_next = match before {
            // What an export left open.
            Some(before) if about.is_of_open => before.0 == about.earlier && before.2,
            Some((earlier, part, false)) => (earlier, part.checked_add(1)) == (about.earlier, Some(about.part)),
            Some((earlier, _, true)) if about.earlier > 0 => {
                earlier.checked_add(1) == Some(about.earlier) && about.part == 0
            }
            _ => (about.earlier, about.part, about.is_of_open) == (0, 0, false),
        };
        // A later file has flows of all that was read for those before.
        let sources = about.sources.iter().filter(|source| source.open_of().is_none());
        let known = is_next.then_some(None);
        let first = sources.fold(known, |first, source| {
            let place = source.place.as_ref().filter(|_| source.made_from.is_empty());
            let started = self.told(place.and_then(Place::numbered)?)?;
            Some(first?.or(Some(started)))
        });
        Some(first?.unwrap_or(u64::MAX))
    }

    /// A segment of events is told of, with this boot id, start and number. Returned is the start, unless one before it is not told of.
    fn told(&mut self, (boot_id, started, number): ([u8; 16], u64, u64)) -> Option<u64> {
        let next = self.next.entry((boot_id, started)).or_default();
        // Those of files of version 2, and where a header is damaged.
        let is_known = boot_id != [0; 16] && number <= *next;
        *next = (*next).max(number.saturating_add(1));
        is_known.then_some(started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::SourceFile;

    /// A file of an archive that is made from segments of these runs, by their starts, with these numbers.
    fn file(earlier: u64, part: u64, is_last: bool, sources: &[(u64, u64)]) -> About {
        let source = |(started, number): &(u64, u64)| {
            let run = format!("{:032x}-{started}", 7);
            let place = Some(Place { run, number: *number, next_from: 0 });
            SourceFile { segment: Some(*number), place, ..SourceFile::default() }
        };
        About { earlier, part, is_last, sources: sources.iter().map(source).collect(), ..About::default() }
    }

    /// When the first of the runs was started of each of the files.
    fn told(files: &[About]) -> Vec<Option<u64>> {
        let mut heard = Heard::default();
        files.iter().map(|file| heard.archived(file)).collect()
    }

    #[test]
    fn archives_tell_of_all_segments_or_of_none() {
        let first = file(0, 0, false, &[(50, 0), (50, 1)]);
        let second = file(0, 1, true, &[(50, 1), (40, 0)]);
        let open = About { is_of_open: true, ..file(1, 0, true, &[]) };
        let third = file(1, 0, true, &[(50, 2)]);
        let all = [first.clone(), second.clone(), third.clone(), open];
        assert_eq!(told(&all), [Some(50), Some(50), Some(50), Some(u64::MAX)]);
        assert_eq!(told(&[first.clone(), third]), [Some(50), None], "the end of an export is missing");
        assert_eq!(told(&[file(0, 1, true, &[(50, 0)])]), [None], "its begin is");
        assert_eq!(told(&[first.clone(), file(0, 2, true, &[(50, 2)])]), [Some(50), None], "a file is");
        assert_eq!(told(&[first.clone(), second, file(2, 0, true, &[])]), [Some(50), Some(50), None], "an export is");
        for (number, expected) in [(1, None), (0, Some(60))] {
            assert_eq!(told(&[file(0, 0, true, &[(60, number)])]), [expected], "segment {number} is the first");
        }
        let mut squeezed = first.clone();
        squeezed.sources[1].made_from = vec!["7".into()];
        let mut older = first;
        older.sources[1].place = None;
        assert_eq!([told(&[squeezed]), told(&[older])], [[None], [None]]);
    }
}
