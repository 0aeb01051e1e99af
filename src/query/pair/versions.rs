//! Flows of which files of both versions tell: version 3 knows an id, version 2 does not.

use std::collections::HashMap;

use ctrecorder_format::{Address, Record};

use zerocopy::little_endian::{U16, U32};

use super::open::{OfFlow, OpenFlows, is_nameless, nameless};

/// Which versions there were so far, and, while a file of version 2 is read, the flows that are open by version 3.
#[derive(Debug)]
pub(super) struct Versions<A: Address> {
    has_named: bool,
    has_nameless: bool,
    /// As version 2 has it, and the id and the zone by which version 3 does; `None` until it is asked for.
    named: Option<HashMap<OfFlow<A>, (U32, U16)>>,
}

impl<A: Address> Default for Versions<A> {
    fn default() -> Self {
        Self { has_named: false, has_nameless: false, named: None }
    }
}

impl<A: Address> Versions<A> {
    /// There is a record of this version.
    pub(super) fn saw(&mut self, record: &Record<A>) {
        let is_nameless = is_nameless(record);
        self.has_nameless |= is_nameless;
        self.has_named |= !is_nameless;
    }

    /// Whether flows of both versions can be open. Else none is looked for twice.
    pub(super) const fn are_both(&self) -> bool {
        self.has_named && self.has_nameless
    }

    /// Another file begins.
    pub(super) fn enter(&mut self) {
        self.named = None;
    }

    /// A record that version 2 has as version 3 has its flow, the last one that began where there are several.
    ///
    /// No flow of version 3 begins in a file of version 2: what was open at its begin is all there can be.
    pub(super) fn named(&mut self, record: &Record<A>, open: &OpenFlows<A>) -> Option<Record<A>> {
        let named = self.named.get_or_insert_with(|| {
            let mut flows: Vec<_> = open.iter().filter(|flow| !is_nameless(flow.key())).collect();
            flows.sort_unstable_by_key(|flow| flow.order.get());
            flows.iter().map(|flow| (OfFlow(nameless(flow.key())), (flow.key().id, flow.key().zone))).collect()
        });
        named.get(&OfFlow(*record)).map(|(id, zone)| Record { id: *id, zone: *zone, ..*record })
    }
}
