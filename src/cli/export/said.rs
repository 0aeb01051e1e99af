//! What each file of an export says of the journal: the notes of its time, and the inputs that its flows came from.

use ctrecorder_format::{Cause, Note};

use crate::archive::{NoteText, SourceFile};
use crate::query::coverage::Span;

/// So many stretches of damage are named in a file; all are counted.
const DAMAGE_NAMED: usize = 100;

/// The notes of a journal. Each stands in every file of whose time it tells, so that a file says the same of its time wherever
/// others are missing; readers take what several files of an export say for one note.
#[derive(Default)]
pub(super) struct Notes {
    notes: Vec<Told>,
    /// Up to here files that are ended tell, ns since the epoch.
    ended: u64,
}

/// A note, and in which files it stands.
struct Told {
    note: Note,
    /// Of which time it tells, together with the gap or the account that belongs to it.
    span: Span,
    /// The numbers of the files that have it whatever they tell of: that which was written when it came, and for one that tells of
    /// files that were ended before, all that were written then.
    files: Vec<u64>,
}

impl Notes {
    /// Takes a note. `open` are the numbers of the files that are written, that which was used last behind the others.
    pub(super) fn take(&mut self, note: &Note, open: &[u64]) {
        let mut span = span_of(note);
        if note.cause() == Some(Cause::Account) {
            // Without it a gap says another number, and without its gaps it says that of others. They came shortly before it.
            let is_before = |told: &&mut Told| told.note.is_gap() && told.span.to < note.from.get();
            let is_told = |told: &&mut Told| {
                told.note.is_gap() && (note.from.get()..=note.to.get()).contains(&told.note.from.get())
            };
            let latest = self.notes.iter_mut().rev().take_while(|told| !is_before(told));
            let mut gaps: Vec<_> = latest.filter(is_told).collect();
            span = gaps.iter().fold(span, |span, gap| span.joined(gap.span));
            gaps.iter_mut().for_each(|gap| gap.span = span);
        }
        let is_late = span.from <= self.ended;
        let files = if is_late { open } else { open.last().map(std::slice::from_ref).unwrap_or_default() };
        self.notes.push(Told { note: *note, span, files: files.to_vec() });
    }

    /// What the file with this number says, which tells of this span.
    pub(super) fn of(&self, file: u64, span: Span) -> Vec<NoteText> {
        let is_of = |told: &&Told| told.span.meets(span) || told.files.contains(&file);
        self.notes.iter().filter(is_of).map(|told| NoteText::of(&told.note)).collect()
    }

    /// A file is ended that tells up to this moment.
    pub(super) fn ended(&mut self, to: u64) {
        self.ended = self.ended.max(to);
    }
}

/// Of which time a note tells. Where the clock was set, that is all that it showed twice, or never.
fn span_of(note: &Note) -> Span {
    let (from, to) = (note.from.get(), note.to.get());
    let [before, after] = note.clock_shown().unwrap_or([from, to]);
    Span { from: from.min(before).min(after), to: from.max(to).max(before).max(after) }
}

/// What a file of the journal is, and what was not to be read of what it was made from.
#[derive(Clone, Debug, Default)]
pub(super) struct Input {
    pub(super) file: SourceFile,
    /// Stretches that could not be read.
    pub(super) damaged: u64,
    /// Records that were lost with them, as far as that is known.
    pub(super) records_lost: u64,
}

/// What was read for a file.
#[derive(Default)]
pub(super) struct Read {
    pub(super) sources: Vec<SourceFile>,
    /// The number of the last of these in the journal.
    last: Option<usize>,
    pub(super) damage: Vec<String>,
    pub(super) damaged: u64,
    pub(super) records_lost: u64,
}

impl Read {
    /// Nothing but what these files left open.
    pub(super) fn behind(sources: Vec<SourceFile>) -> Self {
        Self { sources, ..Self::default() }
    }

    /// Whether the last input is the one with this number.
    pub(super) fn is_of(&self, number: Option<usize>) -> bool {
        self.last == number
    }

