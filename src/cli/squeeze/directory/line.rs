//! Which inputs go on with which, and which are complete.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use ctrecorder_format::{Header, MadeFrom, Uptime, header};

use super::headless::{Ends, Headless};
use crate::cli::Report;
use crate::cli::flows::{Choice, Plan};
use crate::journal::{Journal, Recorder, Shown, Source, Version, begun_up};

/// Inputs of recorders that recorded the same: in the order of time, each goes on where the one before it ended.
#[derive(Debug)]
pub(super) struct Line {
    what: Recorded,
    pub(super) inputs: Vec<Input>,
    /// The number of what ends it before its end, among inputs without a header.
    is_ended_by: Option<usize>,
}

/// What was recorded, and on which machine; zeros if that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    machine: [u8; 16],
    host: String,
    namespace: u64,
    families: u8,
    protocols: Vec<u8>,
    filters: String,
}

impl Recorded {
    fn by(header: &Header) -> Self {
        let Header { machine, host, namespace, families, protocols, filters, .. } = header.clone();
        Self { machine, host, namespace, families, protocols, filters }
    }

    /// Whether what a header tells of was recorded on this machine, as far as both tell, and is the same otherwise.
    fn has(&self, header: &Header) -> bool {
        header.may_be_of_machine(self.machine) && *self == Self { machine: self.machine, ..Self::by(header) }
    }
}

/// An input, which becomes an output of the same name.
#[derive(Debug)]
pub(super) struct Input {
    /// It alone.
    pub(super) journal: Journal,
    pub(super) path: PathBuf,
    pub(super) output: PathBuf,
    /// What its output says of itself.
    pub(super) plan: Plan,
    pub(super) made_from: MadeFrom,
    pub(super) place: Place,
    end: End,
}

/// The place of a file in its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    run: Recorder,
    number: u64,
    created: u64,
    /// For how long the machine had been up then, if it tells.
    up: Option<Uptime>,
}

impl Place {
    /// That of a file with this header.
    pub(super) fn of(header: &Header, file: &Version<'_>) -> Self {
        let (run, up) = (Recorder::of(header), begun_up(file));
        Self { run, number: header.segment_number, created: header.created, up }
    }

    /// Whether it is before another one of its line: by a clock that nobody sets, if both tell.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        let of_boot = self.up.zip(other.up).filter(|(own, other)| own.boot == other.boot);
        match of_boot {
            _ if self.run == other.run => self.number < other.number,
            Some((own, other)) => own.up < other.up,
            None => self.created < other.created,
        }
    }
}

/// Whether there may be more of an input one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    BeingWritten,
    /// It has no footer: it may have been cut off, and then somebody has written on elsewhere.
    Open,
    Complete,
}

impl Input {
    /// Looks at a file, which is this journal.
    fn look(journal: Journal, directory: &Path, choice: &Choice) -> anyhow::Result<(Header, Self)> {
        let file = journal.files().first().ok_or_else(|| anyhow!("it is gone"))?;
        let path = file.path().to_path_buf();
        let name = path.file_name().ok_or_else(|| anyhow!("it has no name for its output"))?;
        if !path.is_file() {
            anyhow::bail!("it is no file, so that its output would have no name");
        }
        let output = directory.join(name);
        let source = file.open()?;
        let version = source.parse()?;
        if matches!(version, Version::Archive(_)) {
            anyhow::bail!("it is an archive: its flows are whole already");
        }
        let plan = Plan::for_file(&version, source.length());
        let (header, place) = (plan.kept().clone(), Place::of(plan.kept(), &version));
        let made_from = plan.made_from().first().copied().unwrap_or(MadeFrom::version_2(0, 0));
        let end = end(&source, &version);
        let plan = Plan::for_choice(&source, &version, choice)?;
        Ok((header, Self { journal, path, output, plan, made_from, place, end }))
    }
}

impl Input {
    /// Whether it is a segment, of which one without a header may be another one.
    pub(super) fn is_of_segment(&self) -> bool {
        self.made_from.version.get() == header::VERSION
    }
}

fn end(source: &Source, version: &Version<'_>) -> End {
    match version {
        _ if source.is_being_written() => End::BeingWritten,
        // Of version 2 no file tells whether it is complete; an archive has its name only when it is.
        Version::Two(_) | Version::Archive(_) => End::Complete,
        Version::Three(segment) if segment.footer().is_some() => End::Complete,
        Version::Three(_) => End::Open,
    }
}

