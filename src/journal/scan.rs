//! Hands the records of a journal to a sink, in order, and reads ahead of it with several threads.
//!
//! | part | what it does |
//! |---|---|
//! | `plan` | goes from file to file |
//! | `leg` | files that grow, each from where it was read to |
//! | `ruled_out` | what the indexes of a segment say of its blocks |
//! | `divide` | divides a file into parcels |
//! | `parcel`, `entries`, `reading`, `merge`, `group` | reads one: on any thread, of nothing but itself |
//! | `found` | what was found in it |
//! | `crew` | the threads |
//! | `lane`, `present`, `held` | files that follow each other: what was found in order, and what depends on what came before |
//! | `deliver` | merges lanes by time |

mod crew;
mod deliver;
mod divide;
mod entries;
mod found;
mod group;
mod held;
mod lane;
mod leg;
mod merge;
mod parcel;
mod plan;
mod present;
mod reading;
mod ruled_out;
#[cfg(test)]
pub(super) mod tests;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use ctrecorder_format::legacy::Endpoints;
use ctrecorder_format::{Address, Columns, Counters, Damage, DirectoryEntry, Head, Index, Note, Record, V4, V6};

use super::keyframe::{Keyframes, OpenRecords};
use super::{Error, Journal, Version};
use crate::archive::Sought;
use deliver::Delivery;
pub(super) use leg::{Follower, Leg, Standing, Stopped};
use parcel::Parcel;
use plan::Way;

/// With more threads nothing is read any faster, and each of them has its part of a journal in memory.
pub const THREADS_MAX: usize = 1024;

/// Which records are wanted. It is asked by several threads.
pub trait Select: Sync {
    /// Whether no record of a block can be wanted, by what the block's head says: then its records are not touched.
    fn rules_out(&self, head: &Head<'_>) -> bool;

    /// Whether no record of some neighbouring blocks can be wanted, by what the segment's directory says of them: then they
    /// are not touched at all. They are blocks of records, and nothing else.
    fn rules_out_entry(&self, _entry: &DirectoryEntry) -> bool {
        false
    }

    /// Whether [`Select::columns`] can say anything. Where it cannot, indexes are not looked for.
    fn asks_indexes(&self) -> bool {
        false
    }

    /// The columns of an index in whose blocks a wanted record may be.
    fn columns(&self, index: &Index<'_>) -> Columns {
        index.all()
    }

    /// Of an archive: what a wanted record has at some place, one of these at least. `None`: that cannot be said.
    fn sought(&self) -> Option<Vec<Sought>> {
        None
    }

    /// Puts to a search the question whether a record of version 2 can be wanted, by its endpoints alone; only those that can
    /// are put together, and asked for. That is done for each search anew, and not for each record, so that the search is
    /// made for the one question.
    fn by_endpoints<S: Search>(&self, search: S) -> S::Found {
        search.of(|_| true)
    }

    /// Whether this record is wanted.
    fn matches<A: Address>(&self, record: &Record<A>) -> bool;
}

/// A search among records of version 2 that was not told yet what for: see [`Select::by_endpoints`].
pub trait Search {
    /// What it comes to.
    type Found;

    /// Searches for the records whose endpoints these may be.
    fn of(self, may_match: impl Fn(&Endpoints<'_>) -> bool) -> Self::Found;
}

/// Every record is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl Select for Everything {
    fn rules_out(&self, _head: &Head<'_>) -> bool {
        false
    }

    fn matches<A: Address>(&self, _record: &Record<A>) -> bool {
        true
    }
}

/// Takes what a journal holds, in order: of each file first [`Sink::begin`], then the rest.
pub trait Sink {
    /// What it says when it wants no more.
    type Stop;

