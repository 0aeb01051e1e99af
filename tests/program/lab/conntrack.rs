//! Debian's `conntrack`, a second witness of what the kernel tells.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use super::{Flow, Namespace, Process, Tuple, wait_for};

/// What happened to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    Start,
    End,
}

/// A line of `conntrack -E`.
#[derive(Clone, Debug)]
pub struct Event {
    pub happening: Happening,
    pub flow: Flow,
    /// The kernel's conntrack id.
    pub id: u32,
}

/// A running `conntrack -E`.
pub struct Conntrack(Process);

impl Conntrack {
    /// Starts it in `namespace`, and returns when no later event can escape it.
    pub fn watch(namespace: &Namespace) -> Self {
        let mut command = Command::new("conntrack");
        command.args(["-E", "-o", "timestamp,id", "-e", "NEW,DESTROY"]);
        let mut process = Process::start(namespace, &mut command);
        process.wait_until_listening();
        Self(process)
    }

    /// All that it has seen so far, in order.
    pub fn events(&self) -> Vec<Event> {
        let text = self.0.stdout();
        // What follows the last line feed is a line that is being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| parse(line).unwrap_or_else(|| panic!("not understood: {line}")))
            .collect()
    }

    /// Waits until it has seen each of these flows start and end, and returns the two events of each.
    pub fn wait_for_ends(&self, flows: &[Flow]) -> Vec<(Event, Event)> {
        wait_for("conntrack to see every flow end", || {
            let events = self.events();
            flows.iter().map(|flow| start_and_end(&events, flow)).collect()
        })
    }
}

fn start_and_end(events: &[Event], flow: &Flow) -> Option<(Event, Event)> {
    let find = |happening| {
        events
            .iter()
            .find(|event| event.flow == *flow && event.happening == happening)
    };
    Some((find(Happening::Start)?.clone(), find(Happening::End)?.clone()))
}

/// Reads a line such as
/// `[1.2] [NEW] tcp 6 120 SYN_SENT src=A dst=B sport=1 dport=2 [UNREPLIED] src=B dst=C sport=2 dport=3 id=4`.
fn parse(line: &str) -> Option<Event> {
    let mut words = line
        .split_whitespace()
        .skip_while(|word| !word.ends_with(']') || word.contains('.'));
    let happening = match words.next()? {
        "[NEW]" => Happening::Start,
        "[DESTROY]" => Happening::End,
        _ => return None,
    };
    let protocol = words.nth(1)?.parse().ok()?;
    let mut pairs = words.filter_map(|word| word.split_once('='));
    let original = parse_tuple(&mut pairs)?;
    let reply = parse_tuple(&mut pairs)?;
    let id = pairs.find(|(key, _)| *key == "id")?.1.parse().ok()?;
    Some(Event {
        happening,
        flow: Flow {
            protocol,
            original,
            reply,
        },
        id,
    })
}

fn parse_tuple<'a>(pairs: &mut impl Iterator<Item = (&'a str, &'a str)>) -> Option<Tuple> {
    let mut value = |wanted: &str| {
        pairs
            .next()
            .filter(|(key, _)| *key == wanted)
            .map(|(_, value)| value)
    };
    let src: IpAddr = value("src")?.parse().ok()?;
    let dst: IpAddr = value("dst")?.parse().ok()?;
    match pairs.next()? {
        ("sport", sport) => {
            let (_, dport) = pairs.next().filter(|(key, _)| *key == "dport")?;
            let endpoint = |address, port: &str| Some(SocketAddr::new(address, port.parse().ok()?));
            Some(Tuple {
                src: endpoint(src, sport)?,
                dst: endpoint(dst, dport)?,
            })
        }
        ("type", kind) => {
            // code, then id
            let (_, id) = pairs.nth(1)?;
            Some(Tuple::icmp(src, dst, id.parse().ok()?, kind.parse().ok()?))
        }
        _ => None,
    }
}
