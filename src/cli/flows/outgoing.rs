//! A long file on its way to the disk.

use std::fs::File;
use std::io::{self, Write};

/// So many bytes are sent on their way together.
const STRETCH: u64 = 8 * 1024 * 1024;

/// A file that the system begins to write to the disk while more of it is made. By itself it would keep much of it in memory, until
/// whoever has it synced waits for all of it.
#[derive(Debug)]
pub(in crate::cli) struct Outgoing {
    file: File,
    /// How long it is, in bytes, and how much of that is on its way.
    length: u64,
    sent: u64,
}

impl Outgoing {
    /// A file that is empty.
    pub(in crate::cli) const fn new(file: File) -> Self {
        Self { file, length: 0, sent: 0 }
    }

    /// The file.
    pub(in crate::cli) fn into_file(self) -> File {
        self.file
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.length += count as u64;
        if self.length - self.sent >= STRETCH {
            send(&self.file, self.sent, self.length - self.sent);
            self.sent = self.length;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Has the system begin to write so many bytes from an offset on. What fails shows when the file is synced.
#[cfg(target_os = "linux")]
fn send(file: &File, offset: u64, length: u64) {
    use std::os::fd::AsRawFd;
    if let (Ok(offset), Ok(length)) = (offset.try_into(), length.try_into()) {
        // SAFETY: the call takes numbers alone, and the file is open for as long as it is borrowed.
        unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, libc::SYNC_FILE_RANGE_WRITE) };
    }
}

/// Elsewhere the system knows best.
#[cfg(not(target_os = "linux"))]
fn send(_file: &File, _offset: u64, _length: u64) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_there_whatever_was_sent() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let mut outgoing = Outgoing::new(path.reopen().unwrap());
        let bytes: Vec<_> = (0..3 * STRETCH + 5).map(|number| (number % 251) as u8).collect();
        bytes.chunks(1_000_003).for_each(|bytes| outgoing.write_all(bytes).unwrap());
        assert!(outgoing.length - outgoing.sent < STRETCH);
        outgoing.into_file().sync_all().unwrap();
        assert!(std::fs::read(path.path()).unwrap() == bytes);
    }
}
