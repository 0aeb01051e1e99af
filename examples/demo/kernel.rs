//! Real events: flows put into the table of a private network namespace, and the recorder beside them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ctrecorder::netlink::request::{self, NewFlow};
use ctrecorder::netlink::socket::RequestSocket;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{ctrecorder, flows, print, say};

/// Nothing in the demo takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Records the demo's flows and returns the segment.
pub fn record(directory: &Path) -> Result<PathBuf> {
    let namespace = std::fs::metadata("/proc/self/ns/net")?.ino();
    // A small buffer is enough, and is to be had without being root of the machine.
    say(&format!(
        "The recorder, in the foreground, in network namespace {namespace}. It warns of what it finds there: nobody has set up \
         NAT, for the demo puts its flows into the kernel's table itself."
    ));
    let arguments = ["-C", "-f", "demo-%Y%m%d-%H%M%S.ct", "-p", "all", "-b", "128", "-F"];
    print(&format!("$ ctrecorder {} &\n", arguments.join(" ")));
    let mut recorder = ctrecorder(directory, &arguments)?.spawn()?;
    let recorded = make_flows(directory, &mut recorder);
    kill(Pid::from_raw(recorder.id().try_into()?), Signal::SIGTERM)?;
    let status = recorder.wait()?;
    let segment = recorded?;
    ensure!(status.success(), "the recorder ended with {status}");
    Ok(segment)
}

/// Begins all flows, and ends all but the last of each family.
fn make_flows(directory: &Path, recorder: &mut Child) -> Result<PathBuf> {
    let segment = wait_for_segment(directory, recorder)?;
    let mut socket = RequestSocket::open()?;
    for flow in flows::all() {
        let new = NewFlow {
            original: flow.original,
            reply: flow.reply,
            protocol: flow.protocol,
            timeout_s: 600,
            status: 0,
            mark: 0,
            zone: 0,
            tcp_state: 0,
        };
        let mut message = Vec::new();
        request::create(&mut message, &new);
        socket.execute(&message).context("cannot create a flow")?;
        sleep(Duration::from_millis(120));
    }
    for flow in flows::all().iter().filter(|flow| flow.original.src.is_ipv4()) {
        let mut message = Vec::new();
        request::delete(&mut message, &flow.original, flow.protocol, 0);
        socket.execute(&message).context("cannot delete a flow")?;
        sleep(Duration::from_millis(80));
    }
    Ok(segment)
}

/// The first segment is there when the recorder hears.
fn wait_for_segment(directory: &Path, recorder: &mut Child) -> Result<PathBuf> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(entry) = std::fs::read_dir(directory)?.next() {
            let path = entry?.path();
            if path.metadata()?.len() > 0 {
                return Ok(path);
            }
        }
        if let Some(status) = recorder.try_wait()? {
            bail!("the recorder ended with {status}");
        }
        sleep(Duration::from_millis(10));
    }
    bail!("the recorder wrote nothing in {PATIENCE:?}")
}
