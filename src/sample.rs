//! Records for the tests: made by hand, or recorded by the C program (tests/data/v2).

use ctrecorder_format::legacy::{File, Piece};
use ctrecorder_format::{Address, Kind, Record, Tuple, V4};

/// A file of tests/data/v2: recorded by the C program, or its own list of one.
pub(crate) fn data(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/v2/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A record of a TCP flow whose endpoints are these: the original tuple's source and destination, then the reply tuple's.
pub(crate) fn record<A: Address>(kind: Kind, start: u64, end: u64, endpoints: [(A, u16); 4]) -> Record<A> {
    let tuple =
        |src: (A, u16), dst: (A, u16)| Tuple { src: src.0, dst: dst.0, sport: src.1.into(), dport: dst.1.into() };
    let [inside, server, answering, public] = endpoints;
    Record {
        start: start.into(),
        end: end.into(),
        original: tuple(inside, server),
        reply: tuple(answering, public),
        id: 0.into(),
        mark: 0.into(),
        zone: 0.into(),
        kind: kind as u8,
        protocol: 6,
        status: 0.into(),
        tcp_state: 0,
        flags: 0,
    }
}

/// All records of a file of tests/data/v2, which must be whole.
pub(crate) fn recorded(name: &str) -> Vec<Record<V4>> {
    let bytes = data(name);
    let pieces = File::open(&bytes).unwrap().pieces();
    pieces
        .map(|piece| match piece {
            Piece::Record { record, .. } => record,
            Piece::Damage(damage) => panic!("{damage}"),
        })
        .collect()
}
