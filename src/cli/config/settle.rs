//! What holds of all that is set: what is typed goes before the environment, that before the file, and that before the default.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::definition::{self, FILE_OPTION, contradict, is_flag};
use super::entry::Entry;
use super::environment::{self, FILE_VARIABLE};
use super::error::Error;
use super::file;

/// What one command takes of another one's settings.
struct Borrowed {
    /// The command that takes them, where it has the same options.
    command: &'static str,
    /// The command that they are of.
    from: &'static str,
    /// It takes none unless this option is set: the others are about it.
    about: &'static str,
}

/// `doctor` asks about the recorder that is configured.
const BORROWED: [Borrowed; 1] = [Borrowed { command: "doctor", from: "capture", about: "file" }];

/// A command line as it was typed, with what is missing or wrong left out.
#[derive(Debug)]
pub struct Typed {
    /// The command.
    pub command: String,
    /// Its options.
    pub options: ArgMatches,
}

impl Typed {
    /// What was typed; `None` if that is no command, or one that asks for help.
    pub fn of(program: &Command, words: &[OsString]) -> Option<Self> {
        let mut matches = program.clone().ignore_errors(true).try_get_matches_from(words).ok()?;
        matches.remove_subcommand().map(|(command, options)| Self { command, options })
    }

    /// Nothing but a command.
    pub fn command(command: &str) -> Self {
        Self { command: command.into(), options: ArgMatches::default() }
    }

    /// The file that is to be read.
    pub fn file(&self) -> Option<PathBuf> {
        self.options.try_get_one::<PathBuf>(FILE_OPTION).ok().flatten().cloned()
    }

    /// Whether this option was given.
    pub fn has(&self, option: &Arg) -> bool {
        let id = option.get_id().as_str();
        self.options.try_contains_id(id).unwrap_or_default()
            && self.options.value_source(id) == Some(ValueSource::CommandLine)
    }

    /// What was given for it, as it was typed.
    pub fn values(&self, option: &Arg) -> Vec<OsString> {
        let raw = self.options.try_get_raw(option.get_id().as_str()).ok().flatten();
        let values: Vec<_> = raw.into_iter().flatten().map(OsStr::to_owned).collect();
        if values.is_empty() && is_flag(option) { vec!["true".into()] } else { values }
    }
}

/// All that is set outside of the command line.
#[derive(Debug)]
pub struct Settings {
    /// The file that was read, if any was.
    pub file: Option<PathBuf>,
    /// Lines for standard error: variables that are none of ours.
    pub strangers: Vec<String>,
    environment: Vec<Entry>,
    of_file: Vec<Entry>,
}

impl Settings {
    /// Reads the environment and the file: that one, or else the one that the environment names, or else the one of the machine.
    pub fn read(program: &Command, file: Option<&Path>) -> Result<Self, Error> {
        let variable = env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let (file, of_file) = file::read(program, file.or(variable.as_deref()))?;
        let environment = environment::read(program, env::vars_os())?;
        Ok(Self { file, strangers: environment.strangers, environment: environment.entries, of_file })
    }

    /// What of it holds for a command that was typed.
    pub fn settle<'s>(&'s self, program: &Command, typed: &Typed) -> Result<Settled<'s>, Error> {
        let mut settled = Settled::default();
        let Some(command) = program.find_subcommand(&typed.command) else { return Ok(settled) };
        let borrowed = BORROWED.iter().filter(|borrowed| borrowed.command == typed.command);
        let borrowed = borrowed.filter(|borrowed| self.knows(command, typed, borrowed)).map(|borrowed| borrowed.from);
        let rooms: Vec<_> = std::iter::once(typed.command.as_str()).chain(borrowed).collect();
        for layer in [&self.environment, &self.of_file] {
            for room in &rooms {
                settled.add(command, typed, layer.iter().filter(|entry| entry.command == **room))?;
            }
        }
        Ok(settled)
    }

    /// Whether that is set which borrowed settings are about.
    fn knows(&self, command: &Command, typed: &Typed, borrowed: &Borrowed) -> bool {
        definition::option(command, borrowed.about).is_some_and(|option| typed.has(option))
            || self.environment.iter().chain(&self.of_file).any(|entry| {
                entry.option == borrowed.about && [borrowed.command, borrowed.from].contains(&entry.command.as_str())
            })
    }
}

