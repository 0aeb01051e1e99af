//! What the generator records is what happened, and what happened is possible.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, their helpers included")]

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::rc::Rc;

use ctrecorder_format::{Body, Cause, Fault, Kind, NS_PER_SECOND, Note, Record, Segment, V4, V6, legacy};
use ctrecorder_synth::{Clock, Flow, Flows, Incident, Plan, Recorded, Shape, Translation, Version, record, squeeze};

/// A file in memory that is still there when its writer is gone.
#[derive(Clone, Default)]
struct File(Rc<RefCell<Vec<u8>>>);

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Made {
    files: Vec<Vec<u8>>,
    flows: Vec<Flow>,
    recorded: Recorded,
}

fn made(shape: Shape, plan: &Plan) -> Made {
    let (mut files, mut flows) = (Vec::new(), Vec::new());
    let create = |number: u64| {
        assert_eq!(number as usize, files.len());
        files.push(File::default());
        Ok(files[files.len() - 1].clone())
    };
    let began = |flow: &Flow| {
        flows.push(*flow);
        Ok(())
    };
    let recorded = record(Flows::new(shape), plan, create, began).unwrap();
    Made { files: files.into_iter().map(|file| file.0.take()).collect(), flows, recorded }
}

/// What a segment holds, in order.
#[derive(Debug)]
enum Item {
    Record(u32, Kind, u64, u64),
    Note(Note),
    Cut,
}

fn items(file: &[u8]) -> Vec<Item> {
    let of4 = |r: &Record<V4>| Item::Record(r.id.get(), r.kind().unwrap(), r.start.get(), r.end.get());
    let of6 = |r: &Record<V6>| Item::Record(r.id.get(), r.kind().unwrap(), r.start.get(), r.end.get());
    let mut items = Vec::new();
    for block in Segment::open(file).unwrap().blocks() {
        match block.map(|block| block.body) {
            Ok(Body::Ipv4(records)) => items.extend(records.iter().map(|(record, _)| of4(record))),
            Ok(Body::Ipv6(records)) => items.extend(records.iter().map(|(record, _)| of6(record))),
            Ok(Body::Notes(notes)) => items.extend(notes.iter().map(|note| Item::Note(*note))),
            Ok(_) => {}
            Err(damage) => {
                assert!(matches!(damage.fault, Fault::CutOff(_)), "{damage:?}");
                items.push(Item::Cut);
            }
        }
    }
    items
}

fn crowded(flows: u64) -> Shape {
    Shape { starts_per_second: 20.0, ports: 40_000..=40_200, ..Shape::crowded(flows, 7) }
}

fn at(seconds: u64) -> u64 {
    Shape::default().begin + seconds * NS_PER_SECOND
}

/// Everything goes wrong once.
fn misfortune() -> Plan {
    Plan {
        rotate: Some(60 * NS_PER_SECOND),
        incidents: vec![
            // Over a rotation.
            Incident::Overrun { from: at(50), to: at(70) },
            Incident::ClockStep { at: at(90), by: -5 * NS_PER_SECOND.cast_signed() },
            Incident::Stop { at: at(130), back: at(140) },
            // In the middle of a block.
            Incident::Crash { at: at(200) + 123_456, back: at(205) },
        ],
        ..Plan::default()
    }
}

#[test]
fn no_two_flows_have_one_tuple_at_the_same_time() {
    let mut taken = HashSet::new();
    let (mut kinds, mut shared) = (HashSet::new(), 0);
    let mut public = HashMap::<_, u32>::new();
    let mut last = 0;
    for happening in Flows::new(Shape::crowded(5_000, 3)) {
        let Flow { protocol, translation, inside, public: endpoint, peer, .. } = happening.flow;
        assert!(last <= happening.at());
        last = happening.at();
        let pairs = HashSet::from([(protocol, inside, peer), (protocol, endpoint, peer)]);
        for pair in pairs {
            assert!(if happening.ends { taken.remove(&pair) } else { taken.insert(pair) }, "{happening:?}");
        }
        let users = public.entry((protocol, endpoint)).or_default();
        *users = if happening.ends { *users - 1 } else { *users + 1 };
        shared += u32::from(translation == Translation::Source && *users > 1);
        kinds.insert((translation, protocol));
        assert_eq!(translation == Translation::None, inside == endpoint);
    }
    assert!(taken.is_empty());
    assert_eq!(kinds.len(), 6);
    assert!(shared > 100, "a public endpoint was shared {shared} times");
}

