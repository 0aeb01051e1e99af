//! Who had this endpoint at that time? A question, as it is typed and as it is asked.

use std::net::SocketAddr;

use super::{EndpointError, Peer, parse_endpoint};
use crate::protocol::Protocols;
use crate::query::coverage::Span;
use crate::query::time::{Clock, TimeError, utc};

/// Protocols whose flows have other numbers in the place of ports: ICMP, GRE, ICMPv6.
const WITHOUT_PORTS: [u8; 3] = [1, 47, 58];

/// Protocols that have ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The public endpoint. Of ICMP, the port is the id of the query.
    pub endpoint: SocketAddr,
    /// The time, ns since the epoch.
    pub at: u64,
    /// So many ns the time may be wrong, either way.
    pub slack: u64,
    /// Which protocols; `None`: any that has ports.
    pub protocols: Option<Protocols>,
    /// The remote side, if it is known.
    pub peer: Option<Peer>,
    /// The moments that were meant if the digits of the time were local ones, or if they were UTC. `None` where they are no
    /// other than `at`, or nobody can say.
    pub meant: Meant,
}

/// What else a time may have meant, ns since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meant {
    /// Its digits as local time.
    pub local: Option<u64>,
    /// Its digits as UTC.
    pub utc: Option<u64>,
}

/// What is wrong with a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// The endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Behind the address stands nothing that flows of these protocols have in the place of a port.
    #[error(
        "{text}: say what {protocols} has in the place of the port, too: of ICMP the id of the query, as {text}:4660, of GRE the key, else 0; \
         what the address had whatever that was: ctrecorder list --squeezed --proto {protocols} --address {text} --at TIME"
    )]
    NoId {
        /// The address as typed.
        text: String,
        /// The protocols.
        protocols: Protocols,
    },
    /// The peer.
    #[error("peer {0}")]
    Peer(EndpointError),
    /// The time.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// It is a day.
    #[error("{0} is a day, and who asks for a moment: say the time of day, too, as 2026-11-20 14:13:20 UTC")]
    Day(String),
    /// Nobody said which zone the time is of.
    #[error(
        "{text} names no time zone: as UTC it is {as_utc}, as local time {as_local}; say Z or an offset behind it, or --tz"
    )]
    Zone {
        /// The time as typed.
        text: String,
        /// Its reading as UTC.
        as_utc: String,
        /// Its reading as local time, in UTC.
        as_local: String,
    },
    /// A port is a number from 1 on; only protocols without ports have zero there.
    #[error("{0}: no flow has port 0; protocols without ports are asked for with --proto")]
    PortZero(SocketAddr),
    /// Likewise of the peer.
    #[error("peer {0}: no flow has port 0; without a port, any is meant")]
    PeerPortZero(Peer),
    /// IPv4 on one side, IPv6 on the other.
    #[error("peer {0} is of the other family than the endpoint")]
    PeerFamily(Peer),
}

/// What is said once for all questions of a run.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What times that name no zone are of, and the present.
    pub clock: Clock,
    /// So many ns a time may be wrong.
    pub slack: u64,
    /// Which protocols; `None`: any that has ports.
    pub protocols: Option<Protocols>,
}

impl Question {
    /// The question that these texts make: an endpoint, a time, and a peer where that is known.
    ///
    /// # Errors
    /// [`QuestionError`]: what is no endpoint or time, and a time of which nobody said the zone.
    pub fn parse(endpoint: &str, at: &str, peer: Option<&str>, terms: &Terms) -> Result<Self, QuestionError> {
        let endpoint = parse_endpoint(endpoint).map_err(|error| match (error, &terms.protocols) {
            (EndpointError::NoPort(text), Some(protocols)) if may_be_zero(Some(protocols)) => {
                QuestionError::NoId { text, protocols: protocols.clone() }
            }
            (error, _) => error.into(),
        })?;
        if endpoint.port() == 0 && !may_be_zero(terms.protocols.as_ref()) {
            return Err(QuestionError::PortZero(endpoint));
        }
        let peer = peer.map(Peer::parse).transpose().map_err(QuestionError::Peer)?;
        if let Some(peer) = peer {
            if peer.port == Some(0) && !may_be_zero(terms.protocols.as_ref()) {
                return Err(QuestionError::PeerPortZero(peer));
            }
            if peer.address.is_ipv6() != endpoint.is_ipv6() {
                return Err(QuestionError::PeerFamily(peer));
            }
        }
        let moment = terms.clock.read(at)?;
        if Clock::is_date(at) {
            return Err(QuestionError::Day(at.to_owned()));
        }
        let as_utc = terms.clock.read_as_utc(at);
        if moment.zone_assumed {
            return Err(QuestionError::Zone {
                text: at.to_owned(),
                as_utc: as_utc.map_or_else(|| "none".to_owned(), utc),
                as_local: utc(moment.ns),
            });
        }
        let other = |meant: Option<u64>| meant.filter(|meant| *meant != moment.ns);
        let local = other(terms.clock.read_as_local(at));
        let meant = Meant { local, utc: other(as_utc).filter(|utc| Some(*utc) != local) };
        Ok(Self { endpoint, at: moment.ns, slack: terms.slack, protocols: terms.protocols.clone(), peer, meant })
    }

