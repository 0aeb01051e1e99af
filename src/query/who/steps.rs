//! The times at which the clock was set, and when a flow began among them.

use ctrecorder_format::Note;

/// The times at which the clock was set, in their order.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// What it showed before and after each, ns since the epoch.
    shown: Vec<[u64; 2]>,
    /// How many there were when the kernel's table was read last.
    at_reading: usize,
    /// Nothing was heard before this moment, ns since the epoch; 0 if that is not known.
    heard_from: u64,
    /// Until when the files tell, by what it showed then, ns since the epoch; the latest of those that were begun.
    ended: u64,
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

    /// Nothing was heard before this moment, ns since the epoch; 0 if that is not known.
    pub(super) const fn hear_from(&mut self, moment: u64) {
        self.heard_from = moment;
    }

    /// A file begins that tells until this moment, ns since the epoch.
    pub(super) const fn tell_until(&mut self, ended: u64) {
        if self.ended < ended {
            self.ended = ended;
        }
    }

    /// Whether it was set back.
    pub(super) fn is_turned(&self) -> bool {
        self.shown.iter().any(|[before, after]| after < before)
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
        self.least_from(0, moment)
    }

    /// The same of a moment at which something was heard, or the table read: what it showed before there were files was not that.
    pub(super) fn least_heard(&self, moment: u64) -> usize {
        self.least_from(usize::from(moment < self.heard_from), moment)
    }

    /// The same, but not before it had been set so often, unless it did not show the moment since.
    fn least_from(&self, least: usize, moment: u64) -> usize {
        let by_end = || self.shown.iter().position(|[before, _]| moment <= *before).unwrap_or(self.shown.len());
        let mut since = self.between().enumerate().skip(least);
        since.find(|(_, (from, to))| *from <= moment && moment <= *to).map_or_else(by_end, |(count, _)| count)
    }

    /// How often it had been set, at the most, when it showed this moment.
    pub(super) fn most_before(&self, moment: u64) -> usize {
        let by_begin = || self.shown.iter().rposition(|[_, after]| *after <= moment).map_or(0, |last| last + 1);
        self.between().rposition(|(from, to)| from <= moment && moment <= to).unwrap_or_else(by_begin)
    }

    /// What it showed before the first time that it was set, between each two, and behind the last one. Flows may have begun before the
    /// files did.
    fn between(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + ExactSizeIterator {
        let ends = |place: usize| {
            let from = place.checked_sub(1).and_then(|last| self.shown.get(last)).map_or(0, |[_, after]| *after);
            let ended = if self.ended == 0 { u64::MAX } else { self.ended };
            (from, self.shown.get(place).map_or(ended, |[before, _]| *before))
        };
        (0..self.shown.len() + 1).map(ends)
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
        for (after, by) in [(90, -10), (200, 50), (120, -100)] {
            steps.add(&Note::clock_step(after, by));
        }
        assert_eq!(steps.shown(0..3), [[100, 90], [150, 200], [220, 120]]);
        let least = [50, 95, 100, 101, 150, 151, 200, 220].map(|moment| steps.least_before(moment));
        assert_eq!(least, [0, 0, 0, 1, 1, 3, 2, 2]);
        let most = [50, 95, 100, 101, 120, 150, 200].map(|moment| steps.most_before(moment));
        assert_eq!(most, [0, 1, 1, 1, 3, 3, 3]);
        steps.tell_until(140);
        let most = [120, 140, 150, 200, 220].map(|moment| steps.most_before(moment));
        assert_eq!(most, [3, 3, 1, 2, 2]);
        assert_eq!(steps.most_before(160), 3, "it never showed that");
        let once = [89, 90, 100, 101, 119, 120, 220, 221].map(|moment| steps.is_once(moment));
        assert_eq!(once, [true, false, false, true, true, false, false, true]);
    }

    #[test]
    fn what_was_heard_was_not_before_there_were_files() {
        let mut steps = Steps::default();
        for (after, by) in [(100, -900), (1200, 1000), (300, -950)] {
            steps.add(&Note::clock_step(after, by));
        }
        steps.tell_until(400);
        steps.hear_from(990);
        assert_eq!(steps.shown(0..3), [[1000, 100], [200, 1200], [1250, 300]]);
        let moments = [50, 100, 150, 250, 350, 989, 990, 1230];
        assert_eq!(moments.map(|moment| steps.least_before(moment)), [0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(moments.map(|moment| steps.least_heard(moment)), [0, 1, 1, 0, 3, 0, 0, 2]);
        steps.hear_from(0);
        assert_eq!(steps.least_heard(150), 0, "nobody knows");
    }
}
