//! What the header of the output says, from the headers of the inputs.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

use anyhow::{Context, bail};
use chrono::{DateTime, Datelike, Timelike};
use ctrecorder_format::block::flags;
use ctrecorder_format::header::family_bit;
use ctrecorder_format::{Cause, Content, Digest, Family, Header, MadeFrom, NS_PER_SECOND, Note, Segment, legacy};

use super::choice::Choice;
use super::looked::{Looked, look};
use super::recorded::{Recordings, is_uneven};
use crate::cli::Report;
use crate::journal::{Journal, Member, Source, UNEVEN, Version};
use crate::query::coverage::{Gap, GapCause, Look, Reading, Several, Span, joined};

const NS_PER_US: u64 = 1_000;

/// What stands between several limits in a header.
const BETWEEN: &str = "; ";

/// The header of an output. What only one input can say (who, where and when) is taken from the first one, what they
/// hold is that of all together.
#[derive(Debug)]
pub(in crate::cli) struct Plan {
    header: Header,
    /// The first input's header, if it is of version 2: then a version 2 output has the same.
    legacy: Option<legacy::Header>,
    /// Which protocols the output may hold.
    protocols: Vec<u8>,
    recordings: Recordings,
    /// What the inputs tell of time.
    looked: Looked,
    /// The inputs that could be read, and where they are, if that was told.
    made_from: Option<Vec<MadeFrom>>,
    files: Vec<Member>,
    /// The gaps before a first input, which none of its notes tells of.
    before: Vec<Gap>,
}

impl Plan {
    /// Reads the headers of a journal's files. `None` if none of its files can be read: why not is said to `report`.
    pub(in crate::cli) fn for_journal(
        journal: &Journal,
        choice: &Choice,
        report: &mut Report,
    ) -> anyhow::Result<Option<Self>> {
        let mut plan: Option<Self> = None;
        let mut failures = Vec::new();
        let mut looked = Looked::default();
        // Who takes all of the records comes to the head of every block, and tells of those that are damaged.
        let by = if choice.is_all() { Look::Directory } else { Look::Heads };
        for file in journal.files() {
            let next = file.open().and_then(|source| {
                let version = source.parse()?;
                file.is_read(&source, &version);
                Ok(Self::for_input(file, &source, &version, by))
            });
            let (next, reading) = match next {
                Ok((next, reading)) => (next, reading),
                Err(error) => {
                    looked.push(Reading::default(), by);
                    failures.push(error);
                    continue;
                }
            };
            looked.push(reading, by);
            match &mut plan {
                Some(plan) => plan.add(next),
                None => plan = Some(next),
            }
        }
        match plan {
            Some(plan) => Self { looked, ..plan }.narrowed(choice).map(Some),
            None => {
                failures.into_iter().for_each(|failure| report.failure(failure));
                Ok(None)
            }
        }
    }

    /// What the output of one file says of itself, and what this tells of time.
    fn for_input(file: &Member, source: &Source, version: &Version<'_>, by: Look) -> (Self, Reading) {
        let plan = Self::for_file(version, source.length());
        let reading = look(source, version, by);
        let recordings = Recordings::of(&plan.header, &reading);
        (Self { recordings, files: vec![file.clone()], ..plan }, reading)
    }

    /// Something in this input, counted from 0, cannot be read.
    pub(super) fn is_damaged(&mut self, number: usize, file: &Member) {
        self.looked.is_damaged(number, file);
    }

    /// What the output of one file says of itself, of which not all is chosen.
    pub(in crate::cli) fn for_choice(source: &Source, version: &Version<'_>, choice: &Choice) -> anyhow::Result<Self> {
        let plan = Self::for_file(version, source.length());
        // What of it was recorded when, its notes tell.
        let recordings = if is_uneven(&plan.header) {
            Recordings::of(&plan.header, &look(source, version, Look::Heads))
        } else {
            plan.recordings
        };
        Self { recordings, ..plan }.narrowed(choice)
    }

