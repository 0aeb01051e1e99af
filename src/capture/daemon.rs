//! Goes into the background. The only place that names `daemonize`.
//!
//! The caller's process lives until the background process says how its start went, so that errors reach the caller's
//! terminal and exit status.

use std::fs::File;
use std::io::{Read, Write, stderr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use daemonize::{Daemonize, Outcome};
use nix::fcntl::OFlag;
use nix::libc;
use nix::unistd::pipe2;

use super::error::StartError;

/// What ends the background process' word when its start went well, behind its warnings. No text has it.
const STARTED: u8 = 0;

/// Which process this is now.
pub(super) enum Side {
    /// The caller's: the background process has started.
    Caller,
    /// The background process, which must say how its start went.
    Background(Report),
}

/// The way back to the caller.
#[derive(Debug)]
pub(super) struct Report(File);

impl Report {
    /// Tells the caller that the recorder runs, and what it should know all the same, a line each.
    pub(super) fn started(mut self, warnings: &[String]) {
        let lines = warnings.iter().map(|warning| format!("ctrecorder: {warning}\n")).collect::<String>();
        // A caller that is gone does not want to know.
        let _ = self.0.write_all(&[lines.as_bytes(), &[STARTED]].concat());
    }

    /// Tells the caller why not.
    pub(super) fn failed(mut self, error: &StartError) {
        let _ = self.0.write_all(error.to_string().as_bytes());
    }
}

/// Splits the process in two. Must be called before there is a second thread.
pub(super) fn detach() -> Result<Side, StartError> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(StartError::system("cannot make a pipe"))?;
    match Daemonize::new().working_directory("/").umask(0o027).execute() {
        Outcome::Parent(result) => {
            drop(writer);
            result.map_err(|error| StartError::Background(format!("cannot go into the background: {error}")))?;
            wait(File::from(reader))
        }
        Outcome::Child(result) => {
            drop(reader);
            close_all_but(writer.as_fd());
            let report = Report(File::from(writer));
            match result {
                Ok(_) => Ok(Side::Background(report)),
                Err(error) => {
                    let error = StartError::Background(format!("cannot go into the background: {error}"));
                    report.failed(&error);
                    Err(error)
                }
            }
        }
    }
}

/// Closes what the caller had open, but for the standard streams and one more: whoever waits for the end of the caller's
/// pipes would wait for the recorder's.
fn close_all_but(kept: BorrowedFd<'_>) {
    let Ok(kept) = u32::try_from(kept.as_raw_fd()) else { return };
    for (first, last) in [(3, kept.saturating_sub(1)), (kept.saturating_add(1).max(3), u32::MAX)] {
        if first <= last {
            // SAFETY: the recorder has opened nothing yet, and what the caller of `detach` has open it does not use in
            // the background. A kernel without this system call (before 5.9) leaves all open, as it was.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

/// Waits for the background process' word.
fn wait(mut reader: File) -> Result<Side, StartError> {
    let mut word = Vec::new();
    reader.read_to_end(&mut word).map_err(StartError::system("cannot hear from the background process"))?;
    match word.as_slice() {
        [warnings @ .., STARTED] => {
            // If standard error is closed there is nobody to tell.
            let _ = stderr().write_all(warnings);
            Ok(Side::Caller)
        }
        [] => Err(StartError::Background("the background process ended without a word".into())),
        text => Err(StartError::Background(String::from_utf8_lossy(text).into_owned())),
    }
}
