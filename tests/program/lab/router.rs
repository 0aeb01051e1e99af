//! Three hosts and two cables.

use std::process::Command;

use super::hosts::{CLIENT, Host, ROUTER, ROUTER_INSIDE, SERVER};
use super::{Namespace, wait_until};

/// Where the client serves, for those who call the router at [`PUBLIC_PORT`].
pub const INSIDE_PORT: u16 = 80;
/// The TCP port of the router that is translated to the client's [`INSIDE_PORT`].
pub const PUBLIC_PORT: u16 = 8080;

/// Source NAT moves the ports, so that nobody can take an inside port for a public one unnoticed: the ports that
/// hosts choose for themselves are above 32767.
const RULES: &str = "
    table inet nat {
        chain destination {
            type nat hook prerouting priority dstnat
            iifname outside meta nfproto ipv4 tcp dport 8080 dnat ip to 10.10.0.2:80
            iifname outside meta nfproto ipv6 tcp dport 8080 dnat ip6 to [fd00:10::2]:80
        }
        chain source {
            type nat hook postrouting priority srcnat
            oifname outside meta l4proto { tcp, udp } masquerade to :20000-29999
            oifname outside masquerade
        }
    }";

/// Seconds after the last packet when a flow of this kind ends. Not shorter than a loaded machine may take to answer a
/// datagram; TCP flows are over when these begin to count.
const TIMEOUTS: [(&str, u32); 6] = [
    ("icmp_timeout", 3),
    ("icmpv6_timeout", 3),
    ("tcp_timeout_close", 1),
    ("tcp_timeout_time_wait", 1),
    ("udp_timeout", 3),
    ("udp_timeout_stream", 3),
];

/// A client and a server with a NAT router between them, for IPv4 and IPv6.
pub struct Lab {
    /// The host at [`CLIENT`].
    pub client: Namespace,
    /// The host at [`ROUTER`], where connections are tracked and recorders run.
    pub router: Namespace,
    /// The host at [`SERVER`].
    pub server: Namespace,
}

impl Lab {
    /// Sets it up; every flow is tracked from now on.
    pub fn new() -> Self {
        let lab = Self {
            client: Namespace::new("client"),
            router: Namespace::new("router"),
            server: Namespace::new("server"),
        };
        for host in [&lab.client, &lab.router, &lab.server] {
            // No one else can have these addresses, and looking for others takes a second.
            host.sysctl("ipv6/conf/default/accept_dad", 0);
        }
        lab.router.sysctl("ipv4/ip_forward", 1);
        lab.router.sysctl("ipv6/conf/all/forwarding", 1);
        lab.lay_cable("inside", ROUTER_INSIDE, &lab.client, CLIENT);
        lab.lay_cable("outside", ROUTER, &lab.server, SERVER);
        lab.client
            .ip(&format!("route add default via {}", ROUTER_INSIDE.v4));
        lab.client
            .ip(&format!("route add default via {}", ROUTER_INSIDE.v6));
        lab.router.run(Command::new("nft").arg(RULES));
        for (timeout, seconds) in TIMEOUTS {
            lab.router
                .sysctl(&format!("netfilter/nf_conntrack_{timeout}"), seconds);
        }
        lab
    }

    /// Joins the router's `device` to the only one of `peer`.
    fn lay_cable(&self, device: &str, router: Host, peer: &Namespace, host: Host) {
        let peer_name = peer.name();
        self.router.ip(&format!(
            "link add {device} type veth peer name cable netns {peer_name}"
        ));
        for (namespace, device, host) in [(&self.router, device, router), (peer, "cable", host)] {
            namespace.ip(&format!("address add {}/24 dev {device}", host.v4));
            namespace.ip(&format!("address add {}/64 dev {device}", host.v6));
            namespace.ip(&format!("link set {device} up"));
        }
    }

    /// Waits until every flow has ended of itself.
    ///
    /// The kernel looks for flows that are past their time once in a minute or so; being asked for its table, it
    /// ends those it comes across.
    pub fn wait_for_silence(&self) {
        wait_until("the router's flows to end", || {
            self.router
                .run(Command::new("conntrack").args(["-L", "-f", "ipv4"]))
                .is_empty()
                && self
                    .router
                    .run(Command::new("conntrack").args(["-L", "-f", "ipv6"]))
                    .is_empty()
        });
    }
}
