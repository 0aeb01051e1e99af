//! Questions to a journal: which records match, which start belongs to which end, and what is covered at all.

pub mod coverage;
pub mod filter;
mod lost;
pub mod network;
pub mod pair;
mod select;
mod steps;
pub mod time;
pub mod who;

pub use coverage::Coverage;
pub use filter::{Condition, Filter, Places, Where, WhereError};
pub use lost::{Losses, arrived};
pub use network::{NetworkError, parse_network};
pub(crate) use pair::may_go_on;
pub use pair::{Allowance, FlowSink, Pairing, Pairs};
pub(crate) use steps::Steps;
pub use time::{Clock, ClockZone, DurationError, Moment, TimeError, ZoneError, parse_duration, parse_time, parse_zone};
