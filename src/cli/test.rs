//! `ctrecorder test`: are files as they were written?

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use ctrecorder_format::Content;

use super::{Report, Status};
use crate::counted::counted;
use crate::journal::{Absent, Broken, Condition, Examined, Examiner, Finding, Journal, LooseEnd, Member, Shown};
use crate::output::time::Times;
use crate::output::{Zone, header};
use crate::query::coverage::{Gone, Look, Reading};

/// Test whether files are as they were written
///
/// Every checksum, the order of blocks, the footer with its totals, directory and digest, the chain of digests from
/// one segment to the next among those given, and whether anything is missing from one run of a recorder to the next. One line for each
/// file, and then one for each file of a directory that is no segment, and for each end at which the recorder wrote more than what is
/// given, or an export did; of several files the last line says what was tested, and what nothing can be said of. The exit status is 1 if a file
/// fails, be it for nothing but that it was cut off, or if one is missing between others, or of an archive behind them.
#[derive(clap::Args)]
pub struct Arguments {
    /// Segments, files of the C program, or directories of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Tests the files the arguments name.
pub fn run(arguments: Arguments) -> anyhow::Result<Status> {
    let mut failures = Vec::new();
    let journal = Journal::find(&arguments.paths, |error| failures.push(error));
    let reading = reading(&journal);
    let stdout = io::stdout();
    let with_progress = !stdout.is_terminal();
    let mut test = Test {
        report: Report::new(journal.length(), with_progress),
        out: BufWriter::new(WhileRead(stdout.lock())),
        times: Times::new(Zone::local()),
        examiner: Examiner::with(reading.retirements(), reading.gone_on()),
        absent: reading.absent(),
        gone: reading.gone(),
        tally: Tally { unread: failures.len() as u64, ..Tally::default() },
    };
    for failure in failures {
        test.report.failure(failure);
    }
    let done = journal.files().iter().try_for_each(|file| test.file(file)).and_then(|()| test.finish(&journal));
    done.context("standard output")?;
    Ok(match test.report.status() {
        Status::Done if test.tally.failed > 0 || test.tally.is_missing => Status::No,
        status => status,
    })
}

/// What the files tell of others, that are gone or were removed: those behind them do, so all are asked first.
fn reading(journal: &Journal) -> Reading {
    let mut reading = Reading::default();
    for file in journal.files().iter().filter(|file| file.path().is_file()) {
        let added = file.open().and_then(|source| {
            reading.add(&source, &source.parse()?, Look::Directory, &mut |_| {});
            Ok(())
        });
        // What cannot be read is told when it is tested.
        drop(added);
    }
    reading
}

/// An output that goes nowhere once nobody reads it any more: the exit status speaks of all files all the same.
struct WhileRead<W>(W);

impl<W: Write> Write for WhileRead<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            done => done,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => done,
        }
    }
}

/// Tests one file after the other.
struct Test<W> {
    report: Report,
    out: W,
    times: Times,
    examiner: Examiner,
    /// Files of archives that are missing.
    absent: Vec<Absent>,
    /// What is missing between the runs of recorders.
    gone: Vec<Gone>,
    tally: Tally,
}

/// What came of the files.
#[derive(Default)]
struct Tally {
    ok: u64,
    failed: u64,
    unread: u64,
    /// Of those that are read, files of version 2.
    legacy: u64,
    /// Segments of flows that go on with no other one, and that do with such as are not given: one of all in a directory is its first.
    begun: u64,
    gone_on: u64,
    /// Whether something is missing between the files, and behind those of an archive.
    is_missing: bool,
    lacks_end: bool,
}

impl<W: Write> Test<W> {
    /// Says what was not tested, and what else there must have been.
    fn finish(&mut self, journal: &Journal) -> io::Result<()> {
        for error in journal.passed_over() {
            writeln!(self.out, "{}: passed over: {}", Shown(&error.path), error.reason)?;
        }
        for end in std::mem::take(&mut self.examiner).loose_ends() {
            self.tally.gone_on += u64::from(matches!(end, LooseEnd::GoesOn { .. }));
            if !self.gone.iter().any(|gone| is_told(&end, gone)) {
                writeln!(self.out, "{end}")?;
            }
        }
        for gone in &self.gone {
            if let Gone::Before { after, ended, is_retired } = gone {
                let (path, ended) = (Shown(after), self.times.text(*ended));
                let retired = if *is_retired { ": removed by retention" } else { "" };
                writeln!(
                    self.out,
                    "{path}: a run before it, which ended at {ended}, is not among those given{retired}"
                )?;
            }
        }
        // Any file may be the first one that is given. What is missing elsewhere was told of the file beside it.
        for absent in self.absent.iter().filter(|absent| absent.is_begin()) {
            writeln!(self.out, "{}: {absent}", Shown(absent.path()))?;
        }
        if let Some(text) = self.tally.text() {
            writeln!(self.out, "{text}")?;
        }
        self.out.flush()
    }

