//! Reads a journal while it is being written, as `tail -F` does a text.
//!
//! | part | what it does |
//! |---|---|
//! | `tail` | files that were read as far as they went, and may grow |
//! | `watch` | finds new files in directories, behind names, and beside files |
//! | `line` | which files of a directory go on with which |
//!
//! What a file holds is handed on as far as it stays so, however the file grows: whole blocks, and of two blocks that belong
//! together both. What else is at its end is a block that is being written, as long as somebody has locked the file, or goes on
//! writing without a lock; after that it is damage.

mod line;
mod tail;
#[cfg(test)]
mod tests;
mod watch;

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::lanes::Lane;
use super::opened::Opened;
use super::scan::{Follower, Leg, Stopped};
use super::{Journal, Scan, Select, Sink};
use tail::Tails;
use watch::Watches;

/// Goes on reading a journal as it grows. Each record is handed on once, in the order of its file; the segments of a run of a
/// recorder follow each other, and what several recorders wrote at the same time is merged by when it happened, as far as it is
/// there.
pub struct Follow<F> {
    scan: Scan<F>,
    /// What was there from the beginning, until it has been read.
    first: Option<Vec<Vec<Leg>>>,
    followed: Followed,
    /// New files, in order, that were not begun yet.
    coming: Vec<Opened>,
}

/// The files that were begun.
struct Followed {
    tails: Tails,
    watches: Watches,
}

impl Follower for Followed {
    fn began(&mut self, file: &Opened) {
        self.watches.began(file);
        self.tails.supersede(file);
    }

    fn stopped(&mut self, stopped: Stopped) {
        self.tails.add(stopped);
    }
}

impl<F: Select> Follow<F> {
    /// Goes on with this journal, which was found at these paths, its files in the order of time. Of a directory all new segments are
    /// read; of a file those beside it with which its recorder goes on, those of later runs of it, and what comes to have the file's
    /// name.
    pub fn new(scan: Scan<F>, paths: &[PathBuf], journal: &Journal) -> Self {
        let legs = |lane: Lane| lane.journal.files().iter().cloned().map(Leg::Member).collect();
        let first = journal.lanes().into_iter().map(legs).collect();
        let followed = Followed { tails: Tails::default(), watches: Watches::of(paths) };
        Self { scan, first: Some(first), followed, coming: Vec::new() }
    }

    /// Hands on what there is and was not handed on yet: the first time the journal as it was found, then what is new.
    pub fn turn<S: Sink>(&mut self, sink: &mut S) -> ControlFlow<S::Stop> {
        if let Some(first) = self.first.take() {
            return self.scan.run_legs(&first, &mut self.followed, sink);
        }
        // What is in a file when another one is there that goes on with it comes before that: so new files are looked for first.
        let mut failures = Vec::new();
        self.coming.extend(self.followed.watches.look(&mut failures));
        let grown: Vec<_> =
            self.followed.tails.grown(&self.coming, &mut failures).into_iter().map(|leg| vec![leg]).collect();
        failures.into_iter().try_for_each(|error| sink.error(error))?;
        self.scan.run_legs(&grown, &mut self.followed, sink)?;
        self.begin(sink)
    }

    /// Begins the new files that need not wait for the end of another one.
    fn begin<S: Sink>(&mut self, sink: &mut S) -> ControlFlow<S::Stop> {
        let mut waiting: Vec<Opened> = Vec::new();
        for file in std::mem::take(&mut self.coming) {
            let waits =
                self.followed.tails.hold_back(&file) || waiting.iter().any(|before| line::is_one_run(before, &file));
            if waits {
                waiting.push(file);
                continue;
            }
            match file.source().again().map(|source| source.map_err(|error| (error, 0)).and_then(Opened::new)) {
                Some(Ok(file)) => self.scan.run_legs(&[vec![Leg::Begin(file)]], &mut self.followed, sink)?,
                Some(Err((error, _))) => sink.error(error)?,
                // What was found in a directory was kept open.
                None => {}
            }
        }
        self.coming = waiting;
        ControlFlow::Continue(())
    }
}
