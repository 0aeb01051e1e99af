//! The wall clock, and whether it was set.

use std::time::{SystemTime, UNIX_EPOCH};

use ctrecorder_format::{Note, Uptime};
use nix::errno::Errno;
use nix::libc;
use nix::time::{ClockId, clock_gettime};

pub(super) use ctrecorder_format::NS_PER_SECOND as SECOND;

/// Now, in ns since the epoch, UTC. 0 for a clock that stands before 1970.
pub(crate) fn now() -> u64 {
    ns_of(SystemTime::now())
}

/// A time in ns since the epoch, UTC. 0 for one before 1970.
pub(crate) fn ns_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Compares the wall clock with one that nobody sets and that goes on while the machine sleeps. That it was set is so from when it looks.
#[derive(Debug)]
pub(super) struct StepWatch {
    wall: u64,
    steady: u64,
}

/// What comes so long after a look comes before the next one, ns, unless the machine was busy otherwise.
const SOON: u64 = SECOND / 2;

impl StepWatch {
    pub(super) fn begin() -> Self {
        Self { wall: now(), steady: steady() }
    }

    /// By how many ns the wall clock was set since the last call, forward positive, if by over a second.
    pub(super) fn step(&mut self) -> Option<i64> {
        self.step_to(now(), steady())
    }

    /// Now, for what has come before the next look: if the clock was set since the last one, that is not so yet.
    pub(super) fn arrival(&self) -> u64 {
        self.arrival_at(now())
    }

    fn arrival_at(&self, wall: u64) -> u64 {
        if wall.wrapping_sub(self.wall) <= SOON { wall } else { self.wall }
    }

    fn step_to(&mut self, wall: u64, steady: u64) -> Option<i64> {
        let went = wall.wrapping_sub(self.wall) as i64;
        let should = steady.wrapping_sub(self.steady) as i64;
        *self = Self { wall, steady };
        Some(went.saturating_sub(should)).filter(|step| step.unsigned_abs() > Note::CLOCK_STEP_MIN_NS)
    }
}

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Ns since the epoch. Once the clock was set back, it may lie ahead.
    pub(super) wall: u64,
    steady: u64,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { wall: now(), steady: steady() }
    }

    /// The least and the greatest time, ns since the epoch, that the wall clock may have shown from this moment to a later one: if it was set
    /// back meanwhile, nobody knows when.
    pub(super) const fn shown_until(self, later: Self) -> (u64, u64) {
        if self.wall <= later.wall {
            return (self.wall, later.wall);
        }
        let passed = later.steady.saturating_sub(self.steady);
        (later.wall.saturating_sub(passed), self.wall.saturating_add(passed))
    }
}

/// Nanoseconds since the machine was started, its sleep included.
pub(super) fn steady() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_or(0, |time| (time.tv_sec() as u64).wrapping_mul(SECOND).wrapping_add(time.tv_nsec() as u64))
}

/// For how long the machine had been up when the wall clock, as it is set now, showed this moment (ns since the epoch).
pub(super) fn uptime(moment: u64, boot_id: [u8; 16]) -> Note {
    Uptime { moment, up: steady().saturating_add(moment).saturating_sub(now()), boot: Uptime::boot(boot_id) }.note()
}

/// What the kernel knows of its clock: adjtimex(2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// Whether a time daemon keeps it.
    pub(crate) synchronised: bool,
    /// By how much it may be wrong at most, in microseconds.
    pub(crate) max_error_us: i64,
}

/// Reads the clock's state and sets nothing.
pub(crate) fn kept() -> nix::Result<Kept> {
    // SAFETY: `timex` holds integers alone, for which zeros are values.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel reads and writes one `timex`, which lives until then. Its `modes` are 0: nothing is to be set.
    let result = Errno::result(unsafe { libc::adjtimex(&mut state) })?;
    let synchronised = result != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0;
    #[allow(clippy::useless_conversion, reason = "of 32 bits on some targets")]
    Ok(Kept { synchronised, max_error_us: state.maxerror.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP_MIN_NS: i64 = Note::CLOCK_STEP_MIN_NS as i64;

    #[test]
    fn a_clock_that_was_set_back_has_shown_what_came_before_that_and_behind_it() {
        let since = Moment { wall: 5000, steady: 70 };
        let until = |wall, steady| since.shown_until(Moment { wall, steady });
        assert_eq!(until(5030, 100), (5000, 5030));
        // It was set forward: from some time behind the first one to some time before the last one.
        assert_eq!(until(9000, 100), (5000, 9000));
        // Set back at once, or only now.
        assert_eq!(until(4000, 100), (3970, 5030));
        assert_eq!(until(4999, 70), (4999, 5000));
        assert_eq!(until(10, 100), (0, 5030));
    }

    #[test]
    fn a_step_is_what_the_wall_clock_went_more_or_less_than_the_steady_one() {
        let mut watch = StepWatch { wall: 1000 * SECOND, steady: 5 * SECOND };
        assert_eq!(watch.step_to(1001 * SECOND, 6 * SECOND), None);
        assert_eq!(watch.step_to(1062 * SECOND, 7 * SECOND), Some(60 * STEP_MIN_NS));
        assert_eq!(watch.step_to(1063 * SECOND + 900_000_000, 8 * SECOND), None);
        assert_eq!(watch.step_to(100 * SECOND, 9 * SECOND), Some(-964 * STEP_MIN_NS - 900_000_000));
        assert_eq!(watch.step_to(101 * SECOND, 10 * SECOND), None);
        assert!(watch.step_to(u64::MAX, 11 * SECOND).is_some());
    }

    #[test]
    fn what_comes_before_the_next_look_is_not_by_a_clock_that_was_set() {
        let watch = StepWatch { wall: 1000 * SECOND, steady: 5 * SECOND };
        assert_eq!(watch.arrival_at(1000 * SECOND + 70), 1000 * SECOND + 70);
        assert_eq!([1001 * SECOND, 998 * SECOND].map(|wall| watch.arrival_at(wall)), [1000 * SECOND; 2]);
    }
}
