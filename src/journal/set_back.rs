//! That the clock was set back while no recorder ran, or in a segment that is not there: no note tells of it.

use std::collections::HashMap;

use ctrecorder_format::header::VERSION;
use ctrecorder_format::{Cause, Content, Header, MadeFrom, Note, Segment, Uptime};

use super::notes::last_uptime;
use super::runs::first_notes;
use super::{Recorder, Version, told_to};
use crate::archive::{About, Place};

/// The clock showed times again, of which no note tells. Both are ns since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetBack {
    /// Up to when the journal had told.
    pub(crate) reached: u64,
    /// From when on it tells behind that, which is before `reached`.
    pub(crate) begun: u64,
}

impl SetBack {
    /// The note that would have told of it.
    pub(crate) fn note(self) -> Note {
        let by = i64::try_from(self.reached.saturating_sub(self.begun)).unwrap_or(i64::MAX);
        Note::clock_step(self.begun, by.saturating_neg())
    }
}

/// Follows the files of a journal, in their order. What was made of segments knows how the clock was set between them.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetBacks {
    /// A segment of events, or a file that was made of such.
    last: Option<Last>,
    /// That is a file that was made of such: another recorder may have recorded beside those.
    was_made: bool,
    /// Of each run, by its boot id and its start, the number of the last segment that files were made of.
    made_of: HashMap<([u8; 16], u64), u64>,
}

/// The file that was read last.
#[derive(Clone, Debug)]
struct Last {
    /// The run of a segment of events and its number, where these are known.
    place: Option<(Recorder, u64)>,
    /// Up to when it tells, ns since the epoch.
    reached: u64,
    /// For how long the machine had been up by the last that a segment of events tells of that.
    uptime: Option<Uptime>,
}

impl Last {
    const fn of_made(reached: u64) -> Self {
        Self { place: None, reached, uptime: None }
    }

    /// Whether the clock was set back before the next file was begun at this moment, which tells for how long the machine had been up then, or
    /// some time later. Set back by less than it went on, it shows a later time.
    fn set_back(&self, begun: u64, up: Option<Uptime>) -> Option<SetBack> {
        let reached = self.gone_on(up);
        let shows_less = |up: Uptime| up.moment.saturating_add(Note::CLOCK_STEP_MIN_NS) < reached;
        let is_set_back = begun < self.reached || up.is_some_and(shows_less);
        is_set_back.then_some(SetBack { reached, begun })
    }

    /// Up to when the clock may have gone before it was set back, by what the next file tells of when it was begun: nobody recorded meanwhile.
    fn gone_on(&self, begun: Option<Uptime>) -> u64 {
        let same = self.uptime.zip(begun).filter(|(ended, begun)| begun.is_behind(*ended));
        let passed = same.map_or(0, |(ended, begun)| {
            let up = ended.up.saturating_add(self.reached.saturating_sub(ended.moment));
            begun.up.saturating_sub(up)
        });
        self.reached.saturating_add(passed)
    }
}

/// A segment of events by its run, which is told by the boot id and by when that was started, and by its number there.
type Numbered = ([u8; 16], u64, u64);

impl SetBacks {
    /// At the begin.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Behind something of no known run that tells up to this moment, and last of all for how long the machine had been up.
    pub(crate) fn after(reached: u64, uptime: Option<Uptime>) -> Self {
        Self { last: Some(Last { uptime, ..Last::of_made(reached) }), ..Self::default() }
    }

    /// A file begins: what happened to the clock before it, if that is so.
    pub(crate) fn follow(&mut self, file: &Version<'_>) -> Option<SetBack> {
        match file {
            Version::Two(_) => None,
            Version::Three(segment) => {
                let header = segment.header().ok()?;
                match header.content {
                    Content::Events => self.events(header, segment),
                    Content::Flows => self.flows(header, segment),
                }
            }
            Version::Archive(archive) => self.archived(archive.header(), archive.about(), archive.notes()),
        }
    }

