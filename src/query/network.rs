//! The one parser of addresses and networks as they are typed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnetwork::{IpNetwork, IpNetworkError};

/// What is wrong with an address or a network. Each message begins with the text as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before the slash is no address.
    #[error("{0} is not an IP address")]
    Address(String),
    /// It has a port, too.
    #[error("{0} is an address with a port: say the two by themselves, or both at once as an endpoint")]
    WithPort(String),
    /// The prefix is longer than an address of its family.
    #[error("{text}: a prefix of an {family} address is at most {bits_max} bits long")]
    Prefix {
        /// The text as typed.
        text: String,
        /// IPv4 or IPv6.
        family: &'static str,
        /// 32 or 128.
        bits_max: u8,
    },
    /// Of an IPv4 address in the form of IPv6, the prefix reaches beyond those that are.
    #[error("{0}: of an IPv4 address in the form of IPv6 the prefix has 96 to 128 bits; the address alone is {1}")]
    Mapped(String, IpAddr),
    /// A dotted mask has a zero before a one.
    #[error("{0}: in the mask, ones follow zeros")]
    MaskNotContiguous(String),
    /// The part after the slash is neither a length nor a mask.
    #[error("{0}: after the slash stands neither a prefix length nor an IPv4 mask")]
    NeitherLengthNorMask(String),
}

/// Reads `IP`, `IP/LENGTH`, or `IP/MASK` with a dotted IPv4 mask. The address may stand in brackets.
///
/// An address without a slash is the network of that address alone. Bits below the mask may be set, and do not matter:
/// the network's own address has them cleared. One of IPv4 addresses in the form of IPv6 (`::ffff:203.0.113.0/120`) is taken
/// for the network of these.
///
/// # Errors
/// [`NetworkError`], whose message begins with the text.
pub fn parse_network(text: &str) -> Result<IpNetwork, NetworkError> {
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let typed = typed_address(address).ok_or_else(|| match text.parse::<SocketAddr>() {
        Ok(_) => NetworkError::WithPort(text.to_owned()),
        Err(_) => NetworkError::Address(text.to_owned()),
    })?;
    let address = typed.to_canonical();
    let is_mapped = typed.is_ipv6() && address.is_ipv4();
    let (family, bits_max) = if address.is_ipv4() { ("IPv4", 32) } else { ("IPv6", 128) };
    let prefix = match mask {
        Some(mask) if is_mapped => match length(mask) {
            Some(length @ MAPPED_BITS..=128) => length - MAPPED_BITS,
            Some(129..) => return Err(NetworkError::Prefix { text: text.to_owned(), family: "IPv6", bits_max: 128 }),
            Some(_) => return Err(NetworkError::Mapped(text.to_owned(), address)),
            None => prefix_length(text, address, mask)?,
        },
        Some(mask) => prefix_length(text, address, mask)?,
        None => bits_max,
    };
    let too_long = |_: IpNetworkError| NetworkError::Prefix { text: text.to_owned(), family, bits_max };
    let typed = IpNetwork::new(address, prefix).map_err(too_long)?;
    IpNetwork::new(typed.network(), prefix).map_err(too_long)
}

/// Of an IPv4 address in the form of IPv6, so many bits come before it (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Reads an address; it may stand in brackets. One that is an IPv4 address in the form of IPv6
/// (`::ffff:203.0.113.6`) is taken for that: records never hold it so.
pub(super) fn parse_address(text: &str) -> Option<IpAddr> {
    typed_address(text).map(|address| address.to_canonical())
}

/// An address as it stands there.
fn typed_address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None => text,
    };
    bare.parse().ok()
}

/// The length that the part after the slash stands for, not yet held against the greatest there is.
fn prefix_length(text: &str, address: IpAddr, mask: &str) -> Result<u8, NetworkError> {
    if let Some(length) = length(mask) {
        return Ok(length);
    }
    match mask.parse::<Ipv4Addr>() {
        Ok(mask) if address.is_ipv4() => {
            ipnetwork::ipv4_mask_to_prefix(mask).map_err(|_| NetworkError::MaskNotContiguous(text.to_owned()))
        }
        _ => Err(NetworkError::NeitherLengthNorMask(text.to_owned())),
    }
}

