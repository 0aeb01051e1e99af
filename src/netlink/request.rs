//! What is asked of the kernel, to bytes.
//!
//! Each function appends one netlink message to the caller's vector; messages appended one after the other are a
//! batch. Sequence numbers are left at 0: the socket that sends a message numbers it.

use std::net::IpAddr;

use super::attributes::aligned;
use super::event::Tuple;
use super::kernel::ct::*;
use super::kernel::nfnl::{NFNETLINK_V0, NFNL_SUBSYS_NFTABLES, NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_UNSPEC};
use super::kernel::nlmsg::{
    NLA_F_NESTED, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NLMSG_HDRLEN,
};
use super::kernel::nsid::{NETNSA_FD, RTM_GETNSID};
use super::kernel::protocol::*;
use super::kernel::rule::NFT_MSG_GETRULE;
use super::kernel::status::IPS_CONFIRMED;
use super::kernel::tcp::TCP_CONNTRACK_NONE;
use super::parse::{ctnetlink, subsystem};

/// A flow to be put into the kernel's table.
///
/// Every combination of tuples is taken, translated or not; the kernel chooses the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewFlow {
    /// The direction of the flow's first packet, before translation.
    pub original: Tuple,
    /// The direction of the answers, of the same family.
    pub reply: Tuple,
    /// The layer-4 protocol (IANA assigned number).
    pub protocol: u8,
    /// The flow ends after this many seconds without a packet.
    pub timeout_s: u32,
    /// Bits of [`status`](super::kernel::status). `IPS_CONFIRMED` is always added, since the kernel asks for it;
    /// it ignores the bits of translation.
    pub status: u32,
    /// The connection mark.
    pub mark: u32,
    /// The conntrack zone.
    pub zone: u16,
    /// The TCP state, see [`tcp`](super::kernel::tcp); told only if the protocol is TCP and it is not 0.
    pub tcp_state: u8,
}

/// Asks for the table's totals: 20 bytes. As a probe it tells whether ctnetlink is there and may be used.
pub fn get_stats(to: &mut Vec<u8>) {
    Request::begin(to, IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, NFPROTO_UNSPEC).end();
}

/// Asks for every flow of the table; `family` is one of `NFPROTO_UNSPEC` (both), `NFPROTO_IPV4`, `NFPROTO_IPV6`
/// from [`nfnl`](super::kernel::nfnl): 20 bytes.
pub fn dump(to: &mut Vec<u8>, family: u8) {
    Request::begin(to, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family).end();
}

/// Asks for the flows whose end the kernel still holds back for a listener with reliable delivery (since Linux 5.19; before,
/// for all that are about to be freed): 20 bytes.
pub fn dump_dying(to: &mut Vec<u8>) {
    Request::begin(to, IPCTNL_MSG_CT_GET_DYING, NLM_F_DUMP, NFPROTO_UNSPEC).end();
}

/// Asks for every rule of nf_tables in the namespace, of all families: 20 bytes.
pub fn dump_rules(to: &mut Vec<u8>) {
    Request::begin_of(to, subsystem(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE), NLM_F_DUMP, NFPROTO_UNSPEC).end();
}

/// Asks for the ids of all network namespaces that have one here: 20 bytes.
pub fn dump_netns_ids(to: &mut Vec<u8>) {
    Request::begin_of(to, RTM_GETNSID, NLM_F_DUMP, NFPROTO_UNSPEC).end();
}

/// Asks for the id that the network namespace of a file descriptor has here: 28 bytes.
pub fn netns_id(to: &mut Vec<u8>, namespace: i32) {
    let mut request = Request::begin_of(to, RTM_GETNSID, 0, NFPROTO_UNSPEC);
    request.put(NETNSA_FD, &namespace.to_ne_bytes());
    request.end();
}

/// Puts a flow into the table; it fails with EEXIST if one of its tuples is there already. At most 260 bytes.
pub fn create(to: &mut Vec<u8>, flow: &NewFlow) {
    let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
    let mut request = Request::begin(to, IPCTNL_MSG_CT_NEW, flags, family(&flow.original));
    request.tuple(CTA_TUPLE_ORIG, &flow.original, flow.protocol);
    request.tuple(CTA_TUPLE_REPLY, &flow.reply, flow.protocol);
    request.put(CTA_TIMEOUT, &flow.timeout_s.to_be_bytes());
    request.put(CTA_STATUS, &(flow.status | IPS_CONFIRMED).to_be_bytes());
    if flow.mark != 0 {
        request.put(CTA_MARK, &flow.mark.to_be_bytes());
    }
    request.zone(flow.zone);
    if flow.protocol == IPPROTO_TCP && flow.tcp_state != TCP_CONNTRACK_NONE {
        request.nest(CTA_PROTOINFO, |request| {
            request.nest(CTA_PROTOINFO_TCP, |request| {
                request.put(CTA_PROTOINFO_TCP_STATE, &[flow.tcp_state]);
            });
        });
    }
    request.end();
}

