//! What a recorder counted: for the log (SIGUSR1, and the end) and for [`metrics`](super::metrics). Each number has its one definition here.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use ctrecorder_format::{Cause, Note};

use super::pulse::Pulses;
use crate::counted::counted;
use crate::netlink::event::Change;
use crate::protocol;

/// Protocols that are counted by themselves, and one for the rest.
const PROTOCOLS: usize = protocol::NAMES.len() + 1;

/// The gaps that a recorder notes while it runs.
pub(super) const GAPS: [Cause; 6] =
    [Cause::KernelOverrun, Cause::QueueFull, Cause::DiskFull, Cause::Malformed, Cause::DiskError, Cause::Removed];

/// Counters that the threads add to. They are for people: none of them decides anything.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    /// Starts received, of what is recorded, by protocol.
    pub(super) starts: ByProtocol,
    /// Ends received, of what is recorded, by protocol.
    pub(super) ends: ByProtocol,
    /// Events of protocols or families that are not recorded.
    pub(super) passed_over: Counter,
    /// Messages that were no events the recorder understands.
    pub(super) malformed: Counter,
    /// Events that the kernel could not deliver.
    pub(super) lost_in_kernel: Counter,
    /// Events that found no room in the queue.
    pub(super) lost_in_queue: Counter,
    /// Events that a segment's file did not take and that were given up.
    pub(super) lost_on_disk: Counter,
    /// Gaps noted, each at its place in [`GAPS`].
    pub(super) gaps: [Counter; GAPS.len()],
    /// Events that the kernel reported once more than they were told of.
    pub(super) repeated: Counter,
    /// Messages that some program sent, not the kernel.
    pub(super) forged: Counter,
    /// Journals begun, one for each recording of a network namespace.
    pub(super) journals: Counter,
    /// Segments created.
    pub(super) segments: Counter,
    /// Blocks written, or waiting for the disk, of all segments; footers are not among them.
    pub(super) blocks: Counter,
    /// Bytes written.
    pub(super) bytes: Counter,
    /// Segments removed for their age or size, or for want of room.
    pub(super) retired: Counter,
    /// Bytes of these.
    pub(super) retired_bytes: Counter,
    /// Times that a segment could not be removed.
    pub(super) unremovable: Counter,
    /// Whole readings of the kernel's table.
    pub(super) readings: Counter,
    /// When the last event arrived that is recorded, ns since the epoch; 0: there was none.
    pub(super) last_event: Gauge,
    /// When the current segment of the recorder's own network namespace was begun, ns since the epoch.
    pub(super) segment_begun: Gauge,
    /// How each journal does.
    pub(super) pulses: Pulses,
}

impl Statistics {
    /// Events heard of, whether they are recorded or not.
    pub(super) fn heard(&self) -> u64 {
        self.starts.sum().wrapping_add(self.ends.sum()).wrapping_add(self.passed_over.get())
    }

    /// Counts a gap.
    pub(super) fn gap(&self, note: &Note) {
        if let Some(place) = GAPS.iter().position(|cause| note.cause() == Some(*cause)) {
            self.gaps[place].add(1);
        }
    }

    /// Events that are known to be lost.
    pub(super) fn lost(&self) -> u64 {
        let lost = [&self.lost_in_kernel, &self.lost_in_queue, &self.lost_on_disk];
        lost.into_iter().map(Counter::get).fold(0, u64::wrapping_add)
    }
}

/// One number of the statistics, which only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One number of the statistics that is what it was set to last.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicU64);

impl Gauge {
    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number for each protocol.
#[derive(Debug, Default)]
pub(super) struct ByProtocol([Counter; PROTOCOLS]);

impl ByProtocol {
    /// Of all protocols.
    pub(super) fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, counter| sum.wrapping_add(counter.get()))
    }

    /// The protocols by name, `other` the last, each with its number.
    pub(super) fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = protocol::NAMES.iter().map(|(name, _)| *name).chain(["other"]);
        names.zip(self.0.iter().map(Counter::get))
    }

    fn add(&self, counted: &mut [u64; PROTOCOLS]) {
        for (counter, count) in self.0.iter().zip(counted) {
            if *count > 0 {
                counter.add(std::mem::take(count));
            }
        }
    }
}

/// What the draining side counted since it handed over last: plain numbers, since an event has no time for shared ones.
#[derive(Debug, Default)]
pub(super) struct Tally {
    starts: [u64; PROTOCOLS],
    ends: [u64; PROTOCOLS],
    passed_over: u64,
    last_event: u64,
}

impl Tally {
    /// Counts an event that is to be recorded, and arrived at this moment (ns since the epoch).
    pub(super) fn count(&mut self, change: Change, protocol: u8, arrived: u64) {
        let place = protocol::NAMES.iter().position(|(_, own)| *own == protocol).unwrap_or(PROTOCOLS - 1);
        match change {
            Change::New => self.starts[place] += 1,
            Change::Destroy => self.ends[place] += 1,
            Change::Update => {}
        }
        self.last_event = arrived;
    }

    /// Counts an event that is not.
    pub(super) const fn pass_over(&mut self) {
        self.passed_over += 1;
    }

    /// Adds all to the statistics.
    pub(super) fn hand_over(&mut self, statistics: &Statistics) {
        if self.passed_over > 0 {
            statistics.passed_over.add(std::mem::take(&mut self.passed_over));
        }
        if self.last_event > 0 {
            statistics.last_event.set(std::mem::take(&mut self.last_event));
            statistics.starts.add(&mut self.starts);
            statistics.ends.add(&mut self.ends);
        }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "received {}, {}; {} repeated, {} passed over; lost: {} in the kernel, {} in the queue, {} on disk; {} not understood, {} not \
             from the kernel; {} in {}",
            counted(self.starts.sum(), "start"),
            counted(self.ends.sum(), "end"),
            self.repeated.get(),
            self.passed_over.get(),
            self.lost_in_kernel.get(),
            self.lost_in_queue.get(),
            self.lost_on_disk.get(),
            self.malformed.get(),
            self.forged.get(),
            counted(self.bytes.get(), "byte"),
            counted(self.segments.get(), "segment")
        )?;
        match self.retired.get() {
            0 => Ok(()),
            retired => write!(f, "; {} removed", counted(retired, "segment")),
        }
    }
}
