//! Goes through the files of a journal, and says what is to be done next, not far ahead of what is being read.

use ctrecorder_format::{Damage, legacy};

use super::super::keyframe::{OpenRecords, State};
use super::super::lanes::Lane;
use super::super::opened::Opened;
use super::super::{Error, Journal, Version};
use super::Select;
use super::divide::{Division, place_of_entry};
use super::leg::{Leg, Standing};
use super::parcel::{Parcel, Part};

/// What is to be done next with a journal.
pub(super) enum Task<P> {
    /// A file begins.
    Begin { file: Opened, is_gone_on_with: bool },
    /// A file goes on that was read in part.
    Resume { file: Opened, keyframes: State },
    /// A file, of so many bytes, cannot be read at all.
    Failed { error: Error, length: u64 },
    /// A parcel.
    Read(P),
    /// A walk finds this between two parcels.
    Damage { file: Opened, damage: Damage },
    /// The end of a file of version 2, where no whole record fits any more.
    Rest { file: Opened, place: legacy::Place },
    /// A file is at its end. If more may follow one day, that will be at this place.
    End { file: Opened, place: Option<Standing> },
    /// There is no more of a file by now that would stay as it is, however it grows.
    Pause { file: Opened, place: Standing },
}

impl<P> Task<P> {
    /// The same task with something else made of its parcel.
    pub(super) fn map<Q>(self, make: impl FnOnce(P) -> Q) -> Task<Q> {
        match self {
            Self::Begin { file, is_gone_on_with } => Task::Begin { file, is_gone_on_with },
            Self::Resume { file, keyframes } => Task::Resume { file, keyframes },
            Self::Failed { error, length } => Task::Failed { error, length },
            Self::Read(parcel) => Task::Read(make(parcel)),
            Self::Damage { file, damage } => Task::Damage { file, damage },
            Self::Rest { file, place } => Task::Rest { file, place },
            Self::End { file, place } => Task::End { file, place },
            Self::Pause { file, place } => Task::Pause { file, place },
        }
    }
}

/// What is to be gone through.
#[derive(Clone, Copy)]
pub(super) enum Way<'p> {
    Journal(&'p Journal),
    Lane(&'p Lane),
    Legs(&'p [Leg]),
}

impl Way<'_> {
    /// When the first file was begun, ns since the epoch; 0 if nobody has looked.
    pub(super) const fn begun(self) -> u64 {
        match self {
            Way::Lane(lane) => lane.begun,
            Way::Journal(_) | Way::Legs(_) => 0,
        }
    }

    /// What nothing in the file with this number counts as later than, ns since the epoch.
    pub(super) fn latest(self, number: usize) -> u64 {
        match self {
            Way::Lane(lane) => lane.latest.get(number).copied().unwrap_or(u64::MAX),
            Way::Journal(_) | Way::Legs(_) => u64::MAX,
        }
    }

    /// Opens the file with this number. `None` behind the last one.
    fn open(self, number: usize) -> Option<Opening> {
        let opened = match self {
            Way::Journal(journal) | Way::Lane(Lane { journal, .. }) => {
                let member = journal.files().get(number)?;
                let opened = member.open().map_err(|error| (error, 0)).and_then(Opened::new);
                Some(opened.map(|file| Division::of(file, number).gone_on_with(member.is_gone_on_with)))
            }
            Way::Legs(legs) => legs.get(number)?.open(number),
        };
        Some(match opened {
            Some(Ok(division)) => Opening::Opened(division),
            Some(Err((error, length))) => Opening::Failed { error, length },
            None => Opening::Nothing,
        })
    }
}

/// What comes of opening a file.
enum Opening {
    Opened(Division),
    Failed {
        error: Error,
        length: u64,
    },
    /// There is nothing of it yet.
    Nothing,
}

/// Goes through a journal.
pub(super) struct Planner<'p, F> {
    way: Way<'p>,
    select: &'p F,
    which: OpenRecords,
    /// The number of the file that comes next, from 0.
    next: usize,
    present: Option<Division>,
}

impl<'p, F: Select> Planner<'p, F> {
    pub(super) const fn new(way: Way<'p>, select: &'p F, which: OpenRecords) -> Self {
        Self { way, select, which, next: 0, present: None }
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
            let opening = self.way.open(self.next)?;
            self.next += 1;
            match opening {
                Opening::Opened(division) => {
                    let is_new = self.which == OpenRecords::New;
                    self.present = Some(if is_new { division.without_open_told_later() } else { division });
                }
                Opening::Failed { error, length } => return Some(Task::Failed { error, length }),
                Opening::Nothing => {}
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

    /// Goes back to a place that a walk through a file of version 2 has come to, from the beginning of a parcel. What was
    /// planned behind it is void. If it `waits` there, what comes next is not sure yet.
    pub(super) fn go_on_from(&mut self, parcel: &Parcel, place: legacy::Place, waits: bool) {
        self.go_back(parcel.number, Division::from_record(parcel, place, waits));
    }

    fn go_back(&mut self, number: usize, division: Division) {
        self.present = Some(division);
        self.next = number + 1;
    }
}
