//! Numbers and addresses as text, appended to a buffer without the formatting machinery of the standard library, which
//! would be most of the work of a list. The tests hold every function against that machinery.
//!
//! A short text is appended at its greatest length and then cut: a copy of fixed size is a single instruction.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use ctrecorder_format::{Address, NS_PER_SECOND};

/// The numbers 0 to 99, two digits each.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// The octets 0 to 255, each with a dot behind it, and how long that is.
const OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let [hundreds, [tens, ones]] = [PAIRS[octet / 100], PAIRS[octet % 100]];
        octets[octet] = match octet {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            _ => ([hundreds[1], tens, ones, b'.'], 4),
        };
        octet += 1;
    }
    octets
};

/// The last two decimal digits of a number.
pub(super) const fn pair(number: u32) -> [u8; 2] {
    PAIRS[(number % 100) as usize]
}

/// Appends `address:port`, an IPv6 address in brackets.
pub(super) fn endpoint<A: Address>(out: &mut Vec<u8>, address: A, number: u16) {
    match address.to_ip() {
        IpAddr::V4(address) => ipv4(out, address),
        IpAddr::V6(address) => {
            out.push(b'[');
            ipv6(out, address);
            out.push(b']');
        }
    }
    out.push(b':');
    port(out, number);
}

/// Appends an address.
pub(super) fn address<A: Address>(out: &mut Vec<u8>, address: A) {
    match address.to_ip() {
        IpAddr::V4(address) => ipv4(out, address),
        IpAddr::V6(address) => ipv6(out, address),
    }
}

/// Appends a number in decimal.
pub(super) fn decimal(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a moment in ns since the epoch as seconds and microseconds, `1795226215.748264`.
pub(super) fn epoch(out: &mut Vec<u8>, ns: u64) {
    decimal(out, ns / NS_PER_SECOND);
    let micros = (ns % NS_PER_SECOND / 1000) as u32;
    let [[a, b], [c, d], [e, f]] = [micros / 10_000, micros / 100, micros].map(pair);
    out.extend_from_slice(&[b'.', a, b, c, d, e, f]);
}

/// Appends a port in decimal.
pub(super) fn port(out: &mut Vec<u8>, number: u16) {
    let [[_, a], [b, c], [d, e]] = [number / 10_000, number / 100, number].map(|part| pair(part.into()));
    let leading_zeros = match number {
        0..10 => 4,
        10..100 => 3,
        100..1000 => 2,
        1000..10_000 => 1,
        _ => 0,
    };
    let text = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]) >> (8 * leading_zeros);
    append(out, text.to_le_bytes(), 5 - leading_zeros);
}

/// Appends an IPv4 address.
fn ipv4(out: &mut Vec<u8>, address: Ipv4Addr) {
    for octet in address.octets() {
        let (text, length) = OCTETS[usize::from(octet)];
        append(out, text, length);
    }
    // The dot behind the last octet.
    out.pop();
}

/// Appends an IPv6 address in its canonical form (RFC 5952).
fn ipv6(out: &mut Vec<u8>, address: Ipv6Addr) {
    if let Some(mapped) = address.to_ipv4_mapped() {
        out.extend_from_slice(b"::ffff:");
        return ipv4(out, mapped);
    }
    let groups = address.segments();
    let zeros = longest_zeros(groups);
    for (index, group) in groups.into_iter().enumerate() {
        if zeros.contains(&index) {
            if index == zeros.start {
                out.extend_from_slice(b"::");
            }
            continue;
        }
        if index != 0 && index != zeros.end {
            out.push(b':');
        }
        hex(out, group);
    }
}

/// The first of the longest runs of two or more zero groups; the empty range at 0 if there is none.
fn longest_zeros(groups: [u16; 8]) -> Range<usize> {
    let (mut longest, mut begin) = (0..0, 0);
    for (index, group) in groups.into_iter().enumerate() {
        let end = index + 1;
        if group != 0 {
            begin = end;
        } else if end - begin > longest.len().max(1) {
            longest = begin..end;
        }
    }
    longest
}

/// Appends a number, such as a group of an IPv6 address: hexadecimal, without leading zeros.
pub(super) fn hex(out: &mut Vec<u8>, group: u16) {
    let nibbles = [group >> 12, group >> 8, group >> 4, group].map(|part| (part & 0xf) as u8);
    let leading_zeros = (group.leading_zeros() / 4).min(3);
    let text = nibbles.map(|nibble| nibble + if nibble < 10 { b'0' } else { b'a' - 10 });
    append(out, (u32::from_le_bytes(text) >> (8 * leading_zeros)).to_le_bytes(), 4 - leading_zeros as usize);
}

/// Appends the first `length` bytes of `text`.
fn append<const N: usize>(out: &mut Vec<u8>, text: [u8; N], length: usize) {
    let begin = out.len();
    out.extend_from_slice(&text);
    out.truncate(begin + length);
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b">".to_vec();
        write(&mut out);
        String::from_utf8(out.split_off(1)).unwrap()
    }

    #[test]
    fn every_port_is_as_the_standard_library_writes_it() {
        for number in 0..=u16::MAX {
            assert_eq!(text(|out| port(out, number)), number.to_string());
        }
    }

    #[test]
    fn every_octet_is_as_the_standard_library_writes_it() {
        for octet in 0..=u8::MAX {
            let address = Ipv4Addr::new(octet, 0, 255, octet);
            assert_eq!(text(|out| ipv4(out, address)), address.to_string());
        }
    }

    /// RFC 5952, section 4, and the mapped addresses that its section 5 leaves open.
    #[test]
    fn ipv6_addresses_are_canonical() {
        for canonical in [
            "::",
            "::1",
            "1::",
            "2001:db8::1",
            "2001:db8::2:1",
            "2001:db8:0:1:1:1:1:1",
            "2001:0:0:1::1",
            "2001:db8::1:0:0:1",
            "2001:db8::aaaa",
            "1:2:3:4:5:6:7:8",
            "0:2:3:4:5:6:7:8",
            "1:2:3:4:5:6::",
            "0:1::",
            "::ffff:192.0.2.1",
            "::ffff:0.0.0.0",
            "::ffff:0:0:0",
            "64:ff9b::c000:221",
            "::102:304",
        ] {
            let address: Ipv6Addr = canonical.parse().unwrap();
            assert_eq!(text(|out| ipv6(out, address)), canonical);
        }
    }

    #[test]
    fn moments_are_seconds_and_microseconds() {
        assert_eq!(text(|out| epoch(out, 0)), "0.000000");
        assert_eq!(text(|out| epoch(out, 1_795_226_215_000_001_999)), "1795226215.000001");
        assert_eq!(text(|out| epoch(out, u64::MAX)), "18446744073.709551");
    }

    proptest! {
        #[test]
        fn endpoints_are_as_the_standard_library_writes_them(
            groups in prop::array::uniform8(prop_oneof![Just(0), Just(0xffff), 0..=u16::MAX, 0..=0x1f_u16]),
            octets: [u8; 4],
            number: u16,
        ) {
            let address = Ipv6Addr::from(groups);
            prop_assert_eq!(
                text(|out| endpoint(out, address.octets(), number)),
                SocketAddr::from((address, number)).to_string()
            );
            prop_assert_eq!(text(|out| endpoint(out, octets, number)), SocketAddr::from((octets, number)).to_string());
            prop_assert_eq!(text(|out| self::address(out, address.octets())), address.to_string());
            prop_assert_eq!(text(|out| self::address(out, octets)), Ipv4Addr::from(octets).to_string());
        }
    }
}
