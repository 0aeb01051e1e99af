//! A datagram from the kernel, to messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attributes::{Attribute, Attributes, Malformed, Reason, aligned};
use super::event::{Change, Counters, Event, Tuple};
use super::kernel::ct::*;
use super::kernel::nfnl::{NFGENMSG_LEN, NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_NFTABLES};
use super::kernel::nlmsg::{NLM_F_CREATE, NLMSG_DONE, NLMSG_ERROR, NLMSG_HDRLEN, NLMSG_OVERRUN};
use super::kernel::nsid::{NETNSA_NSID, RTM_DELNSID, RTM_NEWNSID};
use super::kernel::rule::NFT_MSG_NEWRULE;
use super::rule::{self, Rule};

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A flow began, changed or ended; or is an entry of a dump.
    Event(Event),
    /// The end of a dump.
    Done,
    /// Messages were lost (`NLMSG_OVERRUN`).
    Overrun,
    /// A rule of nf_tables, of a dump.
    Rule(Rule),
    /// What id a network namespace has: it was given, or is the answer to who asked; `None`: it has none.
    NetnsId(Option<u32>),
    /// The namespace with this id has none any more.
    NetnsGone(u32),
    /// A request failed with this errno (positive); 0 acknowledges one that succeeded.
    Error(i32),
    /// Something else: expectations, statistics, other subsystems.
    Other,
}

/// The messages in a datagram, one after the other.
///
/// A message that is malformed inside does not hide those after it; after one whose own length is impossible
/// nothing more comes. Offsets in [`Malformed`] count from the datagram's beginning.
pub fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages { rest: datagram, offset: 0, sequence: 0 }
}

/// See [`messages`].
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    offset: usize,
    sequence: u32,
}

impl Iterator for Messages<'_> {
    type Item = Result<Message, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.offset;
        match self.step() {
            Ok((header, payload)) => Some(message(&header, payload, offset + NLMSG_HDRLEN)),
            Err(malformed) => {
                self.rest = &[];
                Some(Err(malformed))
            }
        }
    }
}

impl<'a> Messages<'a> {
    /// The sequence number of the message given last: that of the request which it answers, 0 in an event.
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    fn step(&mut self) -> Result<(Header, &'a [u8]), Malformed> {
        let Some((header, _)) = self.rest.split_first_chunk() else {
            return Err(Reason::Cut.at(self.offset));
        };
        let header = Header::read(header);
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let Some(payload) = self.rest.get(NLMSG_HDRLEN..length) else {
            return Err(Reason::Length(header.length).at(self.offset));
        };

        // The last message's padding may be left out.
        let step = aligned(length).min(self.rest.len());
        self.rest = self.rest.get(step..).unwrap_or_default();
        self.offset += step;
        self.sequence = header.sequence;
        Ok((header, payload))
    }
}

/// What matters of `struct nlmsghdr`, linux/netlink.h: 16 bytes in the machine's byte order.
struct Header {
    /// Of header and payload, in bytes.
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
}

