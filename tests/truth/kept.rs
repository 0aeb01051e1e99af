//! The files that a recorder kept, what was done to them since, and which records are left in them.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;

use ctrecorder_format::{Address, Body, Kind, NS_PER_SECOND, Record, Segment, V4, legacy};
use ctrecorder_synth::{Flows, TCP, record};
use tempfile::TempDir;

use crate::case::Case;
use crate::rows::{Row, rows};
use crate::tried;
use crate::world::World;

/// A journal on disk.
#[derive(Debug)]
pub struct Kept {
    /// Where it is.
    pub directory: TempDir,
    /// The files that are left, in the order in which they were written.
    pub files: Vec<File>,
    /// The records that are left, in order.
    pub rows: Vec<Row>,
    /// The records that were written and are not there any more, in order.
    pub lost: Vec<(Row, Why)>,
}

/// A file that is left.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// Its place among all that were written.
    pub index: usize,
    /// Whether it was made a file of version 2.
    pub is_version_2: bool,
    /// Whether something in its middle cannot be read.
    pub is_damaged: bool,
    /// Whether it ends in the middle of something.
    pub is_cut: bool,
}

/// Why a record is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was on its way when the recorder was killed.
    Torn,
    /// Its file was removed.
    Removed,
    /// Its block was damaged; whether the block's header was.
    Damaged(bool),
}

/// A file in memory that is still there when its writer is gone.
#[derive(Clone, Default)]
struct Memory(Rc<RefCell<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    /// Records the world, and does to the files what the case says.
    pub fn of(case: &Case, world: &World) -> Self {
        let files = recorded(world);
        assert_eq!(files.len(), world.files.len(), "files written");
        let chosen =
            |places: &[u16]| -> HashSet<usize> { places.iter().map(|place| pick(*place, files.len())).collect() };
        let (converted, mut removed) = (chosen(&case.converted), chosen(&case.removed));
        if removed.len() == files.len() {
            removed.clear();
        }
        let mut kept =
            Self { directory: TempDir::new().unwrap(), files: Vec::new(), rows: Vec::new(), lost: Vec::new() };
        let mut all = rows(world);
        // Which flow of several with the same tuples an update is of, files of both versions leave open.
        let updates = case.updates && converted.len() == files.len();
        for (index, mut bytes) in files.into_iter().enumerate() {
            let mut own: Vec<Row> = all.extract_if(.., |row| row.file == index).collect();
            if world.files[index].torn {
                kept.lose(&mut own, &found(&bytes), Why::Torn);
            }
            if removed.contains(&index) {
                kept.lost.extend(own.into_iter().map(|row| (row, Why::Removed)));
                continue;
            }
            let is_version_2 = converted.contains(&index);
            let mut is_damaged = false;
            if is_version_2 {
                let begun = world.clock.shows(world.files[index].span.from);
                own.retain(|row| row.says.is_heard() || (updates && row.says.kind == Kind::Open));
                bytes = as_version_2(&bytes, world.files[index].torn, updates.then_some(begun));
                own.iter_mut().for_each(|row| row.says = row.says.in_version_2(begun));
            } else {
                for (file, block, header) in &case.damaged {
                    // Where a file without a footer ends, its last header alone tells.
                    let header = &(*header && !world.files[index].torn);
                    // Of two, a filter may pass over the one and see the other: one is enough.
                    let is_chosen = !is_damaged && pick(*file, world.files.len()) == index;
                    if is_chosen && damage(&mut bytes, *block, *header) {
                        is_damaged = true;
                        kept.lose(&mut own, &found(&bytes), Why::Damaged(*header));
                    }
                }
            }
            kept.rows.extend(own);
            let is_cut = world.files[index].torn && ends_within(&bytes);
            let path = kept.directory.path().join(format!("{index:04}.ct"));
            fs::write(&path, bytes).unwrap();
            kept.files.push(File { path, index, is_version_2, is_damaged, is_cut });
        }
        if let Some(directory) = tried::keep() {
            for file in &kept.files {
                fs::copy(&file.path, directory.join(file.path.file_name().unwrap())).unwrap();
            }
        }
        kept
    }

    /// Takes out what is not found any more.
    fn lose(&mut self, rows: &mut Vec<Row>, found: &HashSet<(u32, u8)>, why: Why) {
        let lost = rows.extract_if(.., |row| !found.contains(&(row.says.id, row.says.kind as u8)));
        self.lost.extend(lost.map(|row| (row, why)));
    }

    /// The file of this index, if it is left.
    pub fn file(&self, index: usize) -> Option<&File> {
        self.files.iter().find(|file| file.index == index)
    }

    /// Whether a file was made one of version 2.
    pub fn has_version_2(&self) -> bool {
        self.files.iter().any(|file| file.is_version_2)
    }

    /// Whether something in it cannot be read: damaged, or cut off.
    pub fn is_broken(&self) -> bool {
        self.files.iter().any(|file| file.is_damaged || file.is_cut)
    }

    /// Whether all files are left, and tell all that they did when the recorder was gone.
    pub fn is_whole(&self, world: &World) -> bool {
        let is_untouched = |file: &File| !file.is_version_2 && !file.is_damaged;
        self.files.len() == world.files.len() && self.files.iter().all(is_untouched)
    }

    /// Whether a directory gives its files in the order in which they were written: they go by the time of their begin, which
    /// a clock that was set may have turned round.
    pub fn is_in_order(&self, world: &World) -> bool {
        self.files.is_sorted_by_key(|file| world.clock.shows(world.files[file.index].span.from))
    }

    /// The paths of the files, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }
}

