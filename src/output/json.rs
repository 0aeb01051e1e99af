//! NDJSON: an object for each record on a line of its own, with the names of the Elastic Common Schema where that has
//! one, and under `ctrecorder` what it does not know: docs/outputs.md.
//!
//! All texts here are our own but one, the host's name, which is escaped once for each file. So the lines are put together
//! from their parts without a serializer, which millions of records would notice; the tests have `serde_json` read them back.

use ctrecorder_format::record::flags::{END_AT_LATEST, RECOVERED};
use ctrecorder_format::{Address, Counters, Note, Record, Tuple};

use super::digits::{address, decimal, port};
use super::readings::{Ended, Readings};
use super::time::Rfc3339;
use super::told::{self, Layer4, Query};
use crate::protocol;

/// Writes records as JSON.
#[derive(Clone, Debug)]
pub(super) struct Json {
    /// Of what happened, which is a start or an end.
    time: Rfc3339,
    /// Of starts long before it, which have more in common with each other.
    start: Rfc3339,
    readings: Readings,
    /// `"observer":{...},`, or nothing if the host is not known.
    observer: Vec<u8>,
    netns: Option<u32>,
}

impl Json {
    pub(super) fn new() -> Self {
        Self {
            time: Rfc3339::new(),
            start: Rfc3339::new(),
            readings: Readings::default(),
            observer: Vec::new(),
            netns: None,
        }
    }