    /// Something of it comes from the input with this number in the journal. `is_first`: nothing else did.
    pub(super) fn source(&mut self, number: usize, input: Option<&Input>, is_first: bool) {
        self.last = Some(number);
        self.sources.extend(input.map(|input| {
            // It may be long, and is told once.
            let made_from = if is_first { input.file.made_from.clone() } else { Vec::new() };
            SourceFile { made_from, ..input.file.clone() }
        }));
        if let Some(input) = input.filter(|_| is_first) {
            self.damaged += input.damaged;
            self.records_lost = self.records_lost.saturating_add(input.records_lost);
        }
    }

    /// Something could not be read, and so many records, as far as that is known.
    pub(super) fn damage(&mut self, what: &str, records_lost: u64) {
        self.damaged += 1;
        self.records_lost = self.records_lost.saturating_add(records_lost);
        if self.damage.len() < DAMAGE_NAMED {
            self.damage.push(what.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::NS_PER_SECOND;

    use super::*;

    const fn span(from: u64, to: u64) -> Span {
        Span { from, to }
    }

    fn lost(notes: &[NoteText]) -> Vec<Option<u64>> {
        notes.iter().map(|note| note.lost).collect()
    }

    #[test]
    fn a_note_stands_in_every_file_of_whose_time_it_tells() {
        let mut notes = Notes::default();
        notes.take(&Note::gap(15, 25, 1, Cause::KernelOverrun), &[0]);
        notes.take(&Note::gap(31, 31, 2, Cause::KernelOverrun), &[0, 1]);
        let of = |file, from, to| lost(&notes.of(file, span(from, to)));
        assert_eq!(of(0, 0, 9), [Some(1)], "it was written then");
        assert_eq!(of(1, 10, 19), [Some(1), Some(2)]);
        assert_eq!(of(2, 20, 29), [Some(1)]);
        assert_eq!(of(3, 30, 39), [Some(2)]);
        assert!(of(4, 40, 49).is_empty());
    }

    #[test]
    fn what_tells_of_files_that_are_ended_stands_in_all_that_are_not() {
        let mut notes = Notes::default();
        notes.ended(19);
        notes.take(&Note::gap(5, 6, 1, Cause::Damaged), &[2, 3]);
        notes.take(&Note::gap(25, 26, 2, Cause::Damaged), &[2, 3]);
        assert_eq!(lost(&notes.of(2, span(50, 60))), [Some(1)]);
        assert_eq!(lost(&notes.of(3, span(50, 60))), [Some(1), Some(2)]);
    }

    #[test]
    fn an_account_and_its_gaps_stand_beside_each_other() {
        let mut notes = Notes::default();
        notes.take(&Note::gap(10, 11, 1, Cause::KernelOverrun), &[0]);
        notes.take(&Note::gap(22, 23, 2, Cause::KernelOverrun), &[0]);
        notes.take(&Note::gap(10, 24, 9, Cause::Account), &[0]);
        assert_eq!(lost(&notes.of(1, span(20, 29))), [Some(1), Some(2), Some(9)]);
        assert!(notes.of(2, span(30, 39)).is_empty());
    }

    #[test]
    fn a_clock_that_was_set_is_told_of_all_that_it_showed_twice_or_never() {
        const SECOND: u64 = NS_PER_SECOND;
        let mut notes = Notes::default();
        notes.take(&Note::clock_step(20 * SECOND, -5 * SECOND.cast_signed()), &[0]);
        notes.take(&Note::clock_step(90 * SECOND, 30 * SECOND.cast_signed()), &[0]);
        let spans = notes.notes.iter().map(|told| span_of(&told.note));
        let spans: Vec<_> = spans.map(|span| (span.from / SECOND, span.to / SECOND)).collect();
        assert_eq!(spans, [(18, 25), (60, 90)]);
        assert_eq!(notes.of(1, span(24 * SECOND, 30 * SECOND)).len(), 1);
        assert_eq!(notes.of(2, span(55 * SECOND, 65 * SECOND)).len(), 1);
    }
}
