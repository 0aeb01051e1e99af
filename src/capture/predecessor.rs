//! What a file that is there already tells of the recorder that wrote it: whose it is, and until when it tells.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ctrecorder_format::block::PAYLOAD_MAX;
use ctrecorder_format::header::MAGIC;
use ctrecorder_format::legacy::{self, Piece};
use ctrecorder_format::{BlockKind, Content, Head, Header, NS_PER_SECOND, Refusal, Segment};
use nix::fcntl::OFlag;

use super::header;
use crate::file;

const NS_PER_US: u64 = 1_000;

/// The end of a segment that was cut off is looked for in so many bytes first: a whole block lies in them, unless
/// the disk left something else there.
const END_BYTES: usize = 4 * PAYLOAD_MAX as usize;

/// Of so many blocks at the end of a segment that was cut off, the last one that is whole is taken for its end. After a
/// power cut there may be blocks whose header alone reached the disk.
const LAST_BLOCKS: usize = 64;

/// Which host, since which start of it, and which network namespace is recorded.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    host: String,
    boot_id: [u8; 16],
    namespace: u64,
}

/// What a file turned out to be.
#[derive(Debug)]
pub(super) enum Found {
    /// No file of ctrecorder.
    Nothing,
    /// A recorder is writing it.
    BeingWritten,
    /// Flows that were squeezed, or events of another host or network namespace.
    Foreign,
    /// Events of this host and network namespace.
    Ours(Past),
}

/// What an earlier segment says of its time. Times are ns since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Past {
    /// When it was begun.
    pub(super) created: u64,
    /// Its number in its run; `None` of a file of version 2, which has none.
    pub(super) number: Option<u64>,
    /// Until when it tells.
    pub(super) end: u64,
    /// Whether it has no footer.
    pub(super) cut_off: bool,
}

/// Why a file that is one of ctrecorder's cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Legacy(#[from] legacy::HeaderError),
    #[error("{0}")]
    Damaged(ctrecorder_format::Damage),
}

impl Origin {
    /// This recorder's.
    pub(super) fn own() -> Self {
        Self { host: header::host(), boot_id: header::boot_id(), namespace: header::namespace() }
    }

    /// That of a recording with this header.
    pub(super) fn of(header: &Header) -> Self {
        Self { host: header.host.clone(), boot_id: header.boot_id, namespace: header.namespace }
    }

    /// Whether a segment with this header was recorded here.
    fn has(&self, header: &Header) -> bool {
        // After a boot, a namespace has another number; and some headers do not know theirs.
        let comparable = header.boot_id == self.boot_id && header.namespace != 0 && self.namespace != 0;
        header.host == self.host && (!comparable || header.namespace == self.namespace)
    }

    /// The same for a file of version 2, whose header holds the first 32 bytes of the host's name.
    fn has_legacy(&self, header: &legacy::Header) -> bool {
        let host = self.host.as_bytes();
        header.host.as_bytes() == &host[..host.len().min(32)]
    }
}

