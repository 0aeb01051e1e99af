//! `ctrecorder list`: records, a line each.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ctrecorder_format::{Cause, Counters, Damage, Note, Record, V4, V6};

use super::lines::LineOptions;
use super::missing::Numbers;
use super::of_netns::OfNetns;
use super::{Report, Selected, Selection, Status, Threads, header};
use crate::journal::{Error, Follow, Journal, OpenRecords, Scan, Select, SetBacks, Shown, Sink, Version};
use crate::output::{Lines, Zone};
use crate::query::{Filter, FlowSink, Pairs};

/// Text is written when there is this much of it.
const CHUNK_BYTES: usize = 64 * 1024;

/// How long new records wait at most. A recorder writes once a second: to be told by the system would gain little, and is another
/// matter on every one of them.
const PAUSE: Duration = Duration::from_millis(200);

/// List records, one line each
///
/// Of classic lines, times are in the local time zone (TZ). Standard output has records only: gaps and damage go to standard
/// error, and so does the header of a file that is given alone. A line with S is a flow's start, E its end, O a flow that was open when the segment began, U a change; + means
/// that an answer was seen. Behind a gap, [recovered] marks a flow that was found in the kernel's table and began earlier,
/// [ended after TIME] one that was gone when it was read again.
#[derive(clap::Args)]
pub struct Arguments {
    /// Segments, files of the C program, or directories of them. Each has to be there, with --follow, too
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// One line for each flow, with the times of its start and its end
    #[arg(short, long)]
    squeezed: bool,

    /// Do not show the header of a file that is given alone. Those of several files, or of a directory, are shown by header only
    #[arg(short = 'H', long)]
    no_header: bool,

    /// Go on as the files grow, and with those that come after them, as tail -F does: of a directory with all new segments, of a file
    /// with those that its recorder writes next beside it. Not with --squeezed: when a flow ended that nobody heard the end of is known
    /// from whole segments only
    #[arg(long, conflicts_with = "squeezed")]
    follow: bool,

    #[command(flatten)]
    of_netns: OfNetns,

    #[command(flatten)]
    lines: LineOptions,

    #[command(flatten)]
    selection: Box<Selection>,

    #[command(flatten)]
    threads: Threads,
}

/// Lists what the arguments ask for.
pub fn run(arguments: Arguments) -> anyhow::Result<Status> {
    let Selected { filter, mut remarks } = arguments.selection.selected(&arguments.lines.zone.clock())?;
    let mut failures = Vec::new();
    let journal = Journal::find(&arguments.paths, |error| failures.push(error));
    let journal = arguments.of_netns.of(journal, |error| failures.push(error))?;
    let journal = journal.told_once(|repeats| remarks.push(repeats.to_string()));
    let journal = journal.by_time(|error| failures.push(error));
    let stdout = io::stdout();
    let mut list = List {
        // A bar and lines on one terminal would be in each other's way, and what is followed has no end.
        report: Report::new(journal.length(), !stdout.is_terminal() && !arguments.follow)
            .in_zone(arguments.lines.zone.zone()),
        out: stdout.lock(),
        text: Text {
            text: Vec::with_capacity(2 * CHUNK_BYTES),
            lines: arguments.lines.lines(),
            filter: filter.clone(),
        },
        zone: arguments.lines.zone.zone(),
        host: None,
        of_netns: arguments.of_netns,
        is_passed_over: false,
        numbers: Numbers::default(),
        pairs: arguments.squeezed.then(Pairs::new),
        set_backs: SetBacks::new(),
        with_header: !arguments.no_header && is_one_file(&arguments.paths),
        with_name: arguments.follow,
    };
    if journal.has_netns() {
        list.text.lines.tell_netns();
    }
    list.text.text.extend_from_slice(list.text.lines.head().as_bytes());
    arguments.lines.zone.tell(&list.report);
    for remark in remarks {
        list.report.line(remark);
    }
    // What is a name of nothing may be misspelt: nobody would ever hear that from what waits for it.
    let waits_for_nothing =
        arguments.follow && failures.iter().any(|error| error.is_absent() && arguments.paths.contains(&error.path));
    for failure in failures {
        list.report.failure(failure);
    }
    if waits_for_nothing {
        return Ok(list.report.status());
    }
    // What is followed may be a segment that has just been made.
    for empty in journal.passed_over().iter().filter(|error| error.is_empty() && !arguments.follow) {
        list.report.line(format_args!("{}: passed over: {}", Shown(&empty.path), empty.reason));
    }
    let (filter, open_records) = match arguments.squeezed {
        true => (filter.before_pairing(), OpenRecords::All),
        false => (filter, OpenRecords::New),
    };
    let mut scan = Scan::new(filter, open_records).with_threads(arguments.threads.number());
    if arguments.follow {
        return list.follow(Follow::new(scan, &arguments.paths, &journal));
    }
    // Flows of two namespaces are never one, whatever their tuples.
    let journals = if arguments.squeezed { journal.by_netns() } else { vec![journal] };
    for journal in &journals {
        let scanned =
            if arguments.squeezed { scan.run(journal, &mut list) } else { scan.run_merged(journal, &mut list) };
        let done = match scanned {
            ControlFlow::Continue(()) => list.settle(),
            stop => stop,
        };
        if let ControlFlow::Break(error) = done {
            return list.report.stopped(error);
        }
    }
    Ok(list.report.status())
}

