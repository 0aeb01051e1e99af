//! Says of a file whether it is as it was written: `ctrecorder test`.

use ctrecorder_format::legacy::{self, Piece};
use ctrecorder_format::{BlockKind, Closing, Damage, Digest, Fault, Segment, header};

use super::chain::{Broken, Chain};
use super::count::Count;
use super::{Error, Source, Version};

/// Something in a file that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// Some bytes could not be read as what they should be.
    #[error("{0}")]
    Damage(Damage),
    /// The segment was not closed in order.
    #[error("offset {offset}: no footer: cut off, or still being written")]
    NoFooter {
        /// The file's length, where the footer should begin.
        offset: u64,
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
    /// The digest in the footer is not that of the segment.
    #[error("offset {offset}: the digest in the footer is not that of the segment")]
    Digest {
        /// Where the footer begins.
        offset: u64,
    },
    /// The segment does not follow the one before.
    #[error("{0}")]
    Chain(Broken),
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
}

impl Examiner {
    /// Examines a file: header, blocks and their sequence, footer, totals, directory, digest, and that it follows the
    /// segment of the same recorder that was examined before. Each finding is told to `found`, and to `passed` how many
    /// further bytes are done.
    pub fn examine(
        &mut self,
        source: &Source,
        found: &mut dyn FnMut(Finding),
        passed: &mut dyn FnMut(u64),
    ) -> Result<Examined, Error> {
        match source.parse()? {
            Version::Two(file) => Ok(examine_legacy(&file, found)),
            Version::Three(segment) => {
                let examined = examine_segment(&segment, source, found, passed);
                if let Ok(header) = segment.header() {
                    let digest = segment.footer().map(|footer| footer.digest);
                    if let Some(broken) = self.chain.follow(source.path(), header, digest) {
                        found(Finding::Chain(broken));
                    }
                }
                Ok(examined)
            }
        }
    }
}

fn examine_legacy(file: &legacy::File<'_>, found: &mut dyn FnMut(Finding)) -> Examined {
    let mut records = 0;
    for piece in file.pieces() {
        match piece {
            Piece::Record { .. } => records += 1,
            Piece::Damage(damage) => found(Finding::Damage(damage)),
        }
    }
    Examined { version: 2, records, blocks: 0, condition: Condition::Legacy }
}

fn examine_segment(
    segment: &Segment<'_>,
    source: &Source,
    found: &mut dyn FnMut(Finding),
    passed: &mut dyn FnMut(u64),
) -> Examined {
    let being_written = segment.footer().is_none() && source.is_being_written();
    let mut count = Count::new(segment);
    let mut damaged = false;
    let mut damage = |damage: Damage| {
        // A segment that is being written may end anywhere.
        if !(being_written && matches!(damage.fault, Fault::CutOff(_))) {
            damaged = true;
            found(Finding::Damage(damage));
        }
    };
    if let Err(header) = segment.header() {
        damage(header.clone());
    }
    for head in segment.heads() {
        match head {
            Ok(head) => {
                passed(head.header.length());
                count.has_footer |= head.header.kind() == Some(BlockKind::Footer);
                head.verify().map_or_else(&mut damage, |block| count.block(&block));
            }
            Err(between) => damage(between),
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
        found(Finding::NoFooter { offset: segment.length() });
    }
    if let Some(footer) = segment.footer()
        && segment.digest() != Some(footer.digest)
    {
        found(Finding::Digest { offset: footer.offset });
    }
    Examined { version: header::VERSION, records: count.totals.records(), blocks: count.blocks, condition }
}
