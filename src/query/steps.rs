//! The times at which the clock was set, and when a flow began among them.

use ctrecorder_format::Note;

/// The times at which the clock was set, in their order. So what it showed has parts: before the first of them, between each two, and behind
/// the last one. A moment that is in several of these it showed several times.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// What it showed before each at the latest, and after it at the earliest, ns since the epoch.
    shown: Vec<[u64; 2]>,
    /// How many there were when the kernel's table was read last.
    at_reading: usize,
    /// Nothing was heard before this moment, ns since the epoch; 0 if that is not known.
    heard_from: u64,
    /// Until when the files tell, by what it showed then, ns since the epoch; the latest of those that were begun since it had been set so
    /// often.
    ended: (usize, u64),
    /// What it showed before it is set back further on in the file that is read, the next time last, ns since the epoch.
    ahead: Vec<u64>,
}

impl Steps {
    /// A note tells that the clock was set.
    pub(crate) fn add(&mut self, note: &Note) {
        self.shown.extend(note.clock_shown());
        if note.sets_back() {
            self.ahead.pop();
        }
    }

    /// The kernel's table was read.
    pub(crate) const fn table_read(&mut self) {
        self.at_reading = self.shown.len();
    }

    /// Nothing was heard before this moment, ns since the epoch; 0 if that is not known.
    pub(crate) const fn hear_from(&mut self, moment: u64) {
        self.heard_from = moment;
    }

    /// A file begins that tells until this moment, ns since the epoch, by the clock as it was then, and has these notes.
    pub(crate) fn tell_until(&mut self, ended: u64, notes: &[Note]) {
        let before = if self.ended.0 == self.count() { self.ended.1 } else { 0 };
        self.ended = (self.count(), ended.max(before));
        let set_back = notes.iter().rev().filter(|note| note.sets_back());
        self.ahead = set_back.filter_map(Note::clock_shown).map(|[before, _]| before).collect();
    }

    /// Whether it was set back.
    pub(crate) fn is_turned(&self) -> bool {
        self.shown.iter().any(|[before, after]| after < before)
    }

    /// How often it was set so far.
    pub(crate) const fn count(&self) -> usize {
        self.shown.len()
    }

    /// How often it had been set when the table was read last.
    pub(crate) const fn at_reading(&self) -> usize {
        self.at_reading
    }

    /// How often it had been set, at the least, when it showed this moment: several times it did, if it was set back.
    pub(crate) fn least_before(&self, moment: u64) -> usize {
        self.least_from(0, moment)
    }

    /// The same of a moment at which something was heard, or the table read: what it showed before there were files was not that.
    pub(crate) fn least_heard(&self, moment: u64) -> usize {
        self.least_from(usize::from(moment < self.heard_from), moment)
    }

    /// The same, but not before it had been set so often, unless it did not show the moment since.
    fn least_from(&self, least: usize, moment: u64) -> usize {
        let by_end = || self.shown.iter().position(|[before, _]| moment <= *before).unwrap_or(self.shown.len());
        let mut since = self.between().enumerate().skip(least);
        since.find(|(_, (from, to))| *from <= moment && moment <= *to).map_or_else(by_end, |(count, _)| count)
    }

    /// How often it had been set, at the most, when it showed this moment.
    pub(crate) fn most_before(&self, moment: u64) -> usize {
        self.most_from(moment, |(from, _)| from)
    }

    /// The same of a moment that the kernel's stamp of a flow tells. Nobody may have recorded then: from when on the clock showed what it
    /// does since it was set back, its first sight does not tell.
    pub(crate) fn most_stamped(&self, moment: u64) -> usize {
        let was_set_back = |count: usize| {
            count.checked_sub(1).and_then(|last| self.shown.get(last)).is_some_and(|[before, after]| after < before)
        };
        self.most_from(moment, |(from, count)| if was_set_back(count) { 0 } else { from })
    }

    /// The same, where each part of what it showed begins as `first` says: from when it did, and how often it had been set before.
    fn most_from(&self, moment: u64, first: impl Fn((u64, usize)) -> u64) -> usize {
        let by_begin = || self.shown.iter().rposition(|[_, after]| *after <= moment).map_or(0, |last| last + 1);
        let mut parts = self.between().enumerate();
        let last = parts.rfind(|(count, (from, to))| first((*from, *count)) <= moment && moment <= *to);
        last.map_or_else(by_begin, |(count, _)| count)
    }

