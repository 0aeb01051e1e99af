//! `ctrecorder doctor`: would a recorder record everything here?

use clap::{Args, ValueEnum};

use super::capture::{SOCKET_BUFFER_KIB, buffer_size, whole};
use super::limits::LimitArguments;
use super::status::Status;

/// Look for what would keep a recorder from recording everything, and say what mends it
///
/// Looks at the kernel (connection tracking in this network namespace, its events, times, table and buffers), at the privileges
/// and the clock, and, with --file, at the directory, its room and how long that lasts, and other recorders there. It changes
/// nothing. A recorder tells the same in its log when it starts. The exit status is 1 if anything would cost records.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Where a recorder would write, as with capture: a path with strftime conversions
    #[arg(short, long, value_name = "PATTERN")]
    file: Option<String>,

    /// How often a new file would begin, as with capture
    #[arg(short = 't', long, value_name = "MINUTES", default_value_t = 0, value_parser = whole("minutes"))]
    rotate: u32,

    /// The user that the recorder would become, who has to be able to write where --file says; without it, who asks
    #[arg(short = 'U', long, value_name = "USER")]
    user: Option<String>,

    /// The group that it would become, as with capture
    #[arg(short = 'G', long, value_name = "GROUP")]
    group: Option<String>,

    /// The socket's receive buffer that it would ask for in KiB, as with capture
    #[arg(short = 'b', long, value_name = "KBYTES", default_value_t = SOCKET_BUFFER_KIB, value_parser = buffer_size)]
    socket_buffer: u32,

    /// Packets and bytes are to be counted, as with capture
    #[arg(long)]
    accounting: bool,

    /// The other network namespaces are to be recorded, too, as with capture
    #[arg(long)]
    all_netns: bool,

    /// It would stay in the foreground, and need no syslog, as with capture
    #[arg(short = 'F', long)]
    foreground: bool,

    #[command(flatten)]
    limits: LimitArguments,

    /// How it is written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// A form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines
    Text,
    /// One object
    Json,
}

pub use examination::run;

#[cfg(all(target_os = "linux", feature = "capture"))]
mod examination {
    use std::io::{self, Write};

    use super::super::status::Misuse;
    use super::super::written;
    use super::{Arguments, Format, Status};
    use crate::capture::Pattern;
    use crate::capture::clock::now;
    use crate::doctor::{self, Subject, Verdict, show};

    /// Says what was found.
    pub fn run(arguments: Arguments) -> anyhow::Result<Status> {
        let pattern = arguments.file.as_deref().map(|file| Pattern::new(file, 0, now())).transpose();
        let pattern = pattern.map_err(|error| Misuse(error.to_string()))?;
        let subject = Subject {
            accounting: arguments.accounting,
            all_netns: arguments.all_netns,
            foreground: arguments.foreground,
            socket_buffer: arguments.socket_buffer as usize * 1024,
            pattern: pattern.as_ref(),
            user: arguments.user.as_deref(),
            group: arguments.group.as_deref(),
            refused: arguments.file.as_deref().and_then(|file| refusal(&arguments, file)),
            limits: arguments.limits.limits(),
        };
        let findings = doctor::examine(&subject);
        let text = match arguments.output {
            Format::Text => show::text(&findings),
            Format::Json => show::json(&findings)? + "\n",
        };
        written(io::stdout().write_all(text.as_bytes()))?;
        Ok(if show::verdict(&findings) == Verdict::Cost { Status::No } else { Status::Done })
    }

    /// Why `capture` would have none of these options.
    fn refusal(arguments: &Arguments, file: &str) -> Option<String> {
        match Pattern::new(file, arguments.rotate, now()) {
            Ok(pattern) => arguments.limits.checked(&pattern, arguments.rotate).err(),
            Err(error) => Some(error.to_string()),
        }
    }
}

#[cfg(not(all(target_os = "linux", feature = "capture")))]
mod examination {
    use super::super::capture::left_out;
    use super::{Arguments, Status};

    /// Says that this build cannot record.
    pub fn run(_: Arguments) -> anyhow::Result<Status> {
        left_out("doctor")
    }
}
