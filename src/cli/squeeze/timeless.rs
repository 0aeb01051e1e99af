//! Flows of which neither start nor end is known: version 2 has no place for them.

use std::net::SocketAddr;
use std::path::Path;

use ctrecorder_format::{Address, Record, Tuple};

use crate::cli::Report;
use crate::counted::{are, counted};
use crate::journal::Shown;

/// So many are named; all are counted.
const NAMED: usize = 16;

/// Those that were left out of an output.
#[derive(Debug, Default)]
pub(super) struct Timeless {
    named: Vec<String>,
    count: u64,
}

impl Timeless {
    /// Whether a flow is one of these.
    pub(super) const fn is<A: Address>(flow: &Record<A>) -> bool {
        flow.start.get() == 0 && flow.end.get() == 0
    }

    /// Leaves out a flow.
    pub(super) fn leave_out<A: Address>(&mut self, flow: &Record<A>) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(format!("{} {}", ends(&flow.original), ends(&flow.reply)));
        }
    }

    /// Says which flows, and how many, are not in this output.
    pub(super) fn tell(&self, output: &Path, report: &mut Report) {
        let output = Shown(output);
        for flow in &self.named {
            report.failure(format_args!("{output}: left out, as neither its start nor its end is known: {flow}"));
        }
        if self.count == 0 {
            return;
        }
        let (flows, are) = (counted(self.count, "flow"), are(self.count));
        report.failure(format_args!(
            "{output}: {flows} {are} left out: version 2 has no place for a flow without a time"
        ));
    }
}

/// A tuple as lists show it.
fn ends<A: Address>(tuple: &Tuple<A>) -> String {
    let source = SocketAddr::new(tuple.src.to_ip(), tuple.sport.get());
    let destination = SocketAddr::new(tuple.dst.to_ip(), tuple.dport.get());
    format!("src={source} dst={destination}")
}
