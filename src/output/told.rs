//! What a record tells of its flow, as several formats need it.

use ctrecorder_format::record::flags::{END_AT_LATEST, END_FROM_KERNEL, START_FROM_KERNEL};
use ctrecorder_format::{Address, Counters, Family, Kind, Record, Tuple};

/// Bits of a record's status: `enum ip_conntrack_status`, linux/netfilter/nf_conntrack_common.h.
pub(super) mod status {
    /// The flow is not dropped early when the kernel's table is full.
    pub(in super::super) const ASSURED: u16 = 1 << 2;
    /// Its packets take the fast path past the rules.
    pub(in super::super) const OFFLOAD: u16 = 1 << 14;
    /// The network card forwards its packets.
    pub(in super::super) const HW_OFFLOAD: u16 = 1 << 15;
}

/// Names of TCP states by their numbers: `enum tcp_conntrack`, linux/netfilter/nf_conntrack_tcp.h.
const TCP_STATES: [&str; 10] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];

/// What stands in the place of ports in a record's tuples (docs/format.md, "Tuple").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer4 {
    /// Ports.
    Ports,
    /// Id, type and code of a query: [`Query`].
    Query,
    /// Keys of GRE.
    Keys,
    /// Nothing.
    Nothing,
}

impl Layer4 {
    /// What a record has there, by its protocol. If something stands where nothing should, it is taken for ports: nothing that is
    /// in a file is left out.
    pub(super) fn of<A: Address>(record: &Record<A>) -> Self {
        match record.protocol {
            6 | 17 | 33 | 132 | 136 => Self::Ports,
            1 | 58 => Self::Query,
            47 => Self::Keys,
            _ if record.endpoints().iter().all(|(_, number)| *number == 0) => Self::Nothing,
            _ => Self::Ports,
        }
    }
}

/// One direction of a flow of ICMP or ICMPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) id: u16,
    pub(super) kind: u8,
    pub(super) code: u8,
}

impl Query {
    pub(super) fn of<A: Address>(tuple: &Tuple<A>) -> Self {
        let [kind, code] = tuple.dport.get().to_be_bytes();
        Self { id: tuple.sport.get(), kind, code }
    }
}

/// What was counted of a flow. Four zeros stand in a file where nothing was (docs/format.md, "Counters").
pub(super) fn counted(counters: Option<&Counters>) -> Option<&Counters> {
    counters.filter(|counters| **counters != Counters::default())
}

/// The name of the TCP state of a record; `None` if there is none, or it is not known here.
pub(super) fn tcp_state<A: Address>(record: &Record<A>) -> Option<&'static str> {
    let number = usize::from(record.tcp_state);
    TCP_STATES.get(number).filter(|_| number != 0).copied()
}

/// Whether a reply was seen; `None` if that is not known: of an end that was found, not heard, and in squeezed files of
/// version 2, where the status is 0 (it never is where the kernel told it).
pub(super) fn reply_seen<A: Address>(record: &Record<A>) -> Option<bool> {
    let is_silent = record.flags & END_AT_LATEST != 0 || record.kind() == Some(Kind::Flow);
    match record.reply_seen() {
        true => Some(true),
        false if is_silent && record.status.get() == 0 => None,
        false => Some(false),
    }
}

/// When the flow began in ns since the epoch; 0 if that is not known. What stands there in an update is when it happened.
pub(super) fn start<A: Address>(record: &Record<A>) -> u64 {
    if record.kind() == Some(Kind::Update) { 0 } else { record.start.get() }
}

/// How long the flow lasted in ns; `None` if a time is not known or only a bound, or if the clock was set back in between.
pub(super) fn duration<A: Address>(record: &Record<A>) -> Option<u64> {
    if record.began_earlier() || record.flags & END_AT_LATEST != 0 {
        return None;
    }
    match (start(record), record.end.get()) {
        (0, _) | (_, 0) => None,
        (start, end) => end.checked_sub(start),
    }
}

/// Whose clock told the start of a record: the kernel's, else the recorder's.
pub(super) const fn start_clock<A: Address>(record: &Record<A>) -> &'static str {
    clock(record.flags & START_FROM_KERNEL != 0)
}

/// Whose clock told the end of a record.
pub(super) const fn end_clock<A: Address>(record: &Record<A>) -> &'static str {
    clock(record.flags & END_FROM_KERNEL != 0)
}

const fn clock(kernel: bool) -> &'static str {
    if kernel { "kernel" } else { "recorder" }
}

/// `ipv4` or `ipv6`.
pub(super) const fn family<A: Address>() -> &'static str {
    match A::FAMILY {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}

