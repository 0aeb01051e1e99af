//! What damage may have taken away: when flows may have been alive that only lost records told of.

use ctrecorder_format::block::flags;
use ctrecorder_format::legacy::Piece;
use ctrecorder_format::{BlockHeader, Cause, Content, Damage, Fault, Note};

use super::coverage::Span;
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
    /// Events are missing that no reading has made up for yet.
    is_deaf: bool,
    /// What damage in this file took away, so much of it before the last reading, and, with their hosts, what damage in
    /// earlier ones did.
    here: Vec<Span>,
    read: usize,
    before: Vec<(String, Span)>,
    /// What a reading has ended.
    over: Vec<Span>,
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
        file.host().clone_into(&mut self.host);
        self.begun = file.begun();
        // Squeezed files name no flows that are alive.
        self.names_flows = file.content() == Content::Events;
        self.has_named = false;
    }

    /// Something in the file that is read could not be. Returned is when the lost records arrived, where the head of their
    /// block still tells.
    pub fn damage(&mut self, file: Option<&Member>, damage: &Damage) -> Option<Span> {
        let lost = by(file?, damage)?;
        let Span { from, to } = lost.alive;
        self.here.push(Span { from: from.max(self.named_from.min(to)), to });
        lost.arrived
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
            Some(Cause::ClockStep) if note.value.get() < 0 => {
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
            }
        }
    }

    /// The spans, in no order; up to `u64::MAX` where no reading ended one.
    pub fn finish(self) -> impl Iterator<Item = Span> {
        self.over.into_iter().chain(self.before.into_iter().map(|(_, lost)| lost)).chain(self.here)
    }
}

/// What some damage took away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lost {
    /// When flows may have been alive that only the lost records told of.
    alive: Span,
    /// When these arrived, if that is known.
    arrived: Option<Span>,
}

impl Lost {
    const fn unknown(from: u64) -> Self {
        Self { alive: Span { from, to: u64::MAX }, arrived: None }
    }
}

/// `None`: it took nothing, or, where an end was cut off, nothing of a time that the file covers.
fn by(file: &Member, damage: &Damage) -> Option<Lost> {
    if damage.records_lost == Some(0) || matches!(damage.fault, Fault::BehindFooter | Fault::CutOff(_)) {
        return None;
    }
    // It was open a moment ago; if it is not any more, nothing is known.
    let lost = file.open().ok().and_then(|source| source.parse().ok().map(|version| since(&version, damage)));
    Some(lost.unwrap_or(Lost::unknown(0)))
}

/// Of a file of flows that is from their begin on, of one of events from the last event before the damage on: an earlier
/// one has its record elsewhere.
fn since(version: &Version<'_>, damage: &Damage) -> Lost {
    let events = version.content() == Content::Events;
    let mut from = 0;
    match version {
        Version::Two(file) => {
            for piece in file.pieces() {
                match piece {
                    Piece::Record { offset, record } if offset < damage.offset => from = record.event_time(),
                    Piece::Record { .. } | Piece::Damage(_) => break,
                }
            }
        }
        Version::Archive(archive) => {
            let group = match damage.fault {
                Fault::Rows { group, .. } => archive.entry(group as usize),
                _ => None,
            };
            if let Some(group) = group {
                let is_known = |flag| group.flags & flag == 0;
                let from = if is_known(flags::START_UNKNOWN) { group.least_start.get() } else { 0 };
                let to = if is_known(flags::END_UNKNOWN) { group.greatest_end.get() } else { u64::MAX };
                return Lost { alive: Span { from, to }, arrived: None };
            }
        }
        Version::Three(segment) => {
            let has_head = matches!(damage.fault, Fault::Payload { .. } | Fault::Contradiction { .. });
            if let Some(head) = segment.head_at(damage.offset).filter(|_| has_head) {
                return of_block(head.header);
            }
            let before = segment.heads().filter_map(Result::ok).take_while(|head| head.offset < damage.offset);
            // What was damaged may be the other half of a batch, and tell of the same time as the half that is there.
            for head in before.filter(|head| !head.header.has(flags::CONTINUES)) {
                from = from.max(head.header.last_event.get());
            }
        }
    }
    Lost::unknown(if events { from } else { 0 })
}

/// A whole block, by its head (docs/format.md, "Times of a block").
const fn of_block(block: &BlockHeader) -> Lost {
    let from = if block.has(flags::START_UNKNOWN) { 0 } else { block.least_start.get() };
    let to = if block.has(flags::END_UNKNOWN) { u64::MAX } else { block.greatest_end.get() };
    let arrived = Span { from: block.first_event.get(), to: block.last_event.get() };
    Lost { alive: Span { from, to }, arrived: Some(arrived) }
}
