//! Reads a group of rows of an archive: its flows in the order of their time, as a segment has them.

use ctrecorder_format::{Address, Cause, Note, Record, V4, V6};

use super::Select;
use super::found::{Found, Step};
use crate::archive::{Archive, Flow};

/// What is wanted of a group.
pub(super) fn read<F: Select>(select: &F, archive: &Archive, group: usize) -> Found {
    let mut found = Found::default();
    if archive.entry(group).is_some_and(|entry| select.rules_out_entry(&entry)) {
        return found;
    }
    match archive.read(group, select.sought().as_deref()) {
        Ok(rows) => {
            let ipv4: Vec<_> = rows.ipv4().filter(|flow| select.matches(&flow.record)).collect();
            let ipv6: Vec<_> = rows.ipv6().filter(|flow| select.matches(&flow.record)).collect();
            hand_on(&ipv4, &ipv6, &mut found);
        }
        Err(damage) => found.steps.push(Step::Damage(*damage)),
    }
    found
}

/// Where a flow is among those of its family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Ipv4(usize),
    Ipv6(usize),
}

fn hand_on(ipv4: &[Flow<V4>], ipv6: &[Flow<V6>], found: &mut Found) {
    let of_ipv4 = ipv4.iter().enumerate().map(|(place, flow)| (flow.record.event_time(), Place::Ipv4(place)));
    let of_ipv6 = ipv6.iter().enumerate().map(|(place, flow)| (flow.record.event_time(), Place::Ipv6(place)));
    let mut order: Vec<_> = of_ipv4.chain(of_ipv6).collect();
    order.sort_unstable();
    let mut told = Vec::new();
    for (_, place) in order {
        match place {
            Place::Ipv4(place) => {
                if let Some(flow) = ipv4.get(place) {
                    refer(flow, &mut told, found);
                    found.ipv4(&flow.record, flow.counters.as_ref());
                }
            }
            Place::Ipv6(place) => {
                if let Some(flow) = ipv6.get(place) {
                    refer(flow, &mut told, found);
                    found.ipv6(&flow.record, flow.counters.as_ref());
                }
            }
        }
    }
}

/// So many readings are taken for known: those who take notes remember no more.
const READINGS: usize = 8;

/// Puts the readings of the kernel's table before a flow that tell since when it was there, and up to when. Of those that were at
/// their end at one moment, the one that was told last is taken for it: what found ends of an earlier run goes back further than
/// what found starts.
fn refer<A: Address>(flow: &Flow<A>, told: &mut Vec<(u64, u64)>, found: &mut Found) {
    let Record { start, end, .. } = flow.record;
    for reading in [(flow.start_after, start.get()), (flow.end_after, end.get())] {
        let last = told.iter().rfind(|known| known.1 == reading.1);
        if reading.0 != 0 && last != Some(&reading) {
            if told.len() == READINGS {
                told.remove(0);
            }
            told.push(reading);
            found.steps.push(Step::Note(Note::gap(reading.0, reading.1, 0, Cause::TableRead)));
        }
    }
}
