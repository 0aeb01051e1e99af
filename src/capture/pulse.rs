//! How each of a recorder's journals does, for those who are asked about all of them: metrics and the service manager.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::clock;
use super::statistics::Gauge;

/// What the writing side of one journal said of itself last, about once a second.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Flows alive, as far as the journal tells.
    alive: Gauge,
    /// 1 while the disk refuses what is written.
    refused: Gauge,
    /// When that was, ns since the machine was started.
    beat: Gauge,
}

impl Pulse {
    /// To be called about once a second.
    pub(super) fn beat(&self, alive: usize, refused: bool) {
        self.alive.set(alive as u64);
        self.refused.set(refused.into());
        self.beat.set(clock::steady());
    }
}

/// Those of all journals that are written.
#[derive(Debug, Default)]
pub(super) struct Pulses(Mutex<Vec<Weak<Pulse>>>);

impl Pulses {
    /// One more, for as long as what is returned is kept.
    pub(super) fn join(&self) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::default());
        pulse.beat(0, false);
        // A push is all that a thread which panicked can have left undone.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|pulse| pulse.strong_count() > 0);
        all.push(Arc::downgrade(&pulse));
        pulse
    }

    fn all(&self) -> Vec<Arc<Pulse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
    }

    /// How many journals there are.
    pub(super) fn count(&self) -> usize {
        self.all().len()
    }

    /// Flows alive in all of them.
    pub(super) fn alive(&self) -> u64 {
        self.all().iter().map(|pulse| pulse.alive.get()).sum()
    }

    /// How many the disk takes nothing for.
    pub(super) fn refused(&self) -> usize {
        self.all().iter().filter(|pulse| pulse.refused.get() > 0).count()
    }

    /// How long ago the one was heard of that was not for the longest time.
    pub(super) fn age(&self) -> Duration {
        let now = clock::steady();
        let ages = self.all().into_iter().map(|pulse| now.saturating_sub(pulse.beat.get()));
        Duration::from_nanos(ages.max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_that_of_all_that_are_left() {
        let pulses = Pulses::default();
        let (one, other) = (pulses.join(), pulses.join());
        one.beat(5, true);
        other.beat(7, false);
        assert_eq!((pulses.count(), pulses.alive(), pulses.refused()), (2, 12, 1));
        drop(one);
        assert_eq!((pulses.count(), pulses.alive(), pulses.refused()), (1, 7, 0));
        // Its second is as long ago as the machine runs.
        other.beat.set(0);
        assert_eq!(pulses.join().refused.get(), 0);
        assert!(pulses.age() >= Duration::from_nanos(clock::steady()) - Duration::from_secs(60));
    }
}
