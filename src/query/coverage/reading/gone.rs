//! Runs of a recorder, begins and ends of runs, that are not among the files, as the files before and behind them tell.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ctrecorder_format::Content;

use super::{Reading, removed_elsewhere};
use crate::query::coverage::absent::{Hole, RETIRED, holes, told};
use crate::query::coverage::part::{End, Part};
use crate::query::coverage::run::{Run, one_namespace, outermost};
use crate::query::coverage::{Gap, GapCause, Span};

/// Something that a recorder wrote, and that is not among the files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gone {
    /// What it recorded between two of them, of which the second one is of a later run.
    Between {
        /// The last file before it.
        before: PathBuf,
        /// The first one behind it.
        after: PathBuf,
        /// The time of which nothing tells.
        span: Span,
    },
    /// The run before that of the first one.
    Before {
        /// The first one.
        after: PathBuf,
        /// When that run ended, ns since the epoch.
        ended: u64,
        /// It was removed as the recorder was told to.
        is_retired: bool,
    },
}

impl Reading {
    /// What is missing between the runs of each recorder, and before the first of them. Within a run, the numbers of its segments tell;
    /// behind the last run nobody does.
    pub fn gone(self) -> Vec<Gone> {
        let mut gone: Vec<_> = self.by_recorder().into_iter().flat_map(Self::gone_of_one).collect();
        gone.sort_unstable();
        gone
    }

    /// The same of files that are all of one recorder.
    fn gone_of_one(mut self) -> Vec<Gone> {
        let elsewhere = std::mem::take(&mut self.elsewhere);
        let runs = self.runs();
        let Some(outermost) = outermost(&runs) else { return Vec::new() };
        let (told, is_retired) = told(&runs, &elsewhere, outermost.span);
        // Where a clock was set back, times do not tell what came behind what.
        let is_turned = runs.iter().any(Run::is_turned);
        let is_missing = |hole: &Hole<'_>| !is_turned && hole.gap.cause == GapCause::SegmentMissing;
        let between = holes(&runs, &told).into_iter().filter(is_missing).map(|hole| Gone::Between {
            before: hole.before.path.clone(),
            after: hole.after.path.clone(),
            span: hole.gap.span(),
        });
        let mut gone: Vec<_> = between.collect();
        let is_new = |at_once: &Gone| !gone.iter().any(|other| other.before() == at_once.before());
        let at_once: Vec<_> = begun_at_last(&runs, &told).filter(is_new).collect();
        gone.extend(at_once);
        let first = outermost.first;
        let before = first.behind().map(|ended| Gone::Before { after: first.path.clone(), ended, is_retired });
        gone.extend(before);
        gone
    }

    /// The same files, each recorder's by themselves: those of a host, or of each network namespace of it if several were recorded at the
    /// same time. One whose header is damaged may be of any of them.
    fn by_recorder(self) -> Vec<Self> {
        let mut headless = Vec::new();
        let mut hosts: HashMap<String, Self> = HashMap::new();
        for part in self.parts {
            match part.host.clone() {
                Some(host) => hosts.entry(host).or_default().parts.push(part),
                None => headless.push(part),
            }
        }
        let mut recorders = Vec::new();
        for of_host in hosts.into_values() {
            let elsewhere = removed_elsewhere(&of_host.parts);
            let runs = of_host.runs();
            let is_one = one_namespace(&runs).is_ok();
            let mut namespaces: HashMap<_, Self> = HashMap::new();
            for part in runs.into_iter().flat_map(|run| run.parts) {
                let namespace = (!is_one).then_some(part.namespace);
                namespaces.entry(namespace).or_default().parts.push(part);
            }
            recorders.extend(namespaces.into_values().map(|one| Self { elsewhere: elsewhere.clone(), ..one }));
        }
        for recorder in &mut recorders {
            recorder.parts.extend(headless.iter().cloned());
        }
        recorders
    }
}

impl Gone {
    /// The last file before it.
    fn before(&self) -> Option<&Path> {
        match self {
            Self::Between { before, .. } => Some(before),
            Self::Before { .. } => None,
        }
    }
}

