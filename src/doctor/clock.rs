//! Whether the clock is synchronised: times of flows are told to others, who have clocks of their own.

use super::finding::Finding;
use crate::capture::clock::{self, Kept};

/// The clock.
pub(super) fn examine() -> Finding {
    let name = "clock";
    match clock::kept() {
        Err(error) => Finding::warning(name, format!("whether it is synchronised cannot be told: {}", error.desc())),
        Ok(clock) => judge(clock),
    }
}

fn judge(clock: Kept) -> Finding {
    let name = "clock";
    if !clock.synchronised {
        let found = "not synchronised: nobody can tell how far the times of flows are from those of others";
        return Finding::warning(name, found).mended_by("timedatectl set-ntp true");
    }
    let milliseconds = clock.max_error_us / 1000;
    Finding::ok(name, format!("synchronised, within {milliseconds} ms")).value("max_error_us", clock.max_error_us)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_that_nobody_keeps_is_a_warning() {
        let kept = judge(Kept { synchronised: true, max_error_us: 25_499 });
        assert_eq!((kept.verdict, kept.found.as_str()), (Verdict::Ok, "synchronised, within 25 ms"));
        let alone = judge(Kept { synchronised: false, max_error_us: 16_000_000 });
        assert_eq!((alone.verdict, alone.mend.as_deref()), (Verdict::Warning, Some("timedatectl set-ntp true")));
    }

    #[test]
    fn the_kernel_tells_whom_it_lets() {
        assert!(clock::kept().is_ok_and(|clock| clock.max_error_us >= 0));
    }
}
