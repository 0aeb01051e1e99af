//! Which records of version 2 cannot match, by what stands in their places alone: most records of a file are none that
//! were asked for, and need not be put together.

use ctrecorder_format::legacy::Endpoints;

use super::{Condition, Filter, Places};
use crate::journal::Search;

impl Filter {
    /// Puts to a search what this filter says of endpoints: see [`Select::by_endpoints`](crate::journal::Select::by_endpoints).
    pub(in super::super) fn by_endpoints<S: Search>(&self, search: S) -> S::Found {
        // The usual questions are each put as they are, so that none of their parts is asked again for each record.
        match self.necessary() {
            Some(Condition::Address(Places::ALL, network)) => {
                search.of(|endpoints| endpoints.addresses().map(|address| network.contains(address)).contains(&true))
            }
            // Of a public address there may be many records: what else is asked of their endpoints is asked here, too.
            Some(Condition::Address(places, network)) => search.of(|endpoints| {
                places.any(endpoints.addresses(), |address| network.contains(address)) && self.may_match(endpoints)
            }),
            Some(Condition::Port(places, ports)) => {
                search.of(|endpoints| places.any(endpoints.ports(), |port| ports.contains(port)))
            }
            _ => search.of(|endpoints| self.may_match(endpoints)),
        }
    }

    /// A condition on endpoints that every match meets, whatever else it has to meet. One on addresses says more than one on
    /// ports.
    fn necessary(&self) -> Option<Condition> {
        match self {
            Self::If(condition @ (Condition::Address(..) | Condition::Port(..))) => Some(*condition),
            Self::All(filters) => {
                let mut all = filters.iter().filter_map(Self::necessary);
                let first = all.next()?;
                let is_address = |condition: &Condition| matches!(condition, Condition::Address(..));
                std::iter::once(first).chain(all).find(is_address).or(Some(first))
            }
            // Of one network, wherever it stands: an endpoint at any place is such a question.
            Self::Any(filters) => {
                let mut any = filters.iter().map(Self::necessary);
                let Some(Condition::Address(places, network)) = any.next()? else { return None };
                let places = any.try_fold(places, |places, next| match next {
                    Some(Condition::Address(more, other)) if other == network => Some(places.and(more)),
                    _ => None,
                });
                Some(Condition::Address(places?, network))
            }
            Self::If(_) | Self::Not(_) => None,
        }
    }

    /// Whether a record with these endpoints can match: whatever else is asked of it is taken for met.
    fn may_match(&self, endpoints: &Endpoints<'_>) -> bool {
        match self {
            Self::If(Condition::Address(places, network)) => {
                places.any(endpoints.addresses(), |address| network.contains(address))
            }
            Self::If(Condition::Port(places, ports)) => places.any(endpoints.ports(), |port| ports.contains(port)),
            Self::All(filters) => filters.iter().all(|filter| filter.may_match(endpoints)),
            Self::Any(filters) => filters.iter().any(|filter| filter.may_match(endpoints)),
            Self::If(_) | Self::Not(_) => true,
        }
    }
}
