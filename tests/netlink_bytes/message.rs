//! Netlink messages put together by hand, apart from the program's own builders.

use ctrecorder::netlink::kernel::nlmsg::{NLM_F_CREATE, NLM_F_EXCL, NLMSG_HDRLEN};
use ctrecorder::netlink::{Malformed, Message, messages};

pub const NEW: u16 = 0x100;
pub const DESTROY: u16 = 0x102;
pub const RULE: u16 = 0xa06;
pub const CREATED: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// All that is read in a datagram.
pub fn all(datagram: &[u8]) -> Vec<Result<Message, Malformed>> {
    messages(datagram).collect()
}

/// A whole message with this payload.
pub fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let length = (NLMSG_HDRLEN + payload.len()) as u32;
    let header = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8]];
    [&header.concat(), payload].concat()
}

/// A ctnetlink message with these attributes.
pub fn flow(kind: u16, flags: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    message(kind, flags, &[vec![2, 0, 0, 0], attributes.concat()].concat())
}

pub fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = (4 + payload.len()) as u16;
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), payload].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub fn nest(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | 0x8000, &attributes.concat())
}
