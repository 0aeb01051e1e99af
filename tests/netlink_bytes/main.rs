//! The ctnetlink parser on bytes: made by hand, by chance, by the request builders, and by a real kernel.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod by_chance;
mod by_hand;
mod message;
