//! The chain of digests between the segments of a recorder.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use ctrecorder_format::{Closing, Content, Digest, Header, MadeFrom, Retirement, Segment, header};

use super::Shown;

/// How a segment does not follow the one before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Segments between the two are not among those given.
    #[error("{} missing between {} and this one", segments(*first, *last), Shown(before))]
    Missing {
        /// Number of the first segment that is not there.
        first: u64,
        /// Number of the last segment that is not there.
        last: u64,
        /// The segment given before.
        before: PathBuf,
    },
    /// It was made before the one that was given before.
    #[error("segment {number} stands after segment {} ({})", before_number, Shown(before))]
    OutOfOrder {
        /// This segment's number.
        number: u64,
        /// The number of the segment given before.
        before_number: u64,
        /// The segment given before.
        before: PathBuf,
    },
    /// It names another digest than that of the segment before.
    #[error("it does not follow {}: the digest of the segment before is another one", Shown(before))]
    Digest {
        /// The segment given before.
        before: PathBuf,
    },
    /// It is of flows, and goes on with the same segment as another one does: what one of them tells, the other does not know.
    #[error("it goes on with the same segment as {}", Shown(other))]
    Fork {
        /// The other one.
        other: PathBuf,
    },
}

fn segments(first: u64, last: u64) -> String {
    if first == last { format!("segment {first} is") } else { format!("segments {first} to {last} are") }
}

fn of_these(missing: u64, retired: u64) -> String {
    match retired {
        0 => String::new(),
        _ if retired >= missing => ": removed by retention".into(),
        _ => format!("; {retired} of them: removed by retention"),
    }
}

/// What makes segments those of one run of a recorder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recorder {
    host: String,
    boot_id: [u8; 16],
    started: u64,
}

impl Recorder {
    /// The run that wrote the segment with this header.
    pub fn of(header: &Header) -> Self {
        Self { host: header.host.clone(), boot_id: header.boot_id, started: header.recorder_started }
    }

    /// Since which start of the machine, by its boot id; `None` if that is not known.
    pub fn boot(&self) -> Option<[u8; 16]> {
        Some(self.boot_id).filter(|boot| *boot != [0; 16])
    }
}

/// The last segment given of a recorder.
struct Last {
    path: PathBuf,
    number: u64,
    /// `None` if it has no footer: then nobody can name its digest.
    digest: Option<Digest>,
    /// Up to when it tells, ns since the epoch; 0 if it has no footer.
    closed: u64,
    /// By its footer the recorder went on in another segment.
    went_on: bool,
    /// It is not itself given, but a segment of flows that was made from it.
    is_squeezed: bool,
}

/// The last segment of flows given that was made of segments of a recorder.
struct LastOfFlows {
    path: PathBuf,
    /// Number of the last segment that it was made from.
    number: u64,
    digest: Option<Digest>,
}

/// An end of a chain at which there was more than what is given. That is no defect of what is given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LooseEnd {
    /// The first segment given is not the recorder's first.
    #[error("{}: {} not among those given{}", Shown(path), count(*missing), of_these(*missing, *retired))]
    Begin {
        /// The first segment given.
        path: PathBuf,
        /// How many the recorder had written before it.
        missing: u64,
        /// How many of these it removed, as it was told to.
        retired: u64,
    },
    /// Segments between two that are given were removed by the recorder, as it was told to.
    #[error("{}: {} between {} and this one: removed by retention", Shown(path), segments(*first, *last), Shown(before))]
    Retired {
        /// The segment given behind them.
        path: PathBuf,
        /// Number of the first segment that is not there.
        first: u64,
        /// Number of the last segment that is not there.
        last: u64,
        /// The segment given before them.
        before: PathBuf,
    },
    /// A segment of flows goes on with one that is not given.
    #[error("{}: it goes on with a squeezed segment that is not among those given", Shown(path))]
    GoesOn {
        /// The segment given.
        path: PathBuf,
    },
    /// After the last segment given, the recorder went on.
    #[error("{}: the recorder went on in a segment that is not among those given", Shown(path))]
    End {
        /// The last segment given.
        path: PathBuf,
    },
}

