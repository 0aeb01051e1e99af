//! Says of a file whether it is as it was written: `ctrecorder test`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ctrecorder_format::legacy::{self, Piece};
use ctrecorder_format::{BlockKind, Body, Closing, Damage, Digest, Fault, Retirement, Segment, header};

use super::chain::{Broken, Chain, LooseEnd};
use super::count::Count;
use super::indexed::Comparison;
use super::{Error, Passage, Shown, Source, Version};
use crate::archive::Archive;
use crate::counted::{are, counted};

/// Something in a file that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// Some bytes could not be read as what they should be.
    #[error("{0}")]
    Damage(Damage),
    /// The segment was not closed in order.
    #[error(
        "offset {offset}: no footer: cut off, {}; before that, {} in {} {} whole",
        why_cut_off(next.as_deref()),
        counted(*records, "record"),
        counted(*blocks, "block"),
        are(*records)
    )]
    NoFooter {
        /// The file's length, where the footer should begin.
        offset: u64,
        /// Whole records.
        records: u64,
        /// Whole blocks.
        blocks: u64,
        /// The file in which its recorder went on.
        next: Option<PathBuf>,
    },
    /// The footer's totals are not those of the blocks.
    #[error("offset {offset}: the footer says {said} {what}, and there are {counted}")]
    Total {
        /// Where the footer begins.
        offset: u64,
        /// What is counted.
        what: &'static str,
        /// How many the footer says there are.
        said: u64,
        /// How many there are.
        counted: u64,
    },
    /// The footer's directory is not that of the blocks.
    #[error("offset {offset}: entry {entry} of the directory is not that of its blocks")]
    Directory {
        /// Where the footer begins.
        offset: u64,
        /// The number of the entry, from 0.
        entry: usize,
    },
    /// The index does not know of records that are there: who asks for them does not find them.
    #[error("offset {offset}: the index hides records of block {sequence}")]
    Hidden {
        /// Where the index begins.
        offset: u64,
        /// The number of the block.
        sequence: u32,
    },
    /// The index tells of a block that is not there.
    #[error("offset {offset}: the index tells of block {sequence}, which is not there")]
    NotThere {
        /// Where the index begins.
        offset: u64,
        /// The number of the block.
        sequence: u32,
    },
    /// The index tells of blocks that an index before it tells of, too.
    #[error("offset {offset}: the index tells of block {sequence}, as one before it does")]
    ToldTwice {
        /// Where the index begins.
        offset: u64,
        /// The number of the block.
        sequence: u32,
    },
    /// The digest in the footer is not that of the segment.
    #[error("offset {offset}: the digest in the footer is not that of the segment")]
    Digest {
        /// Where the footer begins.
        offset: u64,
    },
    /// The segment does not follow the one before.
    #[error("{0}")]
    Chain(Broken),
    /// A block of an archive does not match its checksum.
    #[error("offset {offset}: {length} bytes do not match their checksum")]
    Checksum {
        /// Where the block begins.
        offset: u64,
        /// How long it is, in bytes.
        length: u64,
    },
}

fn why_cut_off(next: Option<&Path>) -> String {
    match next {
        None => "as where a recorder was killed, or copied while it was written".into(),
        Some(next) => format!(
            "though its recorder went on in {}: as where the disk failed, or copied while it was written",
            Shown(next)
        ),
    }
}

/// How a file that was examined ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// In order; so says its footer.
    Closed(Closing, Digest),
    /// A recorder is writing it.
    BeingWritten,
    /// Without a footer, which a finding tells of.
    Open,
    /// As every file of version 2: with the last record.
    Legacy,
    /// An archive, which is whole or not open at all.
    Archive,
}

/// What was found in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The version of its format.
    pub version: u32,
    /// Whole records.
    pub records: u64,
    /// Whole blocks, the footer among them; 0 in version 2, which has none.
    pub blocks: u64,
    /// How it ends.
    pub condition: Condition,
}

/// Examines files, one after the other.
#[derive(Default)]
pub struct Examiner {
    chain: Chain,
    /// For files in which a recorder did not end, the one in which it went on.
    next: HashMap<PathBuf, PathBuf>,
}

