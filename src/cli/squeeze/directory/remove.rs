//! Inputs that are not needed any more.

use std::fs;

use anyhow::{Context, anyhow, bail};
use ctrecorder_format::MadeFrom;

use super::line::Input;
use super::made;
use crate::cli::Report;
use crate::cli::flows::Plan;
use crate::file::{directory_of, sync_directory};
use crate::hold;
use crate::journal::{Condition, Examiner, Finding, Read, Shown, Source};

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
    // What it points to would stay, and may be held by what is beside that.
    if input.path.symlink_metadata()?.is_symlink() {
        bail!("it is a symbolic link: what it points to is removed by its own path only");
    }
    let made = made::of(input)?.context("its output is gone")?;
    examine(&Source::open(&input.output)?, false).map_err(|why| anyhow!("its output is not whole: {why:#}"))?;
    // The path may be another file's by now, and again when this one was read.
    let source = Source::open(&input.path)?;
    let read = Read::of(&source, &source.parse()?);
    examine(&source, true)?;
    if made_from(&source)? != Some(input.made_from) {
        bail!("it has changed since it was squeezed");
    }
    if made.made_from.content().is_some_and(|content| read.content() != Some(content)) {
        bail!("its output was made from another file of its length and begin");
    }
    hold::look_above(&input.path)?;
    if !read.is_in_place(&source) {
        bail!("it was replaced or written to while it was examined");
    }
    fs::remove_file(&input.path)?;
    sync_directory(directory_of(&input.path))?;
    Ok(())
}

/// What an output of a file would tell of it.
fn made_from(source: &Source) -> anyhow::Result<Option<MadeFrom>> {
    let plan = Plan::for_file(&source.parse()?, source.length());
    Ok(plan.made_from().first().copied())
}

/// Reads a file to its end. What is wrong with it is the error; that an input has no footer, as after a crash, is not.
fn examine(source: &Source, may_lack_footer: bool) -> anyhow::Result<()> {
    let mut first = None;
    let mut found = |finding: Finding| {
        if !(may_lack_footer && matches!(finding, Finding::NoFooter { .. })) {
            first.get_or_insert(finding);
        }
    };
    let examined = Examiner::default().examine(source, &mut found, &mut |_| ())?;
    if let Some(finding) = first {
        bail!("{finding}");
    }
    if examined.condition == Condition::BeingWritten {
        bail!("it is being written");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::path::Path;

    use ctrecorder_format::legacy::{File, Piece};

    use super::super::line::Lines;
    use super::super::{How, squeeze};
    use super::*;
    use crate::cli::flows::Choice;
    use crate::journal::Journal;
    use crate::query::Filter;
    use crate::sample::data;

    /// Less of a file of the C program, which is whole as well.
    fn shorter(whole: &[u8]) -> &[u8] {
        let has_damage =
            |bytes: &[u8]| File::open(bytes).unwrap().pieces().any(|piece| matches!(piece, Piece::Damage(_)));
        let mut shorter = (1..whole.len()).map(|cut| &whole[..whole.len() - cut]);
        shorter.find(|bytes| !has_damage(bytes)).unwrap()
    }

    /// Files of the C program are not locked while they are written.
    #[test]
    fn an_input_that_grows_while_others_are_squeezed_stays() {
        let place = tempfile::tempdir().unwrap();
        let [inputs, outputs] = ["in", "out"].map(|name| place.path().join(name));
        fs::create_dir(&inputs).unwrap();
        let [first, last] = ["1.ct", "2.ct"].map(|name| inputs.join(name));
        let whole = data("tcp.ct");
        let less = shorter(&whole);
        fs::write(&first, less).unwrap();
        fs::write(&last, shorter(less)).unwrap();
        let find = |path: &Path| Journal::find(&[path.to_path_buf()], |error| panic!("{error}"));
        let choice = Choice::of_flows(Filter::default());
        let how = How { choice, legacy: false, threads: NonZeroUsize::MIN, memory: 0 };
        let mut report = Report::new(0, false);
        squeeze(find(&inputs), &outputs, &how, false, &mut report).unwrap();
        let Lines { lines, .. } = Lines::of(find(&inputs), &outputs, &how.choice, &mut report);
        assert_eq!(lines.iter().map(|line| line.inputs.len()).collect::<Vec<_>>(), [2]);
        fs::write(&first, &whole).unwrap();
        assert_eq!(super::inputs(lines[0].inputs.iter(), &mut report), 0);
        assert!(first.exists());
        fs::write(&first, less).unwrap();
        assert_eq!(super::inputs(lines[0].inputs.iter(), &mut report), 1);
        assert!(!first.exists() && last.exists());
    }
}
