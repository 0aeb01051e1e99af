//! `netflow PORT --flows N [--seed S]`: sends the NAT events of the synthetic workload to a collector on this machine, so that
//! nfdump can be asked about the same flows.
//!
//! They go as NetFlow version 9 (RFC 3954) with the fields of NAT event logging (RFC 8158, section 5): one record for each
//! start and each end. The sender waits while the collector's socket buffer is not nearly empty, so that nothing is lost.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ctrecorder_synth::{Flows, Happening, Shape};

/// Field types of IANA's IPFIX registry with their lengths in bytes, in the order of [`append`].
const FIELDS: [(u16, u16); 11] = [
    (323, 8), // observationTimeMilliseconds
    (230, 1), // natEvent: 1 create, 2 delete
    (4, 1),   // protocolIdentifier
    (8, 4),   // sourceIPv4Address
    (225, 4), // postNATSourceIPv4Address
    (7, 2),   // sourceTransportPort
    (227, 2), // postNAPTSourceTransportPort
    (12, 4),  // destinationIPv4Address
    (226, 4), // postNATDestinationIPv4Address
    (11, 2),  // destinationTransportPort
    (228, 2), // postNAPTDestinationTransportPort
];

const TEMPLATE: u16 = 256;

/// Records of 34 bytes in a datagram that fits an Ethernet frame.
const IN_A_DATAGRAM: usize = 40;

/// Datagrams between two looks at the collector's buffer. Few enough to fit the default buffer together.
const IN_A_BURST: u32 = 32;

fn main() -> ExitCode {
    match run() {
        Ok(sent) => {
            println!("{sent}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("netflow: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<u64> {
    let usage = || io::Error::other("usage: netflow PORT --flows N [--seed S]");
    let mut words = std::env::args().skip(1);
    let port: u16 = words.next().and_then(|port| port.parse().ok()).ok_or_else(usage)?;
    let mut shape = Shape::default();
    while let Some(option) = words.next() {
        let value = words.next().and_then(|value| value.parse().ok());
        match (option.as_str(), value) {
            ("--flows", Some(flows)) => shape.flows = flows,
            ("--seed", Some(seed)) => shape.seed = seed,
            _ => return Err(usage()),
        }
    }
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    send(&socket, port, Flows::new(shape))
}

/// Sends events until the last flow has begun. Returns how many.
fn send(socket: &UdpSocket, port: u16, mut flows: Flows) -> io::Result<u64> {
    let (mut sent, mut sequence) = (0, 0);
    let mut records = Vec::new();
    while !flows.have_all_begun()
        && let Some(happening) = flows.next()
    {
        append(&mut records, &happening);
        sent += 1;
        if sent % IN_A_DATAGRAM as u64 == 0 || flows.have_all_begun() {
            socket.send(&datagram(sequence, happening.at(), &records))?;
            records.clear();
            sequence += 1;
            if sequence % IN_A_BURST == 0 {
                wait_for_room(port)?;
            }
        }
    }
    wait_for_room(port)?;
    Ok(sent)
}

/// Header, template and records. The template is in every datagram, so that none depends on another.
fn datagram(sequence: u32, now_ns: u64, records: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1_500);
    let add16 = |bytes: &mut Vec<u8>, number: u16| bytes.extend(number.to_be_bytes());
    let record_bytes: u16 = FIELDS.iter().map(|(_, length)| length).sum();
    let count = records.len() as u16 / record_bytes + 1;
    add16(&mut bytes, 9);
    add16(&mut bytes, count);
    // Uptime in ms, time in seconds, number of the datagram, source.
    for number in [0, (now_ns / 1_000_000_000) as u32, sequence, 1] {
        bytes.extend(number.to_be_bytes());
    }
    for number in [0, 8 + 4 * FIELDS.len() as u16, TEMPLATE, FIELDS.len() as u16] {
        add16(&mut bytes, number);
    }
    for (field, length) in FIELDS {
        add16(&mut bytes, field);
        add16(&mut bytes, length);
    }
    let padded = records.len().next_multiple_of(4);
    add16(&mut bytes, TEMPLATE);
    add16(&mut bytes, 4 + padded as u16);
    bytes.extend(records);
    bytes.resize(bytes.len() + padded - records.len(), 0);
    bytes
}

fn append(records: &mut Vec<u8>, happening: &Happening) {
    let flow = &happening.flow;
    let (SocketAddr::V4(inside), SocketAddr::V4(public), SocketAddr::V4(peer)) = (flow.inside, flow.public, flow.peer)
    else {
        return;
    };
    records.extend((happening.at() / 1_000_000).to_be_bytes());
    records.extend([if happening.ends { 2 } else { 1 }, flow.protocol]);
    for (before, after) in [(inside, public), (peer, peer)] {
        records.extend(before.ip().octets());
        records.extend(after.ip().octets());
        records.extend(before.port().to_be_bytes());
        records.extend(after.port().to_be_bytes());
    }
}

/// Waits until the socket on this port has taken what was sent to it.
fn wait_for_room(port: u16) -> io::Result<()> {
    let patience = Instant::now() + Duration::from_secs(10);
    while waiting_bytes(port)? > 0 {
        if Instant::now() > patience {
            return Err(io::Error::other("the collector takes nothing"));
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    Ok(())
}

/// Bytes in the receive buffer of the UDP socket on this port: /proc/net/udp, see proc(5).
fn waiting_bytes(port: u16) -> io::Result<u64> {
    let local = format!(":{port:04X}");
    let sockets = fs::read_to_string("/proc/net/udp")?;
    let mut columns = sockets.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let of_port = columns.find(|columns| columns.get(1).is_some_and(|address| address.ends_with(&local)));
    let queues = of_port.as_ref().and_then(|columns| columns.get(4)?.split_once(':'));
    let waiting = queues.and_then(|(_, received)| u64::from_str_radix(received, 16).ok());
    waiting.ok_or_else(|| io::Error::other("no collector listens there"))
}