    /// What it showed before the first time that it was set, between each two, and behind the last one; nothing where that has its end before
    /// its begin. Flows may have begun before the files did.
    fn between(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + ExactSizeIterator {
        let ended = if self.ended.1 == 0 {
            u64::MAX
        } else {
            self.ahead.iter().fold(self.ended.1, |ended, before| *before.max(&ended))
        };
        let ends = move |place: usize| {
            let from = place.checked_sub(1).and_then(|last| self.shown.get(last)).map_or(0, |[_, after]| *after);
            (from, self.shown.get(place).map_or(ended, |[before, _]| *before))
        };
        (0..self.shown.len() + 1).map(ends)
    }

    /// Whether it showed this moment at one time at the most.
    pub(crate) fn is_once(&self, moment: u64) -> bool {
        self.between().filter(|(from, to)| *from <= moment && moment <= *to).count() < 2
    }

    /// What it showed before and after each of these times, by their numbers.
    pub(crate) fn shown(&self, steps: std::ops::Range<usize>) -> &[[u64; 2]] {
        self.shown.get(steps).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::NS_PER_SECOND;

    use super::*;

    const YEAR: u64 = 365 * 86_400;

    /// A clock that was set by so many seconds, and showed this afterwards.
    fn set(steps: &mut Steps, after: u64, by: i64) {
        steps.add(&Note::clock_step(after * NS_PER_SECOND, by * NS_PER_SECOND.cast_signed()));
    }

    /// What is said of each of these moments, in seconds.
    fn each<const N: usize, T>(moments: [u64; N], said: impl Fn(u64) -> T) -> [T; N] {
        moments.map(|moment| said(moment * NS_PER_SECOND))
    }

    fn shown(steps: &Steps) -> Vec<[u64; 2]> {
        steps.shown(0..steps.count()).iter().map(|step| step.map(|moment| moment / NS_PER_SECOND)).collect()
    }

    #[test]
    fn a_moment_that_came_twice_is_taken_for_the_first() {
        let mut steps = Steps::default();
        for (after, by) in [(90, -10), (200, 50), (120, -100)] {
            set(&mut steps, after, by);
        }
        // When it was noticed, each of them may have been two seconds ago.
        assert_eq!(shown(&steps), [[100, 88], [150, 198], [220, 118]]);
        let least = each([50, 95, 100, 101, 150, 151, 200, 220], |moment| steps.least_before(moment));
        assert_eq!(least, [0, 0, 0, 1, 1, 3, 2, 2]);
        let most = each([50, 87, 88, 100, 101, 118, 120, 150, 200], |moment| steps.most_before(moment));
        assert_eq!(most, [0, 0, 1, 1, 1, 3, 3, 3, 3]);
        let stamped = each([50, 101, 150, 200], |moment| steps.most_stamped(moment));
        assert_eq!(stamped, [3, 3, 3, 3], "the last time that it was set back nobody may have recorded");
        steps.tell_until(140 * NS_PER_SECOND, &[]);
        let stamped = each([120, 150, 200, 220], |moment| steps.most_stamped(moment));
        assert_eq!(stamped, [3, 1, 2, 2]);
        let most = each([120, 140, 150, 200, 220], |moment| steps.most_before(moment));
        assert_eq!(most, [3, 3, 1, 2, 2]);
        assert_eq!(each([160], |moment| steps.most_before(moment)), [3], "it never showed that");
        let once = each([87, 88, 100, 101, 117, 118, 140, 141, 220, 221], |moment| steps.is_once(moment));
        assert_eq!(once, [true, false, false, true, true, false, false, true, true, true]);
    }

    #[test]
    fn a_clock_that_was_ahead_for_a_while_showed_no_moment_twice() {
        let mut steps = Steps::default();
        steps.tell_until((YEAR + 30) * NS_PER_SECOND, &[]);
        set(&mut steps, YEAR + 20, YEAR.cast_signed());
        steps.tell_until(60 * NS_PER_SECOND, &[]);
        set(&mut steps, 45, -YEAR.cast_signed());
        assert_eq!(shown(&steps), [[20, YEAR + 18], [YEAR + 45, 43]]);
        let moments = [10, 30, 50, YEAR + 30, YEAR + 44];
        assert_eq!(each(moments, |moment| steps.most_before(moment)), [0, 0, 2, 1, 1]);
        assert_eq!(each(moments, |moment| steps.is_once(moment)), [true; 5]);
    }

    #[test]
    fn until_it_is_set_back_again_in_a_file_a_clock_shows_more_than_at_the_end_of_that() {
        let note = |after, by: i64| Note::clock_step(after * NS_PER_SECOND, by * NS_PER_SECOND.cast_signed());
        let (first, second) = (note(50, -100), note(40, -70));
        let mut steps = Steps::default();
        steps.tell_until(60 * NS_PER_SECOND, &[first, second]);
        steps.add(&first);
        assert_eq!(each([80, 110, 111], |moment| steps.most_before(moment)), [1, 1, 0]);
        steps.add(&second);
        assert_eq!(each([45, 60, 80, 110, 111], |moment| steps.most_before(moment)), [2, 2, 1, 1, 0]);
    }

    #[test]
    fn what_was_heard_was_not_before_there_were_files() {
        let mut steps = Steps::default();
        for (after, by) in [(100, -900), (1200, 1000), (300, -950)] {
            set(&mut steps, after, by);
        }
        steps.tell_until(400 * NS_PER_SECOND, &[]);
        steps.hear_from(990 * NS_PER_SECOND);
        assert_eq!(shown(&steps), [[1000, 98], [200, 1198], [1250, 298]]);
        let moments = [50, 100, 150, 250, 350, 989, 990, 1230];
        assert_eq!(each(moments, |moment| steps.least_before(moment)), [0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(each(moments, |moment| steps.least_heard(moment)), [0, 1, 1, 0, 3, 0, 0, 2]);
        steps.hear_from(0);
        assert_eq!(each([150], |moment| steps.least_heard(moment)), [0], "nobody knows");
    }
}
