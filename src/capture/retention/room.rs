//! What removing has not made free yet: a reader has the file open, another name leads to it, or the file system takes its time.

use super::super::clock::SECOND;

/// So long it is waited for.
const PATIENCE_NS: u64 = 60 * SECOND;

/// What was unlinked and did not get free at once. Moments are those of a steady clock, in ns.
#[derive(Debug, Default)]
pub(super) struct Room {
    owed: Option<Owed>,
    said: bool,
}

#[derive(Clone, Copy, Debug)]
struct Owed {
    /// Since when it is waited for.
    since: u64,
    /// What was free before.
    before: u64,
    /// What should get free beside that.
    bytes: u64,
}

impl Owed {
    /// Whether it came, as far as can be told where others write, too.
    const fn came(&self, free: u64) -> bool {
        free >= self.before.saturating_add(self.bytes / 2)
    }
}

impl Room {
    /// Files of so many bytes were unlinked; so much was free before, and just afterwards.
    pub(super) fn unlinked(&mut self, at: u64, bytes: u64, before: u64, after: u64) {
        let owed = Owed { since: at, before, bytes };
        self.owed = match self.owed {
            Some(earlier) => Some(Owed { bytes: earlier.bytes.saturating_add(bytes), since: at, ..earlier }),
            None => Some(owed).filter(|owed| !owed.came(after)),
        };
    }

    /// What is free, with what is about to be. `None` if what was unlinked before did not get free: then it is of no use to go on.
    pub(super) fn expected(&mut self, at: u64, free: u64) -> Option<u64> {
        let Some(owed) = self.owed.filter(|owed| !owed.came(free)) else {
            (self.owed, self.said) = (None, false);
            return Some(free);
        };
        if at.saturating_sub(owed.since) < PATIENCE_NS {
            return Some(
                free.max(owed.before).saturating_add(owed.bytes.saturating_sub(free.saturating_sub(owed.before))),
            );
        }
        if !std::mem::replace(&mut self.said, true) {
            tracing::error!(
                "--min-free removes nothing more: {} bytes were removed and did not get free; something has them open, or under another name",
                owed.bytes
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gets_free_at_once_is_not_waited_for() {
        let mut room = Room::default();
        room.unlinked(0, 100, 50, 150);
        assert_eq!(room.expected(SECOND, 20), Some(20), "somebody else took it");
    }

    #[test]
    fn what_does_not_is_expected_for_a_while_and_then_nothing_more_is_removed_until_it_comes() {
        let mut room = Room::default();
        room.unlinked(0, 100, 50, 50);
        assert_eq!(room.expected(SECOND, 50), Some(150));
        assert_eq!(room.expected(SECOND, 70), Some(150));
        room.unlinked(SECOND, 40, 70, 70);
        assert_eq!(room.expected(2 * SECOND, 70), Some(190));
        assert_eq!(room.expected(61 * SECOND, 70), None);
        assert_eq!(room.expected(62 * SECOND, 70), None);
        assert_eq!(room.expected(63 * SECOND, 180), Some(180), "it came after all");
        assert_eq!(room.expected(64 * SECOND, 50), Some(50));
    }
}