    /// What the output of one file, of so many bytes, says of itself; of a file without a footer, the digest of its bytes is not
    /// taken.
    pub(in crate::cli) fn for_file(version: &Version<'_>, length: u64) -> Self {
        let (header, legacy, made_from) = match version {
            Version::Two(file) => {
                let header = modern(file.header(), version.begun());
                (header, Some(file.header().clone()), Some(MadeFrom::version_2(version.begun(), length)))
            }
            Version::Three(segment) => {
                let header = header_of(segment, version.begun());
                let made_from = MadeFrom::segment(&header, segment.footer(), length);
                (header, None, Some(made_from))
            }
            // It is known by its own name for what it was made from, not by a digest that a segment could tell.
            Version::Archive(archive) => (archive.header().clone(), None, None),
        };
        Self {
            protocols: header.protocols.clone(),
            recordings: Recordings::default(),
            header,
            legacy,
            looked: Looked::default(),
            made_from: made_from.map(|made_from| vec![made_from]),
            files: Vec::new(),
            before: Vec::new(),
        }
    }

    /// Refuses inputs of several recorders: one output can tell of only one.
    pub(in crate::cli) fn of_one_recorder(self) -> Result<Self, Several> {
        self.looked.reading().coverage().map(|_| self)
    }

    /// Adds what another input holds.
    fn add(&mut self, other: Self) {
        let header = &mut self.header;
        header.counters |= other.header.counters;
        header.families |= other.header.families;
        // No protocols means all of them.
        if header.protocols.is_empty() || other.header.protocols.is_empty() {
            header.protocols.clear();
        } else {
            let new = other.header.protocols.iter().filter(|protocol| !self.protocols.contains(protocol));
            header.protocols.extend(new);
        }
        self.protocols.clone_from(&header.protocols);
        header.filters = joined_filters(std::mem::take(&mut header.filters), &other.header.filters);
        self.recordings.join(other.recordings);
        // Where one cannot be told, none is: they would be taken for all.
        let both = self.made_from.take().zip(other.made_from.as_deref());
        self.made_from = both.map(|(own, others)| [&own, others].concat());
        self.files.extend(other.files);
    }

    /// Leaves out what is not chosen.
    fn narrowed(mut self, choice: &Choice) -> anyhow::Result<Self> {
        let header = &mut self.header;
        let had_protocols = !header.protocols.is_empty();
        for family in [Family::Ipv4, Family::Ipv6] {
            if !choice.has_family(family) {
                header.families &= !family_bit(family);
            }
        }
        if header.protocols.is_empty() {
            header.protocols = choice.protocols.numbers().to_vec();
        } else {
            header.protocols.retain(|protocol| choice.protocols.contains(*protocol));
        }
        // An empty list would say that all of them were recorded.
        if header.families == 0 || (had_protocols && header.protocols.is_empty()) {
            bail!("nothing of the protocols and families chosen was recorded in the input");
        }
        if is_uneven(header) {
            // Of what is chosen it may not be true any more.
            if !self.recordings.miss(header) {
                header.filters = without_uneven(&header.filters);
            }
        } else if self.recordings.lack(header) {
            // Else that nothing was found would be taken for that there was nothing.
            header.filters = joined_filters(std::mem::take(&mut header.filters), UNEVEN);
        }
        if let Some(filter) = choice.filter_text() {
            let before = std::mem::take(&mut header.filters);
            header.filters = if before.is_empty() { filter } else { format!("{before}{BETWEEN}{filter}") };
        }
        self.protocols.clone_from(&header.protocols);
        Ok(self)
    }

    /// The same of a segment that goes on with another one, which has this digest, and ends with what it leaves open; `gaps` are
    /// those before its first input. Of the same inputs it is always the same segment.
    pub(in crate::cli) fn going_on(mut self, previous: Option<Digest>, gaps: Vec<Gap>) -> anyhow::Result<Self> {
        self.header = Header { closing_keyframe: true, content: Content::Flows, previous: None, ..self.header };
        // The checksum of a header that has the tag of the input is as good as one by chance, and always the same.
        let header = self.header.encode()?;
        self.header.tag = header.get(60..64).and_then(|crc| crc.try_into().ok()).map_or(0, u32::from_le_bytes);
        self.header.previous = previous;
        Ok(self.behind(gaps))
    }

