//! What a file that is there already tells of the recorder that wrote it: whose it is, and until when it tells.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ctrecorder_format::header::MAGIC;
use ctrecorder_format::legacy::{self, Piece};
use ctrecorder_format::{Cause, Content, Header, NS_PER_SECOND, Note, Refusal, Segment, Uptime};
use nix::fcntl::OFlag;

use super::header;
use super::pieces::{self, Pieces};
use crate::file;
use crate::journal::first_notes;

const NS_PER_US: u64 = 1_000;

/// Which host, since which start of it, and which network namespace is recorded.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    host: String,
    boot_id: [u8; 16],
    machine: [u8; 16],
    namespace: u64,
    /// Whether that is the one of process 1, which has another number when a container begins anew.
    is_main: bool,
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
    /// When its run began; of version 2, as it was begun itself.
    pub(super) run: u64,
    /// The id of the network namespace that was recorded; `None`: the recorder's own.
    pub(super) netns: Option<u32>,
    /// Until when it tells.
    pub(super) end: u64,
    /// Whether it has no footer.
    pub(super) cut_off: bool,
    /// For how long the machine had been up then, if it tells that.
    pub(super) uptime: Option<Uptime>,
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

impl Unreadable {
    /// Whether it may not be read here.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::PermissionDenied)
    }
}

impl Origin {
    /// This recorder's. To be asked before a sandbox is entered, from within which not all of it can be read.
    pub(super) fn own() -> Self {
        Self {
            host: header::host(),
            boot_id: header::boot_id(),
            machine: header::machine(),
            namespace: header::namespace(),
            is_main: header::is_in_main_namespace(),
        }
    }

    /// Whether this machine is told from others over its starts.
    pub(super) fn knows_its_machine(&self) -> bool {
        self.machine != [0; 16]
    }

    /// For how long the machine had been up when a segment was begun, ns; `None` if it was started since, or that is not known.
    pub(super) fn up(&self, past: &Past) -> Option<u64> {
        past.uptime.filter(|told| told.boot != 0 && told.boot == Uptime::boot(self.boot_id)).map(|told| told.up)
    }

    /// Whether a segment with this header was surely recorded here, and not by a machine, or in a namespace, that has the same name.
    pub(super) fn has_surely(&self, header: &Header) -> bool {
        let same_boot = self.boot_id != [0; 16] && header.boot_id == self.boot_id;
        let same_namespace = self.namespace != 0 && header.namespace == self.namespace;
        let same_machine = self.knows_its_machine() && header.machine == self.machine;
        // After a start a namespace has another number, and so has that of a container.
        let over_starts = same_machine && (!same_boot || self.is_main);
        header.host == self.host && (same_boot && same_namespace || over_starts)
    }

    /// The same of one that was recorded of another network namespace, by a recorder here whose pattern names it: it does not tell in which
    /// namespace that recorder was.
    pub(super) fn has_surely_elsewhere(&self, header: &Header) -> bool {
        let same_boot = self.boot_id != [0; 16] && header.boot_id == self.boot_id;
        let is_known = same_boot || self.knows_its_machine();
        header.host == self.host && header.machine == self.machine && is_known
    }

    /// That of a recording of another network namespace, with this header.
    pub(super) fn of(header: &Header) -> Self {
        let Header { host, boot_id, namespace, machine, .. } = header;
        Self { host: host.clone(), boot_id: *boot_id, machine: *machine, namespace: *namespace, is_main: false }
    }

    /// Whether a segment with this header was recorded here.
    fn has(&self, header: &Header) -> bool {
        // After a boot, a namespace has another number; and some headers do not know theirs.
        let comparable = header.boot_id == self.boot_id && header.namespace != 0 && self.namespace != 0;
        header.host == self.host && (!comparable || header.namespace == self.namespace || self.has_surely(header))
    }

    /// The same for a file of version 2, whose header holds the first 32 bytes of the host's name.
    fn has_legacy(&self, header: &legacy::Header) -> bool {
        let host = self.host.as_bytes();
        header.host.as_bytes() == &host[..host.len().min(32)]
    }
}

/// Looks into a file, of whatever version.
pub(super) fn examine(path: &Path, own: &Origin) -> Result<Found, Unreadable> {
    let Some(file) = open(path)? else { return Ok(Found::Nothing) };
    match examine_file(&file, |header| own.has(header)) {
        // The reader of version 2 also knows what to say of version 1. Such a file is mapped, before anything is recorded.
        Err(Unreadable::Refused(Refusal::Version(1 | 2))) => {
            Ok(examine_legacy(&legacy::File::open(&file::map(&file)?)?, own))
        }
        other => other,
    }
}

