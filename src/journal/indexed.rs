//! Holds the indexes of a segment against its records: what an index hides nobody finds.

use ctrecorder_format::{Address, Body, Index, Key, Records, Segment};

use super::Finding;

/// Goes along the indexes of a segment, in the order of the file.
#[derive(Default)]
pub(super) struct Comparison {
    /// The blocks numbered below this have been told of, or will not be any more.
    told: u64,
}

impl Comparison {
    /// Tells of what an index that begins at `offset` hides. Of what it tells of and is not there it says nothing if
    /// something is `damaged`.
    pub(super) fn index(
        &mut self,
        segment: &Segment<'_>,
        offset: u64,
        index: &Index<'_>,
        damaged: bool,
        found: &mut dyn FnMut(Finding),
    ) {
        for (number, column) in index.columns().iter().enumerate() {
            let blocks = column.sequences();
            // Each block is told of once: so an index costs no more than reading what it tells of.
            if blocks.start < self.told {
                found(Finding::ToldTwice { offset, sequence: column.first.get() });
                return;
            }
            self.told = blocks.end;
            let mut there = 0;
            for head in segment.heads_of(column).take_while(|head| head.offset < offset) {
                there += 1;
                if head.verify().is_ok_and(|block| hides(index, number, &block.body)) {
                    found(Finding::Hidden { offset, sequence: head.header.sequence.get() });
                }
            }
            if there < u64::from(column.blocks.get()) && !damaged {
                found(Finding::NotThere { offset, sequence: (blocks.start + there) as u32 });
            }
        }
    }
}

/// Whether some record of a block is not to be found by the index, of which the block's column has this number.
fn hides(index: &Index<'_>, column: usize, body: &Body<'_>) -> bool {
    match body {
        Body::Ipv4(records) => hides_some(index, column, records),
        Body::Ipv6(records) => hides_some(index, column, records),
        Body::Notes(_) | Body::Footer(_) | Body::Index(_) | Body::Sources(_) | Body::Unknown => false,
    }
}

fn hides_some<A: Address>(index: &Index<'_>, column: usize, records: &Records<'_, A>) -> bool {
    let mut endpoints = records.iter().flat_map(|(record, _)| record.endpoints());
    endpoints.any(|(address, port)| {
        let keys = [Key::address(address), Key::endpoint(address, port)];
        keys.into_iter().any(|key| !index.column_may_hold(column, key))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ctrecorder_format::{BlockKind, Closing, Content, Header, Kind, V4, Writer};

    use crate::journal::{Examiner, Source};
    use crate::sample::record;

    /// Offsets of docs/format.md.
    const BLOCK_HEADER: usize = 64;
    const LEAD: usize = 16;
    const FIRST: usize = 8;

    /// A segment of three blocks of records, and where its index begins and ends.
    fn segment() -> (Vec<u8>, std::ops::Range<usize>) {
        let mut writer = Writer::new(Vec::new(), &Header::blank(Content::Events)).unwrap();
        for number in 1..=90 {
            let endpoints: [(V4, u16); 4] = [[10, 0, 0, number], [9; 4], [9; 4], [3; 4]].map(|address| (address, 80));
            writer.push(&record(Kind::Start, number.into(), 0, endpoints), None, number.into());
            if number % 30 == 0 {
                writer.seal();
            }
        }
        writer.finish(Closing::Stopped, 100).unwrap();
        writer.write_out().unwrap();
        let bytes = writer.output().clone();
        let segment = ctrecorder_format::Segment::open(&bytes).unwrap();
        let head =
            segment.heads().map(Result::unwrap).find(|head| head.header.kind() == Some(BlockKind::Index)).unwrap();
        let begin = head.offset as usize;
        let end = begin + head.header.length() as usize;
        (bytes, begin..end)
    }

    fn findings(bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let source = Source::in_memory(Path::new("x"), bytes.into());
        Examiner::default().examine(&source, &mut |finding| found.push(finding.to_string()), &mut |_| ()).unwrap();
        found
    }

    /// What is found when the payload of the index has been changed, and all checksums in it are right again.
    fn with_index(change: impl FnOnce(&mut [u8])) -> Vec<String> {
        let (mut bytes, place) = segment();
        let block = &mut bytes[place];
        let (header, payload) = block.split_at_mut(BLOCK_HEADER);
        let length = u32::from_le_bytes(header[20..24].try_into().unwrap()) as usize;
        change(payload);
        let slots = u32::from_le_bytes(payload[..4].try_into().unwrap()) as usize;
        let crc = crc32fast::hash(&[&payload[..12], &payload[LEAD..2 * LEAD]].concat());
        payload[12..16].copy_from_slice(&crc.to_le_bytes());
        let chunks = &mut payload[2 * LEAD..length];
        for chunk in chunks.chunks_exact_mut((length - 2 * LEAD) / slots) {
            let (rows, crc) = chunk.split_last_chunk_mut().unwrap();
            *crc = crc32fast::hash(rows).to_le_bytes();
        }
        header[56..60].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
        let crc = crc32fast::hash(&header[..60]);
        header[60..64].copy_from_slice(&crc.to_le_bytes());
        findings(&bytes)
    }

    #[test]
    fn an_index_that_tells_the_truth_is_no_finding() {
        assert_eq!(findings(&segment().0), Vec::<String>::new());
        assert_eq!(with_index(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn what_an_index_hides_is_found() {
        let found = with_index(|payload| payload[2 * LEAD..].fill(0));
        let hidden = found.iter().filter(|finding| finding.contains("the index hides records of block")).count();
        assert_eq!(hidden, 3, "{found:?}");
    }

    #[test]
    fn blocks_that_are_not_there_or_not_where_it_says_are_found() {
        let elsewhere = |payload: &mut [u8]| payload[LEAD] += 1;
        let from_the_second =
            |payload: &mut [u8]| payload[LEAD + FIRST..LEAD + 16].copy_from_slice(&[1, 0, 0, 0, 2, 0, 0, 0]);
        for (change, block) in [(&elsewhere as &dyn Fn(&mut [u8]), 0), (&from_the_second, 1)] {
            let found = with_index(change);
            let said = format!("the index tells of block {block}, which is not there");
            assert!(found.iter().any(|finding| finding.contains(&said)), "{found:?}");
        }
    }

    #[test]
    fn no_flipped_bit_of_an_index_goes_unnoticed() {
        let (whole, place) = segment();
        for at in place {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(!findings(&bytes).is_empty(), "byte {at}");
        }
    }
}
