//! The addresses of the laboratory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// An address of each family.
#[derive(Clone, Copy)]
pub struct Host {
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
}

/// The client, on the inside.
pub const CLIENT: Host = Host {
    v4: Ipv4Addr::new(10, 10, 0, 2),
    v6: Ipv6Addr::new(0xfd00, 0x10, 0, 0, 0, 0, 0, 2),
};
/// The router's side of the client's cable.
pub const ROUTER_INSIDE: Host = Host {
    v4: Ipv4Addr::new(10, 10, 0, 1),
    v6: Ipv6Addr::new(0xfd00, 0x10, 0, 0, 0, 0, 0, 1),
};
/// The router's public addresses.
pub const ROUTER: Host = Host {
    v4: Ipv4Addr::new(203, 0, 113, 1),
    v6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
};
/// The server, on the outside. It has no route to the inside.
pub const SERVER: Host = Host {
    v4: Ipv4Addr::new(203, 0, 113, 2),
    v6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
};

impl Host {
    /// Its address of one family, with a port; port 0 asks for any that is free.
    pub fn at(self, family: Family, port: u16) -> SocketAddr {
        match family {
            Family::V4 => SocketAddr::new(IpAddr::V4(self.v4), port),
            Family::V6 => SocketAddr::new(IpAddr::V6(self.v6), port),
        }
    }
}