#[test]
fn the_workload_has_its_shape() {
    let flows: Vec<_> =
        Flows::new(Shape { flows: 100_000, ..Shape::default() }).filter(|happening| !happening.ends).collect();
    let percent =
        |wanted: &dyn Fn(&Flow) -> bool| flows.iter().filter(|happening| wanted(&happening.flow)).count() / 1_000;
    assert!((79..=80).contains(&percent(&|flow| flow.peer.port() == 443)));
    assert!((49..=50).contains(&percent(&|flow| flow.end - flow.start < 8 * NS_PER_SECOND)));
    // A quarter of the subscribers has half of the flows.
    let quarter = "100.64.8.0".parse::<std::net::Ipv4Addr>().unwrap();
    assert!((49..=50).contains(&percent(&|flow| flow.inside.ip() < quarter)));
    let lasted = (flows[99_999].at() - flows[0].at()) as f64 / 1e9;
    assert!((4.9..5.1).contains(&lasted), "100,000 flows began within {lasted} s");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| made(Shape { seed, ..crowded(5_000) }, &misfortune()).files.concat();
    let first = bytes(7);
    assert!(first == bytes(7));
    assert!(first != bytes(8));
    // On every machine. Another number here means that figures taken before and after cannot be compared.
    assert_eq!(crc32fast::hash(&first), 0xb2b7_ffa8);
}

#[test]
fn a_journal_without_incidents_tells_of_every_flow() {
    let plan = Plan { rotate: Some(60 * NS_PER_SECOND), ..Plan::default() };
    let Made { files, flows, recorded } = made(crowded(4_000), &plan);
    assert!(files.len() > 2);
    let mut digest = None;
    let (mut starts, mut ends) = (HashMap::new(), HashMap::new());
    for file in &files {
        let segment = Segment::open(file).unwrap();
        assert_eq!(segment.header().unwrap().previous, digest);
        digest = Some(segment.footer().unwrap().digest);
        let mut opens = HashSet::new();
        for item in items(file) {
            match item {
                Item::Record(id, Kind::Start, start, 0) => assert_eq!(starts.insert(id, start), None),
                Item::Record(id, Kind::End, start, end) => assert_eq!(ends.insert(id, (start, end)), None),
                Item::Record(id, Kind::Open, start, 0) => assert!(starts[&id] == start && opens.insert(id)),
                Item::Note(note) if note.cause() == Some(Cause::TableRead) => {
                    let alive = |flow: &&Flow| flow.start < note.to.get() && note.to.get() < flow.end;
                    let alive: HashSet<_> = flows.iter().filter(alive).map(Flow::id).collect();
                    assert_eq!(opens, alive);
                }
                Item::Note(note) => {
                    assert!(matches!(note.cause(), Some(Cause::Started | Cause::Stopped | Cause::Uptime)))
                }
                item => panic!("{item:?}"),
            }
        }
    }
    assert_eq!(starts.len() + ends.len(), recorded.events as usize);
    let last = flows[flows.len() - 1].start;
    for flow in &flows {
        assert_eq!(starts[&flow.id()], flow.start);
        let heard = (flow.end <= last).then_some((flow.start, flow.end));
        assert_eq!(ends.get(&flow.id()).copied(), heard);
    }
}

