//! `ctrecorder config`: what is in force, and where it was said.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory, Parser, ValueEnum};
use serde::Serialize;

use super::definition::{self, FileOption, is_flag, is_repeatable, with_values_for_flags};
use super::entry::Place;
use super::error::Error;
use super::file::DEFAULT;
use super::settle::{Settings, Settled, Typed};
use super::wrong_flag;
use crate::cli::{Misuse, Program, Status, written};
use crate::hint::{did_you_mean, nearest};
use crate::journal::Shown;

/// Show which options are in force, and where each was set
///
/// Every option can be set on the command line, by an environment variable (CTRECORDER_CAPTURE_PID_FILE is --pid-file of capture),
/// or in a TOML file, in the table of its command ([capture], and below it pid-file = "/run/ctrecorder/pid"). The command line
/// goes before the environment, that before the file, and that before the default. What is shown is such a file itself.
#[derive(clap::Args)]
pub struct Arguments {
    /// How it is written
    #[arg(short, long, value_name = "FORMAT", default_value = "toml")]
    output: Format,

    /// A command, and options: show those of this command alone, as if it were given these
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// A form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A file as this program reads it, each value with a comment that says where it was set
    Toml,
    /// One object
    Json,
}

/// What is in force.
#[derive(Serialize)]
struct InForce {
    /// The file that was read.
    file: Option<String>,
    /// The options of each command, by its name.
    commands: BTreeMap<String, Vec<Setting>>,
}

/// An option and its value.
#[derive(Serialize)]
struct Setting {
    option: String,
    value: Value,
    origin: Origin,
    /// The option on the command line, the variable, or the place in the file.
    place: Option<String>,
    /// Values that would hold but for another option, as lines.
    #[serde(skip)]
    ruled_out: Vec<String>,
}

/// A value as JSON and TOML have it.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Value {
    /// None is set, and there is no default.
    NotSet,
    Flag(bool),
    Number(i64),
    Text(String),
    List(Vec<Self>),
}

/// By what an option was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Origin {
    CommandLine,
    Environment,
    File,
    Default,
}

/// Shows what is in force. `file` is the one that was named in front of the command.
pub fn run(arguments: Arguments, file: &FileOption) -> anyhow::Result<Status> {
    let program = with_values_for_flags(Program::command());
    let typed = typed(&program, &arguments.words)?;
    let named = typed.iter().find_map(Typed::file).or_else(|| file.path().map(Path::to_owned));
    let settings = Settings::read(&program, named.as_deref()).map_err(refused)?;
    let file = settings.file.as_ref().map(|path| Shown(path).to_string());
    let mut in_force = InForce { file, commands: BTreeMap::new() };
    for typed in typed {
        let options = options(&program, &settings, &typed, &arguments.words)?;
        in_force.commands.insert(typed.command, options);
    }
    let text = match arguments.output {
        Format::Toml => in_force.toml(),
        Format::Json => serde_json::to_string(&in_force)? + "\n",
    };
    written(io::stdout().write_all(text.as_bytes()))?;
    Ok(Status::Done)
}

/// The command line that is asked about, or without one, every command.
fn typed(program: &Command, words: &[OsString]) -> Result<Vec<Typed>, Misuse> {
    let Some(command) = words.first() else {
        return Ok(program.get_subcommands().map(|command| Typed::command(command.get_name())).collect());
    };
    if program.find_subcommand(command).is_none() {
        let names: Vec<_> = program.get_subcommands().map(Command::get_name).collect();
        let meant = did_you_mean(&nearest(&command.to_string_lossy(), &names));
        return Err(Misuse(format!("there is no command {}{meant}", Shown(command.as_ref()))));
    }
    let typed = Typed::of(program, &line(program, words));
    Ok(vec![typed.ok_or_else(|| Misuse("a command line that only shows help has no options".into()))?])
}

/// The words as a command line, which the program's name begins.
fn line(program: &Command, words: &[OsString]) -> Vec<OsString> {
    std::iter::once(program.get_name().into()).chain(words.iter().cloned()).collect()
}

