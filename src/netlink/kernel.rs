//! The kernel's numbers under the kernel's names, each group with the header that defines it.

/// Netlink messages. linux/netlink.h
pub mod nlmsg {
    /// Size of `struct nlmsghdr`: length u32, type u16, flags u16, sequence u32, port id u32.
    pub const NLMSG_HDRLEN: usize = 16;
    /// Messages and attributes begin at multiples of this (`NLMSG_ALIGNTO`, `NLA_ALIGNTO`).
    pub const ALIGNTO: usize = 4;

    /// An error, or with number 0 an acknowledgement; payload `struct nlmsgerr`.
    pub const NLMSG_ERROR: u16 = 2;
    /// The end of a dump; payload a C int, negative where the dump failed.
    pub const NLMSG_DONE: u16 = 3;
    /// Messages were lost. The kernel has not sent it for decades: it says ENOBUFS on the socket instead.
    pub const NLMSG_OVERRUN: u16 = 4;

    /// Set on every request.
    pub const NLM_F_REQUEST: u16 = 0x01;
    /// The request wants an answer even if it succeeds.
    pub const NLM_F_ACK: u16 = 0x04;
    /// The request wants the whole table (`NLM_F_ROOT | NLM_F_MATCH`).
    pub const NLM_F_DUMP: u16 = 0x300;
    /// Do not touch what exists already.
    pub const NLM_F_EXCL: u16 = 0x200;
    /// Create what does not exist; on an event: it was created.
    pub const NLM_F_CREATE: u16 = 0x400;

    /// Size of `struct nlattr`: length u16, type u16.
    pub const NLA_HDRLEN: usize = 4;
    /// On an attribute's type: it holds attributes.
    pub const NLA_F_NESTED: u16 = 0x8000;
    /// The attribute's type without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
    pub const NLA_TYPE_MASK: u16 = 0x3fff;
}

/// The netfilter family of netlink. linux/netfilter/nfnetlink.h, linux/netfilter/nfnetlink_compat.h
pub mod nfnl {
    /// Size of `struct nfgenmsg`: family u8, version u8, resource id be16.
    pub const NFGENMSG_LEN: usize = 4;
    /// `NFNETLINK_V0`, the only version.
    pub const NFNETLINK_V0: u8 = 0;
    /// Connection tracking, the high byte of a message's type.
    pub const NFNL_SUBSYS_CTNETLINK: u8 = 1;
    /// Rules of nf_tables.
    pub const NFNL_SUBSYS_NFTABLES: u8 = 10;
    /// Multicast group: flows that began.
    pub const NFNLGRP_CONNTRACK_NEW: u32 = 1;
    /// Multicast group: flows that changed.
    pub const NFNLGRP_CONNTRACK_UPDATE: u32 = 2;
    /// Multicast group: flows that ended.
    pub const NFNLGRP_CONNTRACK_DESTROY: u32 = 3;

    /// Any family (`NFPROTO_UNSPEC`). linux/netfilter.h
    pub const NFPROTO_UNSPEC: u8 = 0;
    /// IPv4 and IPv6 at once, of a rule (`NFPROTO_INET`). linux/netfilter.h
    pub const NFPROTO_INET: u8 = 1;
    /// Ethernet, of a rule (`NFPROTO_BRIDGE`). linux/netfilter.h
    pub const NFPROTO_BRIDGE: u8 = 7;
    /// IPv4. linux/netfilter.h
    pub const NFPROTO_IPV4: u8 = 2;
    /// IPv6. linux/netfilter.h
    pub const NFPROTO_IPV6: u8 = 10;
}

/// Network namespaces and their ids, over rtnetlink. linux/rtnetlink.h, linux/net_namespace.h
pub mod nsid {
    /// An id was given to a namespace; or the answer to who asks for one. Its fixed part is `struct rtgenmsg`, padded to four bytes.
    pub const RTM_NEWNSID: u16 = 88;
    /// A namespace lost its id, mostly since it is gone.
    pub const RTM_DELNSID: u16 = 89;
    /// Asks for the id of a namespace, or for all ids.
    pub const RTM_GETNSID: u16 = 90;
    /// Multicast group: ids that are given and lost.
    pub const RTNLGRP_NSID: u32 = 28;
    /// The id, signed; -1 (`NETNSA_NSID_NOT_ASSIGNED`) of a namespace that has none. Of this group alone, attributes are in the
    /// machine's byte order.
    pub const NETNSA_NSID: u16 = 1;
    /// A file descriptor of the namespace that is asked for.
    pub const NETNSA_FD: u16 = 3;
}

/// Connection tracking over netlink. linux/netfilter/nfnetlink_conntrack.h
pub mod ct {
    #![expect(missing_docs, reason = "the header documents them; the parser says what is made of each")]

    // enum cntl_msg_types: the low byte of a message's type
    pub const IPCTNL_MSG_CT_NEW: u8 = 0;
    pub const IPCTNL_MSG_CT_GET: u8 = 1;
    pub const IPCTNL_MSG_CT_DELETE: u8 = 2;
    pub const IPCTNL_MSG_CT_GET_STATS: u8 = 5;
    pub const IPCTNL_MSG_CT_GET_DYING: u8 = 6;