/// What was begun last by a run, and is not there, though nothing is missing of any time: the recorder was killed before it wrote
/// into it. A file that was made of others, or whose header is damaged, may be it.
fn begun_at_last<'r>(runs: &'r [Run], told: &'r [Gap]) -> impl Iterator<Item = Gone> + use<'r> {
    let is_told = |part: &Part| part.run.is_some() && part.content == Content::Events;
    let others: Vec<_> = runs.iter().flat_map(|run| &run.parts).filter(move |part| !is_told(part)).collect();
    let pairs = runs.windows(2).filter_map(|pair| match pair {
        [run, next] if !run.is_turned() && !next.is_turned() => Some((run.parts.last()?, next.parts.first()?)),
        _ => None,
    });
    pairs.filter_map(move |(before, after)| {
        let span = Span { from: before.ended, to: after.began };
        let is_missed = before.end == End::WentOn && is_told(before) && is_told(after) && span.from <= span.to;
        let may_be_there = others.iter().any(|other| other.meets(span))
            || told.iter().any(|gap| gap.cause == RETIRED && gap.touches(Span { to: span.from, ..span }));
        (is_missed && !may_be_there).then(|| Gone::Between {
            before: before.path.clone(),
            after: after.path.clone(),
            span: Span { to: span.from, ..span },
        })
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ctrecorder_format::{Cause, Closing, Content, Header, Note, Writer};
    use tempfile::TempDir;

    use super::*;
    use crate::journal::Source;
    use crate::query::coverage::Look;

    const SECOND: u64 = 1_000_000_000;

    /// Of a run that was started at a second, the segment with this number from one second to another. The first one tells when the run
    /// before ended.
    fn segment(started: u64, number: u64, (from, to): (u64, u64), closing: Closing, before: Option<u64>) -> Vec<u8> {
        let before =
            before.map(|before| Note::gap(before * SECOND, from * SECOND, Note::LOST_UNKNOWN, Cause::NotRunning));
        written(&header(started, number, from), closing, to, before.as_slice())
    }

    fn header(started: u64, number: u64, from: u64) -> Header {
        Header {
            host: "nat1".into(),
            recorder_started: started * SECOND,
            segment_number: number,
            created: from * SECOND,
            ..Header::blank(Content::Events)
        }
    }

    fn written(header: &Header, closing: Closing, to: u64, notes: &[Note]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), header).unwrap();
        notes.iter().for_each(|note| writer.note(note));
        writer.finish(closing, to * SECOND).unwrap();
        writer.write_out().unwrap();
        writer.output().clone()
    }

    /// Three runs: of two segments, of one, and of two again.
    fn journal() -> [Vec<u8>; 5] {
        [
            segment(100, 0, (100, 200), Closing::WentOn, None),
            segment(100, 1, (200, 300), Closing::Stopped, None),
            segment(400, 0, (400, 500), Closing::Stopped, Some(300)),
            segment(600, 0, (600, 700), Closing::WentOn, Some(500)),
            segment(600, 1, (700, 800), Closing::Stopped, None),
        ]
    }

    /// What is gone where these files are left: the numbers of the files around it, and its seconds.
    fn gone(files: &[&[u8]]) -> Vec<(String, u64, u64)> {
        let directory = TempDir::new().unwrap();
        let mut reading = Reading::default();
        for (number, bytes) in files.iter().enumerate() {
            let path = directory.path().join(number.to_string());
            fs::write(&path, bytes).unwrap();
            let source = Source::open(&path).unwrap();
            reading.add(&source, &source.parse().unwrap(), Look::Directory, &mut |_| ()).unwrap();
        }
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let shown = reading.gone().into_iter().map(|gone| match gone {
            Gone::Between { before, after, span } => {
                (format!("{}-{}", name(&before), name(&after)), span.from / SECOND, span.to / SECOND)
            }
            Gone::Before { after, ended, .. } => (format!("-{}", name(&after)), ended / SECOND, 0),
        });
        shown.collect()
    }

    #[test]
    fn a_run_and_the_begin_and_the_end_of_one_are_missed() {
        let all = journal();
        let left = |numbers: &[usize]| gone(&numbers.iter().map(|number| &*all[*number]).collect::<Vec<_>>());
        let one = |names: &str, from, to| vec![(names.to_owned(), from, to)];
        assert_eq!(left(&[0, 1, 2, 3, 4]), []);
        assert_eq!(left(&[0, 2, 3, 4]), one("0-1", 200, 300), "the end of the first run");
        assert_eq!(left(&[0, 1, 3, 4]), one("1-2", 300, 500), "the second run");
        assert_eq!(left(&[0, 1, 2, 4]), one("2-3", 500, 700), "the begin of the third run");
        assert_eq!(left(&[2, 3, 4]), one("-0", 300, 0), "the first run");
        assert_eq!(left(&[1, 2]), [], "of the first run the numbers tell");
        assert_eq!(left(&[0, 1, 2, 3]), [], "of the end the footer tells");
    }

    /// It was begun when the recorder was killed: of no time anything is missing.
    #[test]
    fn a_segment_that_tells_of_no_time_is_missed() {
        let [first, _, third, ..] = journal();
        let killed = segment(400, 0, (400, 500), Closing::Stopped, Some(200));
        assert_eq!(gone(&[&first, &killed]), [("0-1".to_owned(), 200, 200)]);
        assert_eq!(gone(&[&first, &third]), [("0-1".to_owned(), 200, 300)], "told once");
    }

    /// What was recorded while it showed a time first may be elsewhere, or squeezed.
    #[test]
    fn where_a_clock_was_set_back_nothing_is_missed_by_its_times() {
        let back = Note::clock_step(150 * SECOND, -(100 * SECOND).cast_signed());
        let first = written(&header(100, 0, 100), Closing::Stopped, 160, &[back]);
        let later = segment(600, 0, (600, 700), Closing::Stopped, Some(500));
        assert_eq!(gone(&[&first, &later]), []);
    }

    /// Its header tells whose it is, and nothing else does.
    #[test]
    fn a_run_whose_header_is_damaged_is_not_missed() {
        let mut all = journal();
        all[2][100] ^= 1;
        assert_eq!(gone(&[&all[0], &all[1], &all[2], &all[3], &all[4]]), []);
    }
}
