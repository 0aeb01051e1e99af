//! What damage may have taken away: when flows may have been alive that only lost records told of.

use ctrecorder_format::block::flags;
use ctrecorder_format::legacy::Piece;
use ctrecorder_format::{BlockHeader, Cause, Content, Damage, Fault, Note};

use super::coverage::{Gap, Span};
use crate::journal::{Member, Version};

/// Gathers, file by file in their order, when flows may have been alive that only lost records told of.
///
/// A whole reading of the kernel's table names every flow that is alive: what was lost in earlier files ends there, and what
/// is lost in later ones tells of no flow that was over before that file.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    /// The host that recorded the file that is read, empty if that is not known, and when the file was begun.
    host: String,
    begun: u64,
    /// Whether its readings name the flows that are alive, and whether one of them did.
    names_flows: bool,
    has_named: bool,
    /// When the last file before it was begun in which a whole reading is; 0 if there is none.
    named_from: u64,
    /// Since when what this file lost may have been alive, once that was asked for.
    since: Option<Since>,
    /// Events are missing that no reading has made up for yet.
    is_deaf: bool,
    /// What damage in this file took away, so much of it before the last reading, and, with their hosts, what damage in
    /// earlier ones did.
    here: Vec<Span>,
    read: usize,
    before: Vec<(String, Span)>,
    /// What a reading has ended.
    over: Vec<Span>,
    /// What the clock showed twice, since it was set back.
    twice: Vec<Span>,
}

impl Losses {
    /// Of files that go on where earlier ones of this host left these spans: no reading has ended them yet.
    pub fn after(host: &str, lost: Vec<Span>) -> Self {
        Self { before: lost.into_iter().map(|lost| (host.to_owned(), lost)).collect(), ..Self::default() }
    }

    /// A file begins.
    pub fn begin(&mut self, file: &Version<'_>) {
        self.before.extend(self.here.drain(..).map(|lost| (self.host.clone(), lost)));
        self.read = 0;
        if self.has_named {
            self.named_from = self.begun;
        }
        // A clock that was set back, and another recorder, prove nothing.
        if file.host().is_empty() || file.host() != self.host || file.begun() < self.named_from {
            self.named_from = 0;
        }
        // No note tells of what happened to the clock between two runs.
        if file.host() == self.host && file.begun() < self.begun {
            self.twice.push(Span { from: file.begun(), to: self.begun });
        }
        file.host().clone_into(&mut self.host);
        self.begun = file.begun();
        // Squeezed files name no flows that are alive.
        self.names_flows = file.content() == Content::Events;
        self.has_named = false;
        self.since = None;
    }

    /// Something in the file that is read could not be. Returned is the gap that this makes, where the head of a block still tells
    /// when the lost records arrived: what heads do not tell is in what a [`Reading`](super::coverage::Reading) says of the file.
    pub fn damage(&mut self, file: Option<&Member>, damage: &Damage) -> Option<Gap> {
        let file = file?;
        if took_nothing(damage) {
            return None;
        }
        // It was open a moment ago; if it is not any more, nothing is known.
        let lost = self.of(file, damage).unwrap_or(Lost::unknown(0));
        let Span { from, to } = lost.alive;
        self.here.push(Span { from: from.max(self.named_from.min(to)), to });
        lost.arrived
    }

    /// What some damage in the file that is read took away; `None` if that cannot be opened.
    fn of(&mut self, file: &Member, damage: &Damage) -> Option<Lost> {
        let may_have_head =
            matches!(damage.fault, Fault::Payload { .. } | Fault::Contradiction { .. } | Fault::Rows { .. });
        if let Some(since) = self.since.as_ref().filter(|_| !may_have_head) {
            return Some(Lost::unknown(since.before(damage.offset)));
        }
        let source = file.open().ok()?;
        let version = source.parse().ok()?;
        let of_head = by_head(&version, damage);
        Some(of_head.unwrap_or_else(|| {
            Lost::unknown(self.since.get_or_insert_with(|| Since::of(&version)).before(damage.offset))
        }))
    }

    /// A note of the file that is read. Whether it says that all flows alive by its `to` have a record in this file before it
    /// (docs/format.md, "The table").
    pub fn note(&mut self, note: &Note) -> bool {
        self.is_deaf |= note.is_gap();
        if note.cause() == Some(Cause::TableRead) {
            self.read_again(note.from.get());
        }
        match note.cause() {
            // Else the records of flows that are alive may be among those that are lost.
            Some(Cause::TableRead) if self.names_flows && self.here.is_empty() => {
                self.has_named = true;
                self.table_read(note.to.get());
                true
            }
            _ if note.sets_back() => {
                self.twice.extend(note.clock_shown().map(|[before, after]| Span { from: after, to: before }));
                (self.named_from, self.has_named) = (0, false);
                false
            }
            _ => false,
        }
    }