/// Whether it is one file that is asked for. Of a journal, headers of some twenty lines a file would bury what was asked, and each
/// says nearly what the one before said.
fn is_one_file(paths: &[PathBuf]) -> bool {
    matches!(paths, [path] if !path.is_dir())
}

/// Lines on their way out.
struct Text {
    text: Vec<u8>,
    lines: Lines,
    /// Which flows are wanted, of those that were paired.
    filter: Filter,
}

impl FlowSink for Text {
    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters) {
        if self.filter.matches(flow) {
            self.lines.record(&mut self.text, flow, Some(counters));
        }
    }

    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters) {
        if self.filter.matches(flow) {
            self.lines.record(&mut self.text, flow, Some(counters));
        }
    }
}

/// Writes what a journal holds as text.
struct List<W> {
    report: Report,
    out: W,
    text: Text,
    /// Of the headers' times.
    zone: Zone,
    /// The host that recorded what was read last.
    host: Option<String>,
    /// Which files are wanted, and whether the one that is read is none of them: what is followed may become one.
    of_netns: OfNetns,
    is_passed_over: bool,
    /// Which segments there were.
    numbers: Numbers,
    /// If flows are wanted rather than events: starts and ends on the way to them.
    pairs: Option<Pairs>,
    /// What happened to the clock between files, which no note tells.
    set_backs: SetBacks,
    /// Whether headers are shown: of one file, as the C program does, and of those that follow it.
    with_header: bool,
    /// Several headers are told apart by the names of their files.
    with_name: bool,
}

impl<W: Write> List<W> {
    /// Writes what there is, if it is worth it.
    fn spill(&mut self) -> ControlFlow<io::Error> {
        if self.text.text.len() < CHUNK_BYTES {
            return ControlFlow::Continue(());
        }
        self.write_out()
    }

