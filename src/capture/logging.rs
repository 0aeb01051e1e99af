//! Where the recorder's messages go: to standard error in the foreground, to syslog in the background.

use std::io::{IsTerminal, stderr};

use syslog_tracing::{Facility, Options, Syslog};

/// Sends messages to standard error.
pub(super) fn to_stderr() {
    let subscriber = tracing_subscriber::fmt().with_target(false).with_ansi(stderr().is_terminal());
    // A terminal that was closed must not end the recorder: a message that cannot be written is not worth a panic.
    let subscriber = subscriber.log_internal_errors(false).with_writer(stderr);
    // An example or a test that runs the recorder within its own process may have set one already.
    let _ = tracing::subscriber::set_global_default(subscriber.finish());
}

/// Sends messages to syslog, and those of a panic, too, which would find no terminal.
pub(super) fn to_syslog() {
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}; this is a defect")));
    if let Some(syslog) = Syslog::new(c"ctrecorder", Options::LOG_PID, Facility::Daemon) {
        let subscriber = tracing_subscriber::fmt().with_target(false).with_ansi(false).without_time().with_level(false);
        let _ = tracing::subscriber::set_global_default(subscriber.with_level(false).with_writer(syslog).finish());
    }
}
