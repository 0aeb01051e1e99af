//! Values of conditions as they are typed: ports, marks, numbers.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// What is wrong with a value. Each message begins with the text as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Neither a port nor a range of ports.
    #[error("{0} is not a port, which is a number up to 65535, or a range of ports, such as 1024:2047")]
    Ports(String),
    /// A range whose end comes first.
    #[error("{0}: the first port of a range is not greater than the last")]
    PortsReversed(String),
    /// Neither a mark nor a mark with its mask.
    #[error("{0} is not a mark, which is a number up to 4294967295 or 0xffffffff, with /MASK or without")]
    Mark(String),
    /// Not a conntrack zone.
    #[error("{0} is not a conntrack zone, which is a number up to 65535")]
    Zone(String),
    /// Not a conntrack id.
    #[error("{0} is not a conntrack id, which is a number up to 4294967295")]
    Id(String),
    /// Not a protocol.
    #[error("{0} is not a protocol (tcp, udp, udplite, sctp, dccp, icmp, icmpv6, gre, or a number up to 255)")]
    Protocol(String),
}

/// A port, or a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// Whether this port is one of them.
    #[inline]
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// The port, if it is one.
    pub const fn one(self) -> Option<u16> {
        if self.first == self.last { Some(self.first) } else { None }
    }

    /// Whether these are all ports there are.
    pub(super) const fn is_all(self) -> bool {
        self.first == 0 && self.last == u16::MAX
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

impl TryFrom<RangeInclusive<u16>> for Ports {
    type Error = ValueError;

    fn try_from(ports: RangeInclusive<u16>) -> Result<Self, ValueError> {
        let (first, last) = ports.into_inner();
        if first > last {
            return Err(ValueError::PortsReversed(format!("{first}:{last}")));
        }
        Ok(Self { first, last })
    }
}

impl FromStr for Ports {
    type Err = ValueError;

    /// Reads `PORT`, `FIRST:LAST` or `FIRST-LAST`.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::Ports(text.to_owned());
        let port = |text: &str| decimal(text).ok_or_else(wrong);
        match text.split_once([':', '-']) {
            Some((first, last)) => match (port(first)?, port(last)?) {
                (first, last) if first > last => Err(ValueError::PortsReversed(text.to_owned())),
                (first, last) => Ok(Self { first, last }),
            },
            None => port(text).map(Self::from),
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.one() {
            Some(port) => write!(f, "{port}"),
            None => write!(f, "{}:{}", self.first, self.last),
        }
    }
}

/// A connection mark, or some bits of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    value: u32,
    mask: u32,
}

impl Mark {
    /// Whether a mark is the one that is meant in all bits of the mask. As in iptables, a bit of the value outside its
    /// mask is met by no mark.
    pub const fn matches(self, mark: u32) -> bool {
        mark & self.mask == self.value
    }
}

impl FromStr for Mark {
    type Err = ValueError;

    /// Reads `VALUE` or `VALUE/MASK`, each decimal or, with `0x` before it, hexadecimal.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let number = |text: &str| match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok(),
            Some(_) => None,
            None => decimal(text),
        };
        let (value, mask) = match text.split_once('/') {
            Some((value, mask)) => (number(value), number(mask)),
            None => (number(text), Some(u32::MAX)),
        };
        let mark = value.zip(mask).map(|(value, mask)| Self { value, mask });
        mark.ok_or_else(|| ValueError::Mark(text.to_owned()))
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.value)?;
        if self.mask == u32::MAX { Ok(()) } else { write!(f, "/{:#x}", self.mask) }
    }
}

/// A conntrack zone.
///
/// # Errors
/// [`ValueError::Zone`].
pub fn parse_zone_number(text: &str) -> Result<u16, ValueError> {
    decimal(text).ok_or_else(|| ValueError::Zone(text.to_owned()))
}

/// A conntrack id, as the kernel tells it.
///
/// # Errors
/// [`ValueError::Id`].
pub fn parse_id(text: &str) -> Result<u32, ValueError> {
    decimal(text).ok_or_else(|| ValueError::Id(text.to_owned()))
}

/// A layer-4 protocol by its name or number.
///
/// # Errors
/// [`ValueError::Protocol`].
pub fn parse_protocol(text: &str) -> Result<u8, ValueError> {
    crate::protocol::number(text).ok_or_else(|| ValueError::Protocol(text.to_owned()))
}

/// A number in decimal digits: the standard library would take a sign, too.
fn decimal<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_ranges_are_read() {
        for (text, shown, has, has_not) in [
            ("80", "80", vec![80], vec![79, 81]),
            ("0", "0", vec![0], vec![1]),
            ("1024:2047", "1024:2047", vec![1024, 2047], vec![1023, 2048]),
            ("1024-2047", "1024:2047", vec![1024, 1500], vec![0, 65535]),
            ("7:7", "7", vec![7], vec![8]),
            ("0:65535", "0:65535", vec![0, 65535], vec![]),
        ] {
            let ports: Ports = text.parse().unwrap();
            assert_eq!(ports.to_string(), shown);
            assert!(has.into_iter().all(|port| ports.contains(port)), "{text}");
            assert!(!has_not.into_iter().any(|port| ports.contains(port)), "{text}");
        }
        for text in ["", "tcp", "65536", "-1", "+1", "1:", ":1", "1:2:3", "1-65536", "1:-2"] {
            assert_eq!(text.parse::<Ports>(), Err(ValueError::Ports(text.into())));
        }
        assert_eq!("9:8".parse::<Ports>(), Err(ValueError::PortsReversed("9:8".into())));
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    fn ranges_are_taken_as_they_are() {
        assert_eq!(Ports::try_from(5..=6).unwrap().to_string(), "5:6");
        assert!(Ports::try_from(6..=5).is_err());
    }

    #[test]
    fn marks_are_read() {
        for (text, shown, has, has_not) in [
            ("0", "0x0", 0, 1),
            ("16", "0x10", 16, 17),
            ("0x10", "0x10", 16, 48),
            ("0x10/0xf0", "0x10/0xf0", 0xff1f, 0x20),
            ("1/1", "0x1/0x1", 3, 2),
            ("0X10/240", "0x10/0xf0", 0x10, 0),
        ] {
            let mark: Mark = text.parse().unwrap();
            assert_eq!((mark.to_string().as_str(), mark.matches(has), mark.matches(has_not)), (shown, true, false));
        }
        assert!(!"3/1".parse::<Mark>().unwrap().matches(3));
        for text in ["", "x", "0x", "0x+1", "4294967296", "1/", "/1", "1/2/3", "-1"] {
            assert_eq!(text.parse::<Mark>(), Err(ValueError::Mark(text.into())));
        }
    }
}
