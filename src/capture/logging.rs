//! Where the recorder's messages go: in the foreground to standard error, which may be the journal's, else to syslog.

use std::fmt;
use std::io::stderr as standard_error;

use nix::sys::stat::fstat;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::stderr;
use super::syslog::{Syslog, priority};
use crate::counted::counted;

/// Sends messages to standard error. Where that is the journal of systemd, each line has its priority in front, from which
/// the journal makes a field, and no time, which the journal has; anywhere else a person reads. Nothing is written before
/// [`stderr::begin`].
pub(super) fn to_stderr() {
    log_panics();
    let subscriber = tracing_subscriber::fmt().log_internal_errors(false).with_writer(|| stderr::Message);
    // An example or a test that runs the recorder within its own process may have set one already.
    if stderr_is_the_journal() {
        let _ = tracing::subscriber::set_global_default(subscriber.event_format(Prioritised).finish());
    } else {
        let subscriber = subscriber.with_target(false).with_ansi(false);
        let _ = tracing::subscriber::set_global_default(subscriber.finish());
    }
}

/// Sends messages to syslog, and those of a panic, too, which would find no terminal.
pub(super) fn to_syslog() {
    log_panics();
    if let Ok(syslog) = Syslog::open() {
        let subscriber = tracing_subscriber::fmt().with_target(false).with_ansi(false).without_time().with_level(false);
        let subscriber = subscriber.log_internal_errors(false).with_writer(syslog);
        let _ = tracing::subscriber::set_global_default(subscriber.finish());
    }
}

/// Says that so many messages were not said.
pub(super) fn no_room(messages: u64) -> String {
    format!("{} before this found no room", counted(messages, "message"))
}

/// The library would write of a panic to standard error itself, and wait.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}; this is a defect")));
}

/// Whether standard error leads to the journal: JOURNAL_STREAM names its device and inode (systemd.exec(5)). A shell that sends
/// it elsewhere hands the variable on, so that the variable alone proves nothing.
fn stderr_is_the_journal() -> bool {
    let journal = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    fstat(standard_error()).is_ok_and(|stderr| journal == format!("{}:{}", stderr.st_dev, stderr.st_ino))
}

/// Messages with the priority of their level in front of each line, as sd-daemon(3) has it.
struct Prioritised;

impl<S, N> FormatEvent<S, N> for Prioritised
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = String::new();
        context.format_fields(Writer::new(&mut text), event)?;
        let priority = priority(*event.metadata().level());
        text.lines().try_for_each(|line| writeln!(to, "<{priority}>{line}"))
    }
}
