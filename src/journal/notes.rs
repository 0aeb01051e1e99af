//! The notes of a segment, wherever in it they are.

use ctrecorder_format::{BlockKind, Note, Segment, Uptime};

use super::has_sane_directory;
use super::runs::notes;

/// The last that a segment says of for how long the machine had been up.
pub(crate) fn last_uptime(segment: &Segment<'_>) -> Option<Uptime> {
    let last = |notes: Vec<Note>| notes.iter().filter_map(Uptime::of).next_back();
    match stretches_of_notes(segment) {
        // What was made of a segment that was cut off has further notes behind the last one of that.
        Some(stretches) => stretches.into_iter().rev().find_map(|stretch| last(notes_in(segment, stretch))),
        None => last(notes_of(segment)),
    }
}

/// All notes of a segment, in their order.
pub(crate) fn notes_of(segment: &Segment<'_>) -> Vec<Note> {
    match stretches_of_notes(segment) {
        Some(stretches) => stretches.into_iter().flat_map(|stretch| notes_in(segment, stretch)).collect(),
        None => segment.heads().filter_map(Result::ok).flat_map(notes).collect(),
    }
}

/// Blocks among which are some of notes: where they begin, the number of the first, and how many.
type Stretch = (u64, u32, u32);

/// These of a segment, by its directory; `None` if that does not tell.
fn stretches_of_notes(segment: &Segment<'_>) -> Option<Vec<Stretch>> {
    const NOTES: u8 = 1 << BlockKind::Notes as u8;
    let footer = segment.footer().filter(|_| has_sane_directory(segment))?;
    let mut sequence = 0_u32;
    let stretches = footer.directory.iter().map(|entry| {
        let own = sequence;
        sequence = sequence.wrapping_add(entry.blocks.get());
        (entry.kinds & NOTES != 0, (entry.offset.get(), own, entry.blocks.get()))
    });
    Some(stretches.filter(|(has_notes, _)| *has_notes).map(|(_, stretch)| stretch).collect())
}

fn notes_in(segment: &Segment<'_>, (offset, sequence, blocks): Stretch) -> Vec<Note> {
    let heads = segment.heads_from(segment.place(offset, sequence));
    heads.take(blocks as usize).filter_map(Result::ok).flat_map(notes).collect()
}
