//! Version 2: the files of the older C program, read and written.
//!
//! All integers are big-endian, all structures packed, all addresses IPv4. A file is a [`Header`] of 256 bytes,
//! then records of one size to its end: no footer, no checksum, no count. See docs/format.md, section
//! "Version 2".
//!
//! Nothing but their content tells records from rubbish. A file may end in the middle of a record, where its
//! writer was killed, and after a failed write (a full disk) a record stands cut short in the middle of the file
//! and all later ones are shifted. [`File::pieces`] finds the step again and says what was lost;
//! the rules are told in the modules `step` and `route`.
//!
//! No input makes this module panic, loop for ever, or use memory in proportion to the file.

mod entry;
mod header;
mod reader;
mod route;
mod step;
mod writer;

pub use entry::Endpoints;
pub use header::{Content, Header, HeaderError, LocalTime};
pub use reader::{File, Piece, Pieces, Times};
pub use step::Place;
pub use writer::{WriteError, Writer};
