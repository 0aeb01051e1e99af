//! What a journal covers: the spans recorded without gap, and every gap with its cause.
//!
//! Heads of blocks and notes tell it; records are never read. [`Reading`] gathers what the files of a journal say, and
//! makes a [`Coverage`] of it.

mod absent;
mod account;
mod age;
mod clock;
mod covered;
mod filtered;
mod gap;
mod known;
mod part;
mod reading;
mod run;
mod span;
mod times;
mod uptime;
mod walk;

pub use covered::Coverage;
pub use filtered::Filtered;
pub use gap::{Gap, GapCause, joined};
pub use part::{Extent, Look};
pub use reading::{Gone, Reading};
pub use run::{Several, namespace_text};
pub use span::Span;
pub(crate) use span::complement;
