//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds in a second.
pub(super) const SECOND: u64 = 1_000_000_000;

/// Now, in ns since the epoch, UTC. 0 for a clock that stands before 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
