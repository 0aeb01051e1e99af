//! Gaps in words: one wording for all commands.

use super::time::Times;
use crate::counted::counted;
use crate::query::coverage::GapCause;

/// `gap from TIME to TIME: CAUSE, 5 events lost`. Times are ns since the epoch.
pub fn text(times: &mut Times, from: u64, to: u64, cause: &str, lost: Option<u64>) -> String {
    let (from, to) = (times.text(from), times.text(to));
    format!("gap from {from} to {to}: {cause}, {}", self::lost(lost))
}

/// What a gap lost, behind its cause. Whether anything happened where there is no file, or nothing is written yet, nobody can say.
pub fn losing(cause: GapCause, count: Option<u64>) -> String {
    match cause {
        GapCause::NoFile | GapCause::NotYetWritten => String::new(),
        _ => format!(", {}", lost(count)),
    }
}

/// `the gaps from TIME to TIME in sum: 5 events lost in the kernel, 3 of all that was lost found again`: what an account says
/// (docs/format.md, "The account").
pub fn account(times: &mut Times, from: u64, to: u64, in_kernel: Option<u64>, back: u64) -> String {
    let (from, to) = (times.text(from), times.text(to));
    format!(
        "the gaps from {from} to {to} in sum: {} in the kernel, {back} of all that was lost found again",
        lost(in_kernel)
    )
}

/// How many events were lost, where that is known.
pub fn lost(count: Option<u64>) -> String {
    match count {
        Some(count) => format!("{} lost", counted(count, "event")),
        None => "number of events lost not known".to_owned(),
    }
}
