//! Waiting for a condition, never for a time.

use std::thread;
use std::time::{Duration, Instant};

/// Far longer than anything here takes on a loaded machine: reaching it means that the condition never comes.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer; panics, naming `what` was waited for, after a minute without.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "waited {} s in vain for {what}",
            LIMIT.as_secs()
        );
        thread::sleep(PAUSE);
    }
}

/// Asks until the answer is yes; panics as [`wait_for`] does.
pub fn wait_until(what: &str, mut ask: impl FnMut() -> bool) {
    wait_for(what, || ask().then_some(()));
}
