//! What gaps came to, as the accounts behind them say. docs/format.md, section "Notes", "The account".

use ctrecorder_format::{Cause, Note};

use super::{Gap, GapCause};

const OVERRUN: GapCause = GapCause::Noted(Cause::KernelOverrun as u16);

/// A gap on the way to its account.
struct Open {
    gap: Gap,
    /// An account told of it.
    settled: bool,
    /// There was no gap after all.
    void: bool,
}

/// The gaps that the notes of one run tell of, in their order, corrected by the accounts among them.
pub(super) fn settled<'n>(notes: impl IntoIterator<Item = &'n Note>) -> Vec<Gap> {
    let mut gaps: Vec<Open> = Vec::new();
    for note in notes {
        if note.is_gap() {
            let (from, to) = (note.from.get(), note.to.get().max(note.from.get()));
            let gap = Gap { from, to, cause: GapCause::of(note), lost: note.lost() };
            gaps.push(Open { gap, settled: false, void: false });
        } else if note.cause() == Some(Cause::Account) {
            settle(&mut gaps, note);
        }
    }
    gaps.into_iter().filter(|open| !open.void).map(|open| open.gap).collect()
}

/// Corrects the gaps that begin in the account's span.
fn settle(gaps: &mut [Open], account: &Note) {
    let span = account.from.get()..=account.to.get();
    let mut told: Vec<_> = gaps.iter_mut().filter(|open| !open.settled && span.contains(&open.gap.from)).collect();
    let mut back = u64::try_from(account.value.get()).unwrap_or(0);
    let overruns = told.iter().filter(|open| open.gap.cause == OVERRUN);
    let sum = overruns.map(|open| open.gap.lost).try_fold(0, |sum: u64, lost| sum.checked_add(lost?));
    let nothing = account.lost() == Some(0) && back == 0;
    // Where each overrun knows what it lost, and nothing was found, that stays.
    if back > 0 || sum.is_none() || sum != account.lost() || nothing {
        join(&mut told);
        if let Some(overrun) = told.iter_mut().find(|open| open.gap.cause == OVERRUN) {
            overrun.gap.lost = account.lost();
            overrun.void |= nothing;
        }
    }
    for open in told {
        open.settled = true;
        if let Some(lost) = open.gap.lost.as_mut().filter(|_| !open.void) {
            let found = back.min(*lost);
            *lost -= found;
            back -= found;
        }
    }
}

/// Makes gaps of the same cause one: in which of them what was lost, or what was found again, nobody knows.
fn join(gaps: &mut [&mut Open]) {
    let mut firsts: Vec<&mut Open> = Vec::new();
    for open in gaps {
        match firsts.iter_mut().find(|first| first.gap.cause == open.gap.cause) {
            Some(first) => {
                first.gap.from = first.gap.from.min(open.gap.from);
                first.gap.to = first.gap.to.max(open.gap.to);
                first.gap.lost = first.gap.lost.zip(open.gap.lost).map(|(lost, more)| lost.saturating_add(more));
                open.void = true;
            }
            None => firsts.push(open),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(from: u64, lost: u64, cause: Cause) -> Note {
        Note::gap(from, from + 5, lost, cause)
    }

    fn account(from: u64, to: u64, lost: u64, back: u64) -> Note {
        Note::gap(from, to, lost, Cause::Account).with_value(back)
    }

    /// Begin and loss of each gap that is left.
    fn left(notes: &[Note]) -> Vec<(u64, Option<u64>)> {
        settled(notes).iter().map(|gap| (gap.from, gap.lost)).collect()
    }

    const UNKNOWN: u64 = Note::LOST_UNKNOWN;

    #[test]
    fn an_account_replaces_what_the_overruns_say() {
        let notes = [
            gap(10, UNKNOWN, Cause::KernelOverrun),
            gap(20, 7, Cause::KernelOverrun),
            gap(25, 4, Cause::QueueFull),
            account(10, 30, 100, 0),
        ];
        assert_eq!(left(&notes), [(10, Some(100)), (25, Some(4))]);
        assert_eq!(settled(&notes)[0].to, 25, "nobody knows in which of the two");
        assert_eq!(left(&notes[..3]), [(10, None), (20, Some(7)), (25, Some(4))]);
    }

    #[test]
    fn what_each_overrun_knows_stays() {
        let notes = [gap(10, 3, Cause::KernelOverrun), gap(20, 7, Cause::KernelOverrun), account(10, 30, 10, 0)];
        assert_eq!(left(&notes), [(10, Some(3)), (20, Some(7))]);
    }

    #[test]
    fn events_that_are_back_are_not_missing() {
        let notes = [gap(10, 1, Cause::KernelOverrun), gap(20, 30, Cause::QueueFull), gap(25, 9, Cause::DiskFull)];
        let with = |lost, back| left(&[&notes[..], &[account(10, 30, lost, back)]].concat());
        assert_eq!(with(10, 25), [(10, Some(0)), (20, Some(15)), (25, Some(9))]);
        assert_eq!(with(10, 1000), [(10, Some(0)), (20, Some(0)), (25, Some(0))]);
        // The overrun's loss is not known, and stays so.
        assert_eq!(with(UNKNOWN, 31), [(10, None), (20, Some(0)), (25, Some(8))]);
    }

    #[test]
    fn an_overrun_that_lost_nothing_is_no_gap() {
        let notes = [gap(10, 5, Cause::KernelOverrun), gap(20, 5, Cause::KernelOverrun), gap(22, 0, Cause::Malformed)];
        let with = |account| left(&[&notes[..], &[account]].concat());
        assert_eq!(with(account(10, 22, 0, 0)), [(22, Some(0))]);
        assert_eq!(with(account(10, 19, 0, 0)), [(20, Some(5)), (22, Some(0))]);
        // By its own word, too.
        assert_eq!(left(&[gap(10, 0, Cause::KernelOverrun), account(10, 15, 0, 0)]), []);
        // Something was found: times are not exact there.
        assert_eq!(with(account(10, 22, 0, 1)), [(10, Some(0)), (22, Some(0))]);
    }

    #[test]
    fn a_gap_has_one_account_and_it_stands_behind_it() {
        let notes = [
            account(0, 100, 50, 0),
            gap(10, 5, Cause::KernelOverrun),
            account(0, 100, 60, 0),
            gap(20, 6, Cause::KernelOverrun),
            account(0, 100, 70, 0),
        ];
        assert_eq!(left(&notes), [(10, Some(60)), (20, Some(70))]);
    }

    #[test]
    fn nonsense_is_borne() {
        let mut negative = account(0, 100, 3, 0);
        negative.value = (-5).into();
        let mut backward = account(50, 50, 9, 9);
        backward.to = 0.into();
        assert_eq!(left(&[gap(10, 5, Cause::KernelOverrun), negative, backward]), [(10, Some(3))]);
    }
}
