//! The flows of the storm, by number: subscribers behind a few public addresses, all talking to one server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctrecorder::netlink::kernel::protocol::IPPROTO_TCP;
use ctrecorder::netlink::kernel::tcp::TCP_CONNTRACK_ESTABLISHED;
use ctrecorder::netlink::{NewFlow, Tuple};

/// Flows are numbered from 0 to below this: all ports of 256 public addresses.
pub const NUMBERS: u32 = 256 * PORTS;

/// Ports from 1024 on that a public address gives away.
const PORTS: u32 = 60_000;
/// Flows of one subscriber, one port each.
const OF_ONE_SUBSCRIBER: u32 = 1000;
const FIRST_PORT: u16 = 1024;
const HTTPS: u16 = 443;
/// Longer than any storm.
const TIMEOUT_S: u32 = 24 * 3600;

/// What the flows are like.
#[derive(Clone, Copy)]
pub struct Shape {
    /// How many of 100 flows are of IPv6.
    pub ipv6_percent: u32,
    /// Whether the subscribers are behind public addresses.
    pub translated: bool,
}

/// The flow of this number; no two have a tuple in common.
pub fn flow(number: u32, shape: Shape) -> NewFlow {
    // 61 has no divisor in common with 100: of any 100 neighbours each remainder is that of one, and well mixed.
    let is_ipv6 = number.wrapping_mul(61) % 100 < shape.ipv6_percent;
    let inside_port = port(number % OF_ONE_SUBSCRIBER);
    let inside = address(is_ipv6, Ipv4Addr::new(100, 64, 0, 0), 0x64, number / OF_ONE_SUBSCRIBER);
    let (outside, outside_port) = if shape.translated {
        (address(is_ipv6, Ipv4Addr::new(203, 0, 113, 0), 0xcb00, number / PORTS), port(number % PORTS))
    } else {
        (inside, inside_port)
    };
    let server = address(is_ipv6, Ipv4Addr::new(198, 51, 100, 80), 0xc633, 0);
    NewFlow {
        original: Tuple { src: inside, dst: server, sport: inside_port, dport: HTTPS },
        reply: Tuple { src: server, dst: outside, sport: HTTPS, dport: outside_port },
        protocol: IPPROTO_TCP,
        timeout_s: TIMEOUT_S,
        status: 0,
        mark: 0,
        zone: 0,
        tcp_state: TCP_CONNTRACK_ESTABLISHED,
    }
}

/// The `index`-th address after `v4`, or of the documentation's network `v6` of IPv6.
fn address(is_ipv6: bool, v4: Ipv4Addr, v6: u16, index: u32) -> IpAddr {
    if is_ipv6 {
        let network = Ipv6Addr::new(0x2001, 0xdb8, v6, 0, 0, 0, 0, 0);
        Ipv6Addr::from_bits(network.to_bits() + u128::from(index)).into()
    } else {
        Ipv4Addr::from_bits(v4.to_bits() + index).into()
    }
}

/// At most 60,000 are counted from the first one on.
const fn port(index: u32) -> u16 {
    FIRST_PORT + index as u16
}
