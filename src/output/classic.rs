//! Classic text: what the C program listed, byte for byte, and the same for what it did not know (IPv6, open flows).
//!
//! ```text
//! 2010.09.28 21:15:17.988012 S  src=88.1.1.1:1527 dst=194.1.1.1:25 src=192.168.1.100:25 dst=88.1.1.1:1527
//! 2010.09.28 21:15:17.988012 2010.09.28 21:15:17.989960 src=88.1.1.1:1527 dst=194.1.1.1:80 ...
//! ```

use ctrecorder_format::{Address, Kind, Record};

use super::digits::endpoint;
use super::time::{self, Times};
use super::zone::Zone;

/// Stands where a time is not known: as long as a time.
const UNKNOWN: [u8; time::LENGTH] = *b"-          -              ";

/// Writes records as lines of classic text.
#[derive(Clone, Debug)]
pub struct Classic {
    /// Where a line has one time, and for the start where it has two. Ends come in another order than starts: each has
    /// its own, so that neither loses what it could use again.
    first: Times,
    second: Times,
}

impl Classic {
    /// Times are written in this zone.
    pub fn new(zone: Zone) -> Self {
        Self { first: Times::new(zone.clone()), second: Times::new(zone) }
    }

    /// Appends the line of an event: its time, `S`, `U`, `E` or `O` (start, update, end, open), `+` if a reply was seen,
    /// the two tuples. A flow has its squeezed line; a kind that this program does not know has `?`.
    pub fn event<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>) {
        let letter = match record.kind() {
            Some(Kind::Start) => b'S',
            Some(Kind::Update) => b'U',
            Some(Kind::End) => b'E',
            Some(Kind::Open) => b'O',
            Some(Kind::Flow) => return self.squeezed(out, record),
            None => b'?',
        };
        moment(&mut self.first, out, record.event_time());
        let reply_seen = if record.reply_seen() { b'+' } else { b' ' };
        out.extend_from_slice(&[b' ', letter, reply_seen]);
        tuples(out, record);
    }

    /// Appends the squeezed line of a record: its start and its end, dashes for the one that is not known, the two tuples.
    pub fn squeezed<A: Address>(&mut self, out: &mut Vec<u8>, record: &Record<A>) {
        moment(&mut self.first, out, record.start.get());
        out.push(b' ');
        moment(&mut self.second, out, record.end.get());
        tuples(out, record);
    }
}

/// Appends a time, or what stands for one that is not known.
fn moment(times: &mut Times, out: &mut Vec<u8>, ns: u64) {
    match ns {
        0 => out.extend_from_slice(&UNKNOWN),
        ns => times.write(out, ns),
    }
}

/// Appends the tuples and ends the line.
fn tuples<A: Address>(out: &mut Vec<u8>, record: &Record<A>) {
    for tuple in [&record.original, &record.reply] {
        out.extend_from_slice(b" src=");
        endpoint(out, tuple.src, tuple.sport.get());
        out.extend_from_slice(b" dst=");
        endpoint(out, tuple.dst, tuple.dport.get());
    }
    out.push(b'\n');
}