/// What is said of settings that make no sense.
fn refused(error: Error) -> anyhow::Error {
    match error.status() {
        Status::Usage => Misuse(error.to_string()).into(),
        _ => error.into(),
    }
}

/// The options of a command.
fn options(program: &Command, settings: &Settings, typed: &Typed, words: &[OsString]) -> anyhow::Result<Vec<Setting>> {
    let settled = settings.settle(program, typed).map_err(refused)?;
    // What has to be given may be missing here; what is given has to make sense.
    if !words.is_empty()
        && let Err(error) = Program::try_parse_from(settled.words(program, typed, &line(program, words)))
        && error.kind() != ErrorKind::MissingRequiredArgument
    {
        let error = wrong_flag(Program::command(), &line(program, words), &error).unwrap_or(error);
        anyhow::bail!(Misuse(definition::told(&error)));
    }
    let Some(command) = program.find_subcommand(&typed.command) else { return Ok(Vec::new()) };
    let options = definition::options(command).filter(|option| !option.is_hide_set());
    Ok(options.map(|option| Setting::of(option, typed, &settled)).collect())
}

impl Setting {
    fn of(option: &Arg, typed: &Typed, settled: &Settled<'_>) -> Self {
        let name = definition::name(option).unwrap_or_default();
        let held = settled.held.iter().find(|entry| entry.option == name);
        let (values, origin, place) = if typed.has(option) {
            (typed.values(option), Origin::CommandLine, Some(format!("--{name}")))
        } else if let Some(entry) = held {
            let origin = match entry.place {
                Place::Variable(_) => Origin::Environment,
                Place::File { .. } => Origin::File,
            };
            (entry.values.clone(), origin, Some(entry.place.to_string()))
        } else {
            (option.get_default_values().iter().map(|value| value.into()).collect(), Origin::Default, None)
        };
        let ruled_out = settled.ruled_out.iter().filter(|(entry, _)| entry.option == name);
        let ruled_out = ruled_out
            .map(|(entry, rival)| format!("{} is without effect beside {rival}: {}", entry.option, entry.place))
            .collect();
        Self { option: name.into(), value: Value::of(option, &values), origin, place, ruled_out }
    }
}

impl Value {
    /// The values of an option. What is no text is shown as well as it can be.
    fn of(option: &Arg, values: &[OsString]) -> Self {
        let one = |value: &OsString| {
            let text = value.to_string_lossy().into_owned();
            match text.parse::<i64>() {
                Ok(number) if number.to_string() == text => Self::Number(number),
                _ => Self::Text(text),
            }
        };
        match values {
            [] => Self::NotSet,
            [value] if is_flag(option) => Self::Flag(value == "true"),
            values if is_repeatable(option) => Self::List(values.iter().map(one).collect()),
            [value, ..] => one(value),
        }
    }
}

impl fmt::Display for Value {
    /// As TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSet => f.write_str("\"\""),
            Self::Flag(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            // A string of JSON is one of TOML, but for one control character.
            Self::Text(text) => {
                let json = serde_json::to_string(text).map_err(|_| fmt::Error)?;
                f.write_str(&json.replace('\u{7f}', "\\u007F"))
            }
            Self::List(values) => {
                let values: Vec<_> = values.iter().map(Self::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
        }
    }
}

impl InForce {
    /// As a file that this program reads.
    fn toml(&self) -> String {
        let mut text = match &self.file {
            Some(file) => format!("# file: {file}\n"),
            None => format!("# no file; {DEFAULT} is not there\n"),
        };
        for (command, settings) in &self.commands {
            text += &format!("\n[{command}]\n");
            for setting in settings {
                text += &setting.toml();
            }
        }
        text
    }
}

impl Setting {
    /// A line of such a file, and one for each value that is without effect.
    fn toml(&self) -> String {
        let origin = self.place.as_deref().unwrap_or("default");
        let line = match &self.value {
            Value::NotSet => format!("# {}: not set\n", self.option),
            value => format!("{} = {value}  # {origin}\n", self.option),
        };
        self.ruled_out.iter().fold(line, |text, ruled_out| text + "# " + ruled_out + "\n")
    }
}
