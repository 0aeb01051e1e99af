//! The storm's command line, and its report.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

mod drain;
mod flows;
mod listener;
mod make;
#[path = "../../demo/namespace.rs"]
mod namespace;

use flows::Shape;
use listener::{Cost, Listener};
use make::{Made, Plan};

/// Create and delete flows in a connection-tracking table
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct CommandLine {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    storm: Arguments,
}

#[derive(Subcommand)]
enum Role {
    /// Receive events and throw them away until SIGTERM; prints how many came and how many were lost
    Drain {
        /// Size of the socket's receive buffer in KiB
        #[arg(short = 'b', long, value_name = "KBYTES", default_value_t = 65_536)]
        socket_buffer: u32,
    },
}

#[derive(Args)]
struct Arguments {
    /// How many flows to create
    #[arg(long, value_name = "FLOWS", default_value_t = 240_000, value_parser = clap::value_parser!(u32).range(..=i64::from(flows::NUMBERS)))]
    flows: u32,

    /// Number of the first flow: flows of different numbers can be alive together
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=i64::from(flows::NUMBERS)))]
    first: u32,

    /// So many flows are alive at most; beyond, the oldest is deleted when another one is created
    #[arg(long, value_name = "FLOWS", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    alive: u32,

    /// Create all of them, and leave them in the table
    #[arg(long)]
    keep: bool,

    /// Events per second; 0: as many as can be
    #[arg(long, value_name = "EVENTS", default_value_t = 0)]
    rate: u32,

    /// How many of 100 flows are of IPv6
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100))]
    ipv6: u32,

    /// Do not translate the flows
    #[arg(long)]
    straight: bool,

    /// Create no more flows after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    seconds: u32,

    /// Use the present network namespace
    #[arg(long, conflicts_with = "command")]
    here: bool,

    /// A program that listens to the storm
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Arguments {
    fn plan(&self) -> Plan {
        let first = self.first.min(flows::NUMBERS);
        Plan {
            numbers: first..first.saturating_add(self.flows).min(flows::NUMBERS),
            alive: if self.keep { u32::MAX } else { self.alive },
            keep: self.keep,
            events_per_s: self.rate,
            shape: Shape { ipv6_percent: self.ipv6, translated: !self.straight },
            limit: Duration::from_secs(self.seconds.into()),
        }
    }
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let CommandLine { role, storm } = CommandLine::parse();
    let done = match role {
        Some(Role::Drain { socket_buffer }) => drain::drain(socket_buffer as usize * 1024),
        None => run(&storm),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storm: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.here {
        namespace::enter_private()?;
    }
    let Some((program, rest)) = arguments.command.split_first() else {
        report(&make::make(&arguments.plan())?, None);
        return Ok(());
    };
    let mut listener = Listener::start(program, rest)?;
    let made = make::make(&arguments.plan())?;
    report(&made, Some(&listener.end(made.alive)?));
    Ok(())
}

fn report(made: &Made, cost: Option<&Cost>) {
    let seconds = made.time.as_secs_f64();
    let per_second = made.events as f64 / seconds.max(f64::MIN_POSITIVE);
    let cost = cost.map_or_else(String::new, |cost| {
        format!(r#","status":{},"cpu_us":{},"rss_kib":{}"#, cost.status, cost.cpu.as_micros(), cost.rss_kib)
    });
    println!(r#"{{"made":{},"seconds":{seconds:.3},"events_per_s":{per_second:.0}{cost}}}"#, made.events);
}