    /// A reading tells of what began since this moment, unheard in a gap: such starts may be among what was lost since the one
    /// before, and their flows began long before the times that these have.
    fn read_again(&mut self, since: u64) {
        if std::mem::take(&mut self.is_deaf) {
            let lost = self.here.iter_mut().skip(self.read);
            lost.for_each(|lost| lost.from = lost.from.min(since));
        }
        self.read = self.here.len();
    }

    fn table_read(&mut self, moment: u64) {
        let is_of_another = |host: &str| !host.is_empty() && !self.host.is_empty() && host != self.host;
        for (host, lost) in std::mem::take(&mut self.before) {
            if is_of_another(&host) {
                self.before.push((host, lost));
            } else if lost.from <= moment {
                self.over.push(Span { to: lost.to.min(moment), ..lost });
            } else if self.is_twice(moment) && self.is_twice(lost.from) {
                self.over.push(Span { from: moment, to: lost.from });
            } else {
                // What was lost later, in a file of another recorder of this host.
                self.before.push((host, lost));
            }
        }
    }

    fn is_twice(&self, moment: u64) -> bool {
        self.twice.iter().any(|twice| twice.meets(Span { from: moment, to: moment }))
    }

    /// The spans, in no order; up to `u64::MAX` where no reading ended one. What meets a time that the clock showed twice is all of
    /// that: which of the two was meant, and for how long a flow lived meanwhile, nobody can say.
    pub fn finish(self) -> impl Iterator<Item = Span> {
        let twice = Span::apart(self.twice);
        let lost = self.over.into_iter().chain(self.before.into_iter().map(|(_, lost)| lost)).chain(self.here);
        lost.map(move |lost| {
            twice.iter().filter(|twice| twice.meets(lost)).fold(lost, |lost, twice| lost.joined(*twice))
        })
    }
}

/// What some damage took away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lost {
    /// When flows may have been alive that only the lost records told of.
    alive: Span,
    /// The gap between the arrivals of these, if that is known.
    arrived: Option<Gap>,
}

impl Lost {
    const fn unknown(from: u64) -> Self {
        Self { alive: Span { from, to: u64::MAX }, arrived: None }
    }
}

/// Whether it took nothing, or, where an end was cut off, nothing of a time that the file covers.
const fn took_nothing(damage: &Damage) -> bool {
    matches!(damage.records_lost, Some(0)) || matches!(damage.fault, Fault::BehindFooter | Fault::CutOff(_))
}

/// What the head of a block that is damaged says of it, or what an archive says of a group of rows. `None`: nothing does.
fn by_head(version: &Version<'_>, damage: &Damage) -> Option<Lost> {
    match (version, &damage.fault) {
        (Version::Three(segment), Fault::Payload { .. } | Fault::Contradiction { .. }) => {
            Some(of_block(segment.head_at(damage.offset)?.header, damage.records_lost))
        }
        (Version::Archive(archive), Fault::Rows { group, .. }) => {
            let group = archive.entry(*group as usize)?;
            let is_known = |flag| group.flags & flag == 0;
            let from = if is_known(flags::START_UNKNOWN) { group.least_start.get() } else { 0 };
            let to = if is_known(flags::END_UNKNOWN) { group.greatest_end.get() } else { u64::MAX };
            Some(Lost { alive: Span { from, to }, arrived: None })
        }
        _ => None,
    }
}

/// When what some damage took away had arrived, where the head of a block or the directory of an archive still tells.
pub fn arrived(file: &Version<'_>, damage: &Damage) -> Option<Span> {
    let arrived = match (file, &damage.fault) {
        (Version::Archive(archive), Fault::Rows { group, .. }) => {
            let group = archive.entry(*group as usize)?;
            Span { from: group.first_event.get(), to: group.last_event.get() }
        }
        _ => by_head(file, damage)?.arrived?.span(),
    };
    Some(arrived).filter(|arrived| arrived.from > 0)
}

/// Since when flows of a file may have been alive that only records told of which nothing tells of any more.
#[derive(Clone, Debug, Default)]
struct Since {
    /// The places of the file that cannot be read, in order, each with the time of the last event before it. All are found in
    /// one walk: a walk for each of them would take a time that grows with the square of their number.
    places: Vec<(u64, u64)>,
}