    fn events(&mut self, header: &Header, segment: &Segment<'_>) -> Option<SetBack> {
        let (place, begun) = (place(header), header.created);
        let told_to = told_to(header, segment);
        let was_made = std::mem::take(&mut self.was_made);
        let next = Last { place: Some(place.clone()), reached: told_to, uptime: last_uptime(segment) };
        let last = self.last.replace(next)?;
        let follows =
            last.place.as_ref().is_some_and(|(run, number)| (run, number.checked_add(1)) == (&place.0, Some(place.1)));
        let own = numbered(&MadeFrom::segment(header, None, 0));
        let is_known = follows || own.is_some_and(|own| self.goes_on(own));
        let notes: Vec<_> = first_notes(segment).collect();
        let may_be_beside = was_made && !notes.iter().any(is_told_by);
        let is_looked_at = !is_known && !may_be_beside && !self.is_between(begun, told_to);
        last.set_back(begun, notes.iter().find_map(Uptime::of)).filter(|_| is_looked_at)
    }

    fn flows(&mut self, header: &Header, segment: &Segment<'_>) -> Option<SetBack> {
        // One that goes on with another one tells what happened to the clock between them.
        let is_first = header.previous.is_none() && first_notes(segment).any(|note| is_told_by(&note));
        self.made(header.created, told_to(header, segment), is_first, segment.made_from().map(numbered))
    }

    fn archived(&mut self, header: &Header, about: &About, notes: &[Note]) -> Option<SetBack> {
        if about.is_of_open {
            return None;
        }
        // So do the files of one archive.
        let is_first = (about.earlier, about.part) == (0, 0) && notes.iter().any(is_told_by);
        let sources = about.sources.iter().filter(|source| source.open_of().is_none());
        let numbers = sources.map(|source| source.place.as_ref().and_then(Place::numbered).filter(is_told));
        self.made(header.created, about.ended.unwrap_or(about.to), is_first, numbers)
    }

    /// A file that was made of these segments, and tells of the time from `begun` up to `reached`. `is_first`: it goes on with no other one,
    /// and says that the clock was set back before it, as it may also be of a recorder beside another one.
    fn made(
        &mut self,
        begun: u64,
        reached: u64,
        is_first: bool,
        sources: impl Iterator<Item = Option<Numbered>>,
    ) -> Option<SetBack> {
        // Of what nobody knows where it comes from, nobody knows what comes behind it.
        let known = sources.collect::<Option<Vec<_>>>().filter(|sources| !sources.is_empty());
        let before = std::mem::replace(&mut self.last, known.as_ref().map(|_| Last::of_made(reached)));
        self.was_made = true;
        let known = known?;
        let goes_on = known.first().is_some_and(|first| self.goes_on(*first)) || self.is_between(begun, reached);
        for (boot_id, started, number) in known {
            let last = self.made_of.entry((boot_id, started)).or_default();
            *last = number.max(*last);
        }
        let before = before.filter(|_| is_first && !goes_on)?.reached;
        (begun < before).then_some(SetBack { reached: before, begun })
    }

    /// Whether what tells of this time was over before a run began that files were made of: then these may leave it out.
    fn is_between(&self, begun: u64, reached: u64) -> bool {
        self.made_of.keys().any(|(_, started)| begun < *started && reached <= *started)
    }

    /// Whether a file was made of this segment, or of the one before it.
    fn goes_on(&self, (boot_id, started, number): Numbered) -> bool {
        self.made_of.get(&(boot_id, started)).is_some_and(|last| number <= last.saturating_add(1))
    }
}

/// Whether a note says that the run before had ended at a time that was still to come.
fn is_told_by(note: &Note) -> bool {
    note.cause() == Some(Cause::NotRunning) && note.from == note.to
}

/// Which segment of events this is; `None` if it is none, or does not tell.
fn numbered(source: &MadeFrom) -> Option<Numbered> {
    let own = (source.boot_id, source.recorder_started.get(), source.segment_number.get());
    Some(own).filter(|own| source.version.get() == VERSION && is_told(own))
}

