//! CSV (RFC 4180): a line of names, then one for each record, with every field there is: docs/outputs.md.

use ctrecorder_format::record::flags::RECOVERED;
use ctrecorder_format::{Address, Counters, Note, Record};

use super::digits::{address, decimal, port};
use super::readings::{Ended, Readings};
use super::time::Rfc3339;
use super::told;
use crate::protocol;

/// The names of the columns.
const NAMES: &str = concat!(
    "time,kind,start,start_clock,end,end_clock,duration_ns,reply_seen,recovered,end_at_latest,ended_after,",
    "family,protocol,protocol_number,",
    "original_src,original_sport,original_dst,original_dport,reply_src,reply_sport,reply_dst,reply_dport,",
    "original_packets,original_bytes,reply_packets,reply_bytes,zone,mark,id,status,tcp_state,host"
);

/// Writes records as CSV.
#[derive(Clone, Debug)]
pub(super) struct Csv {
    /// Of what happened, which is a start or an end.
    time: Rfc3339,
    /// Of starts long before it, which have more in common with each other.
    start: Rfc3339,
    readings: Readings,
    host: String,
    netns: Option<u32>,
    /// There is a last column for that.
    tells_netns: bool,
    /// The last fields, and the end of the line.
    end: Vec<u8>,
}

impl Csv {
    pub(super) fn new() -> Self {
        let (host, end) = (String::new(), b"\r\n".to_vec());
        let readings = Readings::default();
        Self { time: Rfc3339::new(), start: Rfc3339::new(), readings, host, netns: None, tells_netns: false, end }
    }

    /// The line of names, its end included.
    pub(super) fn head(&self) -> String {
        format!("{NAMES}{}\r\n", if self.tells_netns { ",netns" } else { "" })
    }

    /// There is a last column for the network namespace.
    pub(super) const fn tell_netns(&mut self) {
        self.tells_netns = true;
    }

    /// What follows was recorded in the network namespace of this id; `None`: in the recorder's own.
    pub(super) fn netns(&mut self, netns: Option<u32>) {
        self.netns = netns;
        self.set_end();
    }

    fn set_end(&mut self) {
        let netns = match self.netns {
            Some(netns) if self.tells_netns => format!(",{netns}"),
            None if self.tells_netns => ",".into(),
            _ => String::new(),
        };
        self.end = format!("{}{netns}\r\n", self.host).into_bytes();
    }

    /// What follows was recorded by this host; empty if that is not known.
    pub(super) fn host(&mut self, host: &str) {
        self.host = quoted(host);
        self.set_end();
    }

    /// Takes a note of the journal.
    pub(super) fn note(&mut self, note: &Note) {
        self.readings.note(note);
    }

    /// Appends the line of a record.
    pub(super) fn record<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>, counters: Option<&Counters>) {
        self.times(out, record);
        word(out, told::family::<A>());
        word(out, protocol::name(record.protocol).unwrap_or_default());
        number(out, record.protocol);
        for (ip, number) in record.endpoints() {
            address(out, ip);
            out.push(b',');
            port(out, number);
            out.push(b',');
        }
        match told::counted(counters) {
            None => out.extend_from_slice(b",,,,"),
            Some(counted) => {
                let Counters { original_packets, original_bytes, reply_packets, reply_bytes } = counted;
                for count in [original_packets, original_bytes, reply_packets, reply_bytes] {
                    number(out, count.get());
                }
            }
        }
        number(out, record.zone.get());
        number(out, record.mark.get());
        match record.id.get() {
            0 => out.push(b','),
            id => number(out, id),
        }
        number(out, record.status.get());
        word(out, told::tcp_state(record).unwrap_or_default());
        out.extend_from_slice(&self.end);
    }

    /// Appends the times, and what is known about them.
    fn times<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>) {
        let time = record.event_time();
        moment(&mut self.time, out, time);
        word(out, told::kind(record));
        let (start, end) = (told::start(record), record.end.get());
        moment(if start == time { &mut self.time } else { &mut self.start }, out, start);
        word(out, if start == 0 { "" } else { told::start_clock(record) });
        moment(&mut self.time, out, end);
        word(out, if end == 0 { "" } else { told::end_clock(record) });
        match told::duration(record) {
            Some(ns) => number(out, ns),
            None => out.push(b','),
        }
        let ended = self.readings.ended(record);
        word(out, told::reply_seen(record).map_or("", truth));
        word(out, truth(record.flags & RECOVERED != 0));
        word(out, truth(ended.is_some()));
        match ended {
            Some(Ended::After(from)) => moment(&mut self.time, out, from),
            Some(Ended::Earlier) | None => out.push(b','),
        }
    }
}

const fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Appends a time, nothing if it is not known, and a comma.
fn moment(times: &mut Rfc3339, out: &mut Vec<u8>, ns: u64) {
    if ns != 0 {
        times.write(out, ns);
    }
    out.push(b',');
}

/// Appends a number and a comma.
fn number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    decimal(out, number);
    out.push(b',');
}

