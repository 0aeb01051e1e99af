//! Layer-4 protocols: their names, their numbers, and lists of them as they are typed.

use std::fmt;
use std::str::FromStr;

/// Names and IANA assigned numbers of the protocols that conntrack knows by more than their number.
pub(crate) const NAMES: [(&str, u8); 8] =
    [("tcp", 6), ("udp", 17), ("udplite", 136), ("sctp", 132), ("dccp", 33), ("icmp", 1), ("icmpv6", 58), ("gre", 47)];

/// The name of the protocol with this number; `None` if it goes by its number only.
pub fn name(number: u8) -> Option<&'static str> {
    NAMES.iter().find(|(_, own)| *own == number).map(|(name, _)| *name)
}

/// The number of the protocol that `text` names, in letters of either case or as a number of 0 to 255.
pub fn number(text: &str) -> Option<u8> {
    match NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        Some((_, number)) => Some(*number),
        // The standard library would take a sign, too.
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// Protocols that have the id of a query in the place of the source port, and its type and code in that of the other one: ICMP,
/// ICMPv6 (docs/format.md, "Tuple").
pub const QUERIES: [u8; 2] = [1, 58];

/// Whether the second number of a tuple is no port of its destination, but the type and code of a query, whose id is the
/// first.
pub fn has_queries(protocol: u8) -> bool {
    QUERIES.contains(&protocol)
}

/// A protocol as text: its name, else its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol(pub u8);

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name(self.0) {
            Some(name) => f.pad(name),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

/// Which protocols are recorded. As text: `all`, or names and numbers with commas between, as `tcp,udp,47`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocols {
    /// All there are.
    All,
    /// These, by their numbers, each once. No text is read as an empty list; one made by hand means all, as in a header.
    These(Vec<u8>),
}

impl Protocols {
    /// Whether this protocol is among them.
    pub fn contains(&self, protocol: u8) -> bool {
        let numbers = self.numbers();
        numbers.is_empty() || numbers.contains(&protocol)
    }

    /// Their numbers as a segment's header keeps them ([`ctrecorder_format::Header::protocols`]): none means all.
    pub fn numbers(&self) -> &[u8] {
        match self {
            Self::All => &[],
            Self::These(numbers) => numbers,
        }
    }

    /// What a segment's header says was recorded; the opposite of [`Protocols::numbers`].
    pub fn from_numbers(numbers: &[u8]) -> Self {
        if numbers.is_empty() { Self::All } else { Self::These(numbers.to_vec()) }
    }
}

/// What is wrong with a list of protocols.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolsError {
    /// A part of the list is no protocol.
    #[error("\"{0}\" is not a protocol (tcp, udp, udplite, sctp, dccp, icmp, icmpv6, gre, all, or a number up to 255)")]
    Unknown(String),
    /// `all` stands beside others.
    #[error("\"all\" stands alone, not in a list of protocols")]
    AllAmongOthers,
}

impl FromStr for Protocols {
    type Err = ProtocolsError;

    fn from_str(text: &str) -> Result<Self, ProtocolsError> {
        let is_all = |part: &str| part.eq_ignore_ascii_case("all");
        if is_all(text.trim()) {
            return Ok(Self::All);
        }
        let mut numbers = Vec::new();
        for part in text.split(',').map(str::trim) {
            match number(part) {
                Some(number) if numbers.contains(&number) => {}
                Some(number) => numbers.push(number),
                None if is_all(part) => return Err(ProtocolsError::AllAmongOthers),
                None => return Err(ProtocolsError::Unknown(part.to_owned())),
            }
        }
        Ok(Self::These(numbers))
    }
}

impl fmt::Display for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.numbers();
        if numbers.is_empty() {
            return f.write_str("all");
        }
        for (index, number) in numbers.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", Protocol(*number))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the IANA registry "Assigned Internet Protocol Numbers".
    #[test]
    fn names_and_numbers_are_those_of_iana() {
        for (text, own) in [("icmp", 1), ("tcp", 6), ("udp", 17), ("dccp", 33), ("gre", 47), ("icmpv6", 58)] {
            assert_eq!((name(own), number(text)), (Some(text), Some(own)));
        }
        assert_eq!((name(132), name(136), name(0)), (Some("sctp"), Some("udplite"), None));
        assert_eq!((number("Sctp"), number("136"), number("0"), number("")), (Some(132), Some(136), Some(0), None));
        assert_eq!(format!("{:>5}{:>5}", Protocol(6), Protocol(99)), "  tcp   99");
    }

    #[test]
    fn lists_are_read_and_written() {
        let list: Protocols = "TCP, udp,47,gre,99".parse().unwrap();
        assert_eq!(list, Protocols::These(vec![6, 17, 47, 99]));
        assert_eq!(list.to_string(), "tcp,udp,gre,99");
        assert!(list.contains(17) && !list.contains(1));
        assert_eq!("all".parse(), Ok(Protocols::All));
        assert_eq!(Protocols::All.to_string(), "all");
        assert!(Protocols::All.contains(253));
        for protocols in [list, Protocols::All] {
            assert_eq!(Protocols::from_numbers(protocols.numbers()), protocols);
        }
    }

    #[test]
    fn the_bad_part_is_named() {
        let error = |text: &str| text.parse::<Protocols>().unwrap_err();
        assert_eq!(error("tcp,tpc"), ProtocolsError::Unknown("tpc".into()));
        assert_eq!(error("256"), ProtocolsError::Unknown("256".into()));
        assert_eq!(error("+6"), ProtocolsError::Unknown("+6".into()));
        assert_eq!(error("tcp,,udp"), ProtocolsError::Unknown(String::new()));
        assert_eq!(error(""), ProtocolsError::Unknown(String::new()));
        assert_eq!(error("tcp,all"), ProtocolsError::AllAmongOthers);
        assert!(error("tcp,tpc").to_string().starts_with("\"tpc\" is not a protocol"));
    }
}
