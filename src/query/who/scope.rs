//! What was recorded at all: families and protocols.

use ctrecorder_format::{Content, Family, Recorded};

use super::Question;
use crate::journal::{UNEVEN, Version};
use crate::query::coverage::Reading;

/// A kind of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    is_ipv6: bool,
    /// `None`: whatever there is.
    protocol: Option<u8>,
}

impl Kind {
    /// The kinds that a question is about; what was not recorded is missed among these.
    pub(super) fn asked_by(question: &Question) -> impl Iterator<Item = Self> {
        let (is_ipv6, protocols) = (question.endpoint.is_ipv6(), question.protocols());
        let any = protocols.is_empty().then_some(None);
        any.into_iter().chain(protocols.iter().copied().map(Some)).map(move |protocol| Self { is_ipv6, protocol })
    }

    /// Whether its flows are among those that were recorded.
    pub(super) fn is_in(self, recorded: Recorded) -> bool {
        recorded.has(if self.is_ipv6 { Family::Ipv6 } else { Family::Ipv4 }, self.protocol)
    }
}

/// What was recorded, by the headers of files.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    ipv4: bool,
    ipv6: bool,
    protocols: Vec<u8>,
    /// Whatever stands in `protocols`.
    has_all_protocols: bool,
    /// Whether some of it is of version 2.
    pub(super) has_version_2: bool,
    /// Whether some of it was left out by a filter, by what a header says.
    pub(super) is_filtered: bool,
    /// Whether all of it are events of version 3: then each run tells who is alive.
    pub(super) is_of_events: bool,
}

impl Default for Scope {
    /// Nothing was recorded.
    fn default() -> Self {
        Self {
            ipv4: false,
            ipv6: false,
            protocols: Vec::new(),
            has_all_protocols: false,
            has_version_2: false,
            is_filtered: false,
            is_of_events: true,
        }
    }
}

impl Scope {
    /// What the header of a file says, of which this is known besides. If that is damaged, it may be anything.
    pub(super) fn of(version: &Version<'_>, reading: &Reading) -> Self {
        let (families, protocols, is_filtered) = match version {
            Version::Two(file) => (1, vec![file.header().protocol], false),
            Version::Three(_) | Version::Archive(_) => version.header().map_or((3, Vec::new(), false), |header| {
                // When some inputs recorded less, notes tell.
                let is_told = header.filters == UNEVEN && reading.recorded().next().is_some();
                (header.families, header.protocols.clone(), !header.filters.is_empty() && !is_told)
            }),
        };
        Self {
            ipv4: families & 1 != 0,
            ipv6: families & 2 != 0,
            has_all_protocols: protocols.is_empty(),
            protocols,
            has_version_2: matches!(version, Version::Two(_)),
            is_filtered,
            is_of_events: matches!(version, Version::Three(_)) && version.content() == Content::Events,
        }
    }

    /// What was recorded here or there.
    pub(super) fn joined(mut self, other: &Self) -> Self {
        self.ipv4 |= other.ipv4;
        self.ipv6 |= other.ipv6;
        self.has_all_protocols |= other.has_all_protocols;
        self.has_version_2 |= other.has_version_2;
        self.is_filtered |= other.is_filtered;
        self.is_of_events &= other.is_of_events;
        self.protocols.extend(&other.protocols);
        self.protocols.sort_unstable();
        self.protocols.dedup();
        self
    }

    /// Whether this is all that was recorded there, too.
    pub(super) fn is_as_wide_as(&self, other: &Self) -> bool {
        let has_protocols = self.has_all_protocols
            || (!other.has_all_protocols && other.protocols.iter().all(|protocol| self.protocols.contains(protocol)));
        has_protocols && !self.is_filtered && (self.ipv4 || !other.ipv4) && (self.ipv6 || !other.ipv6)
    }

    /// Whether flows of this kind were recorded.
    pub(super) fn has(&self, kind: Kind) -> bool {
        let has_family = if kind.is_ipv6 { self.ipv6 } else { self.ipv4 };
        has_family
            && (self.has_all_protocols || kind.protocol.is_some_and(|protocol| self.protocols.contains(&protocol)))
    }

    /// The protocols that were recorded, if some that are asked for were not.
    pub(super) fn limits(&self, question: &Question) -> Option<Vec<u8>> {
        let asked = question.protocols();
        let is_missing = asked.is_empty() || asked.iter().any(|protocol| !self.protocols.contains(protocol));
        (is_missing && !self.has_all_protocols && !self.protocols.is_empty()).then(|| self.protocols.clone())
    }
}
