//! The first whole reading of the kernel's table in the inputs of an output: what the output says by it of flows that it does not name
//! (docs/format.md, "The first reading").

use ctrecorder_format::{Cause, Content, Damage, Fault, Header, Note};

use super::recorded::records_all_of;
use crate::journal::{UNEVEN, Version};

/// Looks for it, input by input.
#[derive(Debug)]
pub(super) struct FirstRead {
    /// The header of the output, as long as there is nothing to be said; `None`: it is said, or never will be.
    sought_by: Option<Header>,
    here: Here,
    /// What a squeezed input says of its own, until all of that was read.
    waiting: Option<Note>,
}

/// What the input that is read can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    /// Nothing, or nothing any more.
    Nothing,
    /// It is of events: each of its readings says which flows were alive.
    Events,
    /// It is of flows: one of its notes says so.
    Flows,
}

impl FirstRead {
    /// For an output with this header. One that holds what a filter kept tells nothing of flows that it does not name.
    pub(super) fn of(output: Header) -> Self {
        let tells_of_all = output.filters.is_empty() || output.filters == UNEVEN;
        Self { sought_by: Some(output).filter(|_| tells_of_all), here: Here::Nothing, waiting: None }
    }

    /// An input begins. Returned is what the one before it says, if this is the first one to say so.
    pub(super) fn begin(&mut self, file: &Version<'_>) -> Option<Note> {
        let said = self.end();
        let its = self.sought_by.as_ref().zip(file.header()).filter(|(output, own)| names_all_of(own, output));
        self.here = match (its, file) {
            (None, _) | (_, Version::Two(_)) => Here::Nothing,
            (Some((_, own)), _) if own.content == Content::Events => Here::Events,
            (_, Version::Three(segment)) if segment.footer().is_some() => Here::Flows,
            (_, Version::Archive(archive)) if archive.about().part == 0 && archive.about().is_last => Here::Flows,
            _ => Here::Nothing,
        };
        said
    }

    /// A note of the input. Returned is what it says, if it is the first one to say so.
    pub(super) fn note(&mut self, note: &Note) -> Option<Note> {
        match (note.cause(), self.here) {
            (Some(Cause::TableRead), Here::Events) => self.say(Some(first_read(note))),
            (Some(Cause::FirstRead), Here::Flows) => {
                self.waiting = self.waiting.or(Some(*note));
                None
            }
            _ => None,
        }
    }

    /// Something of the input could not be read: a flow that was alive may be among that.
    pub(super) fn damage(&mut self, damage: &Damage) {
        let is_cut_off = matches!(damage.fault, Fault::CutOff(_)) && self.here == Here::Events;
        if damage.records_lost != Some(0) && !is_cut_off {
            (self.here, self.waiting) = (Here::Nothing, None);
        }
    }

    /// The inputs are at their end. Returned is what the last one says, if it is the first one to say so.
    pub(super) fn end(&mut self) -> Option<Note> {
        let waiting = self.waiting.take();
        self.say(waiting)
    }

    fn say(&mut self, note: Option<Note>) -> Option<Note> {
        let note = note.filter(|_| self.sought_by.is_some())?;
        (self.sought_by, self.here) = (None, Here::Nothing);
        Some(note)
    }
}

/// Whether an input names all flows of its time that its output would: of the same network namespace and machine, by all that these
/// recorded.
fn names_all_of(input: &Header, output: &Header) -> bool {
    let is_known = !input.host.is_empty() && input.namespace != 0;
    let is_same = input.host == output.host && input.namespace == output.namespace;
    let tells_of_all = input.filters.is_empty() || input.filters == UNEVEN;
    is_known && is_same && tells_of_all && input.may_be_of_machine(output.machine) && records_all_of(input, output)
}

/// What a reading says, as the first one.
fn first_read(note: &Note) -> Note {
    let mut first = Note::gap(note.from.get(), note.to.get(), 0, Cause::FirstRead);
    first.value = note.value;
    first
}