fn count(segments: u64) -> String {
    match segments {
        1 => "the recorder wrote a segment before it that is".into(),
        _ => format!("the recorder wrote {segments} segments before it that are"),
    }
}

/// Follows the segments of some recorders, which may be mixed.
#[derive(Default)]
pub struct Chain {
    last: HashMap<Recorder, Last>,
    last_of_flows: HashMap<Recorder, LastOfFlows>,
    /// Segments of flows, by the digest of the one that each goes on with, and their own.
    gone_on: HashMap<Digest, (PathBuf, Option<Digest>)>,
    /// The digests of segments of flows, and of those that are told to be missing.
    flows: HashSet<Digest>,
    begins: Vec<LooseEnd>,
    between: Vec<LooseEnd>,
    /// What the recorders of each host say to have removed.
    retired: HashMap<String, Vec<Retirement>>,
    /// The digests of segments whose headers are damaged: which of a recorder they are, only the one behind them tells.
    headless: HashSet<Digest>,
}

impl Chain {
    /// Where recorders removed segments as these say, host by host, nothing is missing.
    pub fn with(retired: HashMap<String, Vec<Retirement>>) -> Self {
        Self { retired, ..Self::default() }
    }

    /// Says how a segment does not follow the last one given of the same recorder. The first one given need not be the
    /// first there was.
    pub fn follow(&mut self, path: &Path, segment: &Segment<'_>) -> Option<Broken> {
        let Ok(header) = segment.header() else {
            self.headless.extend(segment.footer().map(|footer| footer.digest));
            return None;
        };
        if header.content == Content::Flows {
            return self.follow_flows(path, segment, header);
        }
        let recorder = Recorder::of(header);
        let number = header.segment_number;
        let this = Last {
            path: path.to_path_buf(),
            number,
            digest: segment.footer().map(|footer| footer.digest),
            closed: segment.footer().map_or(0, |footer| footer.totals.closed),
            went_on: segment.footer().is_some_and(|footer| footer.totals.closing == Closing::WentOn),
            is_squeezed: false,
        };
        // What was made from this one is given, too: what comes before it was followed there.
        if self.last.get(&recorder).is_some_and(|last| last.is_squeezed && number <= last.number) {
            return None;
        }
        let is_behind_headless = header.previous.is_some_and(|digest| self.headless.contains(&digest));
        // From this number on they are all given, up to this one.
        let given = if is_behind_headless { number.saturating_sub(1) } else { number };
        let Some(last) = self.last.insert(recorder, this) else {
            if given > 0 {
                let retired = self.retired_in(0..given, header, header.recorder_started);
                self.begins.push(LooseEnd::Begin { path: path.to_path_buf(), missing: given, retired });
            }
            return None;
        };
        if number <= last.number {
            Some(Broken::OutOfOrder { number, before_number: last.number, before: last.path })
        } else if given > last.number + 1 {
            let absent = last.number + 1..given;
            if self.retired_in(absent.clone(), header, last.closed) < given - absent.start {
                return Some(missing(last.number, given, last.path));
            }
            let (path, before) = (path.to_path_buf(), last.path);
            self.between.push(LooseEnd::Retired { path, first: absent.start, last: given - 1, before });
            None
        } else if number == last.number + 1 && last.digest.is_some() && header.previous != last.digest {
            Some(Broken::Digest { before: last.path })
        } else {
            None
        }
    }

    /// How many of the segments with these numbers the run of the segment with this header is told to have removed, all of which
    /// come before that one. What a removal goes back to is told by time: one that goes back to `begin`, when the first of them
    /// was begun at the earliest, is one of all up to its own number.
    fn retired_in(&self, numbers: Range<u64>, header: &Header, begin: u64) -> u64 {
        let all = self.retired.get(&header.host).map_or(&[][..], Vec::as_slice);
        let of_run = |told: &&Retirement| {
            let of_netns = told.netns.is_none() || told.netns == header.netns();
            of_netns && header.recorder_started < told.to && told.to <= header.created
        };
        let of_these = || all.iter().filter(of_run).filter(|told| numbers.contains(&told.segment.into()));
        let reaching = of_these().filter(|told| told.from <= begin).map(|told| u64::from(told.segment) + 1);
        let whole_until = reaching.max().unwrap_or(numbers.start);
        let single: HashSet<u64> =
            of_these().map(|told| told.segment.into()).filter(|number| *number >= whole_until).collect();
        whole_until - numbers.start + single.len() as u64
    }

