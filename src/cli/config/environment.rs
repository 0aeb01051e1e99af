//! What environment variables set: `CTRECORDER_CAPTURE_PID_FILE` is `--pid-file` of `capture`.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

use super::definition::{self, check, is_flag, is_repeatable, wrong};
use super::entry::{Entry, Place};
use super::error::Error;
use crate::hint::{did_you_mean, nearest};

/// How all names begin.
const PREFIX: &str = "CTRECORDER_";

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "CTRECORDER_CONFIG";

/// What the environment says.
#[derive(Debug, Default)]
pub struct Environment {
    /// The options that are set.
    pub entries: Vec<Entry>,
    /// The variables that begin as ours do, and name no command: others set such ones, too, as Kubernetes does for a service of
    /// this name. A line each, for standard error.
    pub strangers: Vec<String>,
}

/// Reads the variables. Empty ones count as not set, so that a shell can take one back.
pub fn read(program: &Command, variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Environment, Error> {
    let mut environment = Environment::default();
    let mut variables: Vec<_> = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, value)| name.starts_with(PREFIX) && name != FILE_VARIABLE && !value.is_empty())
        .collect();
    // The same error each time.
    variables.sort();
    for (variable, value) in variables {
        let words = variable.strip_prefix(PREFIX).unwrap_or_default();
        let Some((command, option)) = split(program, words) else {
            environment.strangers.push(stranger(program, &variable, words));
            continue;
        };
        let place = Place::Variable(variable.clone());
        let Some(option) = definition::options(command).find(|known| spelt(known) == option) else {
            return Err(wrong(&place, format!("{} has no such option{}", command.get_name(), meant(command, option))));
        };
        let entry = Entry {
            command: command.get_name().into(),
            option: definition::name(option).unwrap_or_default().into(),
            values: values(option, &value).map_err(|what| wrong(&place, what))?,
            place,
        };
        check(command, &entry)?;
        environment.entries.push(entry);
    }
    Ok(environment)
}

/// The command that the words of a variable begin with, and the rest of them.
fn split<'c, 'w>(program: &'c Command, words: &'w str) -> Option<(&'c Command, &'w str)> {
    let (first, rest) = words.split_once('_')?;
    program.get_subcommands().find(|command| command.get_name().to_uppercase() == first).map(|command| (command, rest))
}

/// An option's name as it stands in a variable.
fn spelt(option: &Arg) -> String {
    definition::name(option).unwrap_or_default().to_uppercase().replace('-', "_")
}

/// What one value of a variable is: of an option that may be repeated, each line is one.
fn values(option: &Arg, value: &OsStr) -> Result<Vec<OsString>, String> {
    if is_flag(option) {
        return match value.to_str().map(str::to_lowercase).as_deref() {
            Some("true" | "yes" | "on" | "1") => Ok(vec!["true".into()]),
            Some("false" | "no" | "off" | "0") => Ok(vec!["false".into()]),
            _ => Err(format!("true or false is expected, not \"{}\"", value.to_string_lossy().escape_debug())),
        };
    }
    Ok(match value.to_str().filter(|_| is_repeatable(option)) {
        Some(lines) => lines.lines().filter(|line| !line.is_empty()).map(OsString::from).collect(),
        None => vec![value.to_owned()],
    })
}

/// Which variable of the command was meant.
fn meant(command: &Command, option: &str) -> String {
    let known: Vec<_> = definition::options(command).map(|option| spelt(option).to_lowercase()).collect();
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    let whole = |near: &&str| format!("{PREFIX}{}_{near}", command.get_name()).to_uppercase();
    did_you_mean(&nearest(option, &known).iter().map(whole).collect::<Vec<_>>())
}

/// What is said of a variable that names no command: it may be an option without its command.
fn stranger(program: &Command, variable: &str, words: &str) -> String {
    let with =
        program.get_subcommands().filter(|command| definition::options(command).any(|option| spelt(option) == words));
    let meant: Vec<_> =
        with.map(|command| format!("{PREFIX}{}_{words}", command.get_name().to_uppercase())).take(4).collect();
    format!("{variable} is passed over: it names no command{}", did_you_mean(&meant))
}
