//! What a journal is made of, by chance: few numbers, each of which can be made smaller until the fault is in plain sight.

use proptest::prelude::*;

/// A journal, and what is done to it. Places in time and among files are in thousandths of what there is.
#[derive(Clone, Debug)]
pub struct Case {
    /// Of the flows.
    pub seed: u64,
    /// How many flows.
    pub flows: u64,
    /// How many of them begin in a second, on the average.
    pub rate: u32,
    /// Half of the flows last no longer than this.
    pub median_ms: u32,
    /// Ports that flows come from: the fewer, the sooner one is used again.
    pub ports: u16,
    /// Whether few hosts have one public address, and speak to one peer.
    pub few_hosts: bool,
    /// Whether there is more than TCP over IPv4.
    pub all_kinds: bool,
    /// Whether the kernel stamps flows.
    pub stamps: bool,
    /// How many files there would be if nothing else happened.
    pub files: u64,
    /// What befalls the recorder.
    pub troubles: Vec<Trouble>,
    /// How late it notices that its clock was set.
    pub notices_ms: u16,
    /// The files that are kept as version 2.
    pub converted: Vec<u16>,
    /// Whether these tell of the flows that were alive, as updates.
    pub updates: bool,
    /// The files that are removed.
    pub removed: Vec<u16>,
    /// The blocks that are damaged: of which file, which one, and whether its header.
    pub damaged: Vec<(u16, u16, bool)>,
    /// Of the questions.
    pub questions: u64,
}

/// Something that befalls the recorder, from a time on, and for so long.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// What it is.
    pub kind: Kind,
    /// When.
    pub at: u16,
    /// How long.
    pub length: u16,
}

/// See [`ctrecorder_synth::Incident`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The kernel had no room for events.
    Overrun,
    /// The recorder ended in order.
    Stop,
    /// It was killed.
    Crash,
    /// The clock was set.
    Step(By),
    /// It was killed, or ended in order, and the clock was set before it was there again.
    Away(bool, By),
}

/// By how much the clock is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By so many ms.
    Ms(i64),
    /// By so many thousandths of the time that all takes.
    Part(i64),
}

/// Every journal that is tried.
pub fn cases() -> impl Strategy<Value = Case> {
    let traffic = (any::<u64>(), 1..120_u64, 1..20_u32, 100..20_000_u32, 2..12_u16, any::<bool>());
    let fate = (troubles(), places(1, 3), any::<bool>(), places(1, 4), damages());
    let all = (traffic, any::<bool>(), 1..9_u64, fate, any::<u64>(), notices(), turned());
    all.prop_map(|(traffic, stamps, files, fate, questions, notices_ms, turned)| {
        let (seed, flows, rate, median_ms, ports, all_kinds) = traffic;
        let (troubles, converted, updates, removed, damaged) = fate;
        // A file of version 2 holds TCP over IPv4: a recorder that kept such files heard of nothing else.
        let all_kinds = all_kinds && converted.is_empty();
        let case = Case {
            seed,
            flows,
            rate,
            median_ms,
            ports,
            few_hosts: false,
            all_kinds,
            stamps,
            files,
            troubles,
            notices_ms,
            converted,
            updates,
            removed,
            damaged,
            questions,
        };
        match turned {
            Some(turned) => turned.of(case),
            None => case,
        }
    })
}

/// Mostly none; else some, up to `most`. `weight` in six have some.
fn places(weight: u32, most: usize) -> impl Strategy<Value = Vec<u16>> {
    prop_oneof![6 - weight => Just(Vec::new()), weight => prop::collection::vec(0..1000_u16, 1..=most)]
}

fn damages() -> impl Strategy<Value = Vec<(u16, u16, bool)>> {
    let damage = (0..1000_u16, 0..1000_u16, any::<bool>());
    prop_oneof![5 => Just(Vec::new()), 1 => prop::collection::vec(damage, 1..=2)]
}