    /// The same of inputs behind these gaps, which none of them tells.
    pub(in crate::cli) fn behind(self, gaps: Vec<Gap>) -> Self {
        Self { before: gaps, ..self }
    }

    /// What the header of the output is made of.
    pub(in crate::cli) const fn kept(&self) -> &Header {
        &self.header
    }

    /// The host that recorded the first input, empty if that is not known.
    pub(in crate::cli) fn host(&self) -> &str {
        &self.header.host
    }

    /// What the output of a journal is made from, and where that is.
    pub(in crate::cli) fn origins(&self) -> impl Iterator<Item = (MadeFrom, &Member)> {
        self.made_from().iter().copied().zip(&self.files)
    }

    /// Whether the output is made from the file at this path.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.files.iter().any(|file| file.path() == path)
    }

    /// What the output is made from; of files without a footer, without the digest of their bytes.
    pub(in crate::cli) fn made_from(&self) -> &[MadeFrom] {
        self.made_from.as_deref().unwrap_or_default()
    }

    /// Whether a segment with this header holds what this output would.
    pub(in crate::cli) fn is_of_kind(&self, header: &Header) -> bool {
        let Header { tag, software, content, closing_keyframe, marks_clock_sets, previous, .. } = header.clone();
        *header
            == Header { tag, software, content, closing_keyframe, marks_clock_sets, previous, ..self.header.clone() }
    }

    /// Until when the inputs tell, ns since the epoch.
    pub(in crate::cli) fn end(&self) -> u64 {
        self.looked.reading().end()
    }

    /// The gaps between and in some journals, read as one, that none of their notes tells of. Files that cannot be read are passed
    /// over.
    fn untold(journals: &[&Journal]) -> Vec<Gap> {
        let mut reading = Reading::default();
        for file in journals.iter().flat_map(|journal| journal.files()) {
            if let Ok(source) = file.open()
                && let Ok(version) = source.parse()
            {
                reading.join(look(&source, &version, Look::Heads));
            }
        }
        reading.untold()
    }

    /// Those of them that neither of two journals tells by itself: they are between the two.
    pub(in crate::cli) fn untold_between(first: &Journal, next: &Journal) -> impl Iterator<Item = Gap> {
        let [both, own, next] = [&[first, next][..], &[first], &[next]].map(Self::untold);
        let mut own: Vec<_> = own.into_iter().chain(next).collect();
        both.into_iter().filter(move |gap| match own.iter().position(|known| known == gap) {
            Some(place) => {
                own.swap_remove(place);
                false
            }
            None => true,
        })
    }

    /// The gaps in the inputs that none of their notes tells of, as notes: between and in them, where records were damaged,
    /// with their number, and when flows may have been alive that only lost records told of. Then when nobody tells of flows
    /// that had begun unheard, and what was recorded when,
    /// which matters also if the clock was set back (`is_turned`).
    pub(in crate::cli) fn gaps(
        self,
        damaged: Vec<Gap>,
        lost: impl Iterator<Item = Span>,
        is_turned: bool,
    ) -> Vec<Note> {
        let created = Span { from: self.header.created, to: self.header.created };
        let reading = self.looked.reading();
        let told = reading.span().map_or(created, |told| told.joined(created));
        let is_turned = is_turned || reading.is_turned();
        let not_read = reading.not_read().into_iter();
        let not_read: Vec<_> = not_read.map(|span| Note::gap(span.from, span.to, 0, Cause::NotRead)).collect();
        let untold = self.before.into_iter().chain(reading.untold()).map(|gap| match gap.cause {
            GapCause::NotRunning | GapCause::SetBack => Gap { cause: GapCause::NotRunning, ..gap },
            _ => Gap { cause: GapCause::Damaged, ..gap },
        });
        let gap = |Span { from, to }, lost| Gap { from, to, cause: GapCause::Damaged, lost };
        // Outside the inputs nothing is told anyway. Their number is that of the gap that these are joined with.
        let within = |moment: u64| moment.clamp(told.from, told.to);
        let lost = lost.map(|alive| gap(Span { from: within(alive.from), to: within(alive.to) }, Some(0)));
        let gaps = joined(untold.chain(damaged).chain(lost).collect());
        let recorded = self.recordings.notes(&self.header, is_turned);
        gaps.into_iter().map(note).chain(not_read).chain(recorded).collect()
    }

    /// The header of a version 3 output.
    pub(in crate::cli) fn header(&self) -> Header {
        if self.header.closing_keyframe {
            let software = concat!("ctrecorder ", env!("CARGO_PKG_VERSION")).into();
            return Header { software, marks_clock_sets: true, ..self.header.clone() };
        }
        Header {
            // The standard library seeds its hashers at random.
            tag: RandomState::new().build_hasher().finish() as u32,
            software: concat!("ctrecorder ", env!("CARGO_PKG_VERSION")).into(),
            content: Content::Flows,
            marks_clock_sets: true,
            previous: None,
            ..self.header.clone()
        }
    }

    /// The header of a version 2 output.
    pub(in crate::cli) fn legacy_header(&self) -> anyhow::Result<legacy::Header> {
        let [protocol] = self.protocols[..] else {
            bail!("a file of version 2 holds one protocol, and here are several: choose one with --proto");
        };
        Ok(match &self.legacy {
            Some(header) => legacy::Header { content: legacy::Content::Combined, protocol, ..header.clone() },
            None => ancient(&self.header, protocol)?,
        })
    }
}

