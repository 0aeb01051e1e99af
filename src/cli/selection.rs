//! Which flows a command is about: the options of the one filter, for every command that reads.

use std::net::SocketAddr;

use ipnetwork::IpNetwork;

use super::Misuse;
use crate::protocol::{Protocols, QUERIES};
use crate::query::filter::{Mark, Ports, parse_id, parse_zone_number};
use crate::query::time::utc;
use crate::query::who::parse_endpoint;
use crate::query::{Clock, Condition, Filter, Places, Where, parse_duration, parse_network};

/// Which flows are wanted.
///
/// Times are kept as they were typed: what zone they are in is said by another option.
#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Which flows (all that different options say must hold; of a repeated one, any)")]
pub struct Selection {
    /// With an address in this network, on either side of either direction; MASK is a prefix length or a dotted mask.
    /// Blocks that cannot hold such a flow are not read, and damage in them is not found: see test
    #[arg(short = 'i', long, value_name = "IP[/MASK]", value_parser = parse_network)]
    address: Vec<IpNetwork>,

    /// With this port, be it of the same address or of another one; FIRST:LAST is a range, here and below
    #[arg(short, long)]
    port: Vec<Ports>,

    /// With this address and this port at the same place, of the four; IPv6 in brackets: [2001:db8::1]:443. Of ICMP, with --proto icmp,
    /// the id of the query in place of the port. Of a public endpoint at some time, ask who
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_endpoint)]
    endpoint: Vec<SocketAddr>,

    /// Original source, before translation: an address or a network, here and below
    #[arg(long, value_name = "IP[/MASK]", value_parser = parse_network)]
    orig_src: Vec<IpNetwork>,

    /// Original destination
    #[arg(long, value_name = "IP[/MASK]", value_parser = parse_network)]
    orig_dst: Vec<IpNetwork>,

    /// Source of the replies
    #[arg(long, value_name = "IP[/MASK]", value_parser = parse_network)]
    reply_src: Vec<IpNetwork>,

    /// Destination of the replies: with source NAT, the public address
    #[arg(long, value_name = "IP[/MASK]", value_parser = parse_network)]
    reply_dst: Vec<IpNetwork>,

    /// Original source port
    #[arg(long, value_name = "PORT")]
    orig_port_src: Vec<Ports>,

    /// Original destination port
    #[arg(long, value_name = "PORT")]
    orig_port_dst: Vec<Ports>,

    /// Source port of the replies
    #[arg(long, value_name = "PORT")]
    reply_port_src: Vec<Ports>,

    /// Destination port of the replies: with source NAT, the public port
    #[arg(long, value_name = "PORT")]
    reply_port_dst: Vec<Ports>,

    /// Of this protocol: names or numbers with commas between
    #[arg(long, alias = "protocol", value_name = "PROTOCOL")]
    proto: Vec<Protocols>,

    /// In this conntrack zone
    #[arg(long, value_name = "NUMBER", value_parser = parse_zone_number)]
    zone: Vec<u16>,

    /// With this connection mark, or with these bits of it
    #[arg(long, value_name = "MARK[/MASK]")]
    mark: Vec<Mark>,

    /// With this conntrack id
    #[arg(long, value_name = "NUMBER", value_parser = parse_id)]
    id: Vec<u32>,

    /// With an address or a port that was translated
    #[arg(long)]
    nat: bool,

    /// From this time on: starts and ends of that time or later, and flows still alive then. 2026-11-20T14:13:20Z, or
    /// 2026-11-20 15:13:20 with or without a zone behind it, or a date, the date of an e-mail or of a web server's log, @ and
    /// the seconds since 1970, or 5 minutes ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Up to this time: starts and ends of that time or earlier, and flows that had begun by then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// Alive at this time, as far as the record tells: a start only tells of the time after it, an end of the time before
    /// it. Flows as a whole are asked with --squeezed
    #[arg(long, value_name = "TIME")]
    at: Option<String>,

    /// That lasted at least so long (90s, 5 minutes, 1h 30m), or may have, by records that know both times: a flow that was found in the
    /// kernel's table ([recovered]) began earlier, nobody knows by how much. Flows as a whole are asked with --squeezed
    #[arg(long, value_name = "SPAN", value_parser = parse_duration)]
    min_duration: Option<u64>,

    /// That meet this: [pre|post] [src|dst] {ip NETWORK | port PORT | endpoint ADDRESS:PORT}, before TIME, after TIME, at TIME, between TIME TIME
    /// and more, joined with and, or, not and parentheses
    #[arg(long = "where", value_name = "EXPRESSION")]
    expression: Vec<String>,
}