/// Takes the flow with this original tuple out of the table; it fails with ENOENT if there is none. At most 120
/// bytes.
pub fn delete(to: &mut Vec<u8>, original: &Tuple, protocol: u8, zone: u16) {
    let mut request = Request::begin(to, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family(original));
    request.tuple(CTA_TUPLE_ORIG, original, protocol);
    request.zone(zone);
    request.end();
}

/// The first message of a batch and those after it; `None` if `requests` does not begin with a whole message.
pub fn split_first(requests: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_ne_bytes(*requests.first_chunk()?);
    let length = usize::try_from(length).ok()?;
    if length < NLMSG_HDRLEN { None } else { requests.split_at_checked(aligned(length)) }
}

/// Gives the message a sequence number, and says whether it is to be acknowledged if it succeeds.
pub fn number(message: &mut [u8], sequence: u32, acknowledge: bool) {
    let Some((header, _)) = message.split_first_chunk_mut::<NLMSG_HDRLEN>() else {
        return;
    };
    let [_, _, _, _, _, _, f0, f1, s0, s1, s2, s3, ..] = header;
    let flags = u16::from_ne_bytes([*f0, *f1]) & !NLM_F_ACK;
    [*f0, *f1] = (if acknowledge { flags | NLM_F_ACK } else { flags }).to_ne_bytes();
    [*s0, *s1, *s2, *s3] = sequence.to_ne_bytes();
}

const fn family(tuple: &Tuple) -> u8 {
    match tuple.src {
        IpAddr::V4(_) => NFPROTO_IPV4,
        IpAddr::V6(_) => NFPROTO_IPV6,
    }
}

/// A message under construction at the end of a vector.
struct Request<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Request<'a> {
    fn begin(bytes: &'a mut Vec<u8>, message: u8, flags: u16, family: u8) -> Self {
        Self::begin_of(bytes, ctnetlink(message), flags, family)
    }

    /// The same for a message of any subsystem, with its whole type.
    fn begin_of(bytes: &'a mut Vec<u8>, kind: u16, flags: u16, family: u8) -> Self {
        let start = bytes.len();
        bytes.extend([0; 4]); // length, known at the end
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        bytes.extend([0; 8]); // sequence number and port id
        debug_assert_eq!(bytes.len() - start, NLMSG_HDRLEN);
        bytes.extend([family, NFNETLINK_V0, 0, 0]); // struct nfgenmsg
        Self { bytes, start }
    }

    fn end(self) {
        // Messages are of a few hundred bytes.
        let length = (self.bytes.len() - self.start) as u32;
        if let Some(place) = self.bytes.get_mut(self.start..self.start + 4) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
    }

    fn put(&mut self, kind: u16, payload: &[u8]) {
        self.attribute(kind, |request| request.bytes.extend_from_slice(payload));
    }

    fn nest(&mut self, kind: u16, content: impl FnOnce(&mut Self)) {
        self.attribute(kind | NLA_F_NESTED, content);
    }

    fn attribute(&mut self, kind: u16, content: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]); // length, known below
        self.bytes.extend(kind.to_ne_bytes());
        content(self);
        // Attributes are of a few hundred bytes; their length is told without the padding.
        let length = (self.bytes.len() - start) as u16;
        if let Some(place) = self.bytes.get_mut(start..start + 2) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
        self.bytes.resize(start + aligned(length.into()), 0);
    }

    fn zone(&mut self, zone: u16) {
        if zone != 0 {
            self.put(CTA_ZONE, &zone.to_be_bytes());
        }
    }

    fn tuple(&mut self, kind: u16, tuple: &Tuple, protocol: u8) {
        self.nest(kind, |request| {
            request.nest(CTA_TUPLE_IP, |request| {
                request.address(CTA_IP_V4_SRC, CTA_IP_V6_SRC, tuple.src);
                request.address(CTA_IP_V4_DST, CTA_IP_V6_DST, tuple.dst);
            });
            request.nest(CTA_TUPLE_PROTO, |request| request.layer4(tuple, protocol));
        });
    }

    fn address(&mut self, v4: u16, v6: u16, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.put(v4, &address.octets()),
            IpAddr::V6(address) => self.put(v6, &address.octets()),
        }
    }

    /// The reverse of what [`Tuple`] says of its ports.
    fn layer4(&mut self, tuple: &Tuple, protocol: u8) {
        self.put(CTA_PROTO_NUM, &[protocol]);
        let icmp = match protocol {
            IPPROTO_ICMP => Some([CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE]),
            IPPROTO_ICMPV6 => Some([CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE]),
            _ => None,
        };
        if let Some([id, kind, code]) = icmp {
            let [type_value, code_value] = tuple.dport.to_be_bytes();
            self.put(id, &tuple.sport.to_be_bytes());
            self.put(kind, &[type_value]);
            self.put(code, &[code_value]);
        } else {
            self.put(CTA_PROTO_SRC_PORT, &tuple.sport.to_be_bytes());
            self.put(CTA_PROTO_DST_PORT, &tuple.dport.to_be_bytes());
        }
    }
}
