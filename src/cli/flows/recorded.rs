//! What the inputs recorded, and when: one may hold TCP, and another one all there is.

use ctrecorder_format::header::family_bit;
use ctrecorder_format::{Family, Header, Note, Recorded};

use crate::journal::UNEVEN;
use crate::query::coverage::{Reading, Span, complement};

/// What inputs recorded, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Recordings {
    /// Each once for what is recorded without a pause.
    told: Vec<Recording>,
    /// An input was made of others that recorded less, and does not tell when.
    is_unknown: bool,
}

/// What was recorded from when to when.
#[derive(Clone, Debug)]
struct Recording {
    families: u8,
    /// None: all of them.
    protocols: Vec<u8>,
    span: Span,
}

impl Recordings {
    /// What one input tells, by its header, and by its notes if it was made of others.
    pub(super) fn of(header: &Header, reading: &Reading) -> Self {
        let mut all = Self::default();
        for (Recorded { families, protocol }, span) in reading.recorded() {
            all.add(Recording { families, protocols: protocol.into_iter().collect(), span });
        }
        all.is_unknown = all.told.is_empty() && is_uneven(header);
        if all.told.is_empty() {
            let span = reading.span().unwrap_or(Span { from: header.created, to: header.created });
            all.add(Recording { families: header.families, protocols: header.protocols.clone(), span });
        }
        all
    }

    /// Adds what further inputs tell.
    pub(super) fn join(&mut self, other: Self) {
        self.is_unknown |= other.is_unknown;
        other.told.into_iter().for_each(|recording| self.add(recording));
    }

    /// One run of a recorder has thousands of segments, each of which begins where the one before it ended.
    fn add(&mut self, next: Recording) {
        let is_one = |last: &&mut Recording| {
            (last.families, &last.protocols) == (next.families, &next.protocols) && last.span.meets(next.span)
        };
        match self.told.last_mut().filter(is_one) {
            Some(last) => last.span = last.span.joined(next.span),
            None => self.told.push(next),
        }
    }

    /// Whether something was not recorded all the time of what a header names.
    pub(super) fn lack(&self, header: &Header) -> bool {
        self.is_unknown || self.told.iter().any(|recording| recording.lacks(header))
    }

    /// Whether something that a header names was not recorded at some time of which they tell.
    pub(super) fn miss(&self, header: &Header) -> bool {
        let all = Span::apart(self.told.iter().map(|recording| recording.span).collect());
        let families = [Family::Ipv4, Family::Ipv6].into_iter().filter(|family| header.has_family(*family));
        let any = header.protocols.is_empty().then_some(None);
        let mut kinds = families.flat_map(|family| {
            let protocols = any.into_iter().chain(header.protocols.iter().copied().map(Some));
            protocols.map(move |protocol| (family, protocol))
        });
        let is_missed = |(family, protocol)| {
            let its = self.told.iter().filter(|recording| recording.has(family, protocol));
            let mut its: Vec<_> = its.map(|recording| recording.span).collect();
            its.sort_unstable();
            all.iter().any(|span| !complement(its.iter().copied(), span.from, span.to).is_empty())
        };
        self.is_unknown || kinds.any(is_missed)
    }

    /// When what was recorded, if that was not always all that a header names, or `is_turned`: the clock was set back, so that the
    /// first and the last time of all are not the least and the greatest.
    pub(super) fn notes(&self, header: &Header, is_turned: bool) -> Vec<Note> {
        if self.is_unknown || !(is_turned || self.lack(header)) {
            return Vec::new();
        }
        self.told.iter().flat_map(Recording::notes).collect()
    }
}

/// Whether a file says that some of what it was made from recorded less.
pub(super) fn is_uneven(header: &Header) -> bool {
    header.filters.contains(UNEVEN)
}

/// Whether a file with this header holds all that the other one names.
pub(super) fn records_all_of(header: &Header, other: &Header) -> bool {
    is_all_of(header.families, &header.protocols, other)
}

/// Whether these families and protocols (none: all of them) are all that a header names.
fn is_all_of(families: u8, protocols: &[u8], header: &Header) -> bool {
    let has_protocols = protocols.is_empty()
        || (!header.protocols.is_empty() && header.protocols.iter().all(|protocol| protocols.contains(protocol)));
    header.families & !families == 0 && has_protocols
}

impl Recording {
    /// Whether flows of this protocol are among it; of all protocols, without one.
    fn has(&self, family: Family, protocol: Option<u8>) -> bool {
        let has_protocol = protocol.is_some_and(|protocol| self.protocols.contains(&protocol));
        self.families & family_bit(family) != 0 && (self.protocols.is_empty() || has_protocol)
    }

    fn lacks(&self, header: &Header) -> bool {
        !is_all_of(self.families, &self.protocols, header)
    }

    fn notes(&self) -> impl Iterator<Item = Note> {
        let all = self.protocols.is_empty().then_some(None);
        let protocols = all.into_iter().chain(self.protocols.iter().copied().map(Some));
        let Self { families, span: Span { from, to }, .. } = *self;
        protocols.map(move |protocol| Recorded { families, protocol }.note(from, to))
    }
}
