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
        Ok(Self { out, content: header.content, protocol: header.protocol, failed: false })
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
            return Err(WriteError::Protocol { record: record.protocol, file: self.protocol });
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
            return Err(WriteError::Kind { kind: record.kind, content: Content::Events });
        }
    };
    if ns == 0 {
        return Err(WriteError::NoTime);
    }
    Ok(Event::new(kind, time(ns)?, record))
}

fn combined(record: &Record<V4>) -> Result<Combined, WriteError> {
    if record.kind() != Some(Kind::Flow) {
        return Err(WriteError::Kind { kind: record.kind, content: Content::Combined });
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

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros;

    use super::*;
    use crate::legacy::{File, Piece};

    const TCP: &[u8] = include_bytes!("../../../tests/data/v2/tcp.ct");
    const TCP_COMBINED: &[u8] = include_bytes!("../../../tests/data/v2/tcp.combined.ct");
    const NOW: u64 = 1_795_209_130_000_001_000;

    fn writer(like: &[u8]) -> Writer<Vec<u8>> {
        Writer::new(Vec::new(), &Header::decode(like).unwrap()).unwrap()
    }

    fn record(kind: Kind, start: u64, end: u64) -> Record<V4> {
        let (start, end) = (start.into(), end.into());
        Record { start, end, kind: kind as u8, protocol: 6, ..Record::new_zeroed() }
    }

    fn written(like: &[u8], record: &Record<V4>) -> Vec<Piece> {
        let mut writer = writer(like);
        writer.push(record).unwrap();
        File::open(&writer.finish().unwrap()).unwrap().pieces().collect()
    }

    #[test]
    fn an_end_is_written_with_its_end_time() {
        let pieces = written(TCP, &record(Kind::End, NOW - 5_000_000_000, NOW + 1));
        assert_eq!(pieces, [Piece::Record { offset: 256, record: record(Kind::End, 0, NOW) }]);
    }

    #[test]
    fn half_flows_keep_the_half_that_is_known() {
        for flow in [record(Kind::Flow, NOW, 0), record(Kind::Flow, 0, NOW)] {
            let pieces = written(TCP_COMBINED, &flow);
            assert_eq!(pieces, [Piece::Record { offset: 256, record: flow }]);
        }
    }

    #[test]
    fn what_the_file_cannot_hold_is_refused_and_not_written() {
        let refused = |like, record: Record<V4>| {
            let mut writer = writer(like);
            let error = writer.push(&record).unwrap_err();
            assert_eq!(writer.finish().unwrap().len(), Header::LENGTH);
            error
        };
        let past = (u64::from(u32::MAX) + 1) * 1_000_000_000;
        for kind in [Kind::Flow, Kind::Open] {
            assert!(matches!(refused(TCP, record(kind, NOW, NOW)), WriteError::Kind { .. }));
        }
        for kind in [Kind::Start, Kind::Update, Kind::End, Kind::Open] {
            assert!(matches!(refused(TCP_COMBINED, record(kind, NOW, NOW)), WriteError::Kind { .. }));
        }
        assert!(matches!(refused(TCP, record(Kind::End, NOW, 0)), WriteError::NoTime));
        assert!(matches!(refused(TCP_COMBINED, record(Kind::Flow, 0, 0)), WriteError::NoTime));
        assert!(matches!(refused(TCP, record(Kind::Start, past, 0)), WriteError::Time { ns } if ns == past));
        assert!(matches!(refused(TCP_COMBINED, record(Kind::Flow, 7, NOW)), WriteError::Time { ns: 7 }));
        let udp = Record { protocol: 17, ..record(Kind::Start, NOW, 0) };
        assert!(matches!(refused(TCP, udp), WriteError::Protocol { record: 17, file: 6 }));
    }

    #[test]
    fn nothing_follows_a_failed_write() {
        // Room for the header, one record, and 10 bytes of another.
        let mut room = [0; 256 + 33 + 10];
        let mut writer = Writer::new(&mut room[..], &Header::decode(TCP).unwrap()).unwrap();
        let start = record(Kind::Start, NOW, 0);
        writer.push(&start).unwrap();
        assert!(matches!(writer.push(&start), Err(WriteError::Io(_))));
        assert!(matches!(writer.push(&start), Err(WriteError::Failed)));
        let pieces: Vec<_> = File::open(&room).unwrap().pieces().collect();
        assert!(matches!(pieces[..], [Piece::Record { .. }, Piece::Damage(_)]));
    }
}
