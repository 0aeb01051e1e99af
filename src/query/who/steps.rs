//! The times at which the clock was set, and when a flow began among them.

use ctrecorder_format::Note;

/// The times at which the clock was set, in their order.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// What it showed before and after each, ns since the epoch.
    shown: Vec<[u64; 2]>,
    /// How many there were when the kernel's table was read last.
    at_reading: usize,
}

impl Steps {
    /// A note tells that the clock was set.
    pub(super) fn add(&mut self, note: &Note) {
        self.shown.extend(note.clock_set());
    }

    /// The kernel's table was read.
    pub(super) const fn table_read(&mut self) {
        self.at_reading = self.shown.len();
    }

    /// How often it was set so far.
    pub(super) const fn count(&self) -> usize {
        self.shown.len()
    }

    /// How often it had been set when the table was read last.
    pub(super) const fn at_reading(&self) -> usize {
        self.at_reading
    }

    /// How often it had been set, at the least, when it showed this moment: several times it did, if it was set back.
    pub(super) fn least_before(&self, moment: u64) -> usize {
        self.shown.iter().position(|[before, _]| moment <= *before).unwrap_or(self.shown.len())
    }

    /// How often it had been set, at the most, when it showed this moment.
    pub(super) fn most_before(&self, moment: u64) -> usize {
        self.shown.iter().rposition(|[_, after]| *after <= moment).map_or(0, |last| last + 1)
    }

    /// Whether it showed this moment at one time only: then whatever has a lesser moment was before it.
    pub(super) fn is_once(&self, moment: u64) -> bool {
        !self.shown.iter().any(|[before, after]| (*after..=*before).contains(&moment))
    }

    /// What it showed before and after each of these times, by their numbers.
    pub(super) fn shown(&self, steps: std::ops::Range<usize>) -> &[[u64; 2]] {
        self.shown.get(steps).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_came_twice_is_taken_for_the_first() {
        let mut steps = Steps::default();
        for (after, by) in [(90, -10), (200, 50), (120, -40)] {
            steps.add(&Note::clock_step(after, by));
        }
        assert_eq!(steps.shown(0..3), [[100, 90], [150, 200], [160, 120]]);
        let least = [50, 95, 100, 101, 150, 151, 160, 161].map(|moment| steps.least_before(moment));
        assert_eq!(least, [0, 0, 0, 1, 1, 2, 2, 3]);
        let most = [50, 95, 100, 101, 120, 150, 200].map(|moment| steps.most_before(moment));
        assert_eq!(most, [0, 1, 1, 1, 3, 3, 3]);
        let once = [89, 90, 100, 101, 119, 120, 160, 161].map(|moment| steps.is_once(moment));
        assert_eq!(once, [true, false, false, true, true, false, false, true]);
    }
}
