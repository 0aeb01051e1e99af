//! From the records of a journal to flows, and to the files that hold these: what `squeeze` and `export` have in common.
//!
//! | part | what it does |
//! |---|---|
//! | `choice` | which flows are wanted |
//! | `plan` | what the output says of itself |
//! | `looked` | what the inputs tell of time |
//! | `recorded` | which families and protocols were recorded when |
//! | `first_read` | what the first reading of the kernel's table says |
//! | `stream` | pairs records, and hands on flows and notes |
//! | `nowhere` | where flows go that no output has |
//! | `out` | which of these flows are wanted, and which wait for a note |
//! | `behind` | hands them to a thread |
//! | `output` | what that does with them |
//! | `temporary` | files that are not whole yet |
//! | `outgoing` | their way to the disk |

mod behind;
mod choice;
mod first_read;
mod looked;
mod nowhere;
mod out;
pub(super) mod outgoing;
mod output;
mod plan;
mod recorded;
mod stream;
pub(super) mod temporary;

pub(super) use choice::Choice;
pub(super) use nowhere::Nowhere;
pub(super) use output::Output;
pub(super) use plan::Plan;
pub(super) use stream::{Begun, Ending, Stream};