/// Appends a word of our own, which needs no quotes, and a comma.
fn word(out: &mut Vec<u8>, word: &str) {
    out.extend_from_slice(word.as_bytes());
    out.push(b',');
}

/// A text from outside as a field: in quotes where it needs them (RFC 4180, section 2).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat};
    use ctrecorder_format::record::flags::{END_AT_LATEST, REPLY_SEEN};
    use ctrecorder_format::{Cause, Family, Kind, V4, V6};
    use proptest::prelude::*;

    use super::*;
    use crate::output::told::tests::{counters, records};

    /// The fields of one line, as the `csv` crate reads them.
    fn fields<A: Address>(csv: &mut Csv, record: &Record<A>, counters: Option<&Counters>) -> Vec<String> {
        let mut out = csv.head().into_bytes();
        csv.record(&mut out, record, counters);
        assert!(out.ends_with(b"\r\n"));
        // The reader refuses lines of another length than the first.
        let mut reader = ::csv::Reader::from_reader(&out[..]);
        let mut lines: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0).iter().map(str::to_owned).collect()
    }

    fn time(ns: u64) -> String {
        let moment = DateTime::from_timestamp((ns / 1_000_000_000) as i64, (ns % 1_000_000_000) as u32).unwrap();
        if ns == 0 { String::new() } else { moment.to_rfc3339_opts(SecondsFormat::Nanos, true) }
    }

    /// The fields of a record by their names' order, made the slow way.
    fn expected<A: Address>(record: &Record<A>, counters: Option<&Counters>, host: &str) -> Vec<String> {
        let (start, end) = (told::start(record), record.end.get());
        let clock = |known: u64, bit: u8| match known {
            0 => String::new(),
            _ => if record.flags & bit != 0 { "kernel" } else { "recorder" }.to_owned(),
        };
        let flag = |bit: u8| (record.flags & bit != 0).to_string();
        let at_latest = end != 0 && record.flags & END_AT_LATEST != 0;
        let mut fields = vec![
            time(record.event_time()),
            told::kind(record).to_owned(),
            time(start),
            clock(start, 1),
            time(end),
            clock(end, 2),
            told::duration(record).map(|ns| ns.to_string()).unwrap_or_default(),
            told::reply_seen(record).map(|seen| seen.to_string()).unwrap_or_default(),
            flag(RECOVERED),
            at_latest.to_string(),
            String::new(),
            if A::FAMILY == Family::Ipv4 { "ipv4" } else { "ipv6" }.to_owned(),
            protocol::name(record.protocol).unwrap_or_default().to_owned(),
            record.protocol.to_string(),
        ];
        for (address, number) in record.endpoints() {
            fields.extend([address.to_ip().to_string(), number.to_string()]);
        }
        fields.extend(match counters {
            Some(own) if *own != Counters::default() => {
                [own.original_packets, own.original_bytes, own.reply_packets, own.reply_bytes].map(|n| n.to_string())
            }
            _ => Default::default(),
        });
        let id = record.id.get();
        fields.extend([
            record.zone.to_string(),
            record.mark.to_string(),
            if id == 0 { String::new() } else { id.to_string() },
            record.status.to_string(),
            told::tcp_state(record).unwrap_or_default().to_owned(),
            host.to_owned(),
        ]);
        fields
    }

    proptest! {
        #[test]
        fn a_line_is_read_back_whole(
            v4 in records::<V4>(),
            v6 in records::<V6>(),
            counters in counters(),
            host in prop_oneof!["[a-z]{0,8}", "[a\",\r\n]{0,8}", any::<String>()],
        ) {
            let mut csv = Csv::new();
            csv.host(&host);
            prop_assert_eq!(fields(&mut csv, &v4, counters.as_ref()), expected(&v4, counters.as_ref(), &host));
            prop_assert_eq!(fields(&mut csv, &v6, counters.as_ref()), expected(&v6, counters.as_ref(), &host));
        }
    }

    #[test]
    fn an_end_that_was_found_has_its_bounds() {
        const AT: u64 = 1_795_183_203_000_000_000;
        let mut record = crate::sample::record(Kind::End, 0, AT, [([0_u8; 4], 0); 4]);
        record.flags = END_AT_LATEST | REPLY_SEEN;
        let mut csv = Csv::new();
        csv.note(&Note::gap(AT - 1, AT, 0, Cause::TableRead));
        assert_eq!(fields(&mut csv, &record, None)[7..11], ["true", "false", "true", "2026-11-20T14:00:02.999999999Z"]);
    }

    #[test]
    fn the_network_namespace_has_a_column_where_it_is_wanted() {
        let record = crate::sample::record(Kind::Start, 7, 0, [([0_u8; 4], 0); 4]);
        let mut csv = Csv::new();
        csv.host("a,b");
        csv.netns(Some(3));
        assert_eq!(fields(&mut csv, &record, None).last().unwrap(), "a,b");
        csv.tell_netns();
        for (netns, field) in [(Some(3), "3"), (None, "")] {
            csv.netns(netns);
            assert_eq!(fields(&mut csv, &record, None).iter().rev().take(2).collect::<Vec<_>>(), [field, "a,b"]);
        }
    }
}
