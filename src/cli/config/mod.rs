//! Options from elsewhere than the command line: a TOML file, and the environment. docs/configuration.md is the manual.
//!
//! | part | what it does |
//! |---|---|
//! | `definition` | what clap knows of the options, so that none is named here |
//! | `file`, `environment` | from these to entries, each checked by the command that it is for |
//! | `settle` | which entries hold beside what was typed; they are then read as if they had been typed |
//! | `meant` | what of the file is not meant for what was typed, and does harm there |
//! | `show` | `ctrecorder config`: what is in force, and where it was said |

mod definition;
mod entry;
mod environment;
mod error;
mod file;
mod meant;
mod settle;
mod show;

use std::ffi::OsString;

use clap::Command;
use clap::error::ErrorKind;

pub(super) use definition::FileOption;
pub(super) use error::Error;
pub use show::{Arguments, run};

use definition::with_values_for_flags;
use settle::{Settings, Typed};

/// A command line with all that is set elsewhere.
#[derive(Debug)]
pub(super) struct Line {
    /// The words, the program's name first.
    pub(super) words: Vec<OsString>,
    /// What did not come from the command line: a line each, for whoever is told that it makes no sense.
    pub(super) elsewhere: Vec<String>,
    /// Lines for standard error.
    pub(super) warnings: Vec<String>,
}

/// What is wrong with the value that a flag was given, if that is what clap's error is about: without values for flags it only says that
/// there is one.
pub(super) fn wrong_flag(program: Command, words: &[OsString], error: &clap::Error) -> Option<clap::Error> {
    let is_value = error.kind() == ErrorKind::TooManyValues;
    let told = is_value.then(|| with_values_for_flags(program).try_get_matches_from(words))?.err();
    told.filter(|told| told.kind() == ErrorKind::InvalidValue)
}

/// Adds to a command line what is set elsewhere; one that asks for help, or names no command, stays as it is.
pub(super) fn complete(program: Command, words: &[OsString]) -> Result<Line, Error> {
    let program = with_values_for_flags(program);
    let Some(typed) = Typed::of(&program, words) else {
        return Ok(Line { words: words.to_vec(), elsewhere: Vec::new(), warnings: Vec::new() });
    };
    let settings = Settings::read(&program, typed.file().as_deref())?;
    let settled = settings.settle(&program, &typed)?;
    let words = settled.words(&program, &typed, words);
    let elsewhere = settled.held.iter().map(|entry| format!("--{} is from {}", entry.option, entry.place)).collect();
    let mut warnings = meant::warnings(&program, &typed, &settled);
    warnings.splice(0..0, settings.strangers.iter().cloned());
    Ok(Line { words, elsewhere, warnings })
}
