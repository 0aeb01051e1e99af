//! Which rules of nf_tables ask for a flow's state: by these, connection tracking is at work in a network namespace.

use super::attributes::{Attribute, Attributes, Malformed, Reason};
use super::kernel::nfnl::{NFGENMSG_LEN, NFPROTO_BRIDGE, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6};
use super::kernel::rule::{NFTA_COMPAT_NAME, NFTA_EXPR_DATA, NFTA_EXPR_NAME, NFTA_RULE_EXPRESSIONS};

/// Expressions that have the kernel track the flows of their rule's family: those whose initialisation calls `nf_ct_netns_get`
/// in net/netfilter/nft_*.c of Linux.
const EXPRESSIONS: [&str; 7] = ["connlimit", "ct", "flow_offload", "masq", "nat", "redir", "synproxy"];

/// The same of the matches and targets of iptables, as iptables-nft uses them: net/netfilter/xt_*.c. Not CT, which may say that
/// flows are not to be tracked.
const MATCHES: [&str; 8] =
    ["cluster", "connbytes", "connlabel", "connlimit", "connmark", "conntrack", "helper", "state"];
const TARGETS: [&str; 8] = ["CONNMARK", "CONNSECMARK", "DNAT", "MASQUERADE", "NETMAP", "REDIRECT", "SNAT", "SYNPROXY"];

/// What matters of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// That of its table, one of the kernel's `NFPROTO_` numbers.
    family: u8,
    /// It asks for a flow's state, or translates.
    tracks: bool,
    /// It leaves packets untracked.
    leaves_out: bool,
}

impl Rule {
    /// Whether it leaves packets that it fits untracked.
    pub const fn leaves_out(&self) -> bool {
        self.leaves_out
    }

    /// Whether it has flows of IPv4 tracked.
    pub const fn tracks_ipv4(&self) -> bool {
        self.tracks && matches!(self.family, NFPROTO_IPV4 | NFPROTO_INET | NFPROTO_BRIDGE)
    }

    /// Whether it has flows of IPv6 tracked.
    pub const fn tracks_ipv6(&self) -> bool {
        self.tracks && matches!(self.family, NFPROTO_IPV6 | NFPROTO_INET | NFPROTO_BRIDGE)
    }
}

/// Leaves a packet untracked, whatever other rules ask for.
const NOTRACK: &str = "notrack";

/// Reads a rule of a dump; its payload stands at `offset` in the datagram.
pub(super) fn read(payload: &[u8], offset: usize) -> Result<Rule, Malformed> {
    let (Some(&family), Some(attributes)) = (payload.first(), payload.get(NFGENMSG_LEN..)) else {
        return Err(Reason::Cut.at(offset));
    };
    let mut rule = Rule { family, tracks: false, leaves_out: false };
    for attribute in Attributes::new(attributes, offset + NFGENMSG_LEN) {
        let attribute = attribute?;
        if attribute.kind == NFTA_RULE_EXPRESSIONS {
            for expression in attribute.nested() {
                rule.take(expression?)?;
            }
        }
    }
    Ok(rule)
}

impl Rule {
    /// Takes an expression (an element of a list) into account.
    fn take(&mut self, expression: Attribute<'_>) -> Result<(), Malformed> {
        let (mut name, mut data) = ("", None);
        for attribute in expression.nested() {
            let attribute = attribute?;
            match attribute.kind {
                NFTA_EXPR_NAME => name = attribute.name(),
                NFTA_EXPR_DATA => data = Some(attribute),
                _ => {}
            }
        }
        self.leaves_out |= name == NOTRACK;
        self.tracks |= match name {
            "match" => has_name(data, &MATCHES)?,
            "target" => has_name(data, &TARGETS)?,
            _ => EXPRESSIONS.contains(&name),
        };
        Ok(())
    }
}

/// Whether what iptables-nft put into an expression is one of these.
fn has_name(data: Option<Attribute<'_>>, names: &[&str]) -> Result<bool, Malformed> {
    for attribute in data.into_iter().flat_map(Attribute::nested) {
        let attribute = attribute?;
        if attribute.kind == NFTA_COMPAT_NAME && names.contains(&attribute.name()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::kernel::nlmsg::NLA_F_NESTED;

    fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = [(4 + payload.len() as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn nest(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
        attribute(kind | NLA_F_NESTED, &attributes.concat())
    }

    /// A rule of this family with these expressions: their names, and those within them.
    fn rule(family: u8, expressions: &[(&str, &str)]) -> Vec<u8> {
        let name = |name: &str| attribute(1, format!("{name}\0").as_bytes());
        let expressions: Vec<_> = expressions
            .iter()
            .map(|(outer, inner)| nest(1, &[name(outer), nest(NFTA_EXPR_DATA, &[attribute(2, &[0; 4]), name(inner)])]))
            .collect();
        [vec![family, 0, 0, 0], attribute(1, b"table\0"), nest(NFTA_RULE_EXPRESSIONS, &expressions)].concat()
    }

    #[test]
    fn a_rule_that_asks_for_the_state_or_translates_tracks_its_family() {
        for (family, expressions, tracked) in [
            (NFPROTO_IPV4, &[("meta", ""), ("masq", "")][..], [true, false]),
            (NFPROTO_IPV6, &[("ct", "")], [false, true]),
            (NFPROTO_INET, &[("immediate", ""), ("nat", "")], [true, true]),
            (NFPROTO_IPV4, &[("match", "conntrack")], [true, false]),
            (NFPROTO_IPV4, &[("target", "MASQUERADE")], [true, false]),
            (NFPROTO_INET, &[("match", "tcp"), ("target", "LOG"), ("notrack", "")], [false, false]),
            (NFPROTO_INET, &[("payload", "ct")], [false, false]),
            (NFPROTO_INET, &[], [false, false]),
        ] {
            let found = read(&rule(family, expressions), 0).unwrap();
            assert_eq!([found.tracks_ipv4(), found.tracks_ipv6()], tracked, "{expressions:?}");
        }
    }

    #[test]
    fn a_rule_that_leaves_packets_out_is_told() {
        let leaves_out = |expressions| read(&rule(NFPROTO_INET, expressions), 0).unwrap().leaves_out();
        assert!(leaves_out(&[("meta", ""), ("notrack", "")]));
        assert!(!leaves_out(&[("ct", "notrack")]));
    }

    #[test]
    fn a_rule_that_is_cut_off_is_an_error() {
        let whole = rule(NFPROTO_INET, &[("ct", "")]);
        // Behind the family, and behind the name of the table with as much of its padding as there is, nothing need come.
        for length in (0..whole.len()).filter(|length| ![4, 14, 15, 16].contains(length)) {
            assert!(read(&whole[..length], 0).is_err(), "{length}");
        }
    }
}
