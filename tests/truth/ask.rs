//! Questions for flows by chance, and what the filter's options mean, as docs/reading.md has it.

use std::net::{IpAddr, SocketAddr};

use ctrecorder_format::Kind;
use ctrecorder_format::record::flags::{RECOVERED, START_FROM_KERNEL};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::rows::Says;

/// Something that flows are asked for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// An address of one of these places (by their numbers in [`Says::endpoints`]) begins with the bits of this one.
    Address(Places, IpAddr, u8),
    /// A port of one of these places is in this range.
    Port(Places, u16, u16),
    /// The protocol.
    Protocol(u8),
    /// The id.
    Id(u32),
    /// Translated.
    Nat,
    /// News of this moment or of one after it.
    After(u64),
    /// News of this moment or of one before it.
    Before(u64),
    /// Alive at this moment.
    At(u64),
    /// Lasted so long, or may have: one that was found began earlier.
    Lasted(u64),
    /// Not so.
    Not(Box<Ask>),
    /// All of these.
    All(Vec<Ask>),
    /// One of these.
    Any(Vec<Ask>),
}

/// Some of the four places of an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// As an option has it: in `orig-src`, `orig-port-src`.
    option: Option<(&'static str, &'static str)>,
    /// As `--where` has it.
    words: &'static str,
    numbers: &'static [usize],
}

const PLACES: [Places; 9] = [
    Places { option: Some(("address", "port")), words: "", numbers: &[0, 1, 2, 3] },
    Places { option: Some(("orig-src", "orig-port-src")), words: "pre src", numbers: &[0] },
    Places { option: Some(("orig-dst", "orig-port-dst")), words: "pre dst", numbers: &[1] },
    Places { option: Some(("reply-src", "reply-port-src")), words: "post dst", numbers: &[2] },
    Places { option: Some(("reply-dst", "reply-port-dst")), words: "post src", numbers: &[3] },
    Places { option: None, words: "src", numbers: &[0, 3] },
    Places { option: None, words: "dst", numbers: &[1, 2] },
    Places { option: None, words: "pre", numbers: &[0, 1] },
    Places { option: None, words: "post", numbers: &[2, 3] },
];

impl Ask {
    /// Whether a record is asked for.
    pub fn holds(&self, says: &Says) -> bool {
        let (begin, end) = alive(says);
        let (first, last) = match says.kind {
            Kind::Start | Kind::Update => (begin, begin),
            // Its flow cannot have ended before it began: if it says so, the clock was set back, and it is news of no moment.
            Kind::End => (begin.max(end), end),
            _ => (begin, end),
        };
        match self {
            Self::Address(places, net, bits) => {
                places.numbers.iter().any(|place| shares(says.endpoints[*place].ip(), *net, *bits))
            }
            Self::Port(places, from, to) => {
                places.numbers.iter().any(|place| (*from..=*to).contains(&says.endpoints[*place].port()))
            }
            Self::Protocol(protocol) => says.protocol == *protocol,
            Self::Id(id) => says.id == *id,
            Self::Nat => {
                let [original_src, original_dst, reply_src, reply_dst] = says.endpoints;
                original_src != reply_dst || original_dst != reply_src
            }
            Self::After(moment) => last >= *moment,
            Self::Before(moment) => first <= *moment,
            Self::At(moment) => begin <= *moment && *moment <= end,
            Self::Lasted(span) => {
                let began_earlier = says.flags & (RECOVERED | START_FROM_KERNEL) == RECOVERED;
                // The clock was set back while it was alive.
                let is_turned = says.end < says.start;
                says.start != 0 && says.end != 0 && (began_earlier || is_turned || says.start + span <= says.end)
            }
            Self::Not(part) => !part.holds(says),
            Self::All(parts) => parts.iter().all(|part| part.holds(says)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(says)),
        }
    }

    /// The options that ask for it. Of what stands in an [`Ask::All`], each has the option that there is; but of one
    /// option that is repeated, any would do, and so all that is left stands in one expression.
    pub fn options(&self) -> Vec<String> {
        let parts = match self {
            Self::All(parts) => &parts[..],
            part => std::slice::from_ref(part),
        };
        let (mut options, mut left) = (Vec::<String>::new(), Vec::new());
        for part in parts {
            let has = |name: &str| options.iter().any(|other| other.starts_with(&format!("--{name}")));
            // A span that ends before it begins is refused as one of options.
            let is_new = |(name, _): &(&str, String)| match *name {
                "since" | "until" => !has("since") && !has("until"),
                name => !has(name),
            };
            match part.option().filter(is_new) {
                Some((name, value)) => options.push(format!("--{name}{value}")),
                None => left.push(part.words()),
            }
        }
        if !left.is_empty() {
            options.push(format!("--where={}", left.join(" and ")));
        }
        options
    }

