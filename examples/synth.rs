//! `cargo run --release --example synth -- --flows N OUT`: the synthetic workload, as a recorder would have recorded it.
//!
//!     synth --flows 5000000 big.ct                          # one segment
//!     synth --flows 5000000 --version 2 big.v2.ct           # the same flows in a file of the C program
//!     synth --flows 100000000 --rotate 60 --truth truth.bin --compact journal
//!     synth --flows 100000 --rotate 1 --overrun 5:8 --crash 70:75 --clock-step 90:-2 journal
//!
//! With anything that makes several files, OUT is a directory, which is made. The traffic is that of a busy NAT: 8,192
//! subscribers, 16 public addresses, a million peers, 20,000 new flows a second. It is recorded until the last flow begins.
//! The same arguments give the same bytes on every machine. What was recorded is told on standard error.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, value_parser};
use ctrecorder_format::NS_PER_SECOND;
use ctrecorder_synth::{Clock, Error, Flow, Flows, Incident, Plan, Shape, Version, record, squeeze, truth};

/// Write the synthetic workload
#[derive(Parser)]
struct Arguments {
    /// The file to write, or the directory if there are several; neither may exist
    out: PathBuf,

    /// How many flows begin
    #[arg(long, default_value_t = 1_000_000)]
    flows: u64,

    /// What chance depends on
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Begin a new file each time so many minutes are over
    #[arg(long, value_name = "MINUTES", value_parser = value_parser!(u64).range(1..))]
    rotate: Option<u64>,

    /// The version of the files; 2 has TCP over IPv4 only
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u8).range(2..=3))]
    version: u8,

    /// Write flows, start and end in one, instead of events
    #[arg(long, conflicts_with_all = ["rotate", "stamps", "overrun", "stop", "crash", "clock_step"])]
    squeezed: bool,

    /// Write what really was to this file: a line of CSV a flow, start, end, protocol, inside, public, peer
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,

    /// Write the truth in 36 bytes a flow
    #[arg(long, requires = "truth")]
    compact: bool,

    /// Flows that begin in a second
    #[arg(long, value_name = "N", default_value_t = Shape::default().starts_per_second)]
    rate: f64,

    /// How many of a hundred flows are UDP, not TCP
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = value_parser!(u8).range(..=100))]
    udp: u8,

    /// How many of a hundred flows are IPv6, and not translated
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = value_parser!(u8).range(..=100))]
    ipv6: u8,

    /// How many of a hundred IPv4 flows come from outside, to forwarded ports
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = value_parser!(u8).range(..=100))]
    incoming: u8,

    /// A few hosts with a few ports, where much collides, instead of the above
    #[arg(long, conflicts_with_all = ["rate", "udp", "ipv6", "incoming"])]
    crowded: bool,

    /// The kernel stamps flows with their start
    #[arg(long)]
    stamps: bool,

    /// No events are heard between these seconds from the begin on
    #[arg(long, value_name = "FROM:TO", value_parser = seconds)]
    overrun: Vec<(u64, u64)>,

    /// The recorder is stopped, and started again
    #[arg(long, value_name = "AT:BACK", value_parser = seconds)]
    stop: Vec<(u64, u64)>,

    /// The recorder is killed, and started again
    #[arg(long, value_name = "AT:BACK", value_parser = seconds)]
    crash: Vec<(u64, u64)>,

    /// The wall clock is set by so many seconds
    #[arg(long, value_name = "AT:BY", value_parser = clock_step, allow_hyphen_values = true)]
    clock_step: Vec<(u64, i64)>,
}

