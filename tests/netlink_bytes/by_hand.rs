//! What each message and attribute is read as.

use ctrecorder::netlink::kernel::ct::*;
use ctrecorder::netlink::kernel::nlmsg::{NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN};
use ctrecorder::netlink::kernel::nsid::{NETNSA_NSID, RTM_DELNSID, RTM_NEWNSID};
use ctrecorder::netlink::kernel::protocol::{IPPROTO_TCP, IPPROTO_UDP};
use ctrecorder::netlink::{Change, Counters, Event, Malformed, Message, Reason, Tuple};

use crate::message::{CREATED, DESTROY, NEW, all, attribute, flow, message, nest};

fn only(datagram: &[u8]) -> Result<Message, Malformed> {
    let found = all(datagram);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}

fn event(datagram: &[u8]) -> Event {
    match only(datagram) {
        Ok(Message::Event(event)) => event,
        other => panic!("not an event: {other:?}"),
    }
}

/// Why the only message is malformed.
fn reason(datagram: &[u8]) -> Reason {
    only(datagram).unwrap_err().reason
}

fn addresses(last: u8) -> Vec<u8> {
    nest(CTA_TUPLE_IP, &[attribute(CTA_IP_V4_SRC, &[10, 0, 0, last]), attribute(CTA_IP_V4_DST, &[192, 0, 2, 1])])
}

fn addresses_v6() -> Vec<u8> {
    nest(CTA_TUPLE_IP, &[attribute(CTA_IP_V6_SRC, &[1; 16]), attribute(CTA_IP_V6_DST, &[2; 16])])
}

fn udp(port: u16) -> Vec<u8> {
    let ports = [(CTA_PROTO_SRC_PORT, port), (CTA_PROTO_DST_PORT, 53)];
    let ports = ports.map(|(kind, port)| attribute(kind, &port.to_be_bytes()));
    nest(CTA_TUPLE_PROTO, &[vec![attribute(CTA_PROTO_NUM, &[IPPROTO_UDP])], ports.to_vec()].concat())
}

fn original() -> Vec<u8> {
    nest(CTA_TUPLE_ORIG, &[addresses(1), udp(1000)])
}

fn reply() -> Vec<u8> {
    nest(CTA_TUPLE_REPLY, &[addresses(2), udp(2000)])
}

fn read_tuple(last: u8, sport: u16) -> Tuple {
    Tuple { src: [10, 0, 0, last].into(), dst: [192, 0, 2, 1].into(), sport, dport: 53 }
}

#[test]
fn ids_of_network_namespaces_are_read() {
    let id = |kind, id: i32| flow(kind, 0, &[attribute(NETNSA_NSID, &id.to_ne_bytes())]);
    assert_eq!(only(&id(RTM_NEWNSID, 3)), Ok(Message::NetnsId(Some(3))));
    assert_eq!(only(&id(RTM_NEWNSID, -1)), Ok(Message::NetnsId(None)));
    assert_eq!(only(&id(RTM_DELNSID, 3)), Ok(Message::NetnsGone(3)));
    assert_eq!(only(&id(RTM_DELNSID, -1)), Ok(Message::Other));
    assert_eq!(reason(&flow(RTM_NEWNSID, 0, &[attribute(NETNSA_NSID, &[0; 8])])), Reason::PayloadSize(8));
    assert_eq!(reason(&message(RTM_DELNSID, 0, &[0; 3])), Reason::Cut);
}

#[test]
fn every_attribute_is_read() {
    let counters = |kind, packets: u64, bytes: u64| {
        let packets = attribute(CTA_COUNTERS_PACKETS, &packets.to_be_bytes());
        nest(kind, &[packets, attribute(CTA_COUNTERS_BYTES, &bytes.to_be_bytes())])
    };
    let tcp = nest(CTA_PROTOINFO_TCP, &[attribute(CTA_PROTOINFO_TCP_STATE, &[7])]);
    let start = attribute(CTA_TIMESTAMP_START, &11_u64.to_be_bytes());
    let stop = attribute(CTA_TIMESTAMP_STOP, &12_u64.to_be_bytes());
    let datagram = flow(
        DESTROY,
        0,
        &[
            original(),
            reply(),
            attribute(CTA_STATUS, &0x0102_0304_u32.to_be_bytes()),
            nest(CTA_PROTOINFO, &[tcp]),
            attribute(CTA_MARK, &0x0506_0708_u32.to_be_bytes()),
            counters(CTA_COUNTERS_ORIG, 21, 22),
            counters(CTA_COUNTERS_REPLY, 23, 24),
            attribute(CTA_ID, &0x090a_0b0c_u32.to_be_bytes()),
            attribute(CTA_ZONE, &0x0d0e_u16.to_be_bytes()),
            nest(CTA_TIMESTAMP, &[start, stop]),
            attribute(CTA_TIMESTAMP_EVENT, &13_u64.to_be_bytes()),
        ],
    );
    let expected = Event {
        change: Change::Destroy,
        original: read_tuple(1, 1000),
        reply: read_tuple(2, 2000),
        protocol: IPPROTO_UDP,
        id: 0x090a_0b0c,
        mark: 0x0506_0708,
        zone: 0x0d0e,
        status: 0x0102_0304,
        tcp_state: 7,
        counters: Some(Counters { original_packets: 21, original_bytes: 22, reply_packets: 23, reply_bytes: 24 }),
        started: Some(11),
        stopped: Some(12),
        happened: Some(13),
    };
    assert_eq!(event(&datagram), expected);
}

