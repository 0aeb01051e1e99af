//! Flows of which all are known that had begun by some moment: what is found later, and is none of these, began after it.

use ctrecorder_format::header::family_bit;
use ctrecorder_format::{Family, Header};

/// The flows of some kinds, in one network namespace, of which a reading of the kernel's table has named all that were alive.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// As headers have it. The id alone is not enough: what had it next may have been there before, as one that had none.
    namespace: u64,
    kinds: Kinds,
}

/// Kinds of flows, as headers name them.
#[derive(Clone, Debug)]
pub(super) struct Kinds {
    families: u8,
    /// Empty: all.
    protocols: Vec<u8>,
}

impl Known {
    /// What a recorder with this header recorded.
    pub(super) fn of(header: &Header) -> Self {
        let kinds = Kinds { families: header.families, protocols: header.protocols.clone() };
        Self { namespace: header.namespace, kinds }
    }

    /// The kinds that both have; `None` if they are of two network namespaces.
    pub(super) fn common(&self, other: &Self) -> Option<Kinds> {
        (self.namespace == other.namespace).then(|| self.kinds.common(&other.kinds))
    }
}

impl Kinds {
    fn common(&self, other: &Self) -> Self {
        let families = self.families & other.families;
        let protocols = match (self.protocols.as_slice(), other.protocols.as_slice()) {
            ([], all) | (all, []) => all.to_vec(),
            (own, others) => own.iter().copied().filter(|protocol| others.contains(protocol)).collect(),
        };
        // No protocols would be all of them.
        let is_none = protocols.is_empty() && !(self.protocols.is_empty() && other.protocols.is_empty());
        Self { families: if is_none { 0 } else { families }, protocols }
    }

    /// Whether flows of this family and protocol are among them.
    pub(super) fn have(&self, family: Family, protocol: u8) -> bool {
        self.families & family_bit(family) != 0 && (self.protocols.is_empty() || self.protocols.contains(&protocol))
    }
}