/// A record's kind as a word.
pub(super) const fn kind<A: Address>(record: &Record<A>) -> &'static str {
    match record.kind() {
        Some(Kind::Start) => "start",
        Some(Kind::Update) => "update",
        Some(Kind::End) => "end",
        Some(Kind::Flow) => "flow",
        Some(Kind::Open) => "open",
        None => "unknown",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ctrecorder_format::record::flags::{RECOVERED, REPLY_SEEN};
    use proptest::prelude::*;

    use super::*;

    /// A moment, or none.
    fn moment() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 1..u64::MAX, 1_795_183_200_000_000_000..1_795_183_202_000_000_000_u64]
    }

    /// Any record whatever, its protocols mostly those that are known.
    pub(in super::super) fn records<A: Address + Arbitrary>() -> impl Strategy<Value = Record<A>> {
        let addresses = (any::<[A; 4]>(), any::<[u16; 4]>(), any::<bool>());
        let tuples = addresses.prop_map(|([a, b, c, d], [k, l, m, n], translated)| {
            let tuple = |src, dst, sport: u16, dport: u16| Tuple { src, dst, sport: sport.into(), dport: dport.into() };
            (tuple(a, b, k, l), if translated { tuple(c, d, m, n) } else { tuple(b, a, l, k) })
        });
        let numbers = (any::<u32>(), any::<u32>(), any::<u16>(), any::<u16>());
        let protocol = prop_oneof![Just(6), Just(17), Just(1), Just(58), Just(47), Just(132), any::<u8>()];
        let rest = (0..7_u8, protocol, 0..12_u8, any::<u8>());
        (moment(), moment(), tuples, numbers, rest).prop_map(|(start, end, (original, reply), numbers, rest)| {
            let ((id, mark, zone, status), (kind, protocol, tcp_state, flags)) = (numbers, rest);
            let (start, end, id, mark) = (start.into(), end.into(), id.into(), mark.into());
            let (zone, status) = (zone.into(), status.into());
            Record { start, end, original, reply, id, mark, zone, kind, protocol, status, tcp_state, flags }
        })
    }

    /// Any counters, or none.
    pub(in super::super) fn counters() -> impl Strategy<Value = Option<Counters>> {
        let counters = any::<[u64; 4]>().prop_map(|counts| {
            let [original_packets, original_bytes, reply_packets, reply_bytes] = counts.map(Into::into);
            Counters { original_packets, original_bytes, reply_packets, reply_bytes }
        });
        prop_oneof![Just(None), Just(Some(Counters::default())), counters.prop_map(Some)]
    }

    #[test]
    fn states_have_the_kernels_names() {
        let mut record = crate::sample::record(Kind::Start, 1, 0, [([0_u8; 4], 0); 4]);
        let mut named = |number| {
            record.tcp_state = number;
            tcp_state(&record)
        };
        assert_eq!([named(0), named(10), named(255)], [None; 3]);
        assert_eq!([named(1), named(3), named(9)], [Some("SYN_SENT"), Some("ESTABLISHED"), Some("SYN_SENT2")]);
    }

    #[test]
    fn a_duration_is_that_of_the_flow_or_none() {
        let lasted = |start, end, flags| {
            let record = crate::sample::record(Kind::Flow, start, end, [([0_u8; 4], 0); 4]);
            duration(&Record { flags, ..record })
        };
        assert_eq!([lasted(5, 7, 0), lasted(5, 5, 0)], [Some(2), Some(0)]);
        assert_eq!([lasted(0, 7, 0), lasted(5, 0, 0), lasted(7, 5, 0)], [None; 3]);
        assert_eq!([lasted(5, 7, RECOVERED), lasted(5, 7, END_AT_LATEST)], [None; 2]);
        assert_eq!(lasted(5, 7, RECOVERED | START_FROM_KERNEL), Some(2));
    }

    /// A found end comes without status, and records of squeezed files of version 2 know nothing of replies.
    #[test]
    fn no_reply_and_no_knowledge_are_told_apart() {
        let mut record = crate::sample::record(Kind::End, 0, 1, [([0_u8; 4], 0); 4]);
        assert_eq!(reply_seen(&record), Some(false));
        record.flags = END_AT_LATEST;
        assert_eq!(reply_seen(&record), None);
        record.status = 8.into();
        assert_eq!(reply_seen(&record), Some(false));
        (record.kind, record.flags, record.status) = (Kind::Flow as u8, 0, 0.into());
        assert_eq!(reply_seen(&record), None);
        record.flags = REPLY_SEEN;
        assert_eq!(reply_seen(&record), Some(true));
    }
}
