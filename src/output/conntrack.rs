//! Lines as `conntrack -E -o timestamp,extended,id` prints them, as far as a record tells: docs/outputs.md.
//!
//! ```text
//! [1795226215.748264]     [NEW] ipv4     2 tcp      6 SYN_SENT src=10.0.0.7 dst=198.51.100.80 sport=51234 ...
//! ```
//!
//! The form was learnt from what the program printed of real flows, and is held against that by a test.

use ctrecorder_format::record::flags::{END_FROM_KERNEL, RECOVERED, START_FROM_KERNEL};
use ctrecorder_format::{Address, Counters, Family, Kind, NS_PER_SECOND, Note, Record, Tuple};

use super::digits::{address, decimal, epoch, hex, port};
use super::readings::{Ended, Readings};
use super::told::{self, Layer4, Query, status};
use crate::protocol;

/// Writes records as lines of conntrack(8).
#[derive(Clone, Debug, Default)]
pub(super) struct Conntrack {
    readings: Readings,
    netns: Option<u32>,
}

impl Conntrack {
    /// What follows was recorded in the network namespace of this id; `None`: in the recorder's own.
    pub(super) const fn netns(&mut self, netns: Option<u32>) {
        self.netns = netns;
    }

    /// Takes a note of the journal.
    pub(super) fn note(&mut self, note: &Note) {
        self.readings.note(note);
    }

    /// Appends the line of a record.
    pub(super) fn record<A: Address>(&self, out: &mut Vec<u8>, record: &Record<A>, counters: Option<&Counters>) {
        let counters = told::counted(counters);
        event(out, record);
        protocols(out, record);
        let layer4 = Layer4::of(record);
        tuple(out, &record.original, layer4);
        count(out, counters.map(|counted| (counted.original_packets.get(), counted.original_bytes.get())));
        if told::reply_seen(record) == Some(false) {
            out.extend_from_slice(b"[UNREPLIED] ");
        }
        tuple(out, &record.reply, layer4);
        count(out, counters.map(|counted| (counted.reply_packets.get(), counted.reply_bytes.get())));
        attributes(out, record);
        times(out, record);
        if record.id.get() != 0 {
            number(out, b"id=", record.id.get());
        }
        self.marks(out, record);
        // The space behind the last word.
        out.pop();
        out.push(b'\n');
    }

    /// What conntrack(8) does not know: of which namespace a record is, and that it was found, not heard.
    fn marks<A: Address>(&self, out: &mut Vec<u8>, record: &Record<A>) {
        if let Some(netns) = self.netns {
            number(out, b"netns=", netns);
        }
        if record.flags & RECOVERED != 0 {
            out.extend_from_slice(b"[RECOVERED] ");
        }
        match self.readings.ended(record) {
            Some(Ended::After(from)) => bracketed(out, b"[ENDED_AFTER=", from),
            Some(Ended::Earlier) => out.extend_from_slice(b"[ENDED_EARLIER] "),
            None => {}
        }
    }
}

/// Appends the time, where it is known, and what happened.
fn event<A: Address>(out: &mut Vec<u8>, record: &Record<A>) {
    let time = record.event_time();
    if time != 0 {
        out.push(b'[');
        epoch(out, time);
        out.extend_from_slice(b"]\t");
    }
    out.extend_from_slice(match record.kind() {
        Some(Kind::Start) => b"    [NEW] ",
        Some(Kind::Update) => b" [UPDATE] ",
        // A flow whose end is not known has begun, that is all.
        Some(Kind::Flow) if record.end.get() == 0 => b"    [NEW] ",
        Some(Kind::End | Kind::Flow) => b"[DESTROY] ",
        Some(Kind::Open) => b"   [OPEN] ",
        None => b"[UNKNOWN] ",
    });
}

/// Appends both protocols by name and number, and the state of TCP.
fn protocols<A: Address>(out: &mut Vec<u8>, record: &Record<A>) {
    // The numbers are those of linux/socket.h: AF_INET, AF_INET6.
    out.extend_from_slice(match A::FAMILY {
        Family::Ipv4 => b"ipv4     2 ",
        Family::Ipv6 => b"ipv6     10 ",
    });
    // As long as the longest name and a space.
    let mut name = *b"         ";
    for (to, from) in name.iter_mut().zip(protocol::name(record.protocol).unwrap_or("unknown").bytes()) {
        *to = from;
    }
    out.extend_from_slice(&name);
    number(out, b"", record.protocol);
    if let Some(state) = told::tcp_state(record) {
        out.extend_from_slice(state.as_bytes());
        out.push(b' ');
    }
}

