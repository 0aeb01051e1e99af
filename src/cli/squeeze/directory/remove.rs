//! Inputs that are not needed any more.

use std::fs;
use std::path::Path;

use anyhow::{anyhow, bail};

use super::line::Input;
use super::made;
use crate::cli::Report;
use crate::file::{directory_of, sync_directory};
use crate::hold;
use crate::journal::{Condition, Examiner, Finding, Shown, Source};

/// Removes those of the inputs of a line whose outputs hold all that is in them, and says of the others why not; the outputs are
/// on the medium. The last one stays: between it and the one that comes next something may be missing. How many were removed.
pub(super) fn inputs<'i>(inputs: impl ExactSizeIterator<Item = &'i Input>, report: &mut Report) -> usize {
    let all_but_last = inputs.len().saturating_sub(1);
    let mut removed = 0;
    for input in inputs.take(all_but_last) {
        match try_remove(input) {
            Ok(()) => removed += 1,
            Err(error) => report.failure(format_args!("{}: not removed: {error:#}", Shown(&input.path))),
        }
    }
    removed
}

fn try_remove(input: &Input) -> anyhow::Result<()> {
    hold::look_above(&input.path)?;
    if made::of(input)?.is_none() {
        bail!("its output is gone");
    }
    examine(&input.output, false).map_err(|why| anyhow!("its output is not whole: {why:#}"))?;
    examine(&input.path, true)?;
    // That may have taken long.
    hold::look_above(&input.path)?;
    fs::remove_file(&input.path)?;
    sync_directory(directory_of(&input.path))?;
    Ok(())
}

/// Reads a file to its end. What is wrong with it is the error; that an input has no footer, as after a crash, is not.
fn examine(path: &Path, may_lack_footer: bool) -> anyhow::Result<()> {
    let source = Source::open(path)?;
    let mut first = None;
    let mut found = |finding: Finding| {
        if !(may_lack_footer && matches!(finding, Finding::NoFooter { .. })) {
            first.get_or_insert(finding);
        }
    };
    let examined = Examiner::default().examine(&source, &mut found, &mut |_| ())?;
    if let Some(finding) = first {
        bail!("{finding}");
    }
    if examined.condition == Condition::BeingWritten {
        bail!("it is being written");
    }
    Ok(())
}