/// A length in digits, if it is one. One beyond a byte is too long for both families, as 255 is.
fn length(mask: &str) -> Option<u8> {
    let is_number = !mask.is_empty() && mask.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| mask.parse().unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read() {
        for (text, expected) in [
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("203.0.113.7/29", "203.0.113.0/29"),
            ("10.1.2.3/255.255.0.0", "10.1.0.0/16"),
            ("10.1.2.3/0.0.0.0", "0.0.0.0/0"),
            ("10.1.2.3/255.255.255.255", "10.1.2.3/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("[2001:db8::1]", "2001:db8::1/128"),
            ("[2001:db8::1]/64", "2001:db8::/64"),
            ("[10.1.2.3]", "10.1.2.3/32"),
            ("2001:db8::ffff/127", "2001:db8::fffe/127"),
            ("::/0", "::/0"),
            ("::ffff:0:0", "0.0.0.0/32"),
        ] {
            assert_eq!(parse_network(text).map(|network| network.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    /// Records hold them so, and an option is to find what another one does.
    #[test]
    fn an_ipv4_address_in_the_form_of_ipv6_is_one_of_ipv4() {
        for (text, expected) in [
            ("::ffff:203.0.113.1", "203.0.113.1/32"),
            ("[::ffff:203.0.113.1]", "203.0.113.1/32"),
            ("::ffff:cb00:7101", "203.0.113.1/32"),
            ("::ffff:203.0.113.7/125", "203.0.113.0/29"),
            ("::ffff:203.0.113.7/128", "203.0.113.7/32"),
            ("::ffff:203.0.113.7/96", "0.0.0.0/0"),
            ("::ffff:203.0.113.7/255.255.255.0", "203.0.113.0/24"),
        ] {
            assert_eq!(parse_network(text).map(|network| network.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_named() {
        for (text, message) in [
            ("300.1.1.1", "300.1.1.1 is not an IP address"),
            ("10.0.0", "10.0.0 is not an IP address"),
            ("", " is not an IP address"),
            ("host/24", "host/24 is not an IP address"),
            ("[10.0.0.1", "[10.0.0.1 is not an IP address"),
            ("[[::1]]", "[[::1]] is not an IP address"),
            ("[::1", "[::1 is not an IP address"),
            (
                "10.0.0.1:80",
                "10.0.0.1:80 is an address with a port: say the two by themselves, or both at once as an endpoint",
            ),
            ("10.0.0.0/33", "10.0.0.0/33: a prefix of an IPv4 address is at most 32 bits long"),
            ("10.0.0.0/999999999999", "10.0.0.0/999999999999: a prefix of an IPv4 address is at most 32 bits long"),
            ("::/129", "::/129: a prefix of an IPv6 address is at most 128 bits long"),
            ("10.0.0.0/255.0.255.0", "10.0.0.0/255.0.255.0: in the mask, ones follow zeros"),
            ("10.0.0.0/0.0.0.255", "10.0.0.0/0.0.0.255: in the mask, ones follow zeros"),
            ("10.0.0.0/", "10.0.0.0/: after the slash stands neither a prefix length nor an IPv4 mask"),
            ("10.0.0.0/+8", "10.0.0.0/+8: after the slash stands neither a prefix length nor an IPv4 mask"),
            ("10.0.0.0/8/8", "10.0.0.0/8/8: after the slash stands neither a prefix length nor an IPv4 mask"),
            (
                "::ffff:10.0.0.0/8",
                "::ffff:10.0.0.0/8: of an IPv4 address in the form of IPv6 the prefix has 96 to 128 bits; \
                 the address alone is 10.0.0.0",
            ),
            ("::ffff:10.0.0.0/129", "::ffff:10.0.0.0/129: a prefix of an IPv6 address is at most 128 bits long"),
            ("::/255.0.0.0", "::/255.0.0.0: after the slash stands neither a prefix length nor an IPv4 mask"),
        ] {
            assert_eq!(parse_network(text).map_err(|error| error.to_string()), Err(message.to_owned()));
        }
    }
}