    /// What follows was recorded by this host; empty if that is not known.
    pub(super) fn host(&mut self, host: &str) {
        self.observer.clear();
        if !host.is_empty() {
            let name = serde_json::Value::from(host);
            self.observer.extend_from_slice(format!(r#""observer":{{"hostname":{name}}},"#).as_bytes());
        }
    }

    /// What follows was recorded in the network namespace of this id; `None`: in the recorder's own.
    pub(super) const fn netns(&mut self, netns: Option<u32>) {
        self.netns = netns;
    }

    /// Takes a note of the journal.
    pub(super) fn note(&mut self, note: &Note) {
        self.readings.note(note);
    }

    /// Appends the line of a record.
    pub(super) fn record<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>, counters: Option<&Counters>) {
        let counters = told::counted(counters);
        out.push(b'{');
        let time = record.event_time();
        if time != 0 {
            out.extend_from_slice(br#""@timestamp":""#);
            self.time.write(out, time);
            out.extend_from_slice(br#"","#);
        }
        self.event(out, record);
        network(out, record);
        let layer4 = Layer4::of(record);
        let (original, reply) = (Sides::of(&record.original), Sides::of(&record.reply));
        out.extend_from_slice(br#""source":{"#);
        side(out, layer4, original.from, reply.to);
        count(out, counters.map(|counted| (counted.original_packets.get(), counted.original_bytes.get())));
        out.extend_from_slice(br#"},"destination":{"#);
        side(out, layer4, original.to, reply.from);
        count(out, counters.map(|counted| (counted.reply_packets.get(), counted.reply_bytes.get())));
        out.extend_from_slice(b"},");
        out.extend_from_slice(&self.observer);
        self.own(out, record, layer4);
        out.extend_from_slice(b"}\n");
    }

    fn event<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>) {
        out.extend_from_slice(br#""event":{"action":""#);
        out.extend_from_slice(told::kind(record).as_bytes());
        out.push(b'"');
        let (start, end) = (told::start(record), record.end.get());
        if start != 0 {
            out.extend_from_slice(br#","start":""#);
            let times = if start == record.event_time() { &mut self.time } else { &mut self.start };
            times.write(out, start);
            out.push(b'"');
        }
        if end != 0 {
            out.extend_from_slice(br#","end":""#);
            self.time.write(out, end);
            out.push(b'"');
        }
        if let Some(ns) = told::duration(record) {
            number(out, br#","duration":"#, ns);
        }
        out.extend_from_slice(b"},");
    }

    /// What the common schema has no name for.
    fn own<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>, layer4: Layer4) {
        // The zone is always there, so that no other name needs to ask whether it is the first.
        number(out, br#""ctrecorder":{"zone":"#, record.zone.get());
        if let Some(netns) = self.netns {
            number(out, br#","netns":"#, netns);
        }
        for (name, value) in [
            (&br#","id":"#[..], record.id.get()),
            (br#","mark":"#, record.mark.get()),
            (br#","status":"#, record.status.get().into()),
        ] {
            if value != 0 {
                number(out, name, value);
            }
        }
        if let Some(seen) = told::reply_seen(record) {
            out.extend_from_slice(if seen { br#","reply_seen":true"# } else { br#","reply_seen":false"# });
        }
        if let Some(state) = told::tcp_state(record) {
            word(out, br#","tcp_state":""#, state);
        }
        match layer4 {
            Layer4::Query => query(out, record),
            Layer4::Keys => keys(out, record),
            Layer4::Ports | Layer4::Nothing => {}
        }
        if told::start(record) != 0 {
            word(out, br#","start_clock":""#, told::start_clock(record));
        }
        if record.end.get() != 0 {
            word(out, br#","end_clock":""#, told::end_clock(record));
        }
        if record.flags & (RECOVERED | END_AT_LATEST) != 0 {
            self.marks(out, record);
        }
        out.push(b'}');
    }

    #[cold]
    fn marks<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>) {
        if record.flags & RECOVERED != 0 {
            out.extend_from_slice(br#","recovered":true"#);
        }
        let Some(ended) = self.readings.ended(record) else {
            return;
        };
        out.extend_from_slice(br#","end_at_latest":true"#);
        if let Ended::After(from) = ended {
            out.extend_from_slice(br#","ended_after":""#);
            self.time.write(out, from);
            out.push(b'"');
        }
    }
}

fn network<A: Address>(out: &mut Vec<u8>, record: &Record<A>) {
    word(out, br#""network":{"type":""#, told::family::<A>());
    let name = match protocol::name(record.protocol) {
        // The keyword of IANA, which the schema asks for.
        Some("icmpv6") => Some("ipv6-icmp"),
        name => name,
    };
    if let Some(name) = name {
        word(out, br#","transport":""#, name);
    }
    number(out, br#","iana_number":"#, record.protocol);
    out.extend_from_slice(b"},");
}

/// The two ends of a direction: address and port.
struct Sides<A> {
    from: (A, u16),
    to: (A, u16),
}

impl<A: Address> Sides<A> {
    fn of(tuple: &Tuple<A>) -> Self {
        Self { from: (tuple.src, tuple.sport.get()), to: (tuple.dst, tuple.dport.get()) }
    }
}

/// Appends one side of a flow: as it is before translation, and as it is behind it if that is something else.
fn side<A: Address>(out: &mut Vec<u8>, layer4: Layer4, before: (A, u16), behind: (A, u16)) {
    let has_ports = layer4 == Layer4::Ports;
    endpoint(out, before, has_ports);
    if behind.0 != before.0 || has_ports && behind.1 != before.1 {
        out.extend_from_slice(br#","nat":{"#);
        endpoint(out, behind, has_ports);
        out.push(b'}');
    }
}

fn endpoint<A: Address>(out: &mut Vec<u8>, (ip, number): (A, u16), has_ports: bool) {
    out.extend_from_slice(br#""ip":""#);
    address(out, ip);
    out.push(b'"');
    if has_ports {
        out.extend_from_slice(br#","port":"#);
        port(out, number);
    }
}

fn count(out: &mut Vec<u8>, counted: Option<(u64, u64)>) {
    if let Some((packets, bytes)) = counted {
        number(out, br#","packets":"#, packets);
        number(out, br#","bytes":"#, bytes);
    }
}

/// Appends what ICMP and ICMPv6 have in place of ports, in both directions.
fn query<A: Address>(out: &mut Vec<u8>, record: &Record<A>) {
    let mut one = |name: &[u8], tuple| {
        let Query { id, kind, code } = Query::of(tuple);
        number(out, name, id);
        number(out, br#","type":"#, kind);
        number(out, br#","code":"#, code);
    };
    one(br#","icmp":{"id":"#, &record.original);
    one(br#","reply":{"id":"#, &record.reply);
    out.extend_from_slice(b"}}");
}

/// Appends what GRE has in place of ports, in both directions.
fn keys<A: Address>(out: &mut Vec<u8>, record: &Record<A>) {
    let mut one = |name: &[u8], tuple: &Tuple<A>| {
        number(out, name, tuple.sport.get());
        number(out, br#","destination_key":"#, tuple.dport.get());
    };
    one(br#","gre":{"source_key":"#, &record.original);
    one(br#","reply":{"source_key":"#, &record.reply);
    out.extend_from_slice(b"}}");
}

/// Appends a number behind its name.
fn number(out: &mut Vec<u8>, name: &[u8], number: impl itoa::Integer) {
    out.extend_from_slice(name);
    decimal(out, number);
}

/// Appends a word of our own, which needs no escape, behind its name and the quote that it closes.
fn word(out: &mut Vec<u8>, name: &[u8], word: &str) {
    out.extend_from_slice(name);
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use chrono::{DateTime, SecondsFormat};
    use ctrecorder_format::{Cause, Family, Kind, V4, V6};
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::output::told::tests::{counters, records};

    /// One line as what `serde_json` makes of it. It must be all there is: one line, nothing twice, no spaces.
    fn parsed<A: Address>(json: &mut Json, record: &Record<A>, counters: Option<&Counters>) -> Value {
        let mut out = Vec::new();
        json.record(&mut out, record, counters);
        let line = String::from_utf8(out).unwrap();
        let line = line.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "{line}");
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(value.to_string().len(), line.len(), "something is there twice: {line}");
        value
    }

    fn time(ns: u64) -> Value {
        if ns == 0 {
            return Value::Null;
        }
        let moment = DateTime::from_timestamp((ns / 1_000_000_000) as i64, (ns % 1_000_000_000) as u32).unwrap();
        moment.to_rfc3339_opts(SecondsFormat::Nanos, true).into()
    }

    /// Without what is null.
    fn object(fields: Value) -> Value {
        let Value::Object(fields) = fields else { panic!("{fields} is no object") };
        fields.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>().into()
    }

    /// The object of a record, built the slow way.
    fn expected<A: Address>(record: &Record<A>, counters: Option<&Counters>, host: &str) -> Value {
        let layer4 = Layer4::of(record);
        let (end, start) = (record.end.get(), told::start(record));
        let known = |number: u32| if number == 0 { Value::Null } else { number.into() };
        let [src, dst, answering, public] = record.endpoints().map(|(address, number)| {
            let port = if layer4 == Layer4::Ports { number.into() } else { Value::Null };
            object(json!({"ip": address.to_ip().to_string(), "port": port}))
        });
        let side = |before: Value, behind: Value, counted: Option<(u64, u64)>| {
            let mut side = before.clone();
            side["nat"] = if behind == before { Value::Null } else { behind };
            side["packets"] = counted.map(|(packets, _)| packets).into();
            side["bytes"] = counted.map(|(_, bytes)| bytes).into();
            object(side)
        };
        let counted = counters.filter(|counters| **counters != Counters::default());
        let query = |tuple: &Tuple<A>| {
            let number = tuple.dport.get();
            json!({"id": tuple.sport.get(), "type": number / 256, "code": number % 256})
        };
        let keys = |tuple: &Tuple<A>| json!({"source_key": tuple.sport.get(), "destination_key": tuple.dport.get()});
        let both = |of: &dyn Fn(&Tuple<A>) -> Value| {
            let mut both = of(&record.original);
            both["reply"] = of(&record.reply);
            both
        };
        let clock = |known: u64, bit: u8| match known {
            0 => Value::Null,
            _ => if record.flags & bit != 0 { "kernel" } else { "recorder" }.into(),
        };
        let marked = |marked: bool| if marked { Value::from(true) } else { Value::Null };
        let transport = protocol::name(record.protocol).map(|name| name.replace("icmpv6", "ipv6-icmp"));
        object(json!({
            "@timestamp": time(record.event_time()),
            "event": object(json!({
                "action": told::kind(record), "start": time(start), "end": time(end), "duration": told::duration(record),
            })),
            "network": object(json!({
                "type": match A::FAMILY { Family::Ipv4 => "ipv4", Family::Ipv6 => "ipv6" },
                "transport": transport, "iana_number": record.protocol,
            })),
            "source": side(src, public, counted.map(|c| (c.original_packets.get(), c.original_bytes.get()))),
            "destination": side(dst, answering, counted.map(|c| (c.reply_packets.get(), c.reply_bytes.get()))),
            "observer": if host.is_empty() { Value::Null } else { json!({"hostname": host}) },
            "ctrecorder": object(json!({
                "reply_seen": told::reply_seen(record),
                "id": known(record.id.get()), "zone": record.zone.get(), "mark": known(record.mark.get()),
                "status": known(record.status.get().into()), "tcp_state": told::tcp_state(record),
                "icmp": if layer4 == Layer4::Query { both(&query) } else { Value::Null },
                "gre": if layer4 == Layer4::Keys { both(&keys) } else { Value::Null },
                "start_clock": clock(start, 1), "end_clock": clock(end, 2),
                "recovered": marked(record.flags & 8 != 0), "end_at_latest": marked(record.flags & 16 != 0 && end != 0),
            })),
        }))
    }

    proptest! {
        #[test]
        fn a_line_is_the_object_that_a_serializer_would_write(
            v4 in records::<V4>(),
            v6 in records::<V6>(),
            counters in counters(),
            host in prop_oneof!["[a-z]{0,8}", any::<String>()],
        ) {
            let mut json = Json::new();
            json.host(&host);
            prop_assert_eq!(parsed(&mut json, &v4, counters.as_ref()), expected(&v4, counters.as_ref(), &host));
            prop_assert_eq!(parsed(&mut json, &v6, counters.as_ref()), expected(&v6, counters.as_ref(), &host));
        }
    }

    #[test]
    fn an_end_that_was_found_has_its_bounds() {
        const AT: u64 = 1_795_183_203_000_000_000;
        let mut record = crate::sample::record(Kind::End, 0, AT, [([0_u8; 4], 0); 4]);
        record.flags = END_AT_LATEST;
        let mut json = Json::new();
        json.note(&Note::gap(AT - 1, AT, 0, Cause::TableRead));
        let own = &parsed(&mut json, &record, None)["ctrecorder"];
        assert_eq!((&own["end_at_latest"], &own["ended_after"]), (&json!(true), &time(AT - 1)));
        record.end = (AT + 1).into();
        let own = &parsed(&mut json, &record, None)["ctrecorder"];
        assert_eq!((&own["end_at_latest"], own.get("ended_after")), (&json!(true), None));
    }

    /// Addresses are what `IpAddr` reads; all the more so in the odd forms.
    #[test]
    fn addresses_are_read_back() {
        for address in ["::", "::1", "::ffff:192.0.2.1", "2001:db8::1", "64:ff9b::192.0.2.33"] {
            let ip: IpAddr = address.parse().unwrap();
            let own = V6::from_ip(ip).unwrap();
            let record = crate::sample::record(Kind::Start, 1, 0, [(own, 1); 4]);
            let told = parsed(&mut Json::new(), &record, None);
            assert_eq!(told["source"]["ip"].as_str().unwrap().parse(), Ok(ip));
        }
    }
}
