//! The command line as clap knows it, and what of it can be set elsewhere.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};

use super::entry::{Entry, Place};
use super::error::Error;

/// The option that names the file.
pub const FILE_OPTION: &str = "config";

/// That of every command.
#[derive(clap::Args, Debug)]
pub struct FileOption {
    /// Take options that are not given here, nor by CTRECORDER_COMMAND_OPTION in the environment, from this TOML file (default:
    /// /etc/ctrecorder/ctrecorder.toml, if it is there); see ctrecorder config
    #[arg(long, value_name = "FILE", global = true, help_heading = "Configuration")]
    config: Option<PathBuf>,
}

impl FileOption {
    /// The file that was named.
    pub fn path(&self) -> Option<&Path> {
        self.config.as_deref()
    }
}

/// The command line with flags that can be taken back, as in `--foreground=false`.
pub fn with_values_for_flags(program: Command) -> Command {
    program.mut_subcommands(|command| command.mut_args(|option| if is_flag(&option) { valued(option) } else { option }))
}

/// A flag that may have a value behind an equals sign, and means the same as before without one.
fn valued(flag: Arg) -> Arg {
    flag.action(ArgAction::Set)
        .value_parser(ValueParser::bool())
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
        .value_name("BOOL")
}

/// Whether an option is a flag, as it was defined or with a value.
pub fn is_flag(option: &Arg) -> bool {
    match option.get_action() {
        ArgAction::SetTrue => true,
        ArgAction::Set => option.is_require_equals_set() && option.get_default_values() == ["false"],
        _ => false,
    }
}

/// Whether an option may be given more than once.
pub fn is_repeatable(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Append)
}

/// The options of a command that can be set elsewhere: all that are words and that do something.
pub fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|option| {
        let does = matches!(option.get_action(), ArgAction::Set | ArgAction::SetTrue | ArgAction::Append);
        does && name(option).is_some_and(|name| name != FILE_OPTION)
    })
}

/// The long name of an option.
pub fn name(option: &Arg) -> Option<&str> {
    option.get_long()
}

/// The option of this name.
pub fn option<'c>(command: &'c Command, long: &str) -> Option<&'c Arg> {
    options(command).find(|option| name(option) == Some(long))
}

/// Whether two options of a command contradict each other.
pub fn contradict(command: &Command, one: &Arg, other: &Arg) -> bool {
    let names =
        |from: &Arg, to: &Arg| command.get_arg_conflicts_with(from).iter().any(|arg| arg.get_id() == to.get_id());
    names(one, other) || names(other, one)
}

/// Sees to it that the command can read the values of an entry.
pub fn check(command: &Command, entry: &Entry) -> Result<(), Error> {
    if entry.values.iter().any(|value| value.is_empty()) {
        return Err(wrong(&entry.place, format!("{} is empty: leave it out where it is not to be set", entry.option)));
    }
    let is_flag = option(command, &entry.option).is_some_and(is_flag);
    let words = std::iter::once(OsString::from(&entry.command)).chain(entry.words(is_flag));
    match command.clone().try_get_matches_from(words) {
        // What else may be missing is not the matter of one option.
        Err(error) if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) => {
            Err(wrong(&entry.place, told(&error)))
        }
        _ => Ok(()),
    }
}

/// What clap says, without what stands around it.
pub fn told(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.starts_with("For more information")).map(str::trim);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let text = lines.join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// What stands at a place makes no sense.
pub fn wrong(place: &Place, what: impl Into<String>) -> Error {
    Error::Wrong { place: place.clone(), what: what.into() }
}
