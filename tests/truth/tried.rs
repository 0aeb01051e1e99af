//! Tries cases, and makes the one that fails smaller.

use std::cell::Cell;
use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::PathBuf;
use std::sync::Once;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::case::{Case, cases};

/// Tests that run at the same time, each with its share of the cases.
const SHARES: u64 = 2;

/// How many cases there are unless `TRUTH_CASES` says another number.
const CASES: u64 = 1500;

/// How many smaller cases are tried of one that fails, unless `TRUTH_SHRINK` says another number.
const SMALLER: u32 = 150;

/// Chance out of a seed, for one case.
pub fn runner(seed: u64) -> TestRunner {
    let max_shrink_iters = env::var("TRUTH_SHRINK").map_or(SMALLER, |text| text.parse().unwrap());
    let config = Config { cases: 1, failure_persistence: None, max_shrink_iters, ..Config::default() };
    let bytes: Vec<_> = (0..4).flat_map(|_| seed.to_le_bytes()).collect();
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Tries the cases of this share: those whose seeds leave it over, from `TRUTH_FIRST` on. `TRUTH_SEED` is the one seed that is
/// tried instead.
pub fn every(share: u64, check: impl Fn(&Case)) {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("TRUTH_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("TRUTH_FIRST").unwrap_or(0);
            first..first + number("TRUTH_CASES").unwrap_or(CASES)
        }
    };
    let mut failures = Vec::new();
    for seed in seeds.filter(|seed| seed % SHARES == share) {
        let tried = runner(seed).run(&cases(), |case| quietly(|| check(&case)).map_err(TestCaseError::fail));
        if let Err(failure) = tried {
            // The rest takes its time.
            eprintln!("TRUTH_SEED={seed} fails");
            if let TestError::Fail(_, case) = &failure {
                KEEP.set(true);
                let _again = quietly(|| check(case));
            }
            failures.push(format!("TRUTH_SEED={seed} repeats this.\n{failure}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

thread_local! {
    /// Panics of this thread are not told: many a case is tried on the way to the smallest one.
    static QUIET: Cell<bool> = const { Cell::new(false) };

    /// The case that is tried is the smallest one that fails.
    static KEEP: Cell<bool> = const { Cell::new(false) };
}

/// Where the files of the case that is tried shall be left: in the directory `TRUTH_KEEP`, if it is the smallest one that
/// fails.
pub fn keep() -> Option<PathBuf> {
    let directory = PathBuf::from(env::var_os("TRUTH_KEEP").filter(|_| KEEP.get())?);
    fs::create_dir_all(&directory).unwrap();
    Some(directory)
}

/// What `check` says when it panics.
fn quietly(check: impl FnOnce()) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                loud(panic);
            }
        }));
    });
    QUIET.set(true);
    let done = catch_unwind(AssertUnwindSafe(check));
    QUIET.set(false);
    done.map_err(|panic| said(&*panic))
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
