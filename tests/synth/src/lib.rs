//! Flows out of a seed, as a NAT would make them, and the journal that a recorder would keep of them.
//!
//! [`Flows`] tells what happens, flow by flow, in the order of time; [`Shape`] says what the traffic is like. [`record`]
//! writes the files of a recorder that hears of it, and [`squeeze`] one file of flows; an [`Incident`] is what goes wrong
//! meanwhile. [`truth`] writes what really was. The same seed gives the same bytes on every machine, and memory is that of
//! the flows alive at once.

mod flow;
mod flows;
mod incident;
mod nat;
mod output;
mod random;
mod recorder;
mod shape;
mod squeezed;
pub mod truth;

pub use flow::{Flow, TCP, Translation, UDP};
pub use flows::{Flows, Happening};
pub use incident::{Clock, Incident};
pub use output::{Error, Version};
pub use recorder::{Plan, Recorded, record};
pub use shape::Shape;
pub use squeezed::squeeze;
