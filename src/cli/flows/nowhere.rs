//! Where flows go that come of what is read before an output is begun: what was open stays open, and makes no flows.

use ctrecorder_format::{Counters, Record, V4, V6};

use crate::query::FlowSink;

/// Takes flows, and does nothing with them.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Nowhere;

impl FlowSink for Nowhere {
    fn ipv4(&mut self, _flow: &Record<V4>, _counters: &Counters) {}

    fn ipv6(&mut self, _flow: &Record<V6>, _counters: &Counters) {}
}
