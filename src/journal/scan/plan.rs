//! Goes through the files of a journal, and says what is to be done next, not far ahead of what is being read.

use ctrecorder_format::{Damage, legacy};

use super::super::opened::Opened;
use super::super::{Error, Journal, Version};
use super::Select;
use super::divide::{Division, place_of_entry};
use super::parcel::{Parcel, Part};

/// What is to be done next with a journal.
pub(super) enum Task<P> {
    /// A file begins.
    Begin(Opened),
    /// A file, of so many bytes, cannot be read at all.
    Failed { error: Error, length: u64 },
    /// A parcel.
    Read(P),
    /// A walk finds this between two parcels.
    Damage { file: Opened, damage: Damage },
    /// The end of a file of version 2, where no whole record fits any more.
    Rest { file: Opened, place: legacy::Place },
    /// A file is at its end.
    End(Opened),
}

impl<P> Task<P> {
    /// The same task with something else made of its parcel.
    pub(super) fn map<Q>(self, make: impl FnOnce(P) -> Q) -> Task<Q> {
        match self {
            Self::Begin(file) => Task::Begin(file),
            Self::Failed { error, length } => Task::Failed { error, length },
            Self::Read(parcel) => Task::Read(make(parcel)),
            Self::Damage { file, damage } => Task::Damage { file, damage },
            Self::Rest { file, place } => Task::Rest { file, place },
            Self::End(file) => Task::End(file),
        }
    }
}

/// Goes through a journal.
pub(super) struct Planner<'p, F> {
    journal: &'p Journal,
    select: &'p F,
    /// The number of the file that comes next, from 0.
    next: usize,
    present: Option<Division>,
}

impl<'p, F: Select> Planner<'p, F> {
    pub(super) const fn new(journal: &'p Journal, select: &'p F) -> Self {
        Self { journal, select, next: 0, present: None }
    }

    /// What comes next; `None` at the end of the journal.
    pub(super) fn next(&mut self) -> Option<Task<Parcel>> {
        loop {
            if let Some(present) = &mut self.present {
                match present.next(self.select) {
                    Some(task) => return Some(task),
                    None => self.present = None,
                }
            }
            let file = self.journal.files().get(self.next)?;
            let number = self.next;
            self.next += 1;
            let opened = file.open().map_err(|error| (error, 0)).and_then(Opened::new);
            match opened {
                Ok(file) => self.present = Some(Division::of(file, number)),
                Err((error, length)) => return Some(Task::Failed { error, length }),
            }
        }
    }

    /// Goes back to the beginning of a parcel of blocks that is not regular: from there on its file is divided by walking.
    /// What was planned behind it is void.
    pub(super) fn walk_from(&mut self, parcel: &Parcel) {
        if let (Part::Entries { entries, sequence }, Version::Three(segment)) = (&parcel.part, parcel.file.version()) {
            let place = place_of_entry(segment, entries.start, *sequence);
            self.go_back(parcel.number, Division::from_block(parcel, place));
        }
    }

    /// Goes back to a place that a walk through a file of version 2 has come to. What was planned behind it is void.
    pub(super) fn go_on_from(&mut self, file: &Opened, number: usize, place: legacy::Place) {
        self.go_back(number, Division::from_record(file.clone(), number, place));
    }

    fn go_back(&mut self, number: usize, division: Division) {
        self.present = Some(division);
        self.next = number + 1;
    }
}
