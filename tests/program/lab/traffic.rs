//! Traffic of every kind. Each method returns the flows it made, as the two hosts saw them: the truth that
//! recordings are held against, found without asking the router.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use super::hosts::{CLIENT, Family, ROUTER, SERVER};
use super::router::{INSIDE_PORT, PUBLIC_PORT};
use super::{Flow, Lab, Namespace, Tuple};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// How long a host waits for a packet before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A TCP connection that is still open.
pub struct OpenTcp {
    pub flow: Flow,
    caller: TcpStream,
    called: TcpStream,
}

impl OpenTcp {
    /// A connection from `caller` to the address `dialled`, which `host` serves at its own address `bound`.
    fn new(caller: &Namespace, dialled: SocketAddr, host: &Namespace, bound: SocketAddr) -> Self {
        let listener = host.enter(|| TcpListener::bind(bound).unwrap());
        let bound = listener.local_addr().unwrap();
        let dialled = if dialled.port() == 0 { SocketAddr::new(dialled.ip(), bound.port()) } else { dialled };
        let caller = caller.enter(|| TcpStream::connect_timeout(&dialled, PATIENCE).unwrap());
        let (called, seen) = listener.accept().unwrap();
        for stream in [&caller, &called] {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        let original = Tuple { src: caller.local_addr().unwrap(), dst: dialled };
        let flow = Flow { protocol: TCP, original, reply: Tuple { src: bound, dst: seen } };
        Self { flow, caller, called }
    }

    /// Sends a little both ways and closes both sides in order.
    pub fn close(self) -> Flow {
        let Self { flow, mut caller, mut called } = self;
        let mut heard = String::new();
        caller.write_all(b"question").unwrap();
        caller.shutdown(Shutdown::Write).unwrap();
        called.read_to_string(&mut heard).unwrap();
        called.write_all(b"answer").unwrap();
        drop(called);
        caller.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "questionanswer");
        flow
    }
}

impl Lab {
    /// A TCP connection from the client to the server, left open.
    pub fn open_tcp(&self, family: Family) -> OpenTcp {
        let server = SERVER.at(family, 0);
        OpenTcp::new(&self.client, server, &self.server, server)
    }

    /// So many TCP connections from the client to the server, one after the other.
    pub fn tcp(&self, family: Family, count: usize) -> Vec<Flow> {
        (0..count).map(|_| self.open_tcp(family).close()).collect()
    }

    /// A TCP connection from the server to the router's public port, which is the client's.
    pub fn tcp_from_outside(&self, family: Family) -> Flow {
        let (dialled, bound) = (ROUTER.at(family, PUBLIC_PORT), CLIENT.at(family, INSIDE_PORT));
        OpenTcp::new(&self.server, dialled, &self.client, bound).close()
    }

    /// A datagram from the client to the server, and one back.
    pub fn udp(&self, family: Family) -> Flow {
        self.udp_between(CLIENT.at(family, 0), SERVER.at(family, 0))
    }

    /// The same from this address and port of the client's to this one of the server's; port 0 is any that is free.
    pub fn udp_between(&self, inside: SocketAddr, server: SocketAddr) -> Flow {
        let (flow, caller, called) = self.udp_question(inside, server);
        called.send_to(b"answer", flow.reply.dst).unwrap();
        let mut heard = [0; 16];
        let length = caller.recv(&mut heard).unwrap();
        assert_eq!(heard[..length], *b"answer");
        flow
    }

    /// A datagram from the client to the server that is not answered.
    pub fn udp_unanswered(&self, family: Family) -> Flow {
        self.udp_question(CLIENT.at(family, 0), SERVER.at(family, 0)).0
    }

    fn udp_question(&self, inside: SocketAddr, server: SocketAddr) -> (Flow, UdpSocket, UdpSocket) {
        let called = self.server.enter(|| UdpSocket::bind(server).unwrap());
        let caller = self.client.enter(|| UdpSocket::bind(inside).unwrap());
        for socket in [&caller, &called] {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        let bound = called.local_addr().unwrap();
        caller.connect(bound).unwrap();
        caller.send(b"question").unwrap();
        let (_, seen) = called.recv_from(&mut [0; 16]).unwrap();
        let original = Tuple { src: caller.local_addr().unwrap(), dst: bound };
        (Flow { protocol: UDP, original, reply: Tuple { src: bound, dst: seen } }, caller, called)
    }

    /// An echo request with this `id` from the client to the server, and its reply.
    ///
    /// The router keeps the id, unless another host uses it to the same server at the same time.
    pub fn ping(&self, family: Family, id: u16) -> Flow {
        let [here, there, public] = [CLIENT, SERVER, ROUTER].map(|host| host.at(family, 0).ip());
        let id_argument = id.to_string();
        let mut ping = Command::new("ping");
        self.client.run(ping.args(["-c", "1", "-W", "30", "-e", &id_argument, &there.to_string()]));
        let (protocol, request, reply) = match family {
            Family::V4 => (ICMP, 8, 0),
            Family::V6 => (ICMPV6, 128, 129),
        };
        let original = Tuple::icmp(here, there, id, request);
        Flow { protocol, original, reply: Tuple::icmp(there, public, id, reply) }
    }
}
