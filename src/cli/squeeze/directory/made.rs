//! What is in the directory already.

use std::collections::{HashMap, HashSet};
use std::io;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use anyhow::{Context, anyhow, bail};
use ctrecorder_format::{Closing, Digest, MadeFrom};

use super::line::{Input, Line, Place};
use crate::journal::{Journal, Shown, Source, Version};

/// An output that is there.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    /// The output that it goes on with.
    pub(super) previous: Option<Digest>,
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
    let (path, previous) = (input.output.clone(), header.previous);
    Ok(Some(Made { path, digest: footer.digest, previous, made_from: input.made_from }))
}

const OTHER: &str = "it exists already, and is not what this input becomes: nothing is overwritten";

/// The outputs of a line that are there when a run begins.
pub(super) struct There {
    /// Those whose inputs are not, in their order, as far as they are still to come.
    alone: Peekable<IntoIter<(Place, Made)>>,
    /// The output that each of all goes on with, by which a second one would go on with that.
    previous: HashMap<Option<Digest>, PathBuf>,
}

impl There {
    /// Looks into the directory.
    pub(super) fn of(line: &Line, directory: &Path) -> Self {
        let (mut own, mut of_others) = (Vec::new(), HashSet::new());
        // What cannot be read is none of them.
        for file in Journal::find(&[directory.to_path_buf()], |_| ()).files() {
            let Ok(source) = file.open() else { continue };
            let Ok(Version::Three(segment)) = source.parse() else { continue };
            let (Ok(header), Some(footer)) = (segment.header(), segment.footer()) else { continue };
            let Some(made_from) = segment.made_from().last().copied() else { continue };
            if header.closing_keyframe && line.has(header) {
                let (path, previous) = (file.path().to_path_buf(), header.previous);
                own.push((Place::of(header), Made { path, digest: footer.digest, previous, made_from }));
            } else {
                of_others.extend(header.previous);
            }
        }
        // One that does not tell its machine may be of any line: it is of the one that goes on with it.
        own.retain(|(_, made)| !of_others.contains(&made.digest));
        let previous = own.iter().map(|(_, made)| (made.previous, made.path.clone())).collect();
        let inputs: HashSet<_> = line.inputs.iter().map(|input| input.output.file_name()).collect();
        own.retain(|(_, made)| !inputs.contains(&made.path.file_name()));
        Self { alone: own.into_iter().peekable(), previous }
    }

    /// The last output behind the one before this input, and before this input.
    pub(super) fn before(&mut self, input: &Input) -> Option<Made> {
        let mut last = None;
        while let Some((_, made)) = self.alone.next_if(|(place, _)| place.is_before(&input.place)) {
            last = Some(made);
        }
        last
    }

    /// Refuses to make an output that goes on with this one, if another one does.
    pub(super) fn check_first(&self, before: Option<&Made>) -> anyhow::Result<()> {
        match self.previous.get(&before.map(|before| before.digest)) {
            Some(other) => Err(late(other)),
            None => Ok(()),
        }
    }
}

impl Made {
    /// Refuses an output that does not go on with the one before it.
    pub(super) fn check_follows(&self, before: Option<&Self>) -> anyhow::Result<()> {
        if self.previous == before.map(|before| before.digest) { Ok(()) } else { Err(late(&self.path)) }
    }
}

/// An output was made when an input before its own was not there.
fn late(output: &Path) -> anyhow::Error {
    let output = Shown(output);
    anyhow!(
        "{output} was made without what comes before it now: remove that one and all behind it if their inputs are still \
         there, and they are made again; else squeeze this input into a directory of its own"
    )
}
