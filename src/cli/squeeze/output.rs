//! The file that a squeeze writes: whole, or not at all.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Cause, Closing, Counters, Digest, Kind, Note, Record, V4, V6, Writer, legacy};
use tempfile::TempPath;

use super::long::Long;
use super::origins::Origins;
use super::timeless::Timeless;
use crate::cli::flows::outgoing::Outgoing;
use crate::cli::flows::temporary::{Maker, create, persist};
use crate::cli::flows::{self, Plan};

/// Sealed blocks are written when there is this much of them.
const CHUNK_BYTES: usize = 1024 * 1024;

/// A file on its way: under another name until it is whole.
pub(super) struct Output {
    path: PathBuf,
    temporary: TempPath,
    format: Format,
    /// The last readings of the kernel's table: written once an end refers to one.
    readings: VecDeque<Note>,
    /// Flows that stand apart, until there is a block of them.
    long_ipv4: Long<V4>,
    long_ipv6: Long<V6>,
    origins: Origins,
    /// So many came, but for those that are left open.
    flows: u64,
    /// What an output of version 2 has no place for.
    timeless: Timeless,
}

/// What is known of an output that is whole.
pub(super) struct Made {
    /// The flows in it, but for those that it leaves open.
    pub(super) flows: u64,
    pub(super) bytes: u64,
    /// Its digest, if it has one.
    pub(super) digest: Option<Digest>,
    /// What it had no place for.
    pub(super) timeless: Timeless,
}

/// So many readings are remembered. The ends that one found stand right behind it.
const READINGS: usize = 16;

/// The formats that flows can be written in.
enum Format {
    Segment(Box<Writer<Outgoing>>),
    Legacy(legacy::Writer<BufWriter<File>>),
}

impl Output {
    /// An output of version 3.
    pub(super) fn segment(path: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let header = plan.header();
        let maker = if header.closing_keyframe { Maker::Segment } else { Maker::Squeeze };
        let (file, temporary) = create(path, maker)?;
        let writer = Writer::new(Outgoing::new(file), &header)?;
        let origins = Origins::of(plan);
        Ok(Self { origins, ..Self::new(path, temporary, Format::Segment(Box::new(writer))) })
    }

    /// An output of version 2, combined.
    pub(super) fn legacy(path: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let header = plan.legacy_header()?;
        let (file, temporary) = create(path, Maker::Squeeze)?;
        let writer = legacy::Writer::new(BufWriter::new(file), &header)?;
        Ok(Self::new(path, temporary, Format::Legacy(writer)))
    }

    fn new(path: &Path, temporary: TempPath, format: Format) -> Self {
        let (path, readings, origins) = (path.to_path_buf(), VecDeque::new(), Origins::Known(Vec::new()));
        let (long_ipv4, long_ipv6) = (Long::default(), Long::default());
        let (flows, timeless) = (0, Timeless::default());
        Self { path, temporary, format, readings, long_ipv4, long_ipv6, origins, flows, timeless }
    }

    /// Ends the blocks up to here.
    fn flush(&mut self) {
        if let Format::Segment(writer) = &mut self.format {
            self.long_ipv4.flush(writer);
            self.long_ipv6.flush(writer);
            writer.seal();
        }
    }

    /// Counts a flow.
    fn count<A: Address>(&mut self, flow: &Record<A>) {
        self.flows += u64::from(flow.kind() != Some(Kind::Open));
    }

    /// Puts the reading that found the end of a flow before it.
    fn refer<A: Address>(&mut self, flow: &Record<A>) {
        if flow.flags & flags::END_AT_LATEST == 0 {
            return;
        }
        if let Format::Segment(writer) = &mut self.format
            && let Some(place) = self.readings.iter().position(|reading| reading.to == flow.end)
            && let Some(reading) = self.readings.remove(place)
        {
            writer.note(&reading);
        }
    }
}

impl flows::Output for Output {
    type Made = Made;

    fn has_notes(&self) -> bool {
        matches!(self.format, Format::Segment(_))
    }

    fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        self.refer(flow);
        match &mut self.format {
            Format::Segment(writer) => {
                self.long_ipv4.push(writer, flow, counters, arrival(flow, reached));
                write_out(writer)?;
            }
            Format::Legacy(_) if Timeless::is(flow) => {
                self.timeless.leave_out(flow);
                return Ok(());
            }
            Format::Legacy(writer) => match writer.push(flow) {
                Err(legacy::WriteError::Protocol { .. }) => {
                    bail!("a file of version 2 holds one protocol, and here are several: choose one with --protocol")
                }
                done => done?,
            },
        }
        self.count(flow);
        Ok(())
    }

    fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        self.refer(flow);
        match &mut self.format {
            Format::Segment(writer) => {
                self.long_ipv6.push(writer, flow, counters, arrival(flow, reached));
                write_out(writer)?;
            }
            Format::Legacy(_) => {
                bail!("a file of version 2 holds IPv4 only, and here are IPv6 flows: leave them out with --family ipv4")
            }
        }
        self.count(flow);
        Ok(())
    }

    fn note(&mut self, note: &Note) -> anyhow::Result<()> {
        match &mut self.format {
            Format::Segment(_) if note.cause() == Some(Cause::TableRead) => {
                self.readings.truncate(READINGS - 1);
                self.readings.push_front(*note);
            }
            // That nothing happened says nothing here.
            Format::Segment(_) if note.cause() == Some(Cause::Quiet) => {}
            Format::Segment(writer) => {
                writer.note(note);
                write_out(writer)?;
            }
            Format::Legacy(_) => {}
        }
        Ok(())
    }

    fn reading(&mut self, note: &Note) -> anyhow::Result<()> {
        if let Format::Segment(writer) = &mut self.format {
            writer.note(note);
        }
        Ok(())
    }

    fn part(&mut self, _left: &Note) {
        self.flush();
    }

    /// It tells of its flows up to `closed`, as its inputs did, not up to the present.
    fn finish(mut self, closed: u64) -> anyhow::Result<Made> {
        self.flush();
        // The lock goes with the file, after it has its name.
        let (file, digest) = match self.format {
            Format::Segment(mut writer) => {
                writer.made_from(&self.origins.known()?, closed);
                let digest = writer.finish(Closing::Complete, closed)?;
                writer.write_out()?;
                let file = writer.into_output().into_file();
                file.sync_all()?;
                (file, Some(digest))
            }
            Format::Legacy(writer) => {
                let file = writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.sync_all()?;
                (file, None)
            }
        };
        let bytes = file.metadata()?.len();
        persist(self.temporary, &self.path)?;
        Ok(Made { flows: self.flows, bytes, digest, timeless: self.timeless })
    }
}

/// When a flow counts as having arrived: one that is open, or knows neither start nor end, when the input was read so far.
fn arrival<A: Address>(flow: &Record<A>, reached: u64) -> u64 {
    match flow.event_time() {
        0 => reached,
        _ if flow.kind() == Some(Kind::Open) => reached,
        time => time,
    }
}

/// Writes what is sealed, if it is worth it.
fn write_out<W: Write>(writer: &mut Writer<W>) -> io::Result<()> {
    if writer.waiting() < CHUNK_BYTES { Ok(()) } else { writer.write_out() }
}