/// What becomes of a journal.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// In the order of their first inputs.
    pub(super) lines: Vec<Line>,
    /// Inputs whose headers are not whole yet.
    pub(super) unbegun: Vec<PathBuf>,
}

impl Lines {
    /// The lines of a journal. What cannot be read is told.
    pub(super) fn of(journal: Journal, directory: &Path, choice: &Choice, report: &mut Report) -> Self {
        let (inputs, headless) = look_at_all(journal, directory, choice, report);
        let mut unbegun = Vec::new();
        let mut ending = Vec::new();
        for headless in headless {
            let ends = headless.ends(&inputs);
            if headless.waits(ends, &inputs) { unbegun.push(headless.path) } else { ending.push((headless, ends, 0)) }
        }
        let mut lines: Vec<Line> = Vec::new();
        for (number, (header, input)) in inputs.into_iter().enumerate() {
            let line = match lines.iter().position(|line| line.what.has(&header)) {
                Some(line) => line,
                None => {
                    lines.push(Line { what: Recorded::by(&header), inputs: Vec::new(), is_ended_by: None });
                    lines.len() - 1
                }
            };
            let Some(line) = lines.get_mut(line) else { continue };
            let ends_here = |ends: Ends| match ends {
                Ends::Line(next) => next == number,
                Ends::All(place) => place <= number && input.is_of_segment(),
            };
            line.is_ended_by = line.is_ended_by.or_else(|| ending.iter().position(|(_, ends, _)| ends_here(*ends)));
            match line.is_ended_by.and_then(|ending_by| ending.get_mut(ending_by)) {
                Some((.., behind)) => {
                    *behind += 1;
                    report.passed(input.journal.length());
                }
                None => line.add(input, header.machine),
            }
        }
        for (headless, _, behind) in ending {
            report.failure(headless.told(behind));
        }
        lines.retain(|line| !line.inputs.is_empty());
        Self { lines, unbegun }
    }
}

/// The inputs of a journal in the order of time, with their headers, and those without one. What cannot be read is told.
fn look_at_all(
    journal: Journal,
    directory: &Path,
    choice: &Choice,
    report: &mut Report,
) -> (Vec<(Header, Input)>, Vec<Headless>) {
    let (mut inputs, mut headless) = (Vec::new(), Vec::new());
    let mut names = std::collections::HashSet::new();
    for journal in journal.by_time(|error| report.failure(error)).split() {
        if let Some(found) = Headless::of(&journal, inputs.len()) {
            headless.push(found);
            report.passed(journal.length());
            continue;
        }
        let path = journal.files().first().map(|file| file.path().to_path_buf()).unwrap_or_default();
        let length = journal.length();
        match Input::look(journal, directory, choice) {
            Ok((_, input)) if !names.insert(input.output.clone()) => {
                report.failure(format_args!("{}: not squeezed: another input has this name", Shown(&path)));
            }
            Ok(looked) => inputs.push(looked),
            Err(error) => {
                report.failure(format_args!("{}: not squeezed: {error:#}", Shown(&path)));
                report.passed(length);
            }
        }
    }
    (inputs, headless)
}

impl Line {
    /// Adds the next input, which this machine recorded.
    fn add(&mut self, input: Input, machine: [u8; 16]) {
        if self.what.machine == [0; 16] {
            self.what.machine = machine;
        }
        self.inputs.push(input);
    }

    /// Whether a segment of flows with this header is made of what this line's are.
    pub(super) fn has(&self, header: &Header) -> bool {
        // The header of an output is that of its input, but for what was not chosen.
        self.inputs
            .first()
            .is_some_and(|first| Recorded { machine: self.what.machine, ..Recorded::by(first.plan.kept()) }.has(header))
    }

    /// Splits off the inputs from the first one on that may not be complete: they are for another time.
    pub(super) fn take_incomplete(&mut self) -> Vec<Input> {
        let last = self.inputs.len().saturating_sub(1);
        let is_incomplete = |(place, input): (usize, &Input)| match input.end {
            End::BeingWritten => true,
            End::Open => place == last,
            End::Complete => false,
        };
        let complete = self.inputs.iter().enumerate().position(is_incomplete).unwrap_or(self.inputs.len());
        self.inputs.split_off(complete)
    }
}