fn main() -> ExitCode {
    match synth(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("synth: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn synth(arguments: &Arguments) -> anyhow::Result<()> {
    let plan = arguments.plan();
    let clock = Clock::new(&plan.incidents);
    let mut truth = arguments.truth.as_deref().map(create).transpose()?;
    let form = if arguments.compact { truth::Form::Compact } else { truth::Form::Text };
    let began = |flow: &Flow| match &mut truth {
        Some(truth) => Ok(truth::write(truth, form, flow, &clock)?),
        None => Ok(()),
    };
    let flows = Flows::new(arguments.shape());
    if arguments.squeezed {
        let records = squeeze(flows, plan.version, create(&arguments.out)?, began)?;
        eprintln!("{records} records");
    } else {
        let recorded = record(flows, &plan, arguments.files(&plan)?, began)?;
        eprintln!("{} events in {} files, {} unheard", recorded.events, recorded.files, recorded.unheard);
    }
    truth.map_or(Ok(()), |mut truth| truth.flush()).context("the truth")
}

impl Arguments {
    fn shape(&self) -> Shape {
        if self.crowded {
            return Shape::crowded(self.flows, self.seed);
        }
        Shape {
            flows: self.flows,
            seed: self.seed,
            starts_per_second: self.rate,
            udp_percent: self.udp,
            ipv6_percent: self.ipv6,
            incoming_percent: self.incoming,
            ..Shape::default()
        }
    }

    fn plan(&self) -> Plan {
        let begin = self.shape().begin;
        let at = |ns: u64| begin.saturating_add(ns);
        let overruns = self.overrun.iter().map(|(from, to)| Incident::Overrun { from: at(*from), to: at(*to) });
        let stops = self.stop.iter().map(|(stop, back)| Incident::Stop { at: at(*stop), back: at(*back) });
        let crashes = self.crash.iter().map(|(crash, back)| Incident::Crash { at: at(*crash), back: at(*back) });
        let steps = self.clock_step.iter().map(|(step, by)| Incident::ClockStep { at: at(*step), by: *by });
        Plan {
            version: if self.version == 2 { Version::Two } else { Version::Three },
            rotate: self.rotate.map(|minutes| minutes.saturating_mul(60 * NS_PER_SECOND)),
            stamps: self.stamps,
            incidents: overruns.chain(stops).chain(crashes).chain(steps).collect(),
            ..Plan::default()
        }
    }

    /// Makes the files by their numbers.
    fn files(&self, plan: &Plan) -> anyhow::Result<impl FnMut(u64) -> Result<BufWriter<File>, Error> + use<>> {
        let again = |incident: &Incident| matches!(incident, Incident::Stop { .. } | Incident::Crash { .. });
        let several = plan.rotate.is_some() || plan.incidents.iter().any(again);
        let out = self.out.clone();
        if several {
            fs::create_dir(&out).with_context(|| out.display().to_string())?;
        }
        Ok(move |number| {
            let path = if several { out.join(format!("{number:05}.ct")) } else { out.clone() };
            Ok(BufWriter::new(File::create_new(path)?))
        })
    }
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create_new(path).with_context(|| path.display().to_string())?))
}

/// Two numbers of seconds, in ns.
fn seconds(text: &str) -> Result<(u64, u64), String> {
    let (from, to) = pair(text)?;
    let ns = |seconds: i64| u64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(NS_PER_SECOND));
    match (ns(from), ns(to)) {
        (Some(from), Some(to)) if from < to => Ok((from, to)),
        _ => Err("not two times, the later one last".into()),
    }
}

/// A time in seconds and a number of seconds, in ns.
fn clock_step(text: &str) -> Result<(u64, i64), String> {
    let (at, by) = pair(text)?;
    let ns = |seconds: i64| seconds.checked_mul(NS_PER_SECOND.cast_signed());
    let at = ns(at).and_then(|at| u64::try_from(at).ok());
    at.zip(ns(by)).ok_or_else(|| "not a time and a number of seconds".into())
}

fn pair(text: &str) -> Result<(i64, i64), String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is not a number of seconds"));
    let (first, second) = text.split_once(':').ok_or("two numbers with a colon between them are wanted")?;
    Ok((number(first)?, number(second)?))
}