impl Header {
    fn read(bytes: &[u8; NLMSG_HDRLEN]) -> Self {
        let &[l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = bytes;
        Self {
            length: u32::from_ne_bytes([l0, l1, l2, l3]),
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
        }
    }
}

#[inline]
fn message(header: &Header, payload: &[u8], offset: usize) -> Result<Message, Malformed> {
    const NEW: u16 = ctnetlink(IPCTNL_MSG_CT_NEW);
    const DELETE: u16 = ctnetlink(IPCTNL_MSG_CT_DELETE);
    const RULE: u16 = subsystem(NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWRULE);

    match header.kind {
        NEW if header.flags & NLM_F_CREATE != 0 => event(Change::New, payload, offset),
        NEW => event(Change::Update, payload, offset),
        DELETE => event(Change::Destroy, payload, offset),
        NLMSG_ERROR => errno(payload).map(Message::Error).ok_or(Reason::Cut.at(offset)),
        // A dump that failed on its way ends with a negative number.
        NLMSG_DONE => Ok(match errno(payload) {
            None | Some(..=0) => Message::Done,
            Some(errno) => Message::Error(errno),
        }),
        NLMSG_OVERRUN => Ok(Message::Overrun),
        RTM_NEWNSID => netns_id(payload, offset).map(Message::NetnsId),
        RTM_DELNSID => netns_id(payload, offset).map(|id| id.map_or(Message::Other, Message::NetnsGone)),
        RULE => rule::read(payload, offset).map(Message::Rule),
        _ => Ok(Message::Other),
    }
}

/// A message's type from that of ctnetlink.
pub(super) const fn ctnetlink(message: u8) -> u16 {
    subsystem(NFNL_SUBSYS_CTNETLINK, message)
}

/// A message's type from that of a subsystem: `subsystem << 8 | message`.
pub(super) const fn subsystem(subsystem: u8, message: u8) -> u16 {
    u16::from_be_bytes([subsystem, message])
}

/// The number that `struct nlmsgerr` and the end of a dump begin with: a negated errno.
fn errno(payload: &[u8]) -> Option<i32> {
    payload.first_chunk().map(|&number| i32::from_ne_bytes(number).saturating_neg())
}

/// The id in a message of rtnetlink about a network namespace.
fn netns_id(payload: &[u8], offset: usize) -> Result<Option<u32>, Malformed> {
    // `struct rtgenmsg` is a byte, padded to as many as `struct nfgenmsg` has.
    let Some(attributes) = payload.get(NFGENMSG_LEN..) else {
        return Err(Reason::Cut.at(offset));
    };
    let mut id = None;
    for attribute in Attributes::new(attributes, offset + NFGENMSG_LEN) {
        let attribute = attribute?;
        if attribute.kind == NETNSA_NSID {
            id = u32::try_from(attribute.native_i32()?).ok();
        }
    }
    Ok(id)
}

fn event(change: Change, payload: &[u8], offset: usize) -> Result<Message, Malformed> {
    let Some(attributes) = payload.get(NFGENMSG_LEN..) else {
        return Err(Reason::Cut.at(offset));
    };
    let mut flow = Flow::default();
    for attribute in Attributes::new(attributes, offset + NFGENMSG_LEN) {
        flow.take(attribute?)?;
    }
    flow.into_event(change, offset).map(Message::Event)
}

/// What has been read of a flow so far.
#[derive(Default)]
struct Flow {
    original: Option<Direction>,
    reply: Option<Direction>,
    id: u32,
    mark: u32,
    zone: Option<u16>,
    status: u32,
    tcp_state: u8,
    original_counters: Option<(u64, u64)>,
    reply_counters: Option<(u64, u64)>,
    started: Option<u64>,
    stopped: Option<u64>,
    happened: Option<u64>,
}

impl Flow {
    #[inline]
    fn take(&mut self, attribute: Attribute<'_>) -> Result<(), Malformed> {
        match attribute.kind {
            CTA_TUPLE_ORIG => self.original = Some(direction(attribute)?),
            CTA_TUPLE_REPLY => self.reply = Some(direction(attribute)?),
            CTA_STATUS => self.status = attribute.be32()?,
            CTA_PROTOINFO => self.tcp_state = tcp_state(attribute)?,
            CTA_MARK => self.mark = attribute.be32()?,
            CTA_COUNTERS_ORIG => self.original_counters = Some(counters(attribute)?),
            CTA_COUNTERS_REPLY => self.reply_counters = Some(counters(attribute)?),
            CTA_ID => self.id = attribute.be32()?,
            CTA_ZONE => self.zone = Some(attribute.be16()?),
            CTA_TIMESTAMP => self.take_timestamp(attribute)?,
            CTA_TIMESTAMP_EVENT => self.happened = Some(attribute.be64()?),
            _ => {}
        }
        Ok(())
    }

    fn take_timestamp(&mut self, timestamp: Attribute<'_>) -> Result<(), Malformed> {
        for attribute in timestamp.nested() {
            let attribute = attribute?;
            match attribute.kind {
                CTA_TIMESTAMP_START => self.started = Some(attribute.be64()?),
                CTA_TIMESTAMP_STOP => self.stopped = Some(attribute.be64()?),
                _ => {}
            }
        }
        Ok(())
    }

