//! The file that a squeeze writes: whole, or not at all.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use ctrecorder_format::record::flags;
use ctrecorder_format::{Address, Cause, Closing, Counters, Note, Record, V4, V6, Writer, legacy};
use tempfile::TempPath;

use super::plan::Plan;
use crate::journal::Shown;

/// Sealed blocks are written when there is this much of them.
const CHUNK_BYTES: usize = 1024 * 1024;

/// A file on its way: under another name until it is whole.
pub(super) struct Output {
    path: PathBuf,
    temporary: TempPath,
    format: Format,
    /// The last readings of the kernel's table: written once an end refers to one.
    readings: VecDeque<Note>,
}

/// So many readings are remembered. The ends that one found stand right behind it.
const READINGS: usize = 16;

/// The formats that flows can be written in.
enum Format {
    Segment(Box<Writer<File>>),
    Legacy(legacy::Writer<BufWriter<File>>),
}

impl Output {
    /// An output of version 3.
    pub(super) fn segment(path: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let (file, temporary) = create(path)?;
        let writer = Writer::new(file, &plan.header())?;
        Ok(Self::new(path, temporary, Format::Segment(Box::new(writer))))
    }

    /// An output of version 2, combined.
    pub(super) fn legacy(path: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let header = plan.legacy_header()?;
        let (file, temporary) = create(path)?;
        let writer = legacy::Writer::new(BufWriter::new(file), &header)?;
        Ok(Self::new(path, temporary, Format::Legacy(writer)))
    }

    fn new(path: &Path, temporary: TempPath, format: Format) -> Self {
        Self { path: path.to_path_buf(), temporary, format, readings: VecDeque::new() }
    }

    /// Takes a flow; `reached` is the time up to which the input was read.
    pub(super) fn ipv4(&mut self, flow: &Record<V4>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        self.refer(flow);
        match &mut self.format {
            Format::Segment(writer) => {
                writer.push(flow, Some(counters), arrival(flow, reached));
                Ok(write_out(writer)?)
            }
            Format::Legacy(writer) => match writer.push(flow) {
                Err(legacy::WriteError::Protocol { .. }) => {
                    bail!("a file of version 2 holds one protocol, and here are several: choose one with --protocol")
                }
                done => Ok(done?),
            },
        }
    }

    /// Takes a flow; `reached` is the time up to which the input was read.
    pub(super) fn ipv6(&mut self, flow: &Record<V6>, counters: &Counters, reached: u64) -> anyhow::Result<()> {
        self.refer(flow);
        match &mut self.format {
            Format::Segment(writer) => {
                writer.push(flow, Some(counters), arrival(flow, reached));
                Ok(write_out(writer)?)
            }
            Format::Legacy(_) => {
                bail!("a file of version 2 holds IPv4 only, and here are IPv6 flows: leave them out with --family ipv4")
            }
        }
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

    /// What it will be called.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the output holds what notes tell of flows.
    pub(super) const fn has_notes(&self) -> bool {
        matches!(self.format, Format::Segment(_))
    }

    /// Takes a note.
    pub(super) fn note(&mut self, note: &Note) -> anyhow::Result<()> {
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

    /// Takes the note of a reading of the kernel's table that flows will refer to, however late they end.
    pub(super) fn reading(&mut self, note: &Note) {
        if let Format::Segment(writer) = &mut self.format {
            writer.note(note);
        }
    }

    /// What follows stands behind everything taken up to now: a reader will not merge the two.
    pub(super) fn part(&mut self) {
        if let Format::Segment(writer) = &mut self.format {
            writer.seal();
        }
    }

    /// Ends the file and gives it its name. Whatever fails, there is no half file under that name. It tells of its flows up
    /// to `closed`, as its inputs did, not up to the present.
    pub(super) fn finish(self, closed: u64) -> anyhow::Result<()> {
        match self.format {
            Format::Segment(mut writer) => {
                writer.finish(Closing::Complete, closed)?;
                writer.write_out()?;
                writer.output().sync_all()?;
            }
            Format::Legacy(writer) => {
                writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            }
        }
        self.temporary.persist_noclobber(&self.path).map_err(|error| error.error).context("cannot give it its name")
    }
}

/// When a flow counts as having arrived: one that knows neither start nor end when the input was read so far.
fn arrival<A: Address>(flow: &Record<A>, reached: u64) -> u64 {
    match flow.event_time() {
        0 => reached,
        time => time,
    }
}

/// Writes what is sealed, if it is worth it.
fn write_out<W: Write>(writer: &mut Writer<W>) -> io::Result<()> {
    if writer.waiting() < CHUNK_BYTES { Ok(()) } else { writer.write_out() }
}

/// The file while it is not whole: in the same directory, readable for the group whatever the umask says.
fn create(path: &Path) -> anyhow::Result<(File, TempPath)> {
    if path.symlink_metadata().is_ok() {
        bail!("it exists already, and nothing is overwritten");
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // The error names a temporary file that nobody asked for.
    let file = tempfile::Builder::new()
        .prefix(".ctrecorder-")
        .tempfile_in(directory)
        .map_err(|error| anyhow!("no file can be created in {}: {}", Shown(directory), error.kind()))?;
    set_mode(file.as_file())?;
    Ok(file.into_parts())
}

/// Files are for their owner, and for the group to read.
#[cfg(unix)]
fn set_mode(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o640))
}

/// Where files have no mode they have what their directory gives them.
#[cfg(not(unix))]
fn set_mode(_file: &File) -> io::Result<()> {
    Ok(())
}
