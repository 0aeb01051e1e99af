//! When which kinds of flows were recorded, where the inputs of one output did not all record the same.

use ctrecorder_format::Header;

use crate::query::coverage::{Gap, GapCause, Reading};

/// What inputs with the same families and protocols tell of time.
#[derive(Debug)]
struct Kind {
    families: u8,
    /// None: all of them.
    protocols: Vec<u8>,
    reading: Reading,
}

impl Kind {
    /// Whether flows of a family, and of a protocol, or of one that no header names, were recorded.
    fn has(&self, family: u8, protocol: Option<u8>) -> bool {
        let has_protocol = self.protocols.is_empty() || protocol.is_some_and(|one| self.protocols.contains(&one));
        self.families & family != 0 && has_protocol
    }
}

/// The inputs by what they recorded.
#[derive(Debug, Default)]
pub(super) struct Kinds(Vec<Kind>);

impl Kinds {
    /// Adds what an input with this header tells.
    pub(super) fn add(&mut self, header: &Header, reading: Reading) {
        let same = |kind: &&mut Kind| kind.families == header.families && kind.protocols == header.protocols;
        match self.0.iter_mut().find(same) {
            Some(kind) => kind.reading.join(reading),
            None => {
                self.0.push(Kind { families: header.families, protocols: header.protocols.clone(), reading });
            }
        }
    }

    /// When something of what `output` says it holds was not recorded, although something else was: its header has one list of
    /// protocols for all its time, so that without a gap there it would say that nothing of them happened.
    pub(super) fn gaps(&self, output: &Header) -> Vec<Gap> {
        if self.0.len() < 2 {
            return Vec::new();
        }
        let all = self.joined(|_| true);
        let (begin, end, told) = (all.begin(), all.end(), all.untold());
        let protocols: Vec<_> = match &output.protocols[..] {
            [] => self.0.iter().flat_map(|kind| &kind.protocols).copied().map(Some).chain([None]).collect(),
            some => some.iter().copied().map(Some).collect(),
        };
        let mut gaps = Vec::new();
        for bit in (0..u8::BITS).map(|bit| 1 << bit).filter(|bit| output.families & bit != 0) {
            for protocol in &protocols {
                gaps.extend(self.joined(|kind| kind.has(bit, *protocol)).missing_from(begin, end));
            }
        }
        gaps.retain(|gap| !told.contains(gap));
        gaps.sort_unstable();
        gaps.dedup();
        gaps.into_iter().map(|gap| Gap { cause: GapCause::Damaged, lost: None, ..gap }).collect()
    }

    /// What some of the inputs tell of time.
    fn joined(&self, wanted: impl Fn(&Kind) -> bool) -> Reading {
        let mut joined = Reading::default();
        self.0.iter().filter(|kind| wanted(kind)).for_each(|kind| joined.join(kind.reading.clone()));
        joined
    }
}
