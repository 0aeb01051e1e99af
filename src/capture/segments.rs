//! The segments of a recorder, one after the other: the current one, and how the next one begins.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use ctrecorder_format::{Closing, CodecError, Header, Writer};

use super::error::StartError;
use super::pattern::Pattern;
use super::{clock, files, header};

/// The segment being written, and those before it that are not quite.
#[derive(Debug)]
pub(super) struct Segments {
    pattern: Pattern,
    header: Header,
    path: PathBuf,
    writer: Writer<File>,
    /// The last segment, if a full disk did not take its footer yet.
    closing: Option<Writer<File>>,
}

/// Why the recorder goes on in the old segment.
#[derive(Debug, thiserror::Error)]
pub(super) enum RotateError {
    #[error("{}: exists, and is never overwritten", .0.display())]
    Exists(PathBuf),
    #[error("{}: cannot be created: {error}", path.display())]
    Create { path: PathBuf, error: io::Error },
    #[error("{}: waits for room on the disk", .0.display())]
    Waiting(PathBuf),
    #[error("{0}")]
    Header(#[from] CodecError),
}

impl Segments {
    /// Creates the first segment. Its header is in the file when this returns.
    pub(super) fn create(pattern: Pattern, header: Header) -> Result<Self, StartError> {
        let path = pattern.name(header.created);
        let file = files::create(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StartError::Exists(path.clone()),
            io::ErrorKind::NotFound => StartError::NoDirectory(pattern.directory(header.created)),
            _ => StartError::File { path: path.clone(), what: "cannot create it", error },
        })?;
        let failed = |error| StartError::File { path: path.clone(), what: "cannot write the header", error };
        let mut writer = Writer::new(file, &header).map_err(|error| failed(io::Error::other(error)))?;
        if let Err(error) = writer.write_out() {
            // A file without a whole header is of no use to anyone.
            let _ = std::fs::remove_file(&path);
            return Err(failed(error));
        }
        Ok(Self { pattern, header, path, writer, closing: None })
    }

    /// Removes a first segment whose recorder does not start after all: it would be in the way of the next try.
    pub(super) fn abandon(&self) {
        // Whoever cannot start has a better error to tell than this one.
        let _ = std::fs::remove_file(&self.path);
    }

    /// The current segment.
    pub(super) const fn writer(&mut self) -> &mut Writer<File> {
        &mut self.writer
    }

    /// The current segment's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the current segment.
    pub(super) const fn file(&self) -> &File {
        self.writer.output()
    }

    /// The next moment of rotation after `now`.
    pub(super) fn next_rotation(&self, now: u64) -> Option<u64> {
        self.pattern.next_rotation(now)
    }

    /// Sealed bytes that are not in the files yet.
    pub(super) fn waiting(&self) -> u64 {
        (self.writer.waiting() + self.closing.as_ref().map_or(0, Writer::waiting)) as u64
    }

    /// Writes what is sealed, the last segment's rest first.
    pub(super) fn write_out(&mut self) -> io::Result<()> {
        if let Some(closing) = &mut self.closing {
            closing.write_out()?;
            self.closing = None;
        }
        self.writer.write_out()
    }

    /// Closes the current segment and goes on in the one named by `moment`. On an error nothing has changed.
    ///
    /// The new file is created first, so that the old segment is only closed when there is a place to go.
    pub(super) fn rotate(&mut self, moment: u64) -> Result<(), RotateError> {
        if self.closing.is_some() {
            return Err(RotateError::Waiting(self.path.clone()));
        }
        let path = self.pattern.name(moment);
        let file = files::create(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => RotateError::Exists(path.clone()),
            _ => RotateError::Create { path: path.clone(), error },
        })?;
        let now = clock::now();
        let digest = self.writer.finish(Closing::WentOn, now)?;
        self.header = header::next(&self.header, digest, now);
        let next = Writer::new(file, &self.header)?;
        self.closing = Some(std::mem::replace(&mut self.writer, next));
        self.path = path;
        Ok(())
    }

    /// Adds the footer to the current segment.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.writer.finish(Closing::Stopped, clock::now()).map(drop).map_err(io::Error::other)
    }
}
