//! Nonsense that others' code ends on with a panic: caught, and not shown to anybody.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether this thread is where a panic is expected.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does something that may panic. `None` if it did; nothing is printed of that, as of no other thread's panic anything else
/// than before.
pub(super) fn quietly<T>(something: impl FnOnce() -> T) -> Option<T> {
    // There is one hook for all threads: it is put there once, and asks each of them.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_QUIET.try_with(Cell::get).unwrap_or(false) {
                before(panic);
            }
        }));
    });
    let before = IS_QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(something));
    IS_QUIET.set(before);
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_and_what_comes_behind_it_is_loud_again() {
        assert_eq!(quietly(|| 5), Some(5));
        assert_eq!(quietly(|| quietly(|| panic!("nonsense")).is_none() && IS_QUIET.get()), Some(true));
        assert!(!IS_QUIET.get());
    }
}
