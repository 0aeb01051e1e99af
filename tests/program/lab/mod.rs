//! A network laboratory: real traffic through a real router, in network namespaces of a test's own.
//!
//! [`Lab`] is a client, a NAT router and a server on two cables; [`Namespace`] alone is a kernel with an empty
//! connection-tracking table, enough for flows made by ctnetlink. All of it goes when the test ends or panics.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod conntrack;
mod flow;
mod hosts;
mod namespace;
mod process;
mod router;
mod traffic;
mod wait;

pub use conntrack::{Conntrack, Event, Happening};
pub use flow::{Flow, Tuple};
pub use hosts::Family;
pub use namespace::Namespace;
pub use process::{Process, listens_to_events};
pub use router::Lab;
pub use wait::{wait_for, wait_until};
