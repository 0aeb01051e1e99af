//! Starts that are later than what they are told with: the clock had been set back before anybody heard of the flow whose files are left.

use ctrecorder_format::record::flags::{CLOCK_SET, RECOVERED, START_FROM_KERNEL};
use ctrecorder_format::{Address, Note, Record};

/// What the clock has shown, as far as that tells which starts may be of times before it was set back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    /// The greatest moment that it showed when it was set back, ns since the epoch; 0 if it was not.
    until: u64,
}

impl Shown {
    /// The clock was set.
    pub(super) fn clock_set(&mut self, note: &Note) {
        let before = note.clock_set().filter(|_| note.sets_back()).map_or(0, |[before, _]| before);
        self.until = self.until.max(before);
    }

    /// It was set where nobody tells what it showed.
    pub(super) const fn clock_set_unknown(&mut self) {
        self.until = u64::MAX;
    }

    /// A flow of which something was told at this moment at the latest (ns since the epoch, 0 if that is not known), with a start that it
    /// may have: one that is later than that is of a time that no clock is known to have shown before. What the clock is set back by
    /// without a note makes nothing of it.
    pub(super) fn believed<A: Address>(self, flow: Record<A>, told: u64) -> Record<A> {
        self.begun_by(flow, told, Note::CLOCK_STEP_MIN_NS)
    }

    /// The same of one that was there at that moment: it had begun, whatever the clock was set back by.
    pub(super) fn believed_open<A: Address>(self, flow: Record<A>, told: u64) -> Record<A> {
        self.begun_by(flow, told, 0)
    }

    fn begun_by<A: Address>(self, flow: Record<A>, told: u64, margin: u64) -> Record<A> {
        let latest = self.latest(&flow, told).saturating_add(margin);
        let is_later = told != 0 && latest < flow.start.get();
        if is_later && may_be_of_before(&flow) { without_start(flow) } else { flow }
    }

    /// The latest moment at which it can have begun.
    fn latest<A: Address>(self, flow: &Record<A>, told: u64) -> u64 {
        if flow.flags & CLOCK_SET == 0 { told } else { told.max(self.until) }
    }
}

/// Whether a start may be of a time before the file that tells it: it was heard, or stamped by the kernel, and not found by a reading.
pub(super) const fn may_be_of_before<A: Address>(flow: &Record<A>) -> bool {
    flow.flags & RECOVERED == 0 || flow.flags & START_FROM_KERNEL != 0
}

/// A flow whose start is by a clock that was set back since: it has none, and yet the flag of the kernel's stamp.
fn without_start<A: Address>(flow: Record<A>) -> Record<A> {
    Record { start: 0.into(), flags: flow.flags | START_FROM_KERNEL, ..flow }
}

/// Whether it is known that the start of a flow tells nothing: whoever tells of it again has the same.
pub(super) const fn tells_no_start<A: Address>(flow: &Record<A>) -> bool {
    flow.start.get() == 0 && flow.flags & START_FROM_KERNEL != 0
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::Kind;

    use super::super::tests_of_readings::{Work, header, tcp};
    use super::*;

    /// The clock was set back before the recorder was started; when the next file of the run is begun, it has shown the stamp's time again.
    #[test]
    fn a_stamp_that_tells_nothing_does_not_come_back_with_the_next_keyframe() {
        let at = |second: u64| second * Note::CLOCK_STEP_MIN_NS;
        let open = Record { flags: START_FROM_KERNEL, ..tcp(Kind::Open, 1, at(50), 0) };
        let mut work = Work::default();
        for (number, created) in [(0, at(10)), (1, at(60))] {
            work.begin(&header(at(10), number, created), Some(at(60)));
            work.push(&open);
            work.read(created, created);
        }
        assert_eq!(work.finish(), [(1, 0, 0, START_FROM_KERNEL)]);
    }

    /// It was so in segments of the run that are missing, since the reading before: that of this one is told of as at the time of that.
    #[test]
    fn a_start_of_before_the_segments_that_are_left_tells_nothing() {
        let at = |second: u64| second * Note::CLOCK_STEP_MIN_NS;
        // Whether it is the kernel's, or by the clock of the recorder that heard it.
        for (flags, start) in [(START_FROM_KERNEL, at(16) - 1), (0, 0)] {
            let mut work = Work::default();
            work.begin(&header(at(28), 1, at(15)), None);
            work.push(&Record { flags, ..tcp(Kind::Open, 1, at(16) - 1, 0) });
            work.read(at(28), at(28));
            work.push(&Record { flags, ..tcp(Kind::End, 1, start, at(39)) });
            assert_eq!(work.finish(), [(1, 0, at(39), START_FROM_KERNEL)]);
        }
    }
}
