//! What gaps came to, once the kernel's table was read again. docs/format.md, "The account".

use ctrecorder_format::{Cause, Note};

use super::mirror::Tally;
use super::queue::Standing;

/// The gaps that are not accounted for yet.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// The begin of the first of them.
    from: Option<u64>,
    /// The latest begin of one of them.
    last: u64,
    /// How many gaps there were since the recorder's start.
    gaps: u64,
    /// What the kernel is known to have lost.
    lost_in_kernel: u64,
    /// The kernel held events back: how many starts were lost it could not say.
    held_back: bool,
    /// Where the queue stood at the last account.
    before: Standing,
}

impl Account {
    /// There is a gap.
    pub(super) fn gap(&mut self, note: &Note) {
        let from = note.from.get();
        self.from = Some(self.from.map_or(from, |earlier| earlier.min(from)));
        self.last = self.last.max(from);
        self.gaps += 1;
        if note.cause() == Some(Cause::KernelOverrun) {
            match note.lost() {
                Some(lost) => self.lost_in_kernel += lost,
                None => self.held_back = true,
            }
        }
    }

    /// Whether there are gaps to be accounted for.
    pub(super) const fn is_open(&self) -> bool {
        self.from.is_some()
    }

    /// The begin of the first of them.
    pub(super) const fn from(&self) -> Option<u64> {
        self.from
    }

    /// How many gaps there were since the recorder's start.
    pub(super) const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Whether only a reading of the table can tell what the kernel lost.
    pub(super) const fn is_unknown(&self) -> bool {
        self.held_back
    }

    /// The table was read whole, up to `now`, and the kernel holds nothing back any more: the account of all gaps, if
    /// there are any. Before the first reading it is not known which flows there were (`known`), nor what was lost of them.
    pub(super) fn settle(&mut self, tally: Tally, standing: Standing, known: bool, now: u64) -> Option<Note> {
        let queue = standing.since(self.before);
        // Ends that were lost in the queue, and flows of which nobody knows whether their end was reported.
        let unclear = tally.prior_ends > 0 && queue.lost_ends > tally.ends_found;
        let lost_in_kernel = match (self.held_back, self.lost_in_kernel) {
            (false, lost) => lost,
            (true, 0) if known && !unclear => starts_lost_in_kernel(tally, queue),
            _ => Note::LOST_UNKNOWN,
        };
        self.before = standing;
        (self.lost_in_kernel, self.held_back) = (0, false);
        let from = self.from.take()?;
        let back = tally.starts_found + tally.ends_found;
        // The clock may have been set back since.
        let to = now.max(std::mem::take(&mut self.last));
        Some(Note::gap(from, to, lost_in_kernel, Cause::Account).with_value(back))
    }
}

/// What the kernel lost while it held ends back: starts alone. Each lost start is missed by an end, or was found, or its end
/// was lost, too; and then in the queue. What was lost there is known by kind.
fn starts_lost_in_kernel(tally: Tally, queue: Standing) -> u64 {
    let wholly = queue.lost_ends.saturating_sub(tally.ends_found);
    (tally.without_start + tally.starts_found + wholly).saturating_sub(queue.lost_starts)
}

impl Standing {
    /// What was lost since an earlier one.
    const fn since(self, earlier: Self) -> Self {
        Self {
            answered: self.answered,
            lost_starts: self.lost_starts - earlier.lost_starts,
            lost_ends: self.lost_ends - earlier.lost_ends,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Standing = Standing { answered: 0, lost_starts: 0, lost_ends: 0 };

    fn gap(lost: u64, cause: Cause) -> Note {
        Note::gap(10, 20, lost, cause)
    }

    fn told(note: &Note) -> (u64, u64, Option<u64>, i64) {
        (note.from.get(), note.to.get(), note.lost(), note.value.get())
    }

    #[test]
    fn without_a_gap_there_is_nothing_to_tell() {
        let mut account = Account::default();
        assert!(account.settle(Tally { without_start: 3, ..Tally::default() }, QUIET, true, 50).is_none());
        account.gap(&gap(7, Cause::KernelOverrun));
        assert!(account.settle(Tally::default(), QUIET, true, 50).is_some());
        assert!(account.settle(Tally::default(), QUIET, true, 60).is_none());
    }

    #[test]
    fn what_the_kernel_counted_stays() {
        let mut account = Account::default();
        account.gap(&gap(7, Cause::KernelOverrun));
        account.gap(&Note::gap(5, 6, 2, Cause::KernelOverrun));
        let tally = Tally { without_start: 1, starts_found: 2, ends_found: 3, prior_ends: 0 };
        assert_eq!(told(&account.settle(tally, QUIET, true, 50).unwrap()), (5, 50, Some(9), 5));
    }

    #[test]
    fn what_the_kernel_held_back_is_counted_by_what_is_missing() {
        let held_back = gap(Note::LOST_UNKNOWN, Cause::KernelOverrun);
        let mut account = Account::default();
        account.gap(&held_back);
        let tally = Tally { without_start: 100, starts_found: 20, ..Tally::default() };
        assert_eq!(told(&account.settle(tally, QUIET, true, 50).unwrap()), (10, 50, Some(120), 20));

        // The queue, too, lost 30 starts and 10 ends. Of these ends, 4 were found: 6 flows are missing wholly.
        account.gap(&held_back);
        account.gap(&gap(40, Cause::QueueFull));
        let standing = Standing { answered: 9, lost_starts: 30, lost_ends: 10 };
        let tally = Tally { without_start: 100, starts_found: 20, ends_found: 4, prior_ends: 0 };
        let note = account.settle(tally, standing, true, 50).unwrap();
        assert_eq!(told(&note), (10, 50, Some(100 + 20 + 6 - 30), 24));
        // Only what is new since then counts.
        account.gap(&held_back);
        assert_eq!(account.settle(Tally::default(), standing, true, 50).unwrap().lost(), Some(0));
    }

    #[test]
    fn what_cannot_be_known_is_said_to_be_unknown() {
        let held_back = gap(Note::LOST_UNKNOWN, Cause::KernelOverrun);
        let mut account = Account::default();
        account.gap(&held_back);
        assert_eq!(account.settle(Tally::default(), QUIET, false, 50).unwrap().lost(), None);
        account.gap(&held_back);
        let tally = Tally { prior_ends: 1, ..Tally::default() };
        let standing = Standing { answered: 9, lost_starts: 0, lost_ends: 1 };
        assert_eq!(account.settle(tally, standing, true, 50).unwrap().lost(), None, "whose end was it");
        account.gap(&held_back);
        account.gap(&gap(1, Cause::KernelOverrun));
        assert_eq!(account.settle(Tally::default(), standing, true, 50).unwrap().lost(), None);
    }
}
