//! Inputs whose headers cannot be read: nobody knows of which line they are, and what comes behind one may go on with it.

use std::fmt;
use std::path::PathBuf;

use ctrecorder_format::{Digest, Header};

use super::line::Input;
use crate::counted::{are, counted};
use crate::journal::{Journal, Shown, Version};

/// A segment whose header is cut off or damaged.
#[derive(Debug)]
pub(super) struct Headless {
    pub(super) path: PathBuf,
    /// What is the matter with the header.
    why: String,
    /// The digest in its footer, if it has one.
    digest: Option<Digest>,
    /// How many inputs that can be read come before it by time; `None` if it has no event that tells a time.
    place: Option<usize>,
    /// Whether somebody may write on in it: it has nothing but a part of its header, or somebody has locked it.
    may_grow: bool,
}

/// Which inputs one of these ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// The line of the input with this number, from that one on: its header tells the digest of the segment before it.
    Line(usize),
    /// Every line of segments, from the input with this number on.
    All(usize),
}

impl Headless {
    /// What is known of a file, if it is a segment without a header; `before` inputs come before it by time.
    pub(super) fn of(journal: &Journal, before: usize) -> Option<Self> {
        let file = journal.files().first()?;
        let source = file.open().ok()?;
        let Ok(Version::Three(segment)) = source.parse() else { return None };
        let why = segment.header().err()?.to_string();
        let digest = segment.footer().map(|footer| footer.digest);
        let has_events = segment.heads().any(|head| head.is_ok());
        let may_grow = source.is_being_written() || (digest.is_none() && !has_events);
        let place = has_events.then_some(before);
        Some(Self { path: file.path().to_path_buf(), why, digest, place, may_grow })
    }

    /// Which of the inputs, which are in the order of time, may come behind it.
    pub(super) fn ends(&self, inputs: &[(Header, Input)]) -> Ends {
        let is_next = |(header, _): &(Header, Input)| self.digest.is_some() && header.previous == self.digest;
        // Where it has nothing that tells when it was written, its name is all there is.
        let by_name = || {
            let is_behind =
                |path: &PathBuf| path.parent() == self.path.parent() && path.file_name() > self.path.file_name();
            inputs.iter().position(|(_, input)| is_behind(&input.path)).unwrap_or(inputs.len())
        };
        match inputs.iter().position(is_next) {
            Some(next) => Ends::Line(next),
            None => Ends::All(self.place.unwrap_or_else(by_name)),
        }
    }

    /// Whether it is for another time: more may be written to it, if no segment was begun behind it.
    pub(super) fn waits(&self, ends: Ends, inputs: &[(Header, Input)]) -> bool {
        let is_last = match ends {
            Ends::Line(_) => false,
            Ends::All(place) => !inputs.iter().skip(place).any(|(_, input)| input.is_of_segment()),
        };
        self.may_grow && is_last
    }

    /// What is told of it, if so many inputs behind it are not squeezed.
    pub(super) fn told(&self, behind: usize) -> impl fmt::Display {
        let others = match behind {
            0 => String::new(),
            behind => {
                let (are, inputs) = (are(behind), counted(behind, "input"));
                format!(", nor {are} {inputs} behind it, which may go on with it")
            }
        };
        let (path, why) = (Shown(&self.path), &self.why);
        format!("{path}: not squeezed{others}: {why}: move it away, and squeeze it by itself with -o FILE")
    }
}