impl Since {
    /// Of a file of flows that is from their begin on, of one of events from the last event before the damage on: an earlier
    /// one has its record elsewhere.
    fn of(version: &Version<'_>) -> Self {
        if version.content() == Content::Flows {
            return Self::default();
        }
        let mut from = 0;
        let mut places = Vec::new();
        match version {
            // Behind the first damage, what seems to be a record may be none.
            Version::Two(file) => {
                for piece in file.pieces() {
                    match piece {
                        Piece::Record { record, .. } => from = record.event_time(),
                        Piece::Damage(damage) => {
                            places.push((damage.offset, from));
                            break;
                        }
                    }
                }
            }
            Version::Three(segment) => {
                for head in segment.heads() {
                    match head {
                        // What was damaged may be the other half of a batch, and tell of the same time as the half that is there.
                        Ok(head) if head.header.has(flags::CONTINUES) => {}
                        Ok(head) => from = from.max(head.header.last_event.get()),
                        Err(damage) => places.push((damage.offset, from)),
                    }
                }
            }
            Version::Archive(_) => {}
        }
        Self { places }
    }

    /// That of damage at this offset; 0 if nothing is known.
    fn before(&self, offset: u64) -> u64 {
        let count = self.places.partition_point(|(place, _)| *place <= offset);
        self.places.get(..count).and_then(<[_]>::last).map_or(0, |(_, from)| *from)
    }
}

/// A whole block, by its head (docs/format.md, "Times of a block").
const fn of_block(block: &BlockHeader, lost: Option<u64>) -> Lost {
    let from = if block.has(flags::START_UNKNOWN) { 0 } else { block.least_start.get() };
    let to = if block.has(flags::END_UNKNOWN) { u64::MAX } else { block.greatest_end.get() };
    Lost { alive: Span { from, to }, arrived: Some(Gap::of_block(block, lost)) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ctrecorder_format::{Cause, Closing, Header, Writer};

    use super::*;
    use crate::journal::{Journal, Source};

    /// Blocks of one note each, of the times 10, 20, 30 and so on; the heads of those at these places are damaged.
    fn segment(blocks: u64, damaged: &[usize]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), &Header::blank(Content::Events)).unwrap();
        for number in 1..=blocks {
            writer.note(&Note::at(10 * number, Cause::Quiet));
            writer.seal();
        }
        writer.finish(Closing::Stopped, 10 * blocks + 5).unwrap();
        writer.write_out().unwrap();
        let mut bytes = writer.output().clone();
        let segment = ctrecorder_format::Segment::open(&bytes).unwrap();
        let offsets: Vec<_> = segment.heads().map(|head| head.unwrap().offset as usize).collect();
        damaged.iter().for_each(|number| bytes[offsets[*number]] ^= 1);
        bytes
    }

    /// The file is gone behind the first damage: that the others are told of all the same shows that it is not gone through
    /// for each of them.
    #[test]
    fn one_walk_tells_of_all_damage_of_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0");
        fs::write(&path, segment(9, &[2, 4, 5, 7])).unwrap();
        let journal = Journal::find(std::slice::from_ref(&path), |error| panic!("{error}"));
        let source = Source::open(&path).unwrap();
        let version = source.parse().unwrap();
        let Version::Three(segment) = &version else { panic!("a segment") };
        let damages: Vec<_> = segment.heads().filter_map(Result::err).collect();
        assert_eq!(damages.len(), 3, "{damages:#?}");
        let mut losses = Losses::default();
        losses.begin(&version);
        for damage in &damages {
            losses.damage(journal.files().first(), damage);
            let _ = fs::remove_file(&path);
        }
        let from: Vec<_> = losses.clone().finish().map(|lost| lost.from).collect();
        assert_eq!(from, [20, 40, 70]);
        // What was known of one file says nothing of the next one.
        losses.begin(&version);
        losses.damage(journal.files().first(), &damages[2]);
        assert_eq!(losses.finish().last(), Some(Span { from: 0, to: u64::MAX }));
    }

    #[test]
    fn damage_at_a_place_that_the_walk_does_not_know_is_taken_for_an_earlier_one() {
        let since = Since { places: vec![(100, 5), (200, 7)] };
        assert_eq!([99, 100, 150, 200, 900].map(|offset| since.before(offset)), [0, 5, 5, 7, 7]);
    }
}
