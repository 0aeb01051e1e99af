//! What a person or another program reads: one file a format.
//!
//! | module | what it writes |
//! |---|---|
//! | [`bars`] | which parts of each day were recorded |
//! | [`classic`] | records, as the C program listed them |
//! | `conntrack` | records, as conntrack(8) prints events |
//! | `csv`, `json` | records, for other programs |
//! | [`lines`] | records in any of these four |
//! | [`coverage`] | what a journal covers, as text and as JSON |
//! | [`gap`] | gaps, in the words of all commands |
//! | [`header`] | what a file says of itself, as the C program's `-H` did |
//! | [`who`] | who had an endpoint, as text and as JSON |
//! | [`time`], [`zone`] | moments in a time zone, for those above |

pub mod bars;
pub mod classic;
mod conntrack;
pub mod coverage;
mod csv;
mod digits;
pub mod gap;
pub mod header;
mod json;
pub mod lines;
mod readings;
pub mod time;
mod told;
pub mod who;
pub mod zone;

pub use classic::Classic;
pub use lines::Lines;
pub use zone::Zone;