    /// The moments that count: the time within its slack.
    pub const fn window(&self) -> Span {
        Span::around(self.at, self.slack)
    }

    /// Whether flows of this protocol are asked for.
    pub fn asks_for(&self, protocol: u8) -> bool {
        match &self.protocols {
            Some(protocols) => protocols.contains(protocol),
            None => !WITHOUT_PORTS.contains(&protocol),
        }
    }

    /// The protocols that are asked for as far as they have names: what was not recorded is missed among these.
    pub fn protocols(&self) -> &[u8] {
        match &self.protocols {
            Some(protocols) => protocols.numbers(),
            None => &WITH_PORTS[..2],
        }
    }
}

/// Whether zero can stand in the place of the port.
fn may_be_zero(protocols: Option<&Protocols>) -> bool {
    protocols.is_some_and(|protocols| {
        let numbers = protocols.numbers();
        !numbers.is_empty() && numbers.iter().all(|number| !WITH_PORTS.contains(number))
    })
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;
    use crate::query::parse_time;

    const NOON: u64 = 1_795_176_000_000_000_000;

    fn terms(zone: Option<Tz>, protocols: Option<&str>) -> Terms {
        let protocols = protocols.map(|text| text.parse().unwrap());
        Terms { clock: Clock::new(zone.map(Into::into)), slack: 60_000_000_000, protocols }
    }

    #[test]
    fn digits_may_have_meant_another_time() {
        assert_eq!(parse_time("2026-11-20T12:00:00Z"), Ok(NOON));
        let hour = 3_600_000_000_000;
        let warsaw = terms(Some(Tz::Europe__Warsaw), None);
        let meant = |text: &str| {
            let question = Question::parse("203.0.113.6:1", text, None, &warsaw).unwrap();
            (question.at, question.meant.local, question.meant.utc)
        };
        assert_eq!(meant("2026-11-20T12:00:00Z"), (NOON, Some(NOON - hour), None));
        assert_eq!(meant("2026-11-20 12:00:00"), (NOON - hour, None, Some(NOON)));
        assert_eq!(meant("2026-11-20 12:00 -03:00"), (NOON + 3 * hour, Some(NOON - hour), Some(NOON)));
        assert_eq!(meant("@1795176000"), (NOON, None, None));
        // This hour does not exist in Warsaw.
        assert_eq!(meant("2026-03-29T02:30:00Z").1, None);
    }

    #[test]
    fn a_time_of_no_zone_is_refused_with_its_readings() {
        let error = Question::parse("203.0.113.6:1", "2026-11-20 12:00", None, &terms(None, None)).unwrap_err();
        let text = error.to_string();
        let begin = "2026-11-20 12:00 names no time zone: as UTC it is 2026-11-20T12:00:00Z, as local time 2026-11-";
        assert!(text.starts_with(begin), "{text}");
    }

    #[test]
    fn a_day_is_no_moment() {
        for day in ["2026-11-20", "2026.11.20", "2026-11-20 UTC", "2026-11-20Z", "2026-11-20 +01:00"] {
            let refused = Question::parse("203.0.113.6:1", day, None, &terms(Some(Tz::UTC), None));
            assert_eq!(refused, Err(QuestionError::Day(day.into())));
        }
        // It is a moment if somebody says so.
        assert!(Question::parse("203.0.113.6:1", "2026-11-20 00:00 UTC", None, &terms(None, None)).is_ok());
    }

    #[test]
    fn port_zero_is_for_protocols_without_ports() {
        let ask = |protocols| {
            let terms = terms(None, protocols);
            Question::parse("203.0.113.6:0", "2026-11-20T12:00:00Z", None, &terms).map(|question| question.asks_for(1))
        };
        let refused = Err(QuestionError::PortZero("203.0.113.6:0".parse().unwrap()));
        for protocols in [None, Some("tcp"), Some("udp,icmp"), Some("all")] {
            assert_eq!(ask(protocols), refused, "{protocols:?}");
        }
        assert_eq!(ask(Some("icmp")), Ok(true));
        assert_eq!(ask(Some("50")), Ok(false));
    }

    #[test]
    fn a_slack_may_be_longer_than_time() {
        let mut question = Question::parse("203.0.113.6:1", "2026-11-20T12:00:00Z", None, &terms(None, None)).unwrap();
        question.slack = u64::MAX;
        assert_eq!(question.window(), Span { from: 0, to: u64::MAX });
    }

    #[test]
    fn without_a_protocol_only_those_with_ports_are_asked_for() {
        let ask = |protocols, number| {
            let question = Question::parse("203.0.113.6:1", "@1795176000", None, &terms(None, protocols)).unwrap();
            question.asks_for(number)
        };
        assert_eq!([6, 17, 132, 1, 58, 47].map(|number| ask(None, number)), [true, true, true, false, false, false]);
        assert_eq!([6, 17, 1].map(|number| ask(Some("icmp,tcp"), number)), [true, false, true]);
        assert_eq!([6, 58].map(|number| ask(Some("all"), number)), [true, true]);
    }
}
