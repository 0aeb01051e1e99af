//! `cargo run --release --example demo`: records real kernel events in a private network namespace, then asks who used
//! a public port, squeezes and tests what was recorded, and shows each command.
//!
//! It needs no router and sends no packet: the flows are put into the private namespace's own connection-tracking
//! table, and taken out again. Where the kernel has no connection tracking it says so, and generated records serve.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, ensure};

mod flows;
mod generated;
#[cfg(all(target_os = "linux", feature = "capture"))]
mod kernel;
#[cfg(all(target_os = "linux", feature = "capture"))]
mod namespace;

/// Set in the environment of the processes in which this program plays `ctrecorder`.
const PLAY: &str = "DEMO_PLAYS_CTRECORDER";

fn main() -> ExitCode {
    if std::env::var_os(PLAY).is_some() {
        let arguments = std::env::args_os().skip(1);
        return ctrecorder::cli::main([OsString::from("ctrecorder")].into_iter().chain(arguments));
    }
    match demo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<()> {
    let directory = tempfile::Builder::new().prefix("ctrecorder-demo.").tempdir()?;
    let segment = record(directory.path())?;
    let name = segment.file_name().context("a segment has a name")?.to_string_lossy().into_owned();
    let squeezed = name.replace(".ct", ".sq.ct");
    let public = flows::public_endpoint();

    say("Everything that was recorded, in the C program's words:");
    show(directory.path(), &["list", &name])?;
    say(&format!("A complaint names {}, port {}. Who was that?", public.0, public.1));
    let at = UNIX_EPOCH.elapsed()?.as_secs();
    show(directory.path(), &["who", &format!("{}:{}", public.0, public.1), "--at", &format!("@{at}"), &name])?;
    say("The same in the C program's words, whatever the time:");
    show(directory.path(), &["-L", "-f", &name, "-H", "-i", &public.0, "-p", &public.1])?;
    say("Squeezed: start and end of a flow on one line, and less to keep.");
    show(directory.path(), &["squeeze", &name])?;
    show(directory.path(), &["list", "-H", &squeezed])?;
    say("Is it whole, and as it was written?");
    show(directory.path(), &["test", &name, &squeezed])
}

/// Records real events if that is possible here, else writes generated ones. Returns the segment's path.
#[cfg(all(target_os = "linux", feature = "capture"))]
fn record(directory: &Path) -> Result<PathBuf> {
    match namespace::enter_private() {
        Ok(()) => kernel::record(directory),
        Err(reason) => {
            say(&format!("No real kernel events here ({reason:#}): generated records instead."));
            generated::record(directory)
        }
    }
}

/// Where there is no capture, records are generated.
#[cfg(not(all(target_os = "linux", feature = "capture")))]
fn record(directory: &Path) -> Result<PathBuf> {
    say("This build has no capture: generated records.");
    generated::record(directory)
}

/// A command that runs this program as `ctrecorder`.
fn ctrecorder(directory: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).current_dir(directory).env(PLAY, "1");
    Ok(command)
}

/// Prints a command as it would be typed, and runs it.
fn show(directory: &Path, arguments: &[&str]) -> Result<()> {
    print(&format!("$ ctrecorder {}\n", arguments.join(" ")));
    let status = ctrecorder(directory, arguments)?.status()?;
    ensure!(status.success(), "that ended with {status}");
    Ok(())
}

/// Prints a line, unless whoever read them has had enough.
fn say(text: &str) {
    print(&format!("\n# {text}\n"));
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}
