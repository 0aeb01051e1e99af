//! Which flows are wanted.

use ctrecorder_format::{Address, Columns, DirectoryEntry, Family, Head, Index, Record};

use crate::archive::Sought;
use crate::journal::{Search, Select};
use crate::protocol::Protocols;
use crate::query::Filter;

/// Which flows go into the output.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Choice {
    pub(super) protocols: Protocols,
    family: Option<Family>,
    /// Which of these flows, once they are paired.
    filter: Filter,
    /// Which records can be of such a flow.
    before_pairing: Filter,
    /// Every record can be, so that none need be asked.
    takes_all: bool,
}

impl Choice {
    /// The flows of these protocols, and of one family or of both, that a filter keeps.
    pub(in crate::cli) fn new(protocols: Protocols, family: Option<Family>, filter: Filter) -> Self {
        let before_pairing = filter.before_pairing();
        let takes_all = protocols.numbers().is_empty() && family.is_none() && before_pairing == Filter::default();
        Self { protocols, family, filter, before_pairing, takes_all }
    }

    /// The flows of all families and protocols that a filter keeps.
    pub(in crate::cli) fn of_flows(filter: Filter) -> Self {
        Self::new(Protocols::All, None, filter)
    }

    /// Whether every flow is wanted.
    pub(in crate::cli) fn is_all(&self) -> bool {
        self.takes_all && self.filter == Filter::default()
    }

    /// What is asked of flows once they are paired; `None`: nothing.
    pub(super) fn of_paired(&self) -> Option<Filter> {
        (self.filter != Filter::default()).then(|| self.filter.clone())
    }

    /// Whether flows of this family are wanted.
    pub(super) fn has_family(&self, family: Family) -> bool {
        self.family.is_none_or(|chosen| chosen == family)
    }

    /// The filter as text, if there is one.
    pub(in crate::cli) fn filter_text(&self) -> Option<String> {
        self.of_paired().map(|filter| filter.to_string())
    }
}

impl Select for &Choice {
    fn rules_out(&self, head: &Head<'_>) -> bool {
        self.before_pairing.rules_out(head)
    }

    fn rules_out_entry(&self, entry: &DirectoryEntry) -> bool {
        self.before_pairing.rules_out_entry(entry)
    }

    fn asks_indexes(&self) -> bool {
        self.before_pairing.has_keys()
    }

    fn columns(&self, index: &Index<'_>) -> Columns {
        self.before_pairing.columns(index)
    }

    fn sought(&self) -> Option<Vec<Sought>> {
        self.before_pairing.sought()
    }

    fn by_endpoints<S: Search>(&self, search: S) -> S::Found {
        self.before_pairing.by_endpoints(search)
    }

    fn matches<A: Address>(&self, record: &Record<A>) -> bool {
        self.takes_all
            || (self.has_family(A::FAMILY)
                && self.protocols.contains(record.protocol)
                && self.before_pairing.matches(record))
    }
}