    fn into_event(self, change: Change, offset: usize) -> Result<Event, Malformed> {
        let (Some(original), Some(reply)) = (self.original, self.reply) else {
            return Err(Reason::NoTuple.at(offset));
        };
        if original.tuple.src.is_ipv4() != reply.tuple.src.is_ipv4() {
            return Err(Reason::MixedFamilies.at(offset));
        }
        if original.protocol != reply.protocol {
            return Err(Reason::MixedProtocols.at(offset));
        }
        Ok(Event {
            change,
            original: original.tuple,
            reply: reply.tuple,
            protocol: original.protocol,
            id: self.id,
            mark: self.mark,
            zone: self.zone.or(original.zone).or(reply.zone).unwrap_or(0),
            status: self.status,
            tcp_state: self.tcp_state,
            counters: both(self.original_counters, self.reply_counters),
            started: self.started,
            stopped: self.stopped,
            happened: self.happened,
        })
    }
}

fn both(original: Option<(u64, u64)>, reply: Option<(u64, u64)>) -> Option<Counters> {
    let (original_packets, original_bytes) = original?;
    let (reply_packets, reply_bytes) = reply?;
    Some(Counters { original_packets, original_bytes, reply_packets, reply_bytes })
}

/// A tuple as ctnetlink carries it.
struct Direction {
    tuple: Tuple,
    protocol: u8,
    /// The zone, where it holds for this direction only.
    zone: Option<u16>,
}

fn direction(outer: Attribute<'_>) -> Result<Direction, Malformed> {
    let (mut addresses, mut layer4, mut zone) = (None, None, None);
    for attribute in outer.nested() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_TUPLE_IP => addresses = Some(addresses_of(attribute)?),
            CTA_TUPLE_PROTO => layer4 = Some(layer4_of(attribute)?),
            CTA_TUPLE_ZONE => zone = Some(attribute.be16()?),
            _ => {}
        }
    }
    let Some((src, dst)) = addresses else {
        return Err(outer.malformed(Reason::NoAddress));
    };
    let Some(Layer4 { protocol, sport, dport }) = layer4 else {
        return Err(outer.malformed(Reason::NoProtocol));
    };
    Ok(Direction { tuple: Tuple { src, dst, sport, dport }, protocol, zone })
}

fn addresses_of(outer: Attribute<'_>) -> Result<(IpAddr, IpAddr), Malformed> {
    let (mut src, mut dst) = (None, None);
    for attribute in outer.nested() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_IP_V4_SRC => src = Some(IpAddr::V4(Ipv4Addr::from(attribute.bytes::<4>()?))),
            CTA_IP_V4_DST => dst = Some(IpAddr::V4(Ipv4Addr::from(attribute.bytes::<4>()?))),
            CTA_IP_V6_SRC => src = Some(IpAddr::V6(Ipv6Addr::from(attribute.bytes::<16>()?))),
            CTA_IP_V6_DST => dst = Some(IpAddr::V6(Ipv6Addr::from(attribute.bytes::<16>()?))),
            _ => {}
        }
    }
    let (Some(src), Some(dst)) = (src, dst) else {
        return Err(outer.malformed(Reason::NoAddress));
    };
    if src.is_ipv4() != dst.is_ipv4() {
        return Err(outer.malformed(Reason::MixedFamilies));
    }
    Ok((src, dst))
}

/// The layer-4 part of a tuple; see [`Tuple`] for what stands in the ports.
struct Layer4 {
    protocol: u8,
    sport: u16,
    dport: u16,
}

fn layer4_of(outer: Attribute<'_>) -> Result<Layer4, Malformed> {
    let (mut protocol, mut sport, mut dport) = (None, 0, 0);
    let (mut icmp_type, mut icmp_code) = (0, 0);
    for attribute in outer.nested() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_PROTO_NUM => protocol = Some(attribute.u8()?),
            CTA_PROTO_SRC_PORT | CTA_PROTO_ICMP_ID | CTA_PROTO_ICMPV6_ID => sport = attribute.be16()?,
            CTA_PROTO_DST_PORT => dport = attribute.be16()?,
            CTA_PROTO_ICMP_TYPE | CTA_PROTO_ICMPV6_TYPE => icmp_type = attribute.u8()?,
            CTA_PROTO_ICMP_CODE | CTA_PROTO_ICMPV6_CODE => icmp_code = attribute.u8()?,
            _ => {}
        }
    }
    let protocol = protocol.ok_or(outer.malformed(Reason::NoProtocol))?;
    // A flow has a destination port or an ICMP type and code, never both.
    Ok(Layer4 { protocol, sport, dport: dport | u16::from_be_bytes([icmp_type, icmp_code]) })
}

fn counters(outer: Attribute<'_>) -> Result<(u64, u64), Malformed> {
    let (mut packets, mut bytes) = (0, 0);
    for attribute in outer.nested() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_COUNTERS_PACKETS => packets = attribute.be64()?,
            CTA_COUNTERS_BYTES => bytes = attribute.be64()?,
            _ => {}
        }
    }
    Ok((packets, bytes))
}

/// The state in `CTA_PROTOINFO`; 0 if it is of another protocol than TCP.
fn tcp_state(protoinfo: Attribute<'_>) -> Result<u8, Malformed> {
    for protocol in protoinfo.nested() {
        let protocol = protocol?;
        if protocol.kind != CTA_PROTOINFO_TCP {
            continue;
        }
        for attribute in protocol.nested() {
            let attribute = attribute?;
            if attribute.kind == CTA_PROTOINFO_TCP_STATE {
                return attribute.u8();
            }
        }
    }
    Ok(0)
}
