//! Flows that lived long stand in blocks of their own.
//!
//! What a block says of times is the least start and the greatest end in it. One flow that lived for a day among a thousand that
//! lived for seconds would have the block say that they all may have been alive for a day, and who asks for a moment of it would
//! have to read them all. So flows of one order of magnitude stand together, apart from the order of arrival; and so do those of
//! which only one time is known, which the block has to say of all of its flows, too.

use std::io::Write;

use ctrecorder_format::{Address, BLOCK_BYTES, Counters, Kind, NS_PER_SECOND, Record, Writer};

const MINUTE: u64 = 60 * NS_PER_SECOND;

/// Flows that lived for no longer than the first of these stand in the order of arrival, further ones with those up to the next.
const BOUNDS: [u64; 3] = [5 * MINUTE, 60 * MINUTE, 12 * 60 * MINUTE];

/// Those of which not both times are known.
const HALF: usize = BOUNDS.len();
const CLASSES: usize = HALF + 1;

/// Flows of one family that stand apart, until there is a block of them.
#[derive(Debug)]
pub(super) struct Long<A: Address>([Vec<Apart<A>>; CLASSES]);

impl<A: Address> Default for Long<A> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Vec::new()))
    }
}

/// A flow on its way to a block.
#[derive(Debug)]
struct Apart<A: Address> {
    flow: Record<A>,
    counters: Counters,
    arrived: u64,
}

impl<A: Address> Long<A> {
    /// Writes a flow, or keeps it until there is a block of its kind.
    pub(super) fn push<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        flow: &Record<A>,
        counters: &Counters,
        arrived: u64,
    ) {
        let Some(kept) = class(flow).and_then(|class| self.0.get_mut(class)) else {
            return writer.push(flow, Some(counters), arrived);
        };
        kept.push(Apart { flow: *flow, counters: *counters, arrived });
        if kept.len() * size_of::<Record<A>>() >= BLOCK_BYTES {
            write(kept, writer);
        }
    }

    /// Writes all that is kept.
    pub(super) fn flush<W: Write>(&mut self, writer: &mut Writer<W>) {
        self.0.iter_mut().for_each(|kept| write(kept, writer));
    }
}

/// In which class a flow stands apart; `None`: in the order of arrival.
fn class<A: Address>(flow: &Record<A>) -> Option<usize> {
    let (start, end) = (flow.start.get(), flow.end.get());
    if flow.kind() != Some(Kind::Flow) {
        return None;
    }
    if start == 0 || end == 0 {
        return Some(HALF);
    }
    let lived = end.saturating_sub(start);
    BOUNDS.iter().rposition(|bound| lived > *bound)
}

/// Writes some flows as blocks of their own.
fn write<A: Address, W: Write>(kept: &mut Vec<Apart<A>>, writer: &mut Writer<W>) {
    if kept.is_empty() {
        return;
    }
    writer.seal();
    for Apart { flow, counters, arrived } in kept.drain(..) {
        writer.push(&flow, Some(&counters), arrived);
    }
    writer.seal();
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::{Closing, Content, Header, Segment, V4};

    use super::*;
    use crate::sample::record;

    /// A flow that ends at the `number`-th second behind a day, and has lived for so many seconds.
    fn flow(number: u64, lived: u64) -> Record<V4> {
        let end = (86_400 + number) * NS_PER_SECOND;
        let ends = [([10, 0, 0, 1], number as u16), ([3; 4], 80), ([3; 4], 80), ([1; 4], number as u16)];
        record(Kind::Flow, end - lived * NS_PER_SECOND, end, ends)
    }

    #[test]
    fn a_block_spans_no_more_than_the_flows_of_its_kind() {
        let mut writer = Writer::new(Vec::new(), &Header::blank(Content::Flows)).unwrap();
        let mut long = Long::default();
        let lives = [1, 300, 301, 3600, 3601, 43_200, 43_201, 86_400];
        for number in 0..4_000 {
            let lived = if number % 50 == 0 { lives[number / 50 % lives.len()] } else { 8 };
            let flow = flow(number as u64, lived);
            long.push(&mut writer, &flow, &Counters::default(), flow.end.get());
        }
        let mut half = flow(4_000, 8);
        half.start = 0.into();
        long.push(&mut writer, &half, &Counters::default(), half.end.get());
        long.flush(&mut writer);
        writer.finish(Closing::Complete, 100_000 * NS_PER_SECOND).unwrap();
        writer.write_out().unwrap();
        let segment = Segment::open(writer.output()).unwrap();
        assert_eq!(segment.footer().unwrap().totals.flows, 4_001);
        let mut spans = Vec::new();
        for block in segment.blocks().map(Result::unwrap) {
            let ctrecorder_format::Body::Ipv4(records) = block.body else { continue };
            let lived = |record: &Record<V4>| (record.end.get() - record.start.get()) / NS_PER_SECOND;
            let known = records.iter().map(|(record, _)| record).filter(|record| record.start.get() != 0);
            let lives: Vec<_> = known.map(lived).collect();
            spans.push((lives.iter().max().copied(), records.len()));
            let bound = |lived: u64| BOUNDS.iter().rposition(|bound| lived * NS_PER_SECOND > *bound);
            let mut kinds: Vec<_> = lives.into_iter().map(bound).collect();
            kinds.dedup();
            assert!(kinds.len() <= 1, "{kinds:?}");
        }
        let rest = [(Some(3_600), 20), (Some(43_200), 20), (Some(86_400), 20), (None, 1)];
        assert_eq!(spans.split_off(spans.len() - 4), rest);
        assert_eq!(spans.iter().map(|(_, count)| count).sum::<usize>(), 4_001 - 61);
        assert!(spans.iter().all(|(lived, _)| lived.is_some_and(|lived| lived <= 300)));
    }
}