#[test]
fn incidents_leave_what_a_recorder_would_leave() {
    let plan = misfortune();
    let clock = Clock::new(&plan.incidents);
    let Made { files, flows, recorded } = made(crowded(8_000), &plan);
    let notes = |items: &[Item]| {
        let notes = items.iter().filter_map(|item| match item {
            Item::Note(note) => note.cause(),
            _ => None,
        });
        notes.collect::<Vec<_>>()
    };
    use Cause::{Account, ClockStep, KernelOverrun, NotRunning, Started, Stopped, TableRead, Uptime};
    let all: Vec<_> = files.iter().map(|file| items(file)).collect();
    assert_eq!(notes(&all[0]), [Started, Uptime, TableRead, Uptime]);
    assert_eq!(notes(&all[1]), [Uptime, TableRead, KernelOverrun, TableRead, Account, ClockStep, Uptime, Uptime]);
    assert_eq!(notes(&all[2]), [Uptime, TableRead, Stopped, Uptime]);
    assert_eq!(notes(&all[3]), [Started, NotRunning, Uptime, TableRead, Uptime]);
    assert_eq!(notes(&all[4])[..2], [Uptime, TableRead]);
    assert_eq!(notes(&all[5])[..4], [Started, NotRunning, Uptime, TableRead]);
    assert!(
        all.iter()
            .enumerate()
            .all(|(number, items)| items.iter().any(|item| matches!(item, Item::Cut)) == (number == 4))
    );
    assert!(recorded.unheard > 0);

    // After the overrun, the journal leaves open exactly what is alive.
    let mut open = HashSet::new();
    for item in all[0].iter().chain(&all[1]) {
        match item {
            Item::Record(id, Kind::Start | Kind::Open, ..) => drop(open.insert(*id)),
            Item::Record(id, Kind::End, ..) => assert!(open.remove(id), "{id}"),
            Item::Note(note) if note.cause() == Some(Account) => {
                let alive = flows.iter().filter(|flow| flow.start < at(70) && at(70) < flow.end);
                assert_eq!(open, alive.map(Flow::id).collect());
            }
            _ => {}
        }
    }
    // For how long the machine had been up is by a clock that nobody sets.
    let ups = all.iter().flatten().filter_map(|item| match item {
        Item::Note(note) => ctrecorder_format::Uptime::of(note),
        _ => None,
    });
    let ups: Vec<_> = ups.collect();
    let booted = at(0) - ups[0].up;
    assert!(ups.iter().all(|told| clock.shows(booted + told.up) == told.moment), "{ups:?}");
    // Times are those of the clock that was set.
    let starts: HashMap<_, _> = flows.iter().map(|flow| (flow.id(), clock.shows(flow.start))).collect();
    let heard = all[3].iter().filter_map(|item| match item {
        Item::Record(id, Kind::Start, start, _) => Some((id, start)),
        _ => None,
    });
    assert!(heard.clone().count() > 100);
    heard.for_each(|(id, start)| assert_eq!(starts[id], *start));
}

#[test]
fn version_2_has_the_same_flows_and_ends_in_the_middle_of_a_record() {
    let shape = Shape { udp_percent: 0, ipv6_percent: 0, incoming_percent: 0, ..crowded(4_000) };
    let plan = Plan { version: Version::Two, ..misfortune() };
    let Made { files, recorded, .. } = made(shape, &plan);
    let mut records = 0;
    let mut cut = Vec::new();
    for (number, file) in files.iter().enumerate() {
        for piece in legacy::File::open(file).unwrap().pieces() {
            match piece {
                legacy::Piece::Record { .. } => records += 1,
                legacy::Piece::Damage(_) => cut.push(number),
            }
        }
    }
    assert_eq!((records, cut), (recorded.events, vec![4]));
}

#[test]
fn a_squeezed_file_has_each_flow_once() {
    let file = File::default();
    let mut flows = Vec::new();
    let began = |flow: &Flow| {
        flows.push(*flow);
        Ok(())
    };
    let records = squeeze(Flows::new(crowded(3_000)), Version::Three, file.clone(), began).unwrap();
    assert_eq!(records, 3_000);
    let last = flows[flows.len() - 1].start;
    let mut left: HashMap<_, _> = flows.iter().map(|flow| (flow.id(), flow)).collect();
    for item in items(&file.0.take()) {
        let Item::Record(id, Kind::Flow, start, end) = item else { panic!("{item:?}") };
        let flow = left.remove(&id).unwrap();
        assert_eq!((start, end), (flow.start, if flow.end <= last { flow.end } else { 0 }));
    }
    assert!(left.is_empty());
}
