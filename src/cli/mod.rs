//! The command line: one file a command, and `classic.rs` for the C program's letters.

mod capture;
mod classic;
mod config;
mod contents;
mod coverage;
mod doctor;
mod export;
mod flows;
mod header;
mod limits;
mod lines;
mod list;
mod missing;
mod of_netns;
mod report;
mod retention;
mod selection;
mod size;
mod squeeze;
mod status;
mod test;
mod threads;
mod who;
mod zone;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

use report::Report;
use selection::{Selected, Selection};
use status::{Misuse, Status};
use threads::Threads;
use zone::InZone;

/// Records the NAT translations of a Linux router, and answers who used an address and port at a given time.
#[derive(Parser)]
#[command(name = "ctrecorder", version = version(), after_help = AFTER_HELP)]
struct Program {
    #[command(flatten)]
    file: config::FileOption,

    #[command(subcommand)]
    command: Command,
}

/// Everything the program can do.
#[derive(Subcommand)]
enum Command {
    Capture(capture::Arguments),
    List(list::Arguments),
    Header(header::Arguments),
    Test(test::Arguments),
    Squeeze(squeeze::Arguments),
    Export(Box<export::Arguments>),
    Coverage(coverage::Arguments),
    Who(who::Arguments),
    Doctor(doctor::Arguments),
    Config(config::Arguments),
}

const AFTER_HELP: &str = "\
The spelling of the C program is understood as well: -C, -L, -H, -T, -S; its usage is shown without any argument.

Exit status: 0 done; 1 a file failed the test, coverage found a gap, who found nobody, or doctor found what would cost records; 2 wrong usage (1 in the C \
program's spelling); 3 who found several; 4 who found nobody, and something may be missing; 5 a file could not be read or is damaged, or anything else failed. What can be read is always shown.";

/// The version, and whether this build can record, and knows archives.
const fn version() -> &'static str {
    macro_rules! with_capture {
        ($capture:literal) => {
            if cfg!(feature = "archive") {
                concat!(env!("CARGO_PKG_VERSION"), "\ncapture: ", $capture, "\narchive: built in")
            } else {
                concat!(env!("CARGO_PKG_VERSION"), "\ncapture: ", $capture, "\narchive: left out at compile time")
            }
        };
    }
    if cfg!(not(target_os = "linux")) {
        with_capture!("left out (Linux only)")
    } else if cfg!(feature = "capture") {
        with_capture!("built in")
    } else {
        with_capture!("left out at compile time")
    }
}

/// The command line, as pages and completions are made of it.
pub fn definition() -> clap::Command {
    Program::command()
}

/// Runs the program with these arguments, the first of which is its name. Everything it has to say is said when this
/// returns.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let status = match classic::rewrite(&arguments) {
        Ok(None) => modern(&arguments),
        // What the C program's letters do is theirs alone: no file and no environment changes it.
        Ok(Some(words)) => parse(Program::try_parse_from(words), Status::ClassicUsage, &[]),
        Err(error) => {
            say(&format!("ctrecorder: {error}\n{}", classic::USAGE));
            Status::ClassicUsage
        }
    };
    status.into()
}

/// Does what the words say, and what is set elsewhere.
fn modern(words: &[OsString]) -> Status {
    match config::complete(Program::command(), words) {
        Ok(line) => {
            let program = Program::try_parse_from(line.words);
            let program =
                program.map_err(|error| config::wrong_flag(Program::command(), words, &error).unwrap_or(error));
            // A recorder waits for nobody who reads what it says.
            let is_recorder = matches!(&program, Ok(Program { command: Command::Capture(_), .. }));
            let warn = if is_recorder { capture::say_when_started } else { say };
            line.warnings.iter().for_each(|warning| warn(&format!("ctrecorder: {warning}\n")));
            parse(program, Status::Usage, &line.elsewhere)
        }
        Err(error) => {
            say(&format!("ctrecorder: {error}\n"));
            error.status()
        }
    }
}

/// Does what was understood, or says why nothing was. `usage` is how the program ends if the command line makes no sense; then
/// the lines are said that tell what else it was made of.
fn parse(program: Result<Program, clap::Error>, usage: Status, elsewhere: &[String]) -> Status {
    let status = match program {
        Ok(program) => run(program, usage),
        Err(error) => {
            // If nobody reads it, nobody needs it.
            let _ = error.print();
            if error.use_stderr() { usage } else { Status::Done }
        }
    };
    if status == usage {
        elsewhere.iter().for_each(|line| say(&format!("ctrecorder: {line}\n")));
    }
    status
}

fn run(program: Program, usage: Status) -> Status {
    let done = match program.command {
        Command::Capture(arguments) => capture::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Header(arguments) => header::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Squeeze(arguments) => squeeze::run(arguments),
        Command::Export(arguments) => export::run(*arguments),
        Command::Coverage(arguments) => coverage::run(arguments),
        Command::Who(arguments) => who::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Config(arguments) => config::run(arguments, &program.file),
    };
    done.unwrap_or_else(|error| {
        say(&format!("ctrecorder: {error:#}\n"));
        if error.is::<Misuse>() { usage } else { Status::Failed }
    })
}

/// That something was written to standard output, or need not be: whoever read it has had enough, as `head` does.
fn written(done: io::Result<()>) -> anyhow::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("standard output"),
    }
}

/// Writes to standard error. If that is closed there is nobody to tell.
fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Program::command().debug_assert();
    }
}