impl Examiner {
    /// Where recorders removed segments as these say, host by host, nothing is missing. `next` has the files in which a recorder did
    /// not end, each with the one in which it went on.
    pub fn with(retired: HashMap<String, Vec<Retirement>>, next: HashMap<PathBuf, PathBuf>) -> Self {
        Self { chain: Chain::with(retired), next }
    }

    /// Examines a file: header, blocks and their sequence, indexes, footer, totals, directory, digest, and that it follows the
    /// segment of the same recorder that was examined before. Each finding is told to `found`, and to `passed` how many
    /// further bytes are done.
    pub fn examine(
        &mut self,
        source: &Source,
        found: &mut dyn FnMut(Finding),
        passed: &mut dyn FnMut(u64),
    ) -> Result<Examined, Error> {
        match source.parse()? {
            Version::Two(file) => Ok(examine_legacy(&file, source, found, passed)),
            Version::Archive(archive) => Ok(examine_archive(&archive, found, passed)),
            Version::Three(segment) => {
                let examined = examine_segment(&segment, source, self.next.get(source.path()), found, passed);
                if let Some(broken) = self.chain.follow(source.path(), &segment) {
                    found(Finding::Chain(broken));
                }
                Ok(examined)
            }
        }
    }

    /// Where the segments examined are not all that their recorders wrote.
    pub fn loose_ends(self) -> Vec<LooseEnd> {
        self.chain.loose_ends()
    }
}

fn examine_legacy(
    file: &legacy::File<'_>,
    source: &Source,
    found: &mut dyn FnMut(Finding),
    passed: &mut dyn FnMut(u64),
) -> Examined {
    let (mut records, mut reached, mut passage) = (0, 0, Passage::default());
    let mut pieces = file.pieces();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Record { .. } => records += 1,
            Piece::Damage(damage) => found(Finding::Damage(damage)),
        }
        let place = pieces.place().offset();
        passage.reached(source, place);
        passed(place.saturating_sub(reached));
        reached = place;
    }
    Examined { version: 2, records, blocks: 0, condition: Condition::Legacy }
}

fn examine_archive(archive: &Archive, found: &mut dyn FnMut(Finding), passed: &mut dyn FnMut(u64)) -> Examined {
    let (damaged, blocks) = archive.damaged_blocks();
    for block in &damaged {
        found(Finding::Checksum { offset: block.start, length: block.end - block.start });
    }
    let mut records = 0;
    let mut reached = 0;
    for group in 0..archive.groups() {
        match archive.read(group, None) {
            Ok(rows) => records += (rows.ipv4().count() + rows.ipv6().count()) as u64,
            // Its bytes were told of.
            Err(_) if !damaged.is_empty() => {}
            Err(damage) => found(Finding::Damage(*damage)),
        }
        passed(archive.end_of(group).saturating_sub(reached));
        reached = archive.end_of(group);
    }
    let (offset, said) = (reached, archive.about().rows);
    if damaged.is_empty() && said != records {
        found(Finding::Total { offset, what: "rows", said, counted: records });
    }
    Examined { version: 1, records, blocks, condition: Condition::Archive }
}