/// Looks into a file of version 3, which is ours if its header is. It is read piece by piece, and may change meanwhile.
pub(super) fn examine_segment(path: &Path, is_ours: impl Fn(&Header) -> bool) -> Result<Found, Unreadable> {
    open(path)?.map_or(Ok(Found::Nothing), |file| examine_file(&file, is_ours))
}

/// The header of a segment, be it at work or not, if that is whole.
pub(super) fn header_of(path: &Path) -> Option<Header> {
    let bytes = pieces::front(&open(path).ok()??).ok()?;
    Segment::open_front(&bytes).ok()?.header().ok().cloned()
}

/// The notes in a segment, as far as it can be read.
pub(super) fn notes(path: &Path) -> Vec<Note> {
    let Some(file) = open(path).ok().flatten() else { return Vec::new() };
    let Ok((front, length)) = pieces::front(&file).and_then(|front| Ok((front, file.metadata()?.len()))) else {
        return Vec::new();
    };
    Segment::open_front(&front)
        .map_or_else(|_| Vec::new(), |front| Pieces { file: &file, front: &front, length }.notes())
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

fn examine_file(file: &File, is_ours: impl Fn(&Header) -> bool) -> Result<Found, Unreadable> {
    let (bytes, length) = (pieces::front(file)?, file.metadata()?.len());
    let front = Segment::open_front(&bytes);
    if matches!(front, Err(Refusal::NotASegment)) {
        return Ok(Found::Nothing);
    }
    if file::is_locked(file) {
        return Ok(Found::BeingWritten);
    }
    let front = front?;
    let header = front.header().map_err(|damage| Unreadable::Damaged(damage.clone()))?;
    if header.content != Content::Events || !is_ours(header) {
        return Ok(Found::Foreign);
    }
    let pieces = Pieces { file, front: &front, length };
    let (end, cut_off) = match pieces.closed()? {
        Some(end) => (end, false),
        None => (end_of_cut_off(&pieces, header.created)?, true),
    };
    let number = Some(header.segment_number);
    let (created, run, netns) = (header.created, header.recorder_started, header.netns());
    let uptime = first_notes(&front).find_map(|note| Uptime::of(&note));
    Ok(Found::Ours(Past { created, number, run, netns, end, cut_off, uptime }))
}

/// Until when a segment without a footer tells. That is not before it was begun, as flows may be that were alive then, unless its clock was
/// set back.
fn end_of_cut_off(pieces: &Pieces<'_>, created: u64) -> io::Result<u64> {
    let Some(end) = pieces.last_event()?.filter(|end| *end != created) else { return Ok(created) };
    let was_set_back =
        || pieces.notes().iter().any(|note| note.cause() == Some(Cause::ClockStep) && note.value.get() < 0);
    Ok(if end < created && !was_set_back() { created } else { end })
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
    Found::Ours(Past { created, number: None, run: created, netns: None, end, cut_off: false, uptime: None })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ctrecorder_format::{Closing, Writer};

    use super::*;

    const TAG: u32 = 7;

    /// 2026-11-20T21:12:04Z and T21:13:50.071057Z.
    const LEGACY_BEGUN: u64 = 1_795_209_124;
    const LEGACY_END: u64 = 1_795_209_230_071_057_000;

    fn own() -> Origin {
        Origin { host: "router".into(), boot_id: [1; 16], machine: [9; 16], namespace: 5, is_main: false }
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

    /// That of a segment with the header of these tests.
    fn until(end: u64, cut_off: bool) -> Past {
        Past { created: 100, number: Some(0), run: 0, netns: None, end, cut_off, uptime: None }
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
        assert_eq!(past(writer.output()), until(400, false));
    }

    #[test]
    fn one_cut_off_ends_with_its_last_whole_block_however_long_it_is() {
        assert_eq!(past(segment(&header(), 0..0).output()), until(100, true));
        for count in [10, 40_000] {
            let writer = segment(&header(), 200..200 + count);
            let mut bytes = writer.output().clone();
            assert_eq!(past(&bytes), until(199 + count, true));
            let length = bytes.len();
            // A cut within the last block, and a payload that never reached the disk.
            assert_eq!(past(&bytes[..length - 1]).end, 198 + count);
            bytes[length - 64..].fill(0);
            assert_eq!(past(&bytes).end, 198 + count);
            // Zeros, as some file systems leave at the end, longer than what is looked through at first.
            bytes.resize(length + 2 * pieces::WINDOW_BYTES as usize, 0);
            assert_eq!(past(&bytes).end, 198 + count);
        }
    }

    #[test]
    fn one_with_bytes_behind_its_footer_ends_with_its_last_event() {
        let mut writer = segment(&header(), 200..300);
        writer.finish(Closing::Stopped, 400).unwrap();
        writer.write_out().unwrap();
        for count in [1, 4096, 2 * pieces::WINDOW_BYTES as usize] {
            let mut bytes = writer.output().clone();
            bytes.resize(bytes.len() + count, 0);
            assert_eq!(past(&bytes), until(299, true), "{count} bytes");
        }
    }

    #[test]
    fn one_cut_off_ends_no_earlier_than_it_was_begun_unless_its_clock_was_set_back() {
        let mut writer = segment(&header(), 7..8);
        assert_eq!(past(writer.output()), until(100, true), "of a flow that was alive, say");
        writer.note(&Note::clock_step(8, -95));
        writer.write_out().unwrap();
        assert_eq!(past(writer.output()), until(8, true));
    }

    /// The reading has the begin of the one before for its end.
    #[test]
    fn one_cut_off_behind_a_reading_after_its_clock_was_set_back_does_not_end_with_that() {
        let mut writer = segment(&header(), 120..121);
        writer.note(&Note::gap(150, 150, 0, Cause::TableRead));
        writer.write_out().unwrap();
        assert_eq!(past(writer.output()), until(120, true));
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
        assert_eq!(past(segment(&before_boot, 107..108).output()).end, 107);
        let not_known = Header { namespace: 0, ..header() };
        assert_eq!(past(segment(&not_known, 107..108).output()).end, 107);
    }

    #[test]
    fn only_what_this_machine_surely_recorded_is_surely_ours() {
        let (main, lane) = (Origin { is_main: true, ..own() }, own());
        let before = Header { boot_id: [2; 16], namespace: 6, ..header() };
        let named_alike = |machine| Header { machine, ..before.clone() };
        for own in [&main, &lane] {
            assert!(own.has_surely(&header()), "the same start and namespace");
            assert!(own.has_surely(&named_alike([9; 16])), "an earlier start of the same machine");
            assert!(!own.has_surely(&named_alike([8; 16])), "another machine of this name");
            assert!(!own.has_surely(&named_alike([0; 16])), "one that does not say");
            assert!(!own.has_surely(&Header { host: "other".into(), machine: [9; 16], ..header() }));
            assert!(!own.has_surely(&Header { namespace: 6, ..header() }));
        }
        let elsewhere = |header: &Header| lane.has_surely_elsewhere(header);
        let of_three = Header { namespace: ctrecorder_format::header::namespace(6, Some(3)), ..named_alike([9; 16]) };
        assert!(elsewhere(&of_three) && elsewhere(&Header { boot_id: [1; 16], ..of_three.clone() }));
        assert!(!elsewhere(&Header { machine: [8; 16], boot_id: [1; 16], ..of_three.clone() }), "in a container, say");
        assert!(!elsewhere(&Header { host: "other".into(), ..of_three }));
        let begun_anew = Header { namespace: 6, machine: [9; 16], ..header() };
        assert!(main.has_surely(&begun_anew) && main.has(&begun_anew), "a container's namespace of before");
        assert!(!lane.has_surely(&begun_anew), "another namespace of this start");
        let unknown = Origin { machine: [0; 16], boot_id: [0; 16], namespace: 0, ..main };
        assert!(!unknown.has_surely(&Header { boot_id: [0; 16], namespace: 0, machine: [0; 16], ..header() }));
    }

    #[test]
    fn a_segment_is_read_by_pieces_over_damage_and_a_file_that_shrank_is_no_harm() {
        let writer = segment(&header(), 200..40_200);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(writer.output()).unwrap();
        let all = notes(file.path());
        assert_eq!(all.len(), 40_000);
        let mut bytes = writer.output().clone();
        // The first block's header.
        let begin = Segment::open(&bytes).unwrap().heads().next().unwrap().unwrap().offset as usize;
        bytes[begin..begin + 64].fill(0);
        std::fs::write(file.path(), &bytes).unwrap();
        let left = notes(file.path());
        assert!(!left.is_empty() && left.len() < all.len() && all.ends_with(&left), "{} notes", left.len());

        let opened = File::open(file.path()).unwrap();
        let front = pieces::front(&opened).unwrap();
        let front = Segment::open_front(&front).unwrap();
        let pieces = Pieces { file: &opened, front: &front, length: bytes.len() as u64 };
        std::fs::OpenOptions::new().write(true).open(file.path()).unwrap().set_len(begin as u64 + 10).unwrap();
        assert_eq!((pieces.closed().unwrap(), pieces.last_event().unwrap()), (None, None));
        assert!(pieces.notes().is_empty());
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
            Ok(Found::Ours(Past { created, number: None, end, cut_off, .. })) => {
                assert_eq!((created / NS_PER_SECOND, end, cut_off), (LEGACY_BEGUN, LEGACY_END, false));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(found("vmx"), Ok(Found::Foreign)));
    }
}
