//! Any bytes are survived, and what is built is read back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctrecorder::netlink::kernel::nlmsg::NLMSG_HDRLEN;
use ctrecorder::netlink::kernel::protocol::{IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP};
use ctrecorder::netlink::kernel::status::IPS_CONFIRMED;
use ctrecorder::netlink::{Change, Event, Malformed, Message, NewFlow, Tuple, messages, request};
use proptest::prelude::*;

use crate::message::{CREATED, DESTROY, NEW, RULE, all, attribute, flow, nest};

fn any_tuple(v4: bool) -> BoxedStrategy<Tuple> {
    let address = if v4 {
        any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits))).boxed()
    } else {
        any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from(bits))).boxed()
    };
    (address.clone(), address, any::<u16>(), any::<u16>())
        .prop_map(|(src, dst, sport, dport)| Tuple { src, dst, sport, dport })
        .boxed()
}

fn any_flow() -> impl Strategy<Value = NewFlow> {
    let icmp = prop_oneof![any::<u8>(), Just(IPPROTO_TCP), Just(IPPROTO_ICMP), Just(IPPROTO_ICMPV6)];
    let tuples = any::<bool>().prop_flat_map(|v4| (any_tuple(v4), any_tuple(v4)));
    let rest = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u16>(), any::<u8>());
    (tuples, icmp, rest).prop_map(|((original, reply), protocol, (timeout_s, status, mark, zone, tcp_state))| NewFlow {
        original,
        reply,
        protocol,
        timeout_s,
        status,
        mark,
        zone,
        tcp_state,
    })
}

/// Trees of attributes with the types that the parser knows, and payloads of all sizes.
fn any_attributes() -> impl Strategy<Value = Vec<u8>> {
    let leaf =
        (0_u16..30, prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(kind, payload)| attribute(kind, &payload));
    leaf.prop_recursive(4, 60, 6, |inner| {
        (0_u16..30, prop::collection::vec(inner, 0..6)).prop_map(|(kind, inner)| nest(kind, &inner))
    })
}

/// Reads it all; what is told must be possible.
fn survives(datagram: &[u8]) {
    let mut count = 0;
    for message in messages(datagram) {
        count += 1;
        if let Err(Malformed { offset, .. }) = message {
            assert!(offset <= datagram.len());
        }
    }
    assert!(count <= datagram.len().div_ceil(NLMSG_HDRLEN));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(datagram in prop::collection::vec(any::<u8>(), 0..600)) {
        survives(&datagram);
    }

    #[test]
    fn any_attributes_are_survived(
        kind in prop_oneof![Just(NEW), Just(DESTROY), Just(RULE)],
        attributes in prop::collection::vec(any_attributes(), 0..12),
    ) {
        survives(&flow(kind, CREATED, &attributes));
    }

    #[test]
    fn flipped_bytes_are_survived(
        flows in prop::collection::vec(any_flow(), 1..4),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut datagram = Vec::new();
        for flow in &flows {
            request::create(&mut datagram, flow);
        }
        for (place, bits) in flips {
            let place = place.index(datagram.len());
            datagram[place] ^= bits;
        }
        survives(&datagram);
    }

    #[test]
    fn what_is_built_is_read_back(flows in prop::collection::vec(any_flow(), 1..4)) {
        let mut datagram = Vec::new();
        for flow in &flows {
            let before = datagram.len();
            request::create(&mut datagram, flow);
            prop_assert!(datagram.len() - before <= 260);
        }
        let expected: Vec<_> = flows.iter().map(|flow| Ok(Message::Event(Event {
            change: Change::New,
            original: flow.original,
            reply: flow.reply,
            protocol: flow.protocol,
            id: 0,
            mark: flow.mark,
            zone: flow.zone,
            status: flow.status | IPS_CONFIRMED,
            tcp_state: if flow.protocol == IPPROTO_TCP { flow.tcp_state } else { 0 },
            counters: None,
            started: None,
            stopped: None,
            happened: None,
        }))).collect();
        prop_assert_eq!(all(&datagram), expected);
    }

    #[test]
    fn a_batch_comes_apart_as_it_was_put_together(flows in prop::collection::vec(any_flow(), 1..4)) {
        let mut batch = Vec::new();
        for flow in &flows {
            request::create(&mut batch, flow);
        }
        let mut rest = &batch[..];
        for flow in &flows {
            let mut one = Vec::new();
            request::create(&mut one, flow);
            let (first, others) = request::split_first(rest).unwrap();
            prop_assert_eq!(first, &one[..]);
            rest = others;
        }
        prop_assert_eq!(rest, &[0_u8; 0][..]);
    }
}