/// Appends one direction, and a space.
fn tuple<A: Address>(out: &mut Vec<u8>, tuple: &Tuple<A>, layer4: Layer4) {
    out.extend_from_slice(b"src=");
    address(out, tuple.src);
    out.extend_from_slice(b" dst=");
    address(out, tuple.dst);
    out.push(b' ');
    match layer4 {
        Layer4::Ports => {
            out.extend_from_slice(b"sport=");
            port(out, tuple.sport.get());
            out.extend_from_slice(b" dport=");
            port(out, tuple.dport.get());
            out.push(b' ');
        }
        Layer4::Query => {
            let Query { id, kind, code } = Query::of(tuple);
            number(out, b"type=", kind);
            number(out, b"code=", code);
            number(out, b"id=", id);
        }
        Layer4::Keys => {
            out.extend_from_slice(b"srckey=0x");
            hex(out, tuple.sport.get());
            out.extend_from_slice(b" dstkey=0x");
            hex(out, tuple.dport.get());
            out.push(b' ');
        }
        Layer4::Nothing => {}
    }
}

/// Appends what was counted of one direction: packets and bytes.
fn count(out: &mut Vec<u8>, counted: Option<(u64, u64)>) {
    if let Some((packets, bytes)) = counted {
        number(out, b"packets=", packets);
        number(out, b"bytes=", bytes);
    }
}

/// Appends what is told of the flow as a whole.
fn attributes<A: Address>(out: &mut Vec<u8>, record: &Record<A>) {
    let bits = record.status.get();
    // One of them, the strongest: Documentation/networking/nf_flowtable.rst.
    if bits & status::HW_OFFLOAD != 0 {
        out.extend_from_slice(b"[HW_OFFLOAD] ");
    } else if bits & status::OFFLOAD != 0 {
        out.extend_from_slice(b"[OFFLOAD] ");
    } else if bits & status::ASSURED != 0 {
        out.extend_from_slice(b"[ASSURED] ");
    }
    if record.mark.get() != 0 {
        number(out, b"mark=", record.mark.get());
    }
    if record.zone.get() != 0 {
        number(out, b"zone=", record.zone.get());
    }
}

/// Appends how long the flow lasted, where conntrack(8) does, which is where the kernel told both times; and of a squeezed
/// flow both that and when it began.
fn times<A: Address>(out: &mut Vec<u8>, record: &Record<A>) {
    const BY_KERNEL: u8 = START_FROM_KERNEL | END_FROM_KERNEL;
    let (start, end) = (record.start.get(), record.end.get());
    let is_flow = record.kind() == Some(Kind::Flow);
    if told::duration(record).is_some() && (is_flow || record.flags & BY_KERNEL == BY_KERNEL) {
        // As conntrack(8) does it: the seconds of the one less those of the other.
        number(out, b"delta-time=", (end / NS_PER_SECOND).saturating_sub(start / NS_PER_SECOND));
    }
    if is_flow && start != 0 && end != 0 {
        bracketed(out, b"[start=", start);
    }
}

/// Appends a moment behind the bracket that it closes, and a space.
fn bracketed(out: &mut Vec<u8>, name: &[u8], ns: u64) {
    out.extend_from_slice(name);
    epoch(out, ns);
    out.extend_from_slice(b"] ");
}

