//! Which files go on with which.

use std::path::{Path, PathBuf};

use ctrecorder_format::{Content, Header, Segment, legacy};

use super::super::opened::Opened;
use super::super::{Recorder, Source, Version};
use crate::file::Identity;

/// What recorders have in common that take turns: only one of them runs at a time, and the next one goes on where the last
/// one ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Line {
    directory: PathBuf,
    host: String,
    records: Records,
}

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Records {
    Segments { namespace: u64, families: u8, protocols: Vec<u8> },
    Version2 { protocol: u8 },
}

impl Line {
    /// That of a file of this version at this path; `None` if it is none of a recorder, or its header does not tell.
    pub(super) fn of(path: &Path, version: &Version<'_>) -> Option<Self> {
        let directory = directory_of(path).to_path_buf();
        match version {
            Version::Three(segment) => {
                let Header { host, namespace, families, protocols, .. } = header_of_events(segment)?.clone();
                Some(Self { directory, host, records: Records::Segments { namespace, families, protocols } })
            }
            Version::Two(file) if file.header().content == legacy::Content::Events => {
                let (host, protocol) = (file.header().host.clone(), file.header().protocol);
                Some(Self { directory, host, records: Records::Version2 { protocol } })
            }
            Version::Two(_) | Version::Archive(_) => None,
        }
    }

    /// That of a file that is open.
    pub(super) fn of_opened(file: &Opened) -> Option<Self> {
        Self::of(file.source().path(), file.version())
    }
}

/// The directory of a file: empty for the present one, so that what is found in it is called as the file was.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn header_of_events<'s>(segment: &'s Segment<'_>) -> Option<&'s Header> {
    segment.header().ok().filter(|header| header.content == Content::Events)
}

/// The place of a segment in the order of its line: the begin of its run, and its number there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    run: Recorder,
    started: u64,
    number: u64,
}

impl Turn {
    /// That of a file of this version, if it is a segment of events whose header tells.
    pub(super) fn of(version: &Version<'_>) -> Option<Self> {
        let Version::Three(segment) = version else { return None };
        let header = header_of_events(segment)?;
        Some(Self { run: Recorder::of(header), started: header.recorder_started, number: header.segment_number })
    }

    /// Whether it is a later one of the same run.
    pub(super) fn goes_on_with(&self, before: &Self) -> bool {
        self.run == before.run && self.number > before.number
    }

    /// Whether it is a later one of the same line, of this run or of a later one.
    pub(super) fn is_behind(&self, before: &Self) -> bool {
        self.goes_on_with(before) || self.run != before.run && self.started > before.started
    }
}

/// Whether two files are segments of one run.
pub(super) fn is_one_run(one: &Opened, other: &Opened) -> bool {
    let run = |file: &Opened| Turn::of(file.version()).map(|turn| turn.run);
    run(one).is_some() && run(one) == run(other)
}

/// What a file has that no other one has, under whatever name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    Segment { run: Recorder, number: u64, tag: u32, holds_flows: bool },
    Version2 { host: String, started: (u32, u32), protocol: u8, file: Option<Identity> },
}

impl Mark {
    /// That of a file of this version; `None` if its header is damaged.
    pub(super) fn of(file: &Source, version: &Version<'_>) -> Option<Self> {
        match version {
            Version::Three(segment) => {
                let header = segment.header().ok()?;
                let (run, number, tag) = (Recorder::of(header), header.segment_number, header.tag);
                Some(Self::Segment { run, number, tag, holds_flows: header.content == Content::Flows })
            }
            // Its header tells little: it is taken for a renamed one only if it is the same file, too.
            Version::Two(records) => {
                let legacy::Header { host, started, protocol, .. } = records.header().clone();
                Some(Self::Version2 { host, started, protocol, file: file.identity() })
            }
            Version::Archive(archive) => {
                let header = archive.header();
                let (run, number) = (Recorder::of(header), header.segment_number);
                Some(Self::Segment { run, number, tag: 0, holds_flows: true })
            }
        }
    }
}