#[test]
fn the_flags_tell_new_from_update() {
    assert_eq!(event(&flow(NEW, CREATED, &[original(), reply()])).change, Change::New);
    assert_eq!(event(&flow(NEW, 0, &[original(), reply()])).change, Change::Update);
    assert_eq!(event(&flow(DESTROY, 0, &[original(), reply()])).change, Change::Destroy);
}

#[test]
fn flags_on_types_and_unknown_attributes_are_passed_over() {
    let plain = flow(NEW, 0, &[original(), reply(), attribute(CTA_ID, &[0, 0, 0, 9])]);
    let decorated = flow(
        NEW,
        0,
        &[
            attribute(99, &[1, 2, 3]),
            original(),
            attribute(0x3fff, &[]),
            reply(),
            attribute(CTA_ID | 0x4000, &[0, 0, 0, 9]),
        ],
    );
    assert_eq!(event(&decorated), event(&plain));
    assert_eq!(event(&plain).id, 9);
}

#[test]
fn a_zone_of_one_direction_counts_where_there_is_no_other() {
    let zone = |kind, zone: u16| attribute(kind, &zone.to_be_bytes());
    let original_7 = nest(CTA_TUPLE_ORIG, &[addresses(1), udp(1000), zone(CTA_TUPLE_ZONE, 7)]);
    let reply_8 = nest(CTA_TUPLE_REPLY, &[addresses(2), udp(2000), zone(CTA_TUPLE_ZONE, 8)]);
    let zone_of = |attributes: &[Vec<u8>]| event(&flow(NEW, 0, attributes)).zone;
    assert_eq!(zone_of(&[original_7.clone(), reply()]), 7);
    assert_eq!(zone_of(&[original(), reply_8.clone()]), 8);
    assert_eq!(zone_of(&[original_7, reply_8, zone(CTA_ZONE, 9)]), 9);
}

#[test]
fn counters_of_one_direction_are_none() {
    let one = nest(CTA_COUNTERS_ORIG, &[attribute(CTA_COUNTERS_PACKETS, &[0; 8])]);
    assert_eq!(event(&flow(DESTROY, 0, &[original(), reply(), one])).counters, None);
}

#[test]
fn what_makes_no_flow_is_malformed() {
    let protocol = |number| nest(CTA_TUPLE_PROTO, &[attribute(CTA_PROTO_NUM, &[number])]);
    let source_only = nest(CTA_TUPLE_IP, &[attribute(CTA_IP_V4_SRC, &[1; 4])]);
    let mixed = [attribute(CTA_IP_V4_SRC, &[1; 4]), attribute(CTA_IP_V6_DST, &[1; 16])];
    let reply_of = |parts: &[Vec<u8>]| vec![original(), nest(CTA_TUPLE_REPLY, parts)];
    let cases = [
        (vec![], Reason::NoTuple),
        (vec![original()], Reason::NoTuple),
        (vec![reply()], Reason::NoTuple),
        (reply_of(&[]), Reason::NoAddress),
        (reply_of(&[udp(1)]), Reason::NoAddress),
        (reply_of(&[source_only, udp(1)]), Reason::NoAddress),
        (reply_of(&[addresses(1)]), Reason::NoProtocol),
        (reply_of(&[addresses(1), nest(CTA_TUPLE_PROTO, &[])]), Reason::NoProtocol),
        (reply_of(&[nest(CTA_TUPLE_IP, &mixed), udp(1)]), Reason::MixedFamilies),
        (reply_of(&[addresses_v6(), udp(1)]), Reason::MixedFamilies),
        (reply_of(&[addresses(1), protocol(IPPROTO_TCP)]), Reason::MixedProtocols),
    ];
    for (attributes, expected) in cases {
        assert_eq!(reason(&flow(NEW, CREATED, &attributes)), expected);
    }
}