/// What limits one or the other of two inputs.
fn joined_filters(own: String, other: &str) -> String {
    match own.as_str() {
        "" => other.to_owned(),
        _ if other.is_empty() || own.split(BETWEEN).any(|part| part == other) => own,
        _ => format!("{own}{BETWEEN}{other}"),
    }
}

/// What limits an input, but for that some of its own recorded less.
fn without_uneven(filters: &str) -> String {
    filters.split(BETWEEN).filter(|part| *part != UNEVEN).collect::<Vec<_>>().join(BETWEEN)
}

/// A gap as a note. One that is there lost something.
fn note(gap: Gap) -> Note {
    let cause = if gap.cause == GapCause::NotRunning { Cause::NotRunning } else { Cause::Damaged };
    Note::gap(gap.from, gap.to, gap.lost.filter(|lost| *lost > 0).unwrap_or(Note::LOST_UNKNOWN), cause)
}

/// The header of a segment, or what can be said of one whose header is damaged.
fn header_of(segment: &Segment<'_>, begun: u64) -> Header {
    segment.header().cloned().unwrap_or_else(|_| Header {
        counters: segment.heads().any(|head| head.is_ok_and(|head| head.header.has(flags::COUNTERS))),
        created: begun,
        ..Header::blank(Content::Events)
    })
}

/// What a version 2 header says, as one of version 3.
fn modern(header: &legacy::Header, started: u64) -> Header {
    Header {
        host: header.host.clone(),
        recorder_started: started,
        created: started,
        utc_offset_seconds: header.utc_offset_seconds,
        families: family_bit(Family::Ipv4),
        protocols: vec![header.protocol],
        ..Header::blank(Content::Flows)
    }
}

/// What a version 3 header says, as one of version 2, for flows of one protocol.
fn ancient(header: &Header, protocol: u8) -> anyhow::Result<legacy::Header> {
    let seconds = header.created / NS_PER_SECOND;
    let started = u32::try_from(seconds).context("a file of version 2 cannot hold times after 2106")?;
    let local = i64::from(started) + i64::from(header.utc_offset_seconds);
    let local = DateTime::from_timestamp(local, 0).context("its offset from UTC makes no sense")?;
    Ok(legacy::Header {
        content: legacy::Content::Combined,
        protocol,
        host: header.host.clone(),
        flags: 0,
        started: (started, (header.created % NS_PER_SECOND / NS_PER_US) as u32),
        ended: (0, 0),
        tz_minutes_west: 0,
        tz_dst: 0,
        utc_offset_seconds: header.utc_offset_seconds,
        local_start: legacy::LocalTime {
            year_since_1900: u16::try_from(local.year() - 1900).unwrap_or(0),
            month_from_0: local.month0() as u8,
            day: local.day() as u8,
            hour: local.hour() as u8,
            minute: local.minute() as u8,
            second: local.second() as u8,
        },
    })
}
