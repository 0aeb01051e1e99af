//! What is in the directory already.

use std::collections::{HashMap, HashSet};
use std::io;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use anyhow::{Context, anyhow, bail};
use ctrecorder_format::{Closing, Digest, Header, MadeFrom, header};

use super::line::{Input, Line, Place};
use crate::cli::Report;
use crate::journal::{Error, Journal, Member, Reason, Shown, Source, Version};

/// An output that is there.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    /// The output that it goes on with.
    pub(super) previous: Option<Digest>,
    pub(super) made_from: MadeFrom,
    pub(super) place: Place,
    /// Whether its input is among those that are squeezed.
    pub(super) has_input: bool,
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
    // Whoever opened a pipe would wait for somebody at its other end.
    if !input.output.is_file() {
        bail!(OTHER);
    }
    let source = Source::open(&input.output)?;
    let Version::Three(segment) = source.parse()? else { bail!(OTHER) };
    let header = segment.header().map_err(|damage| anyhow!("it exists already, and is damaged: {damage}"))?;
    let footer = segment.footer().context("it exists already, and is not whole: remove it")?;
    let is_complete = header.closing_keyframe && footer.totals.closing == Closing::Complete;
    if !is_complete || !input.plan.is_of_kind(header) {
        bail!(OTHER);
    }
    let sources: Vec<_> = segment.made_from().take(2).copied().collect();
    let [made_from] = sources[..] else { bail!(OTHER) };
    if made_from.without_content() != input.made_from {
        bail!("it exists already, and was made from another input, or when that was another one: remove it");
    }
    let (path, previous, place) = (input.output.clone(), header.previous, input.place.clone());
    Ok(Some(Made { path, digest: footer.digest, previous, made_from, place, has_input: true }))
}

const OTHER: &str = "it exists already, and is not what this input becomes: nothing is overwritten";

/// The outputs that are in the directory, of whatever line.
#[derive(Default)]
pub(super) struct Outputs {
    known: Vec<(Header, Made)>,
    unreadable: Vec<Unreadable>,
}

/// An output that does not tell what it is, or may be one.
#[derive(Debug)]
struct Unreadable {
    path: PathBuf,
    why: String,
    header: Option<Header>,
    digest: Option<Digest>,
}

impl Outputs {
    /// Looks into the directory.
    pub(super) fn of(directory: &Path) -> Self {
        let mut outputs = Self::default();
        let failed = |error: Error| match error.reason {
            Reason::Io(_) | Reason::Refused(_) => {
                let (path, why) = (error.path, error.reason.to_string());
                outputs.unreadable.push(Unreadable { path, why, header: None, digest: None });
            }
            // It is empty, or holds what no output is.
            _ => {}
        };
        for file in Journal::find(&[directory.to_path_buf()], failed).files() {
            match look(file) {
                Some(Ok(known)) => outputs.known.push(known),
                Some(Err(unreadable)) => outputs.unreadable.push(unreadable),
                None => {}
            }
        }
        outputs
    }

    /// An output of an input with this header was made.
    pub(super) fn add(&mut self, header: &Header, made: &Made) {
        self.known.push((header.clone(), made.clone()));
    }

    /// Tells of outputs that cannot be read, but for those in the way of inputs, which are told there.
    pub(super) fn tell_unreadable(&self, lines: &[Line], report: &mut Report) {
        let inputs: HashSet<_> = lines.iter().flat_map(|line| &line.inputs).map(|input| &input.output).collect();
        for Unreadable { path, why, .. } in self.unreadable.iter().filter(|file| !inputs.contains(&file.path)) {
            report.failure(format_args!("{}: an output that cannot be read: {why}", Shown(path)));
        }
    }

    /// Whether an output goes on with the one of this digest.
    fn goes_on_with(&self, digest: Digest) -> bool {
        self.known.iter().any(|(_, made)| made.previous == Some(digest))
    }
}

/// A file as an output, if it is one.
fn look(file: &Member) -> Option<Result<(Header, Made), Unreadable>> {
    let unreadable = |why: String, header: Option<&Header>, digest| {
        let (path, header) = (file.path().to_path_buf(), header.cloned());
        Some(Err(Unreadable { path, why, header, digest }))
    };
    let source = match file.open() {
        Ok(source) => source,
        Err(error) => return unreadable(error.reason.to_string(), None, None),
    };
    let version = source.parse().ok()?;
    let Version::Three(segment) = &version else { return None };
    let digest = segment.footer().map(|footer| footer.digest);
    match (segment.header(), digest, segment.made_from().last()) {
        (Err(damage), ..) => unreadable(damage.to_string(), None, digest),
        (Ok(header), ..) if !header.closing_keyframe => None,
        (Ok(header), Some(digest), Some(made_from)) => {
            let (path, previous) = (file.path().to_path_buf(), header.previous);
            let place = Place::of(header, &version);
            let made = Made { path, digest, previous, made_from: *made_from, place, has_input: false };
            Some(Ok((header.clone(), made)))
        }
        (Ok(header), None, _) => unreadable("it is not whole: it has no footer".into(), Some(header), None),
        (Ok(header), ..) => unreadable("it does not tell what it was made from".into(), Some(header), digest),
    }
}

