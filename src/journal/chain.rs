//! The chain of digests between the segments of a recorder.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use ctrecorder_format::{Closing, Content, Digest, Header, Segment};

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
}

fn segments(first: u64, last: u64) -> String {
    if first == last { format!("segment {first} is") } else { format!("segments {first} to {last} are") }
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
}

/// The last segment given of a recorder.
struct Last {
    path: PathBuf,
    number: u64,
    /// `None` if it has no footer: then nobody can name its digest.
    digest: Option<Digest>,
    /// By its footer the recorder went on in another segment.
    went_on: bool,
}

/// An end of a chain at which there was more than what is given. That is no defect of what is given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LooseEnd {
    /// The first segment given is not the recorder's first.
    #[error("{}: {} not among those given", Shown(path), count(*missing))]
    Begin {
        /// The first segment given.
        path: PathBuf,
        /// How many the recorder had written before it.
        missing: u64,
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
    begins: Vec<LooseEnd>,
    /// The digests of segments whose headers are damaged: which of a recorder they are, only the one behind them tells.
    headless: HashSet<Digest>,
}

impl Chain {
    /// Says how a segment does not follow the last one given of the same recorder. The first one given need not be the
    /// first there was.
    pub fn follow(&mut self, path: &Path, segment: &Segment<'_>) -> Option<Broken> {
        let Ok(header) = segment.header() else {
            self.headless.extend(segment.footer().map(|footer| footer.digest));
            return None;
        };
        // Squeezed segments have the header of their first input, and no place in its chain.
        if header.content == Content::Flows {
            return None;
        }
        let recorder = Recorder::of(header);
        let number = header.segment_number;
        let this = Last {
            path: path.to_path_buf(),
            number,
            digest: segment.footer().map(|footer| footer.digest),
            went_on: segment.footer().is_some_and(|footer| footer.totals.closing == Closing::WentOn),
        };
        let is_behind_headless = header.previous.is_some_and(|digest| self.headless.contains(&digest));
        // From this number on they are all given, up to this one.
        let given = if is_behind_headless { number.saturating_sub(1) } else { number };
        let Some(last) = self.last.insert(recorder, this) else {
            if given > 0 {
                self.begins.push(LooseEnd::Begin { path: path.to_path_buf(), missing: given });
            }
            return None;
        };
        if number <= last.number {
            Some(Broken::OutOfOrder { number, before_number: last.number, before: last.path })
        } else if given > last.number + 1 {
            Some(Broken::Missing { first: last.number + 1, last: given - 1, before: last.path })
        } else if number == last.number + 1 && last.digest.is_some() && header.previous != last.digest {
            Some(Broken::Digest { before: last.path })
        } else {
            None
        }
    }

    /// The ends at which there was more, by path.
    pub fn loose_ends(self) -> Vec<LooseEnd> {
        let ends = self.last.into_values().filter(|last| last.went_on).map(|last| LooseEnd::End { path: last.path });
        let mut all: Vec<_> = self.begins.into_iter().chain(ends).collect();
        all.sort_by(|a, b| a.path().cmp(b.path()));
        all
    }
}

impl LooseEnd {
    fn path(&self) -> &Path {
        match self {
            Self::Begin { path, .. } | Self::End { path } => path,
        }
    }
}
