//! Hands the records of a journal to a sink, in order.

use std::ops::ControlFlow;
use std::path::Path;

use ctrecorder_format::block::flags;
use ctrecorder_format::legacy::{self, Piece};
use ctrecorder_format::{Address, Body, Counters, Damage, Fault, Head, Kind, Note, Record, Segment, V4, V6};

use super::keyframe::{Keyframes, OpenRecords};
use super::merge::{Batch, Either};
use super::{Error, Journal, Source, Version};

/// A file without blocks tells of its progress each time this many bytes are done.
const STEP_BYTES: u64 = 64 * 1024;

/// Which records are wanted.
pub trait Select {
    /// Whether no record of a block can be wanted, by what the block's head says: then its records are not touched.
    fn rules_out(&self, head: &Head<'_>) -> bool;

    /// Whether this record is wanted.
    fn matches<A: Address>(&self, record: &Record<A>) -> bool;
}

/// Every record is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl Select for Everything {
    fn rules_out(&self, _head: &Head<'_>) -> bool {
        false
    }

    fn matches<A: Address>(&self, _record: &Record<A>) -> bool {
        true
    }
}

/// Takes what a journal holds, in order: of each file first [`Sink::begin`], then the rest.
pub trait Sink {
    /// What it says when it wants no more.
    type Stop;

    /// A file begins.
    fn begin(&mut self, path: &Path, file: &Version<'_>) -> ControlFlow<Self::Stop>;

    /// A record of an IPv4 flow, with its counters if there are any.
    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<Self::Stop>;

    /// A record of an IPv6 flow, with its counters if there are any.
    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<Self::Stop>;

    /// A gap, or another note.
    fn note(&mut self, path: &Path, note: &Note) -> ControlFlow<Self::Stop>;

    /// Something in the file could not be read.
    fn damage(&mut self, path: &Path, damage: &Damage) -> ControlFlow<Self::Stop>;

    /// A file could not be read at all.
    fn error(&mut self, error: Error) -> ControlFlow<Self::Stop>;

    /// So many further bytes of the journal are done.
    fn passed(&mut self, bytes: u64);
}

/// Reads journals: which records are wanted, and what is known of the files up to now.
#[derive(Debug)]
pub struct Scan<F> {
    select: F,
    keyframes: Keyframes,
}

impl<F: Select> Scan<F> {
    /// A scan for the records that `select` wants, among the open ones those that `open_records` says.
    pub fn new(select: F, open_records: OpenRecords) -> Self {
        Self { select, keyframes: Keyframes::new(open_records) }
    }

    /// Hands everything in a journal to `sink`, until that wants no more.
    pub fn run<S: Sink>(&mut self, journal: &Journal, sink: &mut S) -> ControlFlow<S::Stop> {
        for file in journal.files() {
            match file.open() {
                Ok(source) => self.file(&source, sink)?,
                Err(error) => sink.error(error)?,
            }
        }
        ControlFlow::Continue(())
    }

    fn file<S: Sink>(&mut self, source: &Source, sink: &mut S) -> ControlFlow<S::Stop> {
        let version = match source.parse() {
            Ok(version) => version,
            Err(error) => {
                sink.passed(source.length());
                return sink.error(error);
            }
        };
        sink.begin(source.path(), &version)?;
        match &version {
            Version::Two(file) => self.legacy(source, file, sink),
            Version::Three(segment) => {
                self.keyframes.begin(segment.header().ok());
                let mut walk = Walk { scan: self, source, sink, passed: 0 };
                walk.segment(segment)?;
                self.keyframes.end(segment);
                ControlFlow::Continue(())
            }
        }
    }

    fn legacy<S: Sink>(&self, source: &Source, file: &legacy::File<'_>, sink: &mut S) -> ControlFlow<S::Stop> {
        let mut passed = 0;
        for piece in file.pieces() {
            match piece {
                Piece::Record { offset, record } => {
                    if self.select.matches(&record) {
                        sink.ipv4(&record, None)?;
                    }
                    if offset - passed >= STEP_BYTES {
                        sink.passed(offset - passed);
                        passed = offset;
                    }
                }
                Piece::Damage(damage) => sink.damage(source.path(), &damage)?,
            }
        }
        sink.passed(source.length() - passed);
        ControlFlow::Continue(())
    }
}

/// The way through one segment.
struct Walk<'w, F, S> {
    scan: &'w mut Scan<F>,
    source: &'w Source,
    sink: &'w mut S,
    /// Bytes of the file that are done.
    passed: u64,
}

