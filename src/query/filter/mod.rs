//! Which records a question is about. docs/reading.md, section "Filters", is its manual.
//!
//! | part | what it does |
//! |---|---|
//! | `condition` | what a record can be asked for, one thing at a time |
//! | `place` | the four endpoints of a record, and sets of them |
//! | `span` | when a record's flow was alive, as far as the record tells |
//! | `times` | of which times anything is kept |
//! | `block` | which blocks cannot hold a match |
//! | `endpoints` | which records of version 2 cannot match, before they are put together |
//! | `parse`, `words`, `hint`, `print` | the language of `--where` |

mod block;
mod condition;
mod endpoints;
mod hint;
mod parse;
mod place;
mod print;
mod span;
#[cfg(test)]
mod tests;
mod times;
mod values;
mod words;

use std::net::SocketAddr;

use ctrecorder_format::{Address, Record};
use ipnetwork::IpNetwork;

pub use condition::{Condition, Network, is_translated};
pub use parse::{Assumed, Where};
pub use place::Places;
pub use values::{Mark, Ports, ValueError, parse_id, parse_protocol, parse_zone_number};
pub use words::WhereError;

/// Which records are kept: conditions, joined in any way. The default keeps all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Those that meet a condition.
    If(Condition),
    /// Those that this filter does not keep.
    Not(Box<Filter>),
    /// Those that all of these keep; if there are none, every record.
    All(Vec<Filter>),
    /// Those that any of these keeps; if there are none, no record.
    Any(Vec<Filter>),
}

impl Default for Filter {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl Filter {
    /// The records that all of these keep. Of one filter it is that filter, so that asking it costs no more.
    pub fn all(filters: Vec<Self>) -> Self {
        Self::joined(filters, Self::All)
    }

    /// The records that any of these keeps.
    pub fn any(filters: Vec<Self>) -> Self {
        Self::joined(filters, Self::Any)
    }

    fn joined(mut filters: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        match filters.pop() {
            Some(only) if filters.is_empty() => only,
            Some(last) => {
                filters.push(last);
                join(filters)
            }
            None => join(filters),
        }
    }

    /// What has an address and a port at one and the same of these places: so asked, indexes can answer.
    pub fn endpoint(places: Places, endpoint: SocketAddr) -> Self {
        let at = |place| {
            let address = Condition::Address(place, IpNetwork::from(endpoint.ip()).into());
            Self::All(vec![address.into(), Condition::Port(place, endpoint.port().into()).into()])
        };
        Self::any(places.each().map(at).collect())
    }

    /// Whether the record is kept.
    #[inline]
    pub fn matches<A: Address>(&self, record: &Record<A>) -> bool {
        // The usual question, one condition, is answered where it is asked; others by a call, and of a copy: a record that
        // is put together from other bytes (version 2) would else have to be whole in memory for every question.
        match self {
            Self::If(condition) => condition.matches(record),
            _ => self.matches_joined(&{ *record }),
        }
    }

    fn matches_joined<A: Address>(&self, record: &Record<A>) -> bool {
        match self {
            Self::If(condition) => condition.matches(record),
            Self::Not(filter) => !filter.matches(record),
            Self::All(filters) => filters.iter().all(|filter| filter.matches(record)),
            Self::Any(filters) => filters.iter().any(|filter| filter.matches(record)),
        }
    }

    /// What keeps every record of each flow that this filter keeps once its starts and ends are paired.
    ///
    /// A start and an end have their addresses, ports and protocol in common. What only the flow as a whole has (its times and
    /// its mark; zone and id, which files of version 2 do not know) is not asked of them: the flow is to be asked again.
    pub fn before_pairing(&self) -> Self {
        self.of_either(true)
    }

    /// This filter with each condition that cannot be asked yet taken for met, or not met within a *not*.
    fn of_either(&self, met: bool) -> Self {
        match self {
            Self::If(condition) if condition.is_of_either() => self.clone(),
            Self::If(_) if met => Self::All(Vec::new()),
            Self::If(_) => Self::Any(Vec::new()),
            Self::Not(filter) => Self::Not(Box::new(filter.of_either(!met))),
            Self::All(filters) => Self::all(filters.iter().map(|filter| filter.of_either(met)).collect()),
            Self::Any(filters) => Self::any(filters.iter().map(|filter| filter.of_either(met)).collect()),
        }
    }
}

impl From<Condition> for Filter {
    fn from(condition: Condition) -> Self {
        Self::If(condition)
    }
}
