//! Of which times a filter keeps anything.

use super::{Condition, Filter};
use crate::query::coverage::Span;

/// All of time, ns since the epoch.
const ALL: Span = Span { from: 0, to: u64::MAX };

impl Filter {
    /// The least span outside which this filter keeps no flow that was over before it or began behind it, ends included; `None` if
    /// it keeps nothing at all. What stands within a *not* counts where it is a single condition.
    pub fn times(&self) -> Option<Span> {
        match self {
            Self::If(Condition::After(moment)) => Some(Span { from: *moment, ..ALL }),
            Self::If(Condition::Before(moment)) => Some(Span { to: *moment, ..ALL }),
            Self::If(Condition::At(moment)) => Some(Span { from: *moment, to: *moment }),
            Self::If(_) => Some(ALL),
            Self::Not(filter) => Some(match **filter {
                Self::If(Condition::After(moment)) => Span { to: moment, ..ALL },
                Self::If(Condition::Before(moment)) => Span { from: moment, ..ALL },
                _ => ALL,
            }),
            Self::All(filters) => {
                filters.iter().try_fold(ALL, |span, filter| filter.times().and_then(|times| span.common(times)))
            }
            Self::Any(filters) => filters.iter().filter_map(Self::times).reduce(Span::joined),
        }
    }
}
