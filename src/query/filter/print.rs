//! Filters as a `--where` says them.

use std::fmt;
use std::time::Duration;

use super::{Condition, Filter, Places};
use crate::protocol::Protocol;
use crate::query::time::utc;

impl fmt::Display for Filter {
    /// A `--where` that reads back as this filter. It has no words for all records and for none: those are told by networks
    /// that hold all addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::If(condition) => condition.fmt(f),
            Self::Not(filter) => match **filter {
                Self::All(_) | Self::Any(_) => write!(f, "not ({filter})"),
                Self::If(_) | Self::Not(_) => write!(f, "not {filter}"),
            },
            Self::All(filters) if filters.is_empty() => f.write_str("ip 0.0.0.0/0 or ip ::/0"),
            Self::Any(filters) if filters.is_empty() => f.write_str("not (ip 0.0.0.0/0 or ip ::/0)"),
            Self::All(filters) => joined(f, filters, " and ", |part| matches!(part, Self::All(_) | Self::Any(_))),
            Self::Any(filters) => joined(f, filters, " or ", |part| {
                matches!(part, Self::Any(_)) || matches!(part, Self::All(none) if none.is_empty())
            }),
        }
    }
}

/// Filters with a word between; some of them in parentheses.
fn joined(
    f: &mut fmt::Formatter<'_>,
    filters: &[Filter],
    word: &str,
    in_parentheses: fn(&Filter) -> bool,
) -> fmt::Result {
    for (index, filter) in filters.iter().enumerate() {
        let between = if index == 0 { "" } else { word };
        if in_parentheses(filter) { write!(f, "{between}({filter})")? } else { write!(f, "{between}{filter}")? }
    }
    Ok(())
}

impl fmt::Display for Condition {
    /// The words of `--where`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(places, network) => {
                let network = network.typed();
                let alone = network.prefix() == if network.is_ipv4() { 32 } else { 128 };
                let network = if alone { network.ip().to_string() } else { network.to_string() };
                at_places(f, *places, &format!("ip {network}"))
            }
            Self::Port(places, ports) => at_places(f, *places, &format!("port {ports}")),
            Self::Protocol(number) => write!(f, "proto {}", Protocol(*number)),
            Self::Zone(zone) => write!(f, "zone {zone}"),
            Self::Mark(mark) => write!(f, "mark {mark}"),
            Self::Id(id) => write!(f, "id {id}"),
            Self::Translated => f.write_str("nat"),
            Self::Lasted(ns) => write!(f, "lasts {}", humantime::format_duration(Duration::from_nanos(*ns))),
            Self::After(moment) => write!(f, "after {}", utc(*moment)),
            Self::Before(moment) => write!(f, "before {}", utc(*moment)),
            Self::At(moment) => write!(f, "at {}", utc(*moment)),
        }
    }
}

/// Something that is said of some places: by their name if they have one together.
fn at_places(f: &mut fmt::Formatter<'_>, places: Places, what: &str) -> fmt::Result {
    match Places::NAMES.iter().find(|(_, own)| *own == places) {
        Some(("", _)) => f.write_str(what),
        Some((name, _)) => write!(f, "{name} {what}"),
        None => {
            let names = Places::NAMES.iter().filter(|(_, own)| own.is_one() && places.and(*own) == places);
            let each: Vec<_> = names.map(|(name, _)| format!("{name} {what}")).collect();
            write!(f, "({})", each.join(" or "))
        }
    }
}
