//! What is in the directory already.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use ctrecorder_format::{Closing, Digest, MadeFrom};

use super::line::{Input, Line, Place};
use crate::journal::{Journal, Source, Version};

/// An output that is there.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    pub(super) made_from: MadeFrom,
}

/// The output of an input, if it is there.
///
/// # Errors
/// If something else has its name, or it is not whole.
pub(super) fn of(input: &Input) -> anyhow::Result<Option<Made>> {
    match input.output.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    let source = Source::open(&input.output)?;
    let Version::Three(segment) = source.parse()? else { bail!(OTHER) };
    let header = segment.header().map_err(|damage| anyhow!("it exists already, and is damaged: {damage}"))?;
    let footer = segment.footer().context("it exists already, and is not whole: remove it")?;
    let is_complete = header.closing_keyframe && footer.totals.closing == Closing::Complete;
    if !is_complete || !input.plan.is_of_kind(header) {
        bail!(OTHER);
    }
    if !segment.made_from().eq([&input.made_from]) {
        bail!("it exists already, and was made from another input, or when that was another one: remove it");
    }
    Ok(Some(Made { path: input.output.clone(), digest: footer.digest, made_from: input.made_from }))
}

const OTHER: &str = "it exists already, and is not what this input becomes: nothing is overwritten";

/// The last output of a line that is there without its input, and before the first one.
pub(super) fn before(line: &Line, directory: &Path) -> anyhow::Result<Option<Made>> {
    let Some(first) = line.inputs.first() else { return Ok(None) };
    let mut last: Option<(Place, Made)> = None;
    // What cannot be read is none of them.
    for file in Journal::find(&[directory.to_path_buf()], |_| ()).files() {
        let Ok(source) = file.open() else { continue };
        let Ok(Version::Three(segment)) = source.parse() else { continue };
        let (Ok(header), Some(footer)) = (segment.header(), segment.footer()) else { continue };
        let (place, Some(made_from)) = (Place::of(header), segment.made_from().last().copied()) else { continue };
        let is_one = header.closing_keyframe && line.has(header) && place.is_before(&first.place);
        if is_one && last.as_ref().is_none_or(|(last, _)| last.is_before(&place)) {
            last = Some((place, Made { path: file.path().to_path_buf(), digest: footer.digest, made_from }));
        }
    }
    Ok(last.map(|(_, made)| made))
}