fn examine_segment(
    segment: &Segment<'_>,
    source: &Source,
    next: Option<&PathBuf>,
    found: &mut dyn FnMut(Finding),
    passed: &mut dyn FnMut(u64),
) -> Examined {
    let being_written = segment.footer().is_none() && source.is_being_written();
    let mut count = Count::new(segment);
    let mut indexes = Comparison::default();
    let mut damaged = false;
    // A segment that is being written may end anywhere.
    let is_finding = |damage: &Damage| !(being_written && matches!(damage.fault, Fault::CutOff(_)));
    if let Some(header) = segment.header().err().filter(|damage| is_finding(damage)) {
        damaged = true;
        found(Finding::Damage(header.clone()));
    }
    let mut passage = Passage::default();
    for head in segment.heads() {
        let block = head.and_then(|head| {
            passage.reached(source, head.offset);
            passed(head.header.length());
            count.has_footer |= head.header.kind() == Some(BlockKind::Footer);
            head.verify()
        });
        match block {
            Ok(block) => {
                count.block(&block);
                if let Body::Index(index) = &block.body {
                    indexes.index(segment, block.offset, index, damaged, found);
                }
            }
            Err(damage) if is_finding(&damage) => {
                damaged = true;
                found(Finding::Damage(damage));
            }
            Err(_) => {}
        }
    }
    let condition = match segment.footer() {
        Some(footer) => Condition::Closed(footer.totals.closing, footer.digest),
        None if being_written => Condition::BeingWritten,
        None => Condition::Open,
    };
    // What is damaged is missing in the count as well: that would be no second finding.
    if !damaged {
        count.hold_against(segment, found);
    }
    if condition == Condition::Open && !count.has_footer {
        let (records, blocks) = (count.totals.records(), count.blocks);
        found(Finding::NoFooter { offset: segment.length(), records, blocks, next: next.cloned() });
    }
    if let Some(footer) = segment.footer()
        && segment.digested().and_then(|parts| source.digest(parts)) != Some(footer.digest)
    {
        found(Finding::Digest { offset: footer.offset });
    }
    Examined { version: header::VERSION, records: count.totals.records(), blocks: count.blocks, condition }
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::{Cause, Clock, Content, Header, Kind, Note, V4, V6, Writer};

    use super::*;
    use crate::sample::record;

    const NS: u64 = 1_000_000_000;

    /// A closed segment with blocks of every kind.
    fn segment() -> Vec<u8> {
        let header = Header {
            tag: 0xfeed_beef,
            counters: true,
            closing_keyframe: false,
            marks_clock_sets: false,
            software: "ctrecorder".into(),
            content: Content::Events,
            host: "nat1".into(),
            boot_id: [7; 16],
            machine: [0; 16],
            recorder_started: NS,
            segment_number: 0,
            created: NS,
            time_zone: "UTC".into(),
            utc_offset_seconds: 0,
            families: 3,
            protocols: vec![6],
            namespace: 0,
            filters: String::new(),
            clock: Clock::Kernel,
            previous: None,
        };
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        for number in 0..12 {
            let port = 1000 + number as u16;
            let v4: [(V4, u16); 4] =
                [([10, 0, 0, 1], port), ([192, 0, 2, 1], 80), ([192, 0, 2, 1], 80), ([3; 4], port)];
            let v6: [(V6, u16); 4] = v4.map(|(address, port)| ([address[0]; 16], port));
            let time = (number + 2) * NS;
            writer.push(&record(Kind::Start, time, 0, v4), None, time);
            writer.push(&record(Kind::Flow, time, time + 1, v6), None, time);
        }
        writer.note(&Note::gap(20 * NS, 21 * NS, 3, Cause::KernelOverrun));
        writer.finish(Closing::Stopped, 30 * NS).unwrap();
        writer.write_out().unwrap();
        writer.output().clone()
    }

    /// What is found in these bytes; a refusal counts as one finding.
    fn findings(bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let source = Source::in_memory(Path::new("x"), bytes.into());
        let examined =
            Examiner::default().examine(&source, &mut |finding| found.push(finding.to_string()), &mut |_| ());
        found.extend(examined.err().map(|error| error.to_string()));
        found
    }

    #[test]
    fn a_whole_segment_has_no_findings() {
        assert_eq!(findings(&segment()), Vec::<String>::new());
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let whole = segment();
        for at in 0..whole.len() {
            for bit in [0x01, 0x80] {
                let mut bytes = whole.clone();
                bytes[at] ^= bit;
                assert!(!findings(&bytes).is_empty(), "byte {at}, bit {bit:#x}");
            }
        }
    }

    #[test]
    fn no_cut_goes_unnoticed() {
        let whole = segment();
        for length in 0..whole.len() {
            assert!(!findings(&whole[..length]).is_empty(), "{length} bytes");
        }
    }

    #[test]
    fn what_stands_behind_the_footer_is_damage_and_the_footer_is_not_missing() {
        let mut bytes = segment();
        let length = bytes.len();
        bytes.extend_from_slice(b"what is this?");
        let found = findings(&bytes);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("offset {length}: ")), "{found:?}");
    }
}
