//! The first of many that meets a condition of which the greatest of a range tells whether any in it may.

/// What many things are at most, each by itself and all in the halves, the quarters, and so on, of their row.
#[derive(Debug)]
pub(super) struct Halves<G> {
    /// Behind a first one that stands for nothing, all; then each half, each quarter, and so on, down to each by itself: those in number
    /// N are in the numbers 2N and 2N + 1.
    greatest: Vec<G>,
}

/// What several things are at most.
pub(super) trait Greatest: Copy + Default {
    /// What these are at most together with others. What is by default less than anything else changes nothing.
    fn or(self, other: Self) -> Self;
}

impl<G: Greatest> Halves<G> {
    pub(super) fn new(mut row: Vec<G>) -> Self {
        row.resize(row.len().next_power_of_two(), G::default());
        let mut rows = vec![row];
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            let halved = row.chunks(2).map(|two| two.iter().copied().fold(G::default(), G::or)).collect();
            rows.push(halved);
        }
        rows.push(vec![G::default()]);
        Self { greatest: rows.into_iter().rev().flatten().collect() }
    }

    /// The place of the first from this one on that `may_be`. That is asked of ranges, too, of whose members no one may be what some are
    /// together; of nothing it is false.
    pub(super) fn first(&self, from: usize, may_be: impl Fn(&G) -> bool) -> Option<usize> {
        let members = self.greatest.len() / 2;
        let mut number = members + from;
        loop {
            if may_be(self.greatest.get(number)?) {
                if number >= members {
                    return Some(number - members);
                }
                number *= 2;
                continue;
            }
            // The next one is beside it, or beside the smallest of the ranges around it that is a first half.
            number >>= number.trailing_ones();
            if number == 0 {
                return None;
            }
            number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Greatest for [u8; 2] {
        fn or(self, other: Self) -> Self {
            [self[0].max(other[0]), self[1].max(other[1])]
        }
    }

    proptest! {
        /// Also where in a range one number is great enough of one member, and the other one of another.
        #[test]
        fn the_first_is_found_that_a_walk_finds(
            row in prop::collection::vec(prop::array::uniform2(0..8_u8), 0..40),
            from in 0..70_usize,
            least in prop::array::uniform2(0..9_u8),
        ) {
            let may_be = |is: &[u8; 2]| is[0] > least[0] && is[1] >= least[1];
            let walked = row.iter().enumerate().skip(from).find(|(_, is)| may_be(is)).map(|(place, _)| place);
            prop_assert_eq!(Halves::new(row).first(from, may_be), walked);
        }
    }
}