/// Looks into a file.
pub(super) fn examine(path: &Path, own: &Origin) -> Result<Found, Unreadable> {
    let Some(file) = open(path)? else { return Ok(Found::Nothing) };
    let bytes = file::map(&file)?;
    let segment = Segment::open(&bytes);
    if matches!(segment, Err(Refusal::NotASegment)) {
        return Ok(Found::Nothing);
    }
    if file::is_locked(&file) {
        return Ok(Found::BeingWritten);
    }
    match segment {
        Ok(segment) => examine_segment(&segment, &bytes, own),
        // The reader of version 2 also knows what to say of version 1.
        Err(Refusal::Version(1 | 2)) => Ok(examine_legacy(&legacy::File::open(&bytes)?, own)),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Whether this is a file of ctrecorder's, of whatever version, by its first bytes.
pub(super) fn is_ours_by_magic(path: &Path) -> bool {
    let mut magic = [0; MAGIC.len()];
    let read = open(path).ok().flatten().is_some_and(|mut file| file.read_exact(&mut magic).is_ok());
    read && magic == MAGIC
}

/// Opens a regular file; a pipe, which would have the recorder wait, is none.
fn open(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
}

fn examine_segment(segment: &Segment<'_>, bytes: &[u8], own: &Origin) -> Result<Found, Unreadable> {
    let header = segment.header().map_err(|damage| Unreadable::Damaged(damage.clone()))?;
    if header.content != Content::Events || !own.has(header) {
        return Ok(Found::Foreign);
    }
    let (created, number) = (header.created, Some(header.segment_number));
    Ok(Found::Ours(match segment.footer() {
        Some(footer) => Past { created, number, end: footer.totals.closed, cut_off: false },
        None => Past { created, number, end: end_of_cut_off(segment, bytes).unwrap_or(created), cut_off: true },
    }))
}

/// The `last_event` of the last whole block; `None` if there is none.
///
/// It is looked for in the last bytes first: a part of a segment is read as one that lost its beginning
/// (docs/format.md, section "Reading", 5), and a long one is not read through.
fn end_of_cut_off(segment: &Segment<'_>, bytes: &[u8]) -> Option<u64> {
    let tag = segment.header().ok()?.tag;
    let rest = bytes.len().checked_sub(END_BYTES).and_then(|from| bytes.get(from..));
    let from_rest = rest.and_then(|rest| last_event(&Segment::open(rest).ok()?, tag));
    from_rest.or_else(|| last_event(segment, tag))
}

/// The `last_event` of the last block of this tag whose payload is whole, too.
fn last_event(segment: &Segment<'_>, tag: u32) -> Option<u64> {
    let mut last = VecDeque::with_capacity(LAST_BLOCKS);
    let own = |head: &Head<'_>| head.header.tag.get() == tag;
    // An index repeats the times of blocks before it.
    let tells = |head: &Head<'_>| head.header.kind() != Some(BlockKind::Index);
    for head in segment.heads().filter_map(Result::ok).filter(|head| own(head) && tells(head)) {
        if last.len() == LAST_BLOCKS {
            last.pop_front();
        }
        last.push_back(head);
    }
    last.iter().rev().find(|head| head.verify().is_ok()).map(|head| head.header.last_event.get())
}

fn examine_legacy(file: &legacy::File<'_>, own: &Origin) -> Found {
    let header = file.header();
    if header.content != legacy::Content::Events || !own.has_legacy(header) {
        return Found::Foreign;
    }
    let (seconds, us) = header.started;
    let created = u64::from(seconds) * NS_PER_SECOND + u64::from(us) * NS_PER_US;
    let records = file.pieces().filter_map(|piece| match piece {
        Piece::Record { record, .. } => Some(record),
        Piece::Damage(_) => None,
    });
    let end = records.last().map_or(created, |record| record.start.get().max(record.end.get()));
    // Its writer left no footer, whether it was stopped or cut off.
    Found::Ours(Past { created, number: None, end, cut_off: false })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ctrecorder_format::{Cause, Closing, Note, Writer};

    use super::*;

    const TAG: u32 = 7;

    /// 2026-11-20T21:12:04Z and T21:13:50.071057Z.
    const LEGACY_BEGUN: u64 = 1_795_209_124;
    const LEGACY_END: u64 = 1_795_209_230_071_057_000;

    fn own() -> Origin {
        Origin { host: "router".into(), boot_id: [1; 16], namespace: 5 }
    }

    fn header() -> Header {
        Header {
            tag: TAG,
            host: "router".into(),
            boot_id: [1; 16],
            namespace: 5,
            created: 100,
            ..Header::blank(Content::Events)
        }
    }

    /// A segment with a note at each of these moments.
    fn segment(header: &Header, moments: std::ops::Range<u64>) -> Writer<Vec<u8>> {
        let mut writer = Writer::new(Vec::new(), header).unwrap();
        moments.for_each(|moment| writer.note(&Note::at(moment, Cause::Quiet)));
        writer.write_out().unwrap();
        writer
    }

    fn of(bytes: &[u8]) -> Result<Found, Unreadable> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        examine(file.path(), &own())
    }

    fn past(bytes: &[u8]) -> Past {
        match of(bytes) {
            Ok(Found::Ours(past)) => past,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_closed_in_order_ends_with_its_footer() {
        let mut writer = segment(&header(), 200..300);
        writer.finish(Closing::Stopped, 400).unwrap();
        writer.write_out().unwrap();
        assert_eq!(past(writer.output()), Past { created: 100, number: Some(0), end: 400, cut_off: false });
    }

    #[test]
    fn one_cut_off_ends_with_its_last_whole_block_however_long_it_is() {
        assert_eq!(
            past(segment(&header(), 0..0).output()),
            Past { created: 100, number: Some(0), end: 100, cut_off: true }
        );
        for count in [10, 40_000] {
            let writer = segment(&header(), 200..200 + count);
            let mut bytes = writer.output().clone();
            assert_eq!(past(&bytes), Past { created: 100, number: Some(0), end: 199 + count, cut_off: true });
            let length = bytes.len();
            // A cut within the last block, and a payload that never reached the disk.
            assert_eq!(past(&bytes[..length - 1]).end, 198 + count);
            bytes[length - 64..].fill(0);
            assert_eq!(past(&bytes).end, 198 + count);
            // Zeros, as some file systems leave at the end, longer than what is looked through at first.
            bytes.resize(length + 2 * END_BYTES, 0);
            assert_eq!(past(&bytes).end, 198 + count);
        }
    }

    #[test]
    fn what_others_recorded_or_squeezed_is_foreign() {
        for foreign in [
            Header { host: "other".into(), ..header() },
            Header { namespace: 6, ..header() },
            Header { content: Content::Flows, ..header() },
        ] {
            assert!(matches!(of(segment(&foreign, 0..1).output()), Ok(Found::Foreign)), "{foreign:?}");
        }
        let before_boot = Header { namespace: 6, boot_id: [2; 16], ..header() };
        assert_eq!(past(segment(&before_boot, 7..8).output()).end, 7);
        let not_known = Header { namespace: 0, ..header() };
        assert_eq!(past(segment(&not_known, 7..8).output()).end, 7);
    }

    #[test]
    fn what_is_no_file_of_ours_is_nothing_and_a_damaged_one_is_told() {
        assert!(matches!(of(b"a diary"), Ok(Found::Nothing)));
        let path = tempfile::tempdir().unwrap();
        assert!(matches!(examine(path.path(), &own()), Ok(Found::Nothing)));
        assert!(of(b"").is_err());
        let mut bytes = segment(&header(), 0..5).output().clone();
        bytes[80] ^= 1;
        assert!(matches!(of(&bytes), Err(Unreadable::Damaged(_))));
        assert!(of(b"CTNL\0\0\0\x09").is_err());
    }

    #[test]
    fn one_that_someone_has_locked_is_being_written() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(segment(&header(), 0..5).output()).unwrap();
        file.as_file().lock().unwrap();
        assert!(matches!(examine(file.path(), &own()), Ok(Found::BeingWritten)));
    }

    #[test]
    fn version_2_counts_until_its_last_event() {
        let bytes = include_bytes!("../../tests/data/v2/tcp.ct");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let found = |host: &str| examine(file.path(), &Origin { host: host.into(), ..own() });
        match found("vm") {
            // The last time of tests/data/v2/tcp.list.utc.txt, and the header's begin.
            Ok(Found::Ours(Past { created, number: None, end, cut_off })) => {
                assert_eq!((created / NS_PER_SECOND, end, cut_off), (LEGACY_BEGUN, LEGACY_END, false));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(found("vmx"), Ok(Found::Foreign)));
    }
}
