//! Events of the kernel to records.

use std::net::IpAddr;

use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Counters, Family, Kind, Record, Tuple, V4, V6};

use crate::netlink::event::{self, Change, Event};

/// `IPS_SEEN_REPLY` of linux/netfilter/nf_conntrack_common.h.
const STATUS_SEEN_REPLY: u32 = 1 << 1;

/// An event as it waits to be written.
#[derive(Clone, Debug)]
pub(super) struct Captured {
    /// When it arrived, ns since the epoch.
    pub(super) arrived: u64,
    pub(super) counters: Option<Counters>,
    pub(super) record: Either,
}

/// A record of one family or the other.
#[derive(Clone, Debug)]
pub(super) enum Either {
    Ipv4(Record<V4>),
    Ipv6(Record<V6>),
}

impl Captured {
    /// The record of an event that arrived at `arrived`; `None` for an update, which is not recorded.
    pub(super) fn new(event: &Event, arrived: u64) -> Option<Self> {
        match event.change {
            Change::New => Self::of(event, Kind::Start, arrived),
            Change::Destroy => Self::of(event, Kind::End, arrived),
            Change::Update => None,
        }
    }

    /// The open record of a flow that was found in the kernel's table at `found`.
    pub(super) fn found(flow: &Event, found: u64) -> Option<Self> {
        Self::of(flow, Kind::Open, found)
    }

    fn of(event: &Event, kind: Kind, arrived: u64) -> Option<Self> {
        let record = match event.original.src {
            IpAddr::V4(_) => Either::Ipv4(record(event, kind, arrived)?),
            IpAddr::V6(_) => Either::Ipv6(record(event, kind, arrived)?),
        };
        Some(Self { arrived, counters: event.counters.as_ref().map(counters), record })
    }

    /// The family of its addresses.
    pub(super) const fn family(&self) -> Family {
        match self.record {
            Either::Ipv4(_) => Family::Ipv4,
            Either::Ipv6(_) => Family::Ipv6,
        }
    }

    /// Whether it is a flow's end.
    pub(super) const fn is_end(&self) -> bool {
        let kind = match &self.record {
            Either::Ipv4(record) => record.kind(),
            Either::Ipv6(record) => record.kind(),
        };
        matches!(kind, Some(Kind::End))
    }
}

/// The record of an event. The kernel's own times are preferred: of a flow's life, then of the event.
fn record<A: Address>(event: &Event, kind: Kind, arrived: u64) -> Option<Record<A>> {
    let mut record = Record {
        start: event.started.unwrap_or(0).into(),
        end: 0.into(),
        original: tuple(&event.original)?,
        reply: tuple(&event.reply)?,
        id: event.id.into(),
        mark: event.mark.into(),
        zone: event.zone.into(),
        kind: kind as u8,
        protocol: event.protocol,
        // The bits above 16 are not used by the kernel for anything that outlives the flow.
        status: (event.status as u16).into(),
        tcp_state: event.tcp_state,
        flags: if event.started.is_some() { flags::START_FROM_KERNEL } else { 0 },
    };
    if event.status & STATUS_SEEN_REPLY != 0 {
        record.flags |= flags::REPLY_SEEN;
    }
    let moment = match kind {
        Kind::End => event.stopped.or(event.happened),
        // When it began is not when it was found.
        Kind::Open => return Some(record),
        _ => event.started.or(event.happened),
    };
    let (time, flag) = match kind {
        Kind::End => (&mut record.end, flags::END_FROM_KERNEL),
        _ => (&mut record.start, flags::START_FROM_KERNEL),
    };
    time.set(moment.unwrap_or(arrived));
    if moment.is_some() {
        record.flags |= flag;
    }
    Some(record)
}

fn tuple<A: Address>(tuple: &event::Tuple) -> Option<Tuple<A>> {
    Some(Tuple {
        src: A::from_ip(tuple.src)?,
        dst: A::from_ip(tuple.dst)?,
        sport: tuple.sport.into(),
        dport: tuple.dport.into(),
    })
}

fn counters(counters: &event::Counters) -> Counters {
    Counters {
        original_packets: counters.original_packets.into(),
        original_bytes: counters.original_bytes.into(),
        reply_packets: counters.reply_packets.into(),
        reply_bytes: counters.reply_bytes.into(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn event(change: Change) -> Event {
        let tuple = |src: &str, dst: &str, sport, dport| event::Tuple {
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            sport,
            dport,
        };
        Event {
            change,
            original: tuple("10.0.0.1", "198.51.100.7", 4000, 80),
            reply: tuple("198.51.100.7", "203.0.113.1", 80, 4000),
            protocol: 6,
            id: 9,
            mark: 3,
            zone: 2,
            status: 0x1_000e,
            tcp_state: 3,
            counters: None,
            started: None,
            stopped: None,
            happened: None,
        }
    }

    /// An event that arrived at this time.
    pub(in crate::capture) fn captured(arrived: u64) -> Captured {
        Captured::new(&event(Change::New), arrived).unwrap()
    }

    fn of(event: &Event) -> Record<V4> {
        match Captured::new(event, 77).unwrap().record {
            Either::Ipv4(record) => record,
            Either::Ipv6(_) => panic!("an IPv4 event became an IPv6 record"),
        }
    }

    #[test]
    fn without_the_kernels_times_the_arrival_counts() {
        let start = of(&event(Change::New));
        assert_eq!((start.start.get(), start.end.get(), start.flags), (77, 0, flags::REPLY_SEEN));
        let end = of(&event(Change::Destroy));
        assert_eq!((end.start.get(), end.end.get(), end.flags), (0, 77, flags::REPLY_SEEN));
        assert_eq!((end.kind(), end.id.get(), end.mark.get(), end.zone.get()), (Some(Kind::End), 9, 3, 2));
        assert_eq!((end.status.get(), end.reply.dst), (14, [203, 0, 113, 1]));
    }

    #[test]
    fn the_kernels_times_are_preferred() {
        let end = of(&Event { started: Some(5), stopped: Some(6), happened: Some(7), ..event(Change::Destroy) });
        assert_eq!((end.start.get(), end.end.get()), (5, 6));
        assert_eq!(end.flags, flags::REPLY_SEEN | flags::START_FROM_KERNEL | flags::END_FROM_KERNEL);
        let end = of(&Event { happened: Some(7), ..event(Change::Destroy) });
        assert_eq!((end.start.get(), end.end.get()), (0, 7));
        let start = of(&Event { happened: Some(7), ..event(Change::New) });
        assert_eq!((start.start.get(), start.end.get()), (7, 0));
    }

    #[test]
    fn a_flow_that_was_found_knows_its_start_from_the_kernel_or_not_at_all() {
        let found = |started| match Captured::found(&Event { started, ..event(Change::Update) }, 77).unwrap().record {
            Either::Ipv4(record) => record,
            Either::Ipv6(_) => panic!("an IPv4 flow became an IPv6 record"),
        };
        let (unknown, known) = (found(None), found(Some(5)));
        assert_eq!((unknown.kind(), unknown.start.get(), unknown.flags), (Some(Kind::Open), 0, flags::REPLY_SEEN));
        assert_eq!((known.start.get(), known.flags), (5, flags::REPLY_SEEN | flags::START_FROM_KERNEL));
    }

    #[test]
    fn tuples_of_two_families_and_updates_are_no_records() {
        let mut mixed = event(Change::New);
        mixed.reply.dst = "2001:db8::1".parse().unwrap();
        assert!(Captured::new(&mixed, 77).is_none());
        assert!(Captured::new(&event(Change::Update), 77).is_none());
    }
}