    // enum ctattr_type
    pub const CTA_TUPLE_ORIG: u16 = 1;
    pub const CTA_TUPLE_REPLY: u16 = 2;
    pub const CTA_STATUS: u16 = 3;
    pub const CTA_PROTOINFO: u16 = 4;
    pub const CTA_TIMEOUT: u16 = 7;
    pub const CTA_MARK: u16 = 8;
    pub const CTA_COUNTERS_ORIG: u16 = 9;
    pub const CTA_COUNTERS_REPLY: u16 = 10;
    pub const CTA_ID: u16 = 12;
    pub const CTA_ZONE: u16 = 18;
    pub const CTA_TIMESTAMP: u16 = 20;
    pub const CTA_TIMESTAMP_EVENT: u16 = 27;

    // enum ctattr_tuple
    pub const CTA_TUPLE_IP: u16 = 1;
    pub const CTA_TUPLE_PROTO: u16 = 2;
    pub const CTA_TUPLE_ZONE: u16 = 3;

    // enum ctattr_ip
    pub const CTA_IP_V4_SRC: u16 = 1;
    pub const CTA_IP_V4_DST: u16 = 2;
    pub const CTA_IP_V6_SRC: u16 = 3;
    pub const CTA_IP_V6_DST: u16 = 4;

    // enum ctattr_l4proto
    pub const CTA_PROTO_NUM: u16 = 1;
    pub const CTA_PROTO_SRC_PORT: u16 = 2;
    pub const CTA_PROTO_DST_PORT: u16 = 3;
    pub const CTA_PROTO_ICMP_ID: u16 = 4;
    pub const CTA_PROTO_ICMP_TYPE: u16 = 5;
    pub const CTA_PROTO_ICMP_CODE: u16 = 6;
    pub const CTA_PROTO_ICMPV6_ID: u16 = 7;
    pub const CTA_PROTO_ICMPV6_TYPE: u16 = 8;
    pub const CTA_PROTO_ICMPV6_CODE: u16 = 9;

    // enum ctattr_protoinfo, enum ctattr_protoinfo_tcp
    pub const CTA_PROTOINFO_TCP: u16 = 1;
    pub const CTA_PROTOINFO_TCP_STATE: u16 = 1;

    // enum ctattr_counters
    pub const CTA_COUNTERS_PACKETS: u16 = 1;
    pub const CTA_COUNTERS_BYTES: u16 = 2;

    // enum ctattr_tstamp
    pub const CTA_TIMESTAMP_START: u16 = 1;
    pub const CTA_TIMESTAMP_STOP: u16 = 2;
}

/// Rules over netlink. linux/netfilter/nf_tables.h, linux/netfilter/nf_tables_compat.h
pub mod rule {
    #![expect(missing_docs, reason = "the header documents them; the parser says what is made of each")]

    // enum nf_tables_msg_types: the low byte of a message's type
    pub const NFT_MSG_NEWRULE: u8 = 6;
    pub const NFT_MSG_GETRULE: u8 = 7;

    // enum nft_rule_attributes
    pub const NFTA_RULE_EXPRESSIONS: u16 = 4;

    // enum nft_expr_attributes
    pub const NFTA_EXPR_NAME: u16 = 1;
    pub const NFTA_EXPR_DATA: u16 = 2;

    // enum nft_match_attributes and enum nft_target_attributes: the same number
    pub const NFTA_COMPAT_NAME: u16 = 1;
}

/// Bits of a flow's status (`enum ip_conntrack_status`). linux/netfilter/nf_conntrack_common.h
pub mod status {
    /// A packet in the reply direction was seen.
    pub const IPS_SEEN_REPLY: u32 = 1 << 1;
    /// The flow is not dropped early when the table is full.
    pub const IPS_ASSURED: u32 = 1 << 2;
    /// The flow is in the table.
    pub const IPS_CONFIRMED: u32 = 1 << 3;
    /// Source addresses are translated.
    pub const IPS_SRC_NAT: u32 = 1 << 4;
    /// Destination addresses are translated.
    pub const IPS_DST_NAT: u32 = 1 << 5;
    /// The flow has ended, and is about to leave the table.
    pub const IPS_DYING: u32 = 1 << 9;
}

/// States of a TCP flow (`enum tcp_conntrack`). linux/netfilter/nf_conntrack_tcp.h
pub mod tcp {
    /// No state.
    pub const TCP_CONNTRACK_NONE: u8 = 0;
    /// The first SYN was seen.
    pub const TCP_CONNTRACK_SYN_SENT: u8 = 1;
    /// The handshake is done.
    pub const TCP_CONNTRACK_ESTABLISHED: u8 = 3;
    /// Closed on both sides, waiting for stray segments.
    pub const TCP_CONNTRACK_TIME_WAIT: u8 = 7;
}

/// Layer-4 protocols by their IANA numbers. linux/in.h, linux/in6.h
pub mod protocol {
    /// ICMP.
    pub const IPPROTO_ICMP: u8 = 1;
    /// TCP.
    pub const IPPROTO_TCP: u8 = 6;
    /// UDP.
    pub const IPPROTO_UDP: u8 = 17;
    /// DCCP; from Linux 6.17 on tracked without ports.
    pub const IPPROTO_DCCP: u8 = 33;
    /// GRE.
    pub const IPPROTO_GRE: u8 = 47;
    /// ICMPv6.
    pub const IPPROTO_ICMPV6: u8 = 58;
    /// SCTP.
    pub const IPPROTO_SCTP: u8 = 132;
    /// UDP-Lite.
    pub const IPPROTO_UDPLITE: u8 = 136;
}