    /// A file begins.
    fn begin(&mut self, path: &Path, file: &Version<'_>) -> ControlFlow<Self::Stop>;

    /// A record of an IPv4 flow, with its counters if there are any.
    fn ipv4(&mut self, record: &Record<V4>, counters: Option<&Counters>) -> ControlFlow<Self::Stop>;

    /// A record of an IPv6 flow, with its counters if there are any.
    fn ipv6(&mut self, record: &Record<V6>, counters: Option<&Counters>) -> ControlFlow<Self::Stop>;

    /// Records of IPv4 flows that follow each other, as if each came by itself, with the counters of each, or with none at all.
    fn all_ipv4(&mut self, records: &[Record<V4>], counters: &[Counters]) -> ControlFlow<Self::Stop> {
        each(records, counters).try_for_each(|(record, counters)| self.ipv4(record, counters))
    }

    /// Records of IPv6 flows, likewise.
    fn all_ipv6(&mut self, records: &[Record<V6>], counters: &[Counters]) -> ControlFlow<Self::Stop> {
        each(records, counters).try_for_each(|(record, counters)| self.ipv6(record, counters))
    }

    /// A gap, or another note.
    fn note(&mut self, path: &Path, note: &Note) -> ControlFlow<Self::Stop>;

    /// Something in the file could not be read.
    fn damage(&mut self, path: &Path, file: &Version<'_>, damage: &Damage) -> ControlFlow<Self::Stop>;

    /// A file could not be read at all.
    fn error(&mut self, error: Error) -> ControlFlow<Self::Stop>;

    /// So many further bytes of the journal are done.
    fn passed(&mut self, bytes: u64);

    /// What follows is of a file that began earlier: another one was read since, or it has grown.
    fn resume(&mut self, _path: &Path, _file: &Version<'_>) -> ControlFlow<Self::Stop> {
        ControlFlow::Continue(())
    }
}

/// Records that follow each other, one by one, with the counters of each, if they have any.
fn each<'r, A: Address>(
    records: &'r [Record<A>],
    counters: &'r [Counters],
) -> impl Iterator<Item = (&'r Record<A>, Option<&'r Counters>)> {
    records.iter().zip(counters.iter().map(Some).chain(std::iter::repeat(None)))
}

/// Reads journals: which records are wanted, and what is known of the files up to now.
#[derive(Debug)]
pub struct Scan<F> {
    select: F,
    keyframes: Keyframes,
    threads: usize,
}

impl<F: Select> Scan<F> {
    /// A scan for the records that `select` wants, among the open ones those that `open_records` says.
    pub fn new(select: F, open_records: OpenRecords) -> Self {
        Self { select, keyframes: Keyframes::new(open_records), threads: 1 }
    }

    /// The same with so many threads in all, but no more than [`THREADS_MAX`]. What the sink is handed does not depend on it.
    pub fn with_threads(self, threads: NonZeroUsize) -> Self {
        Self { threads: threads.get().min(THREADS_MAX), ..self }
    }

    /// Hands everything in a journal to `sink`, file after file, until that wants no more.
    pub fn run<S: Sink>(&mut self, journal: &Journal, sink: &mut S) -> ControlFlow<S::Stop> {
        self.deliver(&[Way::Journal(journal)], None, sink)
    }

    /// Hands everything in a journal whose files are in the order of time to `sink`, until that wants no more. What is of files
    /// that were written at the same time is merged by when it happened; of each, it stays in its order.
    pub fn run_merged<S: Sink>(&mut self, journal: &Journal, sink: &mut S) -> ControlFlow<S::Stop> {
        let lanes = journal.lanes();
        let ways: Vec<_> = lanes.iter().map(Way::Lane).collect();
        self.deliver(&ways, None, sink)
    }

    /// Hands everything in these files to `sink`, until that wants no more, and says where those stopped that may grow. What is
    /// of different lanes is merged by when it happened.
    pub(super) fn run_legs<S: Sink>(
        &mut self,
        lanes: &[Vec<Leg>],
        follower: &mut dyn Follower,
        sink: &mut S,
    ) -> ControlFlow<S::Stop> {
        let ways: Vec<_> = lanes.iter().map(|legs| Way::Legs(legs)).collect();
        self.deliver(&ways, Some(follower), sink)
    }

    fn deliver<S: Sink>(
        &mut self,
        ways: &[Way<'_>],
        follower: Option<&mut dyn Follower>,
        sink: &mut S,
    ) -> ControlFlow<S::Stop> {
        let Self { select, keyframes, threads } = self;
        let select = &*select;
        let mut delivery = Delivery::new(ways.iter().copied(), select, keyframes, sink, *threads);
        if let Some(follower) = follower {
            delivery = delivery.followed_by(follower);
        }
        crew::with_crew(*threads, |parcel: &Parcel| parcel.read(select), |crew| delivery.run(crew))
    }
}
