//! Whether flows are tracked in this network namespace, and whether this process may hear of them.

use std::fs;

use caps::{CapSet, Capability};

use super::finding::{Finding, Verdict};
use super::modules::{CTNETLINK, Modules, NF_TABLES, Presence};
use crate::capture::settings;
use crate::counted::counted;
use crate::netlink::Rule;
use crate::netlink::socket::{self, OpenError, RequestSocket};

/// Has every flow of a namespace tracked, and does nothing else.
const TRACK_ALL: &str =
    "nft 'table inet track { chain track { type filter hook prerouting priority 0; ct state new counter; }; }'";

/// Where the kernel names the tables of iptables-legacy, whose rules this program cannot read: of IPv4 and of IPv6.
const LEGACY_TABLES: [&str; 2] = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];

/// Everything about tracking, in the order in which it can fail.
pub(super) fn examine(modules: &Modules, ctnetlink: Presence) -> Vec<Finding> {
    let table = settings::table_count();
    let mut findings = vec![conntrack(table)];
    let socket = match open(ctnetlink) {
        Ok(socket) => socket,
        Err(missing) => {
            let rules = Rules::Unknown("there is no netlink to ask with");
            findings.extend([missing, capability(caps_hold(CapSet::Effective)), tracking(&rules, table)]);
            return findings;
        }
    };
    let (answer, capability, socket) = ask(socket);
    let rules =
        socket.map_or(Rules::Unknown("CAP_NET_ADMIN is needed to read the rules"), |socket| rules(socket, modules));
    findings.extend([answer, capability, tracking(&rules, table)]);
    findings
}

/// The same finding for a recorder of other network namespaces, too: it needs more to hear of them, and it need not be this one in
/// which flows are tracked.
pub(super) fn beside_others(finding: Finding) -> Finding {
    if finding.name == "capability" && finding.mend.is_some() {
        return finding.mended_by(socket::setcap(socket::WITH_OTHERS));
    }
    if finding.name != "tracking" || finding.verdict != Verdict::Cost {
        return finding;
    }
    let found = format!("{}; others are recorded all the same", finding.found);
    Finding { verdict: Verdict::Warning, found, mend: None, ..finding }
}

/// Whether connection tracking itself is in the kernel.
fn conntrack(table: Option<u64>) -> Finding {
    let name = "conntrack";
    match table {
        Some(_) => Finding::ok(name, "connection tracking is in the kernel"),
        None => Finding::cost(
            name,
            "connection tracking is not in the kernel, or its settings cannot be seen: no nf_conntrack_count",
        )
        .mended_by("modprobe nf_conntrack"),
    }
}

/// A socket to ask with, if ctnetlink is there.
fn open(ctnetlink: Presence) -> Result<RequestSocket, Finding> {
    let name = "ctnetlink";
    let load = format!("modprobe {}", CTNETLINK.module);
    match ctnetlink {
        Presence::Present => RequestSocket::open().map_err(|error| {
            let finding = Finding::cost(name, error.to_string());
            if matches!(error, OpenError::NoNetfilterNetlink) { finding.mended_by(load) } else { finding }
        }),
        Presence::Loadable => {
            let found = "nothing would be heard: the kernel's module is not loaded, and a recorder's start may or may not have it loaded";
            Err(Finding::cost(name, found).mended_by(load))
        }
        Presence::Absent => {
            let found = "nothing would be heard: the kernel has no connection tracking netlink (CONFIG_NF_CT_NETLINK), or its \
                         module is not installed, or it may load none";
            Err(Finding::cost(name, found))
        }
    }
}

/// Whether ctnetlink answers, whether it answers this process, and the socket if it does.
fn ask(mut socket: RequestSocket) -> (Finding, Finding, Option<RequestSocket>) {
    let name = "ctnetlink";
    match socket.probe() {
        Ok(()) => (Finding::ok(name, "the kernel answers"), capability(true), Some(socket)),
        Err(OpenError::NotPermitted) => {
            let there =
                Finding::warning(name, "it is there; whether it answers, only a process with CAP_NET_ADMIN can tell");
            (there, capability(false), None)
        }
        Err(error) => {
            let missing = Finding::cost(name, error.to_string()).mended_by(format!("modprobe {}", CTNETLINK.module));
            (missing, capability(caps_hold(CapSet::Effective)), None)
        }
    }
}

/// Whether this process has CAP_NET_ADMIN in its network namespace; `heeded`, if that was not refused.
fn capability(heeded: bool) -> Finding {
    let name = "capability";
    if heeded {
        return Finding::ok(name, "CAP_NET_ADMIN is effective");
    }
    if caps_hold(CapSet::Effective) {
        return Finding::cost(
            name,
            "CAP_NET_ADMIN is effective, but not over this network namespace: it belongs to another user namespace",
        );
    }
    if !caps_hold(CapSet::Bounding) {
        return Finding::cost(
            name,
            "no CAP_NET_ADMIN, and it cannot be had here: whoever starts this container or service must grant it",
        );
    }
    let found = "no CAP_NET_ADMIN: run as root, or grant it to the program";
    Finding::cost(name, found).mended_by(socket::setcap(socket::ALONE))
}