/// Files of version 2 have no boot id, and those whose header is damaged.
fn is_told((boot_id, ..): &Numbered) -> bool {
    *boot_id != [0; 16]
}

fn place(header: &Header) -> (Recorder, u64) {
    (Recorder::of(header), header.segment_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_by_less_than_it_went_on_was_set_back() {
        const SECOND: u64 = Note::CLOCK_STEP_MIN_NS;
        let ended = Uptime { moment: 98 * SECOND, up: 48 * SECOND, boot: 7 };
        let last = Last { uptime: Some(ended), ..Last::of_made(100 * SECOND) };
        // For how long the machine had been up is told when the file is begun, or behind that.
        let is_set_at = |begun, later: u64, up: Option<(u64, u64)>| {
            let up = up.map(|(boot, up)| Uptime { moment: (begun + later) * SECOND, up: (up + later) * SECOND, boot });
            let set_back = last.set_back(begun * SECOND, up);
            set_back.map(|told| (told.reached / SECOND - later, told.begun / SECOND))
        };
        let is_set = |begun, up| is_set_at(begun, 0, up);
        for later in [0, 20] {
            assert_eq!(is_set_at(110, later, Some((7, 80))), Some((130, 110)));
            assert_eq!([129, 130, 150].map(|begun| is_set_at(begun, later, Some((7, 80)))), [None; 3]);
            assert_eq!(is_set_at(90, later, Some((7, 80))), Some((130, 90)));
        }
        // Of another start of the machine, or earlier, it tells nothing.
        assert_eq!([is_set(110, Some((8, 80))), is_set(110, Some((7, 40))), is_set(110, None)], [None; 3]);
        assert_eq!(is_set(90, Some((8, 80))), Some((100, 90)));
    }

    /// A file that was begun and told up to then; whether it is the first; of segments of these runs with these numbers.
    type Made = (u64, u64, bool, &'static [(u8, u64)]);

    /// Whether the clock is taken to have been set back before each of these files.
    fn is_set_back(files: &[Made]) -> Vec<bool> {
        let mut set_backs = SetBacks::new();
        let seen = files.iter().map(|(begun, reached, is_first, sources)| {
            let numbered = sources.iter().map(|(run, number)| Some(([*run; 16], 5, *number)).filter(is_told));
            set_backs.made(*begun, *reached, *is_first, numbered).is_some()
        });
        seen.collect()
    }

    #[test]
    fn what_was_over_when_a_run_began_was_left_out_of_what_was_made_of_that() {
        let mut set_backs = SetBacks::new();
        let mut made = |begun, reached, runs: &[u64]| {
            let numbered = runs.iter().map(|started| Some(([1; 16], *started, 0)));
            set_backs.made(begun, reached, true, numbered).is_some()
        };
        assert!(!made(10, 100, &[10, 80]));
        assert!(!made(60, 70, &[60]), "between the two runs");
        assert!(!made(80, 100, &[80]));
        assert!(made(75, 90, &[75]), "as the second one was there");
    }

    #[test]
    fn what_was_made_of_segments_of_another_run_was_begun_by_another_clock() {
        let first: Made = (50, 100, true, &[(1, 0), (1, 1)]);
        assert_eq!(is_set_back(&[first, (100, 200, true, &[(2, 0)])]), [false, false]);
        assert_eq!(is_set_back(&[first, (60, 200, true, &[(2, 0)])]), [false, true]);
        assert_eq!(is_set_back(&[first, (60, 200, false, &[(2, 0)])]), [false, false], "it tells that itself");
        assert_eq!(is_set_back(&[first, (60, 200, true, &[(1, 3)])]), [false, true], "a segment is missing");
        let others: [&[_]; 3] = [&[(1, 0)], &[(1, 1)], &[(1, 2)]];
        for other in others {
            assert_eq!(is_set_back(&[first, (60, 200, true, other)]), [false, false], "another choice: {other:?}");
        }
        assert_eq!(
            is_set_back(&[first, (60, 80, true, &[(0, 0)]), (70, 90, true, &[(3, 0)])]),
            [false; 3],
            "not known"
        );
    }
}
