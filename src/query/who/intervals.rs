//! Which of many spans of time have a moment in common with another one?

use crate::query::coverage::Span;

/// Things, each with a span of time, so ordered that those that meet a span are found without a look at the others: a
/// balanced tree in an array, in which each node knows the greatest end beneath it.
#[derive(Clone, Debug)]
pub(super) struct Intervals<T> {
    /// By the begin of their spans. The middle of each stretch is the root of that stretch.
    all: Vec<(Span, T)>,
    /// Of the stretch whose root stands at this place, the greatest end.
    greatest: Vec<u64>,
}

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl<T> Intervals<T> {
    pub(super) fn new(mut all: Vec<(Span, T)>) -> Self {
        // Stable: what has one begin stays in its order.
        all.sort_by_key(|(span, _)| span.from);
        let mut greatest = vec![0; all.len()];
        greatest_ends(&all, &mut greatest);
        Self { all, greatest }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Hands on those that have a moment in common with a span, by their begin.
    pub(super) fn meeting<'i>(&'i self, span: Span, mut each: impl FnMut(&'i T)) {
        meet(&self.all, &self.greatest, span, &mut |_, thing| {
            each(thing);
            true
        });
    }

    /// Whether one of them has a moment in common with a span.
    pub(super) fn any_meets(&self, span: Span) -> bool {
        self.first_meeting(span).is_some()
    }

    /// The span that begins first of those that have a moment in common with another one.
    pub(super) fn first_meeting(&self, span: Span) -> Option<Span> {
        let mut first = None;
        meet(&self.all, &self.greatest, span, &mut |found, _| {
            first = Some(found);
            false
        });
        first
    }
}

/// Writes the greatest end of each stretch beneath this one, and returns that of this one.
fn greatest_ends<T>(all: &[(Span, T)], greatest: &mut [u64]) -> u64 {
    let middle = all.len() / 2;
    let (Some((before, [(root, _), behind @ ..])), Some((left, [own, right @ ..]))) =
        (all.split_at_checked(middle), greatest.split_at_mut_checked(middle))
    else {
        return 0;
    };
    *own = root.to.max(greatest_ends(before, left)).max(greatest_ends(behind, right));
    *own
}

/// Hands what meets a span to `found`, by its begin, until that returns false; then so is what is returned.
fn meet<'a, T>(
    all: &'a [(Span, T)],
    greatest: &[u64],
    span: Span,
    found: &mut impl FnMut(Span, &'a T) -> bool,
) -> bool {
    let middle = all.len() / 2;
    let (Some((before, [(own, thing), behind @ ..])), Some((left, [reach, right @ ..]))) =
        (all.split_at_checked(middle), greatest.split_at_checked(middle))
    else {
        return true;
    };
    if *reach < span.from {
        return true;
    }
    meet(before, left, span, found)
        && (!own.meets(span) || found(*own, thing))
        // What stands behind this one begins no earlier.
        && (span.to < own.from || meet(behind, right, span, found))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_meets_a_span_is_found_and_nothing_else(
            spans in prop::collection::vec((0..40_u64, 0..12_u64), 0..40), from in 0..50_u64, length in 0..9_u64,
        ) {
            let spans: Vec<_> = spans.into_iter().map(|(from, length)| Span { from, to: from + length }).collect();
            let asked = Span { from, to: from + length };
            let tree = Intervals::new((0..).zip(&spans).map(|(number, span)| (*span, number)).collect());
            let mut expected: Vec<usize> = (0..spans.len()).filter(|number| spans[*number].meets(asked)).collect();
            expected.sort_by_key(|number| spans[*number].from);
            let mut met = Vec::new();
            tree.meeting(asked, |number| met.push(*number));
            prop_assert_eq!(&met, &expected);
            prop_assert_eq!(tree.any_meets(asked), !expected.is_empty());
            prop_assert_eq!(tree.first_meeting(asked), expected.first().map(|number| spans[*number]));
        }
    }

    #[test]
    fn the_last_moment_of_all_is_met() {
        let all = Span { from: 0, to: u64::MAX };
        assert!(Intervals::new(vec![(all, ())]).any_meets(Span { from: u64::MAX, to: u64::MAX }));
        assert!(!Intervals::<()>::default().any_meets(all));
    }
}