/// Appends a number behind its name, and a space.
fn number(out: &mut Vec<u8>, name: &[u8], number: impl itoa::Integer) {
    out.extend_from_slice(name);
    decimal(out, number);
    out.push(b' ');
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::record::flags::{END_AT_LATEST, REPLY_SEEN};
    use ctrecorder_format::{Cause, V4};

    use super::*;
    use crate::sample::record;

    const NS: u64 = NS_PER_SECOND;
    const AT: u64 = 1_795_226_551 * NS + 913_024_999;
    const PORTS: &str = "src=10.0.0.9 dst=198.51.100.7 sport=1024 dport=443";
    const REPLY: &str = "src=198.51.100.7 dst=203.0.113.6 sport=443 dport=36782";

    fn flow(kind: Kind, start: u64, end: u64) -> Record<V4> {
        let (inside, server, public) = (([10, 0, 0, 9], 1024), ([198, 51, 100, 7], 443), ([203, 0, 113, 6], 36782));
        Record { id: 77.into(), ..record(kind, start, end, [inside, server, server, public]) }
    }

    fn line(conntrack: &Conntrack, record: &Record<V4>) -> String {
        let mut out = Vec::new();
        conntrack.record(&mut out, record, None);
        String::from_utf8(out).unwrap()
    }

    /// What conntrack(8) 1.4.7 printed for flows that it had made itself, without the timeout, and without who made them.
    #[test]
    fn attributes_stand_where_conntrack_has_them() {
        let mut flow = flow(Kind::Start, AT, 0);
        let conntrack = Conntrack::default();
        let head = "[1795226551.913024]\t    [NEW] ipv4     2 tcp      6";
        assert_eq!(line(&conntrack, &flow), format!("{head} {PORTS} [UNREPLIED] {REPLY} id=77\n"));
        flow.tcp_state = 7;
        flow.status = status::ASSURED.into();
        flow.mark = 9.into();
        flow.zone = 7.into();
        flow.flags = REPLY_SEEN;
        let rest = format!("{PORTS} {REPLY} [ASSURED] mark=9 zone=7 id=77\n");
        assert_eq!(line(&conntrack, &flow), format!("{head} TIME_WAIT {rest}"));
        for (bits, word) in [(status::OFFLOAD, "[OFFLOAD]"), (u16::MAX, "[HW_OFFLOAD]"), (0, "")] {
            flow.status = bits.into();
            let rest = if word.is_empty() { rest.replace("[ASSURED] ", "") } else { rest.replace("[ASSURED]", word) };
            assert_eq!(line(&conntrack, &flow), format!("{head} TIME_WAIT {rest}"));
        }
        flow.tcp_state = 10;
        assert!(line(&conntrack, &flow).starts_with(&format!("{head} src=")));
        (flow.protocol, flow.tcp_state) = (89, 0);
        assert!(line(&conntrack, &flow).contains("] ipv4     2 unknown  89 src=10.0.0.9 dst=198.51.100.7 sport=1024 "));
        for tuple in [&mut flow.original, &mut flow.reply] {
            (tuple.sport, tuple.dport) = (0.into(), 0.into());
        }
        assert!(line(&conntrack, &flow).contains(" 89 src=10.0.0.9 dst=198.51.100.7 src=198.51.100.7 dst="));
    }

    /// conntrack(8) told delta-time=1 of a flow that began at .913 s and ended at .248 s of the next second.
    #[test]
    fn a_length_is_told_where_conntrack_does_and_of_flows() {
        let conntrack = Conntrack::default();
        let mut end = flow(Kind::End, AT, AT + NS / 2);
        assert!(line(&conntrack, &end).ends_with("dport=36782 id=77\n"));
        end.flags = START_FROM_KERNEL | END_FROM_KERNEL;
        assert!(line(&conntrack, &end).ends_with("dport=36782 delta-time=1 id=77\n"));
        (end.start, end.end) = (end.end, end.start);
        assert!(line(&conntrack, &end).ends_with("dport=36782 id=77\n"));
        let flow = flow(Kind::Flow, AT, AT + NS / 2);
        let told = line(&conntrack, &flow);
        assert!(told.starts_with("[1795226552.413024]\t[DESTROY] ipv4"), "{told}");
        assert!(told.ends_with("dport=36782 delta-time=1 [start=1795226551.913024] id=77\n"), "{told}");
    }

    #[test]
    fn what_has_no_end_or_no_time_is_told_so() {
        let conntrack = Conntrack::default();
        let begin = |kind, start, end| {
            let line = line(&conntrack, &flow(kind, start, end));
            line.split(" ipv4").next().unwrap().to_owned()
        };
        let time = "[1795226551.913024]\t";
        assert_eq!(begin(Kind::Flow, AT, 0), format!("{time}    [NEW]"));
        assert_eq!(begin(Kind::Flow, 0, AT), format!("{time}[DESTROY]"));
        assert_eq!(begin(Kind::Update, AT, 0), format!("{time} [UPDATE]"));
        assert_eq!(begin(Kind::Open, AT, 0), format!("{time}   [OPEN]"));
        assert_eq!(begin(Kind::Open, 0, 0), "   [OPEN]");
    }

    #[test]
    fn what_was_found_and_not_heard_is_marked() {
        let mut conntrack = Conntrack::default();
        conntrack.note(&Note::gap(AT - 10 * NS, AT, 0, Cause::TableRead));
        let mut end = Record { flags: END_AT_LATEST | RECOVERED, ..flow(Kind::End, 0, AT) };
        assert!(line(&conntrack, &end).ends_with(" id=77 [RECOVERED] [ENDED_AFTER=1795226541.913024]\n"));
        end.end = (AT + 1).into();
        assert!(line(&conntrack, &end).ends_with(" id=77 [RECOVERED] [ENDED_EARLIER]\n"));
    }
}