    /// The same of a segment of flows: what it was made from has a place in the chain of its recorder, if that is told. Nothing is
    /// said of sources of several runs.
    fn follow_flows(&mut self, path: &Path, segment: &Segment<'_>, header: &Header) -> Option<Broken> {
        self.flows.extend(segment.footer().map(|footer| footer.digest));
        if let Some(fork) = self.fork(path, segment, header) {
            return Some(fork);
        }
        let sources: Vec<_> = segment.made_from().collect();
        let (recorder, first, last) = (Recorder::of(header), *sources.first()?, *sources.last()?);
        let is_of_run = |source: &&&MadeFrom| {
            (source.version.get(), source.boot_id, source.recorder_started.get())
                == (header::VERSION, header.boot_id, header.recorder_started)
        };
        if sources.iter().filter(is_of_run).count() < sources.len() {
            return None;
        }
        let (number, path) = (last.segment_number.get(), path.to_path_buf());
        let digest = segment.footer().map(|footer| footer.digest);
        if self.last.get(&recorder).is_none_or(|known| known.number < number) {
            let (digest, went_on) = (last.digest(), last.closing() == Some(Closing::WentOn));
            let known = Last { path: path.clone(), number, digest, closed: 0, went_on, is_squeezed: true };
            self.last.insert(recorder.clone(), known);
        }
        let gap = sources.iter().zip(sources.iter().skip(1)).find(|(before, after)| !after.follows(before));
        let within =
            gap.map(|(before, after)| missing(before.segment_number.get(), after.segment_number.get(), path.clone()));
        let before = self.last_of_flows.insert(recorder, LastOfFlows { path, number, digest });
        let before = before.and_then(|before| match first.segment_number.get() {
            number if number <= before.number => {
                Some(Broken::OutOfOrder { number, before_number: before.number, before: before.path })
            }
            number if number > before.number + 1 => Some(missing(before.number, number, before.path)),
            _ if header.previous.is_some() && header.previous != before.digest => {
                Some(Broken::Digest { before: before.path })
            }
            _ => None,
        });
        if before.is_some() {
            // Said already.
            self.flows.extend(header.previous);
        }
        before.or(within)
    }

    /// Says whether another segment of flows goes on with the one that this one goes on with. A copy is none.
    fn fork(&mut self, path: &Path, segment: &Segment<'_>, header: &Header) -> Option<Broken> {
        let own = segment.footer().map(|footer| footer.digest);
        let entry = self.gone_on.entry(header.previous?);
        let (other, digest) = entry.or_insert_with(|| (path.to_path_buf(), own));
        (*digest != own).then(|| Broken::Fork { other: other.clone() })
    }

    /// The ends at which there was more, by path.
    pub fn loose_ends(self) -> Vec<LooseEnd> {
        let ends = self.last.into_values().filter(|last| last.went_on).map(|last| LooseEnd::End { path: last.path });
        let is_given = |digest: &Digest| self.flows.contains(digest) || self.headless.contains(digest);
        let goes_on = self.gone_on.into_iter().filter(|(previous, _)| !is_given(previous));
        let goes_on = goes_on.map(|(_, (path, _))| LooseEnd::GoesOn { path });
        let mut all: Vec<_> = self.begins.into_iter().chain(self.between).chain(goes_on).chain(ends).collect();
        all.sort_by(|a, b| a.path().cmp(b.path()));
        all
    }
}

/// What is missing between two segments, by their numbers.
fn missing(before: u64, after: u64, path: PathBuf) -> Broken {
    Broken::Missing { first: before.saturating_add(1), last: after.saturating_sub(1), before: path }
}

impl LooseEnd {
    fn path(&self) -> &Path {
        match self {
            Self::Begin { path, .. } | Self::Retired { path, .. } | Self::GoesOn { path } | Self::End { path } => path,
        }
    }
}