/// The outputs of a line that are there when a run begins.
pub(super) struct There {
    /// Those whose inputs are not, in their order, as far as they are still to come.
    alone: Peekable<IntoIter<Made>>,
    /// The outputs that go on with each of all, by which a further one would go on with that.
    following: HashMap<Option<Digest>, Vec<PathBuf>>,
    digests: HashSet<Digest>,
    /// What may be the last output of the line, and cannot be read.
    unreadable: Option<(PathBuf, String)>,
}

impl There {
    /// Those of a line.
    pub(super) fn of(line: &Line, outputs: &Outputs) -> Self {
        let (own, others): (Vec<_>, Vec<_>) = outputs.known.iter().partition(|(header, _)| line.has(header));
        let of_others: HashSet<_> = others.iter().filter_map(|(_, made)| made.previous).collect();
        let inputs: HashSet<_> = line.inputs.iter().map(|input| &input.output).collect();
        let mut there = Self {
            alone: Vec::new().into_iter().peekable(),
            following: HashMap::new(),
            digests: HashSet::new(),
            unreadable: None,
        };
        let mut alone = Vec::new();
        // One that does not tell its machine may be of any line: it is of the one that goes on with it.
        for (_, made) in own.into_iter().filter(|(_, made)| !of_others.contains(&made.digest)) {
            there.following.entry(made.previous).or_default().push(made.path.clone());
            there.digests.insert(made.digest);
            if !inputs.contains(&made.path) {
                alone.push(made.clone());
            }
        }
        there.alone = alone.into_iter().peekable();
        let may_be_last = |file: &&Unreadable| {
            file.header.as_ref().is_none_or(|header| line.has(header))
                && !file.digest.is_some_and(|digest| outputs.goes_on_with(digest))
                && !inputs.contains(&file.path)
        };
        let unreadable = outputs.unreadable.iter().find(may_be_last);
        there.unreadable = unreadable.map(|file| (file.path.clone(), file.why.clone()));
        there
    }

    /// The last output behind the one before this input, and before this input.
    pub(super) fn before(&mut self, input: &Input) -> Option<Made> {
        let mut last = None;
        while let Some(made) = self.alone.next_if(|made| made.place.is_before(&input.place)) {
            last = Some(made);
        }
        last
    }

    /// Refuses to make an output that goes on with this one, if another one does, or if it may have to go on with one that cannot
    /// be read.
    pub(super) fn check_first(&self, before: Option<&Made>) -> anyhow::Result<()> {
        if let Some((path, why)) = &self.unreadable {
            let path = Shown(path);
            bail!(
                "{path} may be what it goes on with, and cannot be read: {why}: put a whole copy in its place, or, if its \
                 input is still there, remove it, and it is made again; else move it away"
            );
        }
        match self.following.get(&before.map(|before| before.digest)).and_then(|paths| paths.first()) {
            Some(other) => Err(late(other)),
            None => Ok(()),
        }
    }

    /// Refuses an output that does not go on with the one before it. What it goes on with may be gone, and what is before that is of
    /// no importance then; but not if it is what would be made there now.
    pub(super) fn check_follows(&self, made: &Made, before: Option<&Made>) -> anyhow::Result<()> {
        if made.previous == before.map(|before| before.digest) {
            return Ok(());
        }
        let is_gone = made.previous.is_some_and(|previous| !self.digests.contains(&previous));
        let was_between = before.is_none_or(|before| !before.has_input || is_gap(before, made));
        if is_gone && was_between && !self.is_forked(made) { Ok(()) } else { Err(late(&made.path)) }
    }

    /// Whether another one goes on with what this one goes on with.
    fn is_forked(&self, made: &Made) -> bool {
        self.following.get(&made.previous).is_some_and(|paths| paths.iter().any(|path| *path != made.path))
    }
}

/// Whether the recorder wrote something between the inputs of two outputs.
fn is_gap(before: &Made, after: &Made) -> bool {
    let run = |made: &Made| {
        let MadeFrom { version, boot_id, recorder_started, .. } = made.made_from;
        (version, boot_id, recorder_started)
    };
    let (first, next) = (before.made_from.segment_number.get(), after.made_from.segment_number.get());
    if run(before) == run(after) {
        return next > first.saturating_add(1);
    }
    let went_on = before.made_from.closing() == Some(Closing::WentOn);
    after.made_from.version.get() == header::VERSION && (next > 0 || went_on)
}

/// An output was made when an input before its own was not there.
fn late(output: &Path) -> anyhow::Error {
    let output = Shown(output);
    anyhow!(
        "{output} was made without what comes before it now: remove that one and all behind it if their inputs are still \
         there, and they are made again; else squeeze this input into a directory of its own"
    )
}
