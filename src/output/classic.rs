//! Classic text: what the C program listed, byte for byte, and the same for what it did not know (IPv6, open flows).
//!
//! ```text
//! 2010.09.28 21:15:17.988012 S  src=88.1.1.1:1527 dst=194.1.1.1:25 src=192.168.1.100:25 dst=88.1.1.1:1527
//! 2010.09.28 21:15:17.988012 2010.09.28 21:15:17.989960 src=88.1.1.1:1527 dst=194.1.1.1:80 ...
//! ```
//!
//! A line of what was found in the kernel's table, and not heard, says so at its end: ` [recovered]`, ` [ended after
//! 2026.11.20 12:10:03.000412]`. So does one of another network namespace than the recorder's own: ` [netns 3]`.

use ctrecorder_format::record::flags::{END_AT_LATEST, RECOVERED};
use ctrecorder_format::{Address, Kind, Note, Record};

use super::digits::endpoint;
use super::readings::{Ended, Readings};
use super::time::{self, Times};
use super::zone::Zone;

/// Stands where a time is not known: as long as a time.
const UNKNOWN: [u8; time::LENGTH] = *b"-          -              ";

/// Writes records as lines of classic text.
#[derive(Clone, Debug)]
pub struct Classic {
    /// Where a line has one time, and for the start where it has two. Ends come in another order than starts: each has
    /// its own, so that neither loses what it could use again.
    first: Times,
    second: Times,
    readings: Readings,
    /// ` [netns 3]`, or nothing of the recorder's own namespace.
    netns: String,
}

impl Classic {
    /// Times are written in this zone.
    pub fn new(zone: Zone) -> Self {
        Self {
            first: Times::new(zone.clone()),
            second: Times::new(zone),
            readings: Readings::default(),
            netns: String::new(),
        }
    }

    /// What follows was recorded in the network namespace of this id; `None`: in the recorder's own.
    pub fn netns(&mut self, netns: Option<u32>) {
        self.netns = netns.map_or_else(String::new, |netns| format!(" [netns {netns}]"));
    }

    /// Takes a note of the journal: one that the kernel's table was read tells of ends that were not heard.
    pub fn note(&mut self, note: &Note) {
        self.readings.note(note);
    }

    /// Appends the line of an event: its time, `S`, `U`, `E` or `O` (start, update, end, open), `+` if a reply was seen,
    /// the two tuples. A flow has its squeezed line; a kind that this program does not know has `?`.
    pub fn event<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>) {
        let letter = match record.kind() {
            Some(Kind::Start) => b'S',
            Some(Kind::Update) => b'U',
            Some(Kind::End) => b'E',
            Some(Kind::Open) => b'O',
            Some(Kind::Flow) => return self.squeezed(out, record),
            None => b'?',
        };
        moment(&mut self.first, out, record.event_time());
        let reply_seen = if record.reply_seen() { b'+' } else { b' ' };
        out.extend_from_slice(&[b' ', letter, reply_seen]);
        tuples(out, record);
        self.end_line(out, record);
    }

    /// Appends the squeezed line of a record: its start and its end, dashes for the one that is not known, the two tuples.
    fn squeezed<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>) {
        moment(&mut self.first, out, record.start.get());
        out.push(b' ');
        moment(&mut self.second, out, record.end.get());
        tuples(out, record);
        self.end_line(out, record);
    }

    /// Ends a line, with what is not exact about its times.
    fn end_line<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>) {
        if record.flags & (RECOVERED | END_AT_LATEST) != 0 {
            self.marks(out, record);
        }
        out.extend_from_slice(self.netns.as_bytes());
        out.push(b'\n');
    }

    #[cold]
    fn marks<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>) {
        if record.flags & RECOVERED != 0 {
            out.extend_from_slice(b" [recovered]");
        }
        match self.readings.ended(record) {
            Some(Ended::After(from)) => {
                out.extend_from_slice(b" [ended after ");
                self.second.write(out, from);
                out.push(b']');
            }
            Some(Ended::Earlier) => out.extend_from_slice(b" [ended earlier]"),
            None => {}
        }
    }
}

/// Appends a time, or what stands for one that is not known.
fn moment(times: &mut Times, out: &mut Vec<u8>, ns: u64) {
    match ns {
        0 => out.extend_from_slice(&UNKNOWN),
        ns => times.write(out, ns),
    }
}

