//! What a person or another program reads: one file a format.
//!
//! | module | what it writes |
//! |---|---|
//! | [`classic`] | records, as the C program listed them |
//! | [`header`] | what a file says of itself, as the C program's `-H` did |
//! | [`time`], [`zone`] | moments in a time zone, for the two above |

pub mod classic;
mod digits;
pub mod header;
pub mod time;
pub mod zone;

pub use classic::Classic;
pub use zone::Zone;
