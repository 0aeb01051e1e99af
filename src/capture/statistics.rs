//! What a recorder counted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::netlink::event::Change;

/// Counters that both threads add to. They are for people: none of them decides anything.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    /// Starts received, of what is recorded.
    pub(super) starts: Counter,
    /// Ends received, of what is recorded.
    pub(super) ends: Counter,
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
    /// Events that the kernel reported once more than they were told of.
    pub(super) repeated: Counter,
    /// Messages that some program sent, not the kernel.
    pub(super) forged: Counter,
    /// Segments created.
    pub(super) segments: Counter,
    /// Bytes written.
    pub(super) bytes: Counter,
}

impl Statistics {
    /// Events heard of, whether they are recorded or not.
    pub(super) fn heard(&self) -> u64 {
        self.starts.get().wrapping_add(self.ends.get()).wrapping_add(self.passed_over.get())
    }

    /// Events that are known to be lost.
    pub(super) fn lost(&self) -> u64 {
        let lost = [&self.lost_in_kernel, &self.lost_in_queue, &self.lost_on_disk];
        lost.into_iter().map(Counter::get).fold(0, u64::wrapping_add)
    }

    /// Counts an event that is to be recorded.
    pub(super) fn count(&self, change: Change) {
        match change {
            Change::New => self.starts.add(1),
            Change::Destroy => self.ends.add(1),
            Change::Update => {}
        }
    }
}

/// One number of the statistics.
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

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "received {} starts, {} ends; {} repeated, {} passed over; lost: {} in the kernel, {} in the queue, {} on disk; {} not understood, {} not \
             from the kernel; {} bytes in {} segments",
            self.starts.get(),
            self.ends.get(),
            self.repeated.get(),
            self.passed_over.get(),
            self.lost_in_kernel.get(),
            self.lost_in_queue.get(),
            self.lost_on_disk.get(),
            self.malformed.get(),
            self.forged.get(),
            self.bytes.get(),
            self.segments.get()
        )
    }
}