/// Appends the tuples.
fn tuples<A: Address>(out: &mut Vec<u8>, record: &Record<A>) {
    for tuple in [&record.original, &record.reply] {
        out.extend_from_slice(b" src=");
        endpoint(out, tuple.src, tuple.sport.get());
        out.extend_from_slice(b" dst=");
        endpoint(out, tuple.dst, tuple.dport.get());
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use ctrecorder_format::Cause;
    use ctrecorder_format::record::flags::REPLY_SEEN;

    use super::*;
    use crate::output::readings::READINGS;
    use crate::query::Filter;
    use crate::sample::{data, record, recorded};

    const NS: u64 = 1_000_000_000;
    const AT: u64 = 1_285_708_517 * NS + 988_012_345;
    const V4_FLOW: [([u8; 4], u16); 4] =
        [([88, 1, 1, 1], 1527), ([194, 1, 1, 1], 25), ([192, 168, 1, 100], 25), ([88, 1, 1, 1], 1527)];

    fn listed<A: Address>(zone: Tz, records: &[Record<A>]) -> String {
        let (mut classic, mut out) = (Classic::new(Zone::of(zone)), Vec::new());
        for record in records {
            classic.event(&mut out, record);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lists_are_the_c_programs_byte_for_byte() {
        let all = &Filter::default();
        let host = &"ip 10.10.0.2 and port 8022".parse().unwrap();
        let network = &"ip 203.0.113.0/29".parse().unwrap();
        for (file, zone, filter, list) in [
            ("tcp.ct", Tz::UTC, all, "tcp.list.utc.txt"),
            ("tcp.ct", Tz::UTC, host, "tcp.list.i-10.10.0.2.p-8022.utc.txt"),
            ("udp.ct", Tz::Europe__Warsaw, all, "udp.list.warsaw.txt"),
            ("udp.ct", Tz::UTC, network, "udp.list.i-203.0.113.0_29.utc.txt"),
            ("tcp.combined.ct", Tz::UTC, all, "tcp.combined.list.utc.txt"),
        ] {
            let records: Vec<_> = recorded(file).into_iter().filter(|record| filter.matches(record)).collect();
            let (ours, theirs) = (listed(zone, &records), String::from_utf8(data(list)).unwrap());
            for (ours, theirs) in ours.lines().zip(theirs.lines()) {
                assert_eq!(ours, theirs, "{list}");
            }
            assert!(ours == theirs, "{list}: another number of lines");
        }
    }

    #[test]
    fn each_kind_has_its_letter() {
        let tuples = "src=88.1.1.1:1527 dst=194.1.1.1:25 src=192.168.1.100:25 dst=88.1.1.1:1527";
        for (kind, letter) in [(Kind::Start, 'S'), (Kind::Update, 'U'), (Kind::End, 'E'), (Kind::Open, 'O')] {
            let mut record = record(kind, AT, AT, V4_FLOW);
            assert_eq!(listed(Tz::UTC, &[record]), format!("2010.09.28 21:15:17.988012 {letter}  {tuples}\n"));
            record.flags = REPLY_SEEN;
            assert_eq!(listed(Tz::UTC, &[record]), format!("2010.09.28 21:15:17.988012 {letter}+ {tuples}\n"));
        }
        let mut unknown = record(Kind::Start, AT, 0, V4_FLOW);
        unknown.kind = 200;
        assert_eq!(listed(Tz::UTC, &[unknown]), format!("2010.09.28 21:15:17.988012 ?  {tuples}\n"));
    }

    #[test]
    fn a_time_that_is_not_known_is_dashes() {
        let tuples = "src=88.1.1.1:1527 dst=194.1.1.1:25 src=192.168.1.100:25 dst=88.1.1.1:1527\n";
        let (time, none) = ("2010.09.28 21:15:17.988012", "-          -              ");
        for (kind, start, end, expected) in [
            (Kind::Flow, AT, AT + 1, format!("{time} {time} {tuples}")),
            (Kind::Flow, AT, 0, format!("{time} {none} {tuples}")),
            (Kind::Flow, 0, AT, format!("{none} {time} {tuples}")),
            (Kind::Flow, 0, 0, format!("{none} {none} {tuples}")),
            (Kind::Open, 0, 0, format!("{none} O  {tuples}")),
            (Kind::End, AT, 0, format!("{none} E  {tuples}")),
        ] {
            assert_eq!(listed(Tz::UTC, &[record(kind, start, end, V4_FLOW)]), expected);
        }
        let mut out = Vec::new();
        Classic::new(Zone::utc()).squeezed(&mut out, &record(Kind::Start, AT, 0, V4_FLOW));
        assert_eq!(String::from_utf8(out).unwrap(), format!("{time} {none} {tuples}"));
    }

    #[test]
    fn what_was_found_and_not_heard_is_marked() {
        let tuples = "src=88.1.1.1:1527 dst=194.1.1.1:25 src=192.168.1.100:25 dst=88.1.1.1:1527";
        let (time, before) = ("2010.09.28 21:15:17.988012", "2010.09.28 21:15:07.988012");
        let (mut classic, mut out) = (Classic::new(Zone::utc()), Vec::new());
        let read = |to| Note::gap(AT - 10 * NS, to, 0, Cause::TableRead);
        classic.note(&read(AT));
        // Others, before and behind it, are not its own.
        (1..READINGS as u64).for_each(|later| classic.note(&read(AT + later)));
        classic.note(&Note::at(AT, Cause::Quiet));
        let mut line = |kind, start, end, flags| {
            out.clear();
            let mut record = record(kind, start, end, V4_FLOW);
            record.flags = flags;
            classic.event(&mut out, &record);
            String::from_utf8(out.clone()).unwrap()
        };
        assert_eq!(line(Kind::Start, AT, 0, RECOVERED), format!("{time} S  {tuples} [recovered]\n"));
        let ended = format!("{time} E  {tuples} [ended after {before}]\n");
        assert_eq!(line(Kind::End, 0, AT, END_AT_LATEST), ended);
        assert_eq!(
            line(Kind::End, 0, AT + NS, END_AT_LATEST),
            ended.replace(&format!("after {before}"), "earlier").replace(":17", ":18")
        );
        let both = format!("{time} {time} {tuples} [recovered] [ended after {before}]\n");
        assert_eq!(line(Kind::Flow, AT, AT, RECOVERED | END_AT_LATEST), both);
        // An end that did not come is none that came late.
        assert!(line(Kind::Flow, AT, 0, END_AT_LATEST).ends_with(":1527\n"));
    }

    #[test]
    fn ipv6_endpoints_stand_in_brackets() {
        let host = |last| [0x20, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        let flow = record(Kind::End, 0, AT, [(host(1), 40_000), (host(2), 443), (host(2), 443), (host(3), 9)]);
        let expected =
            "2010.09.28 23:15:17.988012 E  src=[2001::1]:40000 dst=[2001::2]:443 src=[2001::2]:443 dst=[2001::3]:9\n";
        assert_eq!(listed(Tz::Europe__Warsaw, &[flow]), expected);
    }
}
