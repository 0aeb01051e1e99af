//! Merges the blocks of a batch, one for each family, into the order of arrival.

use ctrecorder_format::block::flags;
use ctrecorder_format::{BlockHeader, Counters, Record, Records, V4, V6};

/// The blocks of a batch that were found up to now. They cover the same span of arrival.
#[derive(Default)]
pub(super) struct Batch<'a> {
    pub(super) ipv4: Option<Records<'a, V4>>,
    pub(super) ipv6: Option<Records<'a, V6>>,
    /// The number of the block that belongs to the batch too.
    next: Option<u32>,
}

/// A record of either family, with its counters if there are any.
#[derive(Clone, Copy)]
pub(super) enum Either<'a> {
    Ipv4(&'a Record<V4>, Option<&'a Counters>),
    Ipv6(&'a Record<V6>, Option<&'a Counters>),
}

impl<'a> Batch<'a> {
    /// Whether a block belongs to this batch.
    pub(super) fn goes_on_with(&self, block: &BlockHeader) -> bool {
        self.next == Some(block.sequence.get())
    }

    /// Notes that a block belongs to the batch, whatever becomes of its records, and whether there is more to come.
    pub(super) fn joined_by(&mut self, block: &BlockHeader) {
        self.next = block.has(flags::CONTINUES).then(|| block.sequence.get().wrapping_add(1));
    }

    /// Whether no further block belongs to the batch.
    pub(super) const fn is_whole(&self) -> bool {
        self.next.is_none()
    }
}

/// The records by the time of what they tell, IPv4 first where two times are the same. Each family keeps its own order,
/// whatever its times.
pub(super) fn merged<'a>(ipv4: Records<'a, V4>, ipv6: Records<'a, V6>) -> impl Iterator<Item = Either<'a>> {
    let mut ipv4 = ipv4.iter().peekable();
    let mut ipv6 = ipv6.iter().peekable();
    std::iter::from_fn(move || {
        let ipv6_first = match (ipv4.peek(), ipv6.peek()) {
            (Some((a, _)), Some((b, _))) => b.event_time() < a.event_time(),
            (ipv4, _) => ipv4.is_none(),
        };
        if ipv6_first {
            ipv6.next().map(|(record, counters)| Either::Ipv6(record, counters))
        } else {
            ipv4.next().map(|(record, counters)| Either::Ipv4(record, counters))
        }
    })
}