/// What was selected.
#[derive(Debug, Default)]
pub struct Selected {
    /// The filter that all options are together.
    pub filter: Filter,
    /// Lines for standard error: which times were taken as local time.
    pub remarks: Vec<String>,
}

impl Selection {
    /// The filter that these options are together; times are read by this clock.
    pub fn selected(&self, clock: &Clock) -> Result<Selected, Misuse> {
        self.with(&self.protocols(), clock)
    }

    /// The filter that all but the protocols are together, and the protocols: who can say them by a file's header needs no filter for
    /// them.
    pub fn selected_beside_protocols(&self, clock: &Clock) -> Result<(Selected, Protocols), Misuse> {
        self.with(&Protocols::All, clock).map(|selected| (selected, self.protocols()))
    }

    fn protocols(&self) -> Protocols {
        joined(&self.proto)
    }

    /// What is selected of these protocols.
    fn with(&self, protocols: &Protocols, clock: &Clock) -> Result<Selected, Misuse> {
        let mut parts = Parts::default();
        self.endpoints(&mut parts);
        parts.any(protocols.numbers().iter().copied().map(Condition::Protocol));
        parts.any(self.zone.iter().copied().map(Condition::Zone));
        parts.any(self.mark.iter().copied().map(Condition::Mark));
        parts.any(self.id.iter().copied().map(Condition::Id));
        parts.any(self.nat.then_some(Condition::Translated));
        parts.any(self.min_duration.map(Condition::Lasted));
        self.times(clock, &mut parts)?;
        self.expressions(clock, &mut parts)?;
        Ok(Selected { filter: Filter::all(parts.filters), remarks: parts.remarks })
    }

    fn endpoints(&self, parts: &mut Parts) {
        for (places, networks) in [
            (Places::ALL, &self.address),
            (Places::ORIGINAL_SRC, &self.orig_src),
            (Places::ORIGINAL_DST, &self.orig_dst),
            (Places::REPLY_SRC, &self.reply_src),
            (Places::REPLY_DST, &self.reply_dst),
        ] {
            parts.any(networks.iter().map(|network| Condition::Address(places, (*network).into())));
        }
        if !self.endpoint.is_empty() {
            let any = |endpoint: &SocketAddr| Filter::endpoint(Places::ALL, *endpoint);
            let mut filters: Vec<_> = self.endpoint.iter().map(any).collect();
            let protocols = self.protocols();
            // Not of all protocols: what has the address alone in common with the endpoint would be looked through for them.
            for query in QUERIES.into_iter().filter(|query| protocols.numbers().contains(query)) {
                filters.extend(self.endpoint.iter().flat_map(|endpoint| of_query(*endpoint, query)));
            }
            parts.filters.push(Filter::any(filters));
        }
        for (places, ports) in [
            (Places::ALL, &self.port),
            (Places::ORIGINAL_SRC, &self.orig_port_src),
            (Places::ORIGINAL_DST, &self.orig_port_dst),
            (Places::REPLY_SRC, &self.reply_port_src),
            (Places::REPLY_DST, &self.reply_port_dst),
        ] {
            parts.any(ports.iter().map(|ports| Condition::Port(places, *ports)));
        }
    }

    fn times(&self, clock: &Clock, parts: &mut Parts) -> Result<(), Misuse> {
        let (since, until) = (self.since.as_deref(), self.until.as_deref());
        let [since, until] = since_until(clock, [since, until], &mut parts.remarks)?;
        let at = moment(clock, "--at", self.at.as_deref(), &mut parts.remarks)?;
        parts.any(since.map(Condition::After));
        parts.any(until.map(Condition::Before));
        parts.any(at.map(Condition::At));
        Ok(())
    }

