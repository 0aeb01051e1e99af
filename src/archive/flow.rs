//! A flow on its way into an archive, or out of one.

use ctrecorder_format::{Address, Counters, Record};

/// A whole flow, with what is known of it beside its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow<A: Address> {
    /// The record: one of a flow.
    pub record: Record<A>,
    /// What was counted of it; `None` if nothing was.
    pub counters: Option<Counters>,
    /// Where the flow was found and began before its start: since when it was not there yet, ns since the epoch; 0 if that is not
    /// known.
    pub start_after: u64,
    /// Where its end was not heard: when the reading of the kernel's table began that found it gone, ns since the epoch; 0
    /// if that is not known.
    pub end_after: u64,
}
