//! How the kernel delivers events: reliably, as long as that does not fill its table.
//!
//! With reliable delivery the kernel keeps flows whose end found no room in the socket's buffer until it can report
//! them; meanwhile they count as entries of its table. A recorder that falls behind for long would so keep new
//! connections from being made. That is worse than a gap.

use std::io;
use std::time::{Duration, Instant};

use ctrecorder_format::{Cause, Note};

use super::clock;
use super::settings;
use crate::netlink::socket::EventSocket;

/// The table is looked at no more often than this.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long nothing must have been lost before delivery becomes reliable again.
const CALM: Duration = Duration::from_secs(60);

/// What is to be told of the kernel's delivery, and when it changes.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Reliable delivery is wanted, where it does no harm.
    wanted: bool,
    reliable: bool,
    /// When the table was last looked at.
    looked: Option<Instant>,
    /// When the buffer last overran.
    overran: Option<Instant>,
}

impl Delivery {
    /// Makes delivery reliable, if that is wanted.
    pub(super) fn begin(socket: &EventSocket, wanted: bool) -> io::Result<Self> {
        if wanted {
            socket.set_reliable(true)?;
        }
        Ok(Self { wanted, reliable: wanted, looked: None, overran: None })
    }

    /// Whether the kernel holds back the ends that find no room.
    pub(super) const fn is_reliable(&self) -> bool {
        self.reliable
    }

    /// To be called from time to time, and when the buffer overran; returns what is to be noted if delivery changed.
    pub(super) fn watch(&mut self, socket: &EventSocket, overrun: bool) -> io::Result<Option<Note>> {
        let now = Instant::now();
        if overrun {
            self.overran = Some(now);
        }
        // Nothing is held back, and nothing was changed.
        if !self.wanted || self.overran.is_none() || self.looked.is_some_and(|looked| now - looked < INTERVAL) {
            return Ok(None);
        }
        self.looked = Some(now);
        let calm = self.overran.is_none_or(|overran| now - overran >= CALM);
        let cause =
            match (self.reliable, fill(settings::read("nf_conntrack_count"), settings::read("nf_conntrack_max"))) {
                (true, Fill::NearlyFull) if overrun => Cause::LossyDelivery,
                (false, Fill::Roomy) if calm => Cause::ReliableDelivery,
                _ => return Ok(None),
            };
        self.reliable = cause == Cause::ReliableDelivery;
        socket.set_reliable(self.reliable)?;
        if self.reliable {
            tracing::info!("the kernel holds back ends that find no room again (reliable delivery)");
        } else {
            tracing::warn!(
                "the kernel's table is nearly full, and this recorder behind: events that find no room are dropped \
                 from now on, and counted (lossy delivery)"
            );
        }
        Ok(Some(Note::at(clock::now(), cause)))
    }
}

/// How full the kernel's table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    NearlyFull,
    Roomy,
    /// Neither.
    Between,
}

/// Nine tenths are nearly full, seven are roomy; a table without a limit always is.
fn fill(count: Option<u64>, max: Option<u64>) -> Fill {
    match count.zip(max) {
        Some((count, max)) if max > 0 && count.saturating_mul(10) >= max.saturating_mul(9) => Fill::NearlyFull,
        Some((count, max)) if max > 0 && count.saturating_mul(10) > max.saturating_mul(7) => Fill::Between,
        _ => Fill::Roomy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_tenths_are_nearly_full_and_seven_are_roomy() {
        let of = |count, max| fill(Some(count), Some(max));
        assert_eq!((of(900, 1000), of(1500, 1000)), (Fill::NearlyFull, Fill::NearlyFull));
        assert_eq!((of(899, 1000), of(701, 1000)), (Fill::Between, Fill::Between));
        assert_eq!((of(700, 1000), of(5, 0), fill(None, Some(9))), (Fill::Roomy, Fill::Roomy, Fill::Roomy));
    }
}
