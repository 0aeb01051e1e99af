//! A second opinion on what a filter keeps: the plainest way, with nothing prepared.

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Kind, Record};

use crate::query::{Condition, Filter, Places};

/// Whether the filter keeps the record.
pub(super) fn keeps<A: Address>(filter: &Filter, record: &Record<A>) -> bool {
    match filter {
        Filter::If(condition) => meets(condition, record),
        Filter::Not(filter) => !keeps(filter, record),
        Filter::All(filters) => filters.iter().all(|filter| keeps(filter, record)),
        Filter::Any(filters) => filters.iter().any(|filter| keeps(filter, record)),
    }
}

fn meets<A: Address>(condition: &Condition, record: &Record<A>) -> bool {
    let (start, end, kind) = (record.start.get(), record.end.get(), record.kind());
    let (begun, ended) = (start, if end == 0 { u64::MAX } else { end });
    let at = |places: &Places| {
        let order = [Places::ORIGINAL_SRC, Places::ORIGINAL_DST, Places::REPLY_SRC, Places::REPLY_DST];
        let chosen = order.into_iter().zip(record.endpoints()).filter(|(place, _)| places.and(*place) == *places);
        chosen.map(|(_, endpoint)| endpoint).collect::<Vec<_>>()
    };
    match condition {
        Condition::Address(places, network) => {
            at(places).iter().any(|(address, _)| network.typed().contains(address.to_ip()))
        }
        Condition::Port(places, ports) => at(places).iter().any(|(_, port)| ports.contains(*port)),
        Condition::Protocol(protocol) => record.protocol == *protocol,
        Condition::Zone(zone) => record.zone.get() == *zone,
        Condition::Mark(mark) => mark.matches(record.mark.get()),
        Condition::Id(id) => record.id.get() == *id,
        Condition::Translated => {
            let [(a, i), (b, j), (c, k), (d, l)] = record.endpoints();
            let icmp = record.protocol == 1 || record.protocol == 58;
            !(c == b && d == a && if icmp { i == k } else { k == j && l == i })
        }
        Condition::Lasted(span) => {
            let is_found = record.flags & flags::RECOVERED != 0 && record.flags & flags::START_FROM_KERNEL == 0;
            start != 0 && end != 0 && (is_found || end < start || end - start >= *span)
        }
        Condition::After(moment) => match kind {
            Some(Kind::Start | Kind::Update) if end == 0 && start != 0 => start >= *moment,
            _ => ended >= *moment,
        },
        Condition::Before(moment) => match kind {
            Some(Kind::End) if end != 0 => start <= *moment && end <= *moment,
            _ => begun <= *moment,
        },
        Condition::At(moment) => begun <= *moment && *moment <= ended,
    }
}
