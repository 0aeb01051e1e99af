//! Spans of time.

/// A span of time, ns since the epoch, UTC. It does not end before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its begin.
    pub from: u64,
    /// Its end.
    pub to: u64,
}

impl Span {
    /// From so much before a moment to so much behind it.
    pub const fn around(moment: u64, reach: u64) -> Self {
        Self { from: moment.saturating_sub(reach), to: moment.saturating_add(reach) }
    }

    /// Whether a moment is in it, its ends included.
    pub const fn holds(self, moment: u64) -> bool {
        self.from <= moment && moment <= self.to
    }

    /// Whether two spans, both with their ends, have a moment in common.
    pub const fn meets(self, other: Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    /// What of this one lies in the other one, if that is more than a moment.
    pub(super) fn within(self, other: Self) -> Option<Self> {
        let (from, to) = (self.from.max(other.from), self.to.min(other.to));
        (from < to).then_some(Self { from, to })
    }

    /// What both have in common, if that is anything.
    pub fn common(self, other: Self) -> Option<Self> {
        self.meets(other).then(|| Self { from: self.from.max(other.from), to: self.to.min(other.to) })
    }

    /// Spans by their begin, those that have a moment in common as one.
    pub fn apart(mut spans: Vec<Self>) -> Vec<Self> {
        spans.sort_unstable();
        spans.dedup_by(|next, span| {
            let meets = span.meets(*next);
            if meets {
                *span = span.joined(*next);
            }
            meets
        });
        spans
    }

    /// The least span that holds both.
    pub fn joined(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }
}

/// The same of spans none of which meets another one, by their begin: where there are many, few of them are looked at.
pub(super) fn complement_of_apart(apart: &[Span], from: u64, to: u64) -> Vec<Span> {
    let behind = apart.get(apart.partition_point(|span| span.to < from)..).unwrap_or_default();
    complement(behind.iter().copied().take_while(|span| span.from < to), from, to)
}

/// What of the span between two times is in none of these, which are in the order of their begins.
pub(crate) fn complement(spans: impl IntoIterator<Item = Span>, from: u64, to: u64) -> Vec<Span> {
    let mut left = Vec::new();
    let mut reached = from;
    for span in spans.into_iter().chain([Span { from: to, to }]) {
        let end = span.from.min(to);
        if reached < end {
            left.push(Span { from: reached, to: end });
        }
        reached = reached.max(span.to);
    }
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span() -> impl Strategy<Value = Span> {
        (0..60_u64, 0..9_u64).prop_map(|(from, length)| Span { from, to: from + length })
    }

    proptest! {
        /// Each moment is looked at by itself.
        #[test]
        fn what_is_left_of_a_span_is_in_none_of_the_others(
            mut spans in prop::collection::vec(span(), 0..12), asked in span(),
        ) {
            let left = complement_of_apart(&Span::apart(spans.clone()), asked.from, asked.to);
            let holds = |spans: &[Span], moment| spans.iter().any(|span| span.from <= moment && moment < span.to);
            for moment in 0..70 {
                let is_left = holds(&[asked], moment) && !holds(&spans, moment);
                prop_assert_eq!(holds(&left, moment), is_left, "{}", moment);
            }
            spans.sort_unstable();
            prop_assert_eq!(left, complement(spans, asked.from, asked.to));
        }
    }
}
