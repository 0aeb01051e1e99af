//! A kernel small enough to know everything of, which loses events while its table is read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ctrecorder_format::{Body, Closing, Header, Kind, Record, Records, Segment};
use proptest::prelude::*;

use super::*;
use crate::sample::record;

/// Numbers of flows are below this: so few that they come again and again.
const FLOWS: u32 = 12;

/// The kernel fills a datagram of a dump with so many places of its table.
const DATAGRAM: u32 = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(u32),
    End(u32),
    /// The event of the next begin or end is lost.
    Lose,
    /// So many events are taken.
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..FLOWS).prop_map(Step::Begin),
        4 => (0..FLOWS).prop_map(Step::End),
        1 => Just(Step::Lose),
        2 => (0..6_usize).prop_map(Step::Take),
    ]
}

/// What happens before, between the datagrams of, and after a reading.
fn reading() -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec(step(), 0..8), 1 + (FLOWS / DATAGRAM) as usize)
}

struct World {
    mirror: Mirror,
    writer: Writer<Vec<u8>>,
    /// The kernel's table.
    table: BTreeMap<u32, Record<V4>>,
    /// Events that the recorder has not taken yet.
    socket: VecDeque<Captured>,
    lose: bool,
    time: u64,
    /// The last id; `None`: a flow has the same id whenever it begins again, as one that finds its old place in the kernel's
    /// memory.
    ids: Option<u32>,
    events: u64,
    lost: u64,
}

impl World {
    fn new(same_ids: bool) -> Self {
        let mirror = Mirror::new(true);
        let (table, socket) = (BTreeMap::new(), VecDeque::new());
        Self {
            mirror,
            writer: writer(),
            table,
            socket,
            lose: false,
            time: 1000,
            ids: (!same_ids).then_some(0),
            events: 0,
            lost: 0,
        }
    }

    fn apply(&mut self, step: Step) {
        self.time += 1;
        match step {
            Step::Begin(number) if !self.table.contains_key(&number) => {
                self.ids = self.ids.map(|last| last + 1);
                let mut record = flow(number, self.ids.unwrap_or(1000 + number), Kind::Start);
                record.start = self.time.into();
                self.table.insert(number, record);
                self.report(record);
            }
            Step::End(number) => {
                if let Some(mut record) = self.table.remove(&number) {
                    record.kind = Kind::End as u8;
                    (record.start, record.end) = (0.into(), self.time.into());
                    self.report(record);
                }
            }
            Step::Begin(_) => {}
            Step::Lose => self.lose = true,
            Step::Take(count) => self.take(count),
        }
    }

    fn report(&mut self, record: Record<V4>) {
        self.events += 1;
        if std::mem::take(&mut self.lose) {
            self.lost += 1;
            self.mirror.gap(0, true);
        } else {
            self.socket.push_back(captured(record, self.time));
        }
    }

    fn take(&mut self, count: usize) {
        for event in self.socket.drain(..count.min(self.socket.len())) {
            self.mirror.event(&event, &mut self.writer);
        }
    }

    /// Reads the table while these things happen; returns whether nothing was lost meanwhile.
    fn read(&mut self, script: &[Vec<Step>]) -> bool {
        self.take(usize::MAX);
        let lost = self.lost;
        self.mirror.begin_reading();
        let mut filled = self.fill(0);
        for (datagram, steps) in (1..).zip(script) {
            steps.iter().for_each(|step| self.apply(*step));
            self.mirror.step();
            // The next datagram is filled when this one is taken.
            let taken = std::mem::replace(&mut filled, self.fill(datagram * DATAGRAM));
            for mut record in taken {
                (record.kind, record.start) = (Kind::Open as u8, 0.into());
                self.mirror.found(&captured(record, self.time), &mut self.writer);
            }
            self.take(usize::MAX);
            self.mirror.decide(Duration::ZERO, &mut self.writer);
        }
        self.lost == lost
    }

    /// A datagram of the flows in these places of the table.
    fn fill(&self, from: u32) -> Vec<Record<V4>> {
        self.table.range(from..from + DATAGRAM).map(|(_, record)| *record).collect()
    }

