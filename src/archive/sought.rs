//! What rows of an archive are looked for.

use std::net::IpAddr;

/// An address, or an endpoint, that a wanted flow has at some place. A flow that has none of those sought is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sought {
    /// The address.
    pub address: IpAddr,
    /// Its port.
    pub port: Option<Port>,
}

/// A port that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Of an endpoint: that of a query is its id.
    OfEndpoint(u16),
    /// As it stands in a tuple, where a query has its type and code.
    OfTuple(u16),
}
