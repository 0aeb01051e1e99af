//! What was found in a part of a file, in order, on its way from one thread to another.

use ctrecorder_format::{Counters, Damage, Note, Record, V4, V6};

/// What was found, in order. The records of each family stand together, and `steps` tells how they follow each other.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) ipv4: Family<V4>,
    pub(super) ipv6: Family<V6>,
    pub(super) steps: Vec<Step>,
}

/// Records of one family, and the counters of those that have any.
#[derive(Debug)]
pub(super) struct Family<A: ctrecorder_format::Address> {
    pub(super) records: Vec<Record<A>>,
    pub(super) counters: Vec<Counters>,
}

impl<A: ctrecorder_format::Address> Default for Family<A> {
    fn default() -> Self {
        Self { records: Vec::new(), counters: Vec::new() }
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    /// So many records of IPv4 flows.
    Ipv4 {
        count: usize,
        with_counters: bool,
    },
    /// So many records of IPv6 flows.
    Ipv6 {
        count: usize,
        with_counters: bool,
    },
    /// Some record of a flow that was open, handed on or not.
    Open,
    Note(Note),
    /// Something that could not be read.
    Damage(Damage),
}

impl Found {
    pub(super) fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) {
        self.ipv4.push(record, counters);
        self.step_ipv4(1, counters.is_some());
    }

    pub(super) fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) {
        self.ipv6.push(record, counters);
        self.step_ipv6(1, counters.is_some());
    }

    /// Records of IPv4 that follow each other, all with counters or all without.
    pub(super) fn all_ipv4<'r>(&mut self, records: impl Iterator<Item = (&'r Record<V4>, Option<&'r Counters>)>) {
        let (with_counters, count) = self.ipv4.extend(records);
        self.step_ipv4(count, with_counters);
    }

    /// Records of IPv6, likewise.
    pub(super) fn all_ipv6<'r>(&mut self, records: impl Iterator<Item = (&'r Record<V6>, Option<&'r Counters>)>) {
        let (with_counters, count) = self.ipv6.extend(records);
        self.step_ipv6(count, with_counters);
    }

    /// So many records of IPv4 were added.
    pub(super) fn step_ipv4(&mut self, more: usize, with: bool) {
        match self.steps.last_mut() {
            Some(Step::Ipv4 { count, with_counters }) if *with_counters == with => *count += more,
            _ if more == 0 => {}
            _ => self.steps.push(Step::Ipv4 { count: more, with_counters: with }),
        }
    }

    fn step_ipv6(&mut self, more: usize, with: bool) {
        match self.steps.last_mut() {
            Some(Step::Ipv6 { count, with_counters }) if *with_counters == with => *count += more,
            _ if more == 0 => {}
            _ => self.steps.push(Step::Ipv6 { count: more, with_counters: with }),
        }
    }

    /// Notes that there are open records here.
    pub(super) fn open(&mut self) {
        if !matches!(self.steps.last(), Some(Step::Open)) {
            self.steps.push(Step::Open);
        }
    }
}

impl<A: ctrecorder_format::Address> Family<A> {
    fn push(&mut self, record: &Record<A>, counters: Option<&Counters>) {
        self.records.push(*record);
        self.counters.extend(counters);
    }

    /// Adds records that have counters all or none. Returns whether they have, and how many records they are.
    fn extend<'r>(&mut self, records: impl Iterator<Item = (&'r Record<A>, Option<&'r Counters>)>) -> (bool, usize) {
        let before = (self.records.len(), self.counters.len());
        for (record, counters) in records {
            self.push(record, counters);
        }
        (self.counters.len() > before.1, self.records.len() - before.0)
    }
}
