//! What was found in a part of a file, on its way to the sink.

use std::ops::ControlFlow;

use ctrecorder_format::{Address, Counters, Kind, Record};

use super::super::opened::Opened;
use super::Sink;
use super::found::{Family, Found, Step};
use super::lane::Outlet;
use super::present::Present;

/// What was found, and was not handed on yet.
pub(super) struct Held {
    file: Opened,
    ipv4: Rest<ctrecorder_format::V4>,
    ipv6: Rest<ctrecorder_format::V6>,
    steps: std::iter::Peekable<std::vec::IntoIter<Step>>,
    /// Where in the file that part ends, in bytes.
    end: u64,
}

/// A family's records, of which so many, with so many counters, were handed on.
struct Rest<A: Address> {
    family: Family<A>,
    records: usize,
    counters: usize,
}

impl Held {
    pub(super) fn new(file: Opened, found: Found, end: u64) -> Self {
        let Found { ipv4, ipv6, steps } = found;
        Self { file, ipv4: Rest::of(ipv4), ipv6: Rest::of(ipv6), steps: steps.into_iter().peekable(), end }
    }

    /// Hands it on as far as it happened up to `until` (ns since the epoch), and says when that happened which comes next;
    /// `None` if that was all. What tells of no moment belongs to what is before it.
    pub(super) fn hand_on<S: Sink>(
        &mut self,
        present: &mut Present,
        out: &mut Outlet<'_, S>,
        until: u64,
    ) -> ControlFlow<S::Stop, Option<u64>> {
        let Self { file, ipv4, ipv6, steps, end } = self;
        let (source, latest) = (file.source(), present.latest);
        while let Some(step) = steps.peek_mut() {
            let shows_open = present.open.shows();
            let later = match step {
                Step::Ipv4 { count, with_counters } => {
                    let take = |records: &[_], counters: &[_]| out.sink.all_ipv4(records, counters);
                    ipv4.hand_on(count, *with_counters, shows_open, (until, latest), take)?
                }
                Step::Ipv6 { count, with_counters } => {
                    let take = |records: &[_], counters: &[_]| out.sink.all_ipv6(records, counters);
                    ipv6.hand_on(count, *with_counters, shows_open, (until, latest), take)?
                }
                Step::Note(note) if note.to.get().min(latest) > until => Some(note.to.get().min(latest)),
                Step::Note(note) => {
                    present.open.note(note);
                    out.sink.note(source.path(), note)?;
                    None
                }
                Step::Open => {
                    present.open.open();
                    None
                }
                Step::Damage(damage) => {
                    present.damage(file, damage, out)?;
                    None
                }
            };
            if later.is_some() {
                return ControlFlow::Continue(later);
            }
            steps.next();
        }
        present.pass(source, *end, out);
        ControlFlow::Continue(None)
    }
}

impl<A: Address> Rest<A> {
    const fn of(family: Family<A>) -> Self {
        Self { family, records: 0, counters: 0 }
    }

    /// Hands on the next `count` records as far as they happened up to `until`, open ones if they are to be shown, and says when
    /// that one happened which is then the next, but nothing counts as later than `latest`. `count` becomes how many are left.
    fn hand_on<B>(
        &mut self,
        count: &mut usize,
        with_counters: bool,
        shows_open: bool,
        (until, latest): (u64, u64),
        mut take: impl FnMut(&[Record<A>], &[Counters]) -> ControlFlow<B>,
    ) -> ControlFlow<B, Option<u64>> {
        let records = self.family.records.get(self.records..).unwrap_or_default();
        let records = records.get(..*count).unwrap_or(records);
        let later = |record| moment(record).map(|moment| moment.min(latest)).filter(|moment| *moment > until);
        // Nothing is later than the end of all times: then nobody need look.
        let first_later =
            (until < u64::MAX).then(|| records.iter().position(|record| later(record).is_some())).flatten();
        let records = records.get(..first_later.unwrap_or(records.len())).unwrap_or(records);
        let mut rest = if with_counters { self.family.counters.get(self.counters..).unwrap_or_default() } else { &[] };
        let is_open = |record: &Record<A>| record.kind() == Some(Kind::Open);
        for run in records.chunk_by(|one, next| shows_open || is_open(one) == is_open(next)) {
            let counters = rest.split_off(..run.len().min(rest.len())).unwrap_or_default();
            if shows_open || !run.first().is_some_and(is_open) {
                take(run, counters)?;
            }
        }
        *count -= records.len();
        self.records += records.len();
        self.counters += if with_counters { records.len() } else { 0 };
        ControlFlow::Continue(first_later.and_then(|_| later(self.family.records.get(self.records)?)))
    }
}

/// When that happened which a record tells of, in ns since the epoch. An open one tells of what was before its segment.
fn moment<A: Address>(record: &Record<A>) -> Option<u64> {
    Some(record.event_time()).filter(|moment| *moment != 0 && record.kind() != Some(Kind::Open))
}
