//! What the program answers about journals is what was true.
//!
//! Each case is a journal made by chance: flows with few ports and many collisions, a recorder that is overrun, stopped, killed, its
//! clock set; its files rotated, kept as version 2, removed, damaged. What it should hold follows flow by flow from what happened
//! ([`rows`], [`world`]), without the program's code. Held against that are:
//!
//! - `list`: exactly the events that were heard and are left, in order, that the filter asks for ([`list`], [`ask`]).
//! - `list --squeezed`: exactly the flows that these make. Squeezing and exporting change no answer ([`pairs`]).
//! - `coverage`: exactly where the recorder heard, each gap with its cause and what it lost. The order of files changes
//!   nothing ([`coverage`]).
//! - `test`: a file is missed exactly where one is gone between others ([`coverage`]).
//! - `who` ([`who`]):
//!   1. A flow that was truly alive in the window, and of which any record is left, is named.
//!   2. One that left no record: something is said to be missing, so that the verdict is not NONE.
//!   3. Each flow named is a true one with that endpoint, whose life meets the window as far as the records tell.
//!   4. Where its flows were heard from start to end, the answer is exact: flows, times, verdict.
//!   5. Something is said to be missing only where the window touches a gap or lies outside.
//!   6. Squeezing and exporting change no verdict and no inside address, and 1 to 3 hold of what comes of it, too.
//!   7. The order of paths, one that is given twice, and what was squeezed beside its sources change nothing.
//! - All of them: how often the recorder began another file changes nothing ([`rotated`]).
//!
//! Not held, because files cannot tell it (docs/who.md, docs/squeeze.md):
//!
//! - Where a clock was set back: of what is covered, more than that the clock showed it; the pairs, 4 and 5. If the file that told of it,
//!   or of the order of later runs, is not there, or is of version 2, a flow may be left out, too, and what is squeezed may differ.
//! - Where a clock was set back and files are missing: 3.
//! - Where a clock was set back: flows that were alive only before the first file that is left, or behind the last one. And where it was set
//!   forward and no file that is left tells of it, that a flow was surely alive.
//! - What a clock showed after it was set, if it was set again, or the recorder killed, before that was noticed; and between two files that
//!   are left, if it was set more than once there.
//! - Where a clock was set back by days, and files are missing, damaged or of version 2: anything but what is covered; nor an archive that
//!   grew meanwhile.
//! - Overruns of which the file was removed, or is of version 2, that would have told of them; nor that a flow began there which a
//!   later run found.
//! - In the time of files of version 2, flows of which no record is left; and which end is of which start.
//! - Of damage, 4 and 5.
//!
//! `TRUTH_CASES` says how many journals are tried, `TRUTH_FIRST` from which seed on; `TRUTH_SEED` tries that one alone, as a
//! failure says, and with `TRUTH_KEEP` its files are left in that directory. `TRUTH_SHRINK=0` leaves each case that fails as it is.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod ask;
mod case;
mod coverage;
mod found;
mod kept;
mod list;
mod pairs;
#[path = "../program/program.rs"]
mod program;
mod rotated;
mod rows;
mod tried;
mod who;
mod world;

use case::Case;
use kept::Kept;
use world::World;

/// Holds all answers about one journal against what was true.
fn check(case: &Case) {
    let world = World::of(case);
    let kept = Kept::of(case, &world);
    let says: Vec<_> = kept.rows.iter().map(|row| row.says.clone()).collect();
    let asks = ask::asks(&mut tried::runner(case.questions), &says, 2);
    // What costs more runs of the program is asked of a quarter of the journals.
    let also = case.questions.is_multiple_of(4);
    coverage::check(&world, &kept, also);
    // What the clock shows does not tell then in which order files were written, which are not all there.
    if world.is_set_far_back() && !kept.is_whole(&world) {
        return;
    }
    list::check(&world, &kept, &asks, also);
    pairs::check(&world, &kept, &asks[..asks.len().min(1)], also);
    who::check(&world, &kept, case.questions, also);
    let is_heard = |trouble: &case::Trouble| {
        use case::{By, Kind};
        matches!(trouble.kind, Kind::Stop | Kind::Step(By::Ms(0..) | By::Part(0..)))
    };
    // A rotation reads the table and writes what has waited: an overrun and a crash then leave something else.
    if also && case.troubles.iter().all(is_heard) {
        rotated::check(case);
    }
}

#[test]
fn every_answer_is_true() {
    tried::every(0, check);
}

#[test]
fn every_further_answer_is_true() {
    tried::every(1, check);
}