    fn expressions(&self, clock: &Clock, parts: &mut Parts) -> Result<(), Misuse> {
        let mut filters = Vec::new();
        for text in &self.expression {
            let Where { filter, assumed } =
                Where::parse(text, clock).map_err(|error| Misuse(format!("--where: {error}")))?;
            let remarks = assumed.iter().map(|time| taken_as_local("--where:", &time.text, time.ns));
            parts.remarks.extend(remarks);
            filters.push(filter);
        }
        if !filters.is_empty() {
            parts.filters.push(Filter::any(filters));
        }
        Ok(())
    }
}

/// What several lists of protocols are together; without one, or with one of all protocols, it is all.
fn joined(lists: &[Protocols]) -> Protocols {
    if lists.contains(&Protocols::All) {
        return Protocols::All;
    }
    let mut numbers = Vec::new();
    for number in lists.iter().flat_map(Protocols::numbers) {
        if !numbers.contains(number) {
            numbers.push(*number);
        }
    }
    Protocols::from_numbers(&numbers)
}

/// An address with the id of a query of this protocol, where it is a destination: its own number there is the type and code.
fn of_query(endpoint: SocketAddr, protocol: u8) -> [Filter; 2] {
    let sides = [(Places::ORIGINAL_DST, Places::ORIGINAL_SRC), (Places::REPLY_DST, Places::REPLY_SRC)];
    sides.map(|(place, of_id)| {
        let address = Condition::Address(place, IpNetwork::from(endpoint.ip()).into());
        let id = Condition::Port(of_id, endpoint.port().into());
        Filter::all(vec![Condition::Protocol(protocol).into(), address.into(), id.into()])
    })
}

/// The time that an option says, in ns since the epoch; adds to the remarks that it was taken as local time.
fn moment(clock: &Clock, option: &str, text: Option<&str>, remarks: &mut Vec<String>) -> Result<Option<u64>, Misuse> {
    let Some(text) = text else {
        return Ok(None);
    };
    let moment = clock.read(text).map_err(|error| Misuse(format!("{option}: {error}")))?;
    if moment.zone_assumed {
        remarks.push(taken_as_local(option, text, moment.ns));
    }
    Ok(Some(moment.ns))
}

/// The times that `--since` and `--until` say, likewise.
pub(super) fn since_until(
    clock: &Clock,
    [since, until]: [Option<&str>; 2],
    remarks: &mut Vec<String>,
) -> Result<[Option<u64>; 2], Misuse> {
    let times = [moment(clock, "--since", since, remarks)?, moment(clock, "--until", until, remarks)?];
    match times {
        [Some(since), Some(until)] if since > until => {
            let (since, until) = (utc(since), utc(until));
            Err(Misuse(format!(
                "--since is later than --until, {since} than {until}: say the earlier one with --since"
            )))
        }
        times => Ok(times),
    }
}

/// What is said of a time that was taken as local time.
fn taken_as_local(option: &str, text: &str, ns: u64) -> String {
    format!("{option} {text} is taken as local time: {}", utc(ns))
}

/// What the options say, one after the other.
#[derive(Default)]
struct Parts {
    filters: Vec<Filter>,
    remarks: Vec<String>,
}

impl Parts {
    /// One of these must hold, if there are any.
    fn any(&mut self, conditions: impl IntoIterator<Item = Condition>) {
        let filters: Vec<_> = conditions.into_iter().map(Filter::If).collect();
        if !filters.is_empty() {
            self.filters.push(Filter::any(filters));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        selection: Selection,
    }

    fn filter(line: &[&str]) -> Filter {
        let line = Line::try_parse_from([&["list"], line].concat()).unwrap();
        line.selection.selected(&Clock::new(None)).unwrap().filter
    }

    #[test]
    fn an_endpoint_is_an_address_and_a_port_of_one_place_and_an_index_is_asked_for_it() {
        let typed = filter(&["--endpoint", "203.0.113.6:36782"]);
        let of = |place: &str| format!("({place} ip 203.0.113.6 and {place} port 36782)");
        let said = ["pre src", "pre dst", "post dst", "post src"].map(of).join(" or ");
        for said in [&said, "endpoint 203.0.113.6:36782"] {
            assert_eq!(typed, Where::parse(said, &Clock::new(None)).unwrap().filter);
        }
        assert!(typed.has_keys());
    }
}
