//! A network namespace of one's own, flows to put into it, and what the kernel tells of them.

use std::fs;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ctrecorder::netlink::kernel::protocol::*;
use ctrecorder::netlink::{Event, EventSocket, Message, NewFlow, Received, RequestSocket, Tuple, messages, request};
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{NetlinkAddr, getsockname};

/// Room for every event of these tests but the one that is to overrun it.
pub const BUFFER: usize = 16 << 20;

pub const OSPF: u8 = 89;

pub fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace of one's own; run as root");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

pub fn tuple(src: &str, dst: &str, sport: u16, dport: u16) -> Tuple {
    Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), sport, dport }
}

pub fn flow(protocol: u8, original: Tuple, reply: Tuple) -> NewFlow {
    NewFlow { original, reply, protocol, timeout_s: 600, status: 0, mark: 0, zone: 0, tcp_state: 0 }
}

/// A flow from an inside host, by a public address, to 198.51.100.1:443; one for each number below 60000.
pub fn numbered(number: u16) -> NewFlow {
    let port = 1024 + number;
    flow(IPPROTO_UDP, tuple("10.0.0.1", "198.51.100.1", port, 443), tuple("198.51.100.1", "203.0.113.6", 443, port))
}

pub fn create_all(flows: impl IntoIterator<Item = NewFlow>) -> Vec<u8> {
    let mut batch = Vec::new();
    for flow in flows {
        request::create(&mut batch, &flow);
    }
    batch
}

pub fn delete(flow: &NewFlow) -> Vec<u8> {
    let mut bytes = Vec::new();
    request::delete(&mut bytes, &flow.original, flow.protocol, flow.zone);
    bytes
}

pub fn dump(requests: &mut RequestSocket, family: u8) -> Vec<Event> {
    let (mut bytes, mut found) = (Vec::new(), Vec::new());
    request::dump(&mut bytes, family);
    requests.dump(&bytes, |event| found.push(event)).unwrap();
    found
}

/// How many flows there are whose end the kernel holds back.
pub fn dying(requests: &mut RequestSocket) -> usize {
    let (mut bytes, mut count) = (Vec::new(), 0);
    request::dump_dying(&mut bytes);
    requests.dump(&bytes, |_| count += 1).unwrap();
    count
}

/// Everything that is waiting, and how often the kernel said that there was more.
pub fn drain(events: &mut EventSocket) -> (Vec<Event>, usize) {
    let (mut found, mut overruns) = (Vec::new(), 0);
    loop {
        let received = events.receive(|datagram, _| {
            for message in messages(datagram) {
                match message {
                    Ok(Message::Event(event)) => found.push(event),
                    other => panic!("not an event: {other:?}"),
                }
            }
        });
        match received.unwrap() {
            Received::Datagrams(_) => {}
            Received::Nothing => return (found, overruns),
            Received::Overrun => overruns += 1,
        }
    }
}

/// What the kernel tells of `flow` from its creation to its deletion.
pub fn life(flow: &NewFlow) -> (Event, Event) {
    let mut events = EventSocket::open(BUFFER).unwrap();
    let mut requests = RequestSocket::open().unwrap();
    requests.execute(&create_all([*flow])).unwrap_or_else(|error| panic!("{flow:?}: {error}"));
    requests.execute(&delete(flow)).unwrap();
    match drain(&mut events) {
        (found, 0) if found.len() == 2 => (found[0], found[1]),
        other => panic!("{flow:?} gave {other:?}"),
    }
}

/// The running kernel's version: major, minor.
pub fn kernel_version() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

pub fn sysctl(name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/netfilter/{name}"), value).unwrap();
}

pub fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.as_ref().is_ok_and(|status| status.success()), "{program} {arguments:?}: {status:?}");
}

/// Source-translated flows of every protocol and both families.
pub fn flows_of_every_kind() -> Vec<NewFlow> {
    let addresses = [
        ("10.0.0.1", "198.51.100.1", "203.0.113.6", IPPROTO_ICMP, 8, 0),
        ("fd00::1", "2001:db8::1", "2001:db8:6::6", IPPROTO_ICMPV6, 128, 129),
    ];
    let mut flows = Vec::new();
    for (inside, server, public, icmp, echo, echo_reply) in addresses {
        for protocol in [IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_DCCP, IPPROTO_GRE] {
            let original = tuple(inside, server, 40000, 0x1234);
            let reply = tuple(server, public, 0x1234, 50000);
            flows.push(flow(protocol, original, reply));
        }
        let original = tuple(inside, server, 777, echo << 8);
        let reply = tuple(server, public, 777, echo_reply << 8);
        flows.push(flow(icmp, original, reply));
        flows.push(flow(OSPF, tuple(inside, server, 0, 0), tuple(server, public, 0, 0)));
    }
    flows
}

/// Three UDP datagrams of 100 bytes one way, one of 50 back; returns the original tuple.
pub fn exchange_datagrams() -> Tuple {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (here, there) = (client.local_addr().unwrap(), server.local_addr().unwrap());
    for _ in 0..3 {
        client.send_to(&[0; 100], there).unwrap();
        server.recv_from(&mut [0; 200]).unwrap();
    }
    server.send_to(&[0; 50], here).unwrap();
    Tuple { src: here.ip(), dst: there.ip(), sport: here.port(), dport: there.port() }
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

pub fn port_id(events: &EventSocket) -> u32 {
    getsockname::<NetlinkAddr>(events.as_fd().as_raw_fd()).unwrap().pid()
}

/// The kernel's own listing: protocol in the second column, port id in the third, drops in the ninth.
pub fn drops_in_proc(events: &EventSocket) -> u64 {
    let (protocol, port) = (NETLINK_NETFILTER.to_string(), port_id(events).to_string());
    let table = fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row[1] == protocol && row[2] == port).expect("this socket's row");
    row[8].parse().unwrap()
}
