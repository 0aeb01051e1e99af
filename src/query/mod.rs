//! Questions to a journal: which records match, and which start belongs to which end.

pub mod filter;
pub mod network;
pub mod pair;
mod select;

pub use filter::Filter;
pub use network::{NetworkError, parse_network};
pub use pair::Pairing;