fn caps_hold(set: CapSet) -> bool {
    caps::has_cap(None, set, Capability::CAP_NET_ADMIN).unwrap_or(false)
}

/// What the rules of this namespace say about tracking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rules {
    /// Some ask for the state of flows of these families, and some may leave packets out. Whether others do for the family that is left
    /// cannot be told if that is `untold`.
    Track { ipv4: bool, ipv6: bool, left_out: bool, untold: bool },
    /// None does.
    None,
    /// That cannot be told, for this reason.
    Unknown(&'static str),
}

/// Reads the rules.
fn rules(mut socket: RequestSocket, modules: &Modules) -> Rules {
    let (mut ipv4, mut ipv6, mut left_out) = (false, false, false);
    let take = |rule: Rule| {
        ipv4 |= rule.tracks_ipv4();
        ipv6 |= rule.tracks_ipv6();
        left_out |= rule.leaves_out();
    };
    // A kernel that has no nf_tables has no rules of it.
    if modules.presence(NF_TABLES) == Presence::Present && socket.dump_rules(take).is_err() {
        return Rules::Unknown("the rules of nf_tables cannot be read");
    }
    let legacy = LEGACY_TABLES.map(|path| fs::read_to_string(path).is_ok_and(|names| !names.is_empty()));
    let untold = legacy[0] && !ipv4 || legacy[1] && !ipv6;
    if ipv4 || ipv6 {
        Rules::Track { ipv4, ipv6, left_out, untold }
    } else if untold {
        Rules::Unknown("the rules of iptables-legacy are not read")
    } else {
        Rules::None
    }
}

/// Whether the kernel tracks flows in this namespace: it does so only where a rule asks for it.
fn tracking(rules: &Rules, table: Option<u64>) -> Finding {
    let name = "tracking";
    let count = table.unwrap_or(0);
    match rules {
        Rules::Track { ipv4, ipv6, left_out, untold } => {
            let families = match (ipv4, ipv6, untold) {
                (true, true, _) => "IPv4 and IPv6",
                (true, false, false) => "IPv4, not of IPv6",
                (true, false, true) => "IPv4; whether of IPv6 cannot be told, since rules of ip6tables-legacy are not read",
                (false, _, false) => "IPv6, not of IPv4",
                (false, _, true) => "IPv6; whether of IPv4 cannot be told, since rules of iptables-legacy are not read",
            };
            let but = if *left_out { "; but a notrack rule leaves some out, which are not recorded" } else { "" };
            Finding::ok(name, format!("rules of this network namespace have flows tracked of {families}{but}"))
        }
        Rules::None | Rules::Unknown(_) if count > 0 => {
            Finding::ok(name, format!("the table of this network namespace holds {}", counted(count, "flow")))
        }
        Rules::None => Finding::cost(
            name,
            "nothing is tracked in this network namespace: no rule asks for a flow's state, and the table is empty. Add the NAT \
             rules, or record in the namespace that has them",
        )
        .mended_by(TRACK_ALL),
        Rules::Unknown(why) => Finding::warning(
            name,
            format!("the table of this network namespace is empty, and it cannot be told whether flows are tracked: {why}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_host_that_tracks_nothing_itself_costs_a_recorder_of_others_nothing() {
        let untracked = tracking(&Rules::None, Some(0));
        assert!(untracked.verdict == Verdict::Cost && untracked.mend.is_some(), "{untracked:?}");
        let beside = beside_others(untracked);
        assert!(beside.verdict == Verdict::Warning && beside.mend.is_none(), "{beside:?}");
        let missing = conntrack(None);
        assert_eq!(beside_others(missing.clone()), missing);
    }

    #[test]
    fn only_an_empty_table_without_any_rule_that_asks_for_it_is_no_tracking_for_sure() {
        let verdict = |rules, table| tracking(&rules, table).verdict;
        assert_eq!(verdict(Rules::None, Some(0)), Verdict::Cost);
        assert_eq!(verdict(Rules::None, None), Verdict::Cost);
        assert_eq!(verdict(Rules::None, Some(1)), Verdict::Ok);
        assert_eq!(verdict(Rules::Unknown("legacy"), Some(0)), Verdict::Warning);
        assert_eq!(verdict(Rules::Unknown("legacy"), Some(1)), Verdict::Ok);
        assert_eq!(
            verdict(Rules::Track { ipv4: true, ipv6: false, left_out: true, untold: false }, Some(0)),
            Verdict::Ok
        );
    }
}
