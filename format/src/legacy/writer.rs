//! Writing a version 2 file, for whoever still has the older tools.

use std::io::{self, Write};

use zerocopy::IntoBytes;

use crate::address::V4;
use crate::legacy::entry::{Combined, Event, Time};
use crate::legacy::header::{Content, Header};
use crate::record::{Kind, Record};

/// Writes a version 2 file.
///
/// Each record is one `write_all`: give it something buffered. What the format has no place for is left out:
/// conntrack id, mark, zone, status, TCP state, nanoseconds, and in combined files whether a reply was seen.
///
/// After a failed write nothing further is written, so that at most the last record of the file is a partial one
/// and none is out of step.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    content: Content,
    protocol: u8,
    failed: bool,
}

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The write failed; the record may be there in part.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An earlier write failed; nothing was written.
    #[error("nothing more is written after a failed write")]
    Failed,
    /// A file has the flows of one protocol.
    #[error("a record of protocol {record} in a file of protocol {file}")]
    Protocol {
        /// The record's protocol number.
        record: u8,
        /// The file's protocol number.
        file: u8,
    },
    /// This kind of file has no records of this kind: event files have starts, updates and ends, combined files
    /// have flows.
    #[error("a record of kind {kind} does not fit a file of kind {content:?}")]
    Kind {
        /// The record's kind by its number, see [`Kind`].
        kind: u8,
        /// What the file holds.
        content: Content,
    },
    /// The record does not say when.
    #[error("a record without a time")]
    NoTime,
    /// The format counts whole seconds from 1 to 2^32 - 1, to 2106-02-07T06:28:15Z.
    #[error("{ns} ns since 1970 is a time that version 2 cannot hold")]
    Time {
        /// Nanoseconds since 1970-01-01T00:00:00Z.
        ns: u64,
    },
}

impl<W: Write> Writer<W> {
    /// Begins a file with its header.
    ///
    /// # Errors
    /// Those of writing to `out`.
    pub fn new(mut out: W, header: &Header) -> io::Result<Self> {
        out.write_all(&header.encode())?;
        Ok(Self {
            out,
            content: header.content,
            protocol: header.protocol,
            failed: false,
        })
    }

    /// Writes one record. An end is written with its end time, whatever its start.
    ///
    /// # Errors
    /// [`WriteError`]: the write failed, or this file cannot hold this record. Nothing was written in the latter
    /// case, and the next record can be.
    pub fn push(&mut self, record: &Record<V4>) -> Result<(), WriteError> {
        if self.failed {
            return Err(WriteError::Failed);
        }
        if record.protocol != self.protocol {
            return Err(WriteError::Protocol {
                record: record.protocol,
                file: self.protocol,
            });
        }
        let written = match self.content {
            Content::Events => self.out.write_all(event(record)?.as_bytes()),
            Content::Combined => self.out.write_all(combined(record)?.as_bytes()),
        };
        self.failed = written.is_err();
        Ok(written?)
    }

    /// Flushes what is buffered and gives the output back.
    ///
    /// # Errors
    /// Those of flushing.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

fn event(record: &Record<V4>) -> Result<Event, WriteError> {
    let (kind, ns) = match record.kind() {
        Some(kind @ (Kind::Start | Kind::Update)) => (kind, record.start.get()),
        Some(kind @ Kind::End) => (kind, record.end.get()),
        _ => {
            return Err(WriteError::Kind {
                kind: record.kind,
                content: Content::Events,
            });
        }
    };
    if ns == 0 {
        return Err(WriteError::NoTime);
    }
    Ok(Event::new(kind, time(ns)?, record))
}

fn combined(record: &Record<V4>) -> Result<Combined, WriteError> {
    if record.kind() != Some(Kind::Flow) {
        return Err(WriteError::Kind {
            kind: record.kind,
            content: Content::Combined,
        });
    }
    let (start, end) = (record.start.get(), record.end.get());
    if start == 0 && end == 0 {
        return Err(WriteError::NoTime);
    }
    Ok(Combined::new(time(start)?, time(end)?, record))
}

fn time(ns: u64) -> Result<Time, WriteError> {
    Time::from_ns(ns).ok_or(WriteError::Time { ns })
}