impl<F: Select, S: Sink> Walk<'_, F, S> {
    fn segment(&mut self, segment: &Segment<'_>) -> ControlFlow<S::Stop> {
        if let Err(damage) = segment.header() {
            self.damage(damage)?;
        }
        let mut batch = Batch::default();
        for head in segment.heads() {
            match head {
                Ok(head) => self.block(&head, &mut batch)?,
                Err(damage) => {
                    self.hand_on(&mut batch)?;
                    self.damage(&damage)?;
                }
            }
        }
        self.hand_on(&mut batch)?;
        self.sink.passed(self.source.length() - self.passed);
        ControlFlow::Continue(())
    }

    /// Takes a block into the batch, and hands the batch on when it is whole.
    fn block<'a>(&mut self, head: &Head<'a>, batch: &mut Batch<'a>) -> ControlFlow<S::Stop> {
        if !batch.goes_on_with(head.header) {
            self.hand_on(batch)?;
        }
        batch.joined_by(head.header);
        // The open records behind a gap are looked for whatever is wanted: the next keyframe depends on them.
        let needed = self.scan.keyframes.are_awaited() && head.header.has(flags::OPEN);
        let skip = !needed && self.scan.select.rules_out(head);
        let body = if skip { Ok(Body::Unknown) } else { head.verify().map(|block| block.body) };
        match body {
            Ok(Body::Ipv4(records)) if batch.ipv4.is_none() => batch.ipv4 = Some(records),
            Ok(Body::Ipv6(records)) if batch.ipv6.is_none() => batch.ipv6 = Some(records),
            // A third block in a batch is nothing that our writer makes; it is read all the same.
            Ok(Body::Ipv4(records)) => {
                self.hand_on(batch)?;
                batch.ipv4 = Some(records);
            }
            Ok(Body::Ipv6(records)) => {
                self.hand_on(batch)?;
                batch.ipv6 = Some(records);
            }
            Ok(Body::Notes(notes)) => {
                self.hand_on(batch)?;
                self.notes(notes)?;
            }
            Ok(Body::Footer(_) | Body::Index(_) | Body::Unknown) => {}
            Err(damage) => self.damage(&damage)?,
        }
        if batch.is_whole() {
            self.hand_on(batch)?;
        }
        let end = head.offset + head.header.length();
        self.sink.passed(end.saturating_sub(self.passed));
        self.passed = self.passed.max(end);
        ControlFlow::Continue(())
    }

    /// Hands the records of the batch to the sink, and begins a new one.
    fn hand_on(&mut self, batch: &mut Batch<'_>) -> ControlFlow<S::Stop> {
        for record in std::mem::take(batch).records() {
            match record {
                Either::Ipv4(record, counters) if self.wants(record) => self.sink.ipv4(record, counters)?,
                Either::Ipv6(record, counters) if self.wants(record) => self.sink.ipv6(record, counters)?,
                Either::Ipv4(..) | Either::Ipv6(..) => {}
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether a record is handed on. One of a later version's kind is not: nobody here knows what it says.
    fn wants<A: Address>(&mut self, record: &Record<A>) -> bool {
        let new = match record.kind() {
            Some(Kind::Open) => self.scan.keyframes.shows(),
            kind => kind.is_some(),
        };
        new && self.scan.select.matches(record)
    }

    fn notes(&mut self, notes: &[Note]) -> ControlFlow<S::Stop> {
        for note in notes {
            self.scan.keyframes.note(note);
            self.sink.note(self.source.path(), note)?;
        }
        ControlFlow::Continue(())
    }

    /// Tells of damage; but a segment that is being written may end anywhere.
    fn damage(&mut self, damage: &Damage) -> ControlFlow<S::Stop> {
        if matches!(damage.fault, Fault::CutOff(_)) && self.source.is_being_written() {
            return ControlFlow::Continue(());
        }
        if damage.records_lost != Some(0) {
            self.scan.keyframes.damage();
        }
        self.sink.damage(self.source.path(), damage)
    }
}
