//! What really was, beside what was recorded of it.

use std::io::{self, Write};
use std::net::SocketAddr;

use crate::flow::Flow;
use crate::incident::Clock;

/// Bytes of a flow in the compact form.
pub const COMPACT_BYTES: usize = 36;

/// How the truth is written. Times are ns since the epoch, as the recorder's wall clock showed them; a flow's end is told
/// whether it was recorded or not. Flows are in the order of their starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line of CSV: start, end, protocol, inside, public, peer.
    Text,
    /// [`COMPACT_BYTES`] bytes, integers little-endian: start (8), end (8), then inside, public, peer (address as four bytes,
    /// port in two each), protocol (1), a zero. IPv6 flows have the last four bytes of their addresses, and a one.
    Compact,
}

/// Writes a flow.
///
/// # Errors
/// Those of writing.
pub fn write(out: &mut impl Write, form: Form, flow: &Flow, clock: &Clock) -> io::Result<()> {
    let Flow { protocol, inside, public, peer, .. } = flow;
    let (start, end) = (clock.shows(flow.start), clock.shows(flow.end));
    match form {
        Form::Text => writeln!(out, "{start},{end},{protocol},{inside},{public},{peer}"),
        Form::Compact => {
            out.write_all(&start.to_le_bytes())?;
            out.write_all(&end.to_le_bytes())?;
            for endpoint in [inside, public, peer] {
                out.write_all(&last_four(endpoint))?;
                out.write_all(&endpoint.port().to_le_bytes())?;
            }
            out.write_all(&[*protocol, u8::from(inside.is_ipv6())])
        }
    }
}

fn last_four(endpoint: &SocketAddr) -> [u8; 4] {
    match endpoint {
        SocketAddr::V4(endpoint) => endpoint.ip().octets(),
        SocketAddr::V6(endpoint) => (endpoint.ip().to_bits() as u32).to_be_bytes(),
    }
}
