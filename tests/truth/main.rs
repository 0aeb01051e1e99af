//! What the program answers about made-up journals is what was true.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod ask;
mod case;
mod coverage;
mod kept;
mod list;
mod pairs;
#[path = "../program/program.rs"]
mod program;
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
    let also = case.questions % 4 == 0;
    list::check(&world, &kept, &asks, also);
    pairs::check(&world, &kept, &asks[..asks.len().min(1)], also);
    coverage::check(&world, &kept, also);
    who::check(&world, &kept, case.questions, also);
}

#[test]
fn every_answer_is_true() {
    tried::every(0, check);
}

#[test]
fn every_further_answer_is_true() {
    tried::every(1, check);
}
