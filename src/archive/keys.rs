//! The keys of what an archive says of itself, among the metadata of its file.

/// The version: what has it is an archive.
pub(super) const VERSION_KEY: &str = "ctrecorder.version";

/// [`About`](super::About), as JSON.
pub(super) const ABOUT_KEY: &str = "ctrecorder.about";

/// The seal.
pub(super) const SEAL_KEY: &str = "ctrecorder.seal";

/// The version of the archives written here. One of another first number is not read.
pub(super) const VERSION: &str = "1.0";
