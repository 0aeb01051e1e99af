//! Whether the clock is synchronised: times of flows are told to others, who have clocks of their own.

use nix::errno::Errno;
use nix::libc;

use super::finding::Finding;

/// What the kernel knows of its clock: adjtimex(2).
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Whether a time daemon keeps it.
    synchronised: bool,
    /// By how much it may be wrong at most, in microseconds.
    max_error_us: i64,
}

/// The clock.
pub(super) fn examine() -> Finding {
    let name = "clock";
    match read() {
        Err(error) => Finding::warning(name, format!("whether it is synchronised cannot be told: {}", error.desc())),
        Ok(clock) => judge(clock),
    }
}

fn judge(clock: Clock) -> Finding {
    let name = "clock";
    if !clock.synchronised {
        let found = "not synchronised: nobody can tell how far the times of flows are from those of others";
        return Finding::warning(name, found).mended_by("timedatectl set-ntp true");
    }
    let milliseconds = clock.max_error_us / 1000;
    Finding::ok(name, format!("synchronised, within {milliseconds} ms")).value("max_error_us", clock.max_error_us)
}

/// Reads the clock's state and sets nothing.
fn read() -> nix::Result<Clock> {
    // SAFETY: `timex` holds integers alone, for which zeros are values.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel reads and writes one `timex`, which lives until then. Its `modes` are 0: nothing is to be set.
    let result = Errno::result(unsafe { libc::adjtimex(&mut state) })?;
    let synchronised = result != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0;
    #[allow(clippy::useless_conversion, reason = "of 32 bits on some targets")]
    Ok(Clock { synchronised, max_error_us: state.maxerror.into() })
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_that_nobody_keeps_is_a_warning() {
        let kept = judge(Clock { synchronised: true, max_error_us: 25_499 });
        assert_eq!((kept.verdict, kept.found.as_str()), (Verdict::Ok, "synchronised, within 25 ms"));
        let alone = judge(Clock { synchronised: false, max_error_us: 16_000_000 });
        assert_eq!((alone.verdict, alone.mend.as_deref()), (Verdict::Warning, Some("timedatectl set-ntp true")));
    }

    #[test]
    fn the_kernel_tells_whom_it_lets() {
        assert!(read().is_ok_and(|clock| clock.max_error_us >= 0));
    }
}
