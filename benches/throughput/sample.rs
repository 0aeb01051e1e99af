//! Some of the synthetic workload.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use ctrecorder_format::{Address, Kind, Record, V4};
use ctrecorder_synth::{Flows, Plan, Shape, Version, record};

/// Flows enough for some hundred blocks.
const FLOWS: u64 = 200_000;

fn flows() -> Flows {
    Flows::new(Shape { flows: FLOWS, ..Shape::default() })
}

/// Records of starts and ends, in order.
pub fn records() -> Vec<Record<V4>> {
    let of = |happening: ctrecorder_synth::Happening| {
        let (kind, end) = if happening.ends { (Kind::End, happening.at()) } else { (Kind::Start, 0) };
        happening.flow.record(kind, happening.flow.start, end)
    };
    flows().filter_map(of).collect()
}

/// A peer that is in few blocks, and a subscriber that is in most of them.
pub fn addresses() -> (IpAddr, IpAddr) {
    // The higher a peer's number, and so its address, the fewer flows it has.
    let peer = records().iter().map(|record| record.original.dst).max().expect("there are flows");
    (peer.to_ip(), Ipv4Addr::new(100, 64, 0, 0).into())
}

/// The bytes of a file, and how many records are in it.
pub fn file(version: Version) -> (Vec<u8>, u64) {
    let bytes = Shared::default();
    let create = |_| Ok(bytes.clone());
    let plan = Plan { version, ..Plan::default() };
    let recorded = record(flows(), &plan, create, |_| Ok(())).expect("memory takes all");
    (bytes.0.take(), recorded.events)
}

/// Bytes that are still there when their writer is gone.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
