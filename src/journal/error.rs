//! Why a file or directory is not read at all.

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use ctrecorder_format::Refusal;
use ctrecorder_format::legacy::HeaderError;

use crate::archive;

/// Why a file or directory is not read at all. Damage within a file is no error: it is told to the sink, and the rest is
/// read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", Shown(path))]
pub struct Error {
    /// The file or directory.
    pub path: PathBuf,
    /// What is the matter with it.
    pub reason: Reason,
}

/// What is the matter with a file or directory.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The operating system does not give it out.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is a directory without a file of any version.
    #[error("no segments in this directory")]
    NoSegments,
    /// What stands at its path now is not what was looked at.
    #[error("it was replaced or written to since it was looked at")]
    Changed,
    /// It is a device: it may never come to an end.
    #[error("neither a file nor a pipe")]
    Device,
    /// It is no file that this program reads.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is a file of version 2 whose header makes no sense, or of version 1.
    #[error("offset {at}: {0}", at = offset_of(.0))]
    Legacy(#[from] HeaderError),
    /// It is in Parquet, and not read as an archive.
    #[error(transparent)]
    Archive(#[from] archive::Refusal),
}

impl Error {
    /// Puts the path to what happened to it.
    pub(super) fn at<R: Into<Reason>>(path: &Path) -> impl Fn(R) -> Self + use<'_, R> {
        |reason| Self { path: path.to_path_buf(), reason: reason.into() }
    }

    /// Whether nothing in the file says that it was ever one of ours.
    pub const fn is_foreign(&self) -> bool {
        matches!(
            &self.reason,
            Reason::Refused(Refusal::Empty | Refusal::NotASegment)
                | Reason::Legacy(HeaderError::Magic)
                | Reason::Archive(archive::Refusal::Foreign)
        )
    }

    /// Whether there is nothing at the path.
    pub fn is_absent(&self) -> bool {
        matches!(&self.reason, Reason::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Whether it is an empty file.
    pub const fn is_empty(&self) -> bool {
        matches!(&self.reason, Reason::Refused(Refusal::Empty))
    }

    /// Whether the file is empty, or ends in the middle of a header: if it is being written it may become one of ours.
    pub(super) const fn is_too_short(&self) -> bool {
        matches!(&self.reason, Reason::Refused(Refusal::Empty) | Reason::Legacy(HeaderError::TooShort { .. }))
    }

    /// Whether the file was read and is simply none of ours: empty, a text, or with a header that makes no sense. Else
    /// nothing can be said about its content: it is out of reach, or of a version that this program does not know.
    pub const fn is_not_a_segment(&self) -> bool {
        match &self.reason {
            Reason::Io(_) | Reason::NoSegments | Reason::Changed | Reason::Device => false,
            Reason::Refused(refusal) => !matches!(refusal, Refusal::Version(_) | Refusal::Features(_)),
            Reason::Legacy(refusal) => {
                !matches!(refusal, HeaderError::NeverReleased | HeaderError::Version(_) | HeaderError::Flags(_))
            }
            Reason::Archive(refusal) => !matches!(refusal, archive::Refusal::Version(_) | archive::Refusal::LeftOut),
        }
    }
}

/// Where in the file the field begins that a header of version 2 was refused for.
const fn offset_of(refusal: &HeaderError) -> u64 {
    match refusal {
        HeaderError::TooShort { length } => *length as u64,
        HeaderError::Magic => 0,
        HeaderError::NeverReleased | HeaderError::Version(_) => 4,
        HeaderError::HeaderLength(_) => 8,
        HeaderError::EntryLength(_) => 10,
        HeaderError::FooterLength(_) => 12,
        HeaderError::Flags(_) => 14,
    }
}

/// A path for a person's eyes: what could play tricks on a terminal is escaped.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.to_string_lossy().chars().try_for_each(|character| match character {
            // These need no escape outside quotes, and a backslash parts names on Windows.
            '"' | '\'' | '\\' => f.write_char(character),
            _ => write!(f, "{}", character.escape_debug()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With its causes, as whoever tells of a failure prints it.
    #[test]
    fn why_is_said_once() {
        let absent = Error::at(Path::new("a"))(io::Error::from_raw_os_error(2));
        assert_eq!(format!("{:#}", anyhow::Error::from(absent)), "a: No such file or directory (os error 2)");
        let cut = Error::at(Path::new("b"))(archive::Refusal::CutOff);
        assert_eq!(format!("{:#}", anyhow::Error::from(cut)), "b: an archive that is cut off: it has no footer");
    }

    #[test]
    fn a_name_plays_no_tricks_on_a_terminal() {
        let shown = |name: &str| Shown(Path::new(name)).to_string();
        assert_eq!(shown("/var/log/ct/tcp ü.ct"), "/var/log/ct/tcp ü.ct");
        assert_eq!(shown("a\u{1b}[2Jb\n\u{202e}c"), "a\\u{1b}[2Jb\\n\\u{202e}c");
    }
}
