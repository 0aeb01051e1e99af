//! Which files of a journal can hold an answer. docs/format.md, section "Reading", 9.

use crate::query::coverage::{Extent, Span};

/// The parts of a journal to be read for questions about these spans of time, in the order of time: each with its plan, and with
/// the span that its flows are for. Two may need the same files.
pub(super) fn parts(files: &[Extent], asked: Vec<Span>, has_version_2: bool) -> Vec<(Plan, Span)> {
    // Thousands of questions are about few spans.
    Span::apart(asked).into_iter().map(|span| (Plan::new(files, span, has_version_2), span)).collect()
}

/// From which file on a journal is read, and where that may end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// So many files at the begin are not needed.
    pub(super) skipped: usize,
    /// The first file that is not needed for flows unheard of by then; `None`: all are.
    over_at: Option<usize>,
}

impl Plan {
    /// For files with these places in time, in their order, and questions for moments of a span.
    ///
    /// A file is where reading may begin if it tells of every flow alive when it was begun, and everything before it is
    /// over by the first moment. It may end behind a file that tells of every flow alive after the last moment: what
    /// began unheard, in a gap or because of damage, is told of there. One file's times alone prove nothing: clocks are set.
    pub(super) fn new(files: &[Extent], asked: Span, has_version_2: bool) -> Self {
        let mut greatest_before = 0;
        let mut begin = None;
        for (place, file) in files.iter().enumerate() {
            // What was alive in a time that no file tells of may have ended before the next one: those before it know it.
            let is_begun = greatest_before < asked.from && file.least <= asked.from;
            if file.has_whole_keyframe && (place == 0 || is_begun) {
                begin = Some(place);
            }
            greatest_before = greatest_before.max(file.greatest);
        }
        let begin = begin.filter(|_| !has_version_2);
        let mut least_from: Vec<_> = files.iter().map(|file| file.least).collect();
        for place in (1..least_from.len()).rev() {
            least_from[place - 1] = least_from[place - 1].min(least_from[place]);
        }
        let mut later = files.iter().zip(least_from).skip(begin.unwrap_or(0));
        let last = later.position(|(file, least)| file.has_whole_keyframe && least > asked.to);
        let over_at = begin.zip(last).map(|(begin, last)| begin + last + 1);
        Self { skipped: begin.unwrap_or(0), over_at }
    }

    /// Whether this file, and all behind it, can be left unread if no flow that has begun by the last moment is open.
    pub(super) fn is_over_at(&self, file: usize) -> bool {
        self.over_at.is_some_and(|over_at| over_at <= file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files<const N: usize>(files: [(u64, u64, bool); N]) -> [Extent; N] {
        files.map(|(least, greatest, has_whole_keyframe)| Extent { least, greatest, has_whole_keyframe })
    }

    #[test]
    fn each_span_is_a_part_and_what_overlaps_is_one() {
        let files: Vec<_> = (1..100)
            .map(|hour| Extent { least: hour * 10, greatest: hour * 10 + 10, has_whole_keyframe: true })
            .collect();
        let span = |from, to| Span { from, to };
        let read = |asked: &[Span]| {
            let parts = parts(&files, asked.to_vec(), false);
            parts.into_iter().map(|(plan, span)| (plan.skipped, plan.over_at, span)).collect::<Vec<_>>()
        };
        let (early, late) = (span(101, 102), span(501, 502));
        assert_eq!(read(&[late, early]), [(9, Some(11), early), (49, Some(51), late)]);
        let near = span(111, 112);
        assert_eq!(read(&[late, near, early]), [(9, Some(11), early), (10, Some(12), near), (49, Some(51), late)]);
        assert_eq!(read(&[early, span(95, 96), late, span(90, 600)]), [(7, Some(61), span(90, 600))]);
        assert_eq!(read(&[]), []);
    }

    fn plan(files: &[Extent], from: u64, to: u64) -> (usize, Option<usize>) {
        let plan = Plan::new(files, Span { from, to }, false);
        (plan.skipped, (0..files.len()).find(|file| plan.is_over_at(*file)))
    }

    #[test]
    fn the_last_keyframe_before_the_time_is_enough() {
        let files = files([(10, 20, true), (20, 30, true), (30, 40, true), (40, 50, true)]);
        assert_eq!(plan(&files, 25, 26), (1, Some(3)));
        assert_eq!(plan(&files, 20, 20), (0, Some(3)), "the file before holds that moment, too");
        assert_eq!(plan(&files, 35, 36), (2, None));
        assert_eq!(plan(&files, 5, 60), (0, None));
        assert_eq!(plan(&files, 5, 6), (0, Some(1)));
        assert_eq!(plan(&files, 70, 80), (3, None));
    }

    #[test]
    fn a_file_without_a_whole_keyframe_needs_the_one_before() {
        let files = files([(10, 20, true), (20, 30, false), (30, 40, false)]);
        assert_eq!(plan(&files, 35, 36), (0, None));
        let none = files.map(|file| Extent { has_whole_keyframe: false, ..file });
        assert_eq!(plan(&none, 15, 16), (0, None), "what is alive is never known");
        assert_eq!(Plan::new(&files, Span { from: 35, to: 36 }, true).skipped, 0);
    }

    /// The clock was set back by 25 before the third.
    #[test]
    fn a_clock_that_was_set_prunes_nothing_that_it_showed() {
        let files = files([(10, 20, true), (20, 30, true), (5, 15, true), (15, 25, true), (40, 50, true)]);
        assert_eq!(plan(&files, 22, 23), (1, None));
        assert_eq!(plan(&files, 12, 13), (0, Some(4)));
        assert_eq!(plan(&files, 35, 36), (3, None));
        assert_eq!(plan(&files, 40, 41), (4, None));
    }

    #[test]
    fn of_an_unknown_file_nothing_is_said() {
        let [first, last] = files([(10, 20, true), (30, 40, true)]);
        assert_eq!(plan(&[first, Extent::UNKNOWN, last], 35, 36), (0, None));
        assert_eq!(plan(&[first, Extent::UNKNOWN, last, last], 15, 16), (0, Some(3)));
    }
}
