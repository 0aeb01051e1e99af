//! ctnetlink: how the kernel tells of connection tracking, turned into domain events, and how it is asked.
//!
//! | file | holds |
//! |---|---|
//! | [`event`] | what the rest of the program sees: [`Event`], [`Tuple`], [`Counters`] |
//! | [`kernel`] | the kernel's numbers under the kernel's names |
//! | [`attributes`] | the walk over netlink attributes, in place |
//! | [`parse`] | a datagram to [`Message`]s |
//! | `rule` | a rule of nf_tables to whether it has flows tracked |
//! | [`request`] | what is asked of the kernel, to bytes |
//! | `socket` | the sockets; alone of these it exists on Linux only, with the feature `capture` |
//!
//! Nothing in a datagram makes the parser panic or allocate: it reads in place, checks each length before it is
//! used, steps over attributes that it does not know, and tells anything else as [`Malformed`] with its offset.
//! Integers of netlink's own headers are in the machine's byte order, those inside ctnetlink attributes are
//! big-endian.

pub mod attributes;
pub mod event;
pub mod kernel;
pub mod parse;
pub mod request;
mod rule;
#[cfg(all(target_os = "linux", feature = "capture"))]
pub mod socket;

pub use attributes::{Malformed, Reason};
pub use event::{Change, Counters, Event, Tuple};
pub use parse::{Message, Messages, messages};
pub use request::NewFlow;
pub use rule::Rule;
#[cfg(all(target_os = "linux", feature = "capture"))]
pub use socket::{EventSocket, OpenError, Received, RequestSocket};