    fn file(&mut self, file: &Member) -> io::Result<()> {
        let mut line = Line {
            out: &mut self.out,
            path: file.path(),
            failed: false,
            is_whole: true,
            is_missing: false,
            done: Ok(()),
        };
        let examined = file.open().and_then(|source| {
            let version = source.parse()?;
            let of_flows = version.header().filter(|header| header.content == Content::Flows);
            self.tally.begun += u64::from(of_flows.is_some_and(|header| header.previous.is_none()));
            let mut passed = |bytes| self.report.passed(bytes);
            let mut found = |finding| match finding {
                Finding::Chain(Broken::Missing { .. }) => line.missing(&finding),
                _ => line.finding(&finding),
            };
            self.examiner.examine(&source, &mut found, &mut passed)
        });
        line.is_whole &= examined.is_ok();
        line.gone(&self.gone, &mut self.times);
        for absent in self.absent.iter().filter(|absent| absent.path() == file.path() && !absent.is_begin()) {
            if absent.is_between() {
                line.missing(absent);
            } else {
                line.elsewhere(absent);
                self.tally.lacks_end = true;
            }
        }
        self.tally.legacy += u64::from(matches!(&examined, Ok(Examined { condition: Condition::Legacy, .. })));
        match examined {
            Ok(examined) if !line.failed => {
                self.tally.ok += 1;
                line.ok(&examined);
            }
            Err(error) if error.is_not_a_segment() => line.finding(&error.reason),
            Err(error) => {
                self.tally.unread += 1;
                self.report.failure(error);
            }
            Ok(_) => {}
        }
        self.tally.failed += u64::from(line.failed);
        self.tally.is_missing |= line.is_missing;
        line.end()?;
        self.out.flush()
    }
}

/// Whether an end at which there was more is one side of what is missing between two runs, and told as that.
fn is_told(end: &LooseEnd, gone: &Gone) -> bool {
    match (end, gone) {
        (LooseEnd::Begin { path, .. } | LooseEnd::GoesOn { path }, Gone::Between { after, .. }) => path == after,
        (LooseEnd::End { path }, Gone::Between { before, .. }) => path == before,
        _ => false,
    }
}

impl Tally {
    /// What was tested, and what was not; `None` of a single file, whose own line says all.
    fn text(&self) -> Option<String> {
        let files = self.ok + self.failed;
        if files == 0 || files + self.unread == 1 {
            return None;
        }
        let mut text = format!("{} tested: {} ok", counted(files, "file"), self.ok);
        let others = [(self.failed, "FAILED"), (self.unread, "not read")];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            text += &format!(", {count} {what}");
        }
        if self.legacy < files {
            text += if self.is_missing {
                "; between files something is missing"
            } else if self.lacks_end {
                "; behind files of an archive something is missing"
            } else if self.gone_on > 0 && self.begun + self.gone_on > 1 {
                "; between files something is missing, unless they are of several directories"
            } else {
                "; between files nothing is missing that they tell of"
            };
            text += "; what came before the first or behind the last one of a recorder is not tested";
        }
        if self.legacy > 0 {
            text += "; of files of version 2 nobody can say whether one is missing";
        }
        Some(text)
    }
}

/// The line of one file, written as its findings come in: there may be more of them than memory should hold.
struct Line<'a, W> {
    out: &'a mut W,
    path: &'a Path,
    failed: bool,
    /// Nothing was found so far, of this file or of others.
    is_whole: bool,
    /// Something is missing before the file.
    is_missing: bool,
    done: io::Result<()>,
}

impl<W: Write> Line<'_, W> {
    fn finding(&mut self, what: impl Display) {
        let (path, first) = (Shown(self.path), !self.failed);
        (self.failed, self.is_whole) = (true, false);
        if self.done.is_ok() {
            self.done = if first { write!(self.out, "{path}: FAILED: {what}") } else { write!(self.out, "; {what}") };
        }
    }

    /// Something that is wrong with other files, and not with this one, of which that is said.
    fn elsewhere(&mut self, what: impl Display) {
        let whole = if self.is_whole { "the file itself is whole, but " } else { "" };
        self.finding(format_args!("{whole}{what}"));
    }

    /// What is missing before the file.
    fn missing(&mut self, what: impl Display) {
        self.elsewhere(what);
        self.is_missing = true;
    }

    /// Says what is missing between the run of the file and the one before, unless its number in a chain has told that.
    fn gone(&mut self, all: &[Gone], times: &mut Times) {
        let is_told = self.is_missing;
        for gone in all {
            if let Gone::Between { before, after, span } = gone
                && after == self.path
                && !is_told
            {
                let (before, from, to) = (Shown(before), times.text(span.from), times.text(span.to));
                self.missing(format_args!("segments are missing between {before} and this one, from {from} to {to}"));
            }
        }
    }

    fn ok(&mut self, examined: &Examined) {
        self.done = ok(self.out, self.path, examined);
    }

    fn end(self) -> io::Result<()> {
        self.done?;
        if self.failed { writeln!(self.out) } else { Ok(()) }
    }
}

/// The line of a file that is as it was written.
fn ok(out: &mut impl Write, path: &Path, examined: &Examined) -> io::Result<()> {
    let records = counted(examined.records, "record");
    let blocks = counted(examined.blocks, "block");
    let version = if examined.condition == Condition::Archive { "archive of version" } else { "version" };
    write!(out, "{}: ok, {version} {}, {records}", Shown(path), examined.version)?;
    match examined.condition {
        // A court that reads "ok" is to know what of.
        Condition::Legacy => writeln!(out, "; version 2 has no checksum: only its form was tested"),
        Condition::Archive => writeln!(out, ", {blocks}"),
        Condition::BeingWritten | Condition::Open => writeln!(out, ", {blocks}, still being written"),
        Condition::Closed(closing, digest) => {
            let (closing, digest) = (header::closing(closing), header::hex(&digest));
            writeln!(out, ", {blocks}, closed: {closing}, digest {digest}")
        }
    }
}