/// One of so many.
pub fn pick(thousandths: u16, count: usize) -> usize {
    usize::from(thousandths) * count / 1000
}

/// The bytes of all files.
fn recorded(world: &World) -> Vec<Vec<u8>> {
    let mut files: Vec<Memory> = Vec::new();
    let create = |_| {
        files.push(Memory::default());
        Ok(files[files.len() - 1].clone())
    };
    record(Flows::new(world.shape.clone()), &world.plan, create, |_| Ok(())).unwrap();
    files.into_iter().map(|file| file.0.take()).collect()
}

/// The records of a segment that can be read, by id and kind: no file has two of a kind of one flow.
fn found(bytes: &[u8]) -> HashSet<(u32, u8)> {
    fn key<A: Address>(record: &Record<A>) -> (u32, u8) {
        (record.id.get(), record.kind)
    }
    let mut found = HashSet::new();
    for block in Segment::open(bytes).unwrap().blocks().flatten() {
        match block.body {
            Body::Ipv4(records) => found.extend(records.iter().map(|(record, _)| key(record))),
            Body::Ipv6(records) => found.extend(records.iter().map(|(record, _)| key(record))),
            _ => {}
        }
    }
    found
}

/// Whether a file that has no footer ends within a block or, of version 2, within a record.
fn ends_within(bytes: &[u8]) -> bool {
    match Segment::open(bytes) {
        Ok(segment) => segment.blocks().any(|block| block.is_err()),
        Err(_) => !(bytes.len() - legacy::Header::LENGTH).is_multiple_of(33),
    }
}

/// Changes a byte of a block of records, of its header or behind it. Returns whether there is such a block.
fn damage(bytes: &mut [u8], place: u16, header: bool) -> bool {
    let blocks: Vec<_> = Segment::open(bytes)
        .unwrap()
        .blocks()
        .flatten()
        .filter(|block| matches!(block.body, Body::Ipv4(_) | Body::Ipv6(_)))
        .map(|block| (block.offset as usize, block.header.payload_length.get() as usize))
        .collect();
    let Some((offset, length)) = blocks.get(pick(place, blocks.len())) else { return false };
    let place = usize::from(place);
    let at = if header { offset + place % 64 } else { offset + 64 + place * 7 % length };
    bytes[at] ^= 0x15;
    true
}

/// The events of a segment as a file of version 2; `torn`: with a record cut short at its end. `updates`: the flows that were
/// open had an update at this time.
fn as_version_2(bytes: &[u8], torn: bool, updates: Option<u64>) -> Vec<u8> {
    let segment = Segment::open(bytes).unwrap();
    let header = segment.header().unwrap();
    let mut writer = legacy::Writer::new(Vec::new(), &header_of(&header.host, header.created)).unwrap();
    for block in segment.blocks().flatten() {
        if let Body::Ipv4(records) = block.body {
            for (record, _) in records.iter() {
                let is_open = record.kind() == Some(Kind::Open);
                if let Some(at) = updates.filter(|_| is_open) {
                    writer.push(&Record { kind: Kind::Update as u8, start: at.into(), ..*record }).unwrap();
                } else if is_event(record) {
                    writer.push(record).unwrap();
                }
            }
        }
    }
    let mut bytes = writer.finish().unwrap();
    if torn && bytes.len() > legacy::Header::LENGTH {
        let last = bytes.len() - 33;
        bytes.extend_from_within(last..last + 1 + bytes.len() % 31);
    }
    bytes
}

fn is_event(record: &Record<V4>) -> bool {
    use ctrecorder_format::record::flags::{END_AT_LATEST, RECOVERED};
    match record.kind() {
        Some(Kind::Start) => record.flags & RECOVERED == 0,
        Some(Kind::End) => record.flags & END_AT_LATEST == 0,
        _ => false,
    }
}

fn header_of(host: &str, created: u64) -> legacy::Header {
    legacy::Header {
        content: legacy::Content::Events,
        protocol: TCP,
        host: host.to_owned(),
        flags: 0,
        started: ((created / NS_PER_SECOND) as u32, (created % NS_PER_SECOND / 1_000) as u32),
        ended: (0, 0),
        tz_minutes_west: 0,
        tz_dst: 0,
        utc_offset_seconds: 0,
        local_start: legacy::LocalTime {
            year_since_1900: 126,
            month_from_0: 10,
            day: 20,
            hour: 14,
            minute: 0,
            second: 0,
        },
    }
}
