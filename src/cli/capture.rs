//! `ctrecorder capture` (`-C`): records.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::limits::LimitArguments;
use super::status::Status;
use crate::protocol::Protocols;

/// The size of the socket's receive buffer in KiB, if nothing else is wanted: room for some 50,000 events.
pub const SOCKET_BUFFER_KIB: u32 = 65_536;

/// An address to listen at.
fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let wanted = "an address and a port are wanted, such as 127.0.0.1:9100 or [::1]:9100; names are not looked up";
    text.parse().map_err(|_| wanted.to_owned())
}

/// A number of this unit, which is not typed.
pub(super) fn whole(unit: &'static str) -> impl Fn(&str) -> Result<u32, String> + Clone {
    move |text| text.parse().map_err(|_| format!("a whole number of {unit} is wanted, without a unit, such as 60"))
}

/// A size of the socket's receive buffer in KiB: in bytes it is an `int` of the kernel's.
pub(super) fn buffer_size(text: &str) -> Result<u32, String> {
    let size = text.parse().ok().filter(|size| (1..1 << 20).contains(size));
    size.ok_or_else(|| "a whole number of KiB from 1 to 1048575 is wanted, without a unit, such as 65536".into())
}

/// Record connection-tracking events into files, until a signal ends it.
///
/// SIGHUP begins a new file, SIGUSR1 flushes and logs statistics; SIGTERM, SIGINT and SIGQUIT write everything and end.
/// Messages go to syslog, or to standard error with --foreground.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Where to write: a path with strftime conversions in local time, e.g. /var/log/ct/%Y%m%d-%H%M%S.ct
    #[arg(short, long, value_name = "PATTERN")]
    file: String,

    /// Begin a new file every so many minutes, on multiples in UTC (360: at 0:00, 6:00, 12:00, 18:00); 0: never
    #[arg(short = 't', long, value_name = "MINUTES", default_value_t = 0, value_parser = whole("minutes"))]
    rotate: u32,

    /// What to record: a list of tcp, udp, udplite, sctp, dccp, icmp, icmpv6, gre and numbers, or all
    #[arg(short, long, value_name = "PROTOCOLS", default_value = "tcp")]
    protocol: Protocols,

    /// Record only this address family
    #[arg(long, value_name = "FAMILY")]
    family: Option<Family>,

    /// Size of the socket's receive buffer in KiB
    #[arg(short = 'b', long, value_name = "KBYTES", default_value_t = SOCKET_BUFFER_KIB, value_parser = buffer_size)]
    socket_buffer: u32,

    /// What the kernel does with ends that find no room in that buffer: hold them back until there is room, as long as its
    /// table does not fill, or drop them. Without this: reliable; lossy with --all-netns, for only the table of its own namespace is
    /// watched
    #[arg(long, value_name = "HOW")]
    delivery: Option<Delivery>,

    /// Look every so many seconds for the ends of flows that began before the recorder, which the kernel may not report; 0:
    /// never
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = whole("seconds"))]
    poll: u32,

    /// How many events may wait in memory to be written; what comes beyond is counted as lost
    #[arg(short = 'B', long, value_name = "ENTRIES", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(1..))]
    queue: u32,

    /// Warn if no event is heard for so many seconds while the kernel's table is not empty; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = whole("seconds"))]
    silence: u32,

    /// Add this to the nice value
    #[arg(short = 'N', long, value_name = "NICE", default_value_t = 0, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-40..=40))]
    nice: i32,

    /// Become this user once the socket and the first file are open, keeping CAP_NET_ADMIN alone
    #[arg(short = 'U', long, value_name = "USER")]
    user: Option<String>,

    /// Become this group (default: that of the user)
    #[arg(short = 'G', long, value_name = "GROUP")]
    group: Option<String>,

    /// Write the process id to this file, and let no second recorder start with it
    #[arg(short = 'P', long, value_name = "PIDFILE")]
    pid_file: Option<PathBuf>,

    /// Stay in the foreground, and write messages to standard error
    #[arg(short = 'F', long)]
    foreground: bool,

    /// When what was written is synced to the disk
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Sync::Interval)]
    sync: Sync,

    /// Have packets and bytes counted: recommend, or set with --set-sysctls, nf_conntrack_acct=1
    #[arg(long)]
    accounting: bool,

    /// Answer at this address and port, such as 127.0.0.1:9100 or [::1]:9100, with metrics for Prometheus (GET /metrics)
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
    metrics: Option<SocketAddr>,

    #[command(flatten)]
    limits: LimitArguments,

    /// Record every network namespace, too, that has an id (nsid) in this one: each in files of its own, ct.netns-3.log beside
    /// ct.log for the one with the id 3. Its nf_conntrack_events must not be 0; before Linux 6.3 it has to be 1
    #[arg(long)]
    all_netns: bool,

    /// Set nf_conntrack_events and nf_conntrack_timestamp of each network namespace that is recorded to 1, for flows that begin
    /// afterwards
    #[arg(long)]
    set_sysctls: bool,

    /// Keep what a started recorder gives up: files other than its own, system calls that it does not make, and root's powers. For
    /// debugging
    #[arg(long)]
    no_sandbox: bool,
}

