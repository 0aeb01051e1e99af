//! The one parser of addresses and networks as they are typed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnetwork::{IpNetwork, IpNetworkError};

/// What is wrong with an address or a network. Each message begins with the text as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before the slash is no address.
    #[error("{0} is not an IP address")]
    Address(String),
    /// It has a port, too.
    #[error("{0} is an address with a port: say the two by themselves, or both at once with --endpoint")]
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
    /// A dotted mask has a zero before a one.
    #[error("{0}: in the mask, ones follow zeros")]
    MaskNotContiguous(String),
    /// The part after the slash is neither a length nor a mask.
    #[error("{0}: after the slash stands neither a prefix length nor an IPv4 mask")]
    NeitherLengthNorMask(String),
}

/// Reads `IP`, `IP/LENGTH`, or `IP/MASK` with a dotted IPv4 mask. An IPv6 address may stand in brackets.
///
/// An address without a slash is the network of that address alone. Bits below the mask may be set, and do not matter:
/// the network's own address has them cleared.
///
/// # Errors
/// [`NetworkError`], whose message begins with the text.
pub fn parse_network(text: &str) -> Result<IpNetwork, NetworkError> {
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let address = parse_address(address).ok_or_else(|| match text.parse::<SocketAddr>() {
        Ok(_) => NetworkError::WithPort(text.to_owned()),
        Err(_) => NetworkError::Address(text.to_owned()),
    })?;
    let (family, bits_max) = if address.is_ipv4() { ("IPv4", 32) } else { ("IPv6", 128) };
    let prefix = match mask {
        Some(mask) => prefix_length(text, address, mask)?,
        None => bits_max,
    };
    let too_long = |_: IpNetworkError| NetworkError::Prefix { text: text.to_owned(), family, bits_max };
    let typed = IpNetwork::new(address, prefix).map_err(too_long)?;
    IpNetwork::new(typed.network(), prefix).map_err(too_long)
}

/// An address; one of IPv6 may stand in brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// The length that the part after the slash stands for, not yet held against the greatest there is.
fn prefix_length(text: &str, address: IpAddr, mask: &str) -> Result<u8, NetworkError> {
    if !mask.is_empty() && mask.bytes().all(|byte| byte.is_ascii_digit()) {
        // A length beyond a byte is too long for both families, as 255 is.
        return Ok(mask.parse().unwrap_or(u8::MAX));
    }
    match mask.parse::<Ipv4Addr>() {
        Ok(mask) if address.is_ipv4() => {
            ipnetwork::ipv4_mask_to_prefix(mask).map_err(|_| NetworkError::MaskNotContiguous(text.to_owned()))
        }
        _ => Err(NetworkError::NeitherLengthNorMask(text.to_owned())),
    }
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
            ("2001:db8::ffff/127", "2001:db8::fffe/127"),
            ("::/0", "::/0"),
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
            ("[10.0.0.1]", "[10.0.0.1] is not an IP address"),
            ("[::1", "[::1 is not an IP address"),
            (
                "10.0.0.1:80",
                "10.0.0.1:80 is an address with a port: say the two by themselves, or both at once with --endpoint",
            ),
            ("10.0.0.0/33", "10.0.0.0/33: a prefix of an IPv4 address is at most 32 bits long"),
            ("10.0.0.0/999999999999", "10.0.0.0/999999999999: a prefix of an IPv4 address is at most 32 bits long"),
            ("::/129", "::/129: a prefix of an IPv6 address is at most 128 bits long"),
            ("10.0.0.0/255.0.255.0", "10.0.0.0/255.0.255.0: in the mask, ones follow zeros"),
            ("10.0.0.0/0.0.0.255", "10.0.0.0/0.0.0.255: in the mask, ones follow zeros"),
            ("10.0.0.0/", "10.0.0.0/: after the slash stands neither a prefix length nor an IPv4 mask"),
            ("10.0.0.0/+8", "10.0.0.0/+8: after the slash stands neither a prefix length nor an IPv4 mask"),
            ("10.0.0.0/8/8", "10.0.0.0/8/8: after the slash stands neither a prefix length nor an IPv4 mask"),
            ("::/255.0.0.0", "::/255.0.0.0: after the slash stands neither a prefix length nor an IPv4 mask"),
        ] {
            assert_eq!(parse_network(text).map_err(|error| error.to_string()), Err(message.to_owned()));
        }
    }
}