    /// Ends the segment, and returns its records.
    fn rotate(&mut self) -> Vec<Record<V4>> {
        let mut ended = std::mem::replace(&mut self.writer, writer());
        ended.finish(Closing::WentOn, self.time).unwrap();
        ended.write_out().unwrap();
        self.mirror.begin_segment();
        let segment = Segment::open(ended.output()).unwrap();
        let blocks = segment.blocks().map(Result::unwrap);
        let records = blocks.filter_map(|block| match block.body {
            Body::Ipv4(records) => Some(records),
            _ => None,
        });
        records
            .flat_map(|records: Records<'_, V4>| records.iter().map(|(record, _)| *record).collect::<Vec<_>>())
            .collect()
    }
}

fn writer() -> Writer<Vec<u8>> {
    Writer::new(Vec::new(), &Header::blank(ctrecorder_format::Content::Events)).unwrap()
}

fn captured(record: Record<V4>, arrived: u64) -> Captured {
    Captured { arrived, counters: None, record: Either::Ipv4(record) }
}

fn flow(number: u32, id: u32, kind: Kind) -> Record<V4> {
    let (host, peer) = (([10, 0, 0, 1], number as u16), ([10, 0, 0, 2], 443));
    Record { id: id.into(), ..record(kind, 0, 0, [host, peer, peer, host]) }
}

/// What the records of a segment leave alive, if these flows were alive before: by id.
fn replay(records: &[Record<V4>], alive: &mut BTreeSet<u32>) -> Result<BTreeSet<u32>, TestCaseError> {
    let mut told = BTreeSet::new();
    for record in records {
        let id = record.id.get();
        match record.kind() {
            Some(Kind::End) => {
                alive.remove(&id);
                told.remove(&id);
            }
            kind => {
                prop_assert!(told.insert(id), "flow {} is told of twice", id);
                prop_assert!(kind != Some(Kind::Start) || !alive.contains(&id), "flow {} begins twice", id);
                alive.insert(id);
            }
        }
    }
    Ok(told)
}

/// A start that was found is marked wherever it is repeated; one by the kernel's stamp is the flow's start, whoever found it.
#[test]
fn what_repeats_a_start_that_was_found_says_so() {
    use ctrecorder_format::record::flags::{END_AT_LATEST, RECOVERED, START_FROM_KERNEL};
    let mut world = World::new(false);
    let nothing = vec![Vec::new(); 1 + (FLOWS / DATAGRAM) as usize];
    assert!(world.read(&nothing));
    world.mirror.end_reading(true);
    // Two are found, one of them by its stamp; of one the start is heard.
    let steps = [Step::Lose, Step::Begin(1), Step::Begin(2), Step::Lose, Step::Begin(4)];
    steps.into_iter().for_each(|step| world.apply(step));
    assert!(world.read(&nothing));
    let mut stamped = flow(5, 99, Kind::Open);
    (stamped.start, stamped.flags) = (7.into(), START_FROM_KERNEL);
    world.mirror.found(&captured(stamped, world.time), &mut world.writer);
    world.mirror.decide(Duration::ZERO, &mut world.writer);
    let told = |world: &mut World| {
        let mut told: Vec<_> =
            world.rotate().iter().map(|record| (record.id.get(), record.kind, record.flags)).collect();
        told.sort_unstable();
        told
    };
    let of = |kind: Kind, flags: [u8; 4]| [(1, 0), (2, 1), (3, 2), (99, 3)].map(|(id, at)| (id, kind as u8, flags[at]));
    let found = [RECOVERED, 0, RECOVERED, RECOVERED | START_FROM_KERNEL];
    assert_eq!(told(&mut world), of(Kind::Start, found));
    let repeated = [RECOVERED, 0, RECOVERED, START_FROM_KERNEL];
    world.mirror.begin_reading();
    for record in world.table.values().copied().chain([stamped]) {
        let start = if record.id == stamped.id { record.start } else { 0.into() };
        let open = Record { kind: Kind::Open as u8, start, ..record };
        world.mirror.found(&captured(open, world.time), &mut world.writer);
    }
    assert_eq!(told(&mut world), of(Kind::Open, repeated));
    // The end of one is heard, and those of the others are found.
    world.apply(Step::End(1));
    world.take(usize::MAX);
    world.mirror.begin_reading();
    world.mirror.bury(world.time, world.time, &mut world.writer);
    let mut ends = of(Kind::End, repeated.map(|flags| flags | END_AT_LATEST));
    ends[0].2 = RECOVERED;
    assert_eq!(told(&mut world), ends);
}

proptest! {
    /// Whatever is lost and whatever happens while the table is read: after a reading in which nothing was lost, the
    /// journal leaves open exactly the flows that are alive, its segment tells of each of them, and the sum is right.
    #[test]
    fn after_a_reading_the_journal_leaves_open_what_is_alive(
        before in prop::collection::vec(step(), 0..30),
        readings in prop::collection::vec(reading(), 1..6),
        quiet in reading(),
        same_ids: bool,
    ) {
        let mut world = World::new(same_ids);
        let mut alive = BTreeSet::new();
        // The table is read before anything was there, so that all that is lost can be accounted for.
        prop_assert!(world.read(&vec![Vec::new(); 1 + (FLOWS / DATAGRAM) as usize]));
        world.mirror.end_reading(true);
        let (mut recorded, mut back) = (0, 0);
        before.into_iter().for_each(|step| world.apply(step));
        let without_loss = |step: &Step| !matches!(step, Step::Lose);
        let quiet: Vec<Vec<_>> =
            quiet.into_iter().map(|steps| steps.into_iter().filter(without_loss).collect()).collect();
        for script in readings.iter().chain([&quiet]) {
            world.lose &= !std::ptr::eq(script, &quiet);
            let whole = world.read(script);
            if whole {
                world.mirror.bury(world.time, world.time, &mut world.writer);
                let tally = world.mirror.take_tally();
                back += tally.starts_found + tally.ends_found;
            }
            world.mirror.end_reading(whole);
            let records = world.rotate();
            recorded += records.iter().filter(|record| record.kind() != Some(Kind::Open)).count() as u64;
            let told = replay(&records, &mut alive)?;
            if whole {
                let kernel: BTreeSet<_> = world.table.values().map(|record| record.id.get()).collect();
                prop_assert_eq!(&alive, &kernel);
                prop_assert_eq!(&told, &kernel);
                prop_assert_eq!(world.mirror.len(), kernel.len());
                prop_assert_eq!(recorded + world.lost - back, world.events);
            }
        }
    }
}