/// When to sync, as it is named on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sync {
    /// At the end alone.
    None,
    /// Every 10 seconds, and when a file is created or closed, in the background.
    Interval,
    /// After each write, before the next: slow.
    Block,
}

/// An address family, as it is named on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Family {
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
}

/// What the kernel does with what finds no room, as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Delivery {
    /// Hold back ends.
    Reliable,
    /// Drop.
    Lossy,
}

pub use recorder::{run, say_when_started};

/// Says that this build has no such command.
#[cfg(not(all(target_os = "linux", feature = "capture")))]
pub fn left_out(command: &str) -> anyhow::Result<Status> {
    let why = if cfg!(target_os = "linux") { "at compile time" } else { "since this is not Linux" };
    anyhow::bail!("{command} was left out of this build {why}; reading works: see ctrecorder help")
}

#[cfg(all(target_os = "linux", feature = "capture"))]
mod recorder {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use ctrecorder_format::Family;

    use super::super::status::Misuse;
    use super::{Arguments, Status};
    use crate::capture::{self, Options, Pattern, StartError};

    /// Records until told to stop; in the background, returns when the recorder runs.
    pub fn run(arguments: Arguments) -> anyhow::Result<Status> {
        let options = options(arguments).inspect_err(|_| capture::tell_rest())?;
        Ok(capture::run(&options).map_or_else(failed, |()| Status::Done))
    }

    /// Has something said on standard error as soon as nobody waits for it to be read.
    pub fn say_when_started(text: &str) {
        capture::tell_later(text);
    }

    /// Says why it ended, as is said of any command, but without waiting for whoever does not read it.
    fn failed(error: StartError) -> Status {
        capture::tell(&format!("ctrecorder: {:#}\n", anyhow::Error::from(error)));
        Status::Failed
    }

    fn options(arguments: Arguments) -> anyhow::Result<Options> {
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
        let pattern =
            Pattern::new(&arguments.file, arguments.rotate, now).map_err(|error| Misuse(error.to_string()))?;
        let limits = arguments.limits.checked(&pattern, arguments.rotate).map_err(Misuse)?;
        Ok(Options {
            pattern,
            protocols: arguments.protocol,
            families: match arguments.family {
                Some(super::Family::Ipv4) => vec![Family::Ipv4],
                Some(super::Family::Ipv6) => vec![Family::Ipv6],
                None => vec![Family::Ipv4, Family::Ipv6],
            },
            socket_buffer: arguments.socket_buffer as usize * 1024,
            // Of the other tables nobody knows how full they are.
            reliable: arguments.delivery.map_or(!arguments.all_netns, |delivery| delivery == super::Delivery::Reliable),
            poll: (arguments.poll > 0).then(|| Duration::from_secs(arguments.poll.into())),
            queue: arguments.queue as usize,
            silence: (arguments.silence > 0).then(|| Duration::from_secs(arguments.silence.into())),
            nice: arguments.nice,
            user: arguments.user,
            group: arguments.group,
            // The background process leaves the present directory.
            pid_file: arguments.pid_file.map(std::path::absolute).transpose()?,
            foreground: arguments.foreground,
            sync: match arguments.sync {
                super::Sync::None => capture::Sync::None,
                super::Sync::Interval => capture::Sync::Interval,
                super::Sync::Block => capture::Sync::Block,
            },
            accounting: arguments.accounting,
            set_sysctls: arguments.set_sysctls,
            metrics: arguments.metrics,
            limits,
            sandbox: !arguments.no_sandbox,
            all_netns: arguments.all_netns,
            examine: crate::doctor::at_start,
        })
    }
}

#[cfg(not(all(target_os = "linux", feature = "capture")))]
mod recorder {
    use super::{Arguments, Status};

    /// Says something on standard error.
    pub fn say_when_started(text: &str) {
        super::super::say(text);
    }

    /// Says that this build cannot record.
    pub fn run(_: Arguments) -> anyhow::Result<Status> {
        super::left_out("capture")
    }
}
