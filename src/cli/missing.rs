//! Which segments are missing among the files that are read one after the other.

use std::collections::HashMap;

use ctrecorder_format::Content;

use crate::journal::{Recorder, Version};

/// Segments of a recorder's run that are not there, between two that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// Until when the segment before tells, ns since the epoch.
    pub(super) from: u64,
    /// When the one behind was begun, ns since the epoch. That is earlier where the clock was set back.
    pub(super) to: u64,
}

/// The last segment of a run.
#[derive(Clone, Copy)]
struct Last {
    number: u64,
    ended: u64,
    /// Earlier ones came behind later ones: what comes in no order may come yet.
    in_order: bool,
}

/// The numbers of the segments that were read, run by run.
#[derive(Default)]
pub(super) struct Numbers(HashMap<Recorder, Last>);

impl Numbers {
    /// The next file: says what is missing right before it.
    pub(super) fn follow(&mut self, file: &Version<'_>) -> Option<Missing> {
        let Version::Three(segment) = file else { return None };
        let Ok(header) = segment.header() else {
            // It may be any of those that seem to be missing.
            self.0.clear();
            return None;
        };
        if header.content == Content::Flows {
            // They have the header of their first input, and may be made of those that follow it as well.
            self.0.remove(&Recorder::of(header));
            return None;
        }
        let number = header.segment_number;
        let this = Last { number, ended: file.ended(), in_order: true };
        let last = self.0.entry(Recorder::of(header)).or_insert(this);
        let before = *last;
        let in_order = before.in_order && before.number <= number;
        *last = Last { in_order, ..this };
        let missing = in_order && number.saturating_sub(before.number) > 1;
        missing.then_some(Missing { from: before.ended, to: header.created })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ctrecorder_format::{Closing, Header, Writer};

    use super::*;
    use crate::journal::Source;

    /// What is said to be missing before each of these segments.
    fn missing(numbers: &[u64]) -> Vec<Option<(u64, u64)>> {
        let mut said = Numbers::default();
        let follow = |number: &u64| {
            let header = Header { segment_number: *number, created: *number * 10, ..Header::blank(Content::Events) };
            let mut writer = Writer::new(Vec::new(), &header).unwrap();
            writer.finish(Closing::WentOn, *number * 10 + 10).unwrap();
            writer.write_out().unwrap();
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(writer.output()).unwrap();
            let source = Source::open(file.path()).unwrap();
            said.follow(&source.parse().unwrap()).map(|missing| (missing.from, missing.to))
        };
        numbers.iter().map(follow).collect()
    }

    #[test]
    fn what_is_not_there_between_two_segments_is_missing() {
        assert_eq!(missing(&[1, 2, 5, 6]), [None, None, Some((30, 50)), None]);
        assert_eq!(missing(&[0, 0, 1]), [None; 3]);
    }

    #[test]
    fn of_segments_in_no_order_nothing_is_said() {
        assert_eq!(missing(&[4, 1, 5]), [None; 3]);
    }
}