    /// Writes what there is, so that what is said next on standard error stands behind it on a terminal.
    fn write_out(&mut self) -> ControlFlow<io::Error> {
        let done = self.out.write_all(&self.text.text).and_then(|()| self.out.flush());
        self.text.text.clear();
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    /// What follows was recorded by this host. Start and end of a flow may be of two files: once the files are of several
    /// hosts, nobody can say whose it was.
    fn host(&mut self, host: &str) {
        let is_other = self.host.as_ref().is_some_and(|known| known != host);
        let host = if is_other && self.pairs.is_some() { "" } else { host };
        self.text.lines.host(host);
        self.host = Some(host.to_owned());
    }

    /// Writes what there is, and what comes, until that cannot be written any more.
    fn follow<F: Select>(mut self, mut follow: Follow<F>) -> anyhow::Result<Status> {
        loop {
            let done = match follow.turn(&mut self) {
                ControlFlow::Continue(()) => self.write_out(),
                stop => stop,
            };
            if let ControlFlow::Break(error) = done {
                return self.report.stopped(error);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Lists the flows that have no end, and writes the rest. What comes then is of others.
    fn settle(&mut self) -> ControlFlow<io::Error> {
        if let Some(pairs) = self.pairs.as_mut().map(std::mem::take) {
            pairs.finish(&mut self.text);
            self.host = None;
            self.set_backs = SetBacks::new();
        }
        self.write_out()
    }

    /// What follows was recorded there.
    fn recorded(&mut self, file: &Version<'_>) {
        self.host(file.host());
        self.text.lines.netns(file.netns());
        self.is_passed_over = !self.of_netns.wants(file.netns());
    }
}

impl<W: Write> Sink for List<W> {
    type Stop = io::Error;

    fn begin(&mut self, path: &Path, file: &Version<'_>) -> ControlFlow<io::Error> {
        self.recorded(file);
        if self.is_passed_over {
            return ControlFlow::Continue(());
        }
        self.report.file(file);
        if let Some(pairs) = &mut self.pairs {
            pairs.begin(file, &mut self.text);
            if let Some(set_back) = self.set_backs.follow(file) {
                pairs.clock_set_before(&set_back.note(), &mut self.text);
            }
        }
        if let Some(missing) = self.numbers.follow(file) {
            self.write_out()?;
            self.report.missing(path, missing);
        }
        if !self.with_header {
            return ControlFlow::Continue(());
        }
        self.write_out()?;
        if let Some(text) = header::text(file, &self.zone) {
            if self.with_name {
                self.report.text(&format!("{}:\n", Shown(path)));
            }
            self.report.text(&text);
        }
        ControlFlow::Continue(())
    }

    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<io::Error> {
        if self.is_passed_over {
            return ControlFlow::Continue(());
        }
        match &mut self.pairs {
            None => self.text.lines.record(&mut self.text.text, record, counters),
            Some(pairs) => pairs.ipv4(record, counters, &mut self.text),
        }
        self.spill()
    }

    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<io::Error> {
        if self.is_passed_over {
            return ControlFlow::Continue(());
        }
        match &mut self.pairs {
            None => self.text.lines.record(&mut self.text.text, record, counters),
            Some(pairs) => pairs.ipv6(record, counters, &mut self.text),
        }
        self.spill()
    }

    fn resume(&mut self, _path: &Path, file: &Version<'_>) -> ControlFlow<io::Error> {
        self.recorded(file);
        ControlFlow::Continue(())
    }

    fn note(&mut self, path: &Path, note: &Note) -> ControlFlow<io::Error> {
        if self.is_passed_over {
            return ControlFlow::Continue(());
        }
        let told = self.pairs.as_mut().map_or(*note, |pairs| pairs.note(note, &mut self.text).note);
        self.text.lines.note(&told);
        if note.is_gap() || note.cause() == Some(Cause::Account) {
            self.write_out()?;
            self.report.gap(path, note);
        }
        ControlFlow::Continue(())
    }

    fn damage(&mut self, path: &Path, file: &Version<'_>, damage: &Damage) -> ControlFlow<io::Error> {
        if let Some(pairs) = &mut self.pairs {
            pairs.damage(damage);
        }
        self.write_out()?;
        self.report.damage(path, file, damage);
        ControlFlow::Continue(())
    }

    fn error(&mut self, error: Error) -> ControlFlow<io::Error> {
        self.write_out()?;
        self.report.failure(error);
        ControlFlow::Continue(())
    }

    fn passed(&mut self, bytes: u64) {
        self.report.passed(bytes);
    }
}
