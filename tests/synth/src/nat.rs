//! The translator: who speaks from which port to whom, and what the world sees of it.
//!
//! As in Linux, what has to be unique is a tuple, not a port: two inside hosts may have one public endpoint at the same
//! time, towards different peers. The source port is kept where that is possible.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::flow::{Flow, TCP, Translation, UDP};
use crate::random::Random;
use crate::shape::Shape;

const INSIDE: u32 = u32::from_be_bytes([100, 64, 0, 0]);
const PUBLIC: u32 = u32::from_be_bytes([203, 0, 113, 1]);
const PEERS: u32 = u32::from_be_bytes([45, 0, 0, 1]);

const INSIDE_V6: u128 = 0x2001_0db8_0001 << 80;
const PEERS_V6: u128 = 0x2001_0db8_ffff << 80;

/// The ports that are forwarded to inside hosts begin here.
const FORWARDED: u32 = 10_000;

/// The endpoints of a new flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) protocol: u8,
    pub(crate) translation: Translation,
    pub(crate) inside: SocketAddr,
    pub(crate) public: SocketAddr,
    pub(crate) peer: SocketAddr,
}

/// An endpoint pair of a protocol.
type Taken = (u8, SocketAddr, SocketAddr);

#[derive(Debug)]
pub(crate) struct Nat {
    /// The pairs of inside and peer, and of public and peer, of flows that are alive.
    taken: HashSet<Taken>,
    /// The port that each subscriber takes next, counted from the first.
    next_port: Vec<u32>,
}

impl Nat {
    pub(crate) fn new(shape: &Shape, random: &mut Random) -> Self {
        let ports = ports(shape);
        Self { taken: HashSet::new(), next_port: (0..shape.subscribers).map(|_| random.below(ports)).collect() }
    }

    /// Endpoints for a new flow; `None` if there are none left for what chance chose.
    pub(crate) fn lease(&mut self, shape: &Shape, random: &mut Random) -> Option<Lease> {
        let subscriber = random.skewed(shape.subscribers, 1);
        let peer = random.skewed(shape.peers, 2);
        let protocol = if random.percent(shape.udp_percent) { UDP } else { TCP };
        let service = service(random);
        let lease = if random.percent(shape.ipv6_percent) {
            self.straight(shape, protocol, subscriber, (peer, service))
        } else if random.percent(shape.incoming_percent) {
            self.incoming(shape, protocol, subscriber, (peer, port(shape, random.below(ports(shape)))))
        } else {
            self.outgoing(shape, protocol, subscriber, (peer, service))
        }?;
        self.taken.extend(lease.pairs());
        Some(lease)
    }

    /// The flow is over.
    pub(crate) fn release(&mut self, flow: &Flow) {
        for endpoint in [flow.inside, flow.public] {
            self.taken.remove(&(flow.protocol, endpoint, flow.peer));
        }
    }

    fn outgoing(&mut self, shape: &Shape, protocol: u8, subscriber: u32, peer: (u32, u16)) -> Option<Lease> {
        let peer = v4(PEERS + peer.0, peer.1);
        let inside = self.source(shape, subscriber, |port| (protocol, v4(INSIDE + subscriber, port), peer))?;
        let address = PUBLIC + subscriber % shape.public_addresses;
        // The port it came from, or the next one that is free.
        let first = u32::from(inside.port() - shape.ports.start());
        let mut candidates = (0..ports(shape)).map(|further| v4(address, port(shape, first + further)));
        let public = candidates.find(|public| !self.taken.contains(&(protocol, *public, peer)))?;
        Some(Lease { protocol, translation: Translation::Source, inside, public, peer })
    }

    fn incoming(&self, shape: &Shape, protocol: u8, subscriber: u32, peer: (u32, u16)) -> Option<Lease> {
        let forwarded = (FORWARDED + subscriber / shape.public_addresses) as u16;
        let lease = Lease {
            protocol,
            translation: Translation::Destination,
            inside: v4(INSIDE + subscriber, 443),
            public: v4(PUBLIC + subscriber % shape.public_addresses, forwarded),
            peer: v4(PEERS + peer.0, peer.1),
        };
        lease.pairs().iter().all(|pair| !self.taken.contains(pair)).then_some(lease)
    }

    fn straight(&mut self, shape: &Shape, protocol: u8, subscriber: u32, peer: (u32, u16)) -> Option<Lease> {
        let peer = v6(PEERS_V6, peer.0, peer.1);
        let inside = self.source(shape, subscriber, |port| (protocol, v6(INSIDE_V6, subscriber, port), peer))?;
        Some(Lease { protocol, translation: Translation::None, inside, public: inside, peer })
    }

    /// The next of a subscriber's endpoints that has no flow to this peer.
    fn source(&mut self, shape: &Shape, subscriber: u32, pair: impl Fn(u16) -> Taken) -> Option<SocketAddr> {
        let next = self.next_port.get_mut(subscriber as usize)?;
        for _ in 0..ports(shape) {
            let candidate = pair(port(shape, *next));
            *next = (*next + 1) % ports(shape);
            if !self.taken.contains(&candidate) {
                return Some(candidate.1);
            }
        }
        None
    }
}

impl Lease {
    /// What it occupies while it lives.
    fn pairs(&self) -> [Taken; 2] {
        [self.inside, self.public].map(|endpoint| (self.protocol, endpoint, self.peer))
    }
}

/// What a flow goes to: the web, mostly.
fn service(random: &mut Random) -> u16 {
    match random.below(100) {
        0..80 => 443,
        80..90 => 80,
        90..94 => 53,
        94..96 => 993,
        _ => (1_024 + random.below(31_744)) as u16,
    }
}

/// How many ports there are to come from.
fn ports(shape: &Shape) -> u32 {
    u32::from(*shape.ports.end()) - u32::from(*shape.ports.start()) + 1
}

/// One of them by its number, which begins anew behind the last.
fn port(shape: &Shape, number: u32) -> u16 {
    *shape.ports.start() + (number % ports(shape)) as u16
}

fn v4(address: u32, port: u16) -> SocketAddr {
    (Ipv4Addr::from(address), port).into()
}

fn v6(network: u128, host: u32, port: u16) -> SocketAddr {
    (Ipv6Addr::from(network + u128::from(host) + 1), port).into()
}
