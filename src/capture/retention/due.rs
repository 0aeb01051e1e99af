//! Which segments are to go, by the limits alone.

use std::time::Duration;

use super::Limits;

/// A segment as far as the limits ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// When it was begun, by the clock as it was set later, ns since the epoch.
    pub(super) begun: u64,
    /// Its bytes.
    pub(super) bytes: u64,
}

/// What the limits are held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holds {
    /// Now, ns since the epoch.
    pub(super) now: u64,
    /// The bytes of the segments that are being written.
    pub(super) fixed_bytes: u64,
    /// What the file system has free; `None` if that cannot be told.
    pub(super) free: Option<u64>,
}

/// Which limit a segment breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Age,
    Size,
    Free,
}

impl Why {
    /// For the log.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Age => "it is older than --max-age allows",
            Self::Size => "there is more than --max-size allows",
            Self::Free => "there is less free than --min-free demands",
        }
    }
}

/// So much earlier than it is too old a segment is taken for that, at most: it is looked once a minute, and removing takes a moment,
/// and at no time shall there be anything older than the limit.
const EARLY_MAX: Duration = Duration::from_secs(120);

/// What was begun before this moment is too old, if anything ever is.
fn too_old(limits: &Limits, now: u64) -> Option<u64> {
    let age = limits.max_age?;
    let age = age - EARLY_MAX.min(age / 16);
    Some(now.saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)))
}

/// How many of these segments have become too old within the last `span` ns.
pub(super) fn grown(limits: &Limits, candidates: &[Candidate], now: u64, span: u64) -> usize {
    let Some(before) = too_old(limits, now) else { return 0 };
    let is_new = |candidate: &&Candidate| (before.saturating_sub(span)..before).contains(&candidate.begun);
    candidates.iter().filter(is_new).count()
}

/// How many of these segments, the oldest of which come first, are to go, and why each.
pub(super) fn due(limits: &Limits, candidates: &[Candidate], room: &Holds) -> Vec<Why> {
    let mut bytes = candidates.iter().fold(room.fixed_bytes, |sum, candidate| sum.saturating_add(candidate.bytes));
    let mut free = room.free;
    let begun_before = too_old(limits, room.now);
    let why = |candidate: &Candidate| {
        let why = if begun_before.is_some_and(|moment| candidate.begun < moment) {
            Why::Age
        } else if limits.max_size.is_some_and(|limit| bytes > limit) {
            Why::Size
        } else if limits.min_free.zip(free).is_some_and(|(limit, free)| free < limit) {
            Why::Free
        } else {
            return None;
        };
        bytes = bytes.saturating_sub(candidate.bytes);
        free = free.map(|free| free.saturating_add(candidate.bytes));
        Some(why)
    };
    candidates.iter().map_while(why).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS: u64 = 1_000_000_000;
    const NOW: u64 = 1_000_000 * NS;

    /// Segments of an hour and 100 bytes each, the oldest one of `hours` ago.
    fn segments(hours: u64) -> Vec<Candidate> {
        (1..=hours).rev().map(|hour| Candidate { begun: NOW - hour * 3600 * NS, bytes: 100 }).collect()
    }

    fn due_of(limits: Limits, hours: u64, fixed_bytes: u64, free: Option<u64>) -> Vec<Why> {
        due(&limits, &segments(hours), &Holds { now: NOW, fixed_bytes, free })
    }

    #[test]
    fn each_limit_takes_the_oldest_and_no_more_than_it_has_to() {
        let none = Limits::default();
        assert_eq!(due_of(none, 10, 50, Some(0)), []);
        let age = Limits { max_age: Some(Duration::from_secs(3 * 3600 + 1800)), ..none };
        assert_eq!(due_of(age, 5, 0, None), [Why::Age; 2]);
        let size = Limits { max_size: Some(450), ..none };
        assert_eq!(due_of(size, 4, 50, None), []);
        assert_eq!(due_of(size, 5, 51, None), [Why::Size; 2]);
        let free = Limits { min_free: Some(1000), ..none };
        assert_eq!(due_of(free, 9, 0, Some(750)), [Why::Free; 3]);
        assert_eq!(due_of(free, 9, 0, Some(1000)), []);
        assert_eq!(due_of(free, 9, 0, None), [], "what cannot be told removes nothing");
    }

    #[test]
    fn what_has_become_too_old_lately_is_told_from_what_was_before() {
        // All but two minutes of the limit: those of four hours and more.
        let limits = Limits { max_age: Some(Duration::from_secs(4 * 3600 + 60)), ..Limits::default() };
        assert_eq!(due_of(limits, 6, 0, None).len(), 3);
        let grown = |span_s: u64| grown(&limits, &segments(6), NOW, span_s * NS);
        assert_eq!([59, 61, 3600 + 59, 3600 + 61].map(grown), [0, 1, 1, 2]);
        assert_eq!(super::grown(&Limits::default(), &segments(6), NOW, u64::MAX), 0);
    }

    #[test]
    fn what_one_limit_takes_counts_for_the_others() {
        let both = Limits { max_age: Some(Duration::from_secs(9000)), max_size: Some(100), min_free: Some(300) };
        assert_eq!(due_of(both, 4, 0, Some(200)), [Why::Age, Why::Age, Why::Size]);
    }

    #[test]
    fn all_may_go_and_nothing_overflows() {
        let limits = Limits { max_age: Some(Duration::MAX), max_size: Some(0), min_free: Some(u64::MAX) };
        assert_eq!(due_of(limits, 3, u64::MAX, Some(1)).len(), 3);
    }

    #[test]
    fn a_segment_goes_before_it_is_too_old() {
        let age = Limits { max_age: Some(Duration::from_secs(7200 + 100)), ..Limits::default() };
        assert_eq!(due_of(age, 2, 0, None), [Why::Age], "100 s are left, and the next look may be 60 s away");
    }
}
