//! ctnetlink against the running kernel: what is created comes back as events.
//!
//! Each test runs in a thread with a network namespace, and so a connection-tracking table, of its own. Needs root,
//! and for the test with real packets `ip` and `nft`.
#![cfg(all(target_os = "linux", feature = "capture"))]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod laboratory;

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use caps::CapSet;
use ctrecorder::netlink::kernel::nfnl::{NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_UNSPEC};
use ctrecorder::netlink::kernel::protocol::*;
use ctrecorder::netlink::kernel::status::{IPS_ASSURED, IPS_CONFIRMED, IPS_SEEN_REPLY};
use ctrecorder::netlink::kernel::tcp::TCP_CONNTRACK_ESTABLISHED;
use ctrecorder::netlink::{
    Change, Counters, Event, EventSocket, Message, NewFlow, OpenError, RequestSocket, messages, request,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use laboratory::*;

#[test]
fn flows_of_every_kind_come_back_as_they_were_created() {
    in_namespace(|| {
        for mut flow in flows_of_every_kind() {
            let (new, destroy) = life(&flow);
            if flow.protocol == IPPROTO_DCCP && kernel_version() >= (6, 17) {
                // These kernels know DCCP no longer, and keep no ports of it.
                for tuple in [&mut flow.original, &mut flow.reply] {
                    (tuple.sport, tuple.dport) = (0, 0);
                }
            }
            for (event, change) in [(new, Change::New), (destroy, Change::Destroy)] {
                assert_eq!(event.change, change, "{flow:?}");
                assert_eq!(event.original, flow.original);
                assert_eq!(event.reply, flow.reply);
                assert_eq!(event.protocol, flow.protocol);
                assert_eq!((event.mark, event.zone), (0, 0));
                assert_eq!(event.status & IPS_CONFIRMED, IPS_CONFIRMED);
                assert_eq!(event.counters, None);
                assert_eq!((event.started, event.stopped, event.happened), (None, None, None));
            }
            assert_ne!(new.id, 0, "{flow:?}");
            assert_eq!(new.id, destroy.id, "{flow:?}");
        }
    });
}

#[test]
fn mark_zone_status_and_tcp_state_come_back() {
    in_namespace(|| {
        let status = IPS_SEEN_REPLY | IPS_ASSURED;
        let flow = NewFlow {
            protocol: IPPROTO_TCP,
            status,
            mark: 0xdead_beef,
            zone: 4711,
            tcp_state: TCP_CONNTRACK_ESTABLISHED,
            ..numbered(1)
        };
        let (new, destroy) = life(&flow);
        for event in [new, destroy] {
            assert_eq!((event.mark, event.zone), (0xdead_beef, 4711));
            assert_eq!(event.status & (status | IPS_CONFIRMED), status | IPS_CONFIRMED);
            assert_eq!(event.tcp_state, TCP_CONNTRACK_ESTABLISHED);
        }
    });
}

#[test]
fn the_same_tuples_live_in_two_zones() {
    in_namespace(|| {
        let mut events = EventSocket::open(BUFFER).unwrap();
        let mut requests = RequestSocket::open().unwrap();
        let zones = [0, 5].map(|zone| NewFlow { zone, ..numbered(1) });
        requests.execute_all(&create_all(zones)).unwrap();
        requests.execute(&delete(&zones[1])).unwrap();
        let (found, _) = drain(&mut events);
        let told: Vec<_> = found.iter().map(|event| (event.change, event.zone)).collect();
        assert_eq!(told, [(Change::New, 0), (Change::New, 5), (Change::Destroy, 5)]);
        assert_eq!(found[1].id, found[2].id);
        assert_ne!(found[0].id, found[1].id);
    });
}

#[test]
fn counters_and_times_of_real_packets() {
    in_namespace(|| {
        run("ip", &["link", "set", "lo", "up"]);
        run("nft", &["add table inet t; add chain inet t c { type filter hook input priority 0; }"]);
        run("nft", &["add rule inet t c ct state new accept"]);
        sysctl("nf_conntrack_acct", "1");
        sysctl("nf_conntrack_timestamp", "1");
        let mut events = EventSocket::open(BUFFER).unwrap();

        let before = now();
        let original = exchange_datagrams();
        let mut request = Vec::new();
        request::delete(&mut request, &original, IPPROTO_UDP, 0);
        RequestSocket::open().unwrap().execute(&request).unwrap();
        let after = now();

        let (found, _) = drain(&mut events);
        let [new, destroy] = found[..] else { panic!("{found:?}") };
        assert_eq!((new.change, new.original, new.counters), (Change::New, original, None));
        assert_eq!((destroy.change, destroy.original, destroy.id), (Change::Destroy, original, new.id));
        assert_eq!(destroy.status & IPS_SEEN_REPLY, IPS_SEEN_REPLY);
        let headers = 20 + 8; // of IPv4 and UDP
        let counted = Counters {
            original_packets: 3,
            original_bytes: 3 * (100 + headers),
            reply_packets: 1,
            reply_bytes: 50 + headers,
        };
        assert_eq!(destroy.counters, Some(counted));

        let (started, stopped) = (destroy.started.unwrap(), destroy.stopped.unwrap());
        assert!(before <= started && started <= stopped && stopped <= after);
        assert_eq!((new.started, new.stopped), (None, None));
        for event in [new, destroy] {
            assert_eq!(event.happened.is_some(), kernel_version() >= (6, 14));
            assert!(event.happened.is_none_or(|at| before <= at && at <= after));
        }
    });
}

#[test]
fn an_overrun_is_told_and_its_loss_counted_to_the_event() {
    in_namespace(|| {
        const FLOWS: u16 = 2000;
        let mut events = EventSocket::open(1).unwrap();
        assert_eq!(events.drops().unwrap(), 0);
        let mut requests = RequestSocket::open().unwrap();
        requests.execute_all(&create_all((0..FLOWS).map(numbered))).unwrap();

        let (found, overruns) = drain(&mut events);
        assert_eq!(overruns, 1);
        let lost = u64::from(FLOWS) - found.len() as u64;
        assert!(lost > 0 && !found.is_empty(), "{lost} lost");
        assert_eq!(events.drops().unwrap(), lost);
        assert_eq!(drops_in_proc(&events), lost);

        // Once drained it hears again.
        requests.execute(&create_all([numbered(FLOWS)])).unwrap();
        let (found, overruns) = drain(&mut events);
        assert_eq!((found.len(), overruns), (1, 0));
        assert_eq!(events.drops().unwrap(), lost);
    });
}

#[test]
fn with_reliable_delivery_every_end_arrives_in_the_end() {
    in_namespace(|| {
        const FLOWS: u16 = 2000;
        let mut events = EventSocket::open(64 * 1024).unwrap();
        events.set_reliable(true).unwrap();
        let mut requests = RequestSocket::open().unwrap();
        let flows: Vec<_> = (0..FLOWS).map(numbered).collect();
        requests.execute_all(&create_all(flows.iter().copied())).unwrap();
        requests.execute_all(&flows.iter().flat_map(delete).collect::<Vec<_>>()).unwrap();

        let (mut starts, mut ends) = (0_usize, 0_usize);
        let mut held = dying(&mut requests);
        let first_held = held;
        // It tries again about ten times a second.
        for _ in 0..600 {
            let (found, _) = drain(&mut events);
            starts += found.iter().filter(|event| event.change == Change::New).count();
            ends += found.iter().filter(|event| event.change == Change::Destroy).count();
            held = dying(&mut requests);
            if ends == usize::from(FLOWS) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!((ends, held), (usize::from(FLOWS), 0));
        // The end comes instead of the start that was owed.
        assert!(0 < starts && starts < usize::from(FLOWS), "{starts} starts");
        assert!(first_held > 0, "nothing was held back");
    });
}

#[test]
fn a_forged_event_is_dropped_and_counted() {
    in_namespace(|| {
        let mut events = EventSocket::open(BUFFER).unwrap();
        let forged = create_all([numbered(1)]);
        assert!(matches!(messages(&forged).next(), Some(Ok(Message::Event(_)))), "it would be believed");
        let forger = Socket::new(NETLINK_NETFILTER).unwrap();
        forger.send_to(&forged, &SocketAddr::new(port_id(&events), 0), 0).unwrap();
        RequestSocket::open().unwrap().execute(&create_all([numbered(2)])).unwrap();

        let (found, _) = drain(&mut events);
        let ports: Vec<_> = found.iter().map(|event| event.original.sport).collect();
        assert_eq!(ports, [numbered(2).original.sport]);
        assert_eq!((events.foreign(), events.truncated()), (1, 0));
    });
}

#[test]
fn without_the_capability_it_is_not_permitted() {
    in_namespace(|| {
        // Capabilities are a thread's own; what makes root root ends here with the thread.
        caps::clear(None, CapSet::Effective).unwrap();
        let error = EventSocket::open(BUFFER).err().expect("an error");
        assert!(matches!(error, OpenError::NotPermitted), "{error:?}");
        assert!(error.to_string().contains("CAP_NET_ADMIN"));
    });
}

#[test]
fn the_receive_buffer_goes_beyond_the_limit_for_others() {
    in_namespace(|| {
        let limit: usize = fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap();
        let wanted = limit + (1 << 20);
        assert_eq!(EventSocket::open(wanted).unwrap().receive_buffer(), wanted);
        assert!(EventSocket::open(usize::MAX).unwrap().receive_buffer() >= 1 << 29);
    });
}

#[test]
fn a_dump_holds_the_flows_of_the_family() {
    in_namespace(|| {
        const FLOWS: u16 = 1500;
        let mut events = EventSocket::open(BUFFER).unwrap();
        let mut requests = RequestSocket::open().unwrap();
        let flows = (0..FLOWS).map(numbered).chain(flows_of_every_kind());
        requests.execute_all(&create_all(flows)).unwrap();
        let created: BTreeMap<_, _> = drain(&mut events).0.iter().map(|event| (event.id, *event)).collect();
        assert_eq!(created.len(), usize::from(FLOWS) + flows_of_every_kind().len());

        for family in [NFPROTO_UNSPEC, NFPROTO_IPV4, NFPROTO_IPV6] {
            let belongs = |event: &Event| match event.original.src {
                IpAddr::V4(_) => family != NFPROTO_IPV6,
                IpAddr::V6(_) => family != NFPROTO_IPV4,
            };
            let dumped: BTreeMap<_, _> = dump(&mut requests, family).iter().map(|event| (event.id, *event)).collect();
            let expected: BTreeMap<_, _> = created
                .iter()
                .filter(|(_, event)| belongs(event))
                .map(|(&id, &event)| (id, Event { change: Change::Update, ..event }))
                .collect();
            assert_eq!(dumped, expected, "family {family}");
        }
    });
}

#[test]
fn a_failed_request_does_not_stop_those_after_it() {
    in_namespace(|| {
        let mut requests = RequestSocket::open().unwrap();
        let batch = create_all([numbered(1), numbered(1), numbered(2)]);
        let error = requests.execute_all(&batch).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::EEXIST));
        assert_eq!(dump(&mut requests, NFPROTO_IPV4).len(), 2);

        let error = requests.execute(&delete(&numbered(3))).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::ENOENT));
        requests.execute(&delete(&numbered(2))).unwrap();
        assert_eq!(dump(&mut requests, NFPROTO_IPV4).len(), 1);
    });
}

#[test]
fn a_batch_in_which_everything_fails_is_answered() {
    in_namespace(|| {
        let mut requests = RequestSocket::open().unwrap();
        let batch = create_all((0..3000).map(numbered));
        requests.execute_all(&batch).unwrap();
        let error = requests.execute_all(&batch).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::EEXIST));
    });
}

#[test]
fn bytes_that_are_no_requests_are_not_sent() {
    in_namespace(|| {
        let mut requests = RequestSocket::open().unwrap();
        for bytes in [&[0; 3][..], &[0; 16], &[255; 40]] {
            assert_eq!(requests.execute_all(bytes).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
        }
    });
}
