//! The parts into which the reading of a file is divided, and the reading of one.

use std::ops::Range;
use std::sync::Arc;

use ctrecorder_format::Place;
use ctrecorder_format::legacy::{self, Endpoints};

use super::super::Version;
use super::super::opened::Opened;
use super::entries::Entries;
use super::found::Found;
use super::reading::Reading;
use super::ruled_out::RuledOut;
use super::{Search, Select, group};

/// A part of a file that can be read by itself.
pub(super) struct Parcel {
    pub(super) file: Opened,
    /// The number of the file in its journal, from 0.
    pub(super) number: usize,
    /// Where it ends: bytes from the start of the file.
    pub(super) end: u64,
    pub(super) part: Part,
    /// What need not be read of blocks that a walk found.
    pub(super) ruled_out: Arc<RuledOut>,
    /// The file may yet grow: what is at its end may turn out to be something else.
    pub(super) grows: bool,
}

/// What is in a [`Parcel`].
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// The blocks of these entries of a segment's directory, the first of which has the number `sequence`.
    Entries { entries: Range<usize>, sequence: u32 },
    /// So many blocks that a walk found at this place.
    Blocks { place: Place, count: u32 },
    /// The records of a file of version 2 between two places.
    Records { place: legacy::Place, end: legacy::Place },
    /// A group of rows of an archive.
    Group(usize),
}

/// What a parcel holds.
pub(super) enum Content {
    /// This, as a walk through the file would find it that came to its beginning.
    Regular(Found),
    /// Something that only a walk through the file from there on can tell.
    Irregular,
}

impl Parcel {
    /// Reads it.
    pub(super) fn read<F: Select>(&self, select: &F) -> Content {
        match (&self.part, self.file.version()) {
            (Part::Entries { entries, sequence }, Version::Three(segment)) => {
                let ruled_out = &RuledOut::by_entries(select, self.file.source(), segment, entries.clone())
                    .with_open(self.ruled_out.has_open());
                let directory = segment.footer().map_or(&[][..], |footer| footer.directory);
                let reading = Entries { select, ruled_out, file: &self.file, segment, directory };
                reading.read(entries.clone(), *sequence).map_or(Content::Irregular, Content::Regular)
            }
            (Part::Blocks { place, count }, Version::Three(segment)) => {
                let mut reading = Reading::new(select, &self.ruled_out, Found::default());
                // A walk found them there; should somebody change the file meanwhile, that is what can be read of it.
                reading.blocks(segment, *place, *count);
                Content::Regular(reading.finish())
            }
            (Part::Records { place, end }, Version::Two(file)) => {
                let whole = self.grows.then(|| file.whole_from(*place));
                let file = whole.as_ref().unwrap_or(file);
                select.by_endpoints(Records { select, file, place: *place, end: *end })
            }
            (Part::Group(group), Version::Archive(archive)) => Content::Regular(group::read(select, archive, *group)),
            // A parcel is of its own file.
            (Part::Entries { .. } | Part::Blocks { .. }, Version::Two(_) | Version::Archive(_))
            | (Part::Records { .. }, Version::Three(_) | Version::Archive(_))
            | (Part::Group(_), Version::Two(_) | Version::Three(_)) => Content::Irregular,
        }
    }
}

/// The search for the wanted records of version 2 between two places.
struct Records<'r, 'a, F> {
    select: &'r F,
    file: &'r legacy::File<'a>,
    place: legacy::Place,
    end: legacy::Place,
}

impl<F: Select> Search for Records<'_, '_, F> {
    type Found = Content;

    fn of(self, may_match: impl Fn(&Endpoints<'_>) -> bool) -> Content {
        let mut found = Found::default();
        let is_regular = self.file.select(self.place, self.end, may_match, |record| {
            if self.select.matches(&record) {
                found.ipv4.records.push(record);
            }
        });
        found.step_ipv4(found.ipv4.records.len(), false);
        if is_regular { Content::Regular(found) } else { Content::Irregular }
    }
}
