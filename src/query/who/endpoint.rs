//! Endpoints as they are typed: an address with a port, or, of a peer, an address alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::query::network::{parse_address, parse_network};

/// What is wrong with an endpoint. Each message begins with what is wrong of the text, as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// An IPv6 address stands there without brackets: where it ends and the port begins, nobody can say.
    #[error("{0}: an IPv6 address with a port stands in brackets: [2001:db8::1]:443")]
    Brackets(String),
    /// Behind the address stands no port.
    #[error("{0}: say the port, too, as in 203.0.113.6:36782")]
    NoPort(String),
    /// What stands behind the address is no port.
    #[error("{0}: a port is a number from 1 to 65535")]
    Port(String),
    /// It is a network, with a port or without.
    #[error("{0} is a network: say one address of it, as 203.0.113.6")]
    Network(String),
    /// What stands there looks as an address, and is none.
    #[error("{0} is not an IP address")]
    NoAddress(String),
    /// What stands there is no address.
    #[error("{0} is no ADDRESS:PORT such as 203.0.113.6:36782 or [2001:db8::1]:443")]
    Address(String),
}

/// The remote side of a flow, as far as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Its port, if it was said.
    pub port: Option<u16>,
}

impl Peer {
    /// Whether this endpoint is meant.
    pub fn is(&self, endpoint: SocketAddr) -> bool {
        self.address == endpoint.ip() && self.port.is_none_or(|port| port == endpoint.port())
    }

    /// Reads `ADDRESS` or `ADDRESS:PORT`. An IPv6 address with a port stands in brackets.
    ///
    /// # Errors
    /// [`EndpointError`], whose message begins with the text.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        match parse_address(text) {
            Some(address) => Ok(Self { address, port: None }),
            None => parse_endpoint(text).map(|endpoint| Self { address: endpoint.ip(), port: Some(endpoint.port()) }),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}", SocketAddr::new(self.address, port)),
            None => write!(f, "{}", self.address),
        }
    }
}

/// Reads `ADDRESS:PORT`; an IPv6 address stands in brackets, and one of IPv4 may. One that is an IPv4 address in the form of IPv6
/// (`::ffff:203.0.113.6`) is taken for that.
///
/// # Errors
/// [`EndpointError`], whose message begins with the text.
pub fn parse_endpoint(text: &str) -> Result<SocketAddr, EndpointError> {
    if let Ok(endpoint) = text.parse::<SocketAddr>() {
        return Ok(SocketAddr::new(endpoint.ip().to_canonical(), endpoint.port()));
    }
    if let Some(endpoint) = ipv4_in_brackets(text) {
        return Ok(endpoint);
    }
    let own = || text.to_owned();
    if is_network(text) {
        return Err(EndpointError::Network(own()));
    }
    let is_ipv6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    if is_ipv6(text) {
        return Err(EndpointError::Brackets(own()));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        return Err(EndpointError::NoPort(own()));
    }
    let address = text.rsplit_once(':').map_or("", |(address, _)| address);
    if is_ipv6(address) {
        return Err(EndpointError::Brackets(own()));
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if bare.parse::<IpAddr>().is_ok() {
        return Err(EndpointError::Port(own()));
    }
    let whole = if bare.is_empty() || text.contains('[') { text } else { bare };
    Err(match looks_as_address(whole) {
        true => EndpointError::NoAddress(whole.to_owned()),
        false => EndpointError::Address(own()),
    })
}

/// `[203.0.113.6]:36782`, as programs write it that know of IPv6.
fn ipv4_in_brackets(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.strip_prefix('[')?.split_once("]:")?;
    format!("{}:{port}", address.parse::<Ipv4Addr>().ok()?).parse().ok()
}

/// Whether this is a network, with a port behind it or not.
fn is_network(text: &str) -> bool {
    let has_prefix = |text: &str| text.contains('/') && parse_network(text).is_ok();
    has_prefix(text) || text.rsplit_once(':').is_some_and(|(network, _)| has_prefix(network))
}

/// Whether this was to be an IPv4 address: numbers with dots between.
fn looks_as_address(text: &str) -> bool {
    text.contains('.') && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read() {
        for (text, endpoint) in [
            ("203.0.113.6:36782", "203.0.113.6:36782"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("[203.0.113.6]:36782", "203.0.113.6:36782"),
            ("[::ffff:203.0.113.6]:36782", "203.0.113.6:36782"),
            ("203.0.113.6:0", "203.0.113.6:0"),
        ] {
            assert_eq!(parse_endpoint(text).map(|endpoint| endpoint.to_string()), Ok(endpoint.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_named() {
        use EndpointError::{Address, Brackets, Network, NoAddress, NoPort, Port};
        for (text, error) in [
            ("2001:db8::1:443", Brackets as fn(String) -> EndpointError),
            ("2001:db8::1", Brackets),
            ("2001:db8:1:2:3:4:5:6:443", Brackets),
            ("2001:db8::1:65536", Brackets),
            ("203.0.113.6", NoPort),
            ("[2001:db8::1]", NoPort),
            ("203.0.113.6:65536", Port),
            ("203.0.113.6:", Port),
            ("203.0.113.6:+1", Port),
            ("[2001:db8::1]:http", Port),
            ("[203.0.113.6]", NoPort),
            ("[2001:db8::1:443", Address),
            ("[203.0.113.6]:65536", Port),
            ("[203.0.113.6]:+1", Port),
            ("203.0.113.0/24", Network),
            ("203.0.113.0/24:80", Network),
            ("2001:db8::/32", Network),
            ("[2001:db8::]/32", Network),
            ("http://203.0.113.6:80", Address),
            ("host:80", Address),
            ("", Address),
            (":", Address),
        ] {
            assert_eq!(parse_endpoint(text), Err(error(text.to_owned())), "{text}");
        }
        for text in ["203.0.113.600:1", "203.0.113.600", "203.0.113.600:"] {
            assert_eq!(parse_endpoint(text), Err(NoAddress("203.0.113.600".into())), "{text}");
            assert_eq!(Peer::parse(text), Err(NoAddress("203.0.113.600".into())), "{text}");
        }
    }

    #[test]
    fn a_peer_may_have_no_port() {
        let peer = |text: &str| Peer::parse(text).map(|peer| peer.to_string());
        for (text, shown) in [
            ("198.51.100.7", "198.51.100.7"),
            ("198.51.100.7:25", "198.51.100.7:25"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:25", "[2001:db8::1]:25"),
            ("[198.51.100.7]", "198.51.100.7"),
            ("[198.51.100.7]:25", "198.51.100.7:25"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
        ] {
            assert_eq!(peer(text), Ok(shown.to_owned()), "{text}");
        }
        assert_eq!(peer("198.51.100.0/24"), Err(EndpointError::Network("198.51.100.0/24".into())));
        assert_eq!(peer("nowhere"), Err(EndpointError::Address("nowhere".into())));
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[\\[\\]0-9a-f:.%]{0,24}", other in "\\PC{0,24}") {
            let _ = (Peer::parse(&text), Peer::parse(&other), parse_endpoint(&text), parse_endpoint(&other));
        }
    }
}
