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

/// The table is looked at no more often than this: as events are lost, and while none are.
const INTERVAL: Duration = Duration::from_millis(50);
const CALM_INTERVAL: Duration = Duration::from_secs(1);

/// How far ahead the growth of the table is judged.
const AHEAD: Duration = Duration::from_secs(1);

/// How long nothing must have been lost before delivery becomes reliable again.
const CALM: Duration = Duration::from_secs(60);

/// What is to be told of the kernel's delivery, and when it changes.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Reliable delivery is wanted, where it does no harm.
    wanted: bool,
    reliable: bool,
    /// When the table was last looked at, and how many entries it had.
    looked: Option<(Instant, u64)>,
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
        let interval = if overrun { INTERVAL } else { CALM_INTERVAL };
        if !self.wanted || self.overran.is_none() || self.looked.is_some_and(|(looked, _)| now - looked < interval) {
            return Ok(None);
        }
        let (count, max) = (settings::table_count(), settings::table_max());
        let Some((count, max)) = count.zip(max) else { return Ok(None) };
        let before = self.looked.replace((now, count));
        let growth = before.map_or(0, |(looked, before)| growth(count.saturating_sub(before), now - looked));
        let calm = self.overran.is_none_or(|overran| now - overran >= CALM);
        let cause = match (self.reliable, fill(count, growth, max)) {
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
pub(crate) enum Fill {
    /// Reliable delivery would fill it.
    NearlyFull,
    /// Reliable delivery does no harm.
    Roomy,
    /// Neither.
    Between,
}

/// By how much the table grows in the time ahead, if it goes on as it did in `elapsed`.
fn growth(more: u64, elapsed: Duration) -> u64 {
    more.saturating_mul(AHEAD.as_millis() as u64) / (elapsed.as_millis() as u64).max(1)
}

/// Nine tenths are nearly full, and so is half if the rest will be taken in the time ahead; else seven tenths are roomy. A
/// table without a limit always is.
pub(crate) const fn fill(count: u64, growth: u64, max: u64) -> Fill {
    let tenths = count.saturating_mul(10);
    if max == 0 {
        Fill::Roomy
    } else if tenths >= max.saturating_mul(9)
        || (tenths >= max.saturating_mul(5) && count.saturating_add(growth) >= max)
    {
        Fill::NearlyFull
    } else if tenths <= max.saturating_mul(7) {
        Fill::Roomy
    } else {
        Fill::Between
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fills_soon_is_nearly_full() {
        assert_eq!((fill(900, 0, 1000), fill(1500, 0, 1000)), (Fill::NearlyFull, Fill::NearlyFull));
        assert_eq!((fill(500, 500, 1000), fill(500, 499, 1000)), (Fill::NearlyFull, Fill::Roomy));
        assert_eq!(
            (fill(899, 0, 1000), fill(499, 9999, 1000), fill(5, 9, 0)),
            (Fill::Between, Fill::Roomy, Fill::Roomy)
        );
        assert_eq!(growth(100, Duration::from_millis(50)), 2000);
        assert_eq!(growth(100, Duration::ZERO), 100_000);
    }
}
