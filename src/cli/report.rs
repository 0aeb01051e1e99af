//! What is said on standard error while a command works: lines, and how far it is.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use ctrecorder_format::{Cause, Damage, Note};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::contents::Contents;
use super::missing::Missing;
use super::{Status, written};
use crate::journal::{Shown, Version};
use crate::output::time::Times;
use crate::output::{Zone, gap};
use crate::query::arrived;
use crate::query::coverage::{Gap, GapCause, Span};

/// Shorter work shows no progress.
const QUIET: Duration = Duration::from_secs(2);

/// Says things on standard error, and remembers whether one of them was a failure.
pub struct Report {
    progress: Progress,
    times: Times,
    status: Status,
    contents: Contents,
}

impl Report {
    /// A report on work through so many bytes. Without `with_progress` no progress is shown, however long it takes.
    pub fn new(bytes: u64, with_progress: bool) -> Self {
        let progress = Progress::new(bytes, with_progress && io::stderr().is_terminal());
        Self { progress, times: Times::new(Zone::local()), status: Status::Done, contents: Contents::default() }
    }

    /// The same with times in another zone than the local one.
    pub fn in_zone(self, zone: Zone) -> Self {
        Self { times: Times::new(zone), ..self }
    }

    /// Says that something failed.
    pub fn failure(&mut self, what: impl Display) {
        self.failed();
        self.line(what);
    }

    /// What was said already was a failure.
    pub const fn failed(&mut self) {
        self.status = Status::Failed;
    }

    /// Says that something in a file could not be read, and of which times that was, where something still tells.
    pub fn damage(&mut self, path: &Path, file: &Version<'_>, damage: &Damage) {
        let span = arrived(file, damage).map(|Span { from, to }| {
            let [from, to] = [from, to].map(|moment| self.times.text(moment));
            format!(", between {from} and {to}")
        });
        self.failure(format_args!("{}: {damage}{}", Shown(path), span.unwrap_or_default()));
    }

    /// Says that events may be missing, or what gaps came to, if that is what the note tells.
    pub fn gap(&mut self, path: &Path, note: &Note) {
        if note.cause() == Some(Cause::Account) {
            let back = u64::try_from(note.value.get()).unwrap_or(0);
            let account = gap::account(&mut self.times, note.from.get(), note.to.get(), note.lost(), back);
            return self.line(format_args!("{}: {account}", Shown(path)));
        }
        if !note.is_gap() {
            return;
        }
        let cause = note.cause().map_or("cause not known to this program", |cause| cause.text());
        let gap = gap::text(&mut self.times, note.from.get(), note.to.get(), cause, note.lost());
        self.line(format_args!("{}: {gap}", Shown(path)));
    }

    /// Says that segments are missing before this file.
    pub(super) fn missing(&mut self, path: &Path, Missing { from, to }: Missing) {
        let cause = GapCause::SegmentMissing.text();
        let gap = gap::text(&mut self.times, from.min(to), from.max(to), cause, None);
        self.line(format_args!("{}: {gap}", Shown(path)));
    }

    /// Says where segments are missing before this file, if that is why there are these gaps.
    pub(super) fn missing_before(&mut self, path: &Path, gaps: &[Gap]) {
        for gap in gaps.iter().filter(|gap| gap.cause == GapCause::SegmentMissing) {
            self.missing(path, Missing { from: gap.from, to: gap.to });
        }
    }

    /// A file is read; says once if it may tell of the same flows as one before.
    pub fn file(&mut self, file: &Version<'_>) {
        if let Some(said) = self.contents.add(file) {
            self.line(said);
        }
    }

    /// A moment, ns since the epoch, as it is said.
    pub fn time(&mut self, moment: u64) -> String {
        self.times.text(moment)
    }

    /// Says something that is no failure, on a line of its own.
    pub fn line(&self, what: impl Display) {
        self.text(&format!("ctrecorder: {what}\n"));
    }

    /// Writes a text to standard error. If that is closed there is nobody to tell.
    pub fn text(&self, text: &str) {
        self.progress.bar.suspend(|| {
            let _ = io::stderr().write_all(text.as_bytes());
        });
    }

    /// So many further bytes are done.
    pub fn passed(&mut self, bytes: u64) {
        self.progress.passed(bytes);
    }

    /// How the command ended that could not write its answer to the end: if nobody wants the rest, as what was met until then says.
    pub fn stopped(&self, error: io::Error) -> anyhow::Result<Status> {
        written(Err(error)).map(|()| self.status)
    }

    /// How the command ended: done, or with failures.
    pub const fn status(&self) -> Status {
        self.status
    }
}

/// A bar that shows itself only when it is worth it.
struct Progress {
    bar: ProgressBar,
    /// When it shows itself; `None`: never, or it does already.
    shows_at: Option<Instant>,
}

impl Progress {
    fn new(bytes: u64, wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
        Self { bar, shows_at: wanted.then(|| Instant::now() + QUIET) }
    }

    fn passed(&mut self, bytes: u64) {
        self.bar.inc(bytes);
        if self.shows_at.is_some_and(|at| Instant::now() >= at) {
            self.shows_at = None;
            if let Ok(style) = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left") {
                self.bar.set_style(style);
            }
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
