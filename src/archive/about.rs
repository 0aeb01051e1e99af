//! What an archive says of itself, in the metadata of its file. docs/archive.md, "Metadata".

use ctrecorder_format::{Cause, Clock, Header, Note};
use serde::{Deserialize, Serialize};

/// What an archive says of itself. Times are ns since the epoch, UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Name and version of the program that wrote it.
    pub software: String,
    /// Name of the host that recorded, empty if not known.
    pub host: String,
    /// What the whole export was made from, and how: 32 hexadecimal digits, the same in all its files.
    pub export: String,
    /// The number of this file in the export, from 0.
    pub part: u64,
    /// Whether the export has no file behind this one.
    pub is_last: bool,
    /// From when on it tells.
    pub from: u64,
    /// Until when it tells.
    pub to: u64,
    /// How many rows it has, of both families.
    pub rows: u64,
    /// How many of these are IPv6.
    pub rows_ipv6: u64,
    /// What was recorded.
    pub recorded: Recorded,
    /// Which flows were chosen, as text; empty: all. `None` if an older program wrote it, which did not say.
    #[serde(default)]
    pub chosen: Option<String>,
    /// When the archive begins that this export was put to; `None` if it was put to none. A file that tells from later on, and has
    /// none before it, has lost those that were there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_from: Option<u64>,
    /// Whether it has the flows that were open at the end of an export, for the next one to go on with.
    #[serde(default)]
    pub is_of_open: bool,
    /// Of the last file of an export to an archive that grows: whether what the export left open is in a file of its own. `None` of any
    /// other file, and if an older program wrote it, which did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_open: Option<bool>,
    /// How many exports were whole in its directory before this one, which goes on with them.
    #[serde(default)]
    pub earlier: u64,
    /// Until when the journal told that was exported, by what the clock showed then: where it was set back, files may tell up to a later
    /// time. `None` if an older program wrote it, which did not say.
    #[serde(default)]
    pub ended: Option<u64>,
    /// The files that were read for it.
    pub sources: Vec<SourceFile>,
    /// What in them could not be read.
    pub damage: Vec<String>,
    /// How many such stretches there were, whether or not all are named.
    pub damaged: u64,
    /// How many records were lost with them, as far as that is known.
    pub records_lost: u64,
    /// Gaps, and the other notes of the journal.
    pub notes: Vec<NoteText>,
    /// Where the table of checksums begins: bytes from the start of the file.
    pub checksums: u64,
}

/// What was recorded: of the headers of the sources, what they have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The kernel's time zone (IANA name), empty if not known.
    pub time_zone: String,
    /// Its offset from UTC, in seconds, east positive.
    pub utc_offset_seconds: i32,
    /// Families: bit 0 IPv4, bit 1 IPv6.
    pub families: u8,
    /// Layer-4 protocols, by their numbers; empty: all.
    pub protocols: Vec<u8>,
    /// The network namespace, as the header of a segment has it: docs/format.md, "Body".
    pub namespace: u64,
    /// The machine that recorded, as hexadecimal digits; empty if not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub machine: String,
    /// Further filters, as text; empty: none.
    pub filters: String,
    /// Whether times are the kernel's stamps, where it gave any.
    pub kernel_clock: bool,
    /// Whether packets and bytes were counted.
    pub counters: bool,
    /// When the first of its recorders was started.
    pub recorder_started: u64,
}

/// A file that an archive was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its name, without the directory.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// Its number in its recorder's run, from 0.
    pub segment: Option<u64>,
    /// The SHA-256 digest in its footer, as hexadecimal digits.
    pub digest: Option<String>,
    /// Of one that has no such digest that of its bytes; of an archive, that of its bytes from [`About::checksums`] on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Where it stands among others of its host; `None` if its header cannot be read, or an older program wrote this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What it was made from itself, by digests like the above ones. It stands in the first file of an export that names this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made_from: Vec<String>,
}

/// Where a file stands among others of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The run of its recorder: the boot id as hexadecimal digits, and when it was started. Of a file of version 2, its own begin.
    pub run: String,
    /// Its number in that run; of a squeezed file the last one of what it was made from.
    pub number: u64,
    /// No file that begins before this comes behind it.
    pub next_from: u64,
}

