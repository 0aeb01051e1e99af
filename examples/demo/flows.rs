//! The flows of the demo: a few subscribers behind one public address.

use std::net::IpAddr;

use ctrecorder::netlink::Tuple;

/// A flow before and after translation.
pub struct Flow {
    /// The layer-4 protocol.
    pub protocol: u8,
    /// As the inside host sent it.
    pub original: Tuple,
    /// As the answers arrive.
    pub reply: Tuple,
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const PUBLIC: &str = "203.0.113.6";
const ASKED_FOR: u16 = 36_782;

/// Address and port that the complaint names.
pub fn public_endpoint() -> (String, String) {
    (PUBLIC.into(), ASKED_FOR.to_string())
}

/// Four TCP flows and two UDP flows with source NAT, and an IPv6 flow that needs none.
pub fn all() -> Vec<Flow> {
    vec![
        translated(TCP, "100.64.0.17", 51_410, "198.51.100.80:443", 51_410),
        translated(TCP, "100.64.0.23", 36_782, "198.51.100.25:25", ASKED_FOR),
        translated(TCP, "100.64.0.17", 51_412, "198.51.100.81:443", 51_412),
        translated(TCP, "100.64.3.9", 41_007, "198.51.100.80:443", 1_029),
        translated(UDP, "100.64.0.23", 40_100, "192.0.2.53:53", 40_100),
        translated(UDP, "100.64.3.9", 40_100, "192.0.2.53:53", 1_030),
        straight(TCP, "[2001:db8:1::23]:50200", "[2001:db8:ffff::80]:443"),
    ]
}

/// A flow whose source becomes the public address with this port.
fn translated(protocol: u8, inside: &str, inside_port: u16, peer: &str, public_port: u16) -> Flow {
    let (peer, peer_port) = endpoint(peer);
    Flow {
        protocol,
        original: Tuple { src: address(inside), dst: peer, sport: inside_port, dport: peer_port },
        reply: Tuple { src: peer, dst: address(PUBLIC), sport: peer_port, dport: public_port },
    }
}

/// A flow without translation.
fn straight(protocol: u8, from: &str, to: &str) -> Flow {
    let ((src, sport), (dst, dport)) = (endpoint(from), endpoint(to));
    Flow {
        protocol,
        original: Tuple { src, dst, sport, dport },
        reply: Tuple { src: dst, dst: src, sport: dport, dport: sport },
    }
}

#[expect(clippy::expect_used, reason = "all of them stand above")]
fn address(text: &str) -> IpAddr {
    text.parse().expect("the addresses above are addresses")
}

#[expect(clippy::expect_used, reason = "all of them stand above")]
fn endpoint(text: &str) -> (IpAddr, u16) {
    let endpoint: std::net::SocketAddr = text.parse().expect("the endpoints above are endpoints");
    (endpoint.ip(), endpoint.port())
}
