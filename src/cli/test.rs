//! `ctrecorder test`: are files as they were written?

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use ctrecorder_format::Retirement;

use super::{Report, Status};
use crate::counted::counted;
use crate::journal::{Absent, Condition, Examined, Examiner, Exports, Journal, Member, Shown};
use crate::output::header;
use crate::query::coverage::{Look, Reading};

/// Test whether files are as they were written
///
/// Every checksum, the order of blocks, the footer with its totals, directory and digest, and the chain of digests from
/// one segment to the next among those given. One line for each file, and then one for each file of a directory that is no
/// segment, and for each end at which the recorder wrote more than what is given, or an export did; the exit status is 1 if a file
/// fails, be it for nothing but that it was cut off, or if one is missing between others.
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
    let stdout = io::stdout();
    let with_progress = !stdout.is_terminal();
    let mut test = Test {
        report: Report::new(journal.length(), with_progress),
        out: BufWriter::new(stdout.lock()),
        examiner: Examiner::with(retired(&journal)),
        exports: Exports::default(),
        failed: false,
    };
    for failure in failures {
        test.report.failure(failure);
    }
    for file in journal.files() {
        test.file(file).context("standard output")?;
    }
    test.finish(&journal).context("standard output")?;
    Ok(match test.report.status() {
        Status::Done if test.failed => Status::No,
        status => status,
    })
}

/// What the recorders say to have removed: the segments behind those that are gone tell of it, so they are asked first.
fn retired(journal: &Journal) -> HashMap<String, Vec<Retirement>> {
    let mut reading = Reading::default();
    for file in journal.files().iter().filter(|file| file.path().is_file()) {
        let added = file.open().and_then(|source| {
            reading.add(&source, &source.parse()?, Look::Directory, &mut |_| {});
            Ok(())
        });
        // What cannot be read is told when it is tested.
        drop(added);
    }
    reading.retirements()
}

/// Tests one file after the other.
struct Test<W> {
    report: Report,
    out: W,
    examiner: Examiner,
    exports: Exports,
    /// Whether some file is not as it was written.
    failed: bool,
}

impl<W: Write> Test<W> {
    /// Says what was not tested, and what else there must have been.
    fn finish(&mut self, journal: &Journal) -> io::Result<()> {
        for error in journal.passed_over() {
            writeln!(self.out, "{}: passed over: {}", Shown(&error.path), error.reason)?;
        }
        for end in std::mem::take(&mut self.examiner).loose_ends() {
            writeln!(self.out, "{end}")?;
        }
        for absent in self.exports.absent() {
            // Any file may be the first or the last one that is given, but what is missing between two is missing.
            self.failed |= matches!(absent, Absent::Between { .. });
            writeln!(self.out, "{absent}")?;
        }
        self.out.flush()
    }

    fn file(&mut self, file: &Member) -> io::Result<()> {
        let mut line = Line { out: &mut self.out, path: file.path(), failed: false, done: Ok(()) };
        let examined = file.open().and_then(|source| {
            self.exports.add(file.path(), &source.parse()?);
            let mut passed = |bytes| self.report.passed(bytes);
            self.examiner.examine(&source, &mut |finding| line.finding(&finding), &mut passed)
        });
        match examined {
            Ok(examined) if !line.failed => line.ok(&examined),
            Err(error) if error.is_not_a_segment() => line.finding(&error.reason),
            Err(error) => self.report.failure(error),
            Ok(_) => {}
        }
        self.failed |= line.failed;
        line.end()?;
        self.out.flush()
    }
}

/// The line of one file, written as its findings come in: there may be more of them than memory should hold.
struct Line<'a, W> {
    out: &'a mut W,
    path: &'a Path,
    failed: bool,
    done: io::Result<()>,
}

impl<W: Write> Line<'_, W> {
    fn finding(&mut self, what: impl Display) {
        let (path, first) = (Shown(self.path), !self.failed);
        self.failed = true;
        if self.done.is_ok() {
            self.done = if first { write!(self.out, "{path}: FAILED: {what}") } else { write!(self.out, "; {what}") };
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