impl Place {
    /// The boot id of its run, when that was started, and its number; `None` if they are not told.
    pub fn numbered(&self) -> Option<([u8; 16], u64, u64)> {
        let (boot, started) = self.run.split_once('-')?;
        Some((u128::from_str_radix(boot, 16).ok()?.to_be_bytes(), started.parse().ok()?, self.number))
    }
}

impl SourceFile {
    /// Whether it is told which file it is, and not only how that is called: older programs did not of all.
    pub fn is_identified(&self) -> bool {
        self.digest.is_some() || self.content.is_some() || self.open_of().is_some()
    }

    /// If it holds the flows that an export left open, what the names of the files of that export begin with.
    pub fn open_of(&self) -> Option<&str> {
        self.name.strip_suffix("open.parquet").filter(|export| export.ends_with('-'))
    }
}

/// A note of the journal (docs/format.md, "Notes").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteText {
    /// Its cause, by number.
    pub cause: u16,
    /// The same in words.
    pub text: String,
    /// Whether events may be missing.
    pub is_gap: bool,
    /// Begin of its span.
    pub from: u64,
    /// End of its span.
    pub to: u64,
    /// How many events were lost; null if that is not known.
    pub lost: Option<u64>,
    /// What else the cause has to say.
    pub value: i64,
    /// Of flows that are left open, whether the clock was set before: docs/format.md, "What is left open". Not told if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_was_set: Option<u32>,
}

impl NoteText {
    /// A note as it is written.
    pub fn of(note: &Note) -> Self {
        Self {
            cause: note.cause.get(),
            text: note.cause().map_or("cause not known to this program", Cause::text).into(),
            is_gap: note.is_gap(),
            from: note.from.get(),
            to: note.to.get(),
            lost: note.lost(),
            value: note.value.get(),
            clock_was_set: Some(note.clock_was_set() as u32).filter(|was_set| *was_set != 0),
        }
    }

    /// The note.
    #[cfg(feature = "archive")]
    pub(super) fn note(&self) -> Note {
        let mut note = Note::gap(self.from, self.to, self.lost.unwrap_or(Note::LOST_UNKNOWN), Cause::Damaged);
        note.cause = self.cause.into();
        note.value = self.value.into();
        self.clock_was_set.map_or(note, |was_set| note.with_clock_was_set(ctrecorder_format::ClockWasSet::of(was_set)))
    }
}

impl Recorded {
    /// What a header says.
    pub fn of(header: &Header) -> Self {
        Self {
            time_zone: header.time_zone.clone(),
            utc_offset_seconds: header.utc_offset_seconds,
            families: header.families,
            protocols: header.protocols.clone(),
            namespace: header.namespace,
            machine: match u128::from_be_bytes(header.machine) {
                0 => String::new(),
                machine => format!("{machine:032x}"),
            },
            filters: header.filters.clone(),
            kernel_clock: header.clock == Clock::Kernel,
            counters: header.counters,
            recorder_started: header.recorder_started,
        }
    }
}

impl About {
    /// The same as the header of a squeezed segment: what an archive says beyond that, only it does. The files of one export
    /// are the segments of a run of their own, which has the export's number for its boot id.
    #[cfg(feature = "archive")]
    pub(super) fn header(&self) -> Header {
        let Recorded { time_zone, utc_offset_seconds, families, protocols, namespace, machine, filters, .. } =
            self.recorded.clone();
        Header {
            software: self.software.clone(),
            host: self.host.clone(),
            boot_id: u128::from_str_radix(&self.export, 16).unwrap_or_default().to_be_bytes(),
            recorder_started: self.recorded.recorder_started,
            segment_number: self.part,
            created: self.from,
            time_zone,
            utc_offset_seconds,
            families,
            protocols,
            namespace,
            machine: u128::from_str_radix(&machine, 16).unwrap_or_default().to_be_bytes(),
            filters,
            counters: self.recorded.counters,
            clock: if self.recorded.kernel_clock { Clock::Kernel } else { Clock::Arrival },
            ..Header::blank(ctrecorder_format::Content::Flows)
        }
    }
}