    /// The option for it, if there is one, and its value.
    fn option(&self) -> Option<(&'static str, String)> {
        Some(match self {
            Self::Address(places, net, bits) => (places.option?.0, format!("={net}/{bits}")),
            Self::Port(places, from, to) => (places.option?.1, format!("={from}:{to}")),
            Self::Protocol(protocol) => ("proto", format!("={protocol}")),
            Self::Id(id) => ("id", format!("={id}")),
            Self::Nat => ("nat", String::new()),
            Self::After(moment) => ("since", format!("={}", at_sign(*moment))),
            Self::Before(moment) => ("until", format!("={}", at_sign(*moment))),
            Self::At(moment) => ("at", format!("={}", at_sign(*moment))),
            Self::Lasted(ns) => ("min-duration", format!("={ns}ns")),
            Self::Not(_) | Self::All(_) | Self::Any(_) => return None,
        })
    }

    /// The same in the words of `--where`.
    fn words(&self) -> String {
        let joined =
            |parts: &[Self], word: &str| format!("({})", parts.iter().map(Self::words).collect::<Vec<_>>().join(word));
        match self {
            Self::Address(places, net, bits) => format!("{} ip {net}/{bits}", places.words),
            Self::Port(places, from, to) => format!("{} port {from}-{to}", places.words),
            Self::Protocol(protocol) => format!("proto {protocol}"),
            Self::Id(id) => format!("id {id}"),
            Self::Nat => "nat".to_owned(),
            Self::After(moment) => format!("after {}", at_sign(*moment)),
            Self::Before(moment) => format!("before {}", at_sign(*moment)),
            Self::At(moment) => format!("at {}", at_sign(*moment)),
            Self::Lasted(ns) => format!("lasts {ns}ns"),
            Self::Not(part) => format!("not {}", part.words()),
            Self::All(parts) => joined(parts, " and "),
            Self::Any(parts) => joined(parts, " or "),
        }
    }
}

/// From when to when the flow of a record was alive, as far as that tells.
fn alive(says: &Says) -> (u64, u64) {
    (says.start, if says.end == 0 { u64::MAX } else { says.end })
}

fn shares(address: IpAddr, net: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| (a ^ b).checked_shr(width - u32::from(bits)).unwrap_or(0) == 0;
    match (address, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

/// A moment as seconds since the epoch.
fn at_sign(ns: u64) -> String {
    format!("@{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}

/// Questions about such records; some of them find something.
pub fn asks(runner: &mut TestRunner, records: &[Says], count: usize) -> Vec<Ask> {
    if records.is_empty() {
        return Vec::new();
    }
    let strategy = prop::collection::vec(ask(records.to_vec()), count);
    let tree = strategy.new_tree(runner);
    tree.map(|tree| proptest::strategy::ValueTree::current(&tree)).unwrap_or_default()
}

/// A question with the values of one of these records, or near them.
fn ask(records: Vec<Says>) -> impl Strategy<Value = Ask> {
    let leaf = (prop::sample::select(records), 0..12_u8, 0..4_usize, 0..9_usize, 0..40_u8, -1..2_i64);
    let leaf = leaf.prop_map(|(says, what, place, places, narrow, near)| {
        let endpoint: SocketAddr = says.endpoints[place];
        let time = says.time().saturating_add_signed(near);
        let width = if endpoint.is_ipv4() { 32_u8 } else { 128 };
        let places = PLACES[places];
        match what {
            0..=2 => Ask::Address(places, endpoint.ip(), width),
            3 => Ask::Address(places, endpoint.ip(), width.saturating_sub(narrow)),
            4 => Ask::Port(places, endpoint.port(), endpoint.port()),
            5 => Ask::Port(places, endpoint.port().saturating_sub(u16::from(narrow) * 99), endpoint.port()),
            6 => Ask::Protocol(says.protocol),
            7 if narrow > 30 => Ask::Id(says.id),
            7 => Ask::Nat,
            8 => Ask::After(time),
            9 => Ask::Before(time),
            10 => Ask::At(time),
            _ => Ask::Lasted(says.end.saturating_sub(says.start).saturating_add_signed(near)),
        }
    });
    leaf.prop_recursive(3, 8, 3, |part| {
        prop_oneof![
            3 => prop::collection::vec(part.clone(), 2..4).prop_map(Ask::All),
            1 => prop::collection::vec(part.clone(), 2..4).prop_map(Ask::Any),
            1 => part.prop_map(|part| Ask::Not(Box::new(part))),
        ]
    })
}
