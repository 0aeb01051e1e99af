//! Messages to syslog: datagrams to /dev/log, as syslog(3) sends them (RFC 3164, section 4.1).
//!
//! The C library would wait for a syslog that has stopped reading, for ever, and so would the thread that has something to say. Here it
//! is waited for a moment, once; what finds no room after that is counted, and the count is said as soon as there is room again. Each
//! message goes to whoever listens then: a syslog may come later, or anew.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::Local;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, UnixAddr, sendto};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::logging::no_room;

/// Where it listens.
const PATH: &str = "/dev/log";

/// The facility "daemon", times 8.
const FACILITY: u8 = 3 << 3;

/// So long room for a message is waited for.
const PATIENCE: Duration = Duration::from_millis(100);

/// Says where messages go if no syslog takes them: nowhere. Only whoever starts the recorder, or asks before that, can be told.
pub(crate) fn unheard() -> Option<String> {
    probe().err().filter(|error| !takes_streams(error)).map(|error| {
        format!(
            "no syslog takes messages at {PATH} ({error}): they go nowhere; --foreground writes them to standard error"
        )
    })
}

/// Whether somebody listens for datagrams.
fn probe() -> io::Result<()> {
    UnixDatagram::unbound()?.connect(PATH)
}

/// Whether the reason why nobody does is that it is a socket of the other kind.
fn takes_streams(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPROTOTYPE)
}

/// A way to the syslog.
pub(super) struct Syslog {
    /// This process, which must not fork any more.
    process: u32,
    line: Mutex<Line>,
}

/// What is open to it.
struct Line {
    datagrams: UnixDatagram,
    address: UnixAddr,
    /// To one that takes streams; it cannot be opened anew from within a sandbox.
    stream: Option<UnixStream>,
    /// So many messages found no room since one did.
    left: u64,
}

impl Syslog {
    /// To whoever listens, now or later. To be made before a sandbox is entered.
    pub(super) fn open() -> io::Result<Self> {
        let datagrams = UnixDatagram::unbound()?;
        datagrams.set_write_timeout(Some(PATIENCE))?;
        let is_stream = probe().is_err_and(|error| takes_streams(&error));
        let stream = if is_stream { UnixStream::connect(PATH).ok() } else { None };
        if let Some(stream) = &stream {
            stream.set_write_timeout(Some(PATIENCE))?;
        }
        let line = Mutex::new(Line { datagrams, address: UnixAddr::new(PATH)?, stream, left: 0 });
        Ok(Self { process: std::process::id(), line })
    }

    fn say(&self, level: Level, text: &str) {
        let head = format!("{} ctrecorder[{}]: ", Local::now().format("%b %e %H:%M:%S"), self.process);
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.left > 0 {
            let missed = format!("<{}>{head}{}", FACILITY | priority(Level::WARN), no_room(line.left));
            if line.send(&missed).is_ok() {
                line.left = 0;
            }
        }
        for text in text.lines() {
            if let Err(Errno::EAGAIN | Errno::ENOBUFS) =
                line.send(&format!("<{}>{head}{text}", FACILITY | priority(level)))
            {
                line.left += 1;
            }
        }
    }
}

impl Line {
    fn send(&mut self, message: &str) -> nix::Result<()> {
        if let Some(stream) = &mut self.stream {
            // A message that was sent in part would be taken for the begin of the next one.
            let sent = stream.write_all(&[message.as_bytes(), &[0]].concat());
            return sent.map_err(|error| {
                self.stream = None;
                error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
            });
        }
        let flags = if self.left > 0 { MsgFlags::MSG_DONTWAIT } else { MsgFlags::empty() };
        let to = self.datagrams.as_raw_fd();
        sendto(to, message.as_bytes(), &self.address, flags | MsgFlags::MSG_NOSIGNAL).map(drop)
    }
}

/// A message of a level: what is written at once is one.
pub(super) struct Message<'s> {
    syslog: &'s Syslog,
    level: Level,
}

impl Write for Message<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.syslog.say(self.level, &String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'s> MakeWriter<'s> for Syslog {
    type Writer = Message<'s>;

    fn make_writer(&'s self) -> Message<'s> {
        Message { syslog: self, level: Level::INFO }
    }

    fn make_writer_for(&'s self, about: &Metadata<'_>) -> Message<'s> {
        Message { syslog: self, level: *about.level() }
    }
}

/// Which of syslog's priorities (RFC 5424, section 6.2.1) a level is.
pub(super) const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
