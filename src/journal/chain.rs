//! The chain of digests between the segments of a recorder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ctrecorder_format::{Content, Digest, Header};

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
#[derive(PartialEq, Eq, Hash)]
struct Recorder {
    host: String,
    boot_id: [u8; 16],
    started: u64,
}

/// The last segment given of a recorder.
struct Last {
    path: PathBuf,
    number: u64,
    /// `None` if it has no footer: then nobody can name its digest.
    digest: Option<Digest>,
}

/// Follows the segments of some recorders, which may be mixed.
#[derive(Default)]
pub(super) struct Chain {
    last: HashMap<Recorder, Last>,
}

impl Chain {
    /// Says how a segment does not follow the last one given of the same recorder. The first one given need not be the
    /// first there was.
    pub(super) fn follow(&mut self, path: &Path, header: &Header, digest: Option<Digest>) -> Option<Broken> {
        // Squeezed segments have the header of their first input, and no place in its chain.
        if header.content == Content::Flows {
            return None;
        }
        let recorder =
            Recorder { host: header.host.clone(), boot_id: header.boot_id, started: header.recorder_started };
        let number = header.segment_number;
        let last = self.last.insert(recorder, Last { path: path.to_path_buf(), number, digest })?;
        if number <= last.number {
            Some(Broken::OutOfOrder { number, before_number: last.number, before: last.path })
        } else if number > last.number + 1 {
            Some(Broken::Missing { first: last.number + 1, last: number - 1, before: last.path })
        } else if last.digest.is_some() && header.previous != last.digest {
            Some(Broken::Digest { before: last.path })
        } else {
            None
        }
    }
}