/// At once; or when it looks at the clock next, which it does once a second, and before it takes down what it hears.
fn notices() -> impl Strategy<Value = u16> {
    prop_oneof![1 => Just(0), 1 => 0..1000_u16]
}

/// A year in ms.
const YEAR: i64 = 365 * 24 * 3600 * 1000;

fn troubles() -> impl Strategy<Value = Vec<Trouble>> {
    // Up to two hours forward, up to a minute back; mostly by little. A few by a year.
    let step = prop_oneof![4 => -3_000..3_000_i64, 4 => -60_000..7_200_000_i64, 1 => Just(YEAR), 1 => Just(-YEAR)];
    let kind = prop_oneof![
        3 => Just(Kind::Overrun),
        2 => Just(Kind::Stop),
        2 => Just(Kind::Crash),
        1 => step.prop_map(|ms| Kind::Step(By::Ms(ms))),
    ];
    let trouble = (kind, 1..1000_u16, 1..300_u16).prop_map(|(kind, at, length)| Trouble { kind, at, length });
    // For a while it is ahead by a year, or behind by one.
    let while_wrong = (any::<bool>(), 1..900_u16, 1..200_u16).prop_map(|(ahead, at, length)| {
        let by = if ahead { YEAR } else { -YEAR };
        [(by, at), (-by, at + length)].map(|(by, at)| Trouble { kind: Kind::Step(By::Ms(by)), at, length: 1 })
    });
    let wrong = prop_oneof![7 => Just(None), 1 => while_wrong.prop_map(Some)];
    (prop::collection::vec(trouble, 0..5), wrong).prop_map(|(mut troubles, wrong)| {
        troubles.extend(wrong.into_iter().flatten());
        troubles
    })
}

/// What is different where a clock is set back by so much that it shows times again which the journal tells of, and the same few tuples
/// are used all the while.
#[derive(Clone, Debug)]
struct Turned {
    flows: u64,
    rate: u32,
    ports: u16,
    median_ms: u32,
    troubles: Vec<Trouble>,
    /// For how long flows come before the recorder does, if they do.
    late: Option<u16>,
    removed: Vec<u16>,
}

/// In half of the journals.
fn turned() -> impl Strategy<Value = Option<Turned>> {
    let by = || prop_oneof![5 => -600..0_i64, 1 => 0..300_i64].prop_map(By::Part);
    let kind = prop_oneof![
        2 => Just(Kind::Overrun),
        3 => Just(Kind::Stop),
        1 => Just(Kind::Crash),
        3 => by().prop_map(Kind::Step),
        3 => (any::<bool>(), by()).prop_map(|(crashed, by)| Kind::Away(crashed, by)),
    ];
    let trouble = (kind, 1..1000_u16, 1..200_u16).prop_map(|(kind, at, length)| Trouble { kind, at, length });
    let traffic = (4..60_u64, 1..5_u32, 1..4_u16, 300..20_000_u32);
    let all = (traffic, prop::collection::vec(trouble, 1..6), prop::option::of(50..300_u16), places(2, 2));
    let turned = all.prop_map(|((flows, rate, ports, median_ms), troubles, late, removed)| {
        Some(Turned { flows, rate, ports, median_ms, troubles, late, removed })
    });
    prop_oneof![1 => Just(None), 1 => turned]
}

impl Turned {
    fn of(self, case: Case) -> Case {
        let Self { flows, rate, ports, median_ms, mut troubles, late, mut removed } = self;
        // The run before that is one of which nothing is left.
        troubles.extend(late.map(|length| Trouble { kind: Kind::Stop, at: 0, length }));
        removed.extend(late.map(|_| 0));
        let (converted, damaged) = (Vec::new(), Vec::new());
        let case = Case { flows, rate, ports, median_ms, troubles, removed, converted, damaged, ..case };
        Case { all_kinds: false, few_hosts: true, ..case }
    }
}
