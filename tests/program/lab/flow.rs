//! A flow as the hosts at its two ends know it, or as `conntrack` prints it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// One direction of a flow.
///
/// As in a journal, ICMP and ICMPv6 have the query's id in place of the source port, and `type * 256 + code` in
/// place of the destination port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    pub src: SocketAddr,
    pub dst: SocketAddr,
}

impl Tuple {
    /// The tuple of an echo request or reply between two addresses.
    pub fn icmp(src: IpAddr, dst: IpAddr, id: u16, kind: u8) -> Self {
        Self {
            src: SocketAddr::new(src, id),
            dst: SocketAddr::new(dst, u16::from(kind) << 8),
        }
    }
}

/// A flow: what tells it from every other one at its time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// The layer-4 protocol by its IANA number.
    pub protocol: u8,
    /// From the host that began, as it wrote the addresses.
    pub original: Tuple,
    /// From the host that answers, as it writes the addresses.
    pub reply: Tuple,
}

/// `src=ADDRESS:PORT dst=ADDRESS:PORT`, as in a classic list.
impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src={} dst={}", self.src, self.dst)
    }
}

/// Both tuples, as in a classic list.
impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.original, self.reply)
    }
}

/// One line for the message of a failed assertion.
impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "protocol {} {self}", self.protocol)
    }
}