/// What holds for a command of what is set outside of the command line.
#[derive(Debug, Default)]
pub struct Settled<'s> {
    /// The entries that hold.
    pub held: Vec<&'s Entry>,
    /// Those that would hold, but for an option that goes before them and that they contradict: how that one is called.
    pub ruled_out: Vec<(&'s Entry, String)>,
}

impl<'s> Settled<'s> {
    /// Adds the entries of one place, which give way to all that was typed and added before.
    fn add(&mut self, command: &Command, typed: &Typed, entries: impl Iterator<Item = &'s Entry>) -> Result<(), Error> {
        let before = self.held.len();
        for entry in entries {
            let Some(option) = definition::option(command, &entry.option) else { continue };
            if typed.has(option) || self.held.iter().any(|held| held.option == entry.option) {
                continue;
            }
            let (stronger, equals) = self.held.split_at(before);
            if !entry.is_nothing(is_flag(option)) {
                let stronger = held_rival(command, stronger, option);
                let stronger = stronger.map(|rival| format!("{} ({})", rival.option, rival.place));
                if let Some(rival) = typed_rival(command, typed, option).or(stronger) {
                    self.ruled_out.push((entry, rival));
                    continue;
                }
                if let Some(rival) = held_rival(command, equals, option) {
                    let what = format!("{} does not go with {} ({})", entry.option, rival.option, rival.place);
                    return Err(definition::wrong(&entry.place, what));
                }
            }
            self.held.push(entry);
        }
        Ok(())
    }

    /// The words as if all that holds had been typed behind the command, and flags without values: `--foreground=false` is
    /// as good as nothing, now that no other `foreground` holds.
    pub fn words(&self, program: &Command, typed: &Typed, words: &[OsString]) -> Vec<OsString> {
        let Some(command) = program.find_subcommand(&typed.command) else { return words.to_vec() };
        let (before, after) = words.split_at(behind_command(words, &typed.command));
        let is_flag = |name: &str| definition::option(command, name).is_some_and(is_flag);
        let held = self.held.iter().flat_map(|entry| entry.words(is_flag(&entry.option)));
        let escape = after.iter().position(|word| word == "--").unwrap_or(after.len());
        let (options, operands) = after.split_at(escape);
        let options = options.iter().filter_map(|word| {
            let flag = word.to_str().and_then(|word| word.strip_prefix("--")?.split_once('='));
            match flag.filter(|(name, _)| is_flag(name)) {
                Some((_, "false")) => None,
                Some((name, "true")) => Some(format!("--{name}").into()),
                _ => Some(word.clone()),
            }
        });
        before.iter().cloned().chain(held).chain(options).chain(operands.iter().cloned()).collect()
    }
}

/// A typed option that this one contradicts.
fn typed_rival(command: &Command, typed: &Typed, option: &Arg) -> Option<String> {
    let is_set = |other: &Arg| typed.has(other) && !(is_flag(other) && typed.values(other) == ["false"]);
    let rival = command.get_arguments().find(|other| is_set(other) && contradict(command, option, other))?;
    Some(definition::name(rival).map_or_else(|| rival.get_id().to_string(), |name| format!("--{name}")))
}

/// An entry that holds and that this option contradicts.
fn held_rival<'s>(command: &Command, held: &[&'s Entry], option: &Arg) -> Option<&'s Entry> {
    held.iter().copied().find(|entry| {
        let rival = definition::option(command, &entry.option);
        rival.is_some_and(|rival| !entry.is_nothing(is_flag(rival)) && contradict(command, option, rival))
    })
}

/// Where the words behind the command begin: before it stands nothing but the option that names the file.
fn behind_command(words: &[OsString], command: &str) -> usize {
    let file = format!("--{FILE_OPTION}");
    let mut at = 1;
    while let Some(word) = words.get(at) {
        if word == file.as_str() {
            at += 2;
        } else if word == command {
            return at + 1;
        } else {
            at += 1;
        }
    }
    words.len()
}
