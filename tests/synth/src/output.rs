//! A file of either version on its way.

use std::io::{self, BufWriter, Write};

use chrono::{DateTime, Datelike, Timelike};
use ctrecorder_format::record::flags;
use ctrecorder_format::{Closing, CodecError, Content, Digest, Header, Kind, NS_PER_SECOND, Note, Record};
use ctrecorder_format::{V4, V6, Writer, legacy};

use crate::flow::{Flow, TCP};

/// The name that all headers give the host.
pub(crate) const HOST: &str = "synth";

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The output refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A header cannot be encoded.
    #[error(transparent)]
    Header(#[from] CodecError),
    /// A record does not fit a file of version 2.
    #[error(transparent)]
    Legacy(#[from] legacy::WriteError),
}

/// The version of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The C program's: TCP over IPv4 alone, no notes, no flows that were open.
    Two,
    /// Segments.
    #[default]
    Three,
}

/// A file on its way.
pub(crate) enum Output<W: Write> {
    Segment(Box<Writer<Torn<W>>>),
    Legacy { writer: legacy::Writer<BufWriter<W>>, last: Option<Record<V4>> },
}

impl<W: Write> Output<W> {
    /// A file with this header, or what version 2 has of it.
    pub(crate) fn new(version: Version, out: W, header: &Header) -> Result<Self, Error> {
        Ok(match version {
            Version::Three => Self::Segment(Box::new(Writer::new(Torn { out, left: None }, header)?)),
            Version::Two => {
                Self::Legacy { writer: legacy::Writer::new(BufWriter::new(out), &legacy_header(header))?, last: None }
            }
        })
    }

    /// Takes a record of a flow that arrived at this time.
    pub(crate) fn push(&mut self, flow: &Flow, state: &State, arrived: u64) -> Result<(), Error> {
        match self {
            Self::Segment(writer) => {
                if let Some(record) = state.of::<V4>(flow) {
                    writer.push(&record, None, arrived);
                } else if let Some(record) = state.of::<V6>(flow) {
                    writer.push(&record, None, arrived);
                }
                Ok(())
            }
            Self::Legacy { writer, last } => {
                if flow.protocol == TCP
                    && state.was_heard()
                    && let Some(record) = state.of(flow)
                {
                    writer.push(&record)?;
                    *last = Some(record);
                }
                Ok(())
            }
        }
    }

    /// Takes a note; version 2 has none.
    pub(crate) fn note(&mut self, note: &Note) {
        if let Self::Segment(writer) = self {
            writer.note(note);
        }
    }

    /// Ends the block that is being gathered.
    pub(crate) fn seal(&mut self) {
        if let Self::Segment(writer) = self {
            writer.seal();
        }
    }

    /// Writes what is sealed. Returns whether everything taken is in the output now.
    pub(crate) fn write_out(&mut self) -> Result<bool, Error> {
        Ok(match self {
            Self::Segment(writer) if writer.waiting() > 0 => {
                writer.write_out()?;
                !writer.is_gathering()
            }
            Self::Segment(_) => false,
            Self::Legacy { .. } => true,
        })
    }

    /// Ends the file in order.
    pub(crate) fn finish(self, closing: Closing, closed: u64) -> Result<Option<Digest>, Error> {
        match self {
            Self::Segment(mut writer) => {
                let digest = writer.finish(closing, closed)?;
                writer.write_out()?;
                Ok(Some(digest))
            }
            Self::Legacy { writer, .. } => {
                writer.finish()?;
                Ok(None)
            }
        }
    }

    /// Ends the file somewhere in its last block or record; `chance` says where.
    pub(crate) fn tear(self, chance: u64) -> Result<(), Error> {
        match self {
            Self::Segment(mut writer) => {
                writer.seal();
                let waiting = writer.waiting() as u64;
                writer.output_mut().left = Some(chance % waiting.max(1));
                match writer.write_out() {
                    Err(error) if error.kind() != io::ErrorKind::StorageFull => Err(error.into()),
                    _ => Ok(()),
                }
            }
            Self::Legacy { writer, last } => {
                let mut out = writer.finish()?;
                if let Some(record) = last {
                    let bytes = legacy_bytes(&record)?;
                    out.write_all(&bytes[..chance as usize % bytes.len()])?;
                    out.flush()?;
                }
                Ok(())
            }
        }
    }
}

/// What a record says of its flow; times of the wall clock, 0 for what is not known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) kind: Kind,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Bits of [`flags`].
    pub(crate) flags: u8,
}

impl State {
    /// Whether it was an event, not found in the kernel's table, which the C program does not read.
    fn was_heard(&self) -> bool {
        match self.kind {
            Kind::Open => false,
            Kind::Start => self.flags & flags::RECOVERED == 0,
            _ => self.flags & flags::END_AT_LATEST == 0,
        }
    }

    fn of<A: ctrecorder_format::Address>(&self, flow: &Flow) -> Option<Record<A>> {
        let mut record = flow.record(self.kind, self.start, self.end)?;
        record.flags |= self.flags;
        Some(record)
    }
}

/// An output that may end before it has taken everything.
pub(crate) struct Torn<W> {
    out: W,
    /// How many bytes it still takes; `None`: all.
    left: Option<u64>,
}

impl<W: Write> Write for Torn<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = &mut self.left else { return self.out.write(bytes) };
        let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.out.write(&bytes[..taken])?;
        *left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A record as it stands in a file of version 2.
fn legacy_bytes(record: &Record<V4>) -> Result<Vec<u8>, Error> {
    let mut writer = legacy::Writer::new(Vec::new(), &legacy_header(&Header::blank(Content::Events)))?;
    writer.push(record)?;
    Ok(writer.finish()?.split_off(legacy::Header::LENGTH))
}

fn legacy_header(header: &Header) -> legacy::Header {
    let seconds = header.created / NS_PER_SECOND;
    let local = DateTime::from_timestamp(seconds.cast_signed(), 0).unwrap_or_default();
    legacy::Header {
        content: match header.content {
            Content::Events => legacy::Content::Events,
            Content::Flows => legacy::Content::Combined,
        },
        protocol: TCP,
        host: header.host.clone(),
        flags: 0,
        started: (seconds as u32, (header.created % NS_PER_SECOND / 1_000) as u32),
        ended: (0, 0),
        tz_minutes_west: 0,
        tz_dst: 0,
        utc_offset_seconds: 0,
        local_start: legacy::LocalTime {
            year_since_1900: (local.year() - 1900) as u16,
            month_from_0: local.month0() as u8,
            day: local.day() as u8,
            hour: local.hour() as u8,
            minute: local.minute() as u8,
            second: local.second() as u8,
        },
    }
}
