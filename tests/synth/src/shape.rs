//! What the traffic is like.

use std::ops::RangeInclusive;

use ctrecorder_format::NS_PER_SECOND;

/// What the traffic is like. The default is the workload that ctrecorder is measured by.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// How many flows there will be.
    pub flows: u64,
    /// All there is by chance depends on it.
    pub seed: u64,
    /// When the first flow may begin, ns since the epoch.
    pub begin: u64,
    /// Inside hosts, in 100.64.0.0/10; the lower their number, the more flows they have.
    pub subscribers: u32,
    /// Public addresses, from 203.0.113.1 on. Each subscriber keeps to one.
    pub public_addresses: u32,
    /// Remote hosts, from 45.0.0.1 on; the lower their number, the more flows they have.
    pub peers: u32,
    /// The ports that flows come from. A subscriber takes one after the other, and begins anew.
    pub ports: RangeInclusive<u16>,
    /// How many flows begin in a second, on the average.
    pub starts_per_second: f64,
    /// Half of the flows last no longer than this.
    pub median_duration_ms: f64,
    /// Standard deviation of the natural logarithm of durations.
    pub sigma: f64,
    /// How many of a hundred flows are UDP. The others are TCP.
    pub udp_percent: u8,
    /// How many of a hundred flows are IPv6, without translation.
    pub ipv6_percent: u8,
    /// How many of a hundred IPv4 flows come from outside, to a forwarded port (destination NAT).
    pub incoming_percent: u8,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            flows: 1_000_000,
            seed: 1,
            begin: 1_795_183_200 * NS_PER_SECOND,
            subscribers: 8_192,
            public_addresses: 16,
            peers: 1_000_000,
            ports: 32_768..=60_999,
            starts_per_second: 20_000.0,
            median_duration_ms: 8_000.0,
            sigma: 1.5,
            udp_percent: 0,
            ipv6_percent: 0,
            incoming_percent: 0,
        }
    }
}

impl Shape {
    /// Few hosts, few ports and many collisions, of all kinds of flow: what goes wrong goes wrong here first.
    pub fn crowded(flows: u64, seed: u64) -> Self {
        Self {
            flows,
            seed,
            subscribers: 6,
            public_addresses: 2,
            peers: 4,
            ports: 40_000..=40_007,
            starts_per_second: 2.0,
            udp_percent: 30,
            ipv6_percent: 15,
            incoming_percent: 15,
            ..Self::default()
        }
    }
}
