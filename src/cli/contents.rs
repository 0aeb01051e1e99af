//! Whether files that are read together tell of the same flows.

use ctrecorder_format::Content;

use crate::archive::SourceFile;
use crate::journal::Version;
use crate::protocol::Protocols;

/// Flows are squeezed from events: both may be there.
const SQUEEZED_BESIDE_EVENTS: &str = "squeezed files beside files of events: what both tell of is there twice";

/// The C program may have gone on beside the recorder, or another one of its files was converted.
const BOTH_VERSIONS: &str =
    "files of version 2 beside files of version 3 of the same time: what both tell of is there twice";

/// What the files have been up to now.
#[derive(Default)]
pub(super) struct Contents {
    events: bool,
    flows: bool,
    /// Of version 2, and of version 3.
    spans: [Vec<Span>; 2],
    told: bool,
}

/// What a file may tell of.
struct Span {
    host: String,
    protocols: Protocols,
    /// ns since the epoch.
    from: u64,
    to: u64,
}

impl Contents {
    /// Adds a file. One that tells what it was made from would have been passed over beside that. Returns what is to be said of it and
    /// those before; there is only one such thing for all files.
    pub(super) fn add(&mut self, file: &Version<'_>) -> Option<&'static str> {
        if self.told {
            return None;
        }
        match file.content() {
            Content::Events => self.events = true,
            Content::Flows => self.flows |= !tells_its_sources(file),
        }
        let said = if self.events && self.flows {
            Some(SQUEEZED_BESIDE_EVENTS)
        } else {
            self.meets_other_version(file).then_some(BOTH_VERSIONS)
        };
        self.told = said.is_some();
        said
    }

    /// Whether a file of the other version tells of the same host, protocol and time.
    fn meets_other_version(&mut self, file: &Version<'_>) -> bool {
        let span = Span::of(file);
        let [two, three] = &mut self.spans;
        let (same, other) = if matches!(file, Version::Two(_)) { (two, three) } else { (three, two) };
        let meets = other.iter().any(|other| span.meets(other));
        same.push(span);
        meets
    }
}

/// Whether a file of flows tells what it was made from, all of it.
fn tells_its_sources(file: &Version<'_>) -> bool {
    let tells = match file {
        Version::Two(_) => false,
        Version::Three(segment) => segment.made_from().next().is_some(),
        Version::Archive(archive) => {
            let about = archive.about();
            // What an export left open is told by what it was made from itself.
            about.is_of_open || (!about.sources.is_empty() && about.sources.iter().all(SourceFile::is_identified))
        }
    };
    tells && file.header().is_some_and(|header| header.filters.is_empty())
}

impl Span {
    fn of(file: &Version<'_>) -> Self {
        let protocols = match file {
            Version::Two(file) => Protocols::These(vec![file.header().protocol]),
            Version::Three(_) | Version::Archive(_) => {
                file.header().map_or(Protocols::All, |header| Protocols::from_numbers(&header.protocols))
            }
        };
        Self { host: file.host().to_owned(), protocols, from: file.begun(), to: file.ended() }
    }

    fn meets(&self, other: &Self) -> bool {
        let same_host = self.host == other.host || self.host.is_empty() || other.host.is_empty();
        let has = |all: &Protocols, some: &Protocols| some.numbers().iter().any(|number| all.contains(*number));
        // One of two is of version 2, and of one protocol.
        let same_protocol = has(&self.protocols, &other.protocols) || has(&other.protocols, &self.protocols);
        same_host && same_protocol && self.from < other.to && other.from < self.to
    }
}