#[test]
fn payloads_of_another_size_are_malformed() {
    let sizes = [(CTA_STATUS, 4), (CTA_MARK, 4), (CTA_ID, 4), (CTA_ZONE, 2), (CTA_TIMESTAMP_EVENT, 8)];
    for (kind, size) in sizes {
        for wrong in [0, 1, size - 1, size + 1, size * 2] {
            let datagram = flow(NEW, 0, &[original(), reply(), attribute(kind, &vec![0; wrong])]);
            assert_eq!(reason(&datagram), Reason::PayloadSize(wrong), "attribute {kind}");
        }
    }
    let short = nest(CTA_TUPLE_IP, &[attribute(CTA_IP_V6_SRC, &[1; 4])]);
    let datagram = flow(NEW, 0, &[nest(CTA_TUPLE_ORIG, &[short])]);
    // Header 16, nfgenmsg 4, three attribute headers of 4.
    assert_eq!(only(&datagram), Err(Malformed { offset: 32, reason: Reason::PayloadSize(4) }));
}

#[test]
fn other_messages_are_told_apart() {
    assert_eq!(only(&message(NLMSG_DONE, 2, &0_i32.to_ne_bytes())), Ok(Message::Done));
    assert_eq!(only(&message(NLMSG_DONE, 2, &[])), Ok(Message::Done));
    assert_eq!(only(&message(NLMSG_DONE, 2, &(-12_i32).to_ne_bytes())), Ok(Message::Error(12)));
    assert_eq!(only(&message(NLMSG_OVERRUN, 0, &[])), Ok(Message::Overrun));
    assert_eq!(only(&message(NLMSG_ERROR, 0, &(-17_i32).to_ne_bytes())), Ok(Message::Error(17)));
    assert_eq!(only(&message(NLMSG_ERROR, 0, &[0; 20])), Ok(Message::Error(0)));
    assert_eq!(reason(&message(NLMSG_ERROR, 0, &[0; 3])), Reason::Cut);
    let (expectation, statistics) = (0x200, 0x105);
    for other in [1, expectation, statistics, u16::MAX] {
        assert_eq!(only(&message(other, 0, &[1, 2, 3])), Ok(Message::Other));
    }
}

#[test]
fn a_message_malformed_inside_does_not_hide_the_next() {
    let whole = flow(NEW, CREATED, &[original(), reply()]);
    let broken = flow(NEW, CREATED, &[original()]);
    let found = all(&[whole.clone(), broken, message(1, 0, &[7; 2]), vec![0; 2], whole].concat());
    assert!(
        matches!(
            found[..],
            [
                Ok(Message::Event(_)),
                Err(Malformed { reason: Reason::NoTuple, .. }),
                Ok(Message::Other),
                Ok(Message::Event(_)),
            ]
        ),
        "{found:?}"
    );
}

#[test]
fn after_an_impossible_message_length_nothing_comes() {
    let whole = flow(NEW, CREATED, &[original(), reply()]);
    let offset = whole.len();
    for length in [0, 15, u32::try_from(offset).unwrap() + 1, u32::MAX] {
        let mut broken = whole.clone();
        broken[..4].copy_from_slice(&length.to_ne_bytes());
        let found = all(&[whole.clone(), broken].concat());
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], Err(Malformed { offset, reason: Reason::Length(length) }));
    }
    let cut = [whole.clone(), vec![0; 15]].concat();
    assert_eq!(all(&cut)[1], Err(Malformed { offset, reason: Reason::Cut }));
}

#[test]
fn a_message_cut_anywhere_is_malformed() {
    let whole = flow(NEW, CREATED, &[original(), reply(), attribute(CTA_ID, &[0; 4])]);
    for cut in 1..whole.len() {
        assert!(only(&whole[..cut]).is_err(), "cut at {cut}");
    }
    assert_eq!(all(&[]), []);
}

/// What a real kernel sent: the fuzzer's seeds, as `<change>-<protocol>-<family>`. Their headers are little-endian.
#[cfg(target_endian = "little")]
fn kernel_messages() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus/netlink");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

#[test]
#[cfg(target_endian = "little")]
fn messages_of_a_real_kernel_are_read() {
    let found = kernel_messages();
    assert!(found.len() >= 20, "{} seeds", found.len());
    for (name, datagram) in found {
        let event = event(&datagram);
        let change = match event.change {
            Change::New => "new",
            Change::Update => "update",
            Change::Destroy => "destroy",
        };
        let family = if event.original.src.is_ipv4() { "v4" } else { "v6" };
        assert_eq!(name, format!("{change}-{}-{family}", event.protocol));
        assert_ne!(event.id, 0);
        assert_eq!(event.mark, 0x1234_5678);
        assert_eq!(event.zone, 9);
        assert_eq!(event.happened.is_some(), event.change != Change::Update);
        assert_eq!(event.started.is_some(), event.change != Change::New);
        assert_eq!(event.stopped.is_some(), event.change == Change::Destroy);
        assert_eq!(event.counters.is_some(), event.change != Change::New);
        assert_eq!(event.tcp_state, if event.protocol == IPPROTO_TCP { 3 } else { 0 });
    }
}
