//! What was recorded at all: families and protocols.

use std::net::IpAddr;

use super::Question;
use super::flow::Identity;
use crate::journal::Version;

/// What was recorded, by the headers of files. The default is nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    ipv4: bool,
    ipv6: bool,
    protocols: Vec<u8>,
    /// Whatever stands in `protocols`.
    has_all_protocols: bool,
    /// Whether some of it is of version 2.
    pub(super) has_version_2: bool,
}

impl Scope {
    /// What the header of a file says. If that is damaged, it may be anything.
    pub(super) fn of(version: &Version<'_>) -> Self {
        let (families, protocols) = match version {
            Version::Two(file) => (1, vec![file.header().protocol]),
            Version::Three(segment) => {
                segment.header().map_or((3, Vec::new()), |header| (header.families, header.protocols.clone()))
            }
        };
        Self {
            ipv4: families & 1 != 0,
            ipv6: families & 2 != 0,
            has_all_protocols: protocols.is_empty(),
            protocols,
            has_version_2: matches!(version, Version::Two(_)),
        }
    }

    /// Adds what was recorded in another file.
    pub(super) fn join(&mut self, other: &Self) {
        self.ipv4 |= other.ipv4;
        self.ipv6 |= other.ipv6;
        self.has_all_protocols |= other.has_all_protocols;
        self.has_version_2 |= other.has_version_2;
        self.protocols.extend(&other.protocols);
        self.protocols.sort_unstable();
        self.protocols.dedup();
    }

    /// Whether such a flow was recorded.
    pub(super) fn holds(&self, flow: &Identity) -> bool {
        self.has_family(flow.original.src.ip()) && (self.has_all_protocols || self.protocols.contains(&flow.protocol))
    }

    /// Whether some of what is asked for was recorded.
    pub(super) fn has_some_of(&self, question: &Question) -> bool {
        let asked = |protocol: &u8| question.asks_for(*protocol);
        self.has_family(question.endpoint.ip()) && (self.has_all_protocols || self.protocols.iter().any(asked))
    }

    /// The protocols that were recorded, if some that are asked for were not.
    pub(super) fn limits(&self, question: &Question) -> Option<Vec<u8>> {
        let is_missing = |protocol| !self.protocols.contains(protocol);
        (!self.has_all_protocols && question.protocols().iter().any(is_missing)).then(|| self.protocols.clone())
    }

    const fn has_family(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.ipv4,
            IpAddr::V6(_) => self.ipv6,
        }
    }
}
