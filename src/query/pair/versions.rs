//! Flows of which files of both versions tell: version 3 knows an id, version 2 does not.

use std::collections::HashMap;

use ctrecorder_format::Address;

use super::open::{Identity, OpenFlows};

/// Which versions there were so far, and, while a file of version 2 is read, the flows that are open by version 3.
#[derive(Debug)]
pub(super) struct Versions<A: Address> {
    has_named: bool,
    has_nameless: bool,
    /// As version 2 has it, and as version 3 does; `None` until it is asked for.
    named: Option<HashMap<Identity<A>, Identity<A>>>,
}

impl<A: Address> Default for Versions<A> {
    fn default() -> Self {
        Self { has_named: false, has_nameless: false, named: None }
    }
}

impl<A: Address> Versions<A> {
    /// A flow is open.
    pub(super) fn saw(&mut self, flow: &Identity<A>) {
        if flow.is_nameless() {
            self.has_nameless = true;
        } else {
            self.has_named = true;
        }
    }

    /// Whether flows of both versions can be open. Else none is looked for twice.
    pub(super) const fn are_both(&self) -> bool {
        self.has_named && self.has_nameless
    }

    /// Another file begins.
    pub(super) fn enter(&mut self) {
        self.named = None;
    }

    /// The flow by the name that version 3 gives it, the last one that began where there are several.
    ///
    /// No flow of version 3 begins in a file of version 2: what was open at its begin is all there can be.
    pub(super) fn named(&mut self, nameless: &Identity<A>, open: &OpenFlows<A>) -> Option<Identity<A>> {
        let named = self.named.get_or_insert_with(|| {
            let mut flows: Vec<_> = open.iter().filter(|flow| !flow.identity.is_nameless()).collect();
            flows.sort_unstable_by_key(|flow| flow.order.get());
            flows.into_iter().map(|flow| (flow.identity.nameless(), flow.identity)).collect()
        });
        named.get(nameless).copied()
    }
}
